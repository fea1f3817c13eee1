//! Imports that were checked before: what is believed of them, and what not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::import::{note, sha256};
use crate::{
    Chain, Checked, DiskCache, Error, Evaluated, Evaluator, Expression, ImportError, Importer,
    Location, Value,
};

/// A library that is large enough for its fields to wait.
const LIBRARY: &str = r#"
{ list =
    { map = \(a : Type) -> \(b : Type) -> \(f : a -> b) -> \(xs : List a) ->
        List/build b (\(list : Type) -> \(cons : b -> list -> list) ->
          List/fold a xs list (\(x : a) -> cons (f x)))
    , twice = \(a : Type) -> \(xs : List a) -> xs # xs
    , filled = \(a : Type) -> \(n : Natural) -> \(x : a) ->
        Natural/fold n (List a) (\(so : List a) -> [ x ] # so) ([] : List a)
    }
, natural =
    { even = \(n : Natural) -> Natural/even n && Natural/isZero (Natural/subtract n 0)
    , upTo = \(n : Natural) ->
        Natural/fold n (List Natural)
          (\(so : List Natural) -> [ List/length Natural so ] # so) ([] : List Natural)
    , power = \(n : Natural) -> \(m : Natural) ->
        Natural/fold m Natural (\(so : Natural) -> so * n) 1
    }
, Shape = < Round : { radius : Natural, name : Text } | Square : { side : Natural } | Flat >
, text = "a long text, so that the fields of this record are long on average, too"
}
"#;

/// The caches of a user, without any source that they could be made of.
struct Caches {
    folder: TempDir,
    hash: [u8; 32],
}

impl Caches {
    /// Makes caches with the binary form of a text, which is not checked.
    fn with(text: &str) -> Self {
        let location = Location::Input("library".to_owned());
        let expression = Expression::parse(&location, text).expect("it parses");
        let bytes = expression.encode().expect("it is small");
        let caches = Self {
            folder: TempDir::new().expect("a folder"),
            hash: sha256(&bytes),
        };
        let entry = caches.folder.path().join("dhall").join(caches.name());
        fs::create_dir_all(entry.parent().expect("a folder")).expect("a folder");
        fs::write(entry, bytes).expect("an entry");
        caches
    }

    /// Makes caches with the normal form of the library.
    fn with_library() -> Self {
        let evaluator = Evaluator::new(Arc::new(Chain(Vec::new())));
        let here = Location::Input("library".to_owned());
        let value = evaluator.evaluate(&here, LIBRARY).expect("a value").value;
        Self::with(&value.to_text().expect("a text"))
    }

    fn name(&self) -> String {
        format!("1220{}", data_encoding::HEXLOWER.encode(&self.hash))
    }

    fn note(&self) -> PathBuf {
        let folder = concat!("straylight-dhall/checked-", env!("CARGO_PKG_VERSION"));
        self.folder.path().join(folder).join(self.name())
    }

    /// Notes a type that nobody inferred.
    fn forge(&self, ty: &str) {
        let ty = Expression::parse(&Location::Input("type".to_owned()), ty).expect("it parses");
        self.write(&note(&self.hash, &ty.encode().expect("it is small")));
    }

    fn write(&self, content: &[u8]) {
        let note = self.note();
        fs::create_dir_all(note.parent().expect("a folder")).expect("a folder");
        fs::write(note, content).expect("a note");
    }

    fn evaluate(&self, program: &str) -> Result<Evaluated, Error> {
        evaluate_in(self.folder.path(), &self.hash, program)
    }
}

/// Evaluates a program, in which `LIB` is the import.
fn evaluate_in(folder: &Path, hash: &[u8; 32], program: &str) -> Result<Evaluated, Error> {
    let cache = DiskCache::of_user(|name| (name == "XDG_CACHE_HOME").then(|| folder.into()));
    evaluate_by(Arc::new(cache.expect("a cache")), hash, program)
}

fn evaluate_by(
    importer: Arc<dyn Importer>,
    hash: &[u8; 32],
    program: &str,
) -> Result<Evaluated, Error> {
    let evaluator = Evaluator::new(Arc::new(Chain(vec![importer])));
    let pin = format!("(missing sha256:{})", data_encoding::HEXLOWER.encode(hash));
    evaluator.evaluate(
        &Location::Input("program".to_owned()),
        &program.replace("LIB", &pin),
    )
}

const PROGRAMS: [&str; 7] = [
    "let lib = LIB in lib.list.map Natural Natural (lib.natural.power 2) (lib.natural.upTo 5)",
    "LIB",
    "LIB.natural",
    r"\(n : Natural) -> { twice = LIB.list.twice Natural [ n ], even = LIB.natural.even }",
    r"\(n : Bool) -> LIB // { text = n }",
    "let S = LIB.Shape in [ S.Flat, S.Square { side = 3 } ]",
    "{ a = LIB.{ text }, b = LIB.(let T = { text : Text } in T), c = (LIB with list = 1).natural }",
];

#[test]
fn a_noted_import_gives_the_same() {
    for program in PROGRAMS {
        let caches = Caches::with_library();
        assert!(!caches.note().exists());
        let first = caches.evaluate(program).expect("a value");
        assert!(caches.note().is_file(), "it was checked as a whole");
        let second = caches.evaluate(program).expect("a value");
        for (first, second) in [(&first.value, &second.value), (&first.ty, &second.ty)] {
            let text = second.to_text().expect("a text");
            assert_eq!(first.to_text().expect("a text"), text);
            assert_eq!(
                first.hash().expect("a hash"),
                second.hash().expect("a hash")
            );
            assert!(first.equivalent(second), "{text}");
        }
        assert_eq!(first.imports, second.imports);
    }
}

#[test]
fn errors_in_programs_are_the_same() {
    let caches = Caches::with_library();
    for program in [
        "LIB.list.maps",
        "LIB.natural.power 2 True",
        "LIB : Natural",
        "LIB.natural : { even : Bool }",
        "LIB.list.twice Text (LIB.natural.upTo 3)",
    ] {
        let _ = fs::remove_file(caches.note());
        let before = caches.evaluate(program).expect_err("wrong").render(false);
        assert!(caches.note().is_file());
        let after = caches.evaluate(program).expect_err("wrong").render(false);
        assert_eq!(before, after);
    }
}

fn shown(value: &Value) -> String {
    value.to_text().expect("a text")
}

/// The type of the library, as it is written.
fn library_type() -> String {
    let evaluator = Evaluator::new(Arc::new(Chain(Vec::new())));
    let here = Location::Input("library".to_owned());
    shown(&evaluator.evaluate(&here, LIBRARY).expect("a value").ty)
}

#[test]
fn a_note_is_the_type() {
    let caches = Caches::with_library();
    caches.evaluate("LIB.text").expect("a value");
    let found = fs::read(caches.note()).expect("a note");
    let here = Location::Input("type".to_owned());
    let ty = Expression::parse(&here, &library_type()).expect("it parses");
    assert_eq!(
        found,
        note(&caches.hash, &ty.encode().expect("it is small"))
    );
}

#[test]
fn a_damaged_note_is_none_and_is_made_again() {
    let wrong = LIBRARY.replace("Natural/even n &&", "Natural/even True &&");
    let (right, wrong) = (Caches::with_library(), Caches::with(&wrong));
    right.evaluate("LIB.text").expect("a value");
    let whole = fs::read(right.note()).expect("a note");
    let other = note(&[7; 32], &whole[32..]);
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    let cut = &whole[..whole.len() - 1];
    let (empty, short): (&[u8], &[u8]) = (b"", &whole[..31]);
    for damaged in [empty, short, cut, &flipped, &other, &whole[32..]] {
        right.write(damaged);
        let evaluated = right.evaluate("LIB.natural.even 2").expect("a value");
        assert_eq!(evaluated.value.to_string(), "True");
        assert_eq!(fs::read(right.note()).expect("a note"), whole);
        // It was checked as a whole: this one is ill typed where nobody looks.
        wrong.write(damaged);
        let error = wrong.evaluate("LIB.text").expect_err("ill typed");
        assert!(error.message().contains("wrong type"), "{error}");
    }
}

/// The type that the import has, and some that it has not.
fn forged_types() -> Vec<String> {
    let ty = library_type();
    let other = ty.replace("power : ", "potency : ");
    let text = ty.replace("text : Text", "text : Natural");
    let free = ty.replace("text : Text", "text : x");
    assert!(other != ty && text != ty && free != ty, "{ty}");
    let part = "{ list : Bool, natural : Bool, Shape : Type, text : Text }".to_owned();
    let more = part.replace("text :", "more : Bool, text :");
    vec![
        ty,
        other,
        text,
        free,
        part,
        more,
        "Bool".to_owned(),
        "{=}".to_owned(),
    ]
}

#[test]
fn no_note_changes_what_a_program_evaluates_to() {
    let types = forged_types();
    for program in PROGRAMS {
        let caches = Caches::with_library();
        let honest = shown(&caches.evaluate(program).expect("a value").value);
        for ty in &types {
            caches.forge(ty);
            let forged = caches.evaluate(program);
            let forged = forged.unwrap_or_else(|error| panic!("{}", error.render(false)));
            assert_eq!(shown(&forged.value), honest, "{program} {ty}");
        }
    }
}

#[test]
fn errors_are_those_of_an_evaluation_that_believes_nothing() {
    // A part that is not a part, and one that is ill typed.
    let wrong = LIBRARY.replace("Natural/even n &&", "Natural/even True &&");
    let open = LIBRARY.replace("Natural/even n &&", "x &&");
    for library in [wrong, open] {
        let caches = Caches::with(&library);
        let uses = [
            "LIB.natural.even True",
            "LIB.natural.even + 1",
            "LIB.natural.even \"x\"",
            "LIB : Natural",
        ];
        let honest = uses.map(|program| {
            let error = caches.evaluate(program).expect_err("ill typed");
            assert!(!caches.note().exists(), "{error}");
            error.render(false)
        });
        for ty in forged_types() {
            caches.forge(&ty);
            for (program, honest) in uses.iter().zip(&honest) {
                let error = caches.evaluate(program).expect_err("ill typed");
                assert_eq!(error.render(false), *honest, "{program} {ty}");
            }
        }
        // This is all that a forged note can do: what is ill typed passes.
        caches.forge(&library_type().replace("text : Text", "text : Natural"));
        assert!(caches.evaluate("LIB.text + 1").is_ok());
        caches.forge(&library_type());
        let evaluated = caches.evaluate("LIB.list.twice Natural [ 7 ]");
        assert_eq!(evaluated.expect("a value").value.to_string(), "[ 7, 7 ]");
        let evaluated = caches.evaluate("{=} // LIB.natural").map(drop);
        assert_eq!(
            evaluated.is_ok(),
            !library.contains("x &&"),
            "it is not closed"
        );
    }
}

/// Says of everything that it was checked, and not what type it has: as the
/// embedded library does.
struct Claimed(DiskCache);

impl Importer for Claimed {
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        self.0.read(location, sha256)
    }

    fn cached(&self, sha256: &[u8; 32]) -> Result<Option<Arc<[u8]>>, ImportError> {
        self.0.cached(sha256)
    }

    fn checked(&self, _sha256: &[u8; 32]) -> Option<Checked> {
        Some(Checked::default())
    }
}

impl Claimed {
    fn evaluate(caches: &Caches, program: &str) -> Result<Evaluated, Error> {
        let cache = Self(DiskCache::new(caches.folder.path().join("dhall")));
        evaluate_by(Arc::new(cache), &caches.hash, program)
    }
}

#[test]
fn without_a_type_what_a_program_uses_is_checked() {
    let wrong = LIBRARY.replace("Natural/even n &&", "Natural/even True &&");
    let caches = Caches::with(&wrong);
    for program in [
        "LIB.natural.even 2",
        "LIB",
        "LIB.natural",
        r"\(x : Bool) -> LIB.natural.even",
        "LIB // { text = 1 }",
    ] {
        let honest = caches.evaluate(program).expect_err("ill typed");
        let error = Claimed::evaluate(&caches, program).expect_err("ill typed");
        assert_eq!(error.render(false), honest.render(false), "{program}");
    }
    let evaluated = Claimed::evaluate(&caches, "LIB.list.twice Natural [ 7 ]");
    assert_eq!(evaluated.expect("a value").value.to_string(), "[ 7, 7 ]");
    for program in PROGRAMS {
        let caches = Caches::with_library();
        let honest = caches.evaluate(program).expect("a value");
        let claimed = Claimed::evaluate(&caches, program).expect("a value");
        assert_eq!(shown(&claimed.value), shown(&honest.value));
        assert_eq!(shown(&claimed.ty), shown(&honest.ty));
    }
}

#[test]
fn what_is_looked_at_afterwards_is_checked_too() {
    let wrong = LIBRARY.replace("Natural/even n &&", "Natural/even True &&");
    let caches = Caches::with(&wrong);
    // The record below the binder has no type yet that anybody looked at.
    let function = r"\(x : Bool) -> LIB // { text = x }";
    let evaluated = Claimed::evaluate(&caches, function).expect("a function");
    let error = evaluated.value.to_text().expect_err("ill typed");
    assert!(error.message().contains("not well typed"), "{error}");
}

#[test]
fn a_cache_of_another_hash_is_not_believed() {
    let caches = Caches::with_library();
    caches.forge(&library_type());
    let entry = caches.folder.path().join("dhall").join(caches.name());
    let mut bytes = fs::read(&entry).expect("an entry");
    bytes.push(0);
    fs::write(&entry, bytes).expect("an entry");
    let error = caches.evaluate("LIB.text").expect_err("not there");
    assert_eq!(error.message(), "`missing` is never there");
    assert!(!entry.exists(), "it is discarded");
}
