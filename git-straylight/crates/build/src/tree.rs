//! Where the sources of a build come from: the work tree, or a commit.
//!
//! Both answer the same questions, so that nothing above knows which it is.

use std::fmt;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use straylight_odb::repo::RepoError;
use straylight_odb::{Digest, StoreError};

use crate::label::PackagePath;

/// A source file, stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Of the file's bytes, which are in the store.
    pub digest: Digest,
    /// Whether the file can be run.
    pub executable: bool,
}

/// What git has of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Standing {
    /// Nothing: it builds here, and is missing in every clone.
    #[n(0)]
    Untracked,
    /// The file.
    #[n(1)]
    Tracked,
    /// Other bytes: a filter, an encoding or line endings are between the two.
    #[n(2)]
    Converted,
}

/// What a tree says of something without reading it. As long as it says the
/// same, the same would be read.
pub type Signature = Vec<u8>;

/// The sources of a build. Paths are relative to the root, with `/`.
///
/// Signatures are taken before what they stand for is read. None is given for
/// what may still change without a new one, and by trees that have none.
pub trait SourceTree: Send + Sync + fmt::Debug {
    /// Reads a build file; `None` if there is none.
    ///
    /// # Errors
    /// [`TreeError`] when something other than a readable file is there.
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError>;

    /// Puts a source into the store. Bytes that were stored before may be
    /// trusted to be there still, unless `fresh` is set.
    ///
    /// # Errors
    /// [`TreeError`] that says why there is no such file.
    fn store(&self, path: &str, fresh: bool) -> Result<SourceFile, TreeError>;

    /// Returns every package in or below `folder`, sorted.
    ///
    /// # Errors
    /// [`TreeError`] when the tree cannot be listed.
    fn packages(&self, folder: &PackagePath) -> Result<Vec<PackagePath>, TreeError>;

    /// Returns what git has of the file.
    ///
    /// # Errors
    /// [`TreeError::Repository`] when git's index cannot be read.
    fn standing(&self, path: &str) -> Result<Standing, TreeError>;

    /// Returns the signature of the file at `path`, or of its absence.
    fn file_signature(&self, _path: &str) -> Option<Signature> {
        None
    }

    /// Returns the signature of what decides which files are tracked.
    fn tracking_signature(&self) -> Option<Signature> {
        None
    }

    /// Returns the packages in or below `folder` with the signature of all that
    /// was looked at.
    ///
    /// # Errors
    /// [`TreeError`] when the tree cannot be listed.
    fn listing(
        &self,
        folder: &PackagePath,
    ) -> Result<(Vec<PackagePath>, Option<Signature>), TreeError> {
        Ok((self.packages(folder)?, None))
    }

    /// Returns whether a listing with this signature would be the same now.
    fn is_listed_so(&self, _signature: &[u8]) -> bool {
        false
    }
}

/// Why a tree has no such file.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Nothing is there.
    #[error("no file `{path}`{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Missing {
        /// The path.
        path: String,
        /// A file of the same folder with a similar name.
        nearest: Option<String>,
        /// Why it may be expected: it was deleted, or is only in the work tree.
        reason: Option<&'static str>,
    },
    /// Something else is there.
    #[error("`{path}` is {what}, not a file")]
    NotAFile {
        /// The path.
        path: String,
        /// What it is: `a folder`, `a submodule`, `a socket`.
        what: &'static str,
    },
    /// A symbolic link leaves the repository or goes in circles.
    #[error("`{path}` is a symbolic link to `{target}`, {problem}")]
    Link {
        /// The path.
        path: String,
        /// Where it points.
        target: String,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// The file's content is elsewhere.
    #[error("`{path}` is a Git LFS pointer: its bytes are not in the repository")]
    LfsPointer {
        /// The path.
        path: String,
    },
    /// The file is another repository's.
    #[error("`{path}` lies in the submodule `{submodule}`, a repository of its own")]
    Submodule {
        /// The path.
        path: String,
        /// The submodule's path.
        submodule: String,
    },
    /// The path is not one of the repository.
    #[error("`{path}` is not a path of the repository: {reason}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot read `{path}`: {error}")]
    Io {
        /// The path.
        path: String,
        /// The cause.
        error: std::io::Error,
    },
    /// Git refused.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TreeError {
    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { path, reason, .. } => Some(match reason {
                Some(reason) => (*reason).to_owned(),
                None => format!("create `{path}`, or take it out of the list"),
            }),
            Self::NotAFile { what, .. } if *what == "a folder" => {
                Some("list its files one by one; there are no globs".to_owned())
            }
            Self::NotAFile { .. } => Some("take it out of the list".to_owned()),
            Self::Link { .. } => Some("list a file of the repository".to_owned()),
            Self::LfsPointer { .. } => Some(
                "`git lfs pull` brings the file; a build of a commit has it if it is pinned \
                 (`git straylight pin FILE`) or committed itself"
                    .to_owned(),
            ),
            Self::Submodule { submodule, .. } => Some(format!(
                "build it in `{submodule}`; `git straylight pin FILE` takes what is made there"
            )),
            Self::Path { .. } => Some("paths stay below the package that lists them".to_owned()),
            _ => None,
        }
    }
}

/// Returns whether `bytes` are a Git LFS pointer instead of a file's content.
pub(crate) fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < 1024 && bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// How many symbolic links may stand between a listed path and its file.
pub(crate) const MAX_LINKS: usize = 16;

/// Returns where the symbolic link at `path` points, as a path of the tree.
pub(crate) fn resolve_link(path: &str, target: &str) -> Result<String, TreeError> {
    let wrong = |problem| TreeError::Link {
        path: path.to_owned(),
        target: target.to_owned(),
        problem,
    };
    if target.starts_with('/') {
        return Err(wrong("which is an absolute path"));
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Err(wrong("which is outside the repository"));
                }
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Returns the name in `names` that is probably meant by the last part of `path`.
pub(crate) fn nearest_name(path: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    crate::error::nearest(name, names).map(|near| crate::path::join(folder, &near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_in_the_tree() {
        assert_eq!(resolve_link("a/b/c", "../d").unwrap(), "a/d");
        assert_eq!(resolve_link("a", "./b/../c").unwrap(), "c");
        assert!(resolve_link("a/b", "../../c").is_err());
        assert!(resolve_link("a/b", "/etc/passwd").is_err());
    }
}
