//! Hostile input ends with an error: no overflow, no endless run, no panic.

use std::sync::Arc;

use crate::binary::encode;
use crate::limits::Limits;
use crate::location::Location;
use crate::parse::parse;
use crate::print::print;
use crate::{Evaluated, Evaluator, MemoryImporter};

fn evaluate(text: &str) -> Result<Evaluated, String> {
    evaluate_within(text, Limits::default())
}

fn evaluate_within(text: &str, limits: Limits) -> Result<Evaluated, String> {
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new())).with_limits(limits);
    let result = evaluator.evaluate(&Location::Input("test".to_owned()), text);
    result.map_err(|error| {
        assert!(!error.render(true).is_empty());
        error.message().to_owned()
    })
}

fn small() -> Limits {
    Limits {
        steps: 100_000,
        memory: 4_000_000,
        bits: 10_000,
    }
}

/// What opens, what is inside, and what closes.
pub(super) const NESTED: &[(&str, &str, &str)] = &[
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{ a = ", "1", "}"),
    ("{ a : ", "Bool", "}"),
    ("Some (", "1", ")"),
    ("\"${", "\"\"", "}\""),
    ("\\(x : Bool) -> ", "x", ""),
    ("Bool -> ", "Bool", ""),
    ("if True then ", "1", " else 1"),
    ("let x = ", "1", " in x"),
    ("", "{=}", ".{}"),
    ("{- ", "", " -}1"),
    ("< A : ", "Bool", ">"),
    ("(1 + ", "1", ")"),
];

/// Asserts that a text evaluates, or says that it nests too deeply.
fn deep_or_fine(text: &str) {
    match evaluate(text) {
        Ok(_) => {}
        Err(message) => assert_eq!(message, "this nests too deeply"),
    }
}

#[test]
fn ten_thousand_levels_are_fine() {
    let depth = 10_000;
    let parentheses = format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(evaluate(&parentheses).is_ok());
    let optionals = format!("{}1{}", "Some (".repeat(depth), ")".repeat(depth));
    deep_or_fine(&optionals);
}

#[test]
fn depth_is_never_an_overflow() {
    let depth = 100_000;
    for (open, middle, close) in NESTED {
        let text = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
        let _ = evaluate(&text);
        let unclosed = format!("{}{middle}", open.repeat(depth));
        let _ = evaluate(&unclosed);
    }
}

#[test]
fn long_chains_are_not_deep() {
    let count = 100_000;
    for (first, next) in [
        ("1", " + 1"),
        ("True", " && True"),
        ("\"a\"", " ++ \"a\""),
        ("[ 1 ]", " # [ 1 ]"),
        ("{ a = 1 }", " // { a = 1 }"),
    ] {
        let text = format!("{first}{}", next.repeat(count));
        assert!(evaluate(&text).is_ok(), "{next}");
    }
    let lets = (0..count).map(|i| format!("let x{} = x{i} + 1\n", i + 1));
    let lets: String = lets.collect();
    deep_or_fine(&format!("let x0 = 0\n{lets}in x{count}"));
}

#[test]
fn a_million_items_are_fine() {
    let text = format!("[ {} ]", vec!["1"; 1_000_000].join(", "));
    let evaluated = evaluate(&text).expect("a list");
    let items: Vec<u64> = crate::from_value(&evaluated.value).expect("numbers");
    assert_eq!(items.len(), 1_000_000);
}

#[test]
fn what_nests_deeply_is_not_printed_as_blanks() {
    let depth = 20_000;
    for (open, middle, close) in [
        ("{ a = ", "1", " }"),
        ("[ ", "1", " ]"),
        ("λ(x : Bool) → ", "x", ""),
    ] {
        let text = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
        crate::tests::on_machine(|_| {
            let expression = parse(&text).expect("it parses");
            let printed = print(&expression);
            assert!(printed.len() < 400 * depth, "{open} {}", printed.len());
            let again = parse(&printed).expect("it parses again");
            assert!(encode(&again) == encode(&expression), "{open}");
        });
    }
}

#[test]
fn folds_that_build_are_linear() {
    let prepend = "List/length Natural (Natural/fold 100000 (List Natural) \
                   (\\(xs : List Natural) -> [ 1 ] # xs) ([] : List Natural))";
    assert_eq!(
        evaluate(prepend).expect("a length").value.to_string(),
        "100000"
    );
    let append = "List/last Natural (Natural/fold 100000 (List Natural) \
                  (\\(xs : List Natural) -> xs # [ List/length Natural xs ]) ([] : List Natural))";
    assert_eq!(
        evaluate(append).expect("an item").value.to_string(),
        "Some 99999"
    );
    let text = "Text/show (Natural/fold 100000 Text (\\(t : Text) -> t ++ \"x\") \"\")";
    assert_eq!(
        evaluate(text).expect("a text").value.to_string().len(),
        100_006
    );
    let record = "(Natural/fold 100000 { a : Natural, b : Natural } \
                  (\\(r : { a : Natural, b : Natural }) -> { a = r.b, b = r.a + 1 }) { a = 0, b = 0 }).a";
    assert_eq!(
        evaluate(record).expect("a number").value.to_string(),
        "50000"
    );
}

#[test]
fn bombs_end_with_an_error() {
    let double = |of: &str| format!("Natural/fold 100 {of}");
    let number = double("Natural (\\(n : Natural) -> n * n + 2) 2");
    assert_eq!(
        evaluate_within(&number, small()).err().as_deref(),
        Some("this makes a value that is too large")
    );
    let text = double("Text (\\(t : Text) -> t ++ t) \"ab\"");
    assert_eq!(
        evaluate_within(&text, small()).err().as_deref(),
        Some("this makes a value that is too large")
    );
    let list = double("(List Bool) (\\(xs : List Bool) -> xs # xs) [ True ]");
    assert_eq!(
        evaluate_within(&list, small()).err().as_deref(),
        Some("this makes a value that is too large")
    );
    let nested = "let f = \\(n : Natural) -> Natural/fold n Natural (\\(m : Natural) -> \
                  Natural/fold m Natural (\\(k : Natural) -> k + 1) (m + 1)) 1 in f 60";
    assert_eq!(
        evaluate_within(nested, small()).err().as_deref(),
        Some("this takes too long to evaluate")
    );
    let list = "List/fold Natural [ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ] Natural (\\(n : Natural) -> \\(m : Natural) -> \
                Natural/fold m Natural (\\(k : Natural) -> k + n) m) 2";
    assert_eq!(
        evaluate_within(list, small()).err().as_deref(),
        Some("this takes too long to evaluate")
    );
    // Each type is twice the one before: it must not be written out.
    let types: String = (0..60)
        .map(|i| format!("let T{} = {{ a : T{i}, b : T{i} }}\n", i + 1))
        .collect();
    let text = format!("let T0 = Bool\n{types}in \\(x : T60) -> x");
    assert!(evaluate_within(&text, small()).is_err());
}

/// Returns where the evaluation of `main` is given up.
fn given_up_at(main: &str) -> String {
    let lib = "let twice =\n      \\(t : Text) -> t ++ t\n\
               in  \\(n : Natural) -> Natural/fold n Text twice \"ab\"\n";
    let at = |name: &str| Location::File(name.to_owned());
    let importer = MemoryImporter::new().with(at("lib.dhall"), lib);
    let evaluator = Evaluator::new(Arc::new(importer)).with_limits(small());
    let error = evaluator.evaluate(&at("main.dhall"), main);
    error.expect_err("a bomb").to_string()
}

#[test]
fn what_is_given_up_is_named() {
    // The innermost expression of the text, also inside of a function.
    assert_eq!(
        given_up_at("let twice = \\(t : Text) ->\n  t ++ t\nin  Natural/fold 60 Text twice \"ab\""),
        "main.dhall:2:3: this makes a value that is too large"
    );
    // The call, where the function is another text's.
    assert_eq!(
        given_up_at("let long = ./lib.dhall\nin  { short = 1\n    , long = long 60\n    }"),
        "main.dhall:3:14: this makes a value that is too large"
    );
    // The fold, whichever of its steps was one too many.
    let fold = "let long = ./lib.dhall in { x = Natural/fold 300000 Natural\n  \
                  (\\(n : Natural) -> n + 1) 0 }";
    assert_eq!(
        given_up_at(fold),
        "main.dhall:1:33: this takes too long to evaluate"
    );
}

#[test]
fn what_a_host_applies_is_named_too() {
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new())).with_limits(small());
    let text = "\\(n : Natural) ->\n  Natural/fold n Text (\\(t : Text) -> t ++ t) \"ab\"";
    let at = Location::File("main.dhall".to_owned());
    let function = evaluator.evaluate(&at, text).expect("a function").value;
    let sixty = evaluator.evaluate(&at, "60").expect("a number").value;
    let error = function.apply(&sixty).expect_err("a bomb");
    assert_eq!(
        error.to_string(),
        "main.dhall:2:39: this makes a value that is too large"
    );
}

#[test]
fn a_fixed_point_ends_a_fold() {
    let text = "Natural/fold 1000000000000000000000 Natural (\\(n : Natural) -> 7) 0";
    assert_eq!(evaluate(text).expect("a number").value.to_string(), "7");
}

#[test]
fn results_drop_on_a_small_stack() {
    let text = "Natural/fold 20000 (Natural -> Natural) \
                (\\(f : Natural -> Natural) -> \\(n : Natural) -> f n) (\\(n : Natural) -> n)";
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    let thread = thread.spawn(|| drop(evaluate(text).expect("a function")));
    thread.expect("spawn").join().expect("no overflow");
}

#[test]
fn odd_bytes_are_errors() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "\"",
        "''",
        "''\n",
        "(",
        "\u{feff}1",
        "\0",
        "\"\u{fffe}\"",
        "\"\u{10ffff}\"",
        "1\r2",
        "\"\\u{110000}\"",
        "\"\\ud800\"",
        "\"\\u{d800}\"",
        "0x",
        "0b",
        "+",
        "-",
        "1.",
        ".1",
        "1e400",
        "x@",
        "x@-1",
        "`",
        "`a",
        "./",
        "../",
        "http://",
        "https://[::1",
        "env:",
        "env:\"",
        "sha256:",
        "missing sha256:00",
        "{ a",
        "{ a =",
        "< a",
        "< a :",
        "let",
        "let x",
        "let x =",
        "let x = 1",
        "if",
        "merge",
        "assert",
        "∀",
        "λ(",
        "\\(x : Bool)",
        "[] : ",
        "\"${",
        "\"${1",
        "1 :",
        "a.",
        "a.{",
        "a.(",
        "{- ",
        "2020-13-01",
        "25:00:00",
        "+24:00",
    ] {
        assert!(evaluate(text).is_err(), "{text:?}");
    }
}
