//! The root of a repository in a bucket: its refs and its packs, moved by
//! compare-and-swap.
//!
//! `git/{repository}/manifest` is the one object of a repository that changes.
//! All refs and the list of packs are in it, so that they move together or not
//! at all, and one read is a consistent view. It is JSON:
//!
//! ```text
//! {
//!   "version": 1,
//!   "transaction": "<32 hex digits, new for every manifest>",
//!   "generation": <1, then one more each time>,
//!   "head": "refs/heads/main" or "<object id>",
//!   "refs": { "<full name>": "<object id>", … sorted by name },
//!   "packs": [ { "pack": "<sha256>/<size>", "idx": "<sha256>/<size>" }, … ],
//!   "previous": null or "<sha256 of the manifest before>"
//! }
//! ```
//!
//! Every object that is reachable from a ref is in one of the packs, and every
//! delta's base is in the delta's own pack. Before a manifest is replaced, its
//! bytes are kept under `git/{repository}/past/{sha256}`, so that the chain of
//! `previous` is a log of all refs that ever were.
//!
//! A reader refuses what it does not understand in full: unknown fields, a
//! newer version, refs that are unsorted, ill-named or in each other's way.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;

use data_encoding::HEXLOWER;
use gix::bstr::ByteSlice as _;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bucket::{Bucket, BucketError, Swap, Version};
use crate::digest::{Digest, Sha256};
use crate::layout;
use crate::repo::ObjectId;

/// The version of the format that this program reads and writes.
const VERSION: u64 = 1;

/// A repository's refs and packs at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u64,
    /// Names this manifest among all that were ever written.
    pub transaction: String,
    /// Counts the manifests of the repository from 1.
    pub generation: u64,
    /// Where `HEAD` points.
    pub head: HeadTarget,
    /// What the refs point to, by full name; tags are not peeled.
    #[serde(deserialize_with = "sorted_refs")]
    pub refs: BTreeMap<String, ObjectId>,
    /// The packs, oldest first.
    pub packs: Vec<PackEntry>,
    /// The sha256 of the manifest before this one.
    pub previous: Option<Sha256>,
}

/// Where `HEAD` points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadTarget {
    /// A branch, by its full name; it need not exist.
    Branch(String),
    /// A commit.
    Detached(ObjectId),
}

/// One pack and its index, by the digests of their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackEntry {
    /// The pack.
    pub pack: Digest,
    /// Its index, of version 2.
    pub idx: Digest,
}

/// What a new manifest says; the rest follows from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where `HEAD` points.
    pub head: HeadTarget,
    /// The refs by full name.
    pub refs: BTreeMap<String, ObjectId>,
    /// The packs, oldest first.
    pub packs: Vec<PackEntry>,
}

/// A manifest as it was read from a bucket.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What it says.
    pub manifest: Manifest,
    bytes: Vec<u8>,
    version: Version,
}

/// What can go wrong with a manifest. A repository that does not exist is
/// `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The name cannot be that of a repository.
    #[error("`{name}` cannot name a repository: use letters, digits, `.`, `_`, `-` and `/`")]
    Name {
        /// The name.
        name: String,
    },
    /// A newer program wrote the manifest.
    #[error(
        "the manifest of `{repository}` has version {version}, and this program reads {VERSION}: update it"
    )]
    Newer {
        /// The repository.
        repository: String,
        /// The version of its manifest.
        version: u64,
    },
    /// The manifest is damaged, or nobody's.
    #[error("the manifest of `{repository}` is damaged: {reason}")]
    Malformed {
        /// The repository.
        repository: String,
        /// What is wrong.
        reason: String,
    },
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// There is no randomness for a transaction's name.
    #[error("cannot read `/dev/urandom`: {0}")]
    Random(std::io::Error),
}

impl Manifest {
    /// Parses the manifest of `repository`.
    ///
    /// # Errors
    /// [`ManifestError::Newer`] or [`ManifestError::Malformed`].
    pub fn parse(repository: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let malformed = |reason: String| ManifestError::Malformed {
            repository: repository.to_owned(),
            reason,
        };
        let json = |error: serde_json::Error| malformed(error.to_string());
        let Versioned { version } = serde_json::from_slice(bytes).map_err(json)?;
        if version > VERSION {
            return Err(ManifestError::Newer {
                repository: repository.to_owned(),
                version,
            });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(json)?;
        manifest.check().map_err(malformed)?;
        Ok(manifest)
    }

    /// Returns the bytes of the manifest; equal manifests have equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        bytes.push(b'\n');
        bytes
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("version {} never was", self.version));
        }
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.transaction.len() != 32 || !self.transaction.bytes().all(hex) {
            return Err("its transaction is not 32 lower-case hex digits".to_owned());
        }
        if self.generation == 0 || (self.generation == 1) != self.previous.is_none() {
            return Err("its generation and its previous manifest do not agree".to_owned());
        }
        check_refs(&self.head, &self.refs)?;
        let mut packs: Vec<_> = self.packs.iter().map(|entry| entry.pack.sha256()).collect();
        packs.sort();
        packs.dedup();
        if packs.len() != self.packs.len() {
            return Err("it lists a pack twice".to_owned());
        }
        Ok(())
    }
}

/// Refuses refs that git could not have in one repository.
fn check_refs(head: &HeadTarget, refs: &BTreeMap<String, ObjectId>) -> Result<(), String> {
    let branch = match head {
        HeadTarget::Branch(name) => Some(name),
        HeadTarget::Detached(_) => None,
    };
    for name in refs.keys().chain(branch) {
        let valid = gix::validate::reference::name(name.as_bytes().as_bstr());
        if valid.is_err() || !name.starts_with("refs/") {
            return Err(format!("`{name}` cannot name a ref"));
        }
    }
    for name in refs.keys() {
        let mut parents = name.match_indices('/').map(|(end, _)| &name[..end]);
        if let Some(parent) = parents.find(|parent| refs.contains_key(*parent)) {
            return Err(format!(
                "the refs `{parent}` and `{name}` exclude each other"
            ));
        }
    }
    Ok(())
}

impl Stored {
    /// Returns the sha256 of the manifest's bytes.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.bytes)
    }
}

/// Reads the manifest of `repository`; `None` when the bucket has no such
/// repository.
///
/// # Errors
/// [`ManifestError`].
pub fn read(bucket: &Bucket, repository: &str) -> Result<Option<Stored>, ManifestError> {
    let key = key(repository)?;
    let Some((bytes, version)) = bucket.read_root(&key)? else {
        return Ok(None);
    };
    Ok(Some(Stored {
        manifest: Manifest::parse(repository, &bytes)?,
        bytes,
        version,
    }))
}

/// Replaces `current`, as it was read (`None`: creates the repository), by what
/// `draft` says.
///
/// Returns the new manifest; `None` when somebody else was faster: read again,
/// and decide again.
///
/// # Errors
/// [`ManifestError`]. After [`ManifestError::Bucket`] it is unknown whether the
/// manifest has moved.
pub fn publish(
    bucket: &Bucket,
    repository: &str,
    current: Option<&Stored>,
    draft: Draft,
) -> Result<Option<Manifest>, ManifestError> {
    let key = key(repository)?;
    let next = Manifest {
        version: VERSION,
        transaction: new_transaction()?,
        generation: current.map_or(0, |current| current.manifest.generation) + 1,
        head: draft.head,
        refs: draft.refs,
        packs: draft.packs,
        previous: current.map(Stored::sha256),
    };
    next.check().map_err(|reason| ManifestError::Malformed {
        repository: repository.to_owned(),
        reason,
    })?;
    let bytes = next.to_bytes();
    if let Some(current) = current {
        // Before the swap, so that no link of the chain is ever missing.
        let past = layout::past_manifest(repository, current.sha256());
        bucket.put_if_absent(&past, &current.bytes)?;
    }
    let expected = current.map(|current| &current.version);
    let outcome = bucket.compare_and_swap(&key, expected, &bytes);
    if matches!(outcome, Ok(Swap::Done)) || is_linked(bucket, repository, &bytes)? {
        return Ok(Some(next));
    }
    outcome?;
    Ok(None)
}

/// Returns whether a manifest of these bytes is, or was, the repository's root.
///
/// A lost answer looks like a lost race: a client may repeat a write that did
/// happen, and be told that the root has moved. Whoever replaced our root kept
/// it in the past first.
fn is_linked(bucket: &Bucket, repository: &str, bytes: &[u8]) -> Result<bool, ManifestError> {
    let root = bucket.get(&layout::manifest(repository))?;
    if root.is_some_and(|root| root == bytes) {
        return Ok(true);
    }
    let past = layout::past_manifest(repository, Sha256::of(bytes));
    Ok(bucket.size(&past)?.is_some())
}

/// Returns the names of the repositories in a bucket, sorted.
///
/// # Errors
/// [`BucketError`].
pub fn repositories(bucket: &Bucket) -> Result<Vec<String>, BucketError> {
    let keys = bucket.list("git")?;
    let names = keys.iter().filter_map(|key| {
        let name = key.strip_prefix("git/")?.strip_suffix("/manifest")?;
        layout::is_repository_name(name).then(|| name.to_owned())
    });
    Ok(names.collect())
}

fn key(repository: &str) -> Result<String, ManifestError> {
    if layout::is_repository_name(repository) {
        return Ok(layout::manifest(repository));
    }
    Err(ManifestError::Name {
        name: repository.to_owned(),
    })
}

fn new_transaction() -> Result<String, ManifestError> {
    let mut random = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(ManifestError::Random)?;
    Ok(HEXLOWER.encode(&random))
}

impl Serialize for HeadTarget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Branch(name) => serializer.serialize_str(name),
            Self::Detached(id) => id.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for HeadTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("refs/") {
            return Ok(Self::Branch(text));
        }
        text.parse().map(Self::Detached).map_err(D::Error::custom)
    }
}

/// Reads an object whose keys ascend, so that no name can be given twice.
fn sorted_refs<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, ObjectId>, D::Error> {
    struct Refs;
    impl<'de> Visitor<'de> for Refs {
        type Value = BTreeMap<String, ObjectId>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("refs, sorted by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut refs = BTreeMap::new();
            while let Some((name, id)) = map.next_entry::<String, ObjectId>()? {
                if refs.last_key_value().is_some_and(|(last, _)| *last >= name) {
                    return Err(A::Error::custom(format!(
                        "the ref `{name}` is out of order"
                    )));
                }
                refs.insert(name, id);
            }
            Ok(refs)
        }
    }
    deserializer.deserialize_map(Refs)
}

#[cfg(test)]
mod tests;
