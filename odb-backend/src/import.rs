//! A repository on disk becomes a repository in a bucket.
//!
//! Stock `git pack-objects` packs what the bucket does not have yet; pack and
//! index are uploaded under their digests, and one manifest makes them and all
//! refs visible together. A crash before that leaves files that nothing names.
//!
//! The bucket's refs become exactly the repository's own: what is no ref there
//! is none here. The manifest before is kept in the past.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::bucket::{Bucket, BucketError};
use crate::cas::StoreError;
use crate::digest::Digest;
use crate::layout;
use crate::local::hash_file;
use crate::manifest::{self, Draft, HeadTarget, Manifest, ManifestError, PackEntry};
use crate::repo::{ObjectId, RepoError, Repository};

/// How often an import begins again because somebody else was faster.
const ATTEMPTS: u32 = 64;

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportReport {
    /// Whether the manifest moved; otherwise the bucket had everything.
    pub moved: bool,
    /// The generation of the manifest that now holds.
    pub generation: u64,
    /// How many refs it has.
    pub refs: usize,
    /// How many refs were new, moved or went away.
    pub changed_refs: usize,
    /// The packs that were new.
    pub packs: Vec<Digest>,
    /// How many times the import began again because somebody else was faster.
    pub retries: u32,
}

/// What can go wrong with an import. Nothing has moved after an error, but for
/// a [`BucketError`] at the last step.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The repository cannot be read, or lacks history.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// The manifest cannot be read or moved.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The bucket cannot be written.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A temporary file cannot be used.
    #[error(transparent)]
    File(#[from] StoreError),
    /// Others kept moving the manifest.
    #[error("`{name}` is being moved by others: tried {ATTEMPTS} times; try again")]
    Contended {
        /// The repository's name.
        name: String,
    },
}

/// Puts `repository` into `bucket` as `name`.
///
/// Importing what the bucket has already changes nothing. Of several imports at
/// once each takes effect as a whole; the last one's refs hold.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    repository: &Repository,
    bucket: &Bucket,
    name: &str,
) -> Result<ImportReport, ImportError> {
    refuse_shallow(repository)?;
    for retries in 0..ATTEMPTS {
        if let Some(report) = attempt(repository, bucket, name)? {
            return Ok(ImportReport { retries, ..report });
        }
    }
    Err(ImportError::Contended {
        name: name.to_owned(),
    })
}

/// Returns `None` when somebody else moved the manifest meanwhile.
fn attempt(
    repository: &Repository,
    bucket: &Bucket,
    name: &str,
) -> Result<Option<ImportReport>, ImportError> {
    let current = manifest::read(bucket, name)?;
    let refs: BTreeMap<_, _> = repository.refs("refs/")?.into_iter().collect();
    let head = head_target(repository)?;
    let old = current.as_ref().map(|current| &current.manifest);
    let report = |manifest: &Manifest, moved, packs| ImportReport {
        moved,
        generation: manifest.generation,
        refs: manifest.refs.len(),
        changed_refs: changed(old, &manifest.refs),
        packs,
        retries: 0,
    };
    if let Some(old) = old.filter(|old| old.refs == refs && old.head == head) {
        return Ok(Some(report(old, false, Vec::new())));
    }
    let mut packs = old.map_or_else(Vec::new, |old| old.packs.clone());
    let mut new = Vec::new();
    for entry in pack(repository, bucket, name, old, &head, &refs)? {
        if !packs.contains(&entry) {
            new.push(entry.pack);
            packs.push(entry);
        }
    }
    let draft = Draft { head, refs, packs };
    let published = manifest::publish(bucket, name, current.as_ref(), draft)?;
    Ok(published.map(|manifest| report(&manifest, true, new)))
}

fn head_target(repository: &Repository) -> Result<HeadTarget, RepoError> {
    let head = repository.head()?;
    Ok(match (head.name, head.id) {
        (Some(name), _) => HeadTarget::Branch(name),
        (None, Some(id)) => HeadTarget::Detached(id),
        (None, None) => HeadTarget::Branch("refs/heads/main".to_owned()),
    })
}

fn changed(old: Option<&Manifest>, new: &BTreeMap<String, ObjectId>) -> usize {
    let none = BTreeMap::new();
    let old = old.map_or(&none, |old| &old.refs);
    let moved = new.iter().filter(|(name, id)| old.get(*name) != Some(id));
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    moved.count() + gone.count()
}

/// Packs and uploads what is reachable from these refs and not from `old`.
fn pack(
    repository: &Repository,
    bucket: &Bucket,
    name: &str,
    old: Option<&Manifest>,
    head: &HeadTarget,
    refs: &BTreeMap<String, ObjectId>,
) -> Result<Vec<PackEntry>, ImportError> {
    let tips = |head: &HeadTarget, refs: &BTreeMap<String, ObjectId>| {
        let mut ids: Vec<_> = refs.values().copied().collect();
        if let HeadTarget::Detached(id) = head {
            ids.push(*id);
        }
        ids
    };
    let wanted = tips(head, refs);
    let mut known = old.map_or_else(Vec::new, |old| tips(&old.head, &old.refs));
    // What this repository does not have, it cannot exclude.
    known.retain(|id| repository.has_object(*id));
    let folder = tempfile::tempdir().map_err(StoreError::io("create", std::env::temp_dir()))?;
    let files = repository.pack_objects(&wanted, &known, folder.path())?;
    let mut entries = Vec::new();
    for file in files {
        let (pack, idx) = (file.with_extension("pack"), file.with_extension("idx"));
        let entry = PackEntry {
            pack: hash_file(&pack)?,
            idx: hash_file(&idx)?,
        };
        bucket.put_file(&layout::pack_index(name, entry.idx.sha256()), &idx)?;
        bucket.put_file(&layout::pack(name, entry.pack.sha256()), &pack)?;
        entries.push(entry);
    }
    Ok(entries)
}

/// A shallow repository lacks what its refs promise.
fn refuse_shallow(repository: &Repository) -> Result<(), RepoError> {
    let path: &Path = &repository.common_dir().join("shallow");
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
        return Err(RepoError::Unsupported {
            what: "importing a shallow clone".to_owned(),
            cure: "run `git fetch --unshallow` first",
        });
    }
    Ok(())
}
