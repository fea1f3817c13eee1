//! A closure becomes a tree in the store.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use straylight_odb::digest::DigestWriter;
use straylight_odb::{Digest, LocalStore, StoreError};

use super::{Closure, LINK_LIMIT, components, follow};
use crate::capture::CaptureError;
use crate::merkle::{InputTree, Node, TreeError};

/// Folders that a sandbox mounts something on.
const MOUNT_POINTS: [&str; 4] = ["build", "dev", "proc", "tmp"];

/// A closure that is in the store.
pub(in crate::capture) struct Stored {
    pub(in crate::capture) digest: Digest,
    pub(in crate::capture) files: usize,
    pub(in crate::capture) bytes: u64,
}

impl Closure {
    /// Stores the files, the links that lead somewhere, and the folders of
    /// the tree.
    ///
    /// # Errors
    /// [`CaptureError::Store`] · [`CaptureError::Tree`] · [`CaptureError::Io`].
    pub(in crate::capture) fn store(mut self, store: &LocalStore) -> Result<Stored, CaptureError> {
        self.add_merged_links()?;
        let mut tree = InputTree::new();
        let mut bytes = 0;
        for (real, digest) in self.store_files(store)? {
            let executable = self.files[&real];
            bytes += digest.size();
            insert(&mut tree, &real, Node::File { digest, executable })?;
        }
        for path in self.leading_links() {
            let target = self.links[path].clone();
            insert(&mut tree, path, Node::Symlink { target })?;
        }
        for folder in MOUNT_POINTS {
            tree.insert(folder, Node::EmptyDir)?;
        }
        Ok(Stored {
            digest: tree.write(store)?,
            files: self.files.len(),
            bytes,
        })
    }

    /// Hashes and copies the files, on all processors. A capture that the store
    /// has already is only hashed: until the first file that is new.
    fn store_files(&self, store: &LocalStore) -> Result<Vec<(PathBuf, Digest)>, CaptureError> {
        let files = self.files();
        let next = AtomicUsize::new(0);
        let repeated = AtomicBool::new(true);
        let stored = Mutex::new(Vec::with_capacity(files.len()));
        let work = || -> Result<(), StoreError> {
            while let Some(real) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let digest = store_file(store, &self.on_disk(real), &repeated)?;
                let mut stored = stored.lock().expect("no thread panics with the lock");
                stored.push((real.clone(), digest));
            }
            Ok(())
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let results = workers.into_iter().map(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            results.collect::<Result<(), StoreError>>()
        })?;
        Ok(stored.into_inner().expect("no thread panics with the lock"))
    }

    /// Returns the links that end in the tree: at a file, or at a folder that
    /// has files or such links below it.
    fn leading_links(&self) -> BTreeSet<&Path> {
        let ends = self
            .links
            .keys()
            .map(|link| (link.as_path(), self.end(link)));
        let mut undecided: Vec<(&Path, PathBuf)> = ends
            .filter_map(|(link, end)| Some((link, end?)))
            .filter(|(link, _)| !self.files.contains_key(*link))
            .collect();
        let mut present: BTreeSet<&Path> = self.files.keys().map(PathBuf::as_path).collect();
        let mut leading = BTreeSet::new();
        loop {
            let before = undecided.len();
            undecided.retain(|(link, end)| {
                let mut below = present.range(end.as_path()..);
                let leads = below.next().is_some_and(|path| path.starts_with(end));
                if leads {
                    leading.insert(*link);
                }
                !leads
            });
            present.extend(&leading);
            if undecided.len() == before {
                return leading;
            }
        }
    }

    /// Follows a link through the links of the tree, as it will be inside;
    /// `None` when it goes in circles.
    fn end(&self, link: &Path) -> Option<PathBuf> {
        let mut end = PathBuf::from("/");
        let mut rest = components(link);
        let mut hops = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                end.pop();
                continue;
            }
            end.push(name);
            if let Some(target) = self.links.get(&end) {
                hops += 1;
                if hops > LINK_LIMIT {
                    return None;
                }
                follow(&mut end, &mut rest, Path::new(target));
            }
        }
        Some(end)
    }
}

/// Stores one file; while `repeated` holds, looks first whether it is stored.
fn store_file(
    store: &LocalStore,
    path: &Path,
    repeated: &AtomicBool,
) -> Result<Digest, StoreError> {
    if repeated.load(Ordering::Relaxed) {
        let digest = digest_of(path).map_err(StoreError::io("read", path))?;
        if store.intact_path(&digest)?.is_some() {
            return Ok(digest);
        }
        repeated.store(false, Ordering::Relaxed);
    }
    store.write_file(path)
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut writer = DigestWriter::new(io::sink());
    io::copy(&mut File::open(path)?, &mut writer)?;
    Ok(writer.finish().1)
}

fn insert(tree: &mut InputTree, path: &Path, node: Node) -> Result<(), TreeError> {
    let path = path.strip_prefix("/").unwrap_or(path);
    let path = path.to_str().expect("only UTF-8 paths were added");
    tree.insert(path, node)
}
