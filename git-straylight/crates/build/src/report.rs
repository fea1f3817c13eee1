//! What a build did.

use std::collections::HashSet;
use std::sync::Arc;

use straylight_exec::trace::TraceContent;
use straylight_odb::Sha256;

use crate::configuration::Configuration;
use crate::error::BuildError;
use crate::label::Label;
use crate::perform::ActionResult;

/// What a build did.
#[derive(Debug, Default)]
pub struct Report {
    /// Targets that have what was wanted, in the order of their labels.
    pub built: Vec<Built>,
    /// Why others have not, each cause once.
    pub failures: Vec<Arc<BuildError>>,
    /// How many commands ran.
    pub executed: usize,
    /// How many known results stood for a run.
    pub reused: usize,
}

/// A target with all its outputs.
#[derive(Debug)]
pub struct Built {
    /// Its name.
    pub label: Label,
    /// What it was built for.
    pub configuration: Configuration,
    /// What it is, such as `c_library`.
    pub kind: String,
    /// The sha256 of its normalised declaration.
    pub spec: Sha256,
    /// What people ask for.
    pub outputs: Vec<BuiltOutput>,
    /// How to run it: the program and its arguments, with absolute paths. Only
    /// when programs were wanted.
    pub program: Option<Vec<String>>,
    /// Whether a step that it was built for ran in this build.
    pub executed: bool,
    /// The record of the run of its test; `None` if that was not wanted.
    pub test: Option<Sha256>,
    /// The steps that made the outputs; `None` if the builder keeps a graph,
    /// and looks only at what has changed.
    pub actions: Option<Vec<Arc<ActionResult>>>,
}

/// An output that people ask for.
#[derive(Debug, Clone)]
pub struct BuiltOutput {
    /// Its name.
    pub name: String,
    /// Its path below the folder of outputs: `<package>/<target>/…`.
    pub path: String,
    /// What it is.
    pub content: TraceContent,
    /// Where it lies, relative to the work tree, if it was put there.
    pub place: Option<String>,
}

impl Report {
    pub(crate) fn fail(&mut self, error: Arc<BuildError>) {
        self.failures.push(error);
    }

    /// A failure is told once, however many targets it stops; what was not
    /// started because of one is not told at all.
    pub(crate) fn forget_consequences(&mut self) {
        let mut seen = HashSet::new();
        self.failures.retain(|error| {
            seen.insert((error.to_string(), error.place().map(ToString::to_string)))
        });
        let cancelled = |error: &Arc<BuildError>| matches!(**error, BuildError::Cancelled);
        if !self.failures.iter().all(cancelled) {
            self.failures.retain(|error| !cancelled(error));
        }
    }
}
