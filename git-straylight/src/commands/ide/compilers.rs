//! Which compiler editors are told of: the one of this machine if it is the one that
//! was captured, else the captured one, where it lies in the cache.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use straylight_exec::{Node, TreeError, lay_out_toolchain, merkle};
use straylight_odb::{Digest, LocalStore};

use crate::error::{CommandError, Result};

/// As many as Linux follows.
const LINKS: usize = 40;

/// Captured compilers, and where they are.
pub(super) struct Compilers<'a> {
    store: &'a LocalStore,
    /// The folder to look in instead of this machine's, by toolchain and program.
    known: HashMap<(Digest, String), Option<PathBuf>>,
}

impl<'a> Compilers<'a> {
    pub(super) fn new(store: &'a LocalStore) -> Self {
        Self {
            store,
            known: HashMap::new(),
        }
    }

    /// Returns the folder of the toolchain `root` if this machine's `program` is
    /// another one, or none. What the cache lacks is looked for on this machine.
    pub(super) fn folder(&mut self, root: &Digest, program: &str) -> Result<Option<PathBuf>> {
        let key = (*root, program.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let folder = match captured(self.store, root, program)? {
            Some(captured) if !is_here(program, &captured) => {
                Some(lay_out_toolchain(self.store, root)?)
            }
            _ => None,
        };
        self.known.insert(key, folder.clone());
        Ok(folder)
    }
}

/// Returns whether this machine's `program` has these bytes.
fn is_here(program: &str, captured: &Digest) -> bool {
    std::fs::read(program).is_ok_and(|bytes| Digest::of(&bytes) == *captured)
}

/// Returns the bytes of a program in a stored tree; `None` if they are not there.
fn captured(store: &LocalStore, root: &Digest, program: &str) -> Result<Option<Digest>> {
    let mut nodes = BTreeMap::new();
    let walked = merkle::walk(store, root, &mut |path, node| {
        nodes.insert(path.to_owned(), node.clone());
        Ok::<_, TreeError>(())
    });
    match walked {
        Ok(()) => Ok(resolve(&nodes, program)),
        Err(TreeError::MissingBlob(_)) => Ok(None),
        Err(error) => Err(CommandError::environment(error)),
    }
}

/// Follows the links of a tree as if it were the root of a file system.
fn resolve(nodes: &BTreeMap<String, Node>, path: &str) -> Option<Digest> {
    let mut path = plain(path);
    for _ in 0..LINKS {
        let ends = path.match_indices('/').map(|(end, _)| end);
        let link = ends.chain([path.len()]).find_map(|end| {
            let (above, below) = path.split_at(end);
            match nodes.get(above)? {
                Node::Symlink { target } => Some((above, target, below)),
                _ => None,
            }
        });
        let Some((above, target, below)) = link else {
            return match nodes.get(&path)? {
                Node::File { digest, .. } => Some(*digest),
                _ => None,
            };
        };
        path = match above.rsplit_once('/') {
            Some((folder, _)) if !target.starts_with('/') => {
                plain(&format!("{folder}/{target}{below}"))
            }
            _ => plain(&format!("{target}{below}")),
        };
    }
    None
}

/// Returns a path from the root, without `.`, `..` and a first `/`.
fn plain(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_tree() {
        let digest = Digest::of(b"gcc");
        let file = Node::File {
            digest,
            executable: true,
        };
        let link = |target: &str| Node::Symlink {
            target: target.to_owned(),
        };
        let nodes: BTreeMap<String, Node> = [
            ("usr/bin/gcc-12", file),
            ("usr/bin/gcc", link("gcc-12")),
            ("usr/bin/cc", link("/etc/alternatives/cc")),
            ("etc/alternatives/cc", link("../../../usr/bin/./gcc")),
            ("bin", link("usr/bin")),
            ("usr/bin/loop", link("loop")),
            ("usr/bin/gone", link("nowhere")),
        ]
        .map(|(path, node)| (path.to_owned(), node))
        .into();
        for path in ["/usr/bin/gcc-12", "/usr/bin/gcc", "/usr/bin/cc", "/bin/cc"] {
            assert_eq!(resolve(&nodes, path), Some(digest), "{path}");
        }
        for path in ["/usr/bin/loop", "/usr/bin/gone", "/bin", "/usr/bin/x"] {
            assert_eq!(resolve(&nodes, path), None, "{path}");
        }
    }
}
