//! Server-side verdicts on a push: reference updates and a policy in, accept or
//! refuse out.
//!
//! Git runs the `pre-receive` hook before it moves any ref, with the pushed
//! objects in quarantine. The hook file is a two-line shim ([`install()`]) onto
//! the command line, which hands git's lines ([`parse_updates`]), the
//! repository's configuration ([`GateConfig`]) and the time to
//! [`pre_receive`]. This crate prints nothing, reads no clock, and never builds.

mod config;
mod gate;
mod install;
#[cfg(test)]
mod tests;
mod update;

pub use config::{ConfigError, GateConfig};
pub use gate::{PushVerdict, Refusal, pre_receive};
pub use install::{InstallError, Installed, install};
pub use update::{ParseUpdateError, Update, parse_updates};
