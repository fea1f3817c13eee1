//! What actions see, and which of them run.

use straylight_odb::Sha256;

use super::World;
use crate::configuration::Mode;
use crate::{Options, Wanted};

/// `set` and its order, read by a target over a diamond of dependencies.
fn diamond(reach: &str, order: &str) -> String {
    let node = |name: &str, deps: &str| {
        format!(
            "{name} = rule ((made \"{name}\" [ say \"{name}\" ]) // {{ deps = {deps} : List Text, sets = [ {{ set = \"s\", items = [ [ Piece.Literal \"-{name}=\", Piece.Out \"o\" ] ], inputs = [] : List Dice.Source }} ] }}) "
        )
    };
    let text = format!(
        "in {{ {}, {}, {}, {}, top = rule ((made \"top\" [ Argument.Each {{ of = {{ set = \"s\", reach = Dice.Reach.{reach}, order = Dice.Order.{order} }}, prefix = \"+\" }} ]) // {{ deps = [ \":left\", \":right\" ] }}) }}",
        node("base", "[]"),
        node("left", "[ \":base\" ]"),
        node("right", "[ \":base\" ]"),
        node("unused", "[]"),
    );
    let world = World::new(&[("p/BUILD.dhall", &text)]);
    let output = world.output("//p:top");
    output.lines().next().unwrap().to_owned()
}

#[test]
fn a_reader_sees_what_its_dependencies_contribute() {
    let item = |name: &str| format!("+-{name}=out/p/{name}/o");
    let line = |names: &[&str]| {
        let items: Vec<String> = names.iter().map(|name| item(name)).collect();
        format!("{} out/p/top/o", items.join(" "))
    };
    assert_eq!(diamond("Direct", "Preorder"), line(&["left", "right"]));
    assert_eq!(
        diamond("Transitive", "Preorder"),
        line(&["left", "base", "right"])
    );
    assert_eq!(
        diamond("Transitive", "Postorder"),
        line(&["base", "left", "right"])
    );
    assert_eq!(
        diamond("Transitive", "Topological"),
        line(&["left", "right", "base"])
    );
}

#[test]
fn an_action_has_its_declared_inputs_at_their_paths() {
    let world = World::new(&[
        (
            "a/b/BUILD.dhall",
            r#"in { x = rule ((made "x" [ say "cat", words (Piece.Source (Source.File "sub/f.txt")), words (Piece.Source (Source.Output { target = "//:root", output = "o" })), words (Piece.Folder (Dice.Folder.Package "sub")), words (Piece.Folder Dice.Folder.Root), words (Piece.Folder (Dice.Folder.Outputs "//:root")) ])) }"#,
        ),
        (
            "BUILD.dhall",
            r#"in { root = rule (made "root" [ say "echo" ]) }"#,
        ),
        ("a/b/sub/f.txt", "text"),
        ("a/b/sub/g.txt", "not declared"),
    ]);
    assert_eq!(
        world.output("//a/b:x"),
        "cat a/b/sub/f.txt out/root/o a/b/sub . out/root out/a/b/x/o\n\
         build/a/b/sub/f.txt: text\n\
         build/out/root/o: echo out/root/o\n\n"
    );
}

#[test]
fn equal_bytes_end_a_rebuild() {
    let world = World::new(&[
        (
            "p/BUILD.dhall",
            r#"in { a = rule (made "a" [ say "constant" ] // { actions = [ action "o" [ say "x" ] // { inputs = [ Source.File "ignored" ] } ] })
                  , b = rule (made "b" [ say "b", words (Piece.Source (Source.Output { target = ":a", output = "o" })) ]) }"#,
        ),
        ("p/ignored", "one"),
    ]);
    assert_eq!(world.build("//p:b").executed, 2);
    let again = world.build("//p:b");
    assert_eq!((again.executed, again.reused), (0, 2));
    // The scribe writes its inputs down, so this changes both.
    world.write("p/ignored", "two");
    assert_eq!(world.build("//p:b").executed, 2);
    // And this brings back what is known.
    world.write("p/ignored", "one");
    assert_eq!(world.build("//p:b").executed, 0);
}

#[test]
fn tools_are_built_for_the_host_in_release_mode() {
    let world = World::new(&[(
        "p/BUILD.dhall",
        r#"let mode = \(c : Dice.Configuration) -> merge { debug = "debug", release = "release" } c.mode
           in { tool = { name = "tool", platforms = [] : List Targets.Triple, build = \(c : Dice.Configuration) -> made "tool" [ say "${mode c}" ] // { run = Some { arguments = [ words (Piece.Out "o") ] } } }
              , user = { name = "user", platforms = [] : List Targets.Triple, build = \(c : Dice.Configuration) -> made "user" [ words (Piece.Tool ":tool"), say "${mode c}" ] } }"#,
    )]);
    let options = Options {
        mode: Mode::debug,
        ..Options::native()
    };
    let report = world.build_with(options, &["//p:user"], Wanted::Outputs);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(
        world.ran(),
        ["out/p/tool/o debug out/p/user/o", "release out/p/tool/o"]
    );
}

#[test]
fn a_file_in_an_output_folder_is_an_input() {
    let world = World::new(&[(
        "p/BUILD.dhall",
        r#"in { folder = rule Dice.Target::{ name = "folder", kind = "made", actions = [ Dice.Action::{ category = "make", arguments = [ say "mkdir" ], outputs = [ Dice.Output.Folder "d" ] } ] }
              , x = rule (made "x" [ words (Piece.Source (Source.Output { target = ":folder", output = "d/inside/file" })) ]) }"#,
    )]);
    assert_eq!(
        world.output("//p:x"),
        "out/p/folder/d/inside/file out/p/x/o\nbuild/out/p/folder/d/inside/file: mkdir\n\n"
    );
}

#[test]
fn pinned_bytes_come_from_the_store() {
    let pinned = |size: usize| {
        format!(
            r#"in {{ x = rule (made "x" [ words (Piece.Source (Source.Pinned {{ path = "zlib.h", sha256 = "{}", size = {size}, urls = [ "https://example.com/zlib.h" ] }})) ]) }}"#,
            Sha256::of(b"pinned")
        )
    };
    let world = World::new(&[("p/BUILD.dhall", &pinned(6))]);
    let failure = world.failure("//p:x");
    assert!(
        failure.contains("`out/p/x/zlib.h` (`ca://sha256:"),
        "{failure}"
    );
    assert!(
        failure.contains("`git straylight pin 'https://example.com/zlib.h'`"),
        "{failure}"
    );
    straylight_odb::ContentStore::write(&*world.services.store, b"pinned").unwrap();
    assert_eq!(
        world.output("//p:x"),
        "out/p/x/zlib.h out/p/x/o\nbuild/out/p/x/zlib.h: pinned\n"
    );
}

#[test]
fn a_failure_stops_what_follows_or_only_what_depends_on_it() {
    let world = World::new(&[(
        "p/BUILD.dhall",
        r#"in { bad = rule (made "bad" [ say "fail" ])
              , above = rule (made "above" [ words (Piece.Source (Source.Output { target = ":bad", output = "o" })) ])
              , good = rule (made "good" [ say "good" ]) }"#,
    )]);
    let options = Options {
        keep_going: true,
        jobs: 1,
        ..Options::native()
    };
    let report = world.build_with(
        options,
        &["//p:above", "//p:bad", "//p:good"],
        Wanted::Outputs,
    );
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    assert_eq!(
        report.failures[0].to_string(),
        "//p:bad: `make o` failed with exit code 1"
    );
    let built: Vec<String> = report
        .built
        .iter()
        .map(|built| built.label.to_string())
        .collect();
    assert_eq!(built, ["//p:good"]);
    // A failure is never a claim: it runs again.
    world.ran();
    world.build("//p:bad");
    assert_eq!(world.ran(), ["fail out/p/bad/o"]);
}

#[test]
fn a_lost_blob_is_made_again_in_the_same_build() {
    let world = World::new(&[(
        "p/BUILD.dhall",
        r#"in { a = rule (made "a" [ say "a" ])
              , b = rule (made "b" [ words (Piece.Source (Source.Output { target = ":a", output = "o" })) ])
              , c = rule (made "c" [ say "again", words (Piece.Source (Source.Output { target = ":a", output = "o" })) ]) }"#,
    )]);
    world.output("//p:b");
    let lost = Sha256::of(b"a out/p/a/o\n");
    let path = world.services.store.root().join(format!("cas/{lost}"));
    std::fs::remove_file(path).unwrap();
    world.ran();
    let output = world.output("//p:c");
    assert!(
        output.ends_with("build/out/p/a/o: a out/p/a/o\n\n"),
        "{output}"
    );
    assert!(world.ran().contains(&"a out/p/a/o".to_owned()));
}

#[test]
fn lines_of_a_file_are_variables() {
    let build = r#"in { made = rule (made "made" [ say "generate" ])
      , x = rule (made "x" [ say "run" ] // { actions = [ action "o" [ say "run" ] // { env = toMap { OWN = "last" }, env_files = [ Source.File "vars", Source.Output { target = ":made", output = "o" } ] } ] }) }"#;
    let world = World::new(&[
        ("p/BUILD.dhall", build),
        ("p/vars", "A=1=2\n\nOWN=first\nB=\n"),
    ]);
    let failure = world.failure("//p:x");
    assert!(
        failure.contains("line 1 of `out/p/made/o` is not `NAME=value`: `generate out/p/made/o`"),
        "{failure}"
    );
    world.write(
        "p/BUILD.dhall",
        &build.replace(r#"say "generate""#, r#"say "GEN=x""#),
    );
    let text = world.output("//p:x");
    let lines: Vec<&str> = text.lines().collect();
    let made = "GEN=x out/p/made/o";
    assert_eq!(lines, ["run out/p/x/o", "A=1=2", "B=", made, "OWN=last"]);
    world.ran();
    world.write("p/vars", "B=\nA=1=2\n");
    world.output("//p:x");
    assert_eq!(world.ran(), [""; 0], "the variables are the same");
    world.write("p/vars", "A=3\n");
    world.output("//p:x");
    assert_eq!(world.ran(), ["run out/p/x/o"]);
}

#[test]
fn lines_of_a_file_are_arguments() {
    let build = r#"in { flags = rule (made "flags" [ say "generate" ])
      , x = rule (made "x" [ say "run", Argument.FromFile (Source.File "own"), Argument.FromFile (Source.Output { target = ":flags", output = "o" }), say "end" ]) }"#;
    let world = World::new(&[("p/BUILD.dhall", build), ("p/own", "-a\n-b c\n\n")]);
    // The scribe's file for `flags` is its command, and nothing else.
    let text = world.output("//p:x");
    let command = text.lines().next().unwrap();
    assert_eq!(command, "run -a -b c  generate out/p/flags/o end out/p/x/o");
    // The files are no inputs: only what they say is.
    assert_eq!(text.lines().count(), 1, "{text}");
    world.ran();
    world.write("p/own", "-a\r\n-b c\n\n");
    world.output("//p:x");
    assert_eq!(world.ran(), [""; 0], "the lines are the same");
    world.write("p/own", "-z\n");
    world.output("//p:x");
    assert_eq!(world.ran().len(), 1);
}
