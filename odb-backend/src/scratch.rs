//! Folders for what must not outlive its process: no crash leaves one behind
//! for long.
//!
//! A folder `<random>/` lies beside the file `<random>.lock`, which its owner
//! keeps locked while it lives. Whoever makes such a folder removes those whose
//! locks are free: their owners are gone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A folder for temporary files. Goes away when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes a folder in `all`, and removes those whose owners are gone.
    ///
    /// # Errors
    /// When `all` cannot be written. What cannot be removed is left for others.
    pub fn create(all: &Path) -> io::Result<Self> {
        sweep(all);
        loop {
            let (lock, lock_path) = tempfile::Builder::new()
                .prefix("")
                .suffix(".lock")
                .tempfile_in(all)?
                .keep()?;
            // Before it was locked, another process may have taken it for a
            // dead one's, and removed it.
            let is_held = lock.try_lock().is_ok() && is_at(&lock, &lock_path);
            if is_held {
                let scratch = Self {
                    path: lock_path.with_extension(""),
                    lock_path,
                    _lock: lock,
                };
                fs::create_dir(&scratch.path)?;
                return Ok(scratch);
            }
        }
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path, &self.lock_path);
    }
}

fn sweep(all: &Path) {
    let entries = fs::read_dir(all).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    for lock_path in paths.filter(|path| path.extension().is_some_and(|end| end == "lock")) {
        let Ok(lock) = File::open(&lock_path) else {
            continue;
        };
        // The lock must still have its name: it may be another's by now.
        if lock.try_lock().is_ok() && is_at(&lock, &lock_path) {
            remove(&lock_path.with_extension(""), &lock_path);
        }
    }
}

/// The lock goes last: a folder without one would never be found again.
fn remove(folder: &Path, lock: &Path) {
    // A failure leaves both for the next process's attempt.
    if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
        let _ = fs::remove_file(lock);
    }
}

/// Returns whether the open file still is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let open = file.metadata().map(identity);
    let named = fs::symlink_metadata(path).map(identity);
    matches!((open, named), (Ok(open), Ok(named)) if open == named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn goes_away_and_sweeps_what_a_crash_left() {
        let all = tempfile::tempdir().unwrap();
        let crashed = Scratch::create(all.path()).unwrap();
        fs::write(crashed.path().join("half"), b"written").unwrap();
        let (path, lock_path) = (crashed.path.clone(), crashed.lock_path.clone());
        // As a killed process leaves it: the lock is free, the files are there.
        drop(crashed);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("half"), b"written").unwrap();
        fs::write(&lock_path, b"").unwrap();

        let alive = Scratch::create(all.path()).unwrap();
        assert!(!path.exists() && !lock_path.exists());
        let other = Scratch::create(all.path()).unwrap();
        assert!(alive.path().is_dir() && other.path().is_dir());
        drop((alive, other));
        assert_eq!(names(all.path()), [""; 0]);
    }
}
