//! Signed statements about artifacts, kept in git.
//!
//! Plain subjects go in, envelopes come out: this crate never builds anything,
//! knows no Dhall value, reads no clock and no environment. What it cannot know
//! (the digest of a file on disk, whether a trace keeps to its spec) is handed
//! in as plain values.

pub mod allowed_signers;
pub mod dsse;
pub mod log;
pub mod notes;
pub mod pattern;
pub mod policy;
pub mod record;
pub mod signed_commit;
pub mod ssh;
pub mod sshsig;
pub mod statement;
#[cfg(test)]
mod testing;
pub mod verify;

pub use allowed_signers::AllowedSigners;
pub use dsse::{Envelope, Signer};
pub use policy::{Assurance, Check, Outcome, Policy, Status, Verdict};
pub use ssh::PublicKey;
pub use statement::Statement;
pub use verify::{Question, verify};
