//! Packs: their local cache, and objects by id in one pack.
//!
//! A pack and its index are files of stock git (pack version 2, index version
//! 2), immutable under the sha256 of their bytes. A node keeps whole packs in a
//! [`PackCache`]: a [`LocalStore`], so a second repository with the same pack,
//! and every session, share one file. A file enters the cache only after its
//! bytes were checked against the manifest's digest; it is opened in place.
//!
//! This module knows nothing of refs.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use gix::odb::pack::cache::DecodeEntry;
use gix::odb::pack::data;
use gix::odb::pack::data::decode::{entry, header};
use gix::odb::pack::index;

use crate::bucket::{Bucket, BucketError};
use crate::cas::StoreError;
use crate::digest::{Digest, Sha256};
use crate::layout;
use crate::local::LocalStore;
use crate::manifest::PackEntry;
use crate::repo::{ObjectId, ObjectKind};

/// How many bytes of decoded delta bases one pack keeps in memory.
const DELTA_CACHE: usize = 32 << 20;

/// What can go wrong with a pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The manifest names a file that the bucket does not have.
    #[error(
        "the bucket `{url}` lacks `{key}`, which the manifest names: the repository is damaged; import it again"
    )]
    Missing {
        /// The bucket.
        url: String,
        /// The file's key.
        key: String,
    },
    /// The bucket has other bytes than the manifest says.
    #[error(
        "`{key}` in the bucket `{url}` is not what the manifest says: its sha256 is {found}, not {expected}; it was tampered with or damaged"
    )]
    Tampered {
        /// The bucket.
        url: String,
        /// The file's key.
        key: String,
        /// The sha256 in the manifest.
        expected: Sha256,
        /// The sha256 of what is there.
        found: Sha256,
    },
    /// A pack or an index is malformed, although its digest is right.
    #[error("the pack {pack} is malformed: {reason}")]
    Malformed {
        /// The pack.
        pack: Sha256,
        /// What is wrong.
        reason: String,
    },
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The local cache failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whole packs and indexes on this machine, by digest.
#[derive(Debug)]
pub struct PackCache {
    store: LocalStore,
}

impl PackCache {
    /// Opens the cache in `root`; it may be a [`LocalStore`] in use for other
    /// things.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self {
            store: LocalStore::open(root)?,
        })
    }

    /// Returns the folder of the cache.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Returns the file of a pack, after fetching it if need be.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn pack(
        &self,
        bucket: &Bucket,
        repository: &str,
        entry: &PackEntry,
    ) -> Result<PathBuf, PackError> {
        let key = layout::pack(repository, entry.pack.sha256());
        self.ensure(bucket, &key, &entry.pack)
    }

    /// Returns the file of a pack's index, after fetching it if need be.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn index(
        &self,
        bucket: &Bucket,
        repository: &str,
        entry: &PackEntry,
    ) -> Result<PathBuf, PackError> {
        let key = layout::pack_index(repository, entry.idx.sha256());
        self.ensure(bucket, &key, &entry.idx)
    }

    /// Makes `destination` a hard link to a cached file of this digest; `false`
    /// when the file is not, or no longer, in the cache.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn link(&self, digest: &Digest, destination: &Path) -> Result<bool, StoreError> {
        self.store.link(digest, false, destination)
    }

    fn ensure(&self, bucket: &Bucket, key: &str, digest: &Digest) -> Result<PathBuf, PackError> {
        if let Some(path) = self.store.intact_path(digest)? {
            return Ok(path);
        }
        let missing = || PackError::Missing {
            url: bucket.url().to_owned(),
            key: key.to_owned(),
        };
        let fetch = |sink: &mut dyn Write| -> Result<(), PackError> {
            bucket.read_into(key, sink)?.map(drop).ok_or_else(missing)
        };
        let found = self.store.write_verified(digest, fetch)?;
        if found != *digest {
            return Err(PackError::Tampered {
                url: bucket.url().to_owned(),
                key: key.to_owned(),
                expected: digest.sha256(),
                found: found.sha256(),
            });
        }
        self.store.intact_path(digest)?.ok_or_else(missing)
    }
}

/// One pack of a repository, readable; the pack itself is fetched when the
/// first object of it is read.
pub struct Pack {
    entry: PackEntry,
    index: index::File,
    data: OnceLock<data::File>,
    bases: Mutex<DeltaCache>,
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pack").field(&self.entry.pack).finish()
    }
}

impl Pack {
    /// Opens the index of a pack at `path`.
    pub(crate) fn open(entry: PackEntry, path: &Path) -> Result<Self, PackError> {
        let index = index::File::at(path, gix::hash::Kind::Sha1).map_err(malformed(&entry))?;
        if index.version() != index::Version::V2 {
            return Err(PackError::Malformed {
                pack: entry.pack.sha256(),
                reason: "its index is not of version 2".to_owned(),
            });
        }
        Ok(Self {
            entry,
            index,
            data: OnceLock::new(),
            bases: Mutex::default(),
        })
    }

    /// Returns the digests of its files.
    #[must_use]
    pub fn entry(&self) -> &PackEntry {
        &self.entry
    }

    /// Returns whether the pack has an object; the index answers.
    #[must_use]
    pub fn contains(&self, id: ObjectId) -> bool {
        self.index.lookup(id.to_gix()).is_some()
    }

    /// Returns the ids of its objects, sorted.
    pub fn ids(&self) -> impl Iterator<Item = ObjectId> + '_ {
        (0..self.index.num_objects())
            .filter_map(|at| ObjectId::from_gix(self.index.oid_at_index(at)))
    }

    /// Returns the ids whose hex form starts with the first `digits` digits of
    /// `prefix`.
    #[must_use]
    pub fn starting_with(&self, prefix: ObjectId, digits: usize) -> Vec<ObjectId> {
        let Ok(prefix) = gix::hash::Prefix::new(&prefix.to_gix(), digits) else {
            return Vec::new();
        };
        let mut found = 0..0;
        self.index.lookup_prefix(prefix, Some(&mut found));
        found
            .filter_map(|at| ObjectId::from_gix(self.index.oid_at_index(at)))
            .collect()
    }

    /// Returns the kind and the bytes of an object, checked against its id.
    /// `fetch` returns the file of the pack.
    pub(crate) fn read(
        &self,
        id: ObjectId,
        fetch: impl FnOnce() -> Result<PathBuf, PackError>,
    ) -> Result<Option<(ObjectKind, Vec<u8>)>, PackError> {
        let Some(at) = self.index.lookup(id.to_gix()) else {
            return Ok(None);
        };
        let data = self.data(fetch)?;
        let failed = malformed(&self.entry);
        let decode = || -> Result<_, gix::Error> {
            let entry = data.entry(self.index.pack_offset_at_index(at))?;
            let resolve = |base: &gix::oid, _: &mut Vec<u8>| {
                let base = self
                    .index
                    .lookup(base)
                    .map(|at| self.offset_entry(data, at));
                Ok(base.transpose()?.map(entry::ResolvedBase::InPack))
            };
            let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut bytes, mut inflate) = (Vec::new(), gix::zlib::Inflate::default());
            let found =
                data.decode_entry(entry, &mut bytes, &mut inflate, &resolve, &mut *bases)?;
            let object = gix::objs::Data::new(&bytes, found.kind, gix::hash::Kind::Sha1);
            object.verify_checksum(&id.to_gix())?;
            Ok((ObjectKind::from_gix(found.kind), bytes))
        };
        decode().map(Some).map_err(failed)
    }

    /// Returns the kind and the size of an object, without decoding all of it.
    pub(crate) fn header(
        &self,
        id: ObjectId,
        fetch: impl FnOnce() -> Result<PathBuf, PackError>,
    ) -> Result<Option<(ObjectKind, u64)>, PackError> {
        let Some(at) = self.index.lookup(id.to_gix()) else {
            return Ok(None);
        };
        let data = self.data(fetch)?;
        let decode = || -> Result<_, gix::Error> {
            let entry = data.entry(self.index.pack_offset_at_index(at))?;
            let resolve = |base: &gix::oid| {
                let base = self
                    .index
                    .lookup(base)
                    .map(|at| self.offset_entry(data, at));
                Ok(base.transpose()?.map(header::ResolvedBase::InPack))
            };
            let found = data.decode_header(entry, &mut gix::zlib::Inflate::default(), &resolve)?;
            Ok((ObjectKind::from_gix(found.kind), found.object_size))
        };
        decode().map(Some).map_err(malformed(&self.entry))
    }

    fn offset_entry(&self, data: &data::File, at: u32) -> Result<data::Entry, gix::Error> {
        data.entry(self.index.pack_offset_at_index(at))
    }

    fn data(
        &self,
        fetch: impl FnOnce() -> Result<PathBuf, PackError>,
    ) -> Result<&data::File, PackError> {
        if let Some(data) = self.data.get() {
            return Ok(data);
        }
        let data =
            data::File::at(fetch()?, gix::hash::Kind::Sha1).map_err(malformed(&self.entry))?;
        if data.checksum() != self.index.pack_checksum() {
            return Err(PackError::Malformed {
                pack: self.entry.pack.sha256(),
                reason: "its index belongs to another pack".to_owned(),
            });
        }
        // Another thread may have been faster; both opened the same bytes.
        Ok(self.data.get_or_init(|| data))
    }
}

fn malformed(entry: &PackEntry) -> impl FnOnce(gix::Error) -> PackError {
    let pack = entry.pack.sha256();
    move |error| PackError::Malformed {
        pack,
        reason: crate::repo::describe(&error),
    }
}

/// Decoded bases of deltas, by their offset in one pack; emptied when full.
#[derive(Default)]
struct DeltaCache {
    objects: HashMap<u64, (gix::objs::Kind, usize, Vec<u8>)>,
    bytes: usize,
}

impl DecodeEntry for DeltaCache {
    fn put(&mut self, _: u32, offset: u64, data: &[u8], kind: gix::objs::Kind, compressed: usize) {
        if data.len() > DELTA_CACHE / 4 {
            return;
        }
        if self.bytes + data.len() > DELTA_CACHE {
            self.objects.clear();
            self.bytes = 0;
        }
        let replaced = self
            .objects
            .insert(offset, (kind, compressed, data.to_vec()));
        let freed = replaced.map_or(0, |(_, _, old)| old.len());
        self.bytes = self.bytes + data.len() - freed;
    }

    fn get(&mut self, _: u32, offset: u64, out: &mut Vec<u8>) -> Option<(gix::objs::Kind, usize)> {
        let (kind, compressed, data) = self.objects.get(&offset)?;
        out.clear();
        out.extend_from_slice(data);
        Some((*kind, *compressed))
    }
}
