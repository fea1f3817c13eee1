//! Expressions with all that they import in them.

use std::sync::Arc;

use crate::{
    Dependency, Error, Evaluated, Evaluator, Graph, Importer, Limits, Location, MemoryImporter,
    dependencies,
};

fn file(path: &str) -> Location {
    Location::File(path.to_owned())
}

fn with(texts: &[(&str, &str)]) -> MemoryImporter {
    let mut importer = MemoryImporter::new();
    for (path, text) in texts {
        importer.insert(file(path), *text);
    }
    importer
}

fn resolve(importer: impl Importer + 'static, text: &str) -> Result<(String, Graph), Error> {
    let resolved = Evaluator::new(Arc::new(importer)).resolve(&file("main.dhall"), text)?;
    let text = resolved.expression.to_string();
    Ok((text, resolved.graph))
}

fn text(texts: &[(&str, &str)], main: &str) -> String {
    let resolved = resolve(with(texts), main);
    resolved
        .unwrap_or_else(|error| panic!("{main}: {}", error.render(false)))
        .0
}

fn evaluate(importer: MemoryImporter, text: &str) -> Result<Evaluated, Error> {
    Evaluator::new(Arc::new(importer)).evaluate(&file("main.dhall"), text)
}

#[test]
fn what_is_imported_stands_where_the_import_was() {
    let texts = [
        ("f.dhall", "\\(x : Natural) -> x + ./one.dhall"),
        ("one.dhall", "-- the first\n0 + 1"),
        ("t.txt", "a\n"),
    ];
    for (main, expected) in [
        ("./one.dhall", "0 + 1"),
        (
            "let x = 3 in ./f.dhall x",
            "let x = 3 in (λ(x : Natural) → x + (0 + 1)) x",
        ),
        // Of alternatives one is left; neither is looked at behind it.
        ("(missing ? ./one.dhall ? ./f.dhall) * 2", "(0 + 1) * 2"),
        ("./no.dhall ? ./no2.dhall ? True", "True"),
        ("./t.txt as Text", "\"a\\n\""),
        ("./t.txt as Bytes", "0x\"610a\""),
        (
            "./x/../t.txt as Location",
            "< Environment : Text | Local : Text | Missing | Remote : Text >.Local \"./t.txt\"",
        ),
        // Neither the text nor its variables are checked.
        ("1 + x ./one.dhall", "1 + x (0 + 1)"),
        ("\"${./t.txt as Text}\"", "\"${\"a\\n\"}\""),
    ] {
        assert_eq!(text(&texts, main), expected, "{main}");
    }
}

#[test]
fn a_pinned_import_is_its_normal_form_wherever_it_is_from() {
    let lib = "let y = 1 in \\(x : Natural) -> [ x, y ]";
    let value = evaluate(MemoryImporter::new(), lib).expect("a value").value;
    let hash = data_encoding::HEXLOWER.encode(&value.hash().expect("a hash"));
    let main = format!("./lib.dhall sha256:{hash}");
    let expected = "λ(_ : Natural) → [ _, 1 ]";
    assert_eq!(text(&[("lib.dhall", lib)], &main), expected);
    let binary = MemoryImporter::new().with(file("lib.dhall"), value.encode().expect("bytes"));
    assert_eq!(resolve(binary, &main).expect("a text").0, expected);
    // Of one file both can be there.
    let both = text(&[("lib.dhall", lib)], &format!("[ {main}, ./lib.dhall ]"));
    assert!(both.contains(expected), "{both}");
    assert!(
        both.contains("let y = 1 in λ(x : Natural) → [ x, y ]"),
        "{both}"
    );
}

/// What can be imported, by what it is.
const PARTS: &[(&str, &[&str])] = &[
    (
        "n",
        &[
            "1",
            "1 + 2",
            "2 * 3 + 1",
            "let x = 1 in x + x@0",
            "if True then 1 else 2",
            "(\\(x : Natural) -> x) 3",
            "4 : Natural",
            "{ a = 5 }.a",
            "missing ? 6",
            "merge { A = 7 } < A >.A",
            "Natural/subtract 1 9",
            "./nested.dhall",
        ],
    ),
    (
        "r",
        &[
            "{ a = 1 }",
            "{ a = 1 } // { a = 2 }",
            "{ a = 1, b = { c = 2 } } with b.c = 3",
            "let r = { a = 1 } in r",
            "{ a = 1 } /\\ { b = 2 }",
            "{ a = 1, b = 2 }.{ a }",
            "{ Type = { a : Natural }, default = { a = 1 } }::{=}",
            "{ a = 1 }.({ a : Natural })",
        ],
    ),
    (
        "f",
        &[
            "\\(x : Natural) -> x + 1",
            "Natural/subtract 1",
            "let y = 2 in \\(x : Natural) -> x + y",
            "\\(x : Natural) -> (\\(x : Natural) -> x@1) x",
            "if True then \\(x : Natural) -> x else \\(_ : Natural) -> _",
        ],
    ),
    (
        "t",
        &[
            "Natural",
            "if True then Natural else Bool",
            "let T = Natural in T",
            "(\\(T : Type) -> T) Natural",
        ],
    ),
    (
        "s",
        &[
            "\"a\"",
            "\"a\" ++ \"b\"",
            "''\n  ''${x\n  ''",
            "\"${\"$\" ++ \"{\"}\"",
            "./text.txt as Text",
        ],
    ),
    (
        "l",
        &[
            "[ 1 ]",
            "[] : List Natural",
            "[ 1 ] # [ 2 ]",
            "[] : (\\(x : Type) -> List x) Natural",
        ],
    ),
    (
        "m",
        &[
            "toMap { a = 1 }",
            "toMap {=} : List { mapKey : Text, mapValue : Natural }",
        ],
    ),
];

/// Where each of them can be.
const PLACES: &[(&str, &[&str])] = &[
    (
        "n",
        &[
            "%",
            "% + %",
            "% * % + % * 2",
            "let x = % in \\(x : Bool) -> [ x@1, % ]",
            "[ %, % ]",
            "{ a = % }",
            "Natural/show %",
            "Some %",
            "\"${Natural/show %}\"",
            "if Natural/even % then % else 0",
            "% : Natural",
            "Natural/fold % Natural (\\(x : Natural) -> x + %) %",
            "\\(_ : Natural) -> _ + %",
            "{ a = 1 } with a = %",
            "% ? 1",
            "assert : % === %",
        ],
    ),
    (
        "r",
        &[
            "%.a",
            "%.{ a }",
            "% // { b = 1 }",
            "{ z = 1 } /\\ %",
            "% with a = 2",
            "toMap %.{ a }",
            "{ Type = { a : Natural }, default = %.{ a } }::%.{ a }",
            "let r = % in r.a",
            "%.({ a : Natural })",
            "% : { a : Natural }",
            "[ %, % ]",
            "(% with a = 2) with a = 3",
        ],
    ),
    (
        "f",
        &[
            "% 1",
            "% (% 1)",
            "(\\(f : Natural -> Natural) -> f 2) %",
            "% : Natural -> Natural",
            "[ % ]",
        ],
    ),
    (
        "t",
        &[
            "1 : %",
            "\\(x : %) -> x",
            "% -> %",
            "forall (x : %) -> List %",
            "{ a : % }",
            "< A : % | B >.A 1",
            "[] : List %",
            "None %",
            "merge { A = 1 } < A >.A : %",
            "{ a = 1 }.({ a : % })",
        ],
    ),
    (
        "s",
        &[
            "% ++ %",
            "\"-${%}-\"",
            "''\n${%}''",
            "{ a = % }",
            "Text/show %",
        ],
    ),
    (
        "l",
        &[
            "% # %",
            "List/length Natural %",
            "% : List Natural",
            "Some %",
        ],
    ),
    (
        "m",
        &[
            "% # %",
            "% : List { mapKey : Text, mapValue : Natural }",
            "List/length { mapKey : Text, mapValue : Natural } %",
        ],
    ),
];

#[test]
fn every_part_fits_into_every_place() {
    let mut checked = 0;
    for ((kind, parts), (place_kind, places)) in PARTS.iter().zip(PLACES) {
        assert_eq!(kind, place_kind);
        for part in *parts {
            for place in *places {
                let main = place.replace('%', "(./part.dhall)");
                let texts = [
                    ("part.dhall", *part),
                    ("nested.dhall", "let x = 1 in x + 1"),
                    ("text.txt", "${a}\n''\\"),
                ];
                let resolved = text(&texts, &main);
                let Ok(expected) = evaluate(with(&texts), &main) else {
                    continue;
                };
                let found = evaluate(MemoryImporter::new(), &resolved)
                    .unwrap_or_else(|error| panic!("{resolved}: {}", error.render(false)));
                let encode = |it: &Evaluated| (it.value.encode(), it.ty.encode());
                let (value, ty) = encode(&expected);
                let (found_value, found_ty) = encode(&found);
                assert_eq!(
                    value.expect("bytes"),
                    found_value.expect("bytes"),
                    "{resolved}"
                );
                assert_eq!(ty.expect("bytes"), found_ty.expect("bytes"), "{resolved}");
                checked += 1;
            }
        }
    }
    // Few do not type check, as records with more than `a`.
    assert!(checked > 300, "{checked}");
}

#[test]
fn a_text_that_doubles_is_an_error() {
    let mut importer = MemoryImporter::new().with(file("0.dhall"), "[ 1 ]");
    for level in 1..=60 {
        let below = level - 1;
        let twice = format!("./{below}.dhall # ./{below}.dhall");
        // Its value is small.
        let small = format!("let l = {twice} in [ List/length Natural l ]");
        importer.insert(file(&format!("{level}.dhall")), small);
    }
    let (small, _) = resolve(importer.clone(), "./8.dhall").expect("a text");
    assert_eq!(small.matches('1').count(), 256);
    let error = resolve(importer.clone(), "{ a = 1,\n  b = ./60.dhall }").expect_err("too large");
    assert_eq!(
        error.to_string(),
        "main.dhall:2:7: this is too large with all that it imports"
    );
    assert!(evaluate(importer, "./60.dhall").is_ok());
    // A large literal counts by its bytes.
    let large = "x".repeat(1 << 20);
    let importer = MemoryImporter::new().with(file("t"), large);
    let limits = Limits {
        memory: 32 << 20,
        ..Limits::default()
    };
    let evaluator = Evaluator::new(Arc::new(importer)).with_limits(limits);
    let times = |count: usize| {
        let main = vec!["./t as Text"; count].join(" ++ ");
        evaluator.resolve(&file("main.dhall"), &main)
    };
    assert!(times(1).is_ok());
    assert!(times(3).is_err());
}

#[test]
fn texts_that_are_deep_together_are_an_error() {
    let mut importer = MemoryImporter::new().with(file("0.dhall"), "1");
    let (open, close) = ("Some (".repeat(3000), ")".repeat(3000));
    for level in 1..=20 {
        let text = format!("let x = {open}./{}.dhall{close} in 1", level - 1);
        importer.insert(file(&format!("{level}.dhall")), text);
    }
    // Each is known when the next one imports it: loading them is not deep.
    let main = |last| {
        let binding = |level| format!("let n = ./{level}.dhall\n");
        let bindings: String = (0..last).map(binding).collect();
        format!("{bindings}in ./{last}.dhall")
    };
    let size = |last| resolve(importer.clone(), &main(last)).map(|(text, _)| text.len());
    assert!(size(4).expect("a text") > 4 * 3000 * 6);
    let error = size(20).expect_err("too deep");
    assert_eq!(error.message(), "this nests too deeply");
    assert_eq!(error.location(), &file("main.dhall"));
}

fn shown<'a>(all: impl IntoIterator<Item = &'a Dependency>) -> Vec<String> {
    all.into_iter().map(ToString::to_string).collect()
}

#[test]
fn who_imports_what_is_told() {
    let texts = [
        ("a.dhall", "./lib/b.dhall + ./lib/b.dhall"),
        ("lib/b.dhall", "./c.dhall ? ./d.dhall ? 1"),
        ("lib/c.dhall", "./e.dhall + ./none.dhall"),
        ("lib/d.dhall", "2"),
        ("lib/e.dhall", "3"),
    ];
    let (_, graph) = resolve(with(&texts), "./a.dhall").expect("a text");
    // What was tried and given up is not part of the result.
    assert_eq!(
        shown(&graph.dependencies()),
        ["a.dhall", "lib/b.dhall", "lib/d.dhall"]
    );
    assert_eq!(graph.root(), &file("main.dhall"));
    assert_eq!(
        graph.to_string(),
        "digraph {\n  \"main.dhall\" [shape=box];\n  \"a.dhall\" -> \"lib/b.dhall\";\n  \
         \"lib/b.dhall\" -> \"lib/d.dhall\";\n  \"main.dhall\" -> \"a.dhall\";\n}"
    );
    let hash = "27abdeddfe8503496adeb623466caa47da5f63abd2bc6fa19f6cfcb73ecfed70";
    let main = format!(
        "[ https://a.example/x using ./h.dhall, ./t.dhall sha256:{hash}, missing, \
         ./b as Location, ./t.dhall, ./a as Text, ./t.dhall ]"
    );
    let listed = dependencies(&file("sub/main.dhall"), &main).expect("a list");
    assert_eq!(
        shown(&listed),
        [
            "https://a.example/x".to_owned(),
            "sub/h.dhall".to_owned(),
            format!("sub/t.dhall sha256:{hash}"),
            "sub/t.dhall".to_owned(),
            "sub/a".to_owned(),
        ]
    );
    let (_, graph) =
        resolve(with(&[("t", "True")]), &format!("./t sha256:{hash}")).expect("a text");
    assert!(graph.to_string().contains("[label=\"sha256\"]"), "{graph}");
}

#[test]
fn what_is_wrong_in_an_import_is_told_with_its_place() {
    let texts = [("a.dhall", "1 +\n  True"), ("b.dhall", "./none.dhall")];
    let message = |main: &str| resolve(with(&texts), main).expect_err("wrong").to_string();
    assert!(
        message("./a.dhall").starts_with("a.dhall:2:3: "),
        "{}",
        message("./a.dhall")
    );
    assert_eq!(
        message("[ ./b.dhall ]"),
        "b.dhall:1:1: `none.dhall` is not there"
    );
    assert!(message("./x y z -> ").starts_with("main.dhall:1:"));
}
