//! Files of the machine on their way into one tree.
//!
//! A file lies in the tree at its real path; every symbolic link that was
//! crossed on the way to it lies there too, so both names work inside. A link
//! through `/etc` (Debian's alternatives) becomes a link to where it ends. A
//! link that would lead nowhere in the tree is left out.
//!
//! Content and the executable bit are all that is kept of a file. What only
//! root may read is left out whoever captures, so that all get the same tree.

mod store;

pub(super) use store::Stored;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::CaptureError;

/// Never in a tree: what the administrator or the running machine changes,
/// what the sandbox mounts itself, documentation and translations.
const LEFT_OUT: [&str; 8] = [
    "/dev",
    "/etc",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/usr/share",
    "/var",
];

/// Data that programs need at run time, although it lies in a folder above.
const KEPT: [&str; 1] = ["/usr/share/awk"];

/// Links that a system with a merged `/usr` has, and that its programs expect.
const MERGED: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// As many links as the kernel follows in one path.
const LINK_LIMIT: usize = 40;

/// The files and links of a tree in the making. Paths are absolute.
#[derive(Debug)]
pub(super) struct Closure {
    /// The machine's `/`; another folder in tests.
    root: PathBuf,
    /// By real path: whether it is executable.
    files: BTreeMap<PathBuf, bool>,
    /// Every link that was crossed, with its target as it is stored.
    links: BTreeMap<PathBuf, String>,
    /// The real paths of folders that were met before.
    folders: HashMap<PathBuf, Option<PathBuf>>,
    /// Folders of the tree whose files lie elsewhere on disk.
    grafts: Vec<(PathBuf, PathBuf)>,
}

/// A link on the way to a file.
struct Crossed {
    link: PathBuf,
    target: PathBuf,
    /// Whether it stood for the file itself, not for a folder above it.
    last: bool,
}

impl Closure {
    /// Returns an empty closure of the machine whose root folder is `root`.
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            folders: HashMap::new(),
            grafts: Vec::new(),
        }
    }

    /// Lays the folder `from` of the disk at `at` in the tree. It may lie
    /// anywhere, in somebody's home as well.
    pub(super) fn graft(&mut self, from: &Path, at: &Path) {
        for folder in at.ancestors() {
            self.folders
                .insert(folder.to_owned(), Some(folder.to_owned()));
        }
        self.grafts.push((at.to_owned(), from.to_owned()));
    }

    /// Adds the file at `path` and the links that lead to it, and returns its
    /// real path; `None` when there is no file, or none that a tree takes.
    ///
    /// # Errors
    /// [`CaptureError::Io`] when the machine's folders cannot be read.
    pub(super) fn add(&mut self, path: &Path) -> Result<Option<PathBuf>, CaptureError> {
        let Some(real) = self.resolve(path)? else {
            return Ok(None);
        };
        if self.files.contains_key(&real) {
            return Ok(Some(real));
        }
        let Some(metadata) = self.metadata(&real)? else {
            return Ok(None);
        };
        let refused = is_private(&metadata) || is_left_out(&real) || real.to_str().is_none();
        if !metadata.is_file() || refused {
            return Ok(None);
        }
        let executable = metadata.permissions().mode() & 0o100 != 0;
        self.files.insert(real.clone(), executable);
        Ok(Some(real))
    }

    /// Adds the file at `path`, which the tree cannot do without.
    ///
    /// # Errors
    /// [`CaptureError::Missing`] · [`CaptureError::Io`].
    pub(super) fn require(&mut self, path: &Path) -> Result<PathBuf, CaptureError> {
        self.add(path)?.ok_or_else(|| CaptureError::Missing {
            path: path.to_owned(),
        })
    }

    /// Adds everything below the folder `path`, if there is one.
    ///
    /// # Errors
    /// [`CaptureError::Io`].
    pub(super) fn add_folder(&mut self, path: &Path) -> Result<(), CaptureError> {
        let Some(real) = self.resolve(path)? else {
            return Ok(());
        };
        let on_disk = self.on_disk(&real);
        let failed = |source| CaptureError::io("read", &on_disk, source);
        let entries = match fs::read_dir(&on_disk) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = real.join(entry.file_name());
            if entry.file_type().map_err(failed)?.is_dir() {
                self.add_folder(&path)?;
            } else {
                self.add(&path)?;
            }
        }
        Ok(())
    }

    /// Adds the one locale that every sandbox names, if the C library has it
    /// as files.
    ///
    /// # Errors
    /// [`CaptureError::Io`].
    pub(super) fn add_locale(&mut self) -> Result<(), CaptureError> {
        self.add_folder(Path::new("/usr/lib/locale/C.utf8"))
    }

    /// Makes `path` another name of `real`, unless the tree has that name. The
    /// folder of `path` may be a link, as `/bin` is.
    ///
    /// # Errors
    /// [`CaptureError::Io`].
    pub(super) fn name(&mut self, path: &Path, real: &Path) -> Result<(), CaptureError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(());
        };
        let folder = self.resolve(parent)?;
        let path = folder.as_deref().unwrap_or(parent).join(name);
        if self.files.contains_key(&path) || self.links.contains_key(&path) {
            return Ok(());
        }
        let sibling = path.parent() == real.parent();
        let target = real.file_name().filter(|_| sibling);
        let target = target.unwrap_or(real.as_os_str()).to_string_lossy();
        self.links.insert(path, target.into_owned());
        Ok(())
    }

    /// Returns the real paths of all files so far.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.files.keys().cloned().collect()
    }

    /// Returns where the file with this real path lies on disk.
    pub(super) fn on_disk(&self, real: &Path) -> PathBuf {
        for (at, from) in &self.grafts {
            if let Ok(below) = real.strip_prefix(at) {
                return from.join(below);
            }
        }
        self.root.join(real.strip_prefix("/").unwrap_or(real))
    }

    fn add_merged_links(&mut self) -> Result<(), CaptureError> {
        for name in MERGED {
            self.resolve(&Path::new("/").join(name))?;
        }
        Ok(())
    }

    /// Returns where `path` really lies, and notes the links on the way;
    /// `None` when there is nothing.
    fn resolve(&mut self, path: &Path) -> Result<Option<PathBuf>, CaptureError> {
        let (Some(parent), Some(Component::Normal(name))) =
            (path.parent(), path.components().next_back())
        else {
            return self.walk(path);
        };
        let folder = match self.folders.get(parent) {
            Some(folder) => folder.clone(),
            None => {
                let folder = self.walk(parent)?;
                for above in folder.iter().flat_map(|folder| folder.ancestors()) {
                    let above = above.to_owned();
                    self.folders.insert(above.clone(), Some(above));
                }
                self.folders.insert(parent.to_owned(), folder.clone());
                folder
            }
        };
        match folder {
            Some(folder) => self.walk(&folder.join(name)),
            None => Ok(None),
        }
    }

    fn walk(&mut self, path: &Path) -> Result<Option<PathBuf>, CaptureError> {
        let mut real = PathBuf::from("/");
        let mut rest = components(path);
        let mut crossed = Vec::new();
        while let Some(name) = rest.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            real.push(&name);
            if self.is_known_folder(&real) {
                continue;
            }
            let Some(metadata) = self.metadata(&real)? else {
                return Ok(None);
            };
            let is_way = metadata.is_dir() || metadata.is_symlink() || rest.is_empty();
            if !is_way || (metadata.is_dir() && is_private(&metadata)) {
                // Nothing lies behind a file, not even what `..` would name.
                return Ok(None);
            } else if metadata.is_symlink() {
                let target = self.read_link(&real)?;
                crossed.push(Crossed {
                    link: real.clone(),
                    target: target.clone(),
                    last: rest.is_empty(),
                });
                if crossed.len() > LINK_LIMIT {
                    return Ok(None);
                }
                follow(&mut real, &mut rest, &target);
            }
        }
        self.note(crossed, &real);
        Ok(Some(real))
    }

    fn is_known_folder(&self, path: &Path) -> bool {
        let known = self.folders.get(path).and_then(Option::as_deref);
        known == Some(path)
    }

    fn read_link(&self, link: &Path) -> Result<PathBuf, CaptureError> {
        let on_disk = self.on_disk(link);
        fs::read_link(&on_disk).map_err(|source| CaptureError::io("read", &on_disk, source))
    }

    /// Keeps the links that were crossed on the way to `real`.
    fn note(&mut self, crossed: Vec<Crossed>, real: &Path) {
        for Crossed { link, target, last } in crossed {
            let parent = link.parent().unwrap_or(Path::new("/"));
            let leaves = is_left_out(&normal(&parent.join(&target)));
            if is_left_out(&link) || leaves && !last {
                continue;
            }
            let target = if leaves { real } else { &target };
            if let (Some(_), Some(target)) = (link.to_str(), target.to_str()) {
                self.links.insert(link, target.to_owned());
            }
        }
    }

    fn metadata(&self, path: &Path) -> Result<Option<fs::Metadata>, CaptureError> {
        let on_disk = self.on_disk(path);
        match fs::symlink_metadata(&on_disk) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(CaptureError::io("read", &on_disk, error)),
        }
    }
}

/// A folder that the user may not enter holds nothing that all may read.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

/// Whether only root, or its group, may read a file or enter a folder. Root
/// could: but then its capture would differ from everybody else's.
fn is_private(metadata: &fs::Metadata) -> bool {
    let needed = if metadata.is_dir() { 0o001 } else { 0o004 };
    metadata.permissions().mode() & needed == 0 && metadata.uid() == 0
}

fn is_left_out(path: &Path) -> bool {
    let below = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    below(&LEFT_OUT) && !below(&KEPT)
}

/// Goes on at the target of the link `at`: `rest` is a stack.
fn follow(at: &mut PathBuf, rest: &mut Vec<OsString>, target: &Path) {
    at.pop();
    if target.is_absolute() {
        *at = PathBuf::from("/");
    }
    rest.extend(components(target));
}

/// The names in a path, the last one first; `..` is kept.
fn components(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

/// Removes `..` by name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for name in components(path).into_iter().rev() {
        if name == ".." {
            normal.pop();
        } else {
            normal.push(name);
        }
    }
    normal
}

#[cfg(test)]
mod tests;
