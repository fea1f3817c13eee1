//! A generic incremental computation engine.
//!
//! A computation is a [`Key`]: a value that names it and a function that makes
//! its result, asking for other keys on the way. The engine computes what is
//! asked for and nothing else, in parallel, each key at most once for each
//! revision however many ask for it, and remembers which keys each result was
//! made from.
//!
//! A [`Transaction`] sets leaves and declares keys out of date, and starts a
//! new revision. What may be affected is then checked when it is asked for:
//! the recorded dependencies of a key are brought up to date first, in the
//! order in which they were asked for, and the key is computed again only if
//! one of them has changed. A dependency that is computed again to a value
//! that [`Key::unchanged`] accepts has not changed: nothing above it runs.
//!
//! Keys must be deterministic: what a computation asks for and returns depends
//! only on what it was given. The engine relies on it when it checks recorded
//! dependencies, and when it says that a cycle is one.
//!
//! Results of [`Persistent`] keys outlive the process: [`Engine::save`] writes an
//! image of the graph, [`Engine::resume`] goes on from it. What was right then is
//! right still if the leaves below it find the world as it was, and that is all
//! that is looked at: a graph in which nothing has changed costs one read, and
//! one question to each leaf.
//!
//! The engine knows no git, no files and no actions, and never will.
//!
//! # Limits
//! All results stay in memory; none is dropped while the engine lives. Images are
//! written as a whole: a change of one key rewrites what is known of all. One
//! lock guards the graph; it is never held while a key computes.

mod context;
mod data;
mod engine;
mod erased;
mod error;
mod graph;
mod image;
mod persist;
mod requests;
mod restored;
mod save;
mod task;
mod waits;

pub use context::Context;
pub use data::Data;
pub use engine::{Counters, Current, Engine, Transaction};
pub use error::EngineError;
pub use persist::{Codecs, Fingerprint, Persistent, stored};

use std::fmt::{Debug, Display};
use std::hash::Hash;

/// The name of a computation, and the computation.
///
/// `Display` is what people read when keys form a cycle.
pub trait Key: Clone + Eq + Hash + Debug + Display + Send + Sync + 'static {
    /// The result. Cloned for each who asks: make it cheap, as an `Arc` is.
    type Value: Clone + Send + Sync + 'static;

    /// Computes the value; asks `ctx` for other keys.
    ///
    /// Runs as a task of its own. When a request to `ctx` fails, the failure
    /// is this key's outcome, whatever is returned then: a result that is made
    /// from a failure is never kept.
    fn compute(&self, ctx: &Context) -> impl Future<Output = Self::Value> + Send;

    /// Returns whether dependents of `old` may keep their results.
    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool;
}
