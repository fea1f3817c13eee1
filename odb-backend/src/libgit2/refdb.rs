//! The refs backend: what the manifest says, read-only.

use std::ffi::{CString, c_char, c_int};
use std::ptr;
use std::sync::Arc;

use git2::Binding as _;
use libgit2_sys as raw;

use super::{Failure, callback, name, raw_id};
use crate::manifest::HeadTarget;
use crate::odb::BucketRepository;
use crate::repo::ObjectId;

unsafe extern "C" {
    // Public in libgit2 (`sys/refs.h`), and missing in the bindings.
    fn git_reference__alloc(
        name: *const c_char,
        id: *const raw::git_oid,
        peeled: *const raw::git_oid,
    ) -> *mut raw::git_reference;
    fn git_reference__alloc_symbolic(
        name: *const c_char,
        target: *const c_char,
    ) -> *mut raw::git_reference;
}

/// libgit2 sees the first field, and hands its address to every callback.
#[repr(C)]
struct Backend {
    table: raw::git_refdb_backend,
    repository: Arc<BucketRepository>,
}

/// The same, for an iterator over refs.
#[repr(C)]
struct Iterator {
    table: raw::git_reference_iterator,
    refs: Vec<(CString, ObjectId)>,
    next: usize,
}

/// Returns a database of the refs of `repository`.
pub(super) fn new<'a>(
    owner: &'a git2::Repository,
    repository: Arc<BucketRepository>,
) -> Result<git2::Refdb<'a>, git2::Error> {
    let mut refdb = ptr::null_mut();
    // SAFETY: the repository is alive, and the result goes to a valid place.
    let code = unsafe { raw::git_refdb_new(&raw mut refdb, owner.raw()) };
    if code < 0 {
        return Err(git2::Error::last_error(code));
    }
    // SAFETY: a new database with one owner: the result.
    let result = unsafe { git2::Refdb::from_raw(refdb) };
    let backend = Box::into_raw(Box::new(Backend {
        table: table()?,
        repository,
    }));
    // SAFETY: both are valid; on success the database owns the backend and ends
    // it through `free`.
    let code = unsafe { raw::git_refdb_set_backend(refdb, backend.cast()) };
    if code < 0 {
        free(backend.cast());
        return Err(git2::Error::last_error(code));
    }
    Ok(result)
}

fn table() -> Result<raw::git_refdb_backend, git2::Error> {
    // SAFETY: `git_refdb_backend` is an integer and optional function pointers,
    // for which zero is a valid value.
    let mut table: raw::git_refdb_backend = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole table.
    let code =
        unsafe { raw::git_refdb_init_backend(&raw mut table, raw::GIT_REFDB_BACKEND_VERSION) };
    if code < 0 {
        return Err(git2::Error::last_error(code));
    }
    table.exists = Some(exists);
    table.lookup = Some(lookup);
    table.iterator = Some(iterator);
    table.write = Some(write);
    table.rename = Some(rename);
    table.del = Some(del);
    table.has_log = Some(has_log);
    table.ensure_log = Some(refuse_log);
    table.free = Some(free);
    table.reflog_read = Some(reflog_read);
    table.reflog_write = Some(reflog_write);
    table.reflog_rename = Some(reflog_rename);
    table.reflog_delete = Some(refuse_log);
    Ok(table)
}

/// # Safety
/// `backend` came from [`new`], and its `free` has not been called.
unsafe fn repository<'a>(backend: *mut raw::git_refdb_backend) -> &'a BucketRepository {
    // SAFETY: the caller's promise; `table` is the first field of a `Backend`.
    unsafe { &(*backend.cast::<Backend>()).repository }
}

fn guard(body: impl FnOnce() -> Result<c_int, Failure>) -> c_int {
    callback(raw::GIT_ERROR_REFERENCE, body)
}

extern "C" fn exists(
    found: *mut c_int,
    backend: *mut raw::git_refdb_backend,
    wanted: *const c_char,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    guard(|| unsafe {
        let wanted = name(wanted)?;
        let known = wanted == "HEAD" || repository(backend).manifest().refs.contains_key(wanted);
        *found = known.into();
        Ok(raw::GIT_OK)
    })
}

extern "C" fn lookup(
    out: *mut *mut raw::git_reference,
    backend: *mut raw::git_refdb_backend,
    wanted: *const c_char,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    guard(|| unsafe {
        let name = name(wanted)?;
        let manifest = repository(backend).manifest();
        let made = match (&manifest.head, manifest.refs.get(name)) {
            (HeadTarget::Branch(branch), _) if name == "HEAD" => {
                let branch = c_string(branch)?;
                git_reference__alloc_symbolic(wanted, branch.as_ptr())
            }
            (HeadTarget::Detached(id), _) if name == "HEAD" => direct(wanted, *id),
            (_, Some(id)) => direct(wanted, *id),
            (_, None) => return Err(Failure::not_found(format_args!("the ref `{name}`"))),
        };
        give(made, out)
    })
}

/// # Safety
/// `name` is a valid, NUL-terminated string.
unsafe fn direct(name: *const c_char, id: ObjectId) -> *mut raw::git_reference {
    let id = raw_id(id);
    // SAFETY: the caller's promise; libgit2 copies both, and knows no peeled id.
    unsafe { git_reference__alloc(name, &raw const id, ptr::null()) }
}

/// # Safety
/// `out` may be written.
unsafe fn give(
    made: *mut raw::git_reference,
    out: *mut *mut raw::git_reference,
) -> Result<c_int, Failure> {
    if made.is_null() {
        return Err(Failure::new(raw::GIT_ERROR, "out of memory"));
    }
    // SAFETY: the caller's promise.
    unsafe { *out = made };
    Ok(raw::GIT_OK)
}

fn c_string(name: &str) -> Result<CString, Failure> {
    CString::new(name).map_err(|error| Failure::new(raw::GIT_EINVALIDSPEC, error))
}

extern "C" fn iterator(
    out: *mut *mut raw::git_reference_iterator,
    backend: *mut raw::git_refdb_backend,
    glob: *const c_char,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call; the glob
    // may be null.
    guard(|| unsafe {
        let glob = match glob.is_null() {
            true => None,
            false => Some(name(glob)?),
        };
        let matches = |name: &str| glob.is_none_or(|glob| is_match(glob, name));
        let refs = repository(backend).manifest().refs.iter();
        let refs = refs.filter(|(name, _)| matches(name));
        let refs = refs.map(|(name, id)| Ok((c_string(name)?, *id)));
        let iterator = Box::new(Iterator {
            table: raw::git_reference_iterator {
                db: ptr::null_mut(),
                next: Some(next),
                next_name: Some(next_name),
                free: Some(free_iterator),
            },
            refs: refs.collect::<Result<_, Failure>>()?,
            next: 0,
        });
        *out = Box::into_raw(iterator).cast();
        Ok(raw::GIT_OK)
    })
}

/// libgit2's own backend lets `*` match slashes.
fn is_match(glob: &str, name: &str) -> bool {
    let mode = gix::glob::wildmatch::Mode::empty();
    gix::glob::wildmatch(glob.into(), name.into(), mode)
}

/// # Safety
/// `iterator` came from [`iterator`], and its `free` has not been called.
unsafe fn advance<'a>(
    iterator: *mut raw::git_reference_iterator,
) -> Option<&'a (CString, ObjectId)> {
    // SAFETY: the caller's promise; libgit2 uses an iterator from one thread.
    let iterator = unsafe { &mut *iterator.cast::<Iterator>() };
    let found = iterator.refs.get(iterator.next)?;
    iterator.next += 1;
    Some(found)
}

extern "C" fn next(
    out: *mut *mut raw::git_reference,
    iterator: *mut raw::git_reference_iterator,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call.
    guard(|| unsafe {
        match advance(iterator) {
            None => Ok(raw::GIT_ITEROVER),
            Some((name, id)) => give(direct(name.as_ptr(), *id), out),
        }
    })
}

extern "C" fn next_name(
    out: *mut *const c_char,
    iterator: *mut raw::git_reference_iterator,
) -> c_int {
    // SAFETY: libgit2 passes pointers that are valid during the call; the name
    // lives as long as the iterator.
    guard(|| unsafe {
        let Some((name, _)) = advance(iterator) else {
            return Ok(raw::GIT_ITEROVER);
        };
        *out = name.as_ptr();
        Ok(raw::GIT_OK)
    })
}

extern "C" fn free_iterator(iterator: *mut raw::git_reference_iterator) {
    guard(|| {
        // SAFETY: libgit2 calls this once, last, with the box made above.
        drop(unsafe { Box::from_raw(iterator.cast::<Iterator>()) });
        Ok(raw::GIT_OK)
    });
}

extern "C" fn free(backend: *mut raw::git_refdb_backend) {
    guard(|| {
        // SAFETY: libgit2 calls this once, last, with the box that `new` made.
        drop(unsafe { Box::from_raw(backend.cast::<Backend>()) });
        Ok(raw::GIT_OK)
    });
}

extern "C" fn write(
    _: *mut raw::git_refdb_backend,
    _: *const raw::git_reference,
    _: c_int,
    _: *const raw::git_signature,
    _: *const c_char,
    _: *const raw::git_oid,
    _: *const c_char,
) -> c_int {
    guard(|| Err(Failure::read_only()))
}

extern "C" fn rename(
    _: *mut *mut raw::git_reference,
    _: *mut raw::git_refdb_backend,
    _: *const c_char,
    _: *const c_char,
    _: c_int,
    _: *const raw::git_signature,
    _: *const c_char,
) -> c_int {
    guard(|| Err(Failure::read_only()))
}

extern "C" fn del(
    _: *mut raw::git_refdb_backend,
    _: *const c_char,
    _: *const raw::git_oid,
    _: *const c_char,
) -> c_int {
    guard(|| Err(Failure::read_only()))
}

extern "C" fn has_log(_: *mut raw::git_refdb_backend, _: *const c_char) -> c_int {
    0
}

extern "C" fn refuse_log(_: *mut raw::git_refdb_backend, _: *const c_char) -> c_int {
    guard(|| Err(Failure::read_only()))
}

/// libgit2 gives backends no way to make a reflog, not even an empty one.
extern "C" fn reflog_read(
    _: *mut *mut raw::git_reflog,
    _: *mut raw::git_refdb_backend,
    _: *const c_char,
) -> c_int {
    guard(|| Err(Failure::not_found("a reflog")))
}

extern "C" fn reflog_write(_: *mut raw::git_refdb_backend, _: *mut raw::git_reflog) -> c_int {
    guard(|| Err(Failure::read_only()))
}

extern "C" fn reflog_rename(
    _: *mut raw::git_refdb_backend,
    _: *const c_char,
    _: *const c_char,
) -> c_int {
    guard(|| Err(Failure::read_only()))
}
