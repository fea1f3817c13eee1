//! What can go wrong with the user's repository, by what a caller can do.

use std::io;
use std::path::PathBuf;

use super::{ObjectId, ObjectKind};

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
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
