//! Traces of errors.

use std::sync::Arc;

use crate::{Error, Evaluator, Location, MemoryImporter, source_text};

fn file(path: &str) -> Location {
    Location::File(path.to_owned())
}

fn error(texts: &[(&str, &str)], main: &str) -> Error {
    let mut importer = MemoryImporter::new();
    for (path, text) in texts {
        importer.insert(file(path), *text);
    }
    let evaluator = Evaluator::new(Arc::new(importer));
    let evaluated = evaluator.evaluate(&file("main.dhall"), main);
    evaluated.expect_err("something is wrong")
}

fn frames(main: &str) -> Vec<String> {
    let trace = error(&[], main).trace();
    let frames = trace.frames().iter();
    frames
        .map(|frame| format!("{}:{} {}", frame.line, frame.column, frame.text))
        .collect()
}

#[test]
fn parts_have_the_names_that_they_have_in_the_whole() {
    assert_eq!(
        frames("let a = 1\nlet b : { x : Naturl } =\n  { x = a }\nin b"),
        [
            "1:1 let a = 1 let b : { x : Naturl } = { x = a } in b",
            "2:9 let b : { x : Naturl }",
            "2:15 x : Naturl",
        ]
    );
    assert_eq!(
        frames("{ a.b.c = 1, d = if True then x else 2 }"),
        [
            "1:1 { a = { b = { c = 1 } }, d = if True then x else 2 }",
            "1:18 d = if True then x else 2",
            "1:31 x",
        ]
    );
    let dotted = frames("{ a.b.c = x }");
    assert_eq!(
        dotted.first().map(String::as_str),
        Some("1:1 { a = { b = { c = x } } }")
    );
    assert!(
        dotted.last().is_some_and(|last| last.ends_with("c = x")),
        "{dotted:?}"
    );
    assert_eq!(
        frames("\\(f : Natural -> Natural) -> f True"),
        [
            "1:1 λ(f : Natural → Natural) → f True",
            "1:30 f True",
            "1:32 True",
        ]
    );
    // Each is cut off.
    let long = format!("[ {} x ]", "1, ".repeat(1000));
    let cut = frames(&long);
    assert!(cut[0].ends_with('…') && cut[0].len() < 200, "{cut:?}");
    assert_eq!(cut[1], "1:3004 x");
}

#[test]
fn a_trace_is_of_the_text_that_is_wrong_and_shows_who_imported_it() {
    let texts = [
        ("a.dhall", "[\n  ./b.dhall ]"),
        ("b.dhall", "{ n = 1 + True }"),
    ];
    let error = error(&texts, "let l = ./a.dhall in l");
    assert_eq!(
        error.trace().to_string(),
        "trace, outermost first:\n  b.dhall:1:1: { n = 1 + True }\n  b.dhall:1:7: n = 1 + True\n  \
         b.dhall:1:11: True\n  imported from a.dhall:2:3\n  imported from main.dhall:1:9"
    );
}

#[test]
fn what_has_no_expressions_has_no_frames() {
    let unparsed = error(&[], "{ a = ").trace();
    assert_eq!(unparsed.frames(), []);
    assert_eq!(
        unparsed.to_string(),
        "trace, outermost first:\n  main.dhall: no expression"
    );
    let latin = source_text(&file("latin"), b"\xe9").expect_err("not UTF-8");
    assert_eq!(latin.trace().frames(), []);
}

#[test]
fn deep_traces_have_a_gap() {
    for depth in [0, 5, 29, 30, 10_000] {
        let text = format!("{}x{}", "[ ".repeat(depth), " ]".repeat(depth));
        let trace = error(&[], &text).trace();
        let last = trace.frames().last().expect("a frame");
        assert_eq!((last.column, last.text.as_str()), (depth * 2 + 1, "x"));
        assert_eq!(trace.frames().len() + trace.omitted(), depth + 1);
        assert!(trace.frames().len() <= 30);
        let is_told = trace
            .to_string()
            .contains(&format!("… {} more …", trace.omitted()));
        assert_eq!(is_told, depth >= 30, "{trace}");
    }
    // A long chain to the left is deep before anything of it is written.
    let fields = format!("{{ a = (x{}).b }}", ".a".repeat(50_000));
    let trace = error(&[], &fields).trace();
    assert!(trace.frames().len() <= 30);
}
