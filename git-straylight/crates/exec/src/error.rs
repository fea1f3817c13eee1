//! What keeps an executor from running an action as it was promised.

use std::io;
use std::path::PathBuf;

use straylight_odb::{Digest, StoreError, cas};

use crate::merkle::TreeError;

/// A sandbox that did not work. What a command does wrong is an
/// [`crate::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The machine does not let this user make namespaces.
    #[error("cannot make a sandbox: {reason}")]
    NamespacesUnavailable {
        /// What failed.
        reason: String,
        /// How to allow it.
        cure: String,
    },
    /// The store does not have an input. Make it again.
    #[error("the store has no blob {0}")]
    MissingBlob(Digest),
    /// The tree that is to be the root file system cannot be one.
    #[error("toolchain {digest}: {reason}")]
    Toolchain {
        /// The root of the tree.
        digest: Digest,
        /// Why not.
        reason: String,
    },
    /// A request that does not keep the rules of this module.
    #[error("action {action}: {reason}")]
    InvalidRequest {
        /// The identity of the work.
        action: Digest,
        /// What is wrong.
        reason: String,
    },
    /// A tree could not be read.
    #[error(transparent)]
    Tree(TreeError),
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
    /// The sandbox broke. The action can be run again.
    #[error("the sandbox failed to {step}: {source}")]
    Sandbox {
        /// What it was doing.
        step: String,
        /// The cause.
        source: io::Error,
    },
    /// The store could not be used.
    #[error(transparent)]
    Store(StoreError),
}

impl ExecError {
    pub(crate) fn io(
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

    pub(crate) fn sandbox(step: &str) -> impl FnOnce(io::Error) -> Self {
        let step = step.to_owned();
        move |source| Self::Sandbox { step, source }
    }

    /// Returns what to do about the disk, if that is the cause.
    #[must_use]
    pub fn cure(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) | Self::Tree(TreeError::Store(error)) => error.cure(),
            Self::Io { source, .. } | Self::Sandbox { source, .. } => cas::cure(source.kind()),
            _ => None,
        }
    }
}

impl From<TreeError> for ExecError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::MissingBlob(digest) => Self::MissingBlob(digest),
            TreeError::Store(error) => Self::Store(error),
            error => Self::Tree(error),
        }
    }
}

impl From<StoreError> for ExecError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
