//! Imports that were checked before: what is checked again, and what is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::import::sha256;
use crate::{Chain, DiskCache, Error, Evaluated, Evaluator, Expression, Location};

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

    /// Notes what nobody checked.
    fn forge(&self) {
        let note = self.note();
        fs::create_dir_all(note.parent().expect("a folder")).expect("a folder");
        fs::write(note, "").expect("a note");
    }

    fn evaluate(&self, program: &str) -> Result<Evaluated, Error> {
        evaluate_in(self.folder.path(), &self.hash, program)
    }
}

/// Evaluates a program, in which `LIB` is the import.
fn evaluate_in(folder: &Path, hash: &[u8; 32], program: &str) -> Result<Evaluated, Error> {
    let cache = DiskCache::of_user(|name| (name == "XDG_CACHE_HOME").then(|| folder.into()));
    let cache = Arc::new(cache.expect("a cache"));
    let evaluator = Evaluator::new(Arc::new(Chain(vec![cache])));
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

#[test]
fn what_a_program_uses_is_checked_whatever_is_noted() {
    let wrong = LIBRARY.replace("Natural/even n &&", "Natural/even True &&");
    let caches = Caches::with(&wrong);
    let uses = [
        "LIB.natural.even 2",
        "LIB",
        "LIB.natural",
        r"\(x : Bool) -> LIB.natural.even",
        "LIB // { text = 1 }",
    ];
    let honest = uses.map(|program| {
        let error = caches.evaluate(program).expect_err("ill typed");
        assert!(!caches.note().exists(), "{error}");
        error.render(false)
    });
    caches.forge();
    for (program, honest) in uses.iter().zip(honest) {
        let error = caches.evaluate(program).expect_err("ill typed");
        assert_eq!(error.render(false), honest, "{program}");
    }
    // This is all that a forged note can do.
    let evaluated = caches
        .evaluate("LIB.list.twice Natural [ 7 ]")
        .expect("a value");
    assert_eq!(evaluated.value.to_string(), "[ 7, 7 ]");
}

#[test]
fn what_is_looked_at_afterwards_is_checked_too() {
    let wrong = LIBRARY.replace("Natural/even n &&", "Natural/even True &&");
    let caches = Caches::with(&wrong);
    caches.forge();
    // The record below the binder has no type yet that anybody looked at.
    let function = r"\(x : Bool) -> LIB // { text = x }";
    let evaluated = caches.evaluate(function).expect("a function");
    let error = evaluated.value.to_text().expect_err("ill typed");
    assert!(error.message().contains("not well typed"), "{error}");
}

#[test]
fn a_cache_of_another_hash_is_not_believed() {
    let caches = Caches::with_library();
    caches.forge();
    let entry = caches.folder.path().join("dhall").join(caches.name());
    let mut bytes = fs::read(&entry).expect("an entry");
    bytes.push(0);
    fs::write(&entry, bytes).expect("an entry");
    let error = caches.evaluate("LIB.text").expect_err("not there");
    assert_eq!(error.message(), "`missing` is never there");
    assert!(!entry.exists(), "it is discarded");
}
