//! The language, feature by feature: source, normal form, type.

use std::sync::Arc;

use crate::{Error, Evaluator, Location, MemoryImporter};

fn evaluate(text: &str) -> Result<(String, String), Error> {
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    let evaluated = evaluator.evaluate(&Location::Input("test".to_owned()), text)?;
    Ok((evaluated.value.to_string(), evaluated.ty.to_string()))
}

fn holds(cases: &[(&str, &str, &str)]) {
    for (text, value, ty) in cases {
        let found =
            evaluate(text).unwrap_or_else(|error| panic!("{text}\n{}", error.render(false)));
        assert_eq!(
            (found.0.as_str(), found.1.as_str()),
            (*value, *ty),
            "{text}"
        );
    }
}

fn fails(cases: &[&str]) {
    for text in cases {
        if let Ok(found) = evaluate(text) {
            panic!("{text} is {found:?}");
        }
    }
}

#[test]
fn literals() {
    holds(&[
        ("0xFF + 0b101", "260", "Natural"),
        (
            "18446744073709551615 + 1",
            "18446744073709551616",
            "Natural",
        ),
        ("-0", "+0", "Integer"),
        ("+0x10", "+16", "Integer"),
        ("1e3", "1000.0", "Double"),
        ("-1.5e-10", "-1.5e-10", "Double"),
        ("-Infinity", "-Infinity", "Double"),
        ("0x\"00ff\"", "0x\"00ff\"", "Bytes"),
        ("2024-02-29", "2024-02-29", "Date"),
        ("23:59:59.120", "23:59:59.120", "Time"),
        ("-05:30", "-05:30", "TimeZone"),
        (
            "2000-01-01T00:00:00Z",
            "{ date = 2000-01-01, time = 00:00:00, timeZone = +00:00 }",
            "{ date : Date, time : Time, timeZone : TimeZone }",
        ),
        ("\"a\\u{1F600}\\n\\$\"", "\"a😀\\n\\$\"", "Text"),
        ("''\n  a\n    b\n  ''", "\"a\\n  b\\n\"", "Text"),
        ("''\n  ''${a} '''\n  ''", "\"\\${a} ''\\n\"", "Text"),
        ("''\n  ${\"x\"}\n\n  y''", "\"x\\n\\ny\"", "Text"),
    ]);
    fails(&[
        "01",
        "1e1000",
        "2023-02-29",
        "24:00:00",
        "0x\"0\"",
        "\"\t\"",
        "''a''",
        "True@0",
    ]);
}

#[test]
fn operators_bind_as_they_should() {
    holds(&[
        ("1 + 2 * 3", "7", "Natural"),
        ("True || False && False", "True", "Bool"),
        ("False == False != True", "False", "Bool"),
        ("\"a\" ++ \"b\" ++ \"c\"", "\"abc\"", "Text"),
        (
            "[ 1 ] # [ 2 ] # ([] : List Natural)",
            "[ 1, 2 ]",
            "List Natural",
        ),
        (
            "{ a = 1 } // { a = True, b = 2 }",
            "{ a = True, b = 2 }",
            "{ a : Bool, b : Natural }",
        ),
        (
            "{ a.b = 1 } /\\ { a.c = 2 }",
            "{ a = { b = 1, c = 2 } }",
            "{ a : { b : Natural, c : Natural } }",
        ),
        (
            "{ a : Bool } //\\\\ { b : Text }",
            "{ a : Bool, b : Text }",
            "Type",
        ),
        ("missing ? 1", "1", "Natural"),
        (
            "\\(x : Bool) -> x && True || False",
            "λ(x : Bool) → x",
            "∀(x : Bool) → Bool",
        ),
        (
            "\\(x : Natural) -> 0 * x + 1 * x",
            "λ(x : Natural) → x",
            "∀(x : Natural) → Natural",
        ),
        (
            "\\(x : Bool) -> if x then True else False",
            "λ(x : Bool) → x",
            "∀(x : Bool) → Bool",
        ),
        (
            "\\(x : Bool) -> x == x",
            "λ(x : Bool) → True",
            "∀(x : Bool) → Bool",
        ),
        (
            "\\(t : Text) -> t ++ \"a\"",
            "λ(t : Text) → \"${t}a\"",
            "∀(t : Text) → Text",
        ),
    ]);
    fails(&[
        "1 + True",
        "1 +2",
        "\"a\" + \"b\"",
        "[ 1 ] # [ True ]",
        "{ a = 1 } /\\ { a = 2 }",
        "True && 1",
    ]);
}

#[test]
fn functions_and_bindings() {
    holds(&[
        (
            "let x = 1 let y = x + 1 in let x = y in x + y",
            "4",
            "Natural",
        ),
        (
            "(\\(x : Natural) -> \\(x : Natural) -> x@1) 1 2",
            "1",
            "Natural",
        ),
        (
            "\\(x : Bool) -> \\(x : Bool) -> x@1",
            "λ(x : Bool) → λ(x : Bool) → x@1",
            "∀(x : Bool) → ∀(x : Bool) → Bool",
        ),
        ("let T = Natural in 1 : T", "1", "Natural"),
        (
            "\\(a : Type) -> \\(x : a) -> x",
            "λ(a : Type) → λ(x : a) → x",
            "∀(a : Type) → ∀(x : a) → a",
        ),
        (
            "(\\(a : Type) -> \\(x : a) -> [ x ]) Bool True",
            "[ True ]",
            "List Bool",
        ),
        ("let `let` = 1 in `let`", "1", "Natural"),
        ("assert : 1 + 1 === 2", "assert : 2 ≡ 2", "2 ≡ 2"),
        ("(List : Type -> Type) Bool", "List Bool", "Type"),
        ("Kind : Sort", "Kind", "Sort"),
    ]);
    fails(&[
        "\\(x : 1) -> x",
        "x",
        "let x : Bool = 1 in x",
        "1 : Text",
        "(\\(x : Bool) -> x) 1",
        "Sort",
        "\\(x : Bool) -> Kind",
        "assert : 1 === 2",
        "assert : Bool",
        "(\\(t : Type) -> 1 : t) Natural",
    ]);
}

#[test]
fn records() {
    holds(&[
        ("{ a = 1, b = { c = True } }.b.c", "True", "Bool"),
        (
            "let x = 1 in { x, y.z = 2, y.w = 3 }",
            "{ x = 1, y = { w = 3, z = 2 } }",
            "{ x : Natural, y : { w : Natural, z : Natural } }",
        ),
        (
            "{ a = 1, b = 2, c = 3 }.{ c, a }",
            "{ a = 1, c = 3 }",
            "{ a : Natural, c : Natural }",
        ),
        (
            "{ a = 1, b = 2 }.({ b : Natural })",
            "{ b = 2 }",
            "{ b : Natural }",
        ),
        (
            "{ a.b = 1 } with a.b = True with a.c = 2",
            "{ a = { b = True, c = 2 } }",
            "{ a : { b : Bool, c : Natural } }",
        ),
        (
            "{ o = Some { x = 1 } } with o.?.x = 2",
            "{ o = Some { x = 2 } }",
            "{ o : Optional { x : Natural } }",
        ),
        (
            "(None Natural) with ? = 2",
            "None Natural",
            "Optional Natural",
        ),
        (
            "{ Type = { a : Natural, b : Bool }, default.b = True }::{ a = 1 }",
            "{ a = 1, b = True }",
            "{ a : Natural, b : Bool }",
        ),
        (
            "toMap { a = 1, b = 2 }",
            "[ { mapKey = \"a\", mapValue = 1 }, { mapKey = \"b\", mapValue = 2 } ]",
            "List { mapKey : Text, mapValue : Natural }",
        ),
        (
            "toMap {=} : List { mapKey : Text, mapValue : Bool }",
            "[] : List { mapKey : Text, mapValue : Bool }",
            "List { mapKey : Text, mapValue : Bool }",
        ),
        (
            "{ T = Natural, x = 1 }",
            "{ T = Natural, x = 1 }",
            "{ T : Type, x : Natural }",
        ),
        (
            "\\(r : { a : Bool }) -> (r // { b = 1 }).a",
            "λ(r : { a : Bool }) → r.a",
            "∀(r : { a : Bool }) → Bool",
        ),
        (
            "\\(r : { a : Bool, b : Bool }) -> (r // { b = 1 }).{ a, b }",
            "λ(r : { a : Bool, b : Bool }) → r.{ a } ⫽ { b = 1 }",
            "∀(r : { a : Bool, b : Bool }) → { a : Bool, b : Natural }",
        ),
    ]);
    fails(&[
        "{ a = 1 }.b",
        "{ a : Bool, a : Bool }",
        "{ a = 1, a = 2 }",
        "{ a = 1 }.{ b }",
        "{ a = 1 }.{ a, a }",
        "{ a = 1 }.({ a : Bool })",
        "{ Type = { a : Natural }, default = {=} }::{=}",
        "toMap { a = 1, b = True }",
        "toMap {=}",
        "1 with a = 2",
        "Some 1 with ? = True",
        "{ x = Kind }",
    ]);
}

#[test]
fn unions_and_optionals() {
    holds(&[
        (
            "merge { A = \\(x : Natural) -> x + 1, B = 0 } (< A : Natural | B >.A 1)",
            "2",
            "Natural",
        ),
        (
            "merge { A = \\(x : Natural) -> x + 1, B = 0 } < A : Natural | B >.B",
            "0",
            "Natural",
        ),
        (
            "merge { Some = \\(x : Natural) -> x, None = 7 } (None Natural)",
            "7",
            "Natural",
        ),
        (
            "merge { Some = Natural/show, None = \"\" } (Some 5) : Text",
            "\"5\"",
            "Text",
        ),
        (
            "\\(u : <>) -> merge {=} u : Bool",
            "λ(u : <>) → merge {=} u : Bool",
            "∀(u : <>) → Bool",
        ),
        (
            "showConstructor (< A : Bool | B >.A True) ++ showConstructor (Some 1)",
            "\"ASome\"",
            "Text",
        ),
        (
            "< A : Natural | B >.A",
            "< A : Natural | B >.A",
            "∀(A : Natural) → < A : Natural | B >",
        ),
        (
            "[ Some 1, None Natural ]",
            "[ Some 1, None Natural ]",
            "List (Optional Natural)",
        ),
    ]);
    fails(&[
        "merge { A = 1 } < A | B >.A",
        "merge { A = 1, B = 2, C = 3 } < A | B >.A",
        "merge { A = 1, B = True } < A | B >.A",
        "merge { A = \\(x : Bool) -> x } (< A : Natural >.A 1)",
        "merge { A = 1 } (< A : Natural >.A 1)",
        "< A | A >",
        "< A : 1 >",
        "< A >.B",
        "Some Bool",
        "\\(u : <>) -> merge {=} u",
        "showConstructor 1",
    ]);
}

#[test]
fn builtins() {
    holds(&[
        (
            "Natural/build (\\(n : Type) -> \\(s : n -> n) -> \\(z : n) -> s (s z))",
            "2",
            "Natural",
        ),
        (
            "Natural/fold 3 Text (\\(t : Text) -> t ++ \"a\") \"\"",
            "\"aaa\"",
            "Text",
        ),
        (
            "[ Natural/isZero 0, Natural/even 3, Natural/odd 3 ]",
            "[ True, False, True ]",
            "List Bool",
        ),
        (
            "Natural/subtract 3 5 + Natural/subtract 5 3",
            "2",
            "Natural",
        ),
        (
            "Natural/show 5 ++ Integer/show +5 ++ Double/show 0.01",
            "\"5+51.0e-2\"",
            "Text",
        ),
        (
            "Integer/clamp (Integer/negate (Natural/toInteger 5)) + Integer/clamp +3",
            "3",
            "Natural",
        ),
        ("Integer/toDouble -3", "-3.0", "Double"),
        (
            "List/build Bool (\\(l : Type) -> \\(c : Bool -> l -> l) -> \\(n : l) -> c True (c False n))",
            "[ True, False ]",
            "List Bool",
        ),
        (
            "List/fold Natural [ 1, 2, 3 ] Text (\\(n : Natural) -> \\(t : Text) -> Natural/show n ++ t) \"\"",
            "\"123\"",
            "Text",
        ),
        ("List/length Bool [ True, True ]", "2", "Natural"),
        (
            "[ List/head Natural [ 1, 2 ], List/last Natural [ 1, 2 ], List/head Natural ([] : List Natural) ]",
            "[ Some 1, Some 2, None Natural ]",
            "List (Optional Natural)",
        ),
        (
            "List/indexed Bool [ True ]",
            "[ { index = 0, value = True } ]",
            "List { index : Natural, value : Bool }",
        ),
        (
            "List/reverse Natural [ 1, 2, 3 ]",
            "[ 3, 2, 1 ]",
            "List Natural",
        ),
        (
            "Text/show \"a\\\"\\$\\n\\u{7}\"",
            "\"\\\"a\\\\\\\"\\\\u0024\\\\n\\\\u0007\\\"\"",
            "Text",
        ),
        ("Text/replace \"a\" \"b\" \"banana\"", "\"bbnbnb\"", "Text"),
        ("Text/replace \"\" \"x\" \"abc\"", "\"abc\"", "Text"),
        (
            "\\(r : Text) -> Text/replace \"a\" r \"-a-\"",
            "λ(r : Text) → \"-${r}-\"",
            "∀(r : Text) → Text",
        ),
        (
            "Date/show 2024-01-02 ++ Time/show 01:02:03.40 ++ TimeZone/show -01:00",
            "\"2024-01-0201:02:03.40-01:00\"",
            "Text",
        ),
        (
            "\\(n : Natural) -> Natural/fold n Natural",
            "λ(n : Natural) → Natural/fold n Natural",
            "∀(n : Natural) → ∀(succ : Natural → Natural) → ∀(zero : Natural) → Natural",
        ),
    ]);
    fails(&[
        "Natural/show -1",
        "List/head Natural [ True ]",
        "List Type",
        "Optional 1",
        "[ Bool ]",
        "[ 1, True ]",
    ]);
}

#[test]
fn comments_and_white_space() {
    holds(&[
        (
            "#!/usr/bin/env dhall\n-- a\n{- b {- c -} -} 1\r\n-- d",
            "1",
            "Natural",
        ),
        ("[ , 1, 2, ]", "[ 1, 2 ]", "List Natural"),
        ("{ , a = 1, }.{ , a, }", "{ a = 1 }", "{ a : Natural }"),
        ("< | A | B | >.A", "< A | B >.A", "< A | B >"),
        ("{ a = 1 }\n  .\n  a", "1", "Natural"),
    ]);
    fails(&[
        "{- a",
        "let x=1in x",
        "if(True) then 1 else 2",
        "[,,]",
        "x:Natural",
    ]);
}
