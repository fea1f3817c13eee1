//! The inputs of an action in its folder, and what of them stays for the next one.
//!
//! Most actions of a build read nearly the same files. A folder that is used
//! again holds what the action before it read: no action could change that, since
//! it was shown read-only. So only the difference is put in place. What an action
//! could write to goes first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use straylight_odb::{Digest, LocalStore};

use crate::action::{Request, WORKING_DIRECTORY};
use crate::error::ExecError;
use crate::merkle::{self, Node};
use crate::staging::{join, make_folder, make_link, set_file_time, set_time};

/// How inputs get into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placing {
    /// As hard links, for a sandbox that shows them read-only.
    Link,
    /// As copies, for an action that can change them.
    Copy,
}

/// What is to be in a folder, and below it.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The stored tree; what lies in it is in `nodes`.
    tree: Digest,
    nodes: Vec<(String, Node)>,
    outputs: Parents,
}

/// The folders that outputs lie in, and those around them.
#[derive(Debug, Default)]
struct Parents(BTreeMap<String, Parents>);

impl Wanted {
    /// Reads what an action wants in its `build`.
    pub(crate) fn of(store: &LocalStore, request: &Request) -> Result<Self, ExecError> {
        let root = merkle::read_folder(store, &request.input_root)?;
        let [(name, Node::Directory { digest })] = root.as_slice() else {
            return Err(not_one_folder(request));
        };
        if name != WORKING_DIRECTORY {
            return Err(not_one_folder(request));
        }
        let mut outputs = Parents::default();
        for output in &request.command.output_paths {
            let folders = output.rsplit_once('/').map_or("", |(folders, _)| folders);
            let names = folders.split('/').filter(|name| !name.is_empty());
            names.fold(&mut outputs, |above, name| {
                above.0.entry(name.to_owned()).or_default()
            });
        }
        Ok(Self {
            tree: *digest,
            nodes: merkle::read_folder(store, digest)?,
            outputs,
        })
    }

    /// Returns how many names at the top are only here or only in `folder`.
    pub(crate) fn differs_from(&self, folder: &Folder) -> usize {
        let outputs = self.outputs.0.keys();
        let only_outputs = outputs.filter(|name| node(&self.nodes, name).is_none());
        let wanted = self.nodes.len() + only_outputs.count();
        let is_wanted = |name: &&String| {
            node(&self.nodes, name).is_some() || self.outputs.0.contains_key(*name)
        };
        let kept = folder.entries.keys().filter(is_wanted).count();
        wanted + folder.entries.len() - 2 * kept
    }
}

/// Returns what is called `name`; the nodes are sorted by their names.
fn node<'a>(nodes: &'a [(String, Node)], name: &str) -> Option<&'a Node> {
    let at = nodes.binary_search_by(|(other, _)| other.as_str().cmp(name));
    at.ok().map(|at| &nodes[at].1)
}

fn not_one_folder(request: &Request) -> ExecError {
    ExecError::InvalidRequest {
        action: request.action,
        reason: format!("its input root is not one folder `{WORKING_DIRECTORY}`"),
    }
}

/// What was put into a folder, as it is on the disk.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// The stored tree that it is, if it has just what that has.
    tree: Option<Digest>,
    entries: BTreeMap<String, Entry>,
    /// Whether its time is the one that all have: making or removing something in a
    /// folder changes it.
    timed: bool,
}

/// What was put somewhere: a file, a symbolic link, or a folder.
#[derive(Debug)]
pub(crate) enum Entry {
    Leaf(Node),
    Folder(Folder),
}

impl Folder {
    /// Returns what was put at `path`, which uses `/`.
    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.folder(parents)?.entries.get(name)
    }

    /// Returns a folder in this one; "" is this one.
    fn folder(&self, path: &str) -> Option<&Self> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        names.try_fold(self, |folder, name| match folder.entries.get(name) {
            Some(Entry::Folder(folder)) => Some(folder),
            _ => None,
        })
    }

    /// Calls `visit` with everything below the folder at `path`, folders first;
    /// it says whether to go below a folder.
    pub(crate) fn walk(&self, path: &str, visit: &mut impl FnMut(&str, &Entry) -> bool) {
        for (name, entry) in self
            .folder(path)
            .into_iter()
            .flat_map(|folder| &folder.entries)
        {
            let path = join(path, name);
            if visit(&path, entry) && matches!(entry, Entry::Folder(_)) {
                self.walk(&path, visit);
            }
        }
    }

    /// Sets the time of this folder, at `path`, after all changes in it.
    fn set_time(&mut self, path: &Path) -> Result<(), ExecError> {
        if !self.timed {
            set_time(path)?;
            self.timed = true;
        }
        Ok(())
    }

    /// Forgets what was put into the folder at `path`: all of it is removed.
    pub(crate) fn emptied(&mut self, path: &str) {
        self.tree = None;
        let (name, below) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            self.entries.clear();
            self.timed = false;
        } else if let Some(Entry::Folder(folder)) = self.entries.get_mut(name) {
            folder.emptied(below);
        }
    }
}

/// Empty folders that were used before. Some file systems are slow at making a
/// folder when others were removed shortly before; moving one is always fast.
#[derive(Debug)]
pub(crate) struct Spare {
    /// They are in here, with the numbers below `count` as their names.
    all: PathBuf,
    count: usize,
}

impl Spare {
    /// Makes room for some in the folder of an action.
    pub(crate) fn new(folder: &Path) -> Result<Self, ExecError> {
        let all = folder.join("spare");
        make_folder(&all)?;
        Ok(Self { all, count: 0 })
    }

    fn path(&self, number: usize) -> PathBuf {
        self.all.join(number.to_string())
    }

    /// Keeps `path`, an empty folder.
    fn keep(&mut self, path: &Path) -> Result<(), ExecError> {
        fs::rename(path, self.path(self.count)).map_err(ExecError::io("remove", path))?;
        self.count += 1;
        Ok(())
    }

    /// Makes the folder `path`.
    fn make(&mut self, path: &Path) -> Result<(), ExecError> {
        let Some(last) = self.count.checked_sub(1) else {
            return make_folder(path);
        };
        fs::rename(self.path(last), path).map_err(ExecError::io("create", path))?;
        self.count = last;
        Ok(())
    }
}

/// Puts inputs into one action's folder.
pub(crate) struct Placer<'a> {
    pub(crate) store: &'a LocalStore,
    pub(crate) request: &'a Request,
    pub(crate) placing: Placing,
    pub(crate) spare: &'a mut Spare,
}

impl Placer<'_> {
    /// Makes `folder`, which is the folder `path` on the disk, what is wanted. After
    /// an error it is not known what is there.
    pub(crate) fn fill(
        &mut self,
        folder: &mut Folder,
        path: &Path,
        wanted: &Wanted,
    ) -> Result<(), ExecError> {
        if folder.tree == Some(wanted.tree) && wanted.outputs.0.is_empty() {
            return self.check(folder, path);
        }
        self.settle(folder, path, "", &wanted.nodes, &wanted.outputs)?;
        folder.tree = wanted.outputs.0.is_empty().then_some(wanted.tree);
        Ok(())
    }

    /// `within` is the path in `build`.
    fn settle(
        &mut self,
        folder: &mut Folder,
        path: &Path,
        within: &str,
        nodes: &[(String, Node)],
        outputs: &Parents,
    ) -> Result<(), ExecError> {
        self.remove_others(folder, path, nodes, outputs)?;
        for (name, node) in nodes {
            let path = path.join(name);
            let below = outputs.0.get(name);
            if let Node::Directory { digest } = node {
                let inner = self.subfolder(folder, name, &path)?;
                self.settle_tree(inner, &path, &join(within, name), digest, below)?;
            } else if below.is_some() {
                return Err(ExecError::InvalidRequest {
                    action: self.request.action,
                    reason: format!(
                        "`{}` is an input, and the folder of an output",
                        join(within, name)
                    ),
                });
            } else if folder.entries.contains_key(name) {
                folder.timed &= !self.replace_changed(node, &path)?;
            } else {
                self.place(node, &path)?;
                let leaf = Entry::Leaf(node.clone());
                folder.entries.insert(name.clone(), leaf);
                folder.timed = false;
            }
        }
        for (name, below) in &outputs.0 {
            if node(nodes, name).is_some() {
                continue;
            }
            let path = path.join(name);
            let inner = self.subfolder(folder, name, &path)?;
            inner.tree = None;
            self.settle(inner, &path, &join(within, name), &[], below)?;
        }
        folder.set_time(path)
    }

    fn settle_tree(
        &mut self,
        folder: &mut Folder,
        path: &Path,
        within: &str,
        tree: &Digest,
        outputs: Option<&Parents>,
    ) -> Result<(), ExecError> {
        if outputs.is_none() && folder.tree == Some(*tree) {
            return self.check(folder, path);
        }
        let nodes = merkle::read_folder(self.store, tree)?;
        let none = Parents::default();
        self.settle(folder, path, within, &nodes, outputs.unwrap_or(&none))?;
        folder.tree = outputs.is_none().then_some(*tree);
        Ok(())
    }

    /// Removes what is not wanted.
    fn remove_others(
        &mut self,
        folder: &mut Folder,
        path: &Path,
        nodes: &[(String, Node)],
        outputs: &Parents,
    ) -> Result<(), ExecError> {
        let stays = |name: &String, entry: &Entry| match (entry, node(nodes, name)) {
            (Entry::Folder(_), Some(Node::Directory { .. })) => true,
            (Entry::Folder(_), None) => outputs.0.contains_key(name),
            (Entry::Leaf(old), Some(new)) => old == new,
            _ => false,
        };
        for (name, entry) in folder
            .entries
            .extract_if(.., |name, entry| !stays(name, entry))
        {
            self.remove(&entry, &path.join(name))?;
            folder.timed = false;
        }
        Ok(())
    }

    fn remove(&mut self, entry: &Entry, path: &Path) -> Result<(), ExecError> {
        match entry {
            Entry::Leaf(_) => fs::remove_file(path).map_err(ExecError::io("remove", path)),
            Entry::Folder(folder) => {
                for (name, entry) in &folder.entries {
                    self.remove(entry, &path.join(name))?;
                }
                self.spare.keep(path)
            }
        }
    }

    /// Returns the folder `name` in `folder`; makes it, at `path`, if it is not there.
    fn subfolder<'f>(
        &mut self,
        folder: &'f mut Folder,
        name: &str,
        path: &Path,
    ) -> Result<&'f mut Folder, ExecError> {
        if !folder.entries.contains_key(name) {
            self.spare.make(path)?;
            let new = Entry::Folder(Folder::default());
            folder.entries.insert(name.to_owned(), new);
            folder.timed = false;
        }
        match folder.entries.get_mut(name) {
            Some(Entry::Folder(inner)) => Ok(inner),
            _ => unreachable!("what is not wanted was removed"),
        }
    }

    /// Looks at all files of a folder that has what is wanted.
    fn check(&self, folder: &mut Folder, path: &Path) -> Result<(), ExecError> {
        for (name, entry) in &mut folder.entries {
            let path = path.join(name);
            match entry {
                Entry::Leaf(node) => folder.timed &= !self.replace_changed(node, &path)?,
                Entry::Folder(folder) => self.check(folder, &path)?,
            }
        }
        folder.set_time(path)
    }

    /// Replaces a file that somebody wrote to; returns whether it did.
    fn replace_changed(&self, node: &Node, path: &Path) -> Result<bool, ExecError> {
        let Node::File { digest, executable } = node else {
            return Ok(false);
        };
        if self.store.is_unchanged(path, digest, *executable) {
            return Ok(false);
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ExecError::io("remove", path)(error));
            }
            _ => self.place(node, path)?,
        }
        Ok(true)
    }

    fn place(&self, node: &Node, path: &Path) -> Result<(), ExecError> {
        match node {
            Node::Directory { .. } | Node::EmptyDir => make_folder(path),
            Node::Symlink { target } => make_link(target, path),
            Node::File { digest, executable } => {
                let placed = match self.placing {
                    Placing::Link => self.store.link(digest, *executable, path)?,
                    Placing::Copy => self.store.copy(digest, *executable, path)?,
                };
                if !placed {
                    return Err(ExecError::MissingBlob(*digest));
                }
                if self.placing == Placing::Copy {
                    set_file_time(path)?;
                }
                Ok(())
            }
        }
    }
}
