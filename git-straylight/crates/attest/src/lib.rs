//! Signed statements about artifacts, kept in git.
//!
//! Plain subjects go in, envelopes come out: this crate never builds anything,
//! knows no Dhall value, reads no clock and no environment. What it cannot know
//! (the digest of a file on disk, whether a trace keeps to its spec) is handed
//! in as plain values.

pub mod allowed_signers;
pub mod dsse;
pub mod pattern;
pub mod ssh;
pub mod sshsig;
pub mod statement;
#[cfg(test)]
mod testing;

pub use allowed_signers::AllowedSigners;
pub use dsse::{Envelope, Signer};
pub use ssh::PublicKey;
pub use statement::Statement;
