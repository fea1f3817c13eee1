//! Whether every file of a store is what its name says.

use std::fs;
use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use straylight_exec::Trace;
use straylight_odb::inventory::{Entry, Kind};
use straylight_odb::local::hash_file;
use straylight_odb::{LocalStore, Sha256, StoreError};

use crate::claims;
use crate::reads;
use crate::record::BuildRecord;

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many files were read.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// What was not as it should be, sorted by name.
    pub damaged: Vec<Damaged>,
}

/// A file that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Its name in the store.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// Whether it was removed. It stays if it was replaced meanwhile.
    pub removed: bool,
}

/// Reads every file of a store on `threads` threads, and removes those that are
/// not what their names say: they are made again when somebody needs them.
///
/// # Errors
/// [`StoreError::Io`] when the store cannot be read, or a damaged file cannot
/// be removed.
pub fn check(store: &LocalStore, threads: usize) -> Result<Checked, StoreError> {
    let mut entries = Vec::new();
    for kind in Kind::ALL {
        entries.extend(store.entries(kind)?);
    }
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || -> Result<(), StoreError> {
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(reason) = wrong(store, entry)? else {
                continue;
            };
            let damaged = Damaged {
                key: entry.kind.key(entry.sha256),
                reason,
                removed: store.remove_entry(entry)?,
            };
            found
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(damaged);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let ends = workers.into_iter().map(|worker| match worker.join() {
            Ok(end) => end,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ends.collect::<Result<(), StoreError>>()
    })?;
    let mut damaged = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    damaged.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Checked {
        files: entries.len(),
        bytes: entries.iter().map(|entry| entry.size).sum(),
        damaged,
    })
}

/// Returns what is wrong with a file, if anything is. One that is gone is fine.
fn wrong(store: &LocalStore, entry: &Entry) -> Result<Option<String>, StoreError> {
    let path = store.entry_path(entry.kind, entry.sha256);
    if matches!(entry.kind, Kind::Blob | Kind::Executable) {
        return match hash_file(&path) {
            Ok(found) if found.sha256() == entry.sha256 => Ok(None),
            Ok(found) => Ok(Some(other_bytes(found.sha256()))),
            Err(StoreError::Io { source, .. }) if is_gone(&source) => Ok(None),
            Err(StoreError::Io { source, .. }) if is_unreadable(&source) => {
                Ok(Some(format!("it cannot be read: {source}")))
            }
            Err(error) => Err(error),
        };
    }
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) if is_unreadable(&error) => {
            return Ok(Some(format!("it cannot be read: {error}")));
        }
        Err(error) => return Err(StoreError::io("read", path)(error)),
    };
    Ok(wrong_record(entry, &bytes))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Returns whether the disk has lost the bytes.
fn is_unreadable(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}

fn other_bytes(found: Sha256) -> String {
    format!("its bytes are `{found}`")
}

fn wrong_record(entry: &Entry, bytes: &[u8]) -> Option<String> {
    if entry.kind == Kind::Claim {
        return (!claims::is_record(bytes)).then(|| "it is not a list of claims".to_owned());
    }
    if entry.kind == Kind::Reads {
        return (!reads::is_record(bytes)).then(|| "it is not a list of files".to_owned());
    }
    let found = Sha256::of(bytes);
    if found != entry.sha256 {
        return Some(other_bytes(found));
    }
    let is_trace = || Trace::decode(bytes).is_ok() || BuildRecord::decode(bytes).is_some();
    (entry.kind == Kind::Trace && !is_trace()).then(|| "it is not a trace".to_owned())
}
