//! What users read when a build file is wrong: what, where, and the cure.

use super::World;
use crate::{Label, PackagePath, Reference};

/// The failure of `//p:x` in a package with these rules. Line 9 is theirs.
fn failure(rules: &str) -> String {
    World::new(&[("p/BUILD.dhall", rules)]).failure("//p:x")
}

#[test]
fn names_what_does_not_exist() {
    let world = World::new(&[("p/BUILD.dhall", r#"in { y = rule (made "y" [ say "y" ]) }"#)]);
    assert_eq!(
        world.failure("//q:x"),
        "no package `//q`: there is no `q/BUILD.dhall` (write `q/BUILD.dhall`, or name a folder \
         that has one)"
    );
    assert_eq!(
        world.failure("//p:z"),
        "no target `//p:z` (did you mean `y`?)"
    );
}

#[test]
fn points_at_the_label_that_leads_nowhere() {
    let text = failure(r#"in { x = rule (made "x" [ say "x" ] // { deps = [ "//q:y" ] }) }"#);
    assert!(text.starts_with("no package `//q`"), "{text}");
    assert!(text.contains("--> p/BUILD.dhall:9:"), "{text}");
    let text = failure(r#"in { x = rule (made "x" [ say "x" ] // { deps = [ "q" ] }) }"#);
    assert!(text.starts_with("`q` is not a label"), "{text}");
    assert!(text.contains("--> p/BUILD.dhall:9:"), "{text}");
    let text = failure(r#"in { x = rule (made "x" [ say "x" ] // { deps = [ "//q/..." ] }) }"#);
    assert!(
        text.contains("`//q/...` is many targets; a dependency is one"),
        "{text}"
    );
}

#[test]
fn refuses_what_is_not_a_package() {
    for (text, message) in [
        ("in 1", "a package is a record of rules"),
        (r#"in rule (made "x" [ say "x" ])"#, "the file is one rule"),
        ("in { x = 1 }", "the field `x` is not a rule"),
        (
            r#"in { x = rule (made "x" [ say "x" ]), y = rule (made "x" [ say "y" ]) }"#,
            "the rules `x` and `y` are both named `x`",
        ),
    ] {
        let failure = failure(text);
        assert!(failure.contains(message), "{text}\n{failure}");
        assert!(failure.contains("p/BUILD.dhall"), "{failure}");
    }
    let text =
        "in { x = rule (made \"x\" [ say \"a\" ])\n   , y = rule (made \"x\" [ say \"b\" ]) }";
    let failure = failure(text);
    assert!(failure.contains("--> p/BUILD.dhall:10:21"), "{failure}");
    assert!(failure.contains("another name"), "{failure}");
}

#[test]
fn refuses_targets_that_contradict_themselves() {
    let target = |actions: &str, more: &str| {
        format!(
            r#"in {{ x = rule (Dice.Target::{{ name = "x", kind = "made", actions = {actions} }} // {{ {more} }}) }}"#
        )
    };
    let outputs = |path: &str| format!(r#"outputs = [ {{ name = "o", path = "{path}" }} ]"#);
    let one = r#"[ action "o" [ say "a" ] ]"#;
    for (text, message) in [
        (target(one, &outputs("p")), "no action makes the output `p`"),
        (
            target(
                r#"[ action "o" [ say "a" ], action "o" [ say "b" ] ]"#,
                &outputs("o"),
            ),
            "the output `o` is made twice",
        ),
        (
            target(
                r#"[ action "o" [ say "a" ] // { outputs = [ Dice.Output.Folder "o", Dice.Output.File "o/p" ] } ]"#,
                &outputs("o"),
            ),
            "the output `o/p` lies inside the output `o`",
        ),
        (
            target(r#"[ action "../o" [ say "a" ] ]"#, &outputs("../o")),
            "leaves its folder through `..`",
        ),
        (
            target(
                r#"[ Dice.Action::{ category = "make", arguments = [] : List Dice.Argument, outputs = [ Dice.Output.File "o" ] } ]"#,
                &outputs("o"),
            ),
            "has no program to run",
        ),
        (
            target(
                r#"[ action "o" [ words (Piece.Source (Source.File "/etc/passwd")) ] ]"#,
                &outputs("o"),
            ),
            "`/etc/passwd` is not a source: the path is absolute",
        ),
        (
            target(
                r#"[ action "o" [ words (Piece.Out "nothing") ] ]"#,
                &outputs("o"),
            ),
            "`//p:x` has no output `nothing`",
        ),
        (
            target(
                r#"[ action "o" [ words (Piece.Tool ":x") ] ]"#,
                &outputs("o"),
            ),
            "`//p:x` is not a program",
        ),
        (
            target(one, r#"problems = [ "two optimisation levels" ]"#),
            "`//p:x` cannot be built: two optimisation levels",
        ),
    ] {
        let failure = failure(&text);
        assert!(failure.contains(message), "{text}\n{failure}");
        assert!(failure.contains("p/BUILD.dhall"), "{failure}");
    }
}

#[test]
fn needs_are_absolute_and_known() {
    for (need, message) in [
        (r#"Dice.Coeffect.Device "kvm""#, "`device:kvm` is no need"),
        (
            r#"Dice.Coeffect.Sandbox "docker""#,
            "`microvm`, `namespaces` or `none`",
        ),
    ] {
        let failure = failure(&format!(
            r#"in {{ x = rule (made "x" [ say "x" ] // {{ actions = [ action "o" [ say "x" ] // {{ requires = [ {need} ] }} ] }}) }}"#
        ));
        assert!(failure.contains(message), "{failure}");
    }
}

#[test]
fn cycles_are_named() {
    let text = failure(
        r#"in { x = rule (made "x" [ say "x" ] // { deps = [ ":y" ] })
              , y = rule (made "y" [ words (Piece.Source (Source.Output { target = ":x", output = "o" })) ]) }"#,
    );
    assert!(
        text.contains("depend on each other: //p:x → //p:y → //p:x"),
        "{text}"
    );
}

#[test]
fn a_command_that_does_not_keep_its_word_fails() {
    let text = failure(r#"in { x = rule (made "x" [ say "lose" ]) }"#);
    assert_eq!(text, "//p:x: `make o` did not make `out/p/x/o`");
}

#[test]
fn warns_once_about_untracked_sources() {
    let world = World::new(&[
        (
            "p/BUILD.dhall",
            r#"in { x = rule (made "x" [ words (Piece.Source (Source.File "untracked.c")) ] // { warnings = [ "a raw flag" ] }) }"#,
        ),
        ("p/untracked.c", ""),
    ]);
    world.output("//p:x");
    let warnings = world.warnings.0.lock().unwrap().clone();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for message in ["`p/untracked.c` is not tracked", "a raw flag"] {
        let told = warnings.iter().find(|warning| warning.contains(message));
        let told = told.unwrap_or_else(|| panic!("{warnings:?}"));
        assert!(told.starts_with("p/BUILD.dhall:9:"), "{told}");
    }
}

#[test]
fn selects_by_folder() {
    let one = r#"in { x = rule (made "x" [ say "x" ]) }"#;
    let two = r#"in { b = rule (made "b" [ say "b" ]), c = rule (made "c" [ say "c" ]) }"#;
    let world = World::new(&[
        ("BUILD.dhall", one),
        ("a/b/BUILD.dhall", two),
        ("a/c/d/BUILD.dhall", two),
    ]);
    let root = PackagePath::new("").unwrap();
    let select = |text: &str| {
        let reference = Reference::parse(text, &root).unwrap();
        let labels = world.builder(crate::Options::native()).select(&[reference]);
        labels.map(|labels| labels.iter().map(Label::to_string).collect::<Vec<_>>())
    };
    assert_eq!(select("//").unwrap(), ["//:x"]);
    assert_eq!(select("//a/b").unwrap(), ["//a/b:b"]);
    assert_eq!(
        select("//a/...").unwrap(),
        ["//a/b:b", "//a/b:c", "//a/c/d:b", "//a/c/d:c"]
    );
    assert_eq!(select("//...").unwrap().len(), 5);
    let error = select("//a/c/d").unwrap_err();
    assert!(
        error.to_string().contains("none is named like the folder"),
        "{error}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "name one, such as `//a/c/d:b`; the package has `b`, `c`"
    );
    assert!(select("//z/...").is_err());
}
