//! What became of each test, for machines.

use std::time::Duration;

use straylight_build::{ActionFailure, BuildError, Configuration, Label, Report};
use straylight_odb::Sha256;

use crate::progress::Progress;

/// What became of a test.
pub(super) enum Ending<'a> {
    /// It passed, now or before.
    Passed {
        cached: bool,
        /// The record of the run.
        trace: Option<Sha256>,
    },
    /// It did not.
    Failed(&'a ActionFailure),
    /// There is no result: it could not be built, or was stopped.
    Error(&'a BuildError),
}

/// One test.
pub(super) struct Case<'a> {
    pub(super) label: &'a Label,
    pub(super) configuration: &'a Configuration,
    /// How long it ran; a known result took no time.
    pub(super) wall: Option<Duration>,
    pub(super) ending: Ending<'a>,
}

/// Returns the tests that passed, and those that failed or whose own commands
/// did, in the order of their labels. What else went wrong is no test's.
pub(super) fn cases<'a>(report: &'a Report, progress: &Progress) -> Vec<Case<'a>> {
    let wall = |label| progress.wall(label, "test");
    let passed = report.built.iter().map(|built| Case {
        label: &built.label,
        configuration: &built.configuration,
        wall: wall(&built.label),
        ending: Ending::Passed {
            cached: !built.executed,
            trace: built.test,
        },
    });
    let failed = report.failures.iter().filter_map(|error| match &**error {
        BuildError::Action(failure) => Some(Case {
            label: &failure.label,
            configuration: &failure.configuration,
            wall: wall(&failure.label),
            ending: if failure.step == "test" {
                Ending::Failed(failure)
            } else {
                Ending::Error(error)
            },
        }),
        _ => None,
    });
    let mut cases: Vec<_> = passed.chain(failed).collect();
    cases.sort_by_key(|case| case.label);
    cases
}
