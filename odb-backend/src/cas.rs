//! Bytes by digest, verified on every read.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::{Digest, Sha256};

/// A content-addressed store of blobs.
///
/// A blob that a store does not have is a cache miss (`Ok(None)`), and so is a
/// blob whose bytes are not what its digest says: a store drops such a blob and
/// reports it as absent, so that the caller makes it again. Blobs are
/// immutable; writing one twice is harmless. All methods may be called from
/// several threads and, for stores on disk, from several processes.
pub trait ContentStore: Send + Sync + fmt::Debug {
    /// Returns whether the store has a blob of this digest. Does not read it.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be asked.
    fn contains(&self, digest: &Digest) -> Result<bool, StoreError>;

    /// Returns the bytes of a blob; they have been checked against `digest`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn read(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// Stores `bytes` and returns their digest.
    ///
    /// Atomic: a reader sees the whole blob or none of it.
    ///
    /// # Errors
    /// [`StoreError`] when the blob cannot be written.
    fn write(&self, bytes: &[u8]) -> Result<Digest, StoreError>;
}

/// A store that could not be read or written. Absence is not an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An operation on a file failed.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A bucket could not be used.
    #[error("bucket: {0}")]
    Bucket(String),
}

impl StoreError {
    /// Returns a closure that wraps an I/O error with what was tried and where.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Returns what to do about the disk, if that is the cause.
    #[must_use]
    pub fn cure(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } => cure(source.kind()),
            _ => None,
        }
    }
}

/// Returns what to do about a disk that cannot be written.
#[must_use]
pub fn cure(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("the disk is full: nothing is lost; make room and run it again")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some(
            "it is mounted read-only: a build writes to the cache, to `straylight-out` and to \
             `.git/straylight`",
        ),
        _ => None,
    }
}

/// A store in memory, for tests and for `memory:` buckets.
#[derive(Debug, Default)]
pub struct MemoryContentStore {
    blobs: Mutex<HashMap<Sha256, Arc<[u8]>>>,
}

impl MemoryContentStore {
    fn blobs(&self) -> std::sync::MutexGuard<'_, HashMap<Sha256, Arc<[u8]>>> {
        // A panic elsewhere cannot leave a map of immutable values half written.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the stored bytes of `digest`, as a failing disk would.
    pub fn corrupt(&self, digest: &Digest, bytes: &[u8]) {
        self.blobs().insert(digest.sha256(), bytes.into());
    }
}

impl ContentStore for MemoryContentStore {
    fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.blobs().contains_key(&digest.sha256()))
    }

    fn read(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        let mut blobs = self.blobs();
        let Some(bytes) = blobs.get(&digest.sha256()).cloned() else {
            return Ok(None);
        };
        if Digest::of(&bytes) != *digest {
            blobs.remove(&digest.sha256());
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    fn write(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.blobs().insert(digest.sha256(), bytes.into());
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[test]
    fn memory_store_keeps_the_contract() {
        let store = MemoryContentStore::default();
        contract::content_store(&store, &|digest, bytes| store.corrupt(digest, bytes));
    }
}
