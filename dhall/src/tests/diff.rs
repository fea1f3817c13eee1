//! What changed between two values.

use std::sync::Arc;

use crate::{Evaluator, Location, MemoryImporter, Value};

fn value(text: &str) -> Value {
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    let evaluated = evaluator.evaluate(&Location::Input("test".to_owned()), text);
    evaluated
        .unwrap_or_else(|error| panic!("{text}\n{}", error.render(false)))
        .value
}

fn shown(old: &str, new: &str) -> Vec<String> {
    let changes = value(old).diff(&value(new)).expect("within the limits");
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn only_what_differs_is_told() {
    for (old, new, expected) in [
        ("1", "1 + 0", &[][..]),
        ("1", "True", &[".\n- 1\n+ True"]),
        (
            "{ a = 1, b = \"x\", c = 2 }",
            "{ a = 2, b = \"x\", d = 2 }",
            &[".a\n- 1\n+ 2", ".c\n- 2", ".d\n+ 2"],
        ),
        (
            "{ a = { b = Some [ 1, 2 ] } }",
            "{ a = { b = Some [ 1, 3 ] } }",
            &[".a.b?[1]\n- 2\n+ 3"],
        ),
        (
            "{ a : Natural, u : < A | B : Text > }",
            "{ a : Integer, u : < A : Bool | C > }",
            &[
                ".a\n- Natural\n+ Integer",
                ".u.A\n- A\n+ A : Bool",
                ".u.B\n- B : Text",
                ".u.C\n+ C",
            ],
        ),
        (
            "{ a : List Text }",
            "{ a : List Bool }",
            &[".a(List)\n- Text\n+ Bool"],
        ),
        (
            "< A : { n : Natural } | B >.A { n = 1 }",
            "< A : { n : Natural } | B >.A { n = 2 }",
            &[".A.n\n- 1\n+ 2"],
        ),
        ("< A >.A", "< A | B >.A", &[".\n- < A >.A\n+ < A | B >.A"]),
        (
            "[] : List Text",
            "[] : List Bool",
            &[".\n- [] : List Text\n+ [] : List Bool"],
        ),
        (
            r"\(x : Natural) -> x + 1",
            r"\(y : Natural) -> y + 2",
            &[".\n- λ(x : Natural) → x + 1\n+ λ(y : Natural) → y + 2"],
        ),
        (r"\(x : Natural) -> x", r"\(y : Natural) -> y", &[]),
    ] {
        assert_eq!(shown(old, new), expected, "{old} and {new}");
        assert_eq!(
            value(old).equivalent(&value(new)),
            expected.is_empty(),
            "{old} and {new}"
        );
    }
}

#[test]
fn lists_of_other_lengths_say_what_came_and_went() {
    assert_eq!(shown("[ 1, 2, 3, 4 ]", "[ 1, 3, 4 ]"), ["[1]\n- 2"]);
    assert_eq!(
        shown("[ 1, 3 ]", "[ 1, 2, 3, 4 ]"),
        ["[1]\n+ 2", "[2]\n+ 4"]
    );
    assert_eq!(
        shown(
            "[ { n = 1 }, { n = 2 } ]",
            "[ { n = 5 }, { n = 2 }, { n = 3 } ]"
        ),
        ["[0].n\n- 1\n+ 5", "[2]\n+ { n = 3 }"]
    );
}

#[test]
fn texts_of_several_lines_differ_by_line() {
    let text = |last: &str| format!("''\n  a\n  b\n  {last}\n  d\n  ''");
    assert_eq!(shown(&text("c"), &text("x")), [":3\n- c\n+ x"]);
    assert_eq!(shown("\"a\\nb\"", "\"a\\nb\\nc\""), [":2\n- b\n+ b\n+ c"]);
    assert_eq!(shown("\"a\"", "\"b\""), [".\n- \"a\"\n+ \"b\""]);
}

#[test]
fn large_lists_that_share_nothing_are_compared_in_time() {
    let numbers = |first: u64, count: u64| {
        let items: Vec<String> = (first..first + count).map(|n| n.to_string()).collect();
        format!("[ 0, {} ]", items.join(", "))
    };
    let changes = value(&numbers(1, 20_000)).diff(&value(&numbers(50_000, 20_001)));
    let changes = changes.expect("within the limits");
    assert_eq!(changes.len(), 20_001);
    assert_eq!(changes[0].to_string(), "[1]\n- 1\n+ 50000");
}
