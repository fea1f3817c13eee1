//! Runs an action in an isolated sandbox, and stores what it made.
//!
//! An action is a REAPI message ([`reapi`]) over trees of files ([`merkle`]);
//! an [`Executor`] turns a [`Request`] into an [`Outcome`]; a [`trace::Trace`]
//! records it. This crate knows no targets, no languages and no trust. It is
//! the only one that is specific to Linux.

pub mod action;
mod cancellation;
mod capped;
pub mod capture;
pub mod coeffects;
mod collect;
mod early;
mod error;
mod inputs;
pub mod kept;
mod lazy;
pub mod merkle;
pub mod namespace;
pub mod none;
pub mod reapi;
pub mod remote;
mod session;
mod staging;
#[cfg(feature = "testing")]
pub mod testing;
mod toolchains;
pub mod trace;

pub use action::{
    BuiltAction, Description, Executor, Isolation, Outcome, Output, OutputContent, Published,
    Rejected, Request, Status, Usage, build_action, command,
};
pub use cancellation::Cancellation;
pub use capture::{CaptureError, CapturedC, CapturedUserland, capture_gcc, capture_posix};
pub use error::ExecError;
pub use kept::Kept;
pub use lazy::LazyExecutor;
pub use merkle::{InputTree, Node, TreeError};
pub use namespace::{NamespaceExecutor, helper_main_if_requested};
pub use none::PlainExecutor;
pub use remote::Remote;
pub use toolchains::{lay_out_toolchain, remove_toolchain};
pub use trace::Trace;
