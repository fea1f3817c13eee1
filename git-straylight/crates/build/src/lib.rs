//! Labels, packages, configurations, targets: from `BUILD.dhall` to outputs.
//!
//! A package is a folder with a `BUILD.dhall`, a record of rules. A rule is
//! applied to a configuration and gives a [`target::Target`], which is data.
//! Its steps become actions with a digest; a believed claim stands for a run,
//! and what is not known runs in the executor.
//!
//! This crate decides nothing about trust ([`claims::Belief`] does), prints
//! nothing ([`observer::Observer`] hears), and knows no language but Dhall.

mod action_graph;
mod analyse;
pub mod build;
pub mod cache;
pub mod claims;
pub mod configuration;
pub mod editor;
mod error;
mod files;
mod folder;
pub mod git_tree;
mod goal;
mod import;
mod inputs;
mod keys;
pub mod label;
mod lower;
pub mod materialize;
pub mod observer;
mod package;
mod path;
mod perform;
mod persist;
mod places;
pub mod query;
mod reads;
pub mod record;
mod report;
mod root;
mod run;
mod runs;
mod select;
mod session;
mod sets;
pub mod state;
pub mod target;
pub mod target_graph;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod why;
pub mod work_tree;

pub use action_graph::{ActionGraph, ActionNode};
pub use build::{Builder, GraphFile, Options, Wanted};
pub use configuration::{Configuration, Mode, Triple};
pub use error::{ActionFailure, BuildError, BuildResult, Place};
pub use label::{Label, PackagePath, Reference};
pub use perform::ActionResult;
pub use report::{Built, BuiltOutput, Report};
pub use session::Services;
pub use target_graph::{TargetGraph, TargetNode};
