//! Builds that go on from what an earlier process knew.

use super::World;
use crate::label::{PackagePath, Reference};
use crate::{Builder, GraphFile, Options, Report, Wanted};

/// A builder as a new process has it.
fn builder(world: &World) -> Builder {
    let graph = GraphFile {
        path: world.folder().join("graph"),
        context: [1; 32],
    };
    world.builder(Options::native()).with_graph(graph)
}

fn everything() -> Reference {
    Reference::Below(PackagePath::new("").unwrap())
}

/// Builds everything as a new process does; returns what it did and read.
fn build(world: &World, wanted: &str) -> (Report, Vec<String>) {
    world.tree.read.lock().unwrap().clear();
    let builder = builder(world);
    let root = PackagePath::new("").unwrap();
    let reference = Reference::parse(wanted, &root).unwrap();
    let report = match builder.select(&[reference]) {
        Ok(labels) => builder.build(&labels, Wanted::Outputs, None),
        Err(error) => Report {
            failures: vec![error],
            ..Report::default()
        },
    };
    builder.save().unwrap();
    let mut read = std::mem::take(&mut *world.tree.read.lock().unwrap());
    read.sort();
    (report, read)
}

/// Builds, and returns the hashes of the outputs, what ran and what was read.
#[track_caller]
fn outputs(world: &World) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (report, read) = build(world, "//...");
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let outputs = report.built.iter().flat_map(|built| &built.outputs);
    let shown = outputs.map(|output| format!("{} {:?}", output.path, output.content));
    (shown.collect(), world.ran(), read)
}

const LOWER: &str = r#"in { low = rule (made "low" [ words (Piece.Source (Source.File "f")) ]) }"#;
const UPPER: &str = r#"in { high = rule (made "high" [ words (Piece.Source (Source.Output { target = "//a:low", output = "o" })) ])
                           , other = rule (made "other" [ words (Piece.Source (Source.File "g")) ]) }"#;

fn world() -> World {
    World::new(&[
        ("a/BUILD.dhall", LOWER),
        ("a/f", "text"),
        ("b/BUILD.dhall", UPPER),
        ("b/g", "more"),
    ])
}

#[test]
fn a_build_after_which_nothing_changed_reads_nothing() {
    let world = world();
    let (first, ran, _) = outputs(&world);
    assert_eq!(ran.len(), 3);
    let (report, read) = build(&world, "//...");
    assert_eq!(report.reused, 3, "they are known to be up to date");
    assert_eq!(report.executed, 0);
    assert_eq!(read, [""; 0]);
    let (second, ran, read) = outputs(&world);
    assert_eq!((second, ran, read), (first, vec![], vec![]));
}

#[test]
fn what_was_reached_is_known_as_a_whole() {
    let world = world();
    let references = [everything()];
    let unchanged = || builder(&world).unchanged(&references, Wanted::Outputs, None);
    assert!(unchanged().is_none(), "nothing was built");
    let build = || {
        let builder = builder(&world);
        let labels = builder.select(&references).unwrap();
        let report = builder.build(&labels, Wanted::Outputs, None);
        if report.failures.is_empty() {
            builder.reached(&references, Wanted::Outputs);
        }
        builder.save().unwrap();
        report
    };
    let shown = |report: &Report| format!("{:?}", report.built);
    let first = build();
    world.tree.read.lock().unwrap().clear();
    let known = unchanged().unwrap();
    assert_eq!(shown(&known), shown(&build()));
    assert_eq!((known.executed, known.reused), (0, 3));
    assert_eq!(*world.tree.read.lock().unwrap(), [""; 0]);
    let tests = builder(&world).unchanged(&references, Wanted::Tests, None);
    assert!(tests.is_none(), "the tests were not wanted");
    // Each kind of change is seen: a source, a build file, a package, a failure.
    world.write("b/g", "other");
    assert!(unchanged().is_none());
    assert_ne!(shown(&build()), shown(&first));
    assert!(unchanged().is_some());
    world.write(
        "c/BUILD.dhall",
        r#"in { new = rule (made "new" [ say "new" ]) }"#,
    );
    assert!(unchanged().is_none());
    assert_eq!(build().built.len(), 4);
    assert_eq!(unchanged().unwrap().built.len(), 4);
    world.write(
        "c/BUILD.dhall",
        r#"in { new = rule (made "new" [ say "fail" ]) }"#,
    );
    for _ in 0..2 {
        assert!(unchanged().is_none());
        assert_eq!(build().failures.len(), 1);
    }
}

#[test]
fn a_change_reaches_what_depends_on_it_and_nothing_else() {
    let world = world();
    let (first, ..) = outputs(&world);
    world.write("a/f", "other text");
    let (second, ran, read) = outputs(&world);
    assert_eq!(ran, ["a/f out/a/low/o", "out/a/low/o out/b/high/o"]);
    // Nothing is evaluated for it: what the targets say is known.
    assert_eq!(read, ["a/f"]);
    assert_ne!(second, first);
    // What it was before is known, and not made again.
    world.write("a/f", "text");
    let (third, ran, _) = outputs(&world);
    assert_eq!((third, ran), (first, vec![]));
}

#[test]
fn what_rules_say_is_answered_from_what_a_build_kept() {
    let world = world();
    let package = PackagePath::new("b").unwrap();
    let declared = || {
        world.tree.read.lock().unwrap().clear();
        let builder = builder(&world);
        let declared = builder.declared(&package);
        builder.save().unwrap();
        let read = std::mem::take(&mut *world.tree.read.lock().unwrap());
        (declared.map_err(|error| error.to_string()), read)
    };
    let (first, read) = declared();
    assert_eq!(
        read,
        ["b/BUILD.dhall"],
        "its dependencies are not looked at"
    );
    assert_eq!(first.as_ref().unwrap().len(), 2);
    outputs(&world);
    assert_eq!(declared(), (first.clone(), vec![]));
    // What the file says now counts, also if it could not be built.
    world.write("a/BUILD.dhall", "in {=}");
    assert_eq!(declared().0, first);
    let more = UPPER.replace("\"g\"", "\"h\"");
    world.write("b/BUILD.dhall", &more);
    let (changed, _) = declared();
    assert_eq!(changed.unwrap()[1].1.files().len(), 1);
    world.write("b/BUILD.dhall", "in broken");
    assert!(declared().0.unwrap_err().contains("broken"));
}

#[test]
fn a_comment_in_a_build_file_runs_nothing() {
    let world = world();
    let (first, ..) = outputs(&world);
    world.write("a/BUILD.dhall", &format!("{{- a comment -}}\n{LOWER}"));
    let (report, read) = build(&world, "//...");
    assert_eq!((report.executed, report.reused), (0, 3));
    assert_eq!(read, ["a/BUILD.dhall"], "the target is what it was");
    let (second, ..) = outputs(&world);
    assert_eq!(second, first);
}

#[test]
fn new_packages_and_files_that_go_away_are_seen() {
    let world = world();
    let (first, ..) = outputs(&world);
    world.write(
        "c/BUILD.dhall",
        r#"in { new = rule (made "new" [ say "new" ]) }"#,
    );
    let (second, ran, _) = outputs(&world);
    assert_eq!(second.len(), first.len() + 1);
    assert_eq!(ran, ["new out/c/new/o"]);

    let gone = world.tree.files.lock().unwrap().remove("b/g").unwrap();
    for _ in 0..2 {
        let (report, _) = build(&world, "//...");
        let shown: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].contains("no file `b/g`"), "{shown:?}");
        // The build file is read for it, and for nothing else.
        let place = report.failures[0].place().unwrap().to_string();
        assert!(place.starts_with("b/BUILD.dhall:10:"), "{place}");
    }
    world.write("b/g", &gone);
    let (third, ran, _) = outputs(&world);
    assert_eq!((third, ran), (second, vec![]));
}

#[test]
fn what_a_library_file_says_is_part_of_what_packages_are() {
    let world = World::new(&[
        ("lib.dhall", r#""one""#),
        (
            "p/BUILD.dhall",
            r#"in { x = rule (made "x" [ say ../lib.dhall, say (./own.dhall ? "none") ]) }"#,
        ),
    ]);
    assert_eq!(outputs(&world).1, ["one none out/p/x/o"]);
    assert_eq!(outputs(&world).1, [""; 0]);
    world.write("lib.dhall", r#""two""#);
    assert_eq!(outputs(&world).1, ["two none out/p/x/o"]);
    // The absence of a file is something that a package depends on.
    world.write("p/own.dhall", r#""own""#);
    assert_eq!(outputs(&world).1, ["two own out/p/x/o"]);
}

#[test]
fn warnings_are_told_in_every_build() {
    let world = World::new(&[
        (
            "p/BUILD.dhall",
            r#"in { x = rule (made "x" [ words (Piece.Source (Source.File "untracked")) ] // { warnings = [ "odd" ] }) }"#,
        ),
        ("p/untracked", "text"),
    ]);
    for _ in 0..3 {
        outputs(&world);
        let mut told = std::mem::take(&mut *world.warnings.0.lock().unwrap());
        told.sort();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].ends_with(": odd"), "{told:?}");
        assert!(told[1].contains("`p/untracked` is not tracked"), "{told:?}");
    }
}

#[test]
fn what_the_store_lost_is_made_again() {
    let world = world();
    let (first, ..) = outputs(&world);
    for entry in std::fs::read_dir(world.folder()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "cas" {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    // Nobody looks at the bytes as long as nothing changes.
    let (second, ran, _) = outputs(&world);
    assert_eq!((&second, ran), (&first, vec![]));
    world.write("a/f", "other text");
    world.write("b/g", "other text");
    let (third, ran, _) = outputs(&world);
    assert_eq!(ran.len(), 3);
    assert_ne!(third, second);
}

#[test]
fn a_failure_is_never_kept() {
    let world = World::new(&[(
        "p/BUILD.dhall",
        r#"in { x = rule (made "x" [ say "fail" ]) }"#,
    )]);
    for _ in 0..2 {
        let (report, _) = build(&world, "//p:x");
        assert_eq!(report.failures.len(), 1);
        assert_eq!(world.ran().len(), 1);
    }
}
