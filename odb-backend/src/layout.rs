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
//! captures/{sha256}.json     where a toolchain's tree was captured, for people
//! git/{repository}/manifest  the one mutable object of a repository
//! git/{repository}/past/…    its earlier manifests, by their sha256
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

/// Returns the name of a blob's executable twin, which only a local store has.
#[must_use]
pub fn executable(sha256: Sha256) -> String {
    format!("executable/{sha256}")
}

/// Returns the name of the record of a work tree that builds with a local
/// store; `sha256` is taken over the path of its git folder.
#[must_use]
pub fn work_tree(sha256: Sha256) -> String {
    format!("worktrees/{sha256}")
}

/// Returns the name of the folder, only in a local store, with what is kept of
/// actions that failed for a work tree; `sha256` as for [`work_tree`].
#[must_use]
pub fn kept(sha256: Sha256) -> String {
    format!("kept/{sha256}")
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

/// Returns the key of what runs of a command read, as `signer` saw it; `sha256`
/// stands for the command and the names of its inputs.
#[must_use]
pub fn reads(signer: &str, sha256: Sha256) -> String {
    format!("reads/{signer}/{sha256}")
}

/// Returns the key of a DSSE envelope; `sha256` is taken over its exact bytes.
#[must_use]
pub fn attestation(sha256: Sha256) -> String {
    format!("attestations/{sha256}.json")
}

/// Returns the key of what is told of a captured tree; `sha256` is that of its
/// root directory node.
#[must_use]
pub fn capture(sha256: Sha256) -> String {
    format!("captures/{sha256}.json")
}

/// Returns the key of a repository's root object.
#[must_use]
pub fn manifest(repository: &str) -> String {
    format!("git/{repository}/manifest")
}

/// Returns the key of an earlier root object; `sha256` is taken over its bytes.
#[must_use]
pub fn past_manifest(repository: &str, sha256: Sha256) -> String {
    format!("git/{repository}/past/{sha256}")
}

/// Returns the key of a pack; `sha256` is taken over the pack file's bytes.
#[must_use]
pub fn pack(repository: &str, sha256: Sha256) -> String {
    format!("git/{repository}/pack/{sha256}.pack")
}

/// Returns the key of a pack's index; `sha256` is taken over the index file's bytes.
#[must_use]
pub fn pack_index(repository: &str, sha256: Sha256) -> String {
    format!("git/{repository}/pack/{sha256}.idx")
}

/// Returns whether `name` can name a repository in a bucket: components of
/// `A-Z a-z 0-9 . _ -` with `/` between them, none of which starts with a dot
/// or ends with `.git` or `.lock`, and none of which is a word of this layout.
#[must_use]
pub fn is_repository_name(name: &str) -> bool {
    let is_component = |component: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !component.is_empty()
            && component.bytes().all(plain)
            && !component.starts_with(['.', '-'])
            && !component.ends_with(".git")
            && !component.ends_with(".lock")
            && !matches!(component, "manifest" | "past" | "pack")
    };
    name.len() <= 200 && name.split('/').all(is_component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories_cannot_reach_other_keys() {
        for good in ["a", "lua", "team/tool-2", "v1.0_x"] {
            assert!(is_repository_name(good), "{good}");
        }
        let long = "x".repeat(201);
        for bad in [
            "", "/", "a/", "/a", "a//b", "..", "a/../b", ".hidden", "-x", "a.git", "a b", "a\nb",
            "a/pack", "manifest", "a/past/b", "é", "a%2fb", "a.lock", &long,
        ] {
            assert!(!is_repository_name(bad), "{bad}");
        }
    }
}
