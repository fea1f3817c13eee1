//! Captures a toolchain of this machine as one tree in the store.
//!
//! A compiler is pinned by the digest of its files, never by a name on `PATH`.
//! A capture copies the closure of a program (what belongs to it, not what
//! lies beside it) into a tree with the machine's own absolute paths, which
//! becomes the root file system of a sandbox. Two captures of the same
//! packages are the same tree, whoever captures and whenever.
//!
//! This module never decides which toolchain a build uses, and trusts nothing:
//! a captured tree is bytes like any other.

mod c;
mod closure;
mod dpkg;
mod elf;
mod host;
mod libraries;
mod origin;
mod posix;
mod rustc;
pub(crate) mod shell;

use std::io;
use std::path::PathBuf;

use straylight_odb::{Digest, LocalStore, StoreError};

use crate::merkle::TreeError;
use c::{Listing, Wanted};
use host::Host;

pub use origin::packages;

/// A C compiler, with binutils, the C library, and the kernel's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedC {
    /// The root of the tree.
    pub digest: Digest,
    /// The compiler's version, as in `12.2.0`.
    pub version: String,
    /// The C compiler: an absolute path in the tree, and no link.
    pub cc: String,
    /// The C++ compiler of the same build, when it is installed. A link, if it is
    /// its name that makes it one.
    pub cxx: Option<String>,
    /// The archiver.
    pub ar: String,
    /// How many files the tree has, links and folders not counted.
    pub files: usize,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// A Rust compiler with the gcc that links for it, in one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedRustc {
    /// rustc's version, as in `1.95.0`.
    pub version: String,
    /// The target that it runs on, as in `x86_64-unknown-linux-gnu`.
    pub host: String,
    /// The compiler: an absolute path in the tree.
    pub rustc: String,
    /// The gcc of the same tree, with the tree's digest.
    pub gcc: CapturedC,
}

/// A POSIX shell and its utilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedUserland {
    /// The root of the tree.
    pub digest: Digest,
    /// The version of the core utilities, as in `9.1`.
    pub version: String,
    /// The shell: an absolute path in the tree.
    pub shell: String,
    /// How many files the tree has, links and folders not counted.
    pub files: usize,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// A toolchain that could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The machine does not have a program, or a file that programs are made
    /// with.
    #[error("there is no `{program}` on this machine")]
    NotFound {
        /// Its name.
        program: String,
        /// What installs it: a command, or words.
        cure: String,
    },
    /// The machine has a file that the tree cannot do without and cannot hold:
    /// it lies where a sandbox mounts something else, or only root may read it.
    #[error("`{path}` cannot be part of a captured tree", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A program would not start in the tree.
    #[error("`{program}` needs `{library}`, which is not in the loader's own folders", program = program.display())]
    MissingLibrary {
        /// The program, or a library of one.
        program: PathBuf,
        /// What it asks for.
        library: String,
    },
    /// A program of the machine did not answer a question about itself.
    #[error("`{command}` failed: {stderr}")]
    Failed {
        /// What was run.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// The machine's files could not be read.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried: `read`, `run`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The tree could not be put together or stored.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CaptureError {
    fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source,
        }
    }

    /// Says what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { cure, .. } => Some(cure.clone()),
            Self::Missing { .. } => Some(
                "install the toolchain below `/usr` or `/opt`, readable by all users".to_owned(),
            ),
            Self::MissingLibrary { library, .. } => Some(format!(
                "install the package that holds `{library}`; what only `/etc/ld.so.conf` leads to is not captured"
            )),
            Self::Store(error) | Self::Tree(TreeError::Store(error)) => {
                error.cure().map(str::to_owned)
            }
            _ => None,
        }
    }
}

/// Captures the first gcc on `PATH` that is no wrapper.
///
/// # Errors
/// [`CaptureError::NotFound`] when there is no gcc, no C library to
/// compile against, or no binutils.
pub fn capture_gcc(store: &LocalStore) -> Result<CapturedC, CaptureError> {
    capture_c(Wanted::Gcc, store)
}

/// Captures the first clang on `PATH`, with the start files and the C++ library
/// of the gcc that it uses, and what it needs to link with the system's linker.
/// LLVM's own linker and archiver come along where they lie beside it.
///
/// # Errors
/// As [`capture_gcc`].
pub fn capture_clang(store: &LocalStore) -> Result<CapturedC, CaptureError> {
    capture_c(Wanted::Clang, store)
}

/// Captures a gcc of this machine that makes programs for another one, with
/// that one's C library. `target` is its GNU name: `aarch64-linux-gnu`.
///
/// # Errors
/// As [`capture_gcc`].
pub fn capture_cross_gcc(target: &str, store: &LocalStore) -> Result<CapturedC, CaptureError> {
    capture_c(Wanted::CrossGcc(target), store)
}

fn capture_c(wanted: Wanted<'_>, store: &LocalStore) -> Result<CapturedC, CaptureError> {
    c::capture(&Host::from_environment(), wanted, Listing::Best, store)
}

/// Returns whether [`capture_gcc`] would find a compiler.
///
/// # Errors
/// [`CaptureError`] when the machine cannot be asked.
pub fn has_gcc() -> Result<bool, CaptureError> {
    has(Wanted::Gcc)
}

/// Returns whether [`capture_clang`] would find a compiler.
///
/// # Errors
/// As [`has_gcc`].
pub fn has_clang() -> Result<bool, CaptureError> {
    has(Wanted::Clang)
}

fn has(wanted: Wanted<'_>) -> Result<bool, CaptureError> {
    match c::CCompiler::find(&Host::from_environment(), wanted) {
        Ok(_) => Ok(true),
        Err(CaptureError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Captures the first Rust compiler on `PATH` (rustup's choice for the current
/// folder, if it is rustup's), and the first gcc.
///
/// # Errors
/// [`CaptureError::NotFound`] when either is missing.
pub fn capture_rustc(store: &LocalStore) -> Result<CapturedRustc, CaptureError> {
    rustc::capture(&Host::from_environment(), store)
}

/// Captures the shell and the standard utilities of `/usr/bin` and `/bin`.
///
/// # Errors
/// [`CaptureError::NotFound`] when one of the usual utilities is missing.
pub fn capture_posix(store: &LocalStore) -> Result<CapturedUserland, CaptureError> {
    posix::capture(&Host::with_path(posix::STANDARD), store)
}

#[cfg(test)]
mod tests;
