//! Trees: their entries, and lookups by path.

use std::cmp::Ordering;

use gix::objs::TreeRefIter;
use gix::objs::tree::{EntryMode, name_order};

use super::{ObjectId, ObjectKind, RepoError, Repository, describe};

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link; the blob is its target.
    Symlink,
    /// A folder.
    Tree,
    /// A commit of another repository, which this one does not have.
    Submodule,
}

impl EntryKind {
    /// Returns git's mode, in octal digits.
    pub(super) const fn mode(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
            Self::Tree => "40000",
            Self::Submodule => "160000",
        }
    }

    fn from_mode(mode: EntryMode) -> Self {
        use gix::objs::tree::EntryKind as Kind;
        match mode.kind() {
            Kind::Blob => Self::File,
            Kind::BlobExecutable => Self::Executable,
            Kind::Link => Self::Symlink,
            Kind::Tree => Self::Tree,
            Kind::Commit => Self::Submodule,
        }
    }
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name: one path component.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its blob, tree or (for a submodule) commit.
    pub id: ObjectId,
}

impl Repository {
    /// Returns the entries of a tree, in git's order.
    ///
    /// # Errors
    /// [`RepoError::Corrupt`] for an entry that could not be part of a path,
    /// [`RepoError::NonUtf8Path`], or like [`Repository::read_object`].
    pub fn tree_entries(&self, tree: ObjectId) -> Result<Vec<TreeEntry>, RepoError> {
        parse(tree, &self.read_kind(tree, ObjectKind::Tree)?)
    }

    /// Returns what is at `path` in `tree`: components with `/` between them.
    ///
    /// `None` when there is nothing, and for the empty path, which names the
    /// tree itself.
    ///
    /// # Errors
    /// Like [`Repository::tree_entries`].
    pub fn tree_entry(&self, tree: ObjectId, path: &str) -> Result<Option<TreeEntry>, RepoError> {
        let mut tree = tree;
        let mut components = path.split('/').peekable();
        while let Some(name) = components.next() {
            let entries = self.tree_entries(tree)?;
            let Some(entry) = entries.into_iter().find(|entry| entry.name == name) else {
                return Ok(None);
            };
            if components.peek().is_none() {
                return Ok(Some(entry));
            }
            if entry.kind != EntryKind::Tree {
                return Ok(None);
            }
            tree = entry.id;
        }
        Ok(None)
    }

    /// Calls `visit` with the path of every entry below `tree`, folders before
    /// what is in them, in git's order.
    ///
    /// # Errors
    /// Like [`Repository::tree_entries`]; entries visited before stay visited.
    pub fn walk_tree(
        &self,
        tree: ObjectId,
        mut visit: impl FnMut(&str, TreeEntry),
    ) -> Result<(), RepoError> {
        // A stack of our own: a hostile tree can be deeper than a thread's stack.
        let mut folders = vec![(String::new(), self.tree_entries(tree)?.into_iter())];
        while let Some((prefix, entries)) = folders.last_mut() {
            let Some(entry) = entries.next() else {
                folders.pop();
                continue;
            };
            let path = format!("{prefix}{}", entry.name);
            let (kind, id) = (entry.kind, entry.id);
            visit(&path, entry);
            if kind == EntryKind::Tree {
                let children = self.tree_entries(id)?.into_iter();
                folders.push((format!("{path}/"), children));
            }
        }
        Ok(())
    }
}

fn parse(tree: ObjectId, raw: &[u8]) -> Result<Vec<TreeEntry>, RepoError> {
    let corrupt = |reason: String| RepoError::Corrupt { id: tree, reason };
    let mut entries: Vec<TreeEntry> = Vec::new();
    for entry in TreeRefIter::from_bytes(raw, gix::hash::Kind::Sha1) {
        let entry = entry.map_err(|error| corrupt(describe(&error)))?;
        let name = std::str::from_utf8(entry.filename).map_err(|_| RepoError::NonUtf8Path {
            path: entry.filename.to_string(),
            place: format!("tree {tree}"),
        })?;
        if !is_component(name) {
            return Err(corrupt(format!("it has an entry named `{name}`")));
        }
        let entry = TreeEntry {
            name: name.to_owned(),
            kind: EntryKind::from_mode(entry.mode),
            id: ObjectId::from_gix(entry.oid).expect("parsed as sha1"),
        };
        if entries
            .last()
            .is_some_and(|last| order(last, &entry) != Ordering::Less)
        {
            return Err(corrupt(format!("its entry `{name}` is out of order")));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The order of entries in a tree: a folder sorts as if it ended with a slash.
pub(super) fn order(a: &TreeEntry, b: &TreeEntry) -> Ordering {
    let is_tree = |entry: &TreeEntry| entry.kind == EntryKind::Tree;
    name_order(a.name.as_bytes(), is_tree(a), b.name.as_bytes(), is_tree(b))
}

/// Returns whether a work tree can hold an entry of this name.
pub(super) fn is_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && !name.eq_ignore_ascii_case(".git")
        && !name.contains(['/', '\0'])
}
