//! Looking after the local store: what lies there, what is damaged, and what
//! nobody needs.
//!
//! Nothing here is needed for a right result. Whatever is removed is a cache
//! miss for those who look for it, also for a build that runs meanwhile.

mod check;
mod collect;
mod mark;
mod work_trees;

pub use check::{Checked, Damaged, check};
pub use collect::{Collection, Limits};
pub use work_trees::{WorkTreeRecord, forget, id, recorded, register};

use std::fs;

use straylight_odb::inventory::Kind;
use straylight_odb::{LocalStore, Sha256, StoreError};

/// What lies in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// How many blobs.
    pub blobs: usize,
    /// Their bytes, those of executable twins included.
    pub bytes: u64,
    /// How many captured trees are laid out to be mounted.
    pub toolchains: usize,
    /// How many normalised targets.
    pub specs: usize,
    /// How many records of runs.
    pub traces: usize,
    /// How many actions have a known result.
    pub claims: usize,
    /// How many envelopes.
    pub attestations: usize,
}

/// Counts what lies in a store. Reads no file.
///
/// # Errors
/// [`StoreError::Io`] when a folder cannot be read.
pub fn status(store: &LocalStore) -> Result<Status, StoreError> {
    let mut status = Status {
        toolchains: toolchains(store)?.len(),
        ..Status::default()
    };
    for kind in Kind::ALL {
        let entries = store.entries(kind)?;
        let count = match kind {
            Kind::Blob => &mut status.blobs,
            Kind::Spec => &mut status.specs,
            Kind::Trace => &mut status.traces,
            Kind::Claim => &mut status.claims,
            Kind::Attestation => &mut status.attestations,
            Kind::Executable | Kind::Reads => &mut 0,
        };
        *count = entries.len();
        if matches!(kind, Kind::Blob | Kind::Executable) {
            status.bytes += entries.iter().map(|entry| entry.size).sum::<u64>();
        }
    }
    Ok(status)
}

/// Returns the roots of the trees that are laid out to be mounted, sorted.
fn toolchains(store: &LocalStore) -> Result<Vec<Sha256>, StoreError> {
    let folder = store.root().join("toolchains");
    let listing = match fs::read_dir(&folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", folder)(error)),
    };
    let names = listing.flatten().map(|entry| entry.file_name());
    // The folder of one that was removed stays, with its locks.
    let laid_out = names.filter(|name| folder.join(name).join("tree").is_dir());
    let roots = laid_out.filter_map(|name| name.to_str()?.parse().ok());
    let mut roots: Vec<Sha256> = roots.collect();
    roots.sort();
    Ok(roots)
}
