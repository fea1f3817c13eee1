//! The object database backend.
//!
//! It has no `write`, no `writestream` and no `writepack`: libgit2 then looks
//! for another backend that can write, finds none, and says so.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use git2::Binding as _;
use libgit2_sys as raw;

use super::{Failure, callback, object_id, raw_id, raw_kind};
use crate::odb::BucketRepository;
use crate::repo::ObjectId;

/// libgit2 sees the first field, and hands its address to every callback.
#[repr(C)]
struct Backend {
    table: raw::git_odb_backend,
    repository: Arc<BucketRepository>,
}

/// Adds a backend that reads `repository`.
pub(super) fn add(
    odb: &git2::Odb<'_>,
    repository: Arc<BucketRepository>,
) -> Result<(), git2::Error> {
    // SAFETY: `git_odb_backend` is integers, pointers and optional function
    // pointers, for all of which zero is a valid value.
    let mut table: raw::git_odb_backend = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole table.
    let code = unsafe { raw::git_odb_init_backend(&raw mut table, raw::GIT_ODB_BACKEND_VERSION) };
    if code < 0 {
        return Err(git2::Error::last_error(code));
    }
    table.read = Some(read);
    table.read_prefix = Some(read_prefix);
    table.read_header = Some(read_header);
    table.exists = Some(exists);
    table.exists_prefix = Some(exists_prefix);
    table.foreach = Some(foreach);
    table.free = Some(free);
    let backend = Box::into_raw(Box::new(Backend { table, repository }));
    // SAFETY: both pointers are valid; on success the database owns the backend
    // and ends it through `free`.
    let code = unsafe { raw::git_odb_add_backend(odb.raw(), backend.cast(), 1) };
    if code < 0 {
        free(backend.cast());
        return Err(git2::Error::last_error(code));
    }
    Ok(())
}

/// # Safety
/// `backend` came from [`add`], and its `free` has not been called.
unsafe fn repository<'a>(backend: *mut raw::git_odb_backend) -> &'a BucketRepository {
    // SAFETY: the caller's promise; `table` is the first field of a `Backend`.
    unsafe { &(*backend.cast::<Backend>()).repository }
}

fn guard(body: impl FnOnce() -> Result<c_int, Failure>) -> c_int {
    callback(raw::GIT_ERROR_ODB, body)
}

/// Hands an object's bytes to libgit2, in memory that it can free.
///
/// # Safety
/// The pointers are those of libgit2's call to `read` or `read_prefix`.
unsafe fn give(
    backend: *mut raw::git_odb_backend,
    id: ObjectId,
    data: *mut *mut c_void,
    size: *mut usize,
    kind: *mut raw::git_object_t,
) -> Result<c_int, Failure> {
    // SAFETY: the backend is alive while it is called.
    let found = unsafe { repository(backend) }.read(id)?;
    let (found, bytes) = found.ok_or_else(|| Failure::not_found(id))?;
    // One byte more, and a zero in it, as libgit2's own backends have it.
    // SAFETY: the backend is valid, and allocations of any size may be asked for.
    let memory = unsafe { raw::git_odb_backend_data_alloc(backend, bytes.len() + 1) };
    if memory.is_null() {
        return Err(Failure::new(raw::GIT_ERROR, "out of memory"));
    }
    // SAFETY: `memory` has `bytes.len() + 1` bytes of its own; the results are
    // where libgit2 wants them.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), memory.cast::<u8>(), bytes.len());
        memory.cast::<u8>().add(bytes.len()).write(0);
        *data = memory;
        *size = bytes.len();
        *kind = raw_kind(found);
    }
    Ok(raw::GIT_OK)
}

extern "C" fn read(
    data: *mut *mut c_void,
    size: *mut usize,
    kind: *mut raw::git_object_t,
    backend: *mut raw::git_odb_backend,
    id: *const raw::git_oid,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    guard(|| unsafe { give(backend, object_id(id), data, size, kind) })
}

extern "C" fn read_prefix(
    full: *mut raw::git_oid,
    data: *mut *mut c_void,
    size: *mut usize,
    kind: *mut raw::git_object_t,
    backend: *mut raw::git_odb_backend,
    prefix: *const raw::git_oid,
    digits: usize,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    guard(|| unsafe {
        let id = unique(repository(backend), object_id(prefix), digits)?;
        *full = raw_id(id);
        give(backend, id, data, size, kind)
    })
}

extern "C" fn read_header(
    size: *mut usize,
    kind: *mut raw::git_object_t,
    backend: *mut raw::git_odb_backend,
    id: *const raw::git_oid,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    guard(|| unsafe {
        let id = object_id(id);
        let found = repository(backend).header(id)?;
        let (found, length) = found.ok_or_else(|| Failure::not_found(id))?;
        *size = usize::try_from(length).map_err(|error| Failure::new(raw::GIT_ERROR, error))?;
        *kind = raw_kind(found);
        Ok(raw::GIT_OK)
    })
}

extern "C" fn exists(backend: *mut raw::git_odb_backend, id: *const raw::git_oid) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    let known = guard(|| Ok(unsafe { repository(backend).contains(object_id(id)) }.into()));
    // Any other number would be taken for "yes".
    known.max(0)
}

extern "C" fn exists_prefix(
    full: *mut raw::git_oid,
    backend: *mut raw::git_odb_backend,
    prefix: *const raw::git_oid,
    digits: usize,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    guard(|| unsafe {
        *full = raw_id(unique(repository(backend), object_id(prefix), digits)?);
        Ok(raw::GIT_OK)
    })
}

extern "C" fn foreach(
    backend: *mut raw::git_odb_backend,
    visit: raw::git_odb_foreach_cb,
    payload: *mut c_void,
) -> c_int {
    guard(|| {
        let Some(visit) = visit else {
            return Ok(raw::GIT_OK);
        };
        // SAFETY: libgit2 passes a backend that is valid during the call.
        for id in unsafe { repository(backend) }.ids() {
            let id = raw_id(id);
            let code = visit(&raw const id, payload);
            if code != 0 {
                return Ok(code);
            }
        }
        Ok(raw::GIT_OK)
    })
}

extern "C" fn free(backend: *mut raw::git_odb_backend) {
    guard(|| {
        // SAFETY: libgit2 calls this once, last, with the box that `add` made.
        drop(unsafe { Box::from_raw(backend.cast::<Backend>()) });
        Ok(raw::GIT_OK)
    });
}

fn unique(
    repository: &BucketRepository,
    prefix: ObjectId,
    digits: usize,
) -> Result<ObjectId, Failure> {
    let short = &prefix.to_string()[..digits.min(40)];
    match repository.starting_with(prefix, digits)[..] {
        [] => Err(Failure::not_found(short)),
        [id] => Ok(id),
        _ => {
            let message = format!("several objects begin with {short}");
            Err(Failure::new(raw::GIT_EAMBIGUOUS, message))
        }
    }
}
