//! An ephemeral bare repository: the view that one session has.
//!
//! ```text
//! <cache>/sessions/<random>.lock    locked while the session lives
//! <cache>/sessions/<random>/        HEAD  config  packed-refs  refs/
//!                                   objects/pack/pack-….{pack,idx}
//! ```
//!
//! `objects/pack` has hard links to exactly the packs of the manifest. It must
//! never have an alternate onto the node's cache, where other repositories'
//! objects are: who may name an object there may read it.
//!
//! The folder goes away with [`SessionDir`]. What a killed session leaves is
//! cleared away by the next one: its lock ended with its process.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use straylight_odb::Bucket;
use straylight_odb::cas::StoreError;
use straylight_odb::digest::Digest;
use straylight_odb::manifest::{HeadTarget, Manifest, PackEntry};
use straylight_odb::pack::{PackCache, PackError};

/// Anything in the packs may be fetched by its id, as protocol v2 has it: a
/// client that filtered blobs away asks for them one by one.
const CONFIG: &str = "\
[core]
\trepositoryformatversion = 0
\tbare = true
\tlogAllRefUpdates = false
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
[gc]
\tauto = 0
";

/// How often a file may vanish from the cache between its check and its use.
const ATTEMPTS: u32 = 8;

/// The ephemeral repository of one session.
#[derive(Debug)]
pub struct SessionDir {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl SessionDir {
    /// Makes the repository that `manifest` describes.
    ///
    /// # Errors
    /// [`PackError`] when a pack is missing or tampered with, or the cache's
    /// folder cannot be written. Nothing is left behind.
    pub fn create(
        manifest: &Manifest,
        bucket: &Bucket,
        repository: &str,
        cache: &PackCache,
    ) -> Result<Self, PackError> {
        let sessions = cache.root().join("sessions");
        fs::create_dir_all(&sessions).map_err(StoreError::io("create", &sessions))?;
        heal(&sessions);
        let session = Self::reserve(&sessions)?;
        session.write_refs(manifest)?;
        for entry in &manifest.packs {
            session.link(entry, bucket, repository, cache)?;
        }
        Ok(session)
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a lock, then makes the folder that it protects.
    fn reserve(sessions: &Path) -> Result<Self, StoreError> {
        let failed = |action| StoreError::io(action, sessions);
        loop {
            let (lock, lock_path) = tempfile::Builder::new()
                .suffix(".lock")
                .tempfile_in(sessions)
                .and_then(|file| Ok(file.keep()?))
                .map_err(failed("create a file in"))?;
            // Another session may have taken it for a dead one's meanwhile.
            let is_ours = lock.try_lock().is_ok() && is_same(&lock, &lock_path);
            if !is_ours {
                continue;
            }
            let path = lock_path.with_extension("");
            let session = Self {
                path,
                lock_path,
                _lock: lock,
            };
            for folder in ["refs", "objects/pack", "objects/info"] {
                fs::create_dir_all(session.path.join(folder)).map_err(failed("create"))?;
            }
            return Ok(session);
        }
    }

    fn write_refs(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let head = match &manifest.head {
            HeadTarget::Branch(name) => format!("ref: {name}\n"),
            HeadTarget::Detached(id) => format!("{id}\n"),
        };
        let mut refs = String::from("# pack-refs with: sorted \n");
        for (name, id) in &manifest.refs {
            writeln!(refs, "{id} {name}").expect("writing to a string cannot fail");
        }
        for (name, content) in [
            ("HEAD", head.as_str()),
            ("config", CONFIG),
            ("packed-refs", &refs),
        ] {
            let path = self.path.join(name);
            fs::write(&path, content).map_err(StoreError::io("write", path))?;
        }
        Ok(())
    }

    /// Links a pack, and then its index, which makes git see it.
    fn link(
        &self,
        entry: &PackEntry,
        bucket: &Bucket,
        repository: &str,
        cache: &PackCache,
    ) -> Result<(), PackError> {
        let stem = self
            .path
            .join("objects/pack")
            .join(format!("pack-{}", &entry.pack.sha256().to_string()[..40]));
        let pack = || cache.pack(bucket, repository, entry).map(drop);
        link_file(cache, &entry.pack, &stem.with_extension("pack"), pack)?;
        let index = || cache.index(bucket, repository, entry).map(drop);
        link_file(cache, &entry.idx, &stem.with_extension("idx"), index)
    }
}

impl Drop for SessionDir {
    fn drop(&mut self) {
        remove(&self.path, &self.lock_path);
    }
}

fn link_file(
    cache: &PackCache,
    digest: &Digest,
    destination: &Path,
    ensure: impl Fn() -> Result<(), PackError>,
) -> Result<(), PackError> {
    for _ in 0..ATTEMPTS {
        ensure()?;
        if cache.link(digest, destination)? {
            return Ok(());
        }
    }
    let gone = io::Error::other("the cache keeps losing this file");
    Err(StoreError::io("link", destination)(gone).into())
}

/// Removes what sessions left whose process is gone.
fn heal(sessions: &Path) {
    let Ok(entries) = fs::read_dir(sessions) else {
        return;
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    for lock_path in paths.filter(|path| path.extension().is_some_and(|end| end == "lock")) {
        let Ok(lock) = File::open(&lock_path) else {
            continue;
        };
        match lock.try_lock() {
            // The lock must still have its name: it may be another's by now.
            Ok(()) if is_same(&lock, &lock_path) => {
                remove(&lock_path.with_extension(""), &lock_path);
            }
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

/// The lock goes last: a folder without one would never be found again.
fn remove(folder: &Path, lock: &Path) {
    // A failure leaves both for the next session's attempt.
    if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
        let _ = fs::remove_file(lock);
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
