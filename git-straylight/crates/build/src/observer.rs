//! What a build tells while it runs.

use std::fmt;
use std::time::Duration;

use crate::error::Place;
use crate::label::Label;

/// Something that happened. Events come from several threads.
#[derive(Debug)]
pub enum Event<'a> {
    /// A command is run.
    Started {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
    },
    /// A command has ended.
    Finished {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
        /// Whether it did what was declared.
        succeeded: bool,
        /// How long it ran.
        wall: Duration,
        /// What it printed on standard error though it succeeded.
        stderr: &'a [u8],
    },
    /// A known result stands for a run.
    Reused {
        /// The target.
        label: &'a Label,
        /// Which step.
        step: &'a str,
    },
    /// Nothing is wrong yet. Told once for each place.
    Warning {
        /// Where the cause is written.
        place: &'a Place,
        /// What it is.
        message: &'a str,
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
