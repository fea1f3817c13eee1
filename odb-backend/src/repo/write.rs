//! New objects, written as durable loose files.
//!
//! An object is made in a folder of its own (`objects/tmp_…`, which `git prune`
//! clears away after a crash), synced, and renamed into place, so that no crash
//! leaves a short object under a valid name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use gix::objs::Write as _;

use super::tree::{EntryKind, TreeEntry, is_component, order};
use super::{ObjectId, ObjectKind, RepoError, Repository, describe};

impl Repository {
    /// Writes a blob and returns its id.
    ///
    /// # Errors
    /// [`RepoError::Io`].
    pub fn write_blob(&self, bytes: &[u8]) -> Result<ObjectId, RepoError> {
        self.write_object(ObjectKind::Blob, bytes)
    }

    /// Writes a tree of these entries, in any order, and returns its id.
    ///
    /// # Errors
    /// [`RepoError::Io`]; [`RepoError::Unsupported`] for a name that is no path
    /// component, or that occurs twice.
    pub fn write_tree(&self, entries: &[TreeEntry]) -> Result<ObjectId, RepoError> {
        self.write_object(ObjectKind::Tree, &encode_tree(entries)?)
    }

    /// Writes an object from its exact bytes (without git's header) and returns
    /// its id. Writing an object that exists changes nothing.
    ///
    /// The bytes are not parsed: a malformed commit is written as it is.
    ///
    /// # Errors
    /// [`RepoError::Io`].
    pub fn write_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<ObjectId, RepoError> {
        let objects = self.objects_dir();
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, kind.to_gix(), bytes);
        let id = id.map_err(|error| RepoError::Git {
            command: "hash an object".to_owned(),
            message: describe(&error),
        })?;
        let id = ObjectId::from_gix(&id).expect("hashed with sha1");
        if self.has_object(id) {
            return Ok(id);
        }
        let temporary = tempfile::Builder::new()
            .prefix("tmp_straylight_")
            .tempdir_in(&objects)
            .map_err(RepoError::io("create a folder in", &objects))?;
        let loose = gix::odb::loose::Store::at(temporary.path(), gix::hash::Kind::Sha1);
        let written = loose.write_buf(kind.to_gix(), bytes);
        written.map_err(|error| RepoError::Io {
            action: "write an object in",
            path: objects.clone(),
            source: io::Error::other(describe(&error)),
        })?;
        publish(&loose.object_path(&id.to_gix()), &objects, id)
            .map_err(RepoError::io("write an object in", &objects))?;
        Ok(id)
    }

    /// Returns where new objects go: in a hook, git's quarantine.
    fn objects_dir(&self) -> PathBuf {
        match &self.quarantine {
            Some(quarantine) => quarantine.objects.clone(),
            None => self.common_dir().join("objects"),
        }
    }
}

/// Syncs a finished loose object and gives it its name.
fn publish(written: &Path, objects: &Path, id: ObjectId) -> io::Result<()> {
    File::open(written)?.sync_all()?;
    let hex = id.to_string();
    let folder = objects.join(&hex[..2]);
    match fs::create_dir(&folder) {
        Ok(()) => File::open(objects)?.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    fs::rename(written, folder.join(&hex[2..]))?;
    File::open(&folder)?.sync_all()
}

fn encode_tree(entries: &[TreeEntry]) -> Result<Vec<u8>, RepoError> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by(|a, b| order(a, b));
    let mut names = std::collections::HashSet::new();
    let mut raw = Vec::new();
    for TreeEntry { name, kind, id } in entries {
        if !is_component(name) || !names.insert(name) {
            return Err(RepoError::Unsupported {
                what: format!("a tree entry named `{name}`"),
                cure: "give every entry a name of its own, without slashes",
            });
        }
        raw.extend_from_slice(EntryKind::mode(*kind).as_bytes());
        raw.push(b' ');
        raw.extend_from_slice(name.as_bytes());
        raw.push(0);
        raw.extend_from_slice(id.as_raw());
    }
    Ok(raw)
}
