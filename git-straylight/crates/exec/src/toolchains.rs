//! Toolchains on disk: stored trees that sandboxes use as their root.
//!
//! `toolchains/{sha256}/tree` in the cache, made once from the store and
//! shared by all who use the cache. Its files are hard links to blobs, always
//! seen through a read-only mount. A tree is put together under another name
//! and renamed, so nobody sees half of one; it is checked, file by file but
//! without reading them, when an executor first uses it, and made again when
//! anything differs.
//!
//! Beside the tree lie two lock files. `lock` is held while a tree is checked
//! and made. `users` is shared by all executors that use the tree: what a new
//! tree replaced may still be the root of their sandboxes, and is removed by
//! the first who finds no other user.
//!
//! The folders on which a sandbox mounts things are added to the root of the
//! tree if it lacks them. Nobody ever sees what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use straylight_odb::local::BLOB_MTIME;
use straylight_odb::{Digest, LocalStore, Sha256};

use crate::error::ExecError;
use crate::merkle::{self, Node};
use crate::session::{lock_file, remove_tree};
use crate::staging::{make_folder, make_link, set_time};

/// Where a sandbox mounts things.
const MOUNT_POINTS: [&str; 4] = ["build", "dev", "proc", "tmp"];

/// A tree in the cache. It stays as it is for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// Its folder, relative to the cache.
    pub(crate) in_cache: String,
    _users: OwnedFd,
}

/// Makes sure that the tree `root` lies in the cache, whole.
///
/// # Errors
/// [`ExecError::MissingBlob`] when the store has not all of it.
pub(crate) fn materialize(store: &LocalStore, root: &Digest) -> Result<Toolchain, ExecError> {
    let in_cache = format!("toolchains/{}/tree", root.sha256());
    let tree = store.root().join(&in_cache);
    let folder = tree.with_file_name("");
    let expected = expected(store, root)?;
    fs::create_dir_all(&folder).map_err(ExecError::io("create", &folder))?;
    let gate = lock_file(&folder.join("lock"))?;
    lock(&gate, FlockOperation::LockExclusive, &folder)?;
    let users = lock_file(&folder.join("users"))?;
    if !is_intact(&tree, &expected) {
        let fresh = tempfile::Builder::new()
            .prefix(LEFTOVER)
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(&folder)
            .map_err(ExecError::io("create a folder in", &folder))?;
        fill(store, &expected, fresh.path())?;
        replace(&fresh.keep(), &tree)?;
    }
    if lock(&users, FlockOperation::NonBlockingLockExclusive, &folder).is_ok() {
        remove_leftovers(&folder);
    }
    lock(&users, FlockOperation::LockShared, &folder)?;
    Ok(Toolchain {
        in_cache,
        _users: users,
    })
}

/// Returns the folder in the cache where the tree `root` lies, whole: it is put there
/// if it is not. It may go with the next collection of the cache.
///
/// # Errors
/// [`ExecError::MissingBlob`] when the store has not all of it.
pub fn lay_out_toolchain(store: &LocalStore, root: &Digest) -> Result<PathBuf, ExecError> {
    let toolchain = materialize(store, root)?;
    Ok(store.root().join(toolchain.in_cache))
}

/// Removes the tree `root` from where it is laid out, unless an executor uses
/// it. Returns whether it was removed. The next executor lays it out again, if
/// the store has all of it.
///
/// # Errors
/// [`ExecError::Io`] when it cannot be locked or removed.
pub fn remove_toolchain(store: &LocalStore, root: Sha256) -> Result<bool, ExecError> {
    let folder = store.root().join(format!("toolchains/{root}"));
    if !folder.exists() {
        return Ok(false);
    }
    // Both files stay: who waits for one must not be left with a lock on
    // nothing. `lock` is held by who makes the tree and `users` by who uses it.
    let gate = lock_file(&folder.join("lock"))?;
    let users = lock_file(&folder.join("users"))?;
    let is_free = lock(&gate, FlockOperation::NonBlockingLockExclusive, &folder).is_ok()
        && lock(&users, FlockOperation::NonBlockingLockExclusive, &folder).is_ok();
    if is_free {
        remove_leftovers(&folder);
        let tree = folder.join("tree");
        let gone = remove_tree(&tree);
        gone.map_err(ExecError::io("remove", &tree))?;
    }
    Ok(is_free)
}

/// How the names of folders begin that are no tree yet, or no longer.
const LEFTOVER: &str = "new-";

fn lock(file: &OwnedFd, operation: FlockOperation, folder: &Path) -> Result<(), ExecError> {
    flock(file, operation).map_err(|error| ExecError::io("lock", folder)(error.into()))
}

fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .as_bytes()
            .starts_with(LEFTOVER.as_bytes())
        {
            // What is left is only untidy.
            let _ = remove_tree(&entry.path());
        }
    }
}

/// Every path of a tree, with the mount points.
fn expected(store: &LocalStore, root: &Digest) -> Result<BTreeMap<String, Node>, ExecError> {
    let mut nodes = BTreeMap::new();
    merkle::walk(store, root, &mut |path, node| {
        nodes.insert(path.to_owned(), node.clone());
        Ok::<_, ExecError>(())
    })?;
    for name in MOUNT_POINTS {
        let node = nodes.entry(name.to_owned()).or_insert(Node::EmptyDir);
        if !matches!(node, Node::Directory { .. } | Node::EmptyDir) {
            return Err(ExecError::Toolchain {
                digest: *root,
                reason: format!("`/{name}` is not a folder; a sandbox mounts its own there"),
            });
        }
    }
    Ok(nodes)
}

fn fill(store: &LocalStore, nodes: &BTreeMap<String, Node>, path: &Path) -> Result<(), ExecError> {
    let mut folders = vec![path.to_owned()];
    // A folder sorts before what lies in it.
    for (name, node) in nodes {
        let target = path.join(name);
        match node {
            Node::Directory { .. } | Node::EmptyDir => {
                make_folder(&target)?;
                folders.push(target);
            }
            Node::Symlink { target: content } => make_link(content, &target)?,
            Node::File { digest, executable } => {
                if !store.link(digest, *executable, &target)? {
                    return Err(ExecError::MissingBlob(*digest));
                }
            }
        }
    }
    folders.iter().rev().try_for_each(|folder| set_time(folder))
}

/// Puts the finished folder `fresh` in the place of `path`. A damaged tree
/// that was there takes its name.
fn replace(fresh: &Path, path: &Path) -> Result<(), ExecError> {
    let flags = if path.exists() {
        RenameFlags::EXCHANGE
    } else {
        RenameFlags::empty()
    };
    renameat_with(CWD, fresh, CWD, path, flags)
        .map_err(|error| ExecError::io("write", path)(error.into()))
}

/// Returns whether everything that should be there is, unchanged, and nothing
/// else.
fn is_intact(path: &Path, nodes: &BTreeMap<String, Node>) -> bool {
    let mut found = BTreeSet::new();
    if list(path, &mut PathBuf::new(), &mut found).is_err() || found.len() != nodes.len() {
        return false;
    }
    nodes
        .iter()
        .all(|(name, node)| found.contains(Path::new(name)) && is_as_stored(&path.join(name), node))
}

fn list(root: &Path, below: &mut PathBuf, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(&below))? {
        let entry = entry?;
        below.push(entry.file_name());
        found.insert(below.clone());
        if entry.file_type()?.is_dir() {
            list(root, below, found)?;
        }
        below.pop();
    }
    Ok(())
}

fn is_as_stored(path: &Path, node: &Node) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return false;
    };
    match node {
        Node::Directory { .. } | Node::EmptyDir => metadata.is_dir(),
        Node::Symlink { target } => {
            fs::read_link(path).is_ok_and(|content| content.as_os_str() == target.as_str())
        }
        Node::File { digest, executable } => {
            let mode = if *executable { 0o555 } else { 0o444 };
            metadata.is_file()
                && metadata.len() == digest.size()
                && metadata.mode() & 0o777 == mode
                && metadata.mtime() == BLOB_MTIME as i64
        }
    }
}
