//! The only place that knows the keys of a bucket.
//!
//! The local store under the user's cache folder has the same layout, so that
//! a folder bucket and a cache are one thing:
//!
//! ```text
//! cas/{sha256}               bytes: artifacts, fetched files, directory nodes (disposable)
//! specs/{sha256}.dhallb      normalised targets
//! traces/{sha256}.cbor       what ran
//! claims/{signer}/{sha256}   action -> (outputs, trace)
//! attestations/{sha256}.json DSSE envelopes
//! git/{repository}/manifest  the one mutable object of a repository
//! git/{repository}/pack/…    its packs and their indexes
//! ```
//!
//! Keys are relative, use `/`, and never start or end with one.

use crate::digest::Sha256;

/// The signer under whose name a machine keeps its own claims.
pub const LOCAL_SIGNER: &str = "local";

/// Returns the key of a blob.
#[must_use]
pub fn blob(sha256: Sha256) -> String {
    format!("cas/{sha256}")
}

/// Returns the key of a normalised target.
#[must_use]
pub fn spec(sha256: Sha256) -> String {
    format!("specs/{sha256}.dhallb")
}

/// Returns the key of a trace.
#[must_use]
pub fn trace(sha256: Sha256) -> String {
    format!("traces/{sha256}.cbor")
}

/// Returns the key of one claim of `signer` about the action `sha256`.
#[must_use]
pub fn claim(signer: &str, sha256: Sha256) -> String {
    format!("claims/{signer}/{sha256}")
}

/// Returns the key of a DSSE envelope; `sha256` is taken over its exact bytes.
#[must_use]
pub fn attestation(sha256: Sha256) -> String {
    format!("attestations/{sha256}.json")
}

/// Returns the key of a repository's root object.
#[must_use]
pub fn manifest(repository: &str) -> String {
    format!("git/{repository}/manifest")
}

/// Returns the key of a pack; `sha256` is taken over the pack file's bytes.
#[must_use]
pub fn pack(repository: &str, sha256: Sha256) -> String {
    format!("git/{repository}/pack/{sha256}.pack")
}

/// Returns the key of a pack's index, which lies beside it.
#[must_use]
pub fn pack_index(repository: &str, sha256: Sha256) -> String {
    format!("git/{repository}/pack/{sha256}.idx")
}
