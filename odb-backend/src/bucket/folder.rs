//! Compare-and-swap in a folder, which no object store offers.
//!
//! An advisory lock on `.locks/<sha256 of the key>` excludes other writers, in
//! this process and in others; it ends with the process that holds it. Readers
//! take no lock: a rename replaces the whole file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::{BucketError, Swap};
use crate::digest::Sha256;

/// The beginning of the name of a new version that is not in place yet.
const TEMPORARY: &str = ".new-";

pub(super) fn compare_and_swap(
    root: &Path,
    key: &str,
    expected: Option<&[u8]>,
    new: &[u8],
) -> Result<Swap, BucketError> {
    let destination = root.join(key);
    let parent = destination.parent().unwrap_or(root);
    fs::create_dir_all(parent).map_err(BucketError::io("create", parent))?;
    let _lock = lock(root, key)?;
    let current = match fs::read(&destination) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(BucketError::io("read", &destination)(error)),
    };
    if current.as_deref() != expected {
        return Ok(Swap::Lost);
    }
    // The lock is ours: a temporary file of this key belongs to nobody alive.
    let temporary = parent.join(format!("{TEMPORARY}{}", Sha256::of(key.as_bytes())));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(new)?;
        file.sync_all()?;
        fs::rename(&temporary, &destination)?;
        File::open(parent)?.sync_all()
    };
    write().map_err(BucketError::io("write", &destination))?;
    Ok(Swap::Done)
}

/// Returns whether a listed key is no object: a lock, or what a crash left.
pub(super) fn is_leftover(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    key.starts_with(".locks/") || name.starts_with(TEMPORARY)
}

fn lock(root: &Path, key: &str) -> Result<File, BucketError> {
    let folder = root.join(".locks");
    fs::create_dir_all(&folder).map_err(BucketError::io("create", &folder))?;
    let path = folder.join(Sha256::of(key.as_bytes()).to_string());
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(BucketError::io("lock", &path))?;
    file.lock().map_err(BucketError::io("lock", &path))?;
    Ok(file)
}
