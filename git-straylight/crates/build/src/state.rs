//! What a work tree remembers between builds, in `<git dir>/straylight/`: the
//! digests of `sources`, `outputs` and git's `blobs`.
//!
//! Everything here saves work and decides nothing: without a file, or with
//! a damaged one, a build reads its sources again and gives the same result.
//! Two builds at once each write whole files; the last one wins. A file is read
//! when somebody asks for something in it.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use minicbor::{Decode, Encode};
use rustix::fs::{FileType, Stat};
use straylight_odb::repo::FileStat;
use straylight_odb::{Digest, Sha256, StoreError};

/// The first bytes of each file; another version is another file.
const MAGIC: &[u8] = b"straylight state 1\n";

/// File systems stamp files with a clock that may lag this far, in
/// nanoseconds. A file that changed so shortly before it was read may change
/// again without a new stamp.
const RACY: u128 = 40_000_000;

/// A time after all changes: for files that nobody else writes.
pub(crate) const FOREVER: u128 = u128::MAX;

/// What the file system says of a file. Equal stamps mean equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Stamp {
    #[n(0)]
    modified: i64,
    #[n(1)]
    modified_nanos: i64,
    #[n(2)]
    changed: i64,
    #[n(3)]
    changed_nanos: i64,
    #[n(4)]
    size: u64,
    #[n(5)]
    inode: u64,
    #[n(6)]
    mode: u32,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanos = |nanos| i64::try_from(nanos).unwrap_or_default();
        Self {
            modified: stat.st_mtime,
            modified_nanos: nanos(stat.st_mtime_nsec),
            changed: stat.st_ctime,
            changed_nanos: nanos(stat.st_ctime_nsec),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            inode: stat.st_ino,
            mode: stat.st_mode,
        }
    }

    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns whether its owner may run it.
    pub(crate) fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// Returns what git keeps of it.
    pub(crate) fn to_stat(self) -> FileStat {
        FileStat {
            mtime: (self.modified, self.modified_nanos),
            ino: self.inode,
            size: self.size,
        }
    }

    /// Returns the stamp in writing.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(52);
        for number in [
            self.modified,
            self.modified_nanos,
            self.changed,
            self.changed_nanos,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.size.to_le_bytes());
        bytes.extend(self.inode.to_le_bytes());
        bytes.extend(self.mode.to_le_bytes());
        bytes
    }

    /// Returns whether the file was left alone for long enough before `now`.
    pub(crate) fn is_settled(&self, now: u128) -> bool {
        let nanos = |seconds: i64, nanos: i64| {
            u128::try_from(seconds).unwrap_or(0) * 1_000_000_000
                + u128::try_from(nanos).unwrap_or(0)
        };
        let last =
            nanos(self.modified, self.modified_nanos).max(nanos(self.changed, self.changed_nanos));
        last + RACY < now
    }
}

#[derive(Clone, Debug, Encode, Decode)]
struct Remembered {
    #[n(0)]
    stamp: Stamp,
    #[cbor(n(1), with = "minicbor::bytes")]
    sha256: [u8; 32],
}

#[derive(Clone, Debug, Encode, Decode)]
struct Blob {
    #[cbor(n(0), with = "minicbor::bytes")]
    sha256: [u8; 32],
    #[n(1)]
    size: u64,
}

/// The memory of one work tree. Shared by the threads of a build.
#[derive(Debug)]
pub struct State {
    /// Sources of the work tree, by path.
    sources: Table<Remembered>,
    /// Files under `straylight-out/`, by path.
    outputs: Table<Remembered>,
    /// Git blobs, by object id.
    blobs: Table<Blob>,
}

/// Which table a path is remembered in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Source,
    Output,
}

/// One file: a map that is read when somebody asks for something in it.
#[derive(Debug)]
struct Table<V> {
    path: Option<PathBuf>,
    inner: Mutex<Option<Entries<V>>>,
}

#[derive(Debug)]
struct Entries<V> {
    map: HashMap<String, V>,
    changed: bool,
}

impl<V: Clone + Encode<()> + for<'b> Decode<'b, ()>> Table<V> {
    fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            inner: Mutex::new(None),
        }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Entries<V>) -> R) -> R {
        // Each change is one insertion: a panic elsewhere leaves no half of it.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        work(inner.get_or_insert_with(|| self.load()))
    }

    fn load(&self) -> Entries<V> {
        let read = |path: &PathBuf| {
            let bytes = fs::read(path).ok()?;
            minicbor::decode(bytes.strip_prefix(MAGIC)?).ok()
        };
        Entries {
            map: self.path.as_ref().and_then(read).unwrap_or_default(),
            changed: false,
        }
    }

    fn get(&self, key: &str) -> Option<V> {
        self.with(|entries| entries.map.get(key).cloned())
    }

    fn insert(&self, key: String, value: V) {
        if self.path.is_none() {
            return;
        }
        self.with(|entries| {
            entries.map.insert(key, value);
            entries.changed = true;
        });
    }

    fn save(&self) -> Result<(), StoreError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = inner.as_mut().filter(|entries| entries.changed);
        let (Some(path), Some(entries)) = (&self.path, changed) else {
            return Ok(());
        };
        let mut bytes = MAGIC.to_vec();
        minicbor::encode(&entries.map, &mut bytes).expect("a vector accepts all bytes");
        write_whole(path, |file| file.write_all(&bytes))?;
        entries.changed = false;
        Ok(())
    }
}

impl State {
    /// Opens the memory in the folder of a work tree's git data.
    #[must_use]
    pub fn open(git_dir: &Path) -> Self {
        let folder = git_dir.join("straylight");
        Self {
            sources: Table::new(Some(folder.join("sources"))),
            outputs: Table::new(Some(folder.join("outputs"))),
            blobs: Table::new(Some(folder.join("blobs"))),
        }
    }

    /// Returns a memory that is empty and stays so.
    #[must_use]
    pub fn forgetful() -> Self {
        Self {
            sources: Table::new(None),
            outputs: Table::new(None),
            blobs: Table::new(None),
        }
    }

    fn files(&self, kind: Kind) -> &Table<Remembered> {
        match kind {
            Kind::Source => &self.sources,
            Kind::Output => &self.outputs,
        }
    }

    /// Returns the digest of a file whose stamp has not changed.
    pub(crate) fn digest(&self, kind: Kind, path: &str, stamp: &Stamp) -> Option<Digest> {
        let remembered = self.files(kind).get(path)?;
        (remembered.stamp == *stamp)
            .then(|| Digest::new(Sha256::from_raw(remembered.sha256), stamp.size))
    }

    /// Remembers a file; `read_at` is [`now`] before its bytes were read.
    pub(crate) fn remember(
        &self,
        kind: Kind,
        path: &str,
        stamp: Stamp,
        digest: &Digest,
        read_at: u128,
    ) {
        if stamp.is_settled(read_at) {
            let sha256 = *digest.sha256().as_raw();
            let remembered = Remembered { stamp, sha256 };
            self.files(kind).insert(path.to_owned(), remembered);
        }
    }

    /// Returns the digest of a git blob.
    pub(crate) fn blob(&self, id: &str) -> Option<Digest> {
        let blob = self.blobs.get(id)?;
        Some(Digest::new(Sha256::from_raw(blob.sha256), blob.size))
    }

    /// Remembers the digest of a git blob.
    pub(crate) fn remember_blob(&self, id: String, digest: &Digest) {
        let sha256 = *digest.sha256().as_raw();
        let size = digest.size();
        self.blobs.insert(id, Blob { sha256, size });
    }

    /// Writes the memory to disk, as far as it changed.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be written; the old files stay.
    pub fn save(&self) -> Result<(), StoreError> {
        self.sources.save()?;
        self.outputs.save()?;
        self.blobs.save()
    }
}

/// Writes a file that is there as a whole or as it was.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut fs::File) -> io::Result<()>,
) -> Result<(), StoreError> {
    let folder = path.parent().expect("the path has a file name");
    fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
    let replace = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        write(file.as_file_mut())?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    replace().map_err(StoreError::io("write", path))
}

/// Returns the time, in nanoseconds since 1970.
pub(crate) fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(folder: &Path) -> (String, Stamp) {
        let path = folder.join("file");
        fs::write(&path, b"bytes").unwrap();
        let stamp = Stamp::of(&rustix::fs::stat(&path).unwrap());
        ("file".to_owned(), stamp)
    }

    #[test]
    fn survives_in_its_file_and_forgets_changed_stamps() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stamp) = stamped(folder.path());
        let digest = Digest::of(b"bytes");
        let state = State::open(folder.path());
        state.remember(Kind::Source, &path, stamp, &digest, FOREVER);
        state.remember_blob("1234".to_owned(), &digest);
        state.save().unwrap();

        let state = State::open(folder.path());
        assert_eq!(state.digest(Kind::Source, &path, &stamp), Some(digest));
        assert_eq!(state.digest(Kind::Output, &path, &stamp), None);
        assert_eq!(state.blob("1234"), Some(digest));
        let touched = Stamp {
            modified: 1,
            ..stamp
        };
        assert_eq!(state.digest(Kind::Source, &path, &touched), None);
    }

    #[test]
    fn does_not_trust_a_file_that_just_changed() {
        let folder = tempfile::tempdir().unwrap();
        let before = now();
        let (path, stamp) = stamped(folder.path());
        let state = State::open(folder.path());
        state.remember(Kind::Source, &path, stamp, &Digest::of(b"bytes"), before);
        assert_eq!(state.digest(Kind::Source, &path, &stamp), None);
    }

    #[test]
    fn starts_afresh_when_its_file_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let (path, stamp) = stamped(folder.path());
        let digest = Digest::of(b"bytes");
        let state = State::open(folder.path());
        state.remember(Kind::Source, &path, stamp, &digest, FOREVER);
        state.save().unwrap();
        let file = folder.path().join("straylight/sources");
        let bytes = fs::read(&file).unwrap();
        for length in [0, 5, MAGIC.len(), bytes.len() - 1] {
            fs::write(&file, &bytes[..length]).unwrap();
            let state = State::open(folder.path());
            assert_eq!(state.digest(Kind::Source, &path, &stamp), None, "{length}");
        }
    }
}
