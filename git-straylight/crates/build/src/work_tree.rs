//! The files of a work tree, as they are on disk.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use straylight_odb::repo::{Index, Repository};
use straylight_odb::{ContentStore as _, Digest, LocalStore};

use crate::label::{BUILD_FILE, PackagePath};
use crate::materialize::OUTPUT_FOLDER;
use crate::path;
use crate::state::{self, Kind, Stamp, State};
use crate::tree::{self, MAX_LINKS, SourceFile, SourceTree, TreeError};

/// The sources of a build are the files of the work tree, committed or not.
pub struct WorkTree {
    root: PathBuf,
    repository: Arc<Repository>,
    index: Index,
    store: Arc<LocalStore>,
    state: Arc<State>,
    /// Folders that were seen to be real: no symbolic link on the way.
    folders: Mutex<HashSet<String>>,
}

impl WorkTree {
    /// Returns the tree of the repository's work tree.
    ///
    /// # Errors
    /// [`TreeError::Repository`] when the repository is bare, or its index
    /// cannot be read.
    pub fn open(
        repository: Arc<Repository>,
        store: Arc<LocalStore>,
        state: Arc<State>,
    ) -> Result<Self, TreeError> {
        Ok(Self {
            root: repository.require_work_tree()?.to_owned(),
            index: repository.index()?,
            repository,
            store,
            state,
            folders: Mutex::default(),
        })
    }

    /// Returns the file that `path` names, after its symbolic links.
    fn locate(&self, path: &str) -> Result<(String, PathBuf, fs::Metadata), TreeError> {
        let mut current = path.to_owned();
        for _ in 0..=MAX_LINKS {
            path::check(&current).map_err(|reason| TreeError::Path {
                path: path.to_owned(),
                reason: reason.to_owned(),
            })?;
            self.check_folder(&current)?;
            let on_disk = self.root.join(&current);
            let metadata = match fs::symlink_metadata(&on_disk) {
                Ok(metadata) => metadata,
                Err(error) => return Err(self.unreadable(&current, error)),
            };
            if !metadata.is_symlink() {
                return Ok((current, on_disk, metadata));
            }
            let target =
                fs::read_link(&on_disk).map_err(|error| self.unreadable(&current, error))?;
            current = tree::resolve_link(&current, &target.to_string_lossy())?;
        }
        Err(TreeError::Link {
            path: path.to_owned(),
            target: current,
            problem: "which goes in circles",
        })
    }

    /// Git never looks through a symbolic link to a folder; neither do we, or
    /// a commit would build differently from the work tree it was made of.
    fn check_folder(&self, path: &str) -> Result<(), TreeError> {
        let Some((folder, _)) = path.rsplit_once('/') else {
            return Ok(());
        };
        if self.folders().contains(folder) {
            return Ok(());
        }
        self.check_folder(folder)?;
        let metadata = fs::symlink_metadata(self.root.join(folder))
            .map_err(|error| self.unreadable(path, error))?;
        if metadata.is_symlink() {
            let target = fs::read_link(self.root.join(folder)).unwrap_or_default();
            return Err(TreeError::Link {
                path: folder.to_owned(),
                target: target.to_string_lossy().into_owned(),
                problem: "and sources are not looked for behind links to folders",
            });
        }
        self.folders().insert(folder.to_owned());
        Ok(())
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, path: &str, error: io::Error) -> TreeError {
        if !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ) {
            return TreeError::Io {
                path: path.to_owned(),
                error,
            };
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let names = fs::read_dir(self.root.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        TreeError::Missing {
            path: path.to_owned(),
            nearest: tree::nearest_name(path, names),
            reason: self
                .index
                .get(path)
                .map(|_| "git has the file: bring it back with `git restore`"),
        }
    }

    fn hash(&self, path: &str, on_disk: &Path, size: u64) -> Result<Digest, TreeError> {
        const SMALL: u64 = 1 << 16;
        if size > SMALL {
            return Ok(self.store.write_file(on_disk)?);
        }
        let bytes = fs::read(on_disk).map_err(|error| self.unreadable(path, error))?;
        if tree::is_lfs_pointer(&bytes) {
            return Err(TreeError::LfsPointer {
                path: path.to_owned(),
            });
        }
        Ok(self.store.write(&bytes)?)
    }

    fn collect_packages(
        &self,
        folder: &str,
        packages: &mut Vec<PackagePath>,
    ) -> Result<(), TreeError> {
        let on_disk = self.root.join(folder);
        let failed = |error| TreeError::Io {
            path: folder.to_owned(),
            error,
        };
        let mut below = Vec::new();
        for entry in fs::read_dir(&on_disk).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type().map_err(failed)?;
            if name == BUILD_FILE && !kind.is_dir() {
                packages.extend(PackagePath::new(folder));
            } else if kind.is_dir() && self.is_searched(folder, &name) {
                below.push(path::join(folder, &name));
            }
        }
        below
            .iter()
            .try_for_each(|folder| self.collect_packages(folder, packages))
    }

    /// Other repositories, our own outputs and ignored folders hold no packages.
    fn is_searched(&self, folder: &str, name: &str) -> bool {
        let path = path::join(folder, name);
        name != ".git"
            && path != OUTPUT_FOLDER
            && !self.root.join(&path).join(".git").exists()
            && !self
                .repository
                .is_ignored(&format!("{path}/"))
                .unwrap_or(false)
    }
}

impl SourceTree for WorkTree {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let (path, on_disk, metadata) = match self.locate(path) {
            Ok(found) => found,
            Err(TreeError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(what) = not_a_file(&metadata) {
            return Err(TreeError::NotAFile { path, what });
        }
        let bytes = fs::read(on_disk).map_err(|error| self.unreadable(&path, error))?;
        Ok(Some(bytes.into()))
    }

    fn store(&self, path: &str, fresh: bool) -> Result<SourceFile, TreeError> {
        let (path, on_disk, metadata) = self.locate(path)?;
        if let Some(what) = not_a_file(&metadata) {
            return Err(TreeError::NotAFile { path, what });
        }
        let stamp = Stamp::of(&metadata);
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let known = self.state.digest(Kind::Source, &path, &stamp);
        if let Some(digest) = known.filter(|_| !fresh) {
            return Ok(SourceFile { digest, executable });
        }
        let read_at = state::now();
        let digest = self.hash(&path, &on_disk, metadata.len())?;
        // Unless it changed while it was read, its stamp speaks for its bytes.
        if fs::symlink_metadata(&on_disk).is_ok_and(|after| Stamp::of(&after) == stamp) {
            self.state
                .remember(Kind::Source, &path, stamp, &digest, read_at);
        }
        Ok(SourceFile { digest, executable })
    }

    fn packages(&self, folder: &PackagePath) -> Result<Vec<PackagePath>, TreeError> {
        let mut packages = Vec::new();
        if self.root.join(folder.as_str()).is_dir() {
            self.collect_packages(folder.as_str(), &mut packages)?;
        }
        packages.sort();
        Ok(packages)
    }

    fn is_tracked(&self, path: &str) -> bool {
        self.index.get(path).is_some()
    }
}

impl fmt::Debug for WorkTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorkTree").field(&self.root).finish()
    }
}

fn not_a_file(metadata: &fs::Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else {
        Some("a device")
    }
}
