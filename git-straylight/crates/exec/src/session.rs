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
use rustix::io::Errno;

use crate::action::WORKING_DIRECTORY;
use crate::error::ExecError;
use crate::inputs::{Folder, Spare, Wanted};
use crate::staging::{Staged, make_folder};

/// The folder of one executor, locked.
#[derive(Debug)]
pub(crate) struct Session {
    name: String,
    path: PathBuf,
    lock: OwnedFd,
    next: AtomicU64,
    free: Arc<Mutex<Vec<Free>>>,
    /// `None` only while the session ends.
    cleaner: Option<Cleaner>,
}

/// A folder that no action uses, and the inputs that are in its `build`.
#[derive(Debug)]
struct Free {
    number: u64,
    inputs: Option<Folder>,
    spare: Spare,
}

/// What an action leaves in its folder.
#[derive(Debug)]
pub(crate) struct Leftovers {
    pub(crate) path: PathBuf,
    /// What is in `build` besides the action's own; `None` if nothing may stay.
    pub(crate) inputs: Option<Folder>,
    /// The folders that the action could write to, relative to `build`.
    pub(crate) writable: Vec<String>,
    pub(crate) spare: Spare,
}

impl Leftovers {
    /// Removes what the action made.
    fn clear(self, number: u64) -> io::Result<Free> {
        let build = self.path.join(WORKING_DIRECTORY);
        let mut inputs = self.inputs;
        for folder in &self.writable {
            let Some(kept) = &mut inputs else { break };
            if empty(&build.join(folder))? {
                kept.emptied(folder);
            } else {
                inputs = None;
            }
        }
        if inputs.is_none() {
            remove_tree(&build)?;
        }
        Ok(Free {
            number,
            inputs,
            spare: self.spare,
        })
    }
}

/// Empties a folder that an action could write to; returns whether it is now like a
/// new one.
fn empty(folder: &Path) -> io::Result<bool> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    // Attributes would be seen by the next action.
    let attributes = rustix::fs::listxattr(folder, &mut [0_u8; 1]);
    Ok(matches!(attributes, Ok(0) | Err(Errno::NOTSUP)))
}

/// A thread that clears folders, so that actions need not wait for it: on some
/// file systems removing a folder waits for the disk. The cleared folder is used
/// again, with the inputs in it.
#[derive(Debug)]
struct Cleaner {
    // A limit: what is waiting to be removed takes space.
    queue: SyncSender<(u64, Leftovers)>,
    thread: JoinHandle<()>,
}

impl Cleaner {
    fn start(free: Arc<Mutex<Vec<Free>>>) -> Self {
        let (queue, folders) = sync_channel::<(u64, Leftovers)>(64);
        let thread = std::thread::spawn(move || {
            for (number, leftovers) in folders {
                // What cannot be cleared is left to the session's end.
                if let Ok(cleared) = leftovers.clear(number) {
                    unpoisoned(&free).push(cleared);
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

/// Has one action's folder cleared.
#[derive(Debug)]
pub(crate) struct Removal {
    number: u64,
    queue: SyncSender<(u64, Leftovers)>,
}

impl Removal {
    pub(crate) fn request(&self, leftovers: Leftovers) {
        // Without a cleaner the session ends, and removes its whole folder.
        let _ = self.queue.send((self.number, leftovers));
    }
}

fn unpoisoned(free: &Mutex<Vec<Free>>) -> MutexGuard<'_, Vec<Free>> {
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

    /// Returns a folder for one action: of those that are free the one that has most
    /// of what is wanted in it.
    pub(crate) fn folder(&self, wanted: &Wanted) -> Result<Staged, ExecError> {
        let Free {
            number,
            inputs,
            spare,
        } = match self.take_free(wanted) {
            Some(free) => free,
            None => self.new_folder()?,
        };
        let in_cache = format!("sandboxes/{}/{number}", self.name);
        let path = self.path.join(number.to_string());
        let queue = self.cleaner.as_ref().map(|cleaner| cleaner.queue.clone());
        let removal = queue.map(|queue| Removal { number, queue });
        Ok(Staged::new(in_cache, path, inputs, spare, removal))
    }

    fn new_folder(&self) -> Result<Free, ExecError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(number.to_string());
        make_folder(&path)?;
        Ok(Free {
            number,
            inputs: None,
            spare: Spare::new(&path)?,
        })
    }

    fn take_free(&self, wanted: &Wanted) -> Option<Free> {
        let mut free = unpoisoned(&self.free);
        let difference = |free: &Free| {
            let empty = Folder::default();
            wanted.differs_from(free.inputs.as_ref().unwrap_or(&empty))
        };
        // Of equal ones the last: its files are most likely in memory.
        let best = (0..free.len())
            .rev()
            .min_by_key(|&at| difference(&free[at]))?;
        Some(free.remove(best))
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
