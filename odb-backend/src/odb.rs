//! Git objects by id, over the packs of one manifest.
//!
//! A reader sees one manifest for its whole life: what is published later is
//! seen by the next reader. Indexes are fetched when the reader is opened, a
//! pack when the first object of it is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::manifest::{self, Manifest, ManifestError, PackEntry};
use crate::pack::{Pack, PackCache, PackError};
use crate::repo::{Commit, ObjectId, ObjectKind, RepoError};

/// A repository in a bucket, for reading.
#[derive(Debug)]
pub struct BucketRepository {
    bucket: Bucket,
    name: String,
    cache: Arc<PackCache>,
    manifest: Manifest,
    packs: Vec<Pack>,
}

/// What can go wrong while a repository in a bucket is read.
#[derive(Debug, thiserror::Error)]
pub enum OdbError {
    /// The bucket has no repository of this name.
    #[error("the bucket `{url}` has no repository `{name}`")]
    NoRepository {
        /// The bucket.
        url: String,
        /// The name.
        name: String,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A pack cannot be used.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// An object is not what it should be.
    #[error(transparent)]
    Object(#[from] RepoError),
}

impl BucketRepository {
    /// Opens the repository `name` of a bucket, as it is now.
    ///
    /// # Errors
    /// [`OdbError`].
    pub fn open(bucket: &Bucket, name: &str, cache: &Arc<PackCache>) -> Result<Self, OdbError> {
        let Some(stored) = manifest::read(bucket, name)? else {
            return Err(OdbError::NoRepository {
                url: bucket.url().to_owned(),
                name: name.to_owned(),
            });
        };
        let manifest = stored.manifest;
        let open = |entry: &PackEntry| Pack::open(*entry, &cache.index(bucket, name, entry)?);
        // Newest first: that is where most reads end.
        let packs = manifest
            .packs
            .iter()
            .rev()
            .map(open)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            bucket: bucket.clone(),
            name: name.to_owned(),
            cache: Arc::clone(cache),
            manifest,
            packs,
        })
    }

    /// Returns the manifest that this reader sees.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns whether the repository has an object; the indexes answer.
    #[must_use]
    pub fn contains(&self, id: ObjectId) -> bool {
        self.packs.iter().any(|pack| pack.contains(id))
    }

    /// Returns the kind and the bytes of an object; they have been checked
    /// against its id.
    ///
    /// # Errors
    /// [`OdbError::Pack`].
    pub fn read(&self, id: ObjectId) -> Result<Option<(ObjectKind, Vec<u8>)>, OdbError> {
        let Some(pack) = self.packs.iter().find(|pack| pack.contains(id)) else {
            return Ok(None);
        };
        let fetch = || self.cache.pack(&self.bucket, &self.name, pack.entry());
        Ok(pack.read(id, fetch)?)
    }

    /// Returns the kind and the size of an object. They are not checked.
    ///
    /// # Errors
    /// [`OdbError::Pack`].
    pub fn header(&self, id: ObjectId) -> Result<Option<(ObjectKind, u64)>, OdbError> {
        let Some(pack) = self.packs.iter().find(|pack| pack.contains(id)) else {
            return Ok(None);
        };
        let fetch = || self.cache.pack(&self.bucket, &self.name, pack.entry());
        Ok(pack.header(id, fetch)?)
    }

    /// Returns the ids whose hex form starts with the first `digits` digits of
    /// `prefix`, sorted: none, one, or several for an ambiguous prefix.
    #[must_use]
    pub fn starting_with(&self, prefix: ObjectId, digits: usize) -> Vec<ObjectId> {
        let found = self.packs.iter();
        let found = found.flat_map(|pack| pack.starting_with(prefix, digits));
        found.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Returns the ids of all objects, sorted.
    #[must_use]
    pub fn ids(&self) -> Vec<ObjectId> {
        let ids = self.packs.iter().flat_map(Pack::ids);
        ids.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Returns a commit.
    ///
    /// # Errors
    /// [`OdbError::Object`] when there is no such commit, or like
    /// [`BucketRepository::read`].
    pub fn read_commit(&self, id: ObjectId) -> Result<Commit, OdbError> {
        match self.read(id)? {
            None => Err(RepoError::MissingObject { id }.into()),
            Some((ObjectKind::Commit, raw)) => Ok(Commit::parse(id, raw)?),
            Some((found, _)) => Err(RepoError::WrongKind {
                id,
                wanted: ObjectKind::Commit,
                found,
            }
            .into()),
        }
    }
}

/// Gitoxide's algorithms (diffs, merges, walks) run on a bucket, too.
impl gix::objs::Find for BucketRepository {
    fn try_find<'a>(
        &self,
        id: &gix::oid,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Option<gix::objs::Data<'a>>, gix::Error> {
        let Some(id) = ObjectId::from_gix(id) else {
            return Ok(None);
        };
        let found = self.read(id).map_err(gix::Error::from_error)?;
        let Some((kind, bytes)) = found else {
            return Ok(None);
        };
        *buffer = bytes;
        let sha1 = gix::hash::Kind::Sha1;
        Ok(Some(gix::objs::Data::new(buffer, kind.to_gix(), sha1)))
    }
}

#[cfg(test)]
mod tests;
