use super::*;

#[track_caller]
fn check(before: &str, remove: &[&str], add: &[&str], after: &str) {
    let edited = edit(before, 0, remove, add, false).unwrap();
    assert_eq!(edited, after);
    assert_eq!(text_lists(&edited).len(), 1, "{edited}");
}

#[test]
fn items_are_sorted_into_one_line() {
    let before = "{ s = [ \"b.c\", \"d.c\" ] {- why -} }";
    check(
        before,
        &[],
        &["a.c", "c.c", "e.c"],
        "{ s = [ \"a.c\", \"b.c\", \"c.c\", \"d.c\", \"e.c\" ] {- why -} }",
    );
    check(before, &["b.c"], &[], "{ s = [ \"d.c\" ] {- why -} }");
    check(
        before,
        &["d.c"],
        &["a.c"],
        "{ s = [ \"a.c\", \"b.c\" ] {- why -} }",
    );
    check(
        before,
        &["b.c", "d.c"],
        &[],
        "{ s = [] : List Text {- why -} }",
    );
    check(
        before,
        &["b.c", "d.c"],
        &["a.c"],
        "{ s = [ \"a.c\" ] {- why -} }",
    );
    check(
        "{ s = f ([] : List Text) }",
        &[],
        &["a"],
        "{ s = f ([ \"a\" ]) }",
    );
    check(
        "{ s = [ \"a\" ] # x }",
        &["a"],
        &[],
        "{ s = ([] : List Text) # x }",
    );
    // Not sorted: last.
    check(
        "{ s = [ \"d\", \"b\" ] }",
        &[],
        &["c"],
        "{ s = [ \"d\", \"b\", \"c\" ] }",
    );
}

#[test]
fn a_line_that_grows_too_long_is_broken() {
    let name = "x".repeat(40);
    check(
        &format!("{{ s = [ \"{name}\" ] }}"),
        &[],
        &[&format!("{name}y")],
        &format!("{{ s = [ \"{name}\"\n      , \"{name}y\"\n      ] }}"),
    );
}

const FIRST: &str = "{ s =
    [ \"b.c\" -- the b
    , \"d.c\" -- the d
    -- about f
    , \"f.c\"
    ]
}";

#[test]
fn lines_with_the_comma_first_keep_their_comments() {
    check(
        FIRST,
        &[],
        &["a.c", "c.c", "e.c", "g.c"],
        "{ s =
    [ \"a.c\"
    , \"b.c\" -- the b
    , \"c.c\"
    , \"d.c\" -- the d
    , \"e.c\"
    -- about f
    , \"f.c\"
    , \"g.c\"
    ]
}",
    );
    check(
        FIRST,
        &["d.c"],
        &["a.c"],
        "{ s =
    [ \"a.c\"
    , \"b.c\" -- the b
    -- about f
    , \"f.c\"
    ]
}",
    );
    check(
        FIRST,
        &["b.c"],
        &[],
        "{ s =
    [ \"d.c\" -- the d
    -- about f
    , \"f.c\"
    ]
}",
    );
}

#[test]
fn lines_with_the_comma_last_keep_their_comments() {
    let before = "{ s = [
  \"b.c\", -- the b
  \"d.c\" -- the d
] }";
    check(
        before,
        &[],
        &["a.c", "c.c", "e.c"],
        "{ s = [
  \"a.c\",
  \"b.c\", -- the b
  \"c.c\",
  \"d.c\", -- the d
  \"e.c\"
] }",
    );
    check(
        before,
        &["b.c"],
        &[],
        "{ s = [
  \"d.c\" -- the d
] }",
    );
    check(
        before,
        &["d.c"],
        &[],
        "{ s = [
  \"b.c\", -- the b
] }",
    );
}

#[test]
fn the_first_item_stays_first_where_it_must() {
    let text = "{ s = [ \"src/lib.rs\", \"src/b.rs\" ] }";
    let edited = edit(text, 0, &[], &["src/a.rs", "src/c.rs"], true).unwrap();
    assert_eq!(
        edited,
        "{ s = [ \"src/lib.rs\", \"src/a.rs\", \"src/b.rs\", \"src/c.rs\" ] }"
    );
}

#[test]
fn texts_are_written_as_dhall_reads_them() {
    let edited = edit("{ s = [ \"a\" ] }", 0, &[], &["q\"${x}\\"], false).unwrap();
    let lists = text_lists(&edited);
    assert_eq!(lists[0].items[1].text.as_deref(), Some("q\"${x}\\"));
}

#[test]
fn a_field_is_added_as_the_record_is_laid_out() {
    let line = add_field("{ name = \"x\", s = [ \"a\" ] }", 0, "hdrs", &["a.h"]).unwrap();
    assert_eq!(line, "{ name = \"x\", s = [ \"a\" ], hdrs = [ \"a.h\" ] }");
    let lines = add_field(
        "{ name = \"x\"\n  , s = [ \"a\" ]\n  }",
        0,
        "hdrs",
        &["a.h"],
    )
    .unwrap();
    assert_eq!(
        lines,
        "{ name = \"x\"\n  , s = [ \"a\" ]\n  , hdrs = [ \"a.h\" ]\n  }"
    );
}

#[test]
fn ten_thousand_files_are_one_pass() {
    let name = |n: usize| format!("\"f{n:05}.c\"");
    let some = |step: usize, first: usize| (first..10_000).step_by(step).map(name);
    let text = |items: Vec<String>| format!("{{ s =\n    [ {}\n    ]\n}}", items.join("\n    , "));
    let even = text(some(2, 0).collect());
    let odd: Vec<String> = (1..10_000)
        .step_by(2)
        .map(|n| format!("f{n:05}.c"))
        .collect();
    let odd: Vec<&str> = odd.iter().map(String::as_str).collect();
    let all = edit(&even, 0, &[], &odd, false).unwrap();
    assert_eq!(all, text(some(1, 0).collect()));
    assert_eq!(edit(&all, 0, &odd, &[], false).unwrap(), even);
}
