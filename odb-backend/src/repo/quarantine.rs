//! The objects of a push that no ref names yet.
//!
//! Before git runs a `pre-receive` hook it puts what was pushed into an object
//! folder of its own, and tells the hook by `GIT_OBJECT_DIRECTORY` and
//! `GIT_ALTERNATE_OBJECT_DIRECTORIES`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use super::RepoError;

/// Where git told a hook to read and write objects, beside the repository's own.
pub(super) struct Quarantine {
    pub(super) objects: PathBuf,
    pub(super) stores: Vec<Arc<gix::odb::Store>>,
}

impl Quarantine {
    /// Opens the object folders that git's environment names, if it names any.
    pub(super) fn open(
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
pub(super) fn split_alternates(list: &OsStr) -> Vec<PathBuf> {
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
