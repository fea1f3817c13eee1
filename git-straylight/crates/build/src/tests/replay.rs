//! A build whose results come from a record, as a verification does it.

use std::sync::Arc;

use super::{World, label};
use crate::build::{Builder, Options, Wanted};
use crate::claims::SameIsolation;
use crate::record::{BuildRecord, RecordedClaims};
use crate::{BuildError, Report};

const BUILD: &str = r#"in { a = rule (made "a" [ words (Piece.Source (Source.File "f")) ])
                          , b = rule (made "b" [ words (Piece.Source (Source.Output { target = ":a", output = "o" })) ]) }"#;

fn world() -> World {
    World::new(&[("p/BUILD.dhall", BUILD), ("p/f", "text")])
}

fn record(world: &World) -> BuildRecord {
    let report = world.build("//p:b");
    BuildRecord::of(&report.built[0]).unwrap()
}

/// Derives the actions from the sources of `world`; nothing runs.
fn replay(world: &World, record: &BuildRecord) -> Report {
    let mut services = world.services.clone();
    services.executor = None;
    services.claims = Arc::new(RecordedClaims::new(record, "recorded"));
    services.belief = Arc::new(SameIsolation("recorded".to_owned()));
    let library = Arc::new(straylight_dhall::EmbeddedLibrary);
    let builder = Builder::new(services, Options::native(), library).unwrap();
    builder.build(&[label("//p:b")], Wanted::Outputs, None)
}

#[test]
fn what_makes_arguments_is_part_of_the_record() {
    let build = r#"in { flags = rule (made "flags" [ say "generate" ])
      , b = rule (made "b" [ Argument.FromFile (Source.Output { target = ":flags", output = "o" }) ]) }"#;
    let world = World::new(&[("p/BUILD.dhall", build)]);
    let record = record(&world);
    assert_eq!(record.actions.len(), 2);
    let report = replay(&world, &record);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

#[test]
fn a_record_has_every_action_below_its_target() {
    let world = world();
    let record = record(&world);
    assert_eq!(record.label, "//p:b");
    let labels: Vec<&str> = record.actions.iter().map(|action| &*action.label).collect();
    assert_eq!(labels, ["//p:a", "//p:b"]);
    let bytes = record.encode();
    assert_eq!(BuildRecord::decode(&bytes), Some(record));
    assert_eq!(BuildRecord::decode(&bytes[..bytes.len() - 1]), None);
    assert_eq!(BuildRecord::decode(&[&bytes[..], &[0]].concat()), None);
}

#[test]
fn equal_sources_give_the_recorded_actions() {
    let world = world();
    let record = record(&world);
    let report = replay(&world, &record);
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let again = BuildRecord::of(&report.built[0]).unwrap();
    assert_eq!(again.action_table(), record.action_table());
    assert_eq!(again.spec(), record.spec());
}

#[test]
fn other_sources_or_rules_do_not() {
    for (path, text) in [
        ("p/f", "changed"),
        (
            "p/BUILD.dhall",
            &*BUILD.replace("made \"b\" [", "made \"b\" [ say \"-O3\","),
        ),
    ] {
        let world = world();
        let record = record(&world);
        world.write(path, text);
        let report = replay(&world, &record);
        let unknown = |error: &Arc<BuildError>| matches!(**error, BuildError::Unknown { .. });
        assert!(
            report.failures.iter().any(unknown),
            "{path}: {:?}",
            report.failures
        );
    }
}

#[test]
fn a_record_of_other_outputs_gives_other_actions_above_them() {
    let world = world();
    let mut forged = record(&world);
    forged.actions[0].outputs = forged.actions[1].outputs.clone();
    forged.actions[0].outputs[0].path = "out/p/a/o".to_owned();
    let report = replay(&world, &forged);
    assert!(report.built.is_empty(), "{:?}", report.built);
    assert_ne!(forged.action_table(), record(&world).action_table());
}
