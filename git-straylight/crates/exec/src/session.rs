//! Where actions run: folders in the cache that no crash leaves behind.
//!
//! Each executor has one folder `sandboxes/{pid}-{random}` in the cache, and
//! holds a lock on the file `lock` in it; its helper and the sandboxes hold
//! the same lock. Whoever starts an executor removes the folders whose locks
//! are free: nobody uses them any more. `sandboxes/lock` keeps a folder that
//! is just being made from being taken for one of those.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::fs::{FlockOperation, flock};

use crate::action::WORKING_DIRECTORY;
use crate::error::ExecError;
use crate::staging::{Staged, make_folder};

/// The folder of one executor, locked.
#[derive(Debug)]
pub(crate) struct Session {
    name: String,
    path: PathBuf,
    lock: OwnedFd,
    next: AtomicU64,
    /// Numbers of folders that are empty again.
    free: Arc<Mutex<Vec<u64>>>,
    /// `None` only while the session ends.
    cleaner: Option<Cleaner>,
}

/// A thread that empties folders, so that actions need not wait for it:
/// on some file systems removing a folder waits for the disk. The emptied
/// folder itself is used again; removing it would hold up whoever makes the
/// next one beside it.
#[derive(Debug)]
struct Cleaner {
    // A limit: what is waiting to be removed takes space.
    queue: SyncSender<(u64, PathBuf)>,
    thread: JoinHandle<()>,
}

impl Cleaner {
    fn start(free: Arc<Mutex<Vec<u64>>>) -> Self {
        let (queue, folders) = sync_channel::<(u64, PathBuf)>(64);
        let thread = std::thread::spawn(move || {
            for (number, folder) in folders {
                // What cannot be emptied is left to the session's end.
                if remove_tree(&folder.join(WORKING_DIRECTORY)).is_ok() {
                    unpoisoned(&free).push(number);
                }
            }
        });
        Self { queue, thread }
    }

    fn finish(self) {
        drop(self.queue);
        // It does nothing that can panic.
        let _ = self.thread.join();
    }
}

/// Has one action's folder emptied.
#[derive(Debug)]
pub(crate) struct Removal {
    number: u64,
    queue: SyncSender<(u64, PathBuf)>,
}

impl Removal {
    pub(crate) fn request(&self, path: PathBuf) {
        // Without a cleaner the session ends, and removes its whole folder.
        let _ = self.queue.send((self.number, path));
    }
}

fn unpoisoned(free: &Mutex<Vec<u64>>) -> MutexGuard<'_, Vec<u64>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Makes a folder in `cache`, and removes those that a crash left.
    pub(crate) fn open(cache: &Path) -> Result<Self, ExecError> {
        let all = cache.join("sandboxes");
        fs::create_dir_all(&all).map_err(ExecError::io("create", &all))?;
        let gate = lock_file(&all.join("lock"))?;
        flock(&gate, FlockOperation::LockExclusive)
            .map_err(|error| ExecError::io("lock", &all)(error.into()))?;
        sweep(&all)?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(&all)
            .map_err(ExecError::io("create a folder in", &all))?;
        let lock = lock_file(&folder.path().join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| ExecError::io("lock", folder.path())(error.into()))?;
        let path = folder.keep();
        let free = Arc::default();
        let name = path.file_name().map(|name| name.to_string_lossy());
        Ok(Self {
            name: name.unwrap_or_default().into_owned(),
            path,
            lock,
            next: AtomicU64::new(0),
            cleaner: Some(Cleaner::start(Arc::clone(&free))),
            free,
        })
    }

    pub(crate) fn lock(&self) -> &OwnedFd {
        &self.lock
    }

    /// Returns an empty folder for one action.
    pub(crate) fn folder(&self) -> Result<Staged, ExecError> {
        let free = unpoisoned(&self.free).pop();
        let number = free.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.path.join(number.to_string());
        if free.is_none() {
            make_folder(&path)?;
        }
        let in_cache = format!("sandboxes/{}/{number}", self.name);
        let queue = self.cleaner.as_ref().map(|cleaner| cleaner.queue.clone());
        let removal = queue.map(|queue| Removal { number, queue });
        Ok(Staged::new(in_cache, path, removal))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(cleaner) = self.cleaner.take() {
            cleaner.finish();
        }
        // What cannot be removed now is swept by the next executor.
        let _ = remove_tree(&self.path);
    }
}

/// Opens a file to be locked; makes it if need be.
pub(crate) fn lock_file(path: &Path) -> Result<OwnedFd, ExecError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    Ok(file.map_err(ExecError::io("open", path))?.into())
}

/// Removes the folders that nobody holds.
fn sweep(all: &Path) -> Result<(), ExecError> {
    let failed = ExecError::io("read", all);
    let entries = fs::read_dir(all).map_err(failed)?;
    for entry in entries.flatten() {
        let path = entry.path();
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let free = match File::open(path.join("lock")) {
            Ok(lock) => flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive).is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if free {
            // Another user's, or removed by another sweeper: not ours to mind.
            let _ = remove_tree(&path);
        }
    }
    Ok(())
}

/// Removes a folder that an action may have made hard to remove: folders that
/// their owner may not enter. Symbolic links are never followed.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Lets the owner into every folder of a tree.
fn open_up(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    let names: Vec<OsString> = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<_>>()?;
    names.iter().try_for_each(|name| open_up(&path.join(name)))
}
