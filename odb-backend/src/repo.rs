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
mod conversion;
mod error;
mod git;
mod history;
mod index;
mod object;
mod oid;
mod pack;
mod pins;
mod quarantine;
mod refs;
mod revision;
mod status;
#[cfg(test)]
mod tests;
mod tree;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gix::ThreadSafeRepository;
use gix::discover::upwards::TrustPolicy;

pub use conversion::FileStat;
pub use error::RepoError;
pub use history::Mention;
pub use index::{IgnoreRules, Index, IndexEntry, IndexStat};
pub use object::{Commit, ObjectKind, Signature};
pub use oid::{ObjectId, ParseObjectIdError};
pub use refs::{Expected, Head, RefUpdate};
pub use tree::{EntryKind, TreeEntry};

use quarantine::Quarantine;

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

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("git_dir", &self.git_dir)
            .finish_non_exhaustive()
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
