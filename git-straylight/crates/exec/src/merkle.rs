//! Trees of files as [`Directory`] messages, each stored under its digest.
//!
//! The digest of a tree is the digest of its root message. A tree that was
//! read from a store is checked as strictly as one that is built here: names
//! are single path components, unique and sorted, in the canonical encoding.
//! So whoever walks a stored tree may use its names as file names.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use straylight_odb::{ContentStore, Digest, LocalStore, StoreError};

use crate::reapi::{self, Directory, DirectoryNode, FileNode, SymlinkNode};

/// What lies at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file.
    File {
        /// Its bytes.
        digest: Digest,
        /// Whether it may be run.
        executable: bool,
    },
    /// A tree that the store has already.
    Directory {
        /// Its root [`Directory`].
        digest: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// What it holds; never resolved here.
        target: String,
    },
    /// A folder that exists even if nothing lies in it.
    EmptyDir,
}

/// A tree that is being put together, path by path.
#[derive(Debug, Clone, Default)]
pub struct InputTree {
    root: Folder,
}

type Folder = BTreeMap<String, Entry>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Leaf(Node),
    Folder(Folder),
}

/// A tree that cannot be built, read or stored.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A path that cannot lie in a tree.
    #[error("`{path}` is not a path in a tree: {reason}")]
    BadPath {
        /// The path.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// Two different things at one path.
    #[error("two different inputs at `{path}`: {first} and {second}")]
    Conflict {
        /// The path.
        path: String,
        /// What was there.
        first: String,
        /// What was to be there too.
        second: String,
    },
    /// The store does not have a part of the tree.
    #[error("the store has no blob {0}")]
    MissingBlob(Digest),
    /// A blob that should be a folder of a tree, and is not.
    #[error("blob {digest} is not a folder of a tree: {reason}")]
    Malformed {
        /// The blob.
        digest: Digest,
        /// Why not.
        reason: String,
    },
    /// A file on disk that a tree cannot hold.
    #[error("`{path}` cannot be stored: {reason}", path = path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl InputTree {
    /// Returns an empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `node` at `path`, which is relative and uses `/`. Inserting the
    /// same node twice is the same as inserting it once.
    ///
    /// # Errors
    /// [`TreeError::BadPath`] · [`TreeError::Conflict`] when something else
    /// lies at the path, or a file or a stored tree lies above it.
    pub fn insert(&mut self, path: &str, node: Node) -> Result<(), TreeError> {
        let (parents, name) = split(path)?;
        let mut folder = &mut self.root;
        for (depth, parent) in parents.iter().enumerate() {
            let entry = folder
                .entry((*parent).to_owned())
                .or_insert_with(|| Entry::Folder(Folder::new()));
            folder = match entry {
                Entry::Folder(folder) => folder,
                Entry::Leaf(leaf) => {
                    let above = parents[..=depth].join("/");
                    return Err(conflict(&above, &describe(leaf), "a folder"));
                }
            };
        }
        let new = match node {
            Node::EmptyDir => Entry::Folder(Folder::new()),
            node => Entry::Leaf(node),
        };
        let Some(old) = folder.get(name) else {
            folder.insert(name.to_owned(), new);
            return Ok(());
        };
        match (old, &new) {
            (old, new) if old == new => Ok(()),
            // A folder that must exist does: as a folder, or as a stored tree.
            (Entry::Folder(_) | Entry::Leaf(Node::Directory { .. }), Entry::Folder(_)) => Ok(()),
            (Entry::Folder(old), Entry::Leaf(Node::Directory { .. })) if old.is_empty() => {
                folder.insert(name.to_owned(), new);
                Ok(())
            }
            (Entry::Folder(_), Entry::Leaf(new)) => Err(conflict(path, "a folder", &describe(new))),
            (Entry::Leaf(old), Entry::Folder(_)) => Err(conflict(path, &describe(old), "a folder")),
            (Entry::Leaf(old), Entry::Leaf(new)) => {
                Err(conflict(path, &describe(old), &describe(new)))
            }
        }
    }

    /// Stores the folders of the tree, and returns the digest of its root.
    ///
    /// Files and stored trees that were inserted are not looked at.
    ///
    /// # Errors
    /// [`TreeError::Store`].
    pub fn write(&self, store: &dyn ContentStore) -> Result<Digest, TreeError> {
        write_folder(&self.root, store)
    }
}

fn describe(node: &Node) -> String {
    match node {
        Node::File { digest, executable } => {
            let kind = if *executable { "executable" } else { "file" };
            format!("the {kind} {}", digest.sha256())
        }
        Node::Directory { digest } => format!("the tree {}", digest.sha256()),
        Node::Symlink { target } => format!("a link to `{target}`"),
        Node::EmptyDir => "a folder".to_owned(),
    }
}

fn conflict(path: &str, first: &str, second: &str) -> TreeError {
    TreeError::Conflict {
        path: path.to_owned(),
        first: first.to_owned(),
        second: second.to_owned(),
    }
}

/// Splits a path into the names of its folders and its own.
fn split(path: &str) -> Result<(Vec<&str>, &str), TreeError> {
    let mut names: Vec<&str> = path.split('/').collect();
    for name in &names {
        check_name(name).map_err(|reason| TreeError::BadPath {
            path: path.to_owned(),
            reason,
        })?;
    }
    let name = names.pop().unwrap_or_default();
    Ok((names, name))
}

/// Checks that `path` is relative, uses `/`, and has neither `.` nor `..`.
///
/// # Errors
/// [`TreeError::BadPath`].
pub fn check_path(path: &str) -> Result<(), TreeError> {
    split(path).map(drop)
}

fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("a component is empty"),
        "." | ".." => Err("`.` and `..` are not names"),
        _ if name.contains('/') => Err("a name holds a `/`"),
        _ if name.contains('\0') => Err("a name holds a zero byte"),
        _ => Ok(()),
    }
}

fn write_folder(folder: &Folder, store: &dyn ContentStore) -> Result<Digest, TreeError> {
    let mut directory = Directory::default();
    for (name, entry) in folder {
        let node = match entry {
            Entry::Leaf(node) => node.clone(),
            Entry::Folder(folder) => Node::Directory {
                digest: write_folder(folder, store)?,
            },
        };
        push(&mut directory, name.clone(), node);
    }
    Ok(store.write(&reapi::encode(&directory))?)
}

/// Adds a node to a folder; the caller does so in the order of names.
fn push(directory: &mut Directory, name: String, node: Node) {
    match node {
        Node::File { digest, executable } => directory.files.push(FileNode {
            name,
            digest: Some(digest.into()),
            is_executable: executable,
        }),
        Node::Directory { digest } => directory.directories.push(DirectoryNode {
            name,
            digest: Some(digest.into()),
        }),
        Node::Symlink { target } => directory.symlinks.push(SymlinkNode { name, target }),
        Node::EmptyDir => directory.directories.push(DirectoryNode {
            name,
            digest: Some(Digest::of(b"").into()),
        }),
    }
}

/// Reads one folder of a stored tree: its names and nodes, sorted by name.
///
/// # Errors
/// [`TreeError::MissingBlob`] · [`TreeError::Malformed`] · [`TreeError::Store`].
pub fn read_folder(
    store: &dyn ContentStore,
    digest: &Digest,
) -> Result<Vec<(String, Node)>, TreeError> {
    let bytes = store.read(digest)?.ok_or(TreeError::MissingBlob(*digest))?;
    let malformed = |reason: String| TreeError::Malformed {
        digest: *digest,
        reason,
    };
    let directory: Directory =
        reapi::decode(&bytes).map_err(|error| malformed(error.to_string()))?;
    let nodes = nodes(directory).map_err(malformed)?;
    Ok(nodes.into_iter().collect())
}

fn nodes(directory: Directory) -> Result<BTreeMap<String, Node>, String> {
    let digest_of = |name: &str, digest: Option<reapi::Digest>| {
        let digest = digest.ok_or_else(|| format!("`{name}` has no digest"))?;
        Digest::try_from(&digest).map_err(|error| error.to_string())
    };
    let mut lists: [Vec<(String, Node)>; 3] = Default::default();
    for file in directory.files {
        let digest = digest_of(&file.name, file.digest)?;
        let executable = file.is_executable;
        lists[0].push((file.name, Node::File { digest, executable }));
    }
    for folder in directory.directories {
        let digest = digest_of(&folder.name, folder.digest)?;
        lists[1].push((folder.name, Node::Directory { digest }));
    }
    for link in directory.symlinks {
        let target = link.target;
        lists[2].push((link.name, Node::Symlink { target }));
    }
    let mut nodes = BTreeMap::new();
    for list in lists {
        if !list.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("its names are not sorted and unique".to_owned());
        }
        for (name, node) in list {
            check_name(&name).map_err(|reason| format!("`{name}`: {reason}"))?;
            if nodes.insert(name.clone(), node).is_some() {
                return Err(format!("`{name}` occurs twice"));
            }
        }
    }
    Ok(nodes)
}

/// Calls `visit` with the path and the node of everything in a stored tree,
/// folders before what lies in them, in the order of their names. An empty
/// folder is a [`Node::Directory`] like any other.
///
/// # Errors
/// As [`read_folder`], and whatever `visit` returns.
pub fn walk<E: From<TreeError>>(
    store: &dyn ContentStore,
    root: &Digest,
    visit: &mut dyn FnMut(&str, &Node) -> Result<(), E>,
) -> Result<(), E> {
    walk_below(store, root, "", visit)
}

fn walk_below<E: From<TreeError>>(
    store: &dyn ContentStore,
    digest: &Digest,
    above: &str,
    visit: &mut dyn FnMut(&str, &Node) -> Result<(), E>,
) -> Result<(), E> {
    for (name, node) in read_folder(store, digest)? {
        let path = if above.is_empty() {
            name
        } else {
            format!("{above}/{name}")
        };
        visit(&path, &node)?;
        if let Node::Directory { digest } = node {
            walk_below(store, &digest, &path, visit)?;
        }
    }
    Ok(())
}

/// Stores the files and folders below the folder `path`, and returns the
/// digest of the tree. Symbolic links are kept as they are; modes are reduced
/// to whether the owner may run a file; times are not kept.
///
/// # Errors
/// [`TreeError::Unsupported`] for a socket, a device, or a name that is not
/// UTF-8 · [`TreeError::Store`].
pub fn hash_tree(store: &LocalStore, path: &Path) -> Result<Digest, TreeError> {
    store_tree(store, path, LocalStore::write_file)
}

/// How the bytes of a file get into the store.
type StoreFile = fn(&LocalStore, &Path) -> Result<Digest, StoreError>;

fn store_tree(store: &LocalStore, path: &Path, file: StoreFile) -> Result<Digest, TreeError> {
    let read = |error| TreeError::Store(StoreError::io("read", path)(error));
    let mut directory = Directory::default();
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(read)? {
        names.push(entry.map_err(read)?.file_name());
    }
    names.sort();
    for name in names {
        let path = path.join(&name);
        let name = name.into_string().map_err(|_| TreeError::Unsupported {
            path: path.clone(),
            reason: "its name is not UTF-8",
        })?;
        push(&mut directory, name, store_node(store, &path, file)?);
    }
    Ok(store.write(&reapi::encode(&directory))?)
}

/// Stores what lies at `path`, which is not followed if it is a symbolic link.
///
/// # Errors
/// As [`hash_tree`].
pub fn hash_node(store: &LocalStore, path: &Path) -> Result<Node, TreeError> {
    store_node(store, path, LocalStore::write_file)
}

/// The same, and what lies at `path` may be gone afterwards: its files are moved into
/// the store. Nobody else may have them open.
///
/// # Errors
/// As [`hash_tree`].
pub fn take_node(store: &LocalStore, path: &Path) -> Result<Node, TreeError> {
    store_node(store, path, LocalStore::take_file)
}

fn store_node(store: &LocalStore, path: &Path, file: StoreFile) -> Result<Node, TreeError> {
    let read = |error: io::Error| TreeError::Store(StoreError::io("read", path)(error));
    let unsupported = |reason| TreeError::Unsupported {
        path: path.to_owned(),
        reason,
    };
    let metadata = fs::symlink_metadata(path).map_err(read)?;
    let kind = metadata.file_type();
    if kind.is_file() {
        Ok(Node::File {
            digest: file(store, path)?,
            executable: metadata.permissions().mode() & 0o100 != 0,
        })
    } else if kind.is_dir() {
        Ok(Node::Directory {
            digest: store_tree(store, path, file)?,
        })
    } else if kind.is_symlink() {
        let target = fs::read_link(path).map_err(read)?;
        let target = target.into_os_string().into_string();
        Ok(Node::Symlink {
            target: target.map_err(|_| unsupported("its target is not UTF-8"))?,
        })
    } else {
        Err(unsupported("it is not a file, a folder or a symbolic link"))
    }
}
