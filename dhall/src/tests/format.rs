//! The layout of sources, and what it keeps.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::format::places;
use crate::tests::fuzz::Numbers;
use crate::tests::limits::NESTED;
use crate::tests::on_machine;
use crate::{Location, format};

fn formatted(text: &str) -> String {
    let here = Location::Input("test".to_owned());
    format(&here, text).unwrap_or_else(|error| panic!("{}\n{text}", error.render(false)))
}

/// Formats a text. That it means the same and has the same comments, `format`
/// has seen to; here it is that the result is not formatted again.
#[track_caller]
pub(super) fn stable(text: &str) -> String {
    let once = formatted(text);
    let twice = formatted(&once);
    assert_eq!(once, twice, "{text}");
    once
}

#[track_caller]
fn becomes(text: &str, expected: &str) {
    assert_eq!(stable(text), expected);
}

#[test]
fn what_fits_is_on_a_line() {
    becomes("let x=1\nin  x", "let x = 1 in x\n");
    becomes(
        "{a=1,b.c=[1,2],d,`e f`=<A|B: Text>.A}",
        "{ a = 1, b.c = [ 1, 2 ], d, `e f` = < A | B : Text >.A }\n",
    );
    becomes(
        "if True then merge {A=1} x: Natural else toMap {=}",
        "if True then merge { A = 1 } x : Natural else toMap {=}\n",
    );
    becomes(
        "\\(x: Type)->forall(y: x)->x@ 0",
        "\\(x : Type) -> forall (y : x) -> x@0\n",
    );
    becomes("{}: {}", "{} : {}\n");
    becomes(
        "x.{a,b}.({a: Text})::{=}",
        "x.{ a, b }.({ a : Text })::{=}\n",
    );
    becomes(
        "./a sha256:0000000000000000000000000000000000000000000000000000000000000000 as Text",
        "./a\n  sha256:0000000000000000000000000000000000000000000000000000000000000000 as Text\n",
    );
    becomes("[,]: List T", "[] : List T\n");
}

#[test]
fn what_does_not_fit_is_broken() {
    let long = "a_name_that_is_as_long_as_some_are_here";
    becomes(
        &format!("{{ one = {long}, two = [ {long}, {long}, 3 ], three = f {long} {long} }}"),
        "{ one = a_name_that_is_as_long_as_some_are_here\n\
         , two =\n  [ a_name_that_is_as_long_as_some_are_here\n  , a_name_that_is_as_long_as_some_are_here\n  , 3\n  ]\n\
         , three =\n    f\n      a_name_that_is_as_long_as_some_are_here\n      a_name_that_is_as_long_as_some_are_here\n}\n",
    );
    becomes(
        &format!(
            "\\(a : Type) -> \\({long} : {{ {long} : Type, b : {long} }}) -> {long} && (b || {long})"
        ),
        "\\(a : Type) ->\n\
         \\ ( a_name_that_is_as_long_as_some_are_here\n  : { a_name_that_is_as_long_as_some_are_here : Type\n    \
         , b : a_name_that_is_as_long_as_some_are_here\n    }\n  ) ->\n      \
         a_name_that_is_as_long_as_some_are_here\n  &&  (b || a_name_that_is_as_long_as_some_are_here)\n",
    );
    becomes(
        &format!("let x : T = Some T::{{ {long}, b = Some U::{{ {long}, c = {long} }} }} in x"),
        "let x\n    : T\n    = Some\n        T::{\n        , a_name_that_is_as_long_as_some_are_here\n        \
         , b = Some U::{\n          , a_name_that_is_as_long_as_some_are_here\n          \
         , c = a_name_that_is_as_long_as_some_are_here\n          }\n        }\n\nin  x\n",
    );
    becomes(
        &format!("if {long} then {long} else if {long} then 1 else 2"),
        "if    a_name_that_is_as_long_as_some_are_here\n\
         then  a_name_that_is_as_long_as_some_are_here\n\
         else  if a_name_that_is_as_long_as_some_are_here\nthen  1\nelse  2\n",
    );
    becomes(
        &format!("assert : {long} === {long} + {long}"),
        "  assert\n:     a_name_that_is_as_long_as_some_are_here\n  \
         ===    a_name_that_is_as_long_as_some_are_here\n       + a_name_that_is_as_long_as_some_are_here\n",
    );
}

#[test]
fn spelling_stays() {
    for text in [
        "[ 0x10, 0b11, 1e3, -0x0F ]\n",
        "\"\\u0041\\u{42} \\$ \\/ é ${x}\"\n",
        "`let` with `x` = 2024-01-02T03:04:05.60Z\n",
        "{ x, y, `z` }\n",
        "{ a.b = 1, a.c = 2, a = { d = 3 } }\n",
        "env:\"A\" ? https://a.example/x%20y?q\n",
        "(a && b) || (c + d) == e\n",
    ] {
        becomes(text, text);
    }
    // One symbol in Unicode makes all so.
    becomes(
        "\\(x : A) -> forall (y : B) → x /\\ y // z //\\\\ u === v",
        "λ(x : A) → ∀(y : B) → x ∧ y ⫽ z ⩓ u ≡ v\n",
    );
}

#[test]
fn parentheses_and_separators_that_mean_nothing_go() {
    becomes("((1))", "1\n");
    becomes("f (x) (y.z) ((g 1)) (\"a\")", "f x y.z (g 1) \"a\"\n");
    becomes("[ , (a : T), (x -> y), ]", "[ a : T, x -> y ]\n");
    becomes("{ , a = (let x = 1 in x), }", "{ a = let x = 1 in x }\n");
    becomes("< | A : (T) | >", "< A : T >\n");
    becomes(
        "f (./a) (T::{=}) + (env:X as Text)",
        "f ./a T::{=} + env:X as Text\n",
    );
    // These change what is meant.
    for text in [
        "(merge a b) : T\n",
        "(./a).b\n",
        "x.(T)\n",
        "(a -> b) -> c\n",
        "a + (b + c)\n",
        "f ([] : List T)\n",
        "(a.b).c\n",
    ] {
        becomes(text, text);
    }
    becomes("(1{- one -})", "(1 {- one -} )\n");
}

#[test]
fn a_let_behind_in_is_a_let_of_its_own() {
    let name = "n".repeat(60);
    let expected = format!("let x = {name}\n\nlet y = {name}\n\nin  let z = 1 in x\n");
    becomes(
        &format!("let x = {name} let y = {name} in let z = 1 in x"),
        &expected,
    );
    becomes(
        &format!("let x = {name} let y = {name} in (let z = 1 in x)"),
        &expected,
    );
    becomes(
        &format!("let x = {name} in let y = {name} in let z = 1 in x"),
        &format!("let x = {name}\n\nin  let y = {name}\n\n    in  let z = 1 in x\n"),
    );
}

#[test]
fn literals_of_several_lines_follow_the_layout() {
    becomes(
        "let x =\n  ''\n  a\n    b ${f\n   y}\n\n  c''\nin\n[ ''\n ${x}\n  d\n '', 1 ]",
        "let x =\n      ''\n      a\n        b ${f y}\n\n      c''\n\nin  [ ''\n      ${x}\n       d\n      ''\n    , 1\n    ]\n",
    );
    // Here the indentation is content, or is needed to say which is not.
    becomes("''\na\n  b\n''", "''\na\n  b\n''\n");
    becomes("''\n  \n    a\n    ''", "''\n  \n    a\n    ''\n");
    becomes(
        "{ a = ''\n  \n    a\n    '' }",
        "{ a =\n    ''\n    \n      a\n      ''\n}\n",
    );
    becomes("''\n\ta\n\t\tb\n\t''", "''\na\n\tb\n''\n");
    becomes("''\r\n  a\r\n\r\n  ''\r\n", "''\na\n\n''\n");
    let long = "word ".repeat(20);
    becomes(
        &format!("\"{long}${{f  x}}\""),
        &format!("\"{long}${{f x}}\"\n"),
    );
}

#[test]
fn comments_stay_where_they_are() {
    for text in [
        "#!/usr/bin/env dhall\n\n-- A header.\n\n{- And\n   more. -}\n\n1\n",
        "let x = 1 -- after a value\n\n-- before a `let`\n\n-- after a blank line\nlet y =\n      -- before a value\n      2\n\n-- before `in`\nin  -- before the body\n    x\n",
        "{ {- before a field -} a = 1 -- after a value\n, -- before the second\n  b = 2\n  -- at the end\n}\n",
        "[ 1 -- one\n, 2\n  -- before the comma\n, {- three -} 3\n]\n",
        "< A {- first -} | {- second -} B : {- a type -} Text >\n",
        "< A -- first\n| -- second\n  B : Text\n>\n",
        "λ( {- name -} x : {- type -} Text) → -- the body\n  x\n",
        "if    -- the condition\n      a\n-- yes\nthen  b -- no\nelse  c\n",
        "  a -- first\n# b\n# -- third\n  c\n",
        "f -- the function\n  x\n  -- before the last\n  y\n",
        "merge\n  -- handlers\n  { A = 1 }\n  x\n",
        "( -- inside\n  x\n  -- at the end\n)\n",
        "./a {- hash -} as {- mode -} Text\n",
        "x {- record -} . {- field -} a\n",
        "1\n\n-- the end\n",
        "1 -- the end\n",
        "{ -- nothing\n}\n",
        "\"${ {- in a text -} x}\"\n",
    ] {
        becomes(text, text);
    }
    becomes(
        "{-\n A\n   B\n-} let x = {- a\n            b -} 1 in\tx",
        "{-\n A\n   B\n-}\nlet x =\n      {- a\n       b -} 1\n\nin  x\n",
    );
    becomes(
        "[ , -- a\n 1 -- b\n , ]  --\tc  ",
        "[ -- a\n  1 -- b\n] --\tc\n",
    );
}

#[test]
fn comments_behind_commas_stay_with_the_item() {
    becomes(
        "{ a = 1, -- about a\n  b = 2 {- about b -}, c = 3, {- about d -} d = 4, -- at the end\n}",
        "{ a = 1 -- about a\n, b = 2 {- about b -}\n, c = 3\n, {- about d -} d = 4 -- at the end\n}\n",
    );
    becomes(
        "< A | -- about A\n B\n | -- about C\n C >",
        "< A -- about A\n| B\n| -- about C\n  C\n>\n",
    );
}

/// A text with every form. Each `N` is a name.
const EVERYTHING: &str = "let N : A = λ(N : A) → ∀(N : B) → N → N@1 let b = if N.N then [ N, 2 ] # ([] : List N) \
     else Some N::{ N = 1, b.N = 2, N } in let c = merge { N = 1 } (N.{ N, b }) N : N let d = N \
     in assert : (toMap { N } : N) ≡ (N with a.?.N = \"x${N}z${''\n  u${N}\n  w''}\" with c = 0x1) ∧ \
     (https://a.example/b using (N) as Text ? ./c ? env:D) ⫽ N.(N) && showConstructor < A | N : N >.A";

/// Returns sources: those of the corpus, and one with names of any length.
fn sources(numbers: &mut Numbers) -> Vec<String> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/text");
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a source");
    let mut sources: Vec<String> = dhall_files(&corpus).iter().map(read).collect();
    for _ in 0..sources.len() {
        let mut parts = EVERYTHING.split('N');
        let mut text = parts.next().unwrap_or_default().to_owned();
        let long = numbers.below(40);
        for part in parts {
            text.push_str(&"n".repeat(1 + numbers.below(long)));
            text.push_str(part);
        }
        sources.push(text);
    }
    sources
}

/// Formats variants of a source, each made by `vary` from one with its places.
/// Some may not parse.
fn try_variants(
    rounds: u32,
    vary: impl Fn(&mut Numbers, &mut String, &[usize], &[Range<usize>]) + Sync,
) {
    let mut parsed = 0;
    for round in 0..rounds {
        let mut numbers = Numbers(u64::from(round));
        let sources = sources(&mut numbers);
        let mut text = sources[numbers.below(sources.len())].clone();
        let (ends, forms) = on_machine(|_| places(&text));
        vary(&mut numbers, &mut text, &ends, &forms);
        if parses(&text) {
            parsed += 1;
            stable(&text);
        }
    }
    assert!(parsed > rounds / 4, "{parsed}");
}

#[test]
fn comments_between_any_tokens_stay() {
    const COMMENTS: &[&str] = &[
        "-- c\n",
        "\n-- c\n",
        "{- c -}",
        "{- c -}\n",
        "\n\n{- c\nd -}",
    ];
    try_variants(1500, |numbers, text, ends, _| {
        let count = 1 + numbers.below(5);
        let mut places: Vec<usize> = (0..count)
            .map(|_| ends[numbers.below(ends.len())])
            .collect();
        places.sort_unstable();
        for (number, place) in places.iter().enumerate().rev() {
            let comment = COMMENTS[numbers.below(COMMENTS.len())];
            let comment = comment.replace('c', &format!("c{number}"));
            text.insert_str(*place, &format!(" {comment} "));
        }
    });
}

#[test]
fn parentheses_around_anything_are_formatted_once() {
    try_variants(1500, |numbers, text, _, forms| {
        for _ in 0..=numbers.below(2) {
            // Of two, the second is where it was, or nowhere.
            let form = &forms[numbers.below(forms.len())];
            if text.is_char_boundary(form.start) && text.is_char_boundary(form.end) {
                text.insert(form.end, ')');
                text.insert(form.start, '(');
            }
        }
    });
}

fn parses(text: &str) -> bool {
    on_machine(|_| crate::parse::parse(text).is_ok())
}

/// Returns the Dhall files below a folder.
fn dhall_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "dhall") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_sources_of_the_library_are_formatted() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = dhall_files(crate_folder);
    let sources = sources.iter().filter(|path| path.ends_with("v1.dhall"));
    let mut count = 0;
    for source in sources {
        let text = fs::read_to_string(source).expect("a source");
        assert!(stable(&text) == text, "format {}", source.display());
        count += 1;
    }
    assert!(count >= 6, "{count}");
}

#[test]
fn all_of_this_repository_can_be_formatted() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["dhall/tests", "tests/fixtures"] {
        let files = dhall_files(&workspace.join(folder));
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let text = fs::read_to_string(&file).expect("a source");
            // Fixtures name hashes that are filled in later.
            if parses(&text) {
                stable(&text);
            } else {
                assert!(text.contains("sha256:@"), "{}", file.display());
            }
        }
    }
}

#[test]
fn depth_and_length_are_fine() {
    let depth = 10_000;
    let more = [
        ("let x = 1 in ", "1", ""),
        ("let x = 1 ", "in 1", ""),
        ("", "{=}", ".a"),
        ("", "r", " with a = 1"),
        ("(-- c\n", "1", ")"),
        ("T::{ a = ", "1", "}"),
        ("''\n  ${", "1", "}\n''"),
        ("", "f", " x {- a\n b -}"),
    ];
    for (open, middle, close) in NESTED.iter().chain(&more) {
        let text = format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
        let here = Location::Input("test".to_owned());
        match format(&here, &text) {
            Ok(text) => assert!(text.len() < 500 * depth, "{open} {}", text.len()),
            Err(error) => assert_eq!(error.message(), "this nests too deeply", "{open}"),
        }
    }
    let mut text = String::from("[ -- items\n");
    for item in 0..1_000_000 {
        let _ = write!(text, ", {item}");
    }
    text.push(']');
    assert_eq!(formatted(&text).lines().count(), 1_000_002);
    let chain = format!("f{}", " + 1".repeat(100_000));
    assert_eq!(formatted(&chain).lines().count(), 100_001);
}

#[test]
fn what_does_not_parse_is_an_error() {
    let here = Location::File("a.dhall".to_owned());
    let error = format(&here, "{ a =\n  1 +\n}").expect_err("no operand");
    assert_eq!((error.line(), error.column()), (3, 1));
}
