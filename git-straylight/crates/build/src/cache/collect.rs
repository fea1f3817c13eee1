//! What of a store nobody needs, and removing it.
//!
//! Needed is
//! - what somebody pins by hash: the caller says what ([`Collection::plan`]);
//! - the actions in the graphs of work trees, with their results, inputs and
//!   toolchains: what the last builds there used;
//! - the actions that were run, or whose record was renewed, within
//!   [`Limits::older_than`];
//!
//! and, as long as there is room, in this order. With a [`Limits::budget`],
//! the actions of the work trees come first, then the others, newest first,
//! until the budget is used up. Pins are needed whatever their size.
//!
//! How recently something was used is not written down anywhere: a graph knows
//! what the builds of its work tree use, and for everything else the time is
//! taken that the file system keeps, which is when a file was stored or linked
//! into a sandbox. Whatever is younger than [`Limits::grace`] is left alone: a
//! build that runs may be about to use it.
//!
//! Files are removed one by one, claims before what they name. A build that
//! loses something all the same finds that out when it reads it, and makes it
//! again.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use straylight_odb::inventory::{Entry, Kind};
use straylight_odb::{LocalStore, Sha256, StoreError};

use super::mark::Marks;
use super::{WorkTreeRecord, toolchains};
use crate::claims::LocalClaims;
use crate::keys::ActionKey;
use crate::persist::{self, KeptResult};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many bytes may stay; pins may be more.
    pub budget: Option<u64>,
    /// For how long a result is kept that no work tree uses.
    pub older_than: Duration,
    /// What is younger is left alone.
    pub grace: Duration,
    /// The time that ages are taken at.
    pub now: SystemTime,
}

/// What is to be removed.
#[derive(Debug)]
pub struct Collection {
    /// In the order in which they are removed.
    entries: Vec<Entry>,
    toolchains: Vec<Sha256>,
    /// How many bytes stay.
    pub kept: u64,
}

impl Collection {
    /// Returns what nobody needs, and removes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn plan(
        store: &Arc<LocalStore>,
        work_trees: &[WorkTreeRecord],
        pins: impl IntoIterator<Item = Sha256>,
        limits: &Limits,
    ) -> Result<Self, StoreError> {
        let mut entries = Vec::new();
        // Claims first: without one, nobody asks for what it names.
        for kind in [
            Kind::Claim,
            Kind::Reads,
            Kind::Trace,
            Kind::Spec,
            Kind::Executable,
            Kind::Blob,
        ] {
            entries.extend(store.entries(kind)?);
        }
        let claims = LocalClaims(Arc::clone(store));
        let mut marks = Marks::new(store, &claims, &entries);
        for pin in pins {
            marks.pin(pin)?;
        }
        let is_over = |marks: &Marks<'_>| limits.budget.is_some_and(|budget| marks.bytes > budget);
        let used = work_trees
            .iter()
            .flat_map(|record| results(&record.git_dir));
        for result in used {
            marks.begin();
            marks.action(result.action.sha256())?;
            // Its claim may be about another action, which reads the same.
            marks.result(&result.outputs, result.trace)?;
            if is_over(&marks) {
                marks.take_back();
            }
        }
        for action in recent(&entries, limits) {
            marks.begin();
            marks.action(action)?;
            if is_over(&marks) {
                marks.take_back();
            }
        }
        let is_old = |changed: SystemTime| {
            let age = limits.now.duration_since(changed).unwrap_or_default();
            age >= limits.grace
        };
        let mut unused = toolchains(store)?;
        unused.retain(|root| !marks.is_needed_tree(*root) && is_old(made(store, *root)));
        let mut kept = 0;
        entries.retain(|entry| {
            let by_age = matches!(entry.kind, Kind::Spec | Kind::Reads);
            let stays = (by_age && is_recent(entry, limits))
                || marks.is_needed(entry.kind, entry.sha256)
                || !is_old(entry.changed);
            kept += if stays { entry.size } else { 0 };
            !stays
        });
        Ok(Self {
            entries,
            toolchains: unused,
            kept,
        })
    }

    /// Returns how many files would be removed.
    #[must_use]
    pub fn files(&self) -> usize {
        self.entries.len()
    }

    /// Returns how many bytes these have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    /// Removes what is still as it was. Returns how many files and bytes went.
    /// `_lock` is [`LocalStore::lock_collection`].
    ///
    /// # Errors
    /// [`StoreError`] when something cannot be removed.
    pub fn remove(&self, store: &LocalStore, _lock: &File) -> Result<(usize, u64), StoreError> {
        let (mut files, mut bytes) = (0, 0);
        for entry in &self.entries {
            if store.remove_entry(entry)? {
                files += 1;
                bytes += entry.size;
            }
        }
        for root in &self.toolchains {
            // One that is in use stays, and so does what cannot be removed.
            let _ = straylight_exec::remove_toolchain(store, *root);
        }
        Ok((files, bytes))
    }
}

/// Returns the results that the last builds of a work tree used.
fn results(git_dir: &Path) -> Vec<KeptResult> {
    let folder = git_dir.join("straylight");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let graphs = files.filter(|file| file.file_name().as_encoded_bytes().starts_with(b"graph-"));
    let stored = graphs.filter_map(|file| {
        // What cannot be read is no graph for a build, either.
        straylight_dice::stored::<ActionKey>(File::open(file.path()).ok()?).ok()
    });
    let results = stored.flatten();
    results
        .filter_map(|(_, value)| persist::stored_result(&value))
        .collect()
}

fn is_recent(entry: &Entry, limits: &Limits) -> bool {
    let age = limits.now.duration_since(entry.changed).unwrap_or_default();
    age < limits.older_than
}

/// Returns the actions with a recent claim, newest first.
fn recent(entries: &[Entry], limits: &Limits) -> Vec<Sha256> {
    let claims = entries.iter().filter(|entry| entry.kind == Kind::Claim);
    let mut recent: Vec<&Entry> = claims.filter(|entry| is_recent(entry, limits)).collect();
    recent.sort_by_key(|entry| (std::cmp::Reverse(entry.changed), entry.sha256));
    recent.into_iter().map(|entry| entry.sha256).collect()
}

/// Returns when a toolchain was laid out.
fn made(store: &LocalStore, root: Sha256) -> SystemTime {
    let folder = store.root().join(format!("toolchains/{root}"));
    let made = fs::metadata(folder).and_then(|metadata| metadata.modified());
    // What has no time is new.
    made.unwrap_or_else(|_| SystemTime::now())
}
