//! The files of a commit, read from git's objects: nothing is checked out.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use straylight_exec::{InputTree, Node, merkle};
use straylight_odb::repo::{EntryKind, ObjectId, Repository, TreeEntry};
use straylight_odb::{ContentStore as _, Digest, LocalStore};

use crate::label::{BUILD_FILE, PackagePath};
use crate::path;
use crate::perform::Hasher;
use crate::state::State;
use crate::tree::{self, MAX_LINKS, SourceFile, SourceTree, Standing, TreeError};

type Entries = Arc<BTreeMap<String, TreeEntry>>;

/// The sources of a build are the blobs of one tree object.
pub struct GitTree {
    repository: Arc<Repository>,
    tree: ObjectId,
    store: Arc<LocalStore>,
    state: Arc<State>,
    /// Tree objects that were read, by path; `None` where no folder is.
    folders: Mutex<HashMap<String, Option<Entries>>>,
}

impl GitTree {
    /// Returns the tree with this id.
    #[must_use]
    pub fn new(
        repository: Arc<Repository>,
        tree: ObjectId,
        store: Arc<LocalStore>,
        state: Arc<State>,
    ) -> Self {
        Self {
            repository,
            tree,
            store,
            state,
            folders: Mutex::default(),
        }
    }

    fn folder(&self, path: &str) -> Result<Option<Entries>, TreeError> {
        if let Some(known) = self.folders().get(path) {
            return Ok(known.clone());
        }
        let id = if path.is_empty() {
            Some(self.tree)
        } else {
            self.entry(path)?
                .filter(|entry| entry.kind == EntryKind::Tree)
                .map(|entry| entry.id)
        };
        let entries = match id {
            Some(id) => Some(Arc::new(
                self.repository
                    .tree_entries(id)?
                    .into_iter()
                    .map(|entry| (entry.name.to_string(), entry))
                    .collect(),
            )),
            None => None,
        };
        self.folders().insert(path.to_owned(), entries.clone());
        Ok(entries)
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, HashMap<String, Option<Entries>>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, path: &str) -> Result<Option<TreeEntry>, TreeError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(self
            .folder(folder)?
            .and_then(|entries| entries.get(name).cloned()))
    }

    /// Returns the file that `path` names, after its symbolic links.
    fn locate(&self, path: &str) -> Result<(String, TreeEntry), TreeError> {
        let mut current = path.to_owned();
        for _ in 0..=MAX_LINKS {
            path::check(&current).map_err(|reason| TreeError::Path {
                path: path.to_owned(),
                reason: reason.to_owned(),
            })?;
            let Some(entry) = self.entry(&current)? else {
                return Err(self.missing(&current));
            };
            let what = match entry.kind {
                EntryKind::File | EntryKind::Executable => return Ok((current, entry)),
                EntryKind::Tree => "a folder",
                EntryKind::Submodule => "a submodule",
                EntryKind::Symlink => {
                    let target = self.repository.read_blob(entry.id)?;
                    current = tree::resolve_link(&current, &String::from_utf8_lossy(&target))?;
                    continue;
                }
            };
            return Err(TreeError::NotAFile {
                path: current,
                what,
            });
        }
        Err(TreeError::Link {
            path: path.to_owned(),
            target: current,
            problem: "which goes in circles",
        })
    }

    fn missing(&self, path: &str) -> TreeError {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let names = self.folder(folder).ok().flatten();
        let in_work_tree = self
            .repository
            .work_tree()
            .is_some_and(|root| root.join(path).exists());
        TreeError::Missing {
            path: path.to_owned(),
            nearest: names
                .and_then(|entries| tree::nearest_name(path, entries.keys().cloned())),
            reason: in_work_tree.then_some(
                "the file is in the work tree only: `git add` and commit it, or build without `--at`",
            ),
        }
    }

    fn collect_packages(
        &self,
        folder: &str,
        packages: &mut Vec<PackagePath>,
    ) -> Result<(), TreeError> {
        let Some(entries) = self.folder(folder)? else {
            return Ok(());
        };
        for (name, entry) in entries.iter() {
            if entry.kind == EntryKind::Tree {
                self.collect_packages(&path::join(folder, name), packages)?;
            } else if name == BUILD_FILE {
                packages.extend(PackagePath::new(folder));
            }
        }
        Ok(())
    }
}

impl GitTree {
    /// Returns the sha256 Merkle root of the whole tree: a REAPI `Directory`
    /// over the raw bytes of its blobs. Submodules are empty folders.
    ///
    /// # Errors
    /// [`TreeError`] when an object cannot be read.
    pub fn root_digest(&self) -> Result<Digest, TreeError> {
        let mut sources = InputTree::new();
        let mut files = Vec::new();
        self.collect("", &mut files)?;
        for (path, entry) in files {
            let node = match entry.kind {
                EntryKind::File | EntryKind::Executable => Node::File {
                    digest: Digest::of(&self.repository.read_blob(entry.id)?),
                    executable: entry.kind == EntryKind::Executable,
                },
                EntryKind::Symlink => Node::Symlink {
                    target: String::from_utf8_lossy(&self.repository.read_blob(entry.id)?)
                        .into_owned(),
                },
                EntryKind::Tree | EntryKind::Submodule => Node::EmptyDir,
            };
            let unusable = |error: merkle::TreeError| TreeError::Path {
                path: path.clone(),
                reason: error.to_string(),
            };
            sources.insert(&path, node).map_err(unusable)?;
        }
        sources.write(&Hasher).map_err(|error| TreeError::Path {
            path: String::new(),
            reason: error.to_string(),
        })
    }

    fn collect(&self, folder: &str, files: &mut Vec<(String, TreeEntry)>) -> Result<(), TreeError> {
        for (name, entry) in self
            .folder(folder)?
            .iter()
            .flat_map(|entries| entries.iter())
        {
            let path = path::join(folder, name);
            if entry.kind == EntryKind::Tree {
                self.collect(&path, files)?;
            } else {
                files.push((path, entry.clone()));
            }
        }
        Ok(())
    }
}

impl SourceTree for GitTree {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        match self.locate(path) {
            Ok((_, entry)) => Ok(Some(self.repository.read_blob(entry.id)?.into())),
            Err(TreeError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&self, path: &str, fresh: bool) -> Result<SourceFile, TreeError> {
        let (path, entry) = self.locate(path)?;
        let executable = entry.kind == EntryKind::Executable;
        let id = entry.id.to_string();
        if let Some(digest) = self.state.blob(&id).filter(|_| !fresh) {
            return Ok(SourceFile { digest, executable });
        }
        let bytes = self.repository.read_blob(entry.id)?;
        if tree::is_lfs_pointer(&bytes) {
            return Err(TreeError::LfsPointer { path });
        }
        let digest = self.store.write(&bytes)?;
        self.state.remember_blob(id, &digest);
        Ok(SourceFile { digest, executable })
    }

    fn packages(&self, folder: &PackagePath) -> Result<Vec<PackagePath>, TreeError> {
        let mut packages = Vec::new();
        self.collect_packages(folder.as_str(), &mut packages)?;
        packages.sort();
        Ok(packages)
    }

    fn standing(&self, _path: &str) -> Result<Standing, TreeError> {
        Ok(Standing::Tracked)
    }
}

impl fmt::Debug for GitTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GitTree").field(&self.tree).finish()
    }
}
