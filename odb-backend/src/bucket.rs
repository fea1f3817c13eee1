//! A URL becomes an object store: keys, bytes, and one conditional write.
//!
//! - `file:///folder`, or a plain path: a folder, one file for each key.
//! - `memory:`: gone with the last handle. `memory:name` is one store for the
//!   whole process.
//! - `s3://…` and `r2://…` come later; naming one is a clear error.
//!
//! Everything here is synchronous; the asynchronous store below runs on threads
//! of its own, so that these methods may also be called from inside a runtime.
//!
//! A key holds either immutable bytes ([`Bucket::put_if_absent`],
//! [`Bucket::put_file`]) or a small root object that only
//! [`Bucket::compare_and_swap`] moves. Both are atomic and, in a folder, synced
//! to disk before they return. This module knows no keys; see
//! [`layout`](crate::layout).
//!
//! In a folder, a root object moves under an advisory lock (`.locks/…`, which
//! ends with its process), by a file of its own that is synced and renamed.
//! What a crash leaves behind is never listed, and is cleared away by the next
//! writer of the same key.

mod folder;
mod url;

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc};

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    UpdateVersion, WriteMultipart,
};

use url::{Place, parse};

/// How much of a file is in memory while it is uploaded.
const CHUNK: usize = 8 << 20;

/// A store of bytes by key.
#[derive(Clone, Debug)]
pub struct Bucket {
    url: String,
    store: Arc<dyn ObjectStore>,
    /// The folder, when the bucket is one: its compare-and-swap is ours.
    folder: Option<PathBuf>,
}

/// What a root object was when it was read; for [`Bucket::compare_and_swap`].
#[derive(Clone, Debug)]
pub struct Version(VersionKind);

#[derive(Clone, Debug)]
enum VersionKind {
    /// In a folder: the bytes themselves.
    Bytes(Vec<u8>),
    /// Elsewhere: the tag that the server gave them.
    Tag(UpdateVersion),
}

/// What became of a compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The key now holds the new bytes.
    Done,
    /// The key was not as expected. Over a network this may also be the answer
    /// to a write that did happen: read again before trying again.
    Lost,
}

/// What can go wrong with a bucket. Absence is not an error.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The bucket does not exist.
    #[error("there is no bucket at `{url}`")]
    NotFound {
        /// Its URL.
        url: String,
    },
    /// The URL is of a kind that cannot be used (yet).
    #[error("cannot use the bucket `{url}`: {cure}")]
    Unsupported {
        /// The URL.
        url: String,
        /// What to do instead.
        cure: &'static str,
    },
    /// A file or folder of a folder bucket failed.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The store failed.
    #[error("bucket `{url}`: cannot {action} `{key}`: {source}")]
    Store {
        /// The bucket.
        url: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// The key.
        key: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BucketError {
    fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

impl Bucket {
    /// Opens the bucket at `url`, which must exist.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::Unsupported`].
    pub fn open(url: &str) -> Result<Self, BucketError> {
        match parse(url)? {
            Place::Folder(path) if path.is_dir() => Self::folder(url, &path),
            Place::Folder(_) => Err(BucketError::NotFound {
                url: url.to_owned(),
            }),
            Place::Memory(name) => Ok(Self::memory(url, &name)),
        }
    }

    /// Opens the bucket at `url`, and makes it when it does not exist.
    ///
    /// # Errors
    /// [`BucketError::Unsupported`], or [`BucketError::Io`].
    pub fn create(url: &str) -> Result<Self, BucketError> {
        if let Place::Folder(path) = parse(url)? {
            std::fs::create_dir_all(&path).map_err(BucketError::io("create", &path))?;
        }
        Self::open(url)
    }

    fn folder(url: &str, path: &Path) -> Result<Self, BucketError> {
        let path = path.canonicalize().map_err(BucketError::io("open", path))?;
        let store =
            LocalFileSystem::new_with_prefix(&path).map_err(|error| BucketError::Store {
                url: url.to_owned(),
                action: "open",
                key: String::new(),
                source: error.into(),
            })?;
        Ok(Self {
            url: url.to_owned(),
            store: Arc::new(store.with_fsync(true)),
            folder: Some(path),
        })
    }

    fn memory(url: &str, name: &str) -> Self {
        static NAMED: OnceLock<Mutex<HashMap<String, Weak<InMemory>>>> = OnceLock::new();
        let named = NAMED.get_or_init(Mutex::default);
        let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
        let known = named.get(name).and_then(Weak::upgrade);
        let store = known.unwrap_or_default();
        if !name.is_empty() {
            named.insert(name.to_owned(), Arc::downgrade(&store));
        }
        Self {
            url: url.to_owned(),
            store,
            folder: None,
        }
    }

    /// Returns the URL that the bucket was opened with.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the bytes under `key`.
    ///
    /// # Errors
    /// [`BucketError::Store`].
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BucketError> {
        let mut bytes = Vec::new();
        let found = self.read_into(key, &mut bytes)?;
        Ok(found.map(|_| bytes))
    }

    /// Returns the bytes in `range` under `key`; fewer when it ends before.
    ///
    /// # Errors
    /// [`BucketError::Store`], also for a range that starts behind the end.
    pub fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Vec<u8>>, BucketError> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let (store, at) = (Arc::clone(&self.store), self.key(key)?);
        let read = wait(async move { store.get_opts(&at, options).await?.bytes().await });
        match read {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", key, error)),
        }
    }

    /// Writes the bytes under `key` to `sink`, piece by piece, and returns how
    /// many there are; `None`, with nothing written, when there is no such key.
    ///
    /// # Errors
    /// [`BucketError::Store`]; `sink` may then have a part of the bytes.
    pub fn read_into(&self, key: &str, sink: &mut dyn Write) -> Result<Option<u64>, BucketError> {
        let (store, at) = (Arc::clone(&self.store), self.key(key)?);
        let mut pieces = match wait(async move { store.get(&at).await }) {
            Ok(found) => found.into_stream(),
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed("read", key, error)),
        };
        let mut length = 0;
        loop {
            let (piece, rest) = wait(async move { (pieces.next().await, pieces) });
            pieces = rest;
            let Some(piece) = piece else {
                return Ok(Some(length));
            };
            let piece = piece.map_err(|error| self.failed("read", key, error))?;
            length += piece.len() as u64;
            sink.write_all(&piece)
                .map_err(|error| self.failed("read", key, error))?;
        }
    }

    /// Returns the size in bytes of what is under `key`.
    ///
    /// # Errors
    /// [`BucketError::Store`].
    pub fn size(&self, key: &str) -> Result<Option<u64>, BucketError> {
        let (store, at) = (Arc::clone(&self.store), self.key(key)?);
        match wait(async move { store.head(&at).await }) {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", key, error)),
        }
    }

    /// Stores immutable bytes; returns `false`, and changes nothing, when the
    /// key exists already.
    ///
    /// # Errors
    /// [`BucketError::Store`].
    pub fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<bool, BucketError> {
        let (store, at) = (Arc::clone(&self.store), self.key(key)?);
        let payload = PutPayload::from(bytes.to_vec());
        let options = PutOptions::from(PutMode::Create);
        match wait(async move { store.put_opts(&at, payload, options).await }) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("write", key, error)),
        }
    }

    /// Stores the bytes of the file `path` under a key that names their
    /// content; returns `false` when the key has as many bytes already.
    ///
    /// A key with another number of bytes is what a failing writer left; it is
    /// replaced. The file is streamed.
    ///
    /// # Errors
    /// [`BucketError::Io`] for the file, [`BucketError::Store`].
    pub fn put_file(&self, key: &str, path: &Path) -> Result<bool, BucketError> {
        let mut file = File::open(path).map_err(BucketError::io("read", path))?;
        let size = file
            .metadata()
            .map_err(BucketError::io("read", path))?
            .len();
        if self.size(key)? == Some(size) {
            return Ok(false);
        }
        let (store, at) = (Arc::clone(&self.store), self.key(key)?);
        let started = wait(async move { store.put_multipart(&at).await });
        let upload = started.map_err(|error| self.failed("write", key, error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, CHUNK);
        loop {
            let mut chunk = Vec::new();
            let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk);
            if read.map_err(BucketError::io("read", path))? == 0 {
                break;
            }
            upload = wait(async move {
                // At most this many pieces under way at a time.
                upload.wait_for_capacity(2).await?;
                upload.put(chunk.into());
                Ok(upload)
            })
            .map_err(|error: object_store::Error| self.failed("write", key, error))?;
        }
        wait(async move { upload.finish().await })
            .map_err(|error| self.failed("write", key, error))?;
        Ok(true)
    }

    /// Returns a root object, and its version for a later
    /// [`Bucket::compare_and_swap`].
    ///
    /// # Errors
    /// [`BucketError::Store`].
    pub fn read_root(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, BucketError> {
        if self.folder.is_some() {
            let bytes = self.get(key)?;
            return Ok(bytes.map(|bytes| (bytes.clone(), Version(VersionKind::Bytes(bytes)))));
        }
        let (store, at) = (Arc::clone(&self.store), self.key(key)?);
        let read = wait(async move {
            let found = store.get(&at).await?;
            let version = UpdateVersion {
                e_tag: found.meta.e_tag.clone(),
                version: found.meta.version.clone(),
            };
            Ok((found.bytes().await?.to_vec(), version))
        });
        match read {
            Ok((bytes, version)) => Ok(Some((bytes, Version(VersionKind::Tag(version))))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", key, error)),
        }
    }

    /// Replaces a root object, if it still is what it was when `expected` was
    /// read (`None`: if it does not exist).
    ///
    /// Of several writers with the same expectation exactly one is `Done`. The
    /// bytes of successive roots must differ, or a folder cannot tell them
    /// apart: put a transaction id in them.
    ///
    /// # Errors
    /// [`BucketError::Io`] or [`BucketError::Store`]; the write may have
    /// happened.
    pub fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<&Version>,
        new: &[u8],
    ) -> Result<Swap, BucketError> {
        if let Some(root) = &self.folder {
            self.key(key)?;
            let expected = match expected.map(|version| &version.0) {
                None => None,
                Some(VersionKind::Bytes(bytes)) => Some(&bytes[..]),
                Some(VersionKind::Tag(_)) => return Ok(Swap::Lost),
            };
            return folder::compare_and_swap(root, key, expected, new);
        }
        let mode = match expected.map(|version| &version.0) {
            None => PutMode::Create,
            Some(VersionKind::Tag(version)) => PutMode::Update(version.clone()),
            Some(VersionKind::Bytes(_)) => return Ok(Swap::Lost),
        };
        let (store, at) = (Arc::clone(&self.store), self.key(key)?);
        let payload = PutPayload::from(new.to_vec());
        match wait(async move { store.put_opts(&at, payload, mode.into()).await }) {
            Ok(_) => Ok(Swap::Done),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. }
                | object_store::Error::NotFound { .. },
            ) => Ok(Swap::Lost),
            Err(error) => Err(self.failed("write", key, error)),
        }
    }

    /// Returns the keys under `prefix` (whole components, without a slash at
    /// its end), sorted.
    ///
    /// # Errors
    /// [`BucketError::Store`].
    pub fn list(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let (store, at) = (Arc::clone(&self.store), self.key(prefix)?);
        let listed = wait(async move {
            let found = store.list(Some(&at));
            found
                .map_ok(|object| object.location.to_string())
                .try_collect::<Vec<_>>()
                .await
        });
        let mut keys = listed.map_err(|error| self.failed("list", prefix, error))?;
        keys.retain(|key| !folder::is_leftover(key));
        keys.sort();
        Ok(keys)
    }

    fn key(&self, key: &str) -> Result<Key, BucketError> {
        let parsed = Key::parse(key).map_err(|error| self.failed("use the key", key, error))?;
        // A key has one spelling; a folder would take `/a` for a path of its own.
        if parsed.as_ref() != key || key.is_empty() {
            return Err(self.failed("use the key", key, "it is not in canonical form"));
        }
        Ok(parsed)
    }

    fn failed(
        &self,
        action: &'static str,
        key: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> BucketError {
        BucketError::Store {
            url: self.url.clone(),
            action,
            key: key.to_owned(),
            source: source.into(),
        }
    }
}

/// Runs `future` on the threads of this module, and waits for it.
///
/// The caller may itself be a task of some runtime, which could not wait for a
/// future without this detour.
fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("straylight-bucket")
            .enable_all()
            .build()
            .expect("threads can be started")
    });
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // The receiver waits below; it cannot be gone.
        let _ = sender.send(future.await);
    });
    receiver.recv().expect("storage futures do not panic")
}

#[cfg(test)]
mod tests;
