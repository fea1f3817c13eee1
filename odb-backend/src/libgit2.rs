//! libgit2 on a bucket: any program that uses libgit2 reads a repository there,
//! with no git folder on disk.
//!
//! [`open`] gives a `git2::Repository` whose object database and whose refs are
//! backends of ours. Both are read-only: a write is an error, never a file
//! somewhere else. Reflogs are empty, and there is no path, no work tree and no
//! configuration (`git2::Repository::path` panics, as it does for every
//! repository that is not in a folder).
//!
//! All C is in this module and below it. Three rules hold for every callback:
//! a panic is caught and becomes an error code, an error's text reaches the
//! caller through `git_error_set_str`, and no callback calls back into the
//! object database that called it (libgit2 holds its mutex meanwhile). For
//! parallel work open one repository for each thread with [`wrap`]; they share
//! the packs.

#![allow(unsafe_code, reason = "libgit2's backends are tables of C functions")]

mod odb;
mod refdb;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use libgit2_sys as raw;

/// The version of libgit2's bindings that [`open`] speaks.
pub use git2;

use crate::bucket::Bucket;
use crate::odb::{BucketRepository, OdbError};
use crate::pack::PackCache;
use crate::repo::{ObjectId, ObjectKind};

/// What can go wrong while a repository is opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The repository cannot be read.
    #[error(transparent)]
    Odb(#[from] OdbError),
    /// libgit2 refuses the backends.
    #[error("libgit2: {}", .0.message())]
    Libgit2(#[from] git2::Error),
}

/// Opens the repository `name` of a bucket, as it is now.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    bucket: &Bucket,
    name: &str,
    cache: &Arc<PackCache>,
) -> Result<git2::Repository, OpenError> {
    let repository = BucketRepository::open(bucket, name, cache)?;
    Ok(wrap(Arc::new(repository))?)
}

/// Returns a handle of libgit2 on a repository that is already open.
///
/// # Errors
/// When libgit2 refuses the backends.
pub fn wrap(repository: Arc<BucketRepository>) -> Result<git2::Repository, git2::Error> {
    let objects = git2::Odb::new()?;
    odb::add(&objects, Arc::clone(&repository))?;
    let wrapped = git2::Repository::from_odb(objects)?;
    // Without one, libgit2 would read the user's configuration files.
    wrapped.set_config(&git2::Config::new()?)?;
    wrapped.set_refdb(&refdb::new(&wrapped, repository)?)?;
    Ok(wrapped)
}

/// What a callback answers when it does not succeed.
struct Failure {
    code: c_int,
    message: String,
}

impl Failure {
    fn new(code: c_int, message: impl ToString) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }

    fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(raw::GIT_ENOTFOUND, format!("{what} is not in the bucket"))
    }

    fn read_only() -> Self {
        let message = "a repository in a bucket is read-only through libgit2";
        Self::new(raw::GIT_EREADONLY, message)
    }
}

impl From<OdbError> for Failure {
    fn from(error: OdbError) -> Self {
        Self::new(raw::GIT_ERROR, error)
    }
}

/// Runs the body of a callback: no panic crosses into C.
fn callback(class: raw::git_error_t, body: impl FnOnce() -> Result<c_int, Failure>) -> c_int {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(code)) => return code,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new(raw::GIT_ERROR, "a callback of the bucket panicked"),
    };
    let message = CString::new(failure.message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: the string is valid and NUL-terminated; libgit2 copies it.
    unsafe { raw::git_error_set_str(class as c_int, message.as_ptr()) };
    failure.code
}

/// Reads an object id that libgit2 passes.
///
/// # Safety
/// `id` points to a valid `git_oid`.
unsafe fn object_id(id: *const raw::git_oid) -> ObjectId {
    // SAFETY: the caller's promise.
    ObjectId::from_raw(unsafe { (*id).id })
}

fn raw_id(id: ObjectId) -> raw::git_oid {
    raw::git_oid { id: *id.as_raw() }
}

/// Reads a name that libgit2 passes.
///
/// # Safety
/// `name` points to a NUL-terminated string that outlives the result.
unsafe fn name<'a>(name: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().map_err(|_| {
        let message = format!("the name {name:?} is not UTF-8");
        Failure::new(raw::GIT_EINVALIDSPEC, message)
    })
}

const fn raw_kind(kind: ObjectKind) -> raw::git_object_t {
    match kind {
        ObjectKind::Commit => raw::GIT_OBJECT_COMMIT,
        ObjectKind::Tree => raw::GIT_OBJECT_TREE,
        ObjectKind::Blob => raw::GIT_OBJECT_BLOB,
        ObjectKind::Tag => raw::GIT_OBJECT_TAG,
    }
}
