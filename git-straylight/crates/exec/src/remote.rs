//! A bucket that several machines share: trees and blobs go there and come back.
//!
//! The parts of a tree lie under their own digests, as in the local store
//! ([`layout::blob`]). What a folder names is there before the folder is, so a
//! bucket that has the root of a tree has all of it, and a transfer that was cut
//! off goes on where it ended. Whatever comes back is hashed before it is kept.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use straylight_odb::digest::DigestWriter;
use straylight_odb::{Bucket, BucketError, Digest, LocalStore, Sha256, StoreError, layout};

use crate::cancellation::Cancellation;
use crate::merkle::{self, Node, TreeError};

/// How many files are under way at once: most of the time goes to waiting.
const STREAMS: usize = 8;

/// A bucket by its URL. It is opened when it is first used.
#[derive(Debug)]
pub struct Remote {
    url: String,
    bucket: Mutex<Option<Bucket>>,
    /// Held while a blob or a tree is fetched: who wants the same one waits for it.
    turns: Mutex<HashMap<Sha256, Arc<Mutex<()>>>>,
}

/// What went to a bucket, or came from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes they have.
    pub bytes: u64,
}

/// What can go wrong between a store and a bucket. That a bucket does not have
/// something is no error.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The bucket could not be used.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The local store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of what is to be uploaded is missing here, or is no tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The bucket has other bytes than those that it names.
    #[error("the bucket `{url}` has wrong bytes under `{key}`")]
    Corrupt {
        /// The bucket.
        url: String,
        /// The key.
        key: String,
    },
    /// Somebody stopped it. What came until then stays.
    #[error("stopped while it was fetched")]
    Cancelled,
    /// The bucket has a folder of a tree, and not all that is in it.
    #[error("the bucket `{url}` lacks `{key}`, a part of the tree {tree}")]
    Incomplete {
        /// The bucket.
        url: String,
        /// The key.
        key: String,
        /// The root of the tree.
        tree: Sha256,
    },
}

impl RemoteError {
    /// Returns what to do about it.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Bucket(_) => "`git config straylight.bucket` names the bucket",
            Self::Store(error) => error.cure().unwrap_or("see that the cache can be written"),
            Self::Tree(_) => "`git straylight toolchain capture` captures it again",
            Self::Corrupt { .. } => {
                "nothing of it was kept: take the key away there, and run `git straylight \
                 toolchain upload` where the toolchain is"
            }
            Self::Cancelled => "run it again: it goes on where it ended",
            Self::Incomplete { .. } => {
                "`git straylight toolchain upload` completes it, where the toolchain is"
            }
        }
    }
}

impl Remote {
    /// Names the bucket at `url`; looks for nothing there yet.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            bucket: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Returns the URL of the bucket.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the bucket itself.
    ///
    /// # Errors
    /// [`BucketError`] when it does not exist, or cannot be used.
    pub fn bucket(&self) -> Result<Bucket, BucketError> {
        let mut opened = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = &*opened {
            return Ok(bucket.clone());
        }
        let bucket = Bucket::open(&self.url)?;
        *opened = Some(bucket.clone());
        Ok(bucket)
    }

    /// Returns whether the bucket has a blob, or the whole tree with this root.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn has(&self, digest: &Digest) -> Result<bool, BucketError> {
        let size = self.bucket()?.size(&layout::blob(digest.sha256()))?;
        Ok(size == Some(digest.size()))
    }

    /// Puts a blob of the store into the bucket, if it does not have it yet.
    ///
    /// # Errors
    /// [`RemoteError`]; a blob that is missing here is a [`TreeError`].
    pub fn upload_blob(
        &self,
        store: &LocalStore,
        digest: &Digest,
    ) -> Result<Transfer, RemoteError> {
        let bucket = self.bucket()?;
        let mut transfer = Transfer::default();
        transfer.add(digest, upload(&bucket, store, digest)?);
        Ok(transfer)
    }

    /// Puts a tree of the store into the bucket: what it does not have of it, also
    /// where it once had more.
    ///
    /// # Errors
    /// [`RemoteError`]. What went there until then stays.
    pub fn upload_tree(&self, store: &LocalStore, root: &Digest) -> Result<Transfer, RemoteError> {
        let bucket = self.bucket()?;
        let mut parts = Parts::default();
        parts.add(store, root)?;
        let files: Vec<Digest> = parts.files.into_iter().collect();
        let mut transfer = at_once(&files, |digest| upload(&bucket, store, digest))?;
        for folder in &parts.folders {
            transfer.add(folder, upload(&bucket, store, folder)?);
        }
        Ok(transfer)
    }

    /// Takes a blob from the bucket into the store; `None` if the bucket does not
    /// have it.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn fetch_blob(
        &self,
        store: &LocalStore,
        digest: &Digest,
        cancellation: &Cancellation,
    ) -> Result<Option<Transfer>, RemoteError> {
        let turn = self.turn(digest);
        let _mine = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (&self.bucket()?, cancellation);
        let mut transfer = Transfer::default();
        Ok(match self.fetch(from, store, digest)? {
            Fetched::Absent => None,
            Fetched::Here => Some(transfer),
            Fetched::New => {
                transfer.add(digest, true);
                Some(transfer)
            }
        })
    }

    /// Takes what the store lacks of a tree from the bucket; `None` if the bucket
    /// does not have the tree.
    ///
    /// # Errors
    /// [`RemoteError`]. What came until then stays.
    pub fn fetch_tree(
        &self,
        store: &LocalStore,
        root: &Digest,
        cancellation: &Cancellation,
    ) -> Result<Option<Transfer>, RemoteError> {
        let turn = self.turn(root);
        let _mine = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (&self.bucket()?, cancellation);
        let mut transfer = Transfer::default();
        let mut files = BTreeSet::new();
        let mut folders = vec![*root];
        let mut seen = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            if !seen.insert(folder) {
                continue;
            }
            match self.fetch(from, store, &folder)? {
                Fetched::Absent if folder == *root => return Ok(None),
                Fetched::Absent => return Err(self.incomplete(&folder, root)),
                fetched => transfer.add(&folder, fetched == Fetched::New),
            }
            for (_, node) in merkle::read_folder(store, &folder)? {
                match node {
                    Node::File { digest, .. } => drop(files.insert(digest)),
                    Node::Directory { digest } => folders.push(digest),
                    Node::Symlink { .. } | Node::EmptyDir => {}
                }
            }
        }
        let files: Vec<Digest> = files.into_iter().collect();
        let moved = at_once(&files, |digest| match self.fetch(from, store, digest)? {
            Fetched::Absent => Err(self.incomplete(digest, root)),
            fetched => Ok(fetched == Fetched::New),
        })?;
        transfer.join(moved);
        Ok(Some(transfer))
    }

    fn turn(&self, digest: &Digest) -> Arc<Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(digest.sha256()).or_default())
    }

    fn fetch(
        &self,
        (bucket, cancellation): (&Bucket, &Cancellation),
        store: &LocalStore,
        digest: &Digest,
    ) -> Result<Fetched, RemoteError> {
        if cancellation.is_cancelled() {
            return Err(RemoteError::Cancelled);
        }
        if store.intact_path(digest)?.is_some() {
            return Ok(Fetched::Here);
        }
        let key = layout::blob(digest.sha256());
        let mut found = false;
        let stored = store.write_verified(digest, |sink| -> Result<(), RemoteError> {
            let left = digest.size();
            let mut sink = Bounded {
                sink,
                left,
                cancellation,
            };
            let read = bucket.read_into(&key, &mut sink);
            // Why the sink refuses, nobody needs to know: the digest will differ.
            found = !matches!(read, Ok(None));
            match read {
                Err(_) if cancellation.is_cancelled() => Err(RemoteError::Cancelled),
                Err(_) if sink.left == 0 => Ok(()),
                Err(error) => Err(error.into()),
                Ok(_) => Ok(()),
            }
        })?;
        if !found {
            return Ok(Fetched::Absent);
        }
        if stored != *digest {
            let url = self.url.clone();
            return Err(RemoteError::Corrupt { url, key });
        }
        Ok(Fetched::New)
    }

    fn incomplete(&self, part: &Digest, tree: &Digest) -> RemoteError {
        RemoteError::Incomplete {
            url: self.url.clone(),
            key: layout::blob(part.sha256()),
            tree: tree.sha256(),
        }
    }
}

impl Transfer {
    fn add(&mut self, digest: &Digest, moved: bool) {
        if moved {
            self.blobs += 1;
            self.bytes += digest.size();
        }
    }

    fn join(&mut self, other: Self) {
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fetched {
    /// The bucket does not have it.
    Absent,
    /// The store had it already.
    Here,
    New,
}

/// The blobs of a tree: folders after what lies in them.
#[derive(Default)]
struct Parts {
    files: BTreeSet<Digest>,
    folders: Vec<Digest>,
    seen: BTreeSet<Digest>,
}

impl Parts {
    fn add(&mut self, store: &LocalStore, folder: &Digest) -> Result<(), TreeError> {
        if !self.seen.insert(*folder) {
            return Ok(());
        }
        for (_, node) in merkle::read_folder(store, folder)? {
            match node {
                Node::File { digest, .. } => drop(self.files.insert(digest)),
                Node::Directory { digest } => self.add(store, &digest)?,
                Node::Symlink { .. } | Node::EmptyDir => {}
            }
        }
        self.folders.push(*folder);
        Ok(())
    }
}

/// A sink that takes so many bytes and no more, and none once it is cancelled.
struct Bounded<'a> {
    sink: &'a mut dyn Write,
    left: u64,
    cancellation: &'a Cancellation,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancellation.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        if bytes.len() as u64 > self.left {
            self.left = 0;
            return Err(io::Error::other("it is longer than its digest says"));
        }
        let written = self.sink.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Uploads a blob if it is what its digest says; returns whether it was new.
fn upload(bucket: &Bucket, store: &LocalStore, digest: &Digest) -> Result<bool, RemoteError> {
    let missing = || TreeError::MissingBlob(*digest);
    let path = store.intact_path(digest)?.ok_or_else(missing)?;
    let key = layout::blob(digest.sha256());
    if bucket.size(&key)? == Some(digest.size()) {
        return Ok(false);
    }
    let read = |path: &std::path::Path| -> io::Result<Digest> {
        let mut hash = DigestWriter::new(io::sink());
        io::copy(&mut std::fs::File::open(path)?, &mut hash)?;
        Ok(hash.finish().1)
    };
    if read(&path).map_err(StoreError::io("read", &path))? != *digest {
        return Err(missing().into());
    }
    Ok(bucket.put_file(&key, &path)?)
}

/// Moves several blobs at a time; `move_one` returns whether one was moved. After
/// an error no more are begun.
fn at_once(
    digests: &[Digest],
    move_one: impl Fn(&Digest) -> Result<bool, RemoteError> + Sync,
) -> Result<Transfer, RemoteError> {
    let next = AtomicUsize::new(0);
    let stream = || {
        let mut transfer = Transfer::default();
        while let Some(digest) = digests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let moved = move_one(digest).inspect_err(|_| {
                next.store(digests.len(), Ordering::Relaxed);
            })?;
            transfer.add(digest, moved);
        }
        Ok::<_, RemoteError>(transfer)
    };
    std::thread::scope(|scope| {
        let streams = STREAMS.min(digests.len());
        let running: Vec<_> = (0..streams).map(|_| scope.spawn(stream)).collect();
        let mut whole = Transfer::default();
        for stream in running {
            let part = stream.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            whole.join(part);
        }
        Ok(whole)
    })
}
