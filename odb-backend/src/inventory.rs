//! What lies in the local store: for those who look after it.
//!
//! An entry is a file named by a sha256. Entries come and go while they are
//! listed; who removes one says which file was meant, so that one that took
//! its place meanwhile stays.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::cas::StoreError;
use crate::digest::Sha256;
use crate::layout;
use crate::local::LocalStore;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bytes.
    Blob,
    /// The same bytes with the executable bit.
    Executable,
    /// A normalised target.
    Spec,
    /// What ran.
    Trace,
    /// Which outputs an action had, as this machine says.
    Claim,
    /// What runs of a command read, as this machine says.
    Reads,
    /// A DSSE envelope.
    Attestation,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Blob,
        Self::Executable,
        Self::Spec,
        Self::Trace,
        Self::Claim,
        Self::Reads,
        Self::Attestation,
    ];

    /// Returns the key of an entry.
    #[must_use]
    pub fn key(self, sha256: Sha256) -> String {
        match self {
            Self::Blob => layout::blob(sha256),
            Self::Executable => layout::executable(sha256),
            Self::Spec => layout::spec(sha256),
            Self::Trace => layout::trace(sha256),
            Self::Claim => layout::claim(layout::LOCAL_SIGNER, sha256),
            Self::Reads => layout::reads(layout::LOCAL_SIGNER, sha256),
            Self::Attestation => layout::attestation(sha256),
        }
    }

    /// Returns the folder of all entries, and how their names end.
    fn place(self) -> (String, String) {
        let some = Sha256::from_raw([0; 32]);
        let key = self.key(some);
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", &key));
        let end = name.strip_prefix(&some.to_string()).unwrap_or_default();
        (folder.to_owned(), end.to_owned())
    }
}

/// A file of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub sha256: Sha256,
    /// In bytes.
    pub size: u64,
    /// When it was put there, or last linked into a sandbox.
    pub changed: SystemTime,
    inode: u64,
}

impl LocalStore {
    /// Returns all entries of a kind, sorted by name. Other files are left out.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the folder cannot be read.
    pub fn entries(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let (folder, end) = kind.place();
        let folder = self.root().join(folder);
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("read", folder)(error)),
        };
        let mut entries = Vec::new();
        for file in listing {
            let file = file.map_err(StoreError::io("read", &folder))?;
            let name = file.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(&end));
            let Some(sha256) = name.and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Gone since it was listed: nothing to tell.
            if let Some(entry) = self.entry(kind, sha256)? {
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| entry.sha256);
        Ok(entries)
    }

    /// Returns an entry; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the store cannot be read.
    pub fn entry(&self, kind: Kind, sha256: Sha256) -> Result<Option<Entry>, StoreError> {
        let path = self.entry_path(kind, sha256);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        let since = Duration::new(
            u64::try_from(metadata.ctime()).unwrap_or(0),
            u32::try_from(metadata.ctime_nsec()).unwrap_or(0),
        );
        Ok(metadata.is_file().then(|| Entry {
            kind,
            sha256,
            size: metadata.len(),
            changed: SystemTime::UNIX_EPOCH + since,
            inode: metadata.ino(),
        }))
    }

    /// Returns the file of an entry.
    #[must_use]
    pub fn entry_path(&self, kind: Kind, sha256: Sha256) -> PathBuf {
        self.root().join(kind.key(sha256))
    }

    /// Removes an entry, unless it was written or linked since it was looked
    /// at. Returns whether it was removed.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be removed.
    pub fn remove_entry(&self, entry: &Entry) -> Result<bool, StoreError> {
        let now = self.entry(entry.kind, entry.sha256)?;
        if now.as_ref() != Some(entry) {
            return Ok(false);
        }
        let path = self.entry_path(entry.kind, entry.sha256);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("remove", path)(error)),
        }
    }

    /// Takes the lock of those who remove what is not needed; `None` if
    /// another process holds it. It is free when the file is closed.
    ///
    /// # Errors
    /// [`StoreError::Io`] when there can be no lock.
    pub fn lock_collection(&self) -> Result<Option<File>, StoreError> {
        let path = self.root().join("collect.lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cas::ContentStore as _;

    #[test]
    fn lists_what_is_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path()).unwrap();
        let digest = store.write(b"bytes").unwrap();
        let trace = Sha256::of(b"trace");
        store.write_record(&layout::trace(trace), b"trace").unwrap();
        fs::write(folder.path().join("cas/notes.txt"), b"").unwrap();
        fs::write(folder.path().join("traces/README"), b"").unwrap();
        let names = |kind| {
            let entries = store.entries(kind).unwrap().into_iter();
            entries
                .map(|entry| (entry.sha256, entry.size))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Kind::Blob), [(digest.sha256(), 5)]);
        assert_eq!(names(Kind::Trace), [(trace, 5)]);
        for kind in [Kind::Executable, Kind::Spec, Kind::Claim, Kind::Attestation] {
            assert_eq!(names(kind), [], "{kind:?}");
        }
    }

    #[test]
    fn what_took_the_place_of_an_entry_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path()).unwrap();
        let digest = store.write(b"bytes").unwrap();
        let entry = store.entry(Kind::Blob, digest.sha256()).unwrap().unwrap();
        let linked = folder.path().join("linked");
        assert!(store.link(&digest, false, &linked).unwrap());
        fs::remove_file(store.entry_path(Kind::Blob, digest.sha256())).unwrap();
        store.write(b"bytes").unwrap();
        assert!(!store.remove_entry(&entry).unwrap());
        let entry = store.entry(Kind::Blob, digest.sha256()).unwrap().unwrap();
        assert!(store.remove_entry(&entry).unwrap());
        assert!(!store.remove_entry(&entry).unwrap());
        assert_eq!(store.entry(Kind::Blob, digest.sha256()).unwrap(), None);
    }

    #[test]
    fn one_collection_excludes_another() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path()).unwrap();
        let held = store.lock_collection().unwrap();
        assert!(held.is_some());
        assert!(store.lock_collection().unwrap().is_none());
        drop(held);
        assert!(store.lock_collection().unwrap().is_some());
    }
}
