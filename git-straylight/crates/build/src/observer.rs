//! What a build tells while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use straylight_exec::remote::Transfer;
use straylight_exec::{Status, Usage};
use straylight_odb::{Digest, Sha256};

use crate::error::Place;
use crate::label::{Label, PackagePath};

/// Something that happened. Events come from several threads.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The result of one more step is needed: it will be reused, or run.
    Wanted {
        /// The target.
        label: &'a Label,
    },
    /// A stretch of the builder's own work is over. It was done by the thread
    /// that tells it.
    Worked {
        /// What was done.
        work: Work<'a>,
        /// When it started.
        start: Instant,
        /// When it ended.
        end: Instant,
    },
    /// A command is run.
    Started {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
        /// The action's digest.
        action: &'a Digest,
    },
    /// A command has ended.
    Finished {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
        /// The action's digest.
        action: &'a Digest,
        /// Whether it did what was declared.
        succeeded: bool,
        /// How it ended; `None` if it could not be run.
        status: Option<Status>,
        /// What it cost; nothing if it could not be run.
        usage: &'a Usage,
        /// What it printed on standard error though it succeeded.
        stderr: &'a [u8],
    },
    /// A known result stands for a run.
    Reused {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
        /// The action's digest.
        action: &'a Digest,
    },
    /// What is pinned was not in the store, and came from a bucket.
    Fetched {
        /// The sha256 of the bytes, or of the root of a tree.
        sha256: Sha256,
        /// The URL of the bucket.
        from: &'a str,
        /// What came.
        transfer: Transfer,
    },
    /// Nothing is wrong yet. Told once for each place.
    Warning {
        /// Where the cause is written.
        place: &'a Place,
        /// What it is.
        message: &'a str,
    },
    /// Git stores a source otherwise than it lies in the work tree: a build of the
    /// commit reads other bytes. Told once for each place.
    Converted {
        /// Where the source is listed.
        place: &'a Place,
        /// Its path in the repository.
        path: &'a str,
    },
    /// Git does not know a source: no other clone has it. Told once for each place.
    Untracked {
        /// Where the source is listed.
        place: &'a Place,
        /// Its path in the repository.
        path: &'a str,
    },
}

/// What a builder does itself, beside running commands.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// The build file of a package is evaluated.
    Evaluate(&'a PackagePath),
    /// A rule is applied to a configuration, and what it says is checked.
    Analyse(&'a Label),
    /// A source is hashed, and put into the store.
    Source(&'a str),
    /// A command line and an input tree become an action.
    Prepare {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
    },
    /// A known result is looked for.
    LookUp {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
    },
}

/// Hears what happens.
pub trait Observer: Send + Sync + fmt::Debug {
    /// Called once for each event, on the thread where it happens.
    fn event(&self, event: Event<'_>);
}

/// Hears nothing.
#[derive(Debug)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: Event<'_>) {}
}

/// Tells two observers what happens.
#[derive(Debug)]
pub struct Both(pub Arc<dyn Observer>, pub Arc<dyn Observer>);

impl Observer for Both {
    fn event(&self, event: Event<'_>) {
        self.0.event(event);
        self.1.event(event);
    }
}
