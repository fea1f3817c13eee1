//! The user's own repository: objects, trees, index, ignore rules, refs.
//!
//! Objects, trees and the index are read in process. What depends on git's own
//! bookkeeping goes through stock `git`, so that its locks, hooks, reflogs,
//! filters and grafts hold: ref transactions, history walks, and whether the
//! work tree has changed.
//!
//! Three promises that callers build on:
//!
//! - Replace refs (`git replace`) are never followed, and the bytes of every
//!   object that is read are checked against its id: an id names its content.
//! - A tree is refused when an entry could not be a path of a work tree (`..`,
//!   `.git`, a slash, bytes that are not UTF-8), so that paths from
//!   [`Repository::walk_tree`] can be joined to a folder.
//! - Inside a hook, the objects that the push brought (git's quarantine) are
//!   read, and written, like all others.
//!
//! This module must never know what a build, a target or an attestation is.
//! Repositories whose objects are SHA-256 or whose refs are reftables are
//! refused; every object passes through `Repository::find` and every ref
//! through `refs.rs`, which is where `git cat-file --batch` would take over.

mod config;
mod git;
mod index;
mod object;
mod oid;
mod pack;
mod refs;
mod revision;
mod status;
#[cfg(test)]
mod tests;
mod tree;
mod write;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gix::ThreadSafeRepository;
use gix::discover::upwards::TrustPolicy;

pub use index::{Index, IndexEntry, IndexStat};
pub use object::{Commit, ObjectKind, Signature};
pub use oid::{ObjectId, ParseObjectIdError};
pub use refs::{Expected, Head, RefUpdate};
pub use tree::{EntryKind, TreeEntry};

/// A git repository on disk, with or without a work tree.
///
/// All methods may be called from several threads.
pub struct Repository {
    inner: ThreadSafeRepository,
    /// Thread-local handles that are not in use, with their caches.
    idle: Mutex<Vec<gix::Repository>>,
    git_dir: PathBuf,
    common_dir: PathBuf,
    work_tree: Option<PathBuf>,
    quarantine: Option<Quarantine>,
}

/// Where git told a hook to read and write objects, beside the repository's own.
struct Quarantine {
    objects: PathBuf,
    stores: Vec<Arc<gix::odb::Store>>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("git_dir", &self.git_dir)
            .finish_non_exhaustive()
    }
}

/// What can go wrong with the user's repository.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// There is no repository here.
    #[error("`{path}` is not in a git repository: run `git init` there, or change to one", path = path.display())]
    NotFound {
        /// Where the search began.
        path: PathBuf,
    },
    /// The repository belongs to somebody else.
    #[error("`{path}` belongs to another user; to trust it, run `git config --global --add safe.directory '{path}'`", path = path.display())]
    Untrusted {
        /// The repository.
        path: PathBuf,
    },
    /// The repository is bare, and the operation needs files.
    #[error("`{git_dir}` has no work tree: run this in a clone", git_dir = git_dir.display())]
    NoWorkTree {
        /// The bare repository.
        git_dir: PathBuf,
    },
    /// The repository uses something that this program cannot read yet.
    #[error("{what} is not supported yet: {cure}")]
    Unsupported {
        /// The feature.
        what: String,
        /// What to do instead.
        cure: &'static str,
    },
    /// The repository could not be opened.
    #[error("cannot open the repository `{path}`: {reason}", path = path.display())]
    Open {
        /// The repository.
        path: PathBuf,
        /// What git or the operating system says.
        reason: String,
    },
    /// A ref cannot be read, or its name is no name of a ref.
    #[error("cannot use the ref `{name}`: {reason}")]
    Ref {
        /// The full name of the ref, or the prefix of several.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The text names no commit, tree, blob or tag.
    #[error("unknown revision `{rev}`: {reason}")]
    UnknownRevision {
        /// The text.
        rev: String,
        /// Why it names nothing.
        reason: String,
    },
    /// An object that should exist does not.
    #[error("object {id} is missing: try `git fsck`, or fetch it")]
    MissingObject {
        /// Its id.
        id: ObjectId,
    },
    /// An object exists, and is of another kind than the operation needs.
    #[error("object {id} is a {found}, not a {wanted}")]
    WrongKind {
        /// Its id.
        id: ObjectId,
        /// What it should be.
        wanted: ObjectKind,
        /// What it is.
        found: ObjectKind,
    },
    /// An object's bytes are damaged, malformed or dangerous.
    #[error("object {id} is corrupt: {reason}")]
    Corrupt {
        /// Its id.
        id: ObjectId,
        /// What is wrong with it.
        reason: String,
    },
    /// A path in a tree or in the index is not UTF-8.
    #[error("the path `{path}` in {place} is not UTF-8: rename it")]
    NonUtf8Path {
        /// The path, as well as it can be shown.
        path: String,
        /// The tree or index that has it.
        place: String,
    },
    /// A ref is not, or no longer, what the caller expected, or somebody else
    /// is moving it: read it again.
    #[error("`{name}` was moved by somebody else")]
    RefMoved {
        /// The full name of the ref.
        name: String,
    },
    /// A value in git's configuration cannot be used.
    #[error("git configuration `{key}`: {reason}")]
    Config {
        /// The key.
        key: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The `git` program could not be started.
    #[error("cannot run `git`: {source}; install git, and check `PATH`")]
    NoGit {
        /// The cause.
        source: io::Error,
    },
    /// The `git` program failed.
    #[error("`{command}` failed: {message}")]
    Git {
        /// What was run.
        command: String,
        /// What it wrote to its standard error.
        message: String,
    },
    /// An operation on a file failed.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl RepoError {
    fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

impl Repository {
    /// Opens the repository that `path` is in. `GIT_DIR` is not consulted; for
    /// that, see [`Repository::from_environment`].
    ///
    /// # Errors
    /// [`RepoError::NotFound`], [`RepoError::Untrusted`],
    /// [`RepoError::Unsupported`] or [`RepoError::Open`].
    pub fn discover(path: &Path) -> Result<Self, RepoError> {
        let options = gix::discover::upwards::Options {
            trust: TrustPolicy::Assume(gix::sec::Trust::Full),
            ..gix::discover::upwards::Options::default().apply_environment()
        };
        let (found, _) =
            gix::discover::upwards_opts(path, options).map_err(|_| RepoError::NotFound {
                path: path.to_owned(),
            })?;
        let (git_dir, work_tree) = found.into_repository_and_work_tree_directories();
        refuse_unsupported(&git_dir)?;
        let inner = ThreadSafeRepository::discover_opts(
            path,
            gix::discover::upwards::Options::default().apply_environment(),
            trust_map(),
        )
        .map_err(open_error(&git_dir))?;
        if inner.to_thread_local().git_dir_trust() != gix::sec::Trust::Full {
            let path = work_tree.unwrap_or(git_dir);
            return Err(RepoError::Untrusted { path });
        }
        Self::new(inner, None)
    }

    /// Opens the repository that git's environment variables name (`GIT_DIR`,
    /// `GIT_WORK_TREE`, and in hooks `GIT_OBJECT_DIRECTORY` and
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`), or else the one that the current
    /// folder is in.
    ///
    /// # Errors
    /// Like [`Repository::discover`].
    pub fn from_environment() -> Result<Self, RepoError> {
        let Some(git_dir) = std::env::var_os("GIT_DIR") else {
            let current = std::env::current_dir().map_err(RepoError::io("find", "."))?;
            return Self::discover(&current);
        };
        let git_dir = PathBuf::from(git_dir);
        refuse_unsupported(&git_dir)?;
        let inner = ThreadSafeRepository::open_with_environment_overrides(&git_dir, trust_map())
            .map_err(open_error(&git_dir))?;
        let quarantine = Quarantine::open(
            std::env::var_os("GIT_OBJECT_DIRECTORY"),
            std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES"),
        )?;
        Self::new(inner, quarantine)
    }

    /// Opens the repository whose git folder is `git_dir`: a bare repository,
    /// or a `.git`.
    ///
    /// Naming a git folder means trusting it, as it does for `git --git-dir`.
    ///
    /// # Errors
    /// Like [`Repository::discover`].
    pub fn open_git_dir(git_dir: &Path) -> Result<Self, RepoError> {
        refuse_unsupported(git_dir)?;
        let inner = open_options(gix::sec::Trust::Full)
            .open_path_as_is(true)
            .open(git_dir)
            .map_err(open_error(git_dir))?;
        Self::new(inner, None)
    }

    fn new(inner: ThreadSafeRepository, quarantine: Option<Quarantine>) -> Result<Self, RepoError> {
        let local = inner.to_thread_local();
        let absolute = |path: &Path| path.canonicalize().map_err(RepoError::io("find", path));
        Ok(Self {
            git_dir: absolute(local.git_dir())?,
            common_dir: absolute(local.common_dir())?,
            work_tree: local.workdir().map(absolute).transpose()?,
            inner,
            idle: Mutex::new(vec![local]),
            quarantine,
        })
    }

    /// Returns the folder with the user's files; `None` in a bare repository.
    #[must_use]
    pub fn work_tree(&self) -> Option<&Path> {
        self.work_tree.as_deref()
    }

    /// Returns the folder with the user's files.
    ///
    /// # Errors
    /// [`RepoError::NoWorkTree`] in a bare repository.
    pub fn require_work_tree(&self) -> Result<&Path, RepoError> {
        self.work_tree().ok_or_else(|| RepoError::NoWorkTree {
            git_dir: self.git_dir.clone(),
        })
    }

    /// Returns the git folder of this work tree (`.git`, or
    /// `.git/worktrees/<name>` in a linked one).
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Returns the git folder that all work trees of the repository share.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Lends a thread-local handle; its caches live on in the next loan.
    fn with<R>(&self, operation: impl FnOnce(&gix::Repository) -> R) -> R {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = idle().pop();
        let repository = lent.unwrap_or_else(|| self.inner.to_thread_local());
        let result = operation(&repository);
        idle().push(repository);
        result
    }
}

impl Quarantine {
    /// Opens the object folders that git's environment names, if it names any.
    fn open(
        objects: Option<OsString>,
        alternates: Option<OsString>,
    ) -> Result<Option<Self>, RepoError> {
        let Some(objects) = objects.map(PathBuf::from) else {
            return Ok(None);
        };
        let objects = objects
            .canonicalize()
            .map_err(RepoError::io("find", objects))?;
        let mut folders = vec![objects.clone()];
        folders.extend(alternates.iter().flat_map(|list| split_alternates(list)));
        let stores = folders
            .into_iter()
            .filter(|folder| folder.is_dir())
            .map(|folder| {
                gix::odb::Store::at_opts(
                    folder.clone(),
                    gix::hash::Kind::Sha1,
                    &mut std::iter::empty(),
                    gix::odb::store::init::Options::default(),
                )
                .map(Arc::new)
                .map_err(RepoError::io("open", folder))
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(Self { objects, stores }))
    }
}

/// Splits `GIT_ALTERNATE_OBJECT_DIRECTORIES`: separated by colons; an element
/// that begins with a double quote is a C string.
fn split_alternates(list: &OsStr) -> Vec<PathBuf> {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut rest = list.as_bytes();
    let mut folders = Vec::new();
    while !rest.is_empty() {
        let (folder, used) = match gix::quote::ansi_c::undo(rest.into()) {
            Ok((unquoted, used)) if rest[0] == b'"' => (unquoted.to_vec(), used),
            _ => {
                let end = rest.iter().position(|byte| *byte == b':');
                let end = end.unwrap_or(rest.len());
                (rest[..end].to_vec(), end)
            }
        };
        if !folder.is_empty() {
            folders.push(PathBuf::from(OsString::from_vec(folder)));
        }
        rest = rest[used..].strip_prefix(b":").unwrap_or(&rest[used..]);
    }
    folders
}

fn open_options(trust: gix::sec::Trust) -> gix::open::Options {
    gix::open::Options::default()
        .with(trust)
        // An id names its content: nothing may stand in for it.
        .config_overrides(["core.useReplaceRefs=false"])
}

fn trust_map() -> gix::sec::trust::Mapping<gix::open::Options> {
    gix::sec::trust::Mapping {
        full: open_options(gix::sec::Trust::Full),
        reduced: open_options(gix::sec::Trust::Reduced),
    }
}

fn open_error(path: &Path) -> impl FnOnce(gix::Error) -> RepoError {
    move |error| RepoError::Open {
        path: path.to_owned(),
        reason: describe(&error),
    }
}

/// Refuses what would be read wrongly or not at all, before anything is read.
fn refuse_unsupported(git_dir: &Path) -> Result<(), RepoError> {
    if !git_dir.is_dir() {
        return Err(RepoError::NotFound {
            path: git_dir.to_owned(),
        });
    }
    let common_dir = match std::fs::read_to_string(git_dir.join("commondir")) {
        Ok(relative) => git_dir.join(relative.trim_end()),
        Err(_) => git_dir.to_owned(),
    };
    let path = common_dir.join("config");
    if !path.exists() {
        return Ok(());
    }
    let config = gix::config::File::from_path_no_includes(path, gix::config::Source::Local)
        .map_err(open_error(git_dir))?;
    let is = |key: &str, wanted: &str| {
        config
            .string(key)
            .is_some_and(|value| value.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if is("extensions.objectFormat", "sha256") {
        return Err(RepoError::Unsupported {
            what: format!("`{}`: a repository of SHA-256 objects", git_dir.display()),
            cure: "use one made with `git init --object-format=sha1`",
        });
    }
    if is("extensions.refStorage", "reftable") {
        return Err(RepoError::Unsupported {
            what: format!("`{}`: a repository with reftable refs", git_dir.display()),
            cure: "run `git refs migrate --ref-format=files`",
        });
    }
    Ok(())
}

/// Returns an error and its causes on one line.
pub(crate) fn describe(error: &gix::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
