//! Imports: what they see, what they refuse, and what a result depends on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, ErrorKind, Evaluator, Import, ImportError, Importer, Location, MemoryImporter};

fn file(path: &str) -> Location {
    Location::File(path.to_owned())
}

fn remote(url: &str) -> Location {
    Location::Remote(url.to_owned())
}

fn with(texts: &[(Location, &str)]) -> MemoryImporter {
    let mut importer = MemoryImporter::new();
    for (location, text) in texts {
        importer.insert(location.clone(), *text);
    }
    importer
}

fn evaluate(importer: MemoryImporter, text: &str) -> Result<(String, Vec<Import>), Error> {
    let evaluated = Evaluator::new(Arc::new(importer)).evaluate(&file("a/BUILD.dhall"), text)?;
    Ok((evaluated.value.to_string(), evaluated.imports))
}

fn message(importer: MemoryImporter, text: &str) -> String {
    evaluate(importer, text).expect_err("an error").to_string()
}

fn found(location: Location) -> Import {
    Import {
        location,
        sha256: None,
        found: true,
    }
}

#[test]
fn imports_are_relative_to_their_file_and_all_are_listed() {
    let importer = with(&[
        (file("b/lib.dhall"), "./inner.dhall + (./absent.dhall ? 1)"),
        (file("b/inner.dhall"), "40"),
    ]);
    let (value, imports) = evaluate(importer, "../b/lib.dhall + 1").expect("a value");
    assert_eq!(value, "42");
    let absent = Import {
        found: false,
        ..found(file("b/absent.dhall"))
    };
    assert_eq!(
        imports,
        [
            absent,
            found(file("b/inner.dhall")),
            found(file("b/lib.dhall"))
        ]
    );
}

#[test]
fn an_alternative_hides_absence_only() {
    let importer = || {
        with(&[
            (file("a/bad.dhall"), "1 +"),
            (file("a/ill.dhall"), "1 + True"),
        ])
    };
    assert_eq!(
        evaluate(importer(), "missing ? ./no.dhall ? 3")
            .expect("a value")
            .0,
        "3"
    );
    assert_eq!(
        message(importer(), "./bad.dhall ? 3"),
        "a/bad.dhall:1:3: expected the end of the file, found `+`"
    );
    assert!(message(importer(), "./ill.dhall ? 3").starts_with("a/ill.dhall:1:5: `+` needs"));
    let pinned = format!("./ill.dhall sha256:{} ? 3", "0".repeat(64));
    assert!(message(importer(), &pinned).starts_with("a/ill.dhall:1:5: "));
    assert_eq!(
        message(importer(), "./no.dhall"),
        "a/BUILD.dhall:1:1: `a/no.dhall` is not there"
    );
}

#[test]
fn the_chain_of_imports_is_told() {
    let importer = with(&[
        (file("a/one.dhall"), "let x = 1\nin  ./two.dhall"),
        (file("a/two.dhall"), "{ a = x }"),
    ]);
    let error = evaluate(importer, "./one.dhall").expect_err("an error");
    assert_eq!(error.to_string(), "a/two.dhall:1:7: `x` is not in scope");
    let chain = [(file("a/one.dhall"), 2, 5), (file("a/BUILD.dhall"), 1, 1)];
    assert_eq!(error.import_chain(), chain);
    let rendered = error.render(false);
    assert!(
        rendered.contains("imported from a/one.dhall:2:5"),
        "{rendered}"
    );
    assert!(rendered.contains("1 | { a = x }"), "{rendered}");
}

#[test]
fn cycles_are_told() {
    let importer = with(&[
        (file("a/one.dhall"), "./two.dhall"),
        (file("a/two.dhall"), "./one.dhall"),
    ]);
    let error = evaluate(importer, "./one.dhall").expect_err("an error");
    assert_eq!(
        error.to_string(),
        "a/two.dhall:1:1: `a/one.dhall` imports itself"
    );
    assert!(
        error
            .details()
            .any(|line| line == "a/one.dhall → a/two.dhall → a/one.dhall")
    );
    let importer = with(&[(file("a/BUILD.dhall"), "./BUILD.dhall")]);
    assert!(message(importer, "./BUILD.dhall").contains("imports itself"));
}

#[test]
fn a_hash_is_checked() {
    let importer = || with(&[(file("a/one.dhall"), "\\(x : Bool) -> x")]);
    let good = "sha256:f7adde2eb62a0b3d1ab29a29f6dc3a4c5b6b1ac7b2cbe33a4ebe8a4e6d5f0d52";
    let error = evaluate(importer(), &format!("./one.dhall {good}")).expect_err("a wrong hash");
    let details: Vec<_> = error.details().collect();
    assert!(
        details
            .iter()
            .any(|line| *line == format!("expected {good}")),
        "{details:?}"
    );
    let actual = details
        .iter()
        .find_map(|line| line.strip_prefix("found    "))
        .expect("what was found");
    assert!(evaluate(importer(), &format!("./one.dhall {actual}")).is_ok());
    // The same text under another name of the variable has the same hash.
    let renamed = with(&[(file("a/one.dhall"), "-- it\n\\(y : Bool) -> y")]);
    assert!(evaluate(renamed, &format!("./one.dhall {actual}")).is_ok());
    let changed = with(&[(file("a/one.dhall"), "\\(x : Bool) -> True")]);
    assert!(message(changed, &format!("./one.dhall {actual}")).contains("does not have the hash"));
}

#[test]
fn binary_forms_are_found_by_hash() {
    let source = Evaluator::new(Arc::new(MemoryImporter::new()));
    let evaluated = source
        .evaluate(&file("x"), "{ a = 1, f = \\(x : Text) -> x ++ \"!\" }")
        .expect("a value");
    let hash = data_encoding::HEXLOWER.encode(&evaluated.value.hash().expect("a hash"));
    let bytes = evaluated.value.encode().expect("bytes");
    let importer = MemoryImporter::new().with(remote("https://example.com/x"), bytes.clone());
    let text = format!("(https://example.com/x sha256:{hash}).f \"a\"");
    assert_eq!(evaluate(importer, &text).expect("a value").0, "\"a!\"");
    let mut damaged = bytes;
    damaged[3] ^= 1;
    let importer = MemoryImporter::new().with(remote("https://example.com/x"), damaged);
    assert!(evaluate(importer, &text).is_err());
}

#[test]
fn other_ways_to_import() {
    let importer = || {
        with(&[
            (file("a/t"), "1 + \n"),
            (Location::Env("X".to_owned()), "./t as Text"),
        ])
    };
    let value = |text: &str| evaluate(importer(), text).expect("a value").0;
    assert_eq!(value("./t as Text"), "\"1 + \\n\"");
    assert_eq!(value("./t as Bytes"), "0x\"31202b200a\"");
    assert!(value("./no/../u as Location").ends_with(".Local \"./a/u\""));
    assert!(value("env:X as Location").ends_with(".Environment \"X\""));
    assert!(value("missing as Location").ends_with(".Missing"));
    // What an environment variable imports is relative to the root.
    assert!(message(importer(), "env:X").starts_with("env:X:1:1: `t` is not there"));
}

#[test]
fn a_remote_text_sees_only_remote_ones() {
    let importer = || {
        with(&[
            (remote("https://example.com/a/x"), "./y + ../z"),
            (remote("https://example.com/a/y"), "1"),
            (remote("https://example.com/z"), "2"),
            (remote("https://example.com/env"), "env:SECRET as Text"),
            (remote("https://example.com/file"), "/etc/passwd as Text"),
            (Location::Env("SECRET".to_owned()), "s"),
        ])
    };
    assert_eq!(
        evaluate(importer(), "https://example.com/a/x")
            .expect("a value")
            .0,
        "3"
    );
    for name in ["env", "file"] {
        let error = message(importer(), &format!("https://example.com/{name} ? \"\""));
        assert!(error.contains("must not import"), "{error}");
    }
}

#[test]
fn an_error_says_of_what_kind_it_is() {
    let importer = || {
        with(&[
            (file("a/bad.dhall"), "1 +"),
            (file("a/absent.dhall"), "./none.dhall"),
            (file("a/itself.dhall"), "./itself.dhall"),
            (
                file("a/fold.dhall"),
                "Natural/fold 1000000000 Natural (\\(x : Natural) -> x + 1) 0",
            ),
        ])
    };
    let pinned = format!("./absent.dhall sha256:{}", "0".repeat(64));
    for (text, kind) in [
        ("1 + x", ErrorKind::Wrong),
        ("./bad.dhall ? 1", ErrorKind::Wrong),
        ("./itself.dhall", ErrorKind::Wrong),
        ("./none.dhall", ErrorKind::Absent),
        ("[ ./absent.dhall ]", ErrorKind::Absent),
        (&pinned, ErrorKind::Absent),
        ("missing as Text", ErrorKind::Absent),
        ("./fold.dhall", ErrorKind::Exhausted),
    ] {
        assert_eq!(
            evaluate(importer(), text).expect_err("an error").kind(),
            kind,
            "{text}"
        );
    }
    let refused = Evaluator::new(Arc::new(Refusing(AtomicUsize::new(0))));
    let error = refused
        .evaluate(&file("x"), "env:HOME")
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Wrong);
}

/// Refuses everything, and counts how often it was asked.
struct Refusing(AtomicUsize);

impl Importer for Refusing {
    fn read(
        &self,
        location: &Location,
        _: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match location {
            Location::File(_) => Ok(Some(Arc::from(&b"1"[..]))),
            location => Err(ImportError::Refused {
                message: format!("`{location}` is not allowed"),
                hint: "pin it".to_owned(),
            }),
        }
    }
}

#[test]
fn a_refusal_is_not_an_absence() {
    let evaluator = Evaluator::new(Arc::new(Refusing(AtomicUsize::new(0))));
    let error = evaluator
        .evaluate(&file("x"), "env:HOME ? 1")
        .expect_err("refused");
    assert_eq!(error.to_string(), "x:1:1: `env:HOME` is not allowed");
    assert_eq!(error.hint(), Some("pin it"));
}

#[test]
fn an_import_is_read_once() {
    let importer = Arc::new(Refusing(AtomicUsize::new(0)));
    let evaluator = Evaluator::new(Arc::clone(&importer) as Arc<dyn Importer>);
    for _ in 0..3 {
        evaluator
            .evaluate(&file("x"), "./a + ./a")
            .expect("a value");
    }
    assert_eq!(importer.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_result_depends_on_what_was_absent_in_an_import() {
    let importer = with(&[
        (file("a/lib.dhall"), "./inner.dhall + ./absent.dhall"),
        (file("a/inner.dhall"), "1"),
    ]);
    let (value, imports) = evaluate(importer, "./lib.dhall ? 7").expect("a value");
    assert_eq!(value, "7");
    let absent = Import {
        found: false,
        ..found(file("a/absent.dhall"))
    };
    assert_eq!(
        imports,
        [
            absent,
            found(file("a/inner.dhall")),
            found(file("a/lib.dhall"))
        ]
    );
}
