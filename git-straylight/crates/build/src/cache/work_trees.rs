//! Which work trees build with a store: `worktrees/{sha256 of the git folder's
//! path}`, the paths of the git folder and of the work tree with a zero byte
//! between them.
//!
//! The record is written by a work tree's first build. What its builds used is
//! not in it: that is in the work tree's own graph, so that a build in which
//! nothing has changed writes nothing.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use straylight_odb::{LocalStore, Sha256, StoreError, layout};

/// A work tree that builds with a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkTreeRecord {
    /// The work tree's own git folder.
    pub git_dir: PathBuf,
    /// The root of its files.
    pub work_tree: PathBuf,
}

fn key(git_dir: &Path) -> String {
    layout::work_tree(id(git_dir))
}

/// Returns what names a work tree in a store: the sha256 of the path of its git
/// folder.
#[must_use]
pub fn id(git_dir: &Path) -> Sha256 {
    Sha256::of(git_dir.as_os_str().as_bytes())
}

/// Makes a work tree known to a store, unless it is.
///
/// # Errors
/// [`StoreError::Io`] when the record cannot be written.
pub fn register(store: &LocalStore, record: &WorkTreeRecord) -> Result<(), StoreError> {
    let key = key(&record.git_dir);
    if store.root().join(&key).exists() {
        return Ok(());
    }
    let git_dir = record.git_dir.as_os_str().as_bytes();
    let work_tree = record.work_tree.as_os_str().as_bytes();
    store.write_record(&key, &[git_dir, b"\0", work_tree].concat())
}

/// Returns the work trees that are known to a store, sorted; those that are
/// gone are among them.
///
/// # Errors
/// [`StoreError::Io`] when they cannot be read.
pub fn recorded(store: &LocalStore) -> Result<Vec<WorkTreeRecord>, StoreError> {
    let some = store.root().join(key(Path::new("")));
    let folder = some.parent().unwrap_or(store.root());
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", folder)(error)),
    };
    let mut records = Vec::new();
    for entry in listing {
        let path = entry.map_err(StoreError::io("read", folder))?.path();
        // One that goes away meanwhile, or is damaged, is none.
        records.extend(fs::read(path).ok().and_then(|bytes| read(&bytes)));
    }
    records.sort();
    Ok(records)
}

fn read(bytes: &[u8]) -> Option<WorkTreeRecord> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    Some(WorkTreeRecord {
        git_dir: path(&bytes[..at]),
        work_tree: path(&bytes[at + 1..]),
    })
}

/// Forgets a work tree.
///
/// # Errors
/// [`StoreError::Io`] when its record cannot be removed.
pub fn forget(store: &LocalStore, record: &WorkTreeRecord) -> Result<(), StoreError> {
    let path = store.root().join(key(&record.git_dir));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
