//! The embedded default store: a folder in the user's cache, with the layout
//! of a bucket.
//!
//! It is shared by all of a user's clones and by concurrent processes. Every
//! write goes to a file of its own under `tmp/` and is renamed into place, so
//! a crash leaves at most unused temporary files, which the next process that
//! writes removes. Nothing is synced to disk:
//! after a power failure a blob may be short or empty, which a read finds.
//!
//! Blobs are read-only files whose modification time is [`BLOB_MTIME`]. Who
//! changes one by accident changes that time, so [`LocalStore::link`] can tell
//! a damaged blob from a good one without reading it.
//!
//! One digest can be wanted with and without the executable bit, which a hard
//! link cannot carry; executables are linked from a second file under
//! `executable/`, a local detail that no bucket has.

use std::fs::{self, File, FileTimes};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::cas::{ContentStore, StoreError};
use crate::digest::{Digest, DigestWriter, Sha256};
use crate::layout;
use crate::scratch::Scratch;

/// The modification time of every stored file, in seconds since 1970: the
/// first of January 1980, the earliest time that zip archives can hold.
pub const BLOB_MTIME: u64 = 315_532_800;

/// A content store, and small keyed records, in one folder.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    /// Made by the first write.
    scratch: Mutex<Option<Scratch>>,
}

impl LocalStore {
    /// Opens the store in `root`, and makes its folders if they are missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a folder cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        for folder in ["cas", "executable", "tmp"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(StoreError::io("create", path))?;
        }
        Ok(Self {
            root,
            scratch: Mutex::default(),
        })
    }

    /// Returns the folder of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Stores the bytes of the file `path`, and returns their digest.
    ///
    /// The file is read once; it may be changed or removed afterwards.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the file cannot be read or the blob written.
    pub fn write_file(&self, path: &Path) -> Result<Digest, StoreError> {
        let mut file = File::open(path).map_err(StoreError::io("read", path))?;
        let temporary = self.temporary()?;
        let mut writer = DigestWriter::new(temporary.as_file());
        io::copy(&mut file, &mut writer).map_err(StoreError::io("read", path))?;
        let (_, digest) = writer.finish();
        let destination = self.path(&layout::blob(digest.sha256()));
        if !self.is_intact(&destination, digest.size(), 0o444) {
            self.publish(temporary, &destination, 0o444)?;
        }
        Ok(digest)
    }

    /// Stores the bytes of the file `path`, and returns their digest; moves the file if
    /// that is all there is to it.
    ///
    /// Nobody else may have the file open. Afterwards it may be gone, or as it was.
    ///
    /// # Errors
    /// As [`LocalStore::write_file`].
    pub fn take_file(&self, path: &Path) -> Result<Digest, StoreError> {
        let file = File::open(path).map_err(StoreError::io("read", path))?;
        let metadata = file.metadata().map_err(StoreError::io("read", path))?;
        // A blob must be nobody else's file, and say nothing but its bytes.
        let attributes = rustix::fs::flistxattr(&file, &mut [0_u8; 1]);
        let is_plain = metadata.nlink() == 1 && matches!(attributes, Ok(0) | Err(Errno::NOTSUP));
        if !is_plain {
            return self.write_file(path);
        }
        let digest = hash(&file, path)?;
        let destination = self.path(&layout::blob(digest.sha256()));
        if self.is_intact(&destination, digest.size(), 0o444) {
            return Ok(digest);
        }
        seal(&file, 0o444).map_err(StoreError::io("write", path))?;
        match fs::rename(path, &destination) {
            Ok(()) => Ok(digest),
            // On another file system, say.
            Err(_) => self.write_file(path),
        }
    }

    /// Stores what `fill` writes, synced to disk, if it is what `digest` says,
    /// and returns the digest of what was written; nothing is stored when that
    /// is another one.
    ///
    /// # Errors
    /// What `fill` returns, or [`StoreError::Io`].
    pub fn write_verified<E: From<StoreError>>(
        &self,
        digest: &Digest,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Digest, E> {
        let temporary = self.temporary()?;
        let mut writer = DigestWriter::new(temporary.as_file());
        fill(&mut writer)?;
        let (file, found) = writer.finish();
        if found == *digest {
            file.sync_data()
                .map_err(StoreError::io("write", temporary.path()))?;
            self.publish(temporary, &self.path(&layout::blob(digest.sha256())), 0o444)?;
        }
        Ok(found)
    }

    /// Stores what `fill` writes, synced to disk, if `accept` takes its digest;
    /// else nothing is stored.
    ///
    /// # Errors
    /// What `fill` and `accept` return, or [`StoreError::Io`].
    pub fn write_accepted<E: From<StoreError>>(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
        accept: impl FnOnce(&Digest) -> Result<(), E>,
    ) -> Result<Digest, E> {
        let temporary = self.temporary()?;
        let mut writer = DigestWriter::new(temporary.as_file());
        fill(&mut writer)?;
        let (file, digest) = writer.finish();
        accept(&digest)?;
        file.sync_data()
            .map_err(StoreError::io("write", temporary.path()))?;
        self.publish(temporary, &self.path(&layout::blob(digest.sha256())), 0o444)?;
        Ok(digest)
    }

    /// Returns the file that holds a blob, for reading in place; `None` when the
    /// blob is absent or was changed since it was stored.
    ///
    /// Never write to it. It may be collected at any time: who has it open keeps
    /// its bytes.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the store cannot be read.
    pub fn intact_path(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        self.linkable(digest, false)
    }

    /// Makes `destination` a hard link to the blob: for read-only staging, on
    /// the store's own file system.
    ///
    /// Returns `false`, and leaves nothing behind, when the blob is absent or
    /// was changed since it was stored.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the link cannot be made.
    pub fn link(
        &self,
        digest: &Digest,
        executable: bool,
        destination: &Path,
    ) -> Result<bool, StoreError> {
        // A blob may be collected, or replaced by an equal one, between the
        // check and the link; then it is looked for again.
        const TRIES: usize = 100;
        let mut failed = None;
        for _ in 0..TRIES {
            let Some(source) = self.linkable(digest, executable)? else {
                return Ok(false);
            };
            match fs::hard_link(&source, destination) {
                Ok(()) => return Ok(true),
                // As many links as the file system can count.
                Err(error) if error.kind() == io::ErrorKind::TooManyLinks => {
                    return self.copy(digest, executable, destination);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => failed = Some(error),
                Err(error) => return Err(StoreError::io("link", destination)(error)),
            }
        }
        let error = failed.unwrap_or_else(|| io::ErrorKind::NotFound.into());
        Err(StoreError::io("link", destination)(error))
    }

    /// Returns whether `path`, which was made with [`LocalStore::link`], is still as it
    /// was: nobody wrote to the blob since.
    #[must_use]
    pub fn is_unchanged(&self, path: &Path, digest: &Digest, executable: bool) -> bool {
        self.is_intact(path, digest.size(), mode(executable))
    }

    /// Makes `destination` a private, verified copy of the blob (a reflink
    /// where the file system can), writable by its owner.
    ///
    /// Returns `false`, and leaves nothing behind, when the blob is absent or
    /// damaged. An existing `destination` is replaced atomically.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the copy cannot be made.
    pub fn copy(
        &self,
        digest: &Digest,
        executable: bool,
        destination: &Path,
    ) -> Result<bool, StoreError> {
        let source = self.path(&layout::blob(digest.sha256()));
        let mut file = match File::open(&source) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::io("read", source)(error)),
        };
        let parent = destination.parent().unwrap_or(Path::new("."));
        let copy = tempfile::Builder::new()
            .prefix(".straylight-")
            .permissions(fs::Permissions::from_mode(mode(executable) | 0o200))
            .tempfile_in(parent)
            .map_err(StoreError::io("create a file in", parent))?;
        // `io::copy` between files is `copy_file_range`: a reflink where possible.
        let length = io::copy(&mut file, &mut copy.as_file())
            .map_err(StoreError::io("write", destination))?;
        if length != digest.size() || hash_file(copy.path())? != *digest {
            self.discard(digest.sha256());
            return Ok(false);
        }
        copy.persist(destination)
            .map_err(|error| StoreError::io("write", destination)(error.error))?;
        Ok(true)
    }

    /// Reads a record by its key (see [`layout`]); `None` if there is none.
    ///
    /// Records are not verified here: who reads one checks its content.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the record cannot be read.
    pub fn read_record(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(key);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", path)(error)),
        }
    }

    /// Writes a record under its key, atomically; the last writer wins.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the record cannot be written.
    pub fn write_record(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.temporary()?;
        temporary
            .as_file()
            .write_all(bytes)
            .map_err(StoreError::io("write", temporary.path()))?;
        self.publish(temporary, &self.path(key), 0o644)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Returns a file that has the blob's bytes and the wanted mode.
    fn linkable(&self, digest: &Digest, executable: bool) -> Result<Option<PathBuf>, StoreError> {
        let blob = self.path(&layout::blob(digest.sha256()));
        if !executable {
            if self.is_intact(&blob, digest.size(), mode(false)) {
                return Ok(Some(blob));
            }
            // Missing, or touched: reading settles which, and drops a bad one.
            let Some(bytes) = self.read(digest)? else {
                return Ok(None);
            };
            self.replace(&bytes, &blob, mode(false))?;
            return Ok(Some(blob));
        }
        let twin = self
            .root
            .join("executable")
            .join(digest.sha256().to_string());
        if !self.is_intact(&twin, digest.size(), mode(true)) {
            let Some(bytes) = self.read(digest)? else {
                return Ok(None);
            };
            self.replace(&bytes, &twin, mode(true))?;
        }
        Ok(Some(twin))
    }

    fn replace(&self, bytes: &[u8], destination: &Path, mode: u32) -> Result<(), StoreError> {
        let temporary = self.temporary()?;
        temporary
            .as_file()
            .write_all(bytes)
            .map_err(StoreError::io("write", temporary.path()))?;
        self.publish(temporary, destination, mode)
    }

    /// Returns whether `path` is a stored file that nobody wrote to since.
    fn is_intact(&self, path: &Path, size: u64, mode: u32) -> bool {
        fs::symlink_metadata(path).is_ok_and(|metadata| {
            metadata.is_file()
                && metadata.len() == size
                && metadata.mode() & 0o777 == mode
                && metadata.mtime() == BLOB_MTIME as i64
                && metadata.mtime_nsec() == 0
        })
    }

    fn discard(&self, sha256: Sha256) {
        // Another process may have healed or removed it already; either is fine.
        let _ = fs::remove_file(self.path(&layout::blob(sha256)));
        let _ = fs::remove_file(self.root.join("executable").join(sha256.to_string()));
    }

    fn temporary(&self) -> Result<NamedTempFile, StoreError> {
        let all = self.root.join("tmp");
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = match &mut *scratch {
            Some(scratch) => scratch,
            none => {
                let made = Scratch::create(&all).map_err(StoreError::io("write to", &all))?;
                none.insert(made)
            }
        };
        let folder = folder.path();
        NamedTempFile::new_in(folder).map_err(StoreError::io("create a file in", folder))
    }

    /// Gives a finished temporary file its mode, its time and its name.
    fn publish(
        &self,
        temporary: NamedTempFile,
        destination: &Path,
        mode: u32,
    ) -> Result<(), StoreError> {
        seal(temporary.as_file(), mode).map_err(StoreError::io("write", temporary.path()))?;
        match temporary.persist(destination) {
            Ok(_) => Ok(()),
            // The first record of its kind makes the folder.
            Err(failed) if failed.error.kind() == io::ErrorKind::NotFound => {
                let parent = destination.parent().unwrap_or(&self.root);
                fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
                let persisted = failed.file.persist(destination);
                persisted.map(drop).map_err(|failed| failed.error)
            }
            Err(failed) => Err(failed.error),
        }
        .map_err(StoreError::io("write", destination))
    }
}

impl ContentStore for LocalStore {
    fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.path(&layout::blob(digest.sha256()));
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(metadata.len() == digest.size()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io("read", path)(error)),
        }
    }

    fn read(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        let path = self.path(&layout::blob(digest.sha256()));
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        };
        let mut bytes =
            Vec::with_capacity(usize::try_from(digest.size()).unwrap_or(0).min(1 << 30));
        file.read_to_end(&mut bytes)
            .map_err(StoreError::io("read", &path))?;
        let found = Digest::of(&bytes);
        if found.sha256() != digest.sha256() {
            self.discard(digest.sha256());
        }
        Ok((found == *digest).then(|| bytes.into()))
    }

    fn write(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let destination = self.path(&layout::blob(digest.sha256()));
        if !self.is_intact(&destination, digest.size(), mode(false)) {
            self.replace(bytes, &destination, mode(false))?;
        }
        Ok(digest)
    }
}

const fn mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

/// Returns the digest of the file `path`.
///
/// # Errors
/// [`StoreError::Io`] when the file cannot be read.
pub fn hash_file(path: &Path) -> Result<Digest, StoreError> {
    let file = File::open(path).map_err(StoreError::io("read", path))?;
    hash(&file, path)
}

/// Hashes the file `path`, which is open, to its end.
fn hash(mut file: &File, path: &Path) -> Result<Digest, StoreError> {
    let mut writer = DigestWriter::new(io::sink());
    io::copy(&mut file, &mut writer).map_err(StoreError::io("read", path))?;
    Ok(writer.finish().1)
}

/// Gives a finished file its mode, and the time that all have.
fn seal(file: &File, mode: u32) -> io::Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(BLOB_MTIME);
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.set_times(FileTimes::new().set_modified(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[test]
    fn a_file_is_moved_if_it_is_nothing_but_its_bytes() {
        let (folder, store) = store();
        let path = folder.path().join("made");
        let make = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Digest::of(bytes)
        };
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let blob = |digest: &Digest| store.path(&layout::blob(digest.sha256()));

        let digest = make(b"moved");
        let made = inode(&path);
        assert_eq!(store.take_file(&path).unwrap(), digest);
        assert_eq!(inode(&blob(&digest)), made);
        assert!(
            store
                .link(&digest, false, &folder.path().join("link"))
                .unwrap()
        );
        assert!(store.is_unchanged(&folder.path().join("link"), &digest, false));

        // What is there already stays.
        make(b"moved");
        assert_eq!(store.take_file(&path).unwrap(), digest);
        assert_eq!(inode(&blob(&digest)), made);

        // Another name of the file, or an attribute, must not become a blob's.
        let digest = make(b"linked");
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        assert_eq!(store.take_file(&path).unwrap(), digest);
        assert_ne!(inode(&blob(&digest)), inode(&path));
        fs::remove_file(&path).unwrap();
        let digest = make(b"marked");
        let set = rustix::fs::setxattr(&path, "user.x", b"1", rustix::fs::XattrFlags::empty());
        assert_eq!(store.take_file(&path).unwrap(), digest);
        assert_eq!(
            path.exists(),
            set.is_ok(),
            "unless the file system has none"
        );
        assert_eq!(&*store.read(&digest).unwrap().unwrap(), b"marked");
        let mut names = [0_u8; 64];
        assert_eq!(rustix::fs::listxattr(blob(&digest), &mut names), Ok(0));
    }

    fn store() -> (tempfile::TempDir, LocalStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path().join("store")).unwrap();
        (folder, store)
    }

    fn overwrite(store: &LocalStore, digest: &Digest, bytes: &[u8]) {
        let path = store.path(&layout::blob(digest.sha256()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    }

    #[test]
    fn keeps_the_contract() {
        let (_folder, store) = store();
        contract::content_store(&store, &|digest, bytes| overwrite(&store, digest, bytes));
        let temporary = store.root().join("tmp");
        drop(store);
        assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
    }

    #[test]
    fn links_carry_the_wanted_mode() {
        let (folder, store) = store();
        let digest = store.write(b"#!/bin/sh\n").unwrap();
        for (executable, mode) in [(false, 0o444), (true, 0o555)] {
            let path = folder.path().join(mode.to_string());
            assert!(store.link(&digest, executable, &path).unwrap());
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(metadata.mode() & 0o777, mode);
            assert_eq!(metadata.mtime(), BLOB_MTIME as i64);
            assert_eq!(fs::read(&path).unwrap(), b"#!/bin/sh\n");
        }
    }

    #[test]
    fn a_damaged_blob_is_neither_linked_nor_copied() {
        let (folder, store) = store();
        for executable in [false, true] {
            let digest = store.write(b"good").unwrap();
            let path = folder.path().join(format!("link-{executable}"));
            overwrite(&store, &digest, b"evil");
            assert!(!store.link(&digest, executable, &path).unwrap());
            assert!(!path.exists());
            assert!(!store.contains(&digest).unwrap(), "the bad blob is dropped");

            store.write(b"good").unwrap();
            overwrite(&store, &digest, b"evil");
            let path = folder.path().join(format!("copy-{executable}"));
            assert!(!store.copy(&digest, executable, &path).unwrap());
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_touched_blob_with_the_right_bytes_is_restored() {
        let (folder, store) = store();
        let digest = store.write(b"good").unwrap();
        overwrite(&store, &digest, b"good");
        assert!(
            store
                .link(&digest, false, &folder.path().join("a"))
                .unwrap()
        );
        let blob = store.path(&layout::blob(digest.sha256()));
        assert!(store.is_intact(&blob, 4, 0o444));
    }

    #[test]
    fn copies_are_private_and_replace_what_was_there() {
        let (folder, store) = store();
        let digest = store.write(b"bytes").unwrap();
        let path = folder.path().join("copy");
        fs::write(&path, b"older").unwrap();
        assert!(store.copy(&digest, true, &path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o755);
        fs::write(&path, b"changed").unwrap();
        assert_eq!(store.read(&digest).unwrap().as_deref(), Some(&b"bytes"[..]));
    }

    #[test]
    fn files_and_records_round_trip() {
        let (folder, store) = store();
        let path = folder.path().join("file");
        fs::write(&path, b"from a file").unwrap();
        let digest = store.write_file(&path).unwrap();
        assert_eq!(digest, Digest::of(b"from a file"));
        assert_eq!(
            store.read(&digest).unwrap().as_deref(),
            Some(&b"from a file"[..])
        );

        let key = layout::claim(layout::LOCAL_SIGNER, digest.sha256());
        assert_eq!(store.read_record(&key).unwrap(), None);
        store.write_record(&key, b"one").unwrap();
        store.write_record(&key, b"two").unwrap();
        assert_eq!(
            store.read_record(&key).unwrap().as_deref(),
            Some(&b"two"[..])
        );
    }
}
