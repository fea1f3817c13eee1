//! Objects by id.

use std::fmt;

use gix::objs::{CommitRef, TagRef};

use super::{ObjectId, RepoError, Repository, describe};

/// The four kinds of git objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// Bytes.
    Blob,
    /// A folder.
    Tree,
    /// A tree with its history.
    Commit,
    /// A named, possibly signed, pointer to an object.
    Tag,
}

impl ObjectKind {
    /// Returns git's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }

    pub(crate) const fn to_gix(self) -> gix::objs::Kind {
        match self {
            Self::Blob => gix::objs::Kind::Blob,
            Self::Tree => gix::objs::Kind::Tree,
            Self::Commit => gix::objs::Kind::Commit,
            Self::Tag => gix::objs::Kind::Tag,
        }
    }

    pub(crate) const fn from_gix(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who did something to a commit, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name; bytes that are not UTF-8 are shown as replacement characters.
    pub name: String,
    /// The mail address, like `name`.
    pub email: String,
    /// Seconds since 1970.
    pub seconds: i64,
    /// The time zone, in seconds east of UTC.
    pub offset: i32,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: ObjectId,
    /// The tree it records.
    pub tree: ObjectId,
    /// Its parents, in order; none for a root commit.
    pub parents: Vec<ObjectId>,
    /// Who wrote the change.
    pub author: Signature,
    /// Who made the commit.
    pub committer: Signature,
    /// The message; bytes that are not UTF-8 are shown as replacement characters.
    pub message: String,
    /// The exact bytes of the commit object, signature included.
    pub raw: Vec<u8>,
}

impl Commit {
    /// Parses the bytes of a commit object.
    pub(crate) fn parse(id: ObjectId, raw: Vec<u8>) -> Result<Self, RepoError> {
        let corrupt = |error: gix::Error| RepoError::Corrupt {
            id,
            reason: describe(&error),
        };
        let sha1 = |id: gix::ObjectId| ObjectId::from_gix(&id).expect("parsed as sha1");
        let commit = CommitRef::from_bytes(&raw, gix::hash::Kind::Sha1).map_err(corrupt)?;
        let parsed = Self {
            id,
            tree: sha1(commit.tree()),
            parents: commit.parents().map(sha1).collect(),
            author: signature(commit.author().map_err(corrupt)?),
            committer: signature(commit.committer().map_err(corrupt)?),
            message: String::from_utf8_lossy(commit.message).into_owned(),
            raw: Vec::new(),
        };
        drop(commit);
        Ok(Self { raw, ..parsed })
    }
}

/// A time that cannot be read is shown as 1970, as git does.
fn signature(raw: gix::actor::SignatureRef<'_>) -> Signature {
    let time = raw.time().unwrap_or_default();
    Signature {
        name: String::from_utf8_lossy(raw.name).into_owned(),
        email: String::from_utf8_lossy(raw.email).into_owned(),
        seconds: time.seconds,
        offset: time.offset,
    }
}

/// Returns what a tag object points to.
pub(crate) fn tag_target(id: ObjectId, raw: &[u8]) -> Result<ObjectId, RepoError> {
    let tag =
        TagRef::from_bytes(raw, gix::hash::Kind::Sha1).map_err(|error| RepoError::Corrupt {
            id,
            reason: describe(&error),
        })?;
    Ok(ObjectId::from_gix(&tag.target()).expect("parsed as sha1"))
}

impl Repository {
    /// Returns the kind and the bytes of an object; they have been checked
    /// against its id.
    ///
    /// # Errors
    /// [`RepoError::MissingObject`] or [`RepoError::Corrupt`].
    pub fn read_object(&self, id: ObjectId) -> Result<(ObjectKind, Vec<u8>), RepoError> {
        self.find(id)?.ok_or(RepoError::MissingObject { id })
    }

    /// Returns the bytes of a blob.
    ///
    /// # Errors
    /// [`RepoError::WrongKind`], or like [`Repository::read_object`].
    pub fn read_blob(&self, id: ObjectId) -> Result<Vec<u8>, RepoError> {
        self.read_kind(id, ObjectKind::Blob)
    }

    /// Returns a commit; an annotated tag stands for what it points to.
    ///
    /// # Errors
    /// [`RepoError::WrongKind`], or like [`Repository::read_object`].
    pub fn read_commit(&self, id: ObjectId) -> Result<Commit, RepoError> {
        let mut id = id;
        loop {
            match self.read_object(id)? {
                (ObjectKind::Commit, raw) => return Commit::parse(id, raw),
                (ObjectKind::Tag, raw) => id = tag_target(id, &raw)?,
                (found, _) => {
                    return Err(RepoError::WrongKind {
                        id,
                        wanted: ObjectKind::Commit,
                        found,
                    });
                }
            }
        }
    }

    /// Returns whether the repository has an object. Does not read it.
    #[must_use]
    pub fn has_object(&self, id: ObjectId) -> bool {
        use gix::objs::Exists as _;
        let id = id.to_gix();
        self.with(|repository| repository.objects.exists(&id))
            || self.quarantined().any(|store| store.exists(&id))
    }

    pub(super) fn read_kind(&self, id: ObjectId, wanted: ObjectKind) -> Result<Vec<u8>, RepoError> {
        match self.read_object(id)? {
            (found, bytes) if found == wanted => Ok(bytes),
            (found, _) => Err(RepoError::WrongKind { id, wanted, found }),
        }
    }

    fn find(&self, id: ObjectId) -> Result<Option<(ObjectKind, Vec<u8>)>, RepoError> {
        let found = self.with(|repository| find_in(&repository.objects, id))?;
        if found.is_some() {
            return Ok(found);
        }
        for store in self.quarantined() {
            if let Some(found) = find_in(&store, id)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn quarantined(&self) -> impl Iterator<Item = gix::odb::HandleArc> + '_ {
        let stores = self.quarantine.iter().flat_map(|known| &known.stores);
        stores.map(gix::odb::Store::to_cache_arc)
    }
}

fn find_in(
    store: &impl gix::objs::Find,
    id: ObjectId,
) -> Result<Option<(ObjectKind, Vec<u8>)>, RepoError> {
    let corrupt = |error: gix::Error| RepoError::Corrupt {
        id,
        reason: describe(&error),
    };
    let mut bytes = Vec::new();
    let Some(data) = store.try_find(&id.to_gix(), &mut bytes).map_err(corrupt)? else {
        return Ok(None);
    };
    data.verify_checksum(&id.to_gix()).map_err(corrupt)?;
    let (kind, length) = (ObjectKind::from_gix(data.kind), data.data.len());
    bytes.truncate(length);
    Ok(Some((kind, bytes)))
}
