//! Steps that start before those that they read of have ended.

use super::World;
use crate::{GraphFile, Options, Report, Wanted};

/// `lib` has an interface that is there early, and a body that is not;
/// `user` reads the one, `linker` both.
const BUILD: &str = r#"
    let early = \(arguments : List Argument) -> action "o" arguments // { outputs = [ Dice.Output.File "o", Dice.Output.Early "m" ] }
    let from = \(output : Text) -> words (Piece.Source (Source.Output { target = ":lib", output }))
    in { lib = rule (made "lib" [ say "x" ] // { actions = [ early [ say "lib", say "WORD", words (Piece.Source (Source.File "f")) ] ] })
       , user = rule (made "user" [ say "user", from "m" ])
       , linker = rule (made "linker" [ say "linker", from "m", from "o", words (Piece.Source (Source.Output { target = ":user", output = "o" })) ]) }"#;

fn world(word: &str) -> World {
    let build = BUILD.replace("WORD", word);
    World::new(&[("p/BUILD.dhall", &build), ("p/f", "text")])
}

/// Builds as a new process does.
fn build(world: &World, options: Options, labels: &[&str]) -> Report {
    let graph = GraphFile {
        path: world.folder().join("graph"),
        context: [1; 32],
    };
    let builder = world.builder(options).with_graph(graph);
    let labels: Vec<_> = labels.iter().map(|text| super::label(text)).collect();
    let report = builder.build(&labels, Wanted::Outputs, None);
    builder.save().unwrap();
    report
}

#[track_caller]
fn built(world: &World, label: &str) -> Vec<String> {
    let report = build(world, Options::native(), &[label]);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    world.ran()
}

#[test]
fn a_reader_of_an_early_output_runs_beside_its_maker() {
    // The library ends when its user has started, or never.
    let world = world("until:user");
    let ran = built(&world, "//p:linker");
    assert_eq!(
        ran,
        [
            "lib until:user p/f out/p/lib/o",
            "linker out/p/lib/m out/p/lib/o out/p/user/o out/p/linker/o",
            "user out/p/lib/m out/p/user/o",
        ]
    );
    assert_eq!(built(&world, "//p:linker"), [""; 0]);
}

#[test]
fn a_change_that_the_early_output_does_not_show_stops_there() {
    let world = world("plain");
    built(&world, "//p:linker");
    world.write("p/f", "other text");
    let ran = built(&world, "//p:linker");
    assert_eq!(
        ran,
        [
            "lib plain p/f out/p/lib/o",
            "linker out/p/lib/m out/p/lib/o out/p/user/o out/p/linker/o",
        ]
    );
    // And all of it is known from here on.
    world.write("p/f", "text");
    assert_eq!(built(&world, "//p:linker"), [""; 0]);
}

#[test]
fn what_a_failing_maker_published_is_worth_nothing() {
    for keep_going in [false, true] {
        let world = world("fail");
        let text = BUILD.replace("say \"WORD\"", "say \"fail\", say \"until:user\"");
        world.write("p/BUILD.dhall", &text);
        let options = || Options {
            keep_going,
            ..Options::native()
        };
        for _ in 0..2 {
            let report = build(&world, options(), &["//p:user"]);
            assert_eq!(report.built.len(), 0, "{:?}", report.built);
            assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
            let failure = report.failures[0].to_string();
            assert!(failure.contains("//p:lib"), "{failure}");
        }
        // The user ran once: what it made of those bytes is known.
        let ran = world.ran();
        let users = ran.iter().filter(|command| command.starts_with("user"));
        assert_eq!(users.count(), 1, "{ran:?}");
        world.write("p/BUILD.dhall", &BUILD.replace("WORD", "plain"));
        assert_eq!(built(&world, "//p:user").len(), 2);
    }
}

#[test]
fn a_maker_that_fails_is_named_though_another_input_failed_first() {
    let world = world("fail");
    let more = r#"let bad = rule (made "bad" [ say "fail" ])
        let both = rule (made "both" [ from "m", words (Piece.Source (Source.Output { target = ":bad", output = "o" })) ])
        in { bad, both,"#;
    let text = BUILD.replace("WORD", "fail").replace("in {", more);
    world.write("p/BUILD.dhall", &text);
    let options = Options {
        keep_going: true,
        ..Options::native()
    };
    let report = build(&world, options, &["//p:both"]);
    let mut failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    failures.sort();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures[0].contains("//p:bad") && failures[1].contains("//p:lib"));
}

#[test]
fn what_is_not_published_again_is_not_used() {
    let world = world("plain");
    let mood = |fails, says| *world.scribe.mood.lock().unwrap() = super::Mood { fails, says };
    mood(Some("lib"), "first");
    let report = build(&world, Options::native(), &["//p:user"]);
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    // The same action publishes something else when it succeeds.
    mood(None, "second");
    world.ran();
    let report = build(&world, Options::native(), &["//p:user"]);
    let text = world.text(&report);
    assert!(text.ends_with("out/p/lib/o\nsecond\n"), "{text}");
}
