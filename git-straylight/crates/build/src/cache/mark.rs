//! Finding everything that something in a store needs.

use std::collections::{HashMap, HashSet};
use std::fs;

use straylight_exec::trace::{TraceContent, TraceOutput};
use straylight_exec::{Node, Trace, merkle};
use straylight_odb::inventory::{Entry, Kind};
use straylight_odb::{Digest, LocalStore, Sha256, StoreError};

use crate::claims::{Claims as _, LocalClaims};
use crate::record::BuildRecord;

/// A larger blob is not a folder.
const LARGEST_FOLDER: u64 = 64 << 20;

/// What is needed so far.
pub(super) struct Marks<'a> {
    store: &'a LocalStore,
    claims: &'a LocalClaims,
    entries: HashMap<(Kind, Sha256), Entry>,
    needed: HashSet<(Kind, Sha256)>,
    /// Folders whose content is needed, too.
    trees: HashSet<Sha256>,
    /// The size of all that is needed, in bytes.
    pub(super) bytes: u64,
    /// What was added since [`Marks::begin`].
    added: Vec<(Kind, Sha256)>,
    added_trees: Vec<Sha256>,
}

impl<'a> Marks<'a> {
    pub(super) fn new(store: &'a LocalStore, claims: &'a LocalClaims, entries: &[Entry]) -> Self {
        let named = entries
            .iter()
            .map(|entry| ((entry.kind, entry.sha256), *entry));
        Self {
            store,
            claims,
            entries: named.collect(),
            needed: HashSet::new(),
            trees: HashSet::new(),
            bytes: 0,
            added: Vec::new(),
            added_trees: Vec::new(),
        }
    }

    pub(super) fn is_needed(&self, kind: Kind, sha256: Sha256) -> bool {
        self.needed.contains(&(kind, sha256))
    }

    /// Returns whether a folder is needed with all that is in it.
    pub(super) fn is_needed_tree(&self, sha256: Sha256) -> bool {
        self.trees.contains(&sha256)
    }

    /// Begins something that may be taken back.
    pub(super) fn begin(&mut self) {
        self.added.clear();
        self.added_trees.clear();
    }

    /// Takes back what was added since then.
    pub(super) fn take_back(&mut self) {
        for name in std::mem::take(&mut self.added) {
            self.needed.remove(&name);
            self.bytes -= self.entries.get(&name).map_or(0, |entry| entry.size);
        }
        for tree in std::mem::take(&mut self.added_trees) {
            self.trees.remove(&tree);
        }
    }

    /// Returns whether the entry is there and was not needed before.
    fn add(&mut self, kind: Kind, sha256: Sha256) -> bool {
        let name = (kind, sha256);
        let Some(entry) = self.entries.get(&name) else {
            return false;
        };
        let size = entry.size;
        if !self.needed.insert(name) {
            return false;
        }
        self.bytes += size;
        self.added.push(name);
        true
    }

    fn blob(&mut self, sha256: Sha256) {
        self.add(Kind::Blob, sha256);
        self.add(Kind::Executable, sha256);
    }

    /// Needs a folder and all that is in it. What is not there is not needed.
    fn tree(&mut self, root: Sha256) -> Result<(), StoreError> {
        let mut open = vec![root];
        while let Some(folder) = open.pop() {
            self.blob(folder);
            if !self.trees.insert(folder) {
                continue;
            }
            self.added_trees.push(folder);
            for node in self.folder(folder)?.unwrap_or_default() {
                match node {
                    Node::File { digest, .. } => self.blob(digest.sha256()),
                    Node::Directory { digest } => open.push(digest.sha256()),
                    Node::Symlink { .. } | Node::EmptyDir => {}
                }
            }
        }
        Ok(())
    }

    /// Returns what is in a folder; `None` if the blob is not one.
    fn folder(&self, sha256: Sha256) -> Result<Option<Vec<Node>>, StoreError> {
        let entry = self.entries.get(&(Kind::Blob, sha256));
        let Some(entry) = entry.filter(|entry| entry.size <= LARGEST_FOLDER) else {
            return Ok(None);
        };
        match merkle::read_folder(self.store, &Digest::new(sha256, entry.size)) {
            Ok(nodes) => Ok(Some(nodes.into_iter().map(|(_, node)| node).collect())),
            Err(merkle::TreeError::Store(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Needs whatever has this name, and all that it names.
    pub(super) fn pin(&mut self, sha256: Sha256) -> Result<(), StoreError> {
        self.add(Kind::Spec, sha256);
        self.trace(sha256)?;
        // It may be a tree, or a file that only looks like one.
        self.tree(sha256)
    }

    /// Needs what is known about an action.
    pub(super) fn action(&mut self, action: Sha256) -> Result<(), StoreError> {
        if !self.add(Kind::Claim, action) {
            return Ok(());
        }
        self.blob(action);
        // The size of an action is not part of the name of its claims.
        for claim in self.claims.find(&Digest::new(action, 0))? {
            self.result(&claim.outputs, claim.trace)?;
        }
        Ok(())
    }

    /// Needs what a run made, and the record of it.
    pub(super) fn result(
        &mut self,
        outputs: &[TraceOutput],
        trace: Sha256,
    ) -> Result<(), StoreError> {
        for output in outputs {
            match &output.content {
                TraceContent::File { digest, .. } => self.blob(digest.sha256()),
                TraceContent::Directory { tree } => self.tree(tree.sha256())?,
                TraceContent::Symlink { .. } => {}
            }
        }
        self.trace(trace)
    }

    fn trace(&mut self, sha256: Sha256) -> Result<(), StoreError> {
        if !self.add(Kind::Trace, sha256) {
            return Ok(());
        }
        let path = self.store.entry_path(Kind::Trace, sha256);
        // One that cannot be read has nothing to say.
        let bytes = fs::read(path).unwrap_or_default();
        if let Ok(trace) = Trace::decode(&bytes) {
            for digest in [trace.action, trace.command, trace.stdout, trace.stderr] {
                self.blob(digest.sha256());
            }
            self.tree(trace.input_root.sha256())?;
            if let Some(toolchain) = trace.toolchain {
                self.tree(toolchain.sha256())?;
            }
        }
        if let Some(record) = BuildRecord::decode(&bytes) {
            self.add(Kind::Spec, record.spec());
            for action in &record.actions {
                self.action(action.action().sha256())?;
                self.trace(action.trace())?;
            }
        }
        Ok(())
    }
}
