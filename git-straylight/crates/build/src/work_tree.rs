//! The files of a work tree, as they are on disk.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use minicbor::{Decode, Encode};
use rustix::fs::FileType;

use straylight_odb::repo::{IgnoreRules, Index, Repository};
use straylight_odb::{ContentStore as _, Digest, LocalStore};

use crate::folder::Folder;
use crate::label::{BUILD_FILE, PackagePath};
use crate::materialize::OUTPUT_FOLDER;
use crate::path;
use crate::state::{self, Kind, Stamp, State};
use crate::tree::{self, MAX_LINKS, Signature, SourceFile, SourceTree, Standing, TreeError};

/// The sources of a build are the files of the work tree, committed or not.
pub struct WorkTree {
    root: Folder,
    repository: Arc<Repository>,
    /// Read when somebody asks for it.
    index: OnceLock<Index>,
    /// Whether git may store any file otherwise than it is here.
    converts: OnceLock<bool>,
    store: Arc<LocalStore>,
    state: Arc<State>,
    /// Folders that were seen to be real: no symbolic link on the way.
    folders: Mutex<HashSet<String>>,
}

impl WorkTree {
    /// Returns the tree of the repository's work tree.
    ///
    /// # Errors
    /// [`TreeError::Repository`] when the repository is bare.
    pub fn open(
        repository: Arc<Repository>,
        store: Arc<LocalStore>,
        state: Arc<State>,
    ) -> Result<Self, TreeError> {
        Ok(Self {
            root: Folder::new(repository.require_work_tree()?.to_owned()),
            index: OnceLock::new(),
            converts: OnceLock::new(),
            repository,
            store,
            state,
            folders: Mutex::default(),
        })
    }

    /// Returns the file that `path` names, after its symbolic links.
    fn locate(&self, path: &str) -> Result<(String, Stamp), TreeError> {
        let mut current = path.to_owned();
        for _ in 0..=MAX_LINKS {
            path::check(&current).map_err(|reason| TreeError::Path {
                path: path.to_owned(),
                reason: reason.to_owned(),
            })?;
            self.check_folder(&current)?;
            let stamp = match self.root.stamp(&current) {
                Ok(stamp) => stamp,
                Err(error) => return Err(self.unreadable(&current, error)),
            };
            if !stamp.kind().is_symlink() {
                return Ok((current, stamp));
            }
            let target = fs::read_link(self.root.join(&current))
                .map_err(|error| self.unreadable(&current, error))?;
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
        let stamp = (self.root.stamp(folder)).map_err(|error| self.unreadable(path, error))?;
        if stamp.kind().is_symlink() {
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

    fn index(&self) -> Result<&Index, TreeError> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let index = self.repository.index()?;
        Ok(self.index.get_or_init(|| index))
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
                .index()
                .is_ok_and(|index| index.get(path).is_some())
                .then_some("git has the file: bring it back with `git restore`"),
        }
    }

    fn hash(&self, path: &str, size: u64) -> Result<Digest, TreeError> {
        const SMALL: u64 = 1 << 16;
        let on_disk = self.root.join(path);
        if size > SMALL {
            return Ok(self.store.write_file(&on_disk)?);
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
        listing: &mut Listing,
        rules: &mut IgnoreRules<'_>,
    ) -> Result<(), TreeError> {
        let on_disk = self.root.join(folder);
        let failed = |error| TreeError::Io {
            path: folder.to_owned(),
            error,
        };
        listing.note(&self.root, Path::new(folder), true);
        let mut below = Vec::new();
        for entry in fs::read_dir(&on_disk).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type().map_err(failed)?;
            if name == ".gitignore" {
                // Its absence is a matter of the folder.
                listing.look_at(&self.root, Path::new(&path::join(folder, &name)));
            } else if name == BUILD_FILE && !kind.is_dir() {
                listing.packages.extend(PackagePath::new(folder));
            } else if kind.is_dir() && self.is_searched(folder, &name, rules) {
                below.push(path::join(folder, &name));
            }
        }
        below
            .iter()
            .try_for_each(|folder| self.collect_packages(folder, listing, rules))
    }

    /// Other repositories, our own outputs and ignored folders hold no packages.
    fn is_searched(&self, folder: &str, name: &str, rules: &mut IgnoreRules<'_>) -> bool {
        let path = path::join(folder, name);
        name != ".git"
            && path != OUTPUT_FOLDER
            && !self.root.join(&path).join(".git").exists()
            && !rules.is_ignored(&format!("{path}/")).unwrap_or(false)
    }
}

impl SourceTree for WorkTree {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        let (path, stamp) = match self.locate(path) {
            Ok(found) => found,
            Err(TreeError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if let Some(what) = not_a_file(&stamp) {
            return Err(TreeError::NotAFile { path, what });
        }
        let bytes =
            fs::read(self.root.join(&path)).map_err(|error| self.unreadable(&path, error))?;
        Ok(Some(bytes.into()))
    }

    fn store(&self, path: &str, fresh: bool) -> Result<SourceFile, TreeError> {
        let (path, stamp) = self.locate(path)?;
        if let Some(what) = not_a_file(&stamp) {
            return Err(TreeError::NotAFile { path, what });
        }
        let executable = stamp.is_executable();
        let known = self.state.digest(Kind::Source, &path, &stamp);
        if let Some(digest) = known.filter(|_| !fresh) {
            return Ok(SourceFile { digest, executable });
        }
        let read_at = state::now();
        let digest = self.hash(&path, stamp.size())?;
        // Unless it changed while it was read, its stamp speaks for its bytes.
        if self.root.stamp(&path).is_ok_and(|after| after == stamp) {
            self.state
                .remember(Kind::Source, &path, stamp, &digest, read_at);
        }
        Ok(SourceFile { digest, executable })
    }

    fn packages(&self, folder: &PackagePath) -> Result<Vec<PackagePath>, TreeError> {
        Ok(self.listing(folder)?.0)
    }

    fn standing(&self, path: &str) -> Result<Standing, TreeError> {
        let index = self.index()?;
        if index.get(path).is_none() {
            return match index.submodule(path) {
                Some(submodule) => Err(TreeError::Submodule {
                    path: path.to_owned(),
                    submodule: submodule.to_owned(),
                }),
                None => Ok(Standing::Untracked),
            };
        }
        let may_convert = || self.repository.may_convert(index);
        if !*self.converts.get_or_init(may_convert) {
            return Ok(Standing::Tracked);
        }
        let (path, stamp) = self.locate(path)?;
        let open = || fs::File::open(self.root.join(&path));
        match index.is_converted(&path, &stamp.to_stat(), open) {
            Ok(true) => Ok(Standing::Converted),
            Ok(false) => Ok(Standing::Tracked),
            Err(error) => Err(self.unreadable(&path, error)),
        }
    }

    fn file_signature(&self, path: &str) -> Option<Signature> {
        let now = state::now();
        match self.locate(path) {
            Ok((path, stamp)) => {
                let mut signature = stamp.to_bytes();
                signature.extend(path.bytes());
                stamp.is_settled(now).then_some(signature)
            }
            Err(TreeError::Missing { .. }) => Some(Vec::new()),
            Err(_) => None,
        }
    }

    fn tracking_signature(&self) -> Option<Signature> {
        stamp_of(&self.root, &self.repository.git_dir().join("index"))
    }

    fn listing(
        &self,
        folder: &PackagePath,
    ) -> Result<(Vec<PackagePath>, Option<Signature>), TreeError> {
        let mut listing = Listing::default();
        for file in ["config", "info/exclude"] {
            listing.look_at(&self.root, &self.repository.common_dir().join(file));
        }
        if self.root.join(folder.as_str()).is_dir() {
            let folder = folder.as_str();
            let collect =
                |rules: &mut IgnoreRules<'_>| self.collect_packages(folder, &mut listing, rules);
            self.repository
                .with_ignore_rules(self.index()?, collect)??;
        } else {
            listing.look_at(&self.root, Path::new(folder.as_str()));
        }
        listing.packages.sort();
        let signature = listing.signature();
        Ok((listing.packages, signature))
    }

    fn is_listed_so(&self, signature: &[u8]) -> bool {
        let Ok(seen) = minicbor::decode::<Vec<Seen>>(signature) else {
            return false;
        };
        seen.iter().all(|seen| {
            let path = Path::new(OsStr::from_bytes(&seen.path));
            let same = stamp_of(&self.root, path).as_deref() == Some(&seen.stamp[..]);
            // A folder with the same stamp is the folder that was listed.
            if let Some(folder) = path.to_str().filter(|_| same && seen.is_folder) {
                self.folders().insert(folder.to_owned());
            }
            same
        })
    }
}

/// Something that a listing looked at: a folder of the tree, or a file of rules,
/// in the tree or elsewhere. An empty stamp is the absence of it.
#[derive(Encode, Decode)]
struct Seen {
    #[cbor(n(0), with = "minicbor::bytes")]
    path: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    stamp: Vec<u8>,
    #[n(2)]
    is_folder: bool,
}

/// Packages, and what was looked at to find them.
#[derive(Default)]
struct Listing {
    packages: Vec<PackagePath>,
    seen: Vec<Seen>,
    /// Something may change without a new stamp.
    unsettled: bool,
}

impl Listing {
    /// Notes a file of rules, or its absence.
    fn look_at(&mut self, root: &Folder, path: &Path) {
        self.note(root, path, false);
    }

    fn note(&mut self, root: &Folder, path: &Path, is_folder: bool) {
        match stamp_of(root, path) {
            Some(stamp) => self.seen.push(Seen {
                path: path.as_os_str().as_bytes().to_vec(),
                stamp,
                is_folder,
            }),
            None => self.unsettled = true,
        }
    }

    fn signature(&self) -> Option<Signature> {
        let encode = || minicbor::to_vec(&self.seen).expect("a vector accepts all bytes");
        (!self.unsettled).then(encode)
    }
}

/// Returns the stamp of what is at `path`, empty if nothing is there; `None` if
/// it may change without a new one.
fn stamp_of(root: &Folder, path: &Path) -> Option<Vec<u8>> {
    let now = state::now();
    match root.stamp(path) {
        Ok(stamp) => stamp.is_settled(now).then(|| stamp.to_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Vec::new()),
        Err(_) => None,
    }
}

impl fmt::Debug for WorkTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorkTree").field(&self.root.path()).finish()
    }
}

fn not_a_file(stamp: &Stamp) -> Option<&'static str> {
    let kind = stamp.kind();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind == FileType::Socket {
        Some("a socket")
    } else if kind == FileType::Fifo {
        Some("a pipe")
    } else {
        Some("a device")
    }
}
