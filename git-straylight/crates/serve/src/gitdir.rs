//! An ephemeral bare repository: the view that one session has.
//!
//! ```text
//! <cache>/sessions/<random>.lock    locked while the session lives
//! <cache>/sessions/<random>/        HEAD  config  packed-refs  refs/
//!                                   objects/pack/pack-….{pack,idx}
//! ```
//!
//! `objects/pack` has hard links to exactly the packs of the manifest. It must
//! never have an alternate onto the node's cache, where other repositories'
//! objects are: who may name an object there may read it.
//!
//! The folder goes away with [`SessionDir`]. What a killed session leaves is
//! cleared away by the next one: its lock ended with its process.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use straylight_odb::Bucket;
use straylight_odb::cas::StoreError;
use straylight_odb::digest::Digest;
use straylight_odb::manifest::{HeadTarget, Manifest, PackEntry};
use straylight_odb::pack::{PackCache, PackError};
use straylight_odb::scratch::Scratch;

/// Anything in the packs may be fetched by its id, as protocol v2 has it: a
/// client that filtered blobs away asks for them one by one.
const CONFIG: &str = "\
[core]
\trepositoryformatversion = 0
\tbare = true
\tlogAllRefUpdates = false
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
[gc]
\tauto = 0
";

/// How often a file may vanish from the cache between its check and its use.
const ATTEMPTS: u32 = 8;

/// The ephemeral repository of one session.
#[derive(Debug)]
pub struct SessionDir(Scratch);

impl SessionDir {
    /// Makes the repository that `manifest` describes.
    ///
    /// # Errors
    /// [`PackError`] when a pack is missing or tampered with, or the cache's
    /// folder cannot be written. Nothing is left behind.
    pub fn create(
        manifest: &Manifest,
        bucket: &Bucket,
        repository: &str,
        cache: &PackCache,
    ) -> Result<Self, PackError> {
        let sessions = cache.root().join("sessions");
        fs::create_dir_all(&sessions).map_err(StoreError::io("create", &sessions))?;
        let failed = |action| StoreError::io(action, &sessions);
        let session = Self(Scratch::create(&sessions).map_err(failed("create a folder in"))?);
        for folder in ["refs", "objects/pack", "objects/info"] {
            fs::create_dir_all(session.path().join(folder)).map_err(failed("create"))?;
        }
        session.write_refs(manifest)?;
        for entry in &manifest.packs {
            session.link(entry, bucket, repository, cache)?;
        }
        Ok(session)
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn write_refs(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let head = match &manifest.head {
            HeadTarget::Branch(name) => format!("ref: {name}\n"),
            HeadTarget::Detached(id) => format!("{id}\n"),
        };
        let mut refs = String::from("# pack-refs with: sorted \n");
        for (name, id) in &manifest.refs {
            writeln!(refs, "{id} {name}").expect("writing to a string cannot fail");
        }
        for (name, content) in [
            ("HEAD", head.as_str()),
            ("config", CONFIG),
            ("packed-refs", &refs),
        ] {
            let path = self.path().join(name);
            fs::write(&path, content).map_err(StoreError::io("write", path))?;
        }
        Ok(())
    }

    /// Links a pack, and then its index, which makes git see it.
    fn link(
        &self,
        entry: &PackEntry,
        bucket: &Bucket,
        repository: &str,
        cache: &PackCache,
    ) -> Result<(), PackError> {
        let stem = self
            .path()
            .join("objects/pack")
            .join(format!("pack-{}", &entry.pack.sha256().to_string()[..40]));
        let pack = || cache.pack(bucket, repository, entry).map(drop);
        link_file(cache, &entry.pack, &stem.with_extension("pack"), pack)?;
        let index = || cache.index(bucket, repository, entry).map(drop);
        link_file(cache, &entry.idx, &stem.with_extension("idx"), index)
    }
}

fn link_file(
    cache: &PackCache,
    digest: &Digest,
    destination: &Path,
    ensure: impl Fn() -> Result<(), PackError>,
) -> Result<(), PackError> {
    for _ in 0..ATTEMPTS {
        ensure()?;
        if cache.link(digest, destination)? {
            return Ok(());
        }
    }
    let gone = io::Error::other("the cache keeps losing this file");
    Err(StoreError::io("link", destination)(gone).into())
}

#[cfg(test)]
mod tests;
