//! The machine's shell, to be used where nothing of the machine is: in a tree
//! that is mounted anywhere, beside a root file system with none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::closure::Closure;
use super::libraries::add_libraries;
use super::{CaptureError, elf};

/// What the shell does itself; its own are faster.
const BUILT_IN: [&str; 6] = ["echo", "false", "printf", "pwd", "test", "true"];

/// Programs that start wherever their tree is mounted. Paths are relative to its
/// root.
#[derive(Debug)]
pub(crate) struct Portable {
    /// What loads the others, and where it finds libraries; `None` if they need
    /// neither.
    pub(crate) loader: Option<(PathBuf, Vec<PathBuf>)>,
    pub(crate) shell: PathBuf,
    /// The other programs, with their names.
    pub(crate) programs: Vec<(String, PathBuf)>,
}

/// Looks through the tree of a captured userland that is laid out at `tree`.
///
/// # Errors
/// [`CaptureError`] when the shell would not start.
pub(crate) fn portable(tree: &Path) -> Result<Portable, CaptureError> {
    let mut closure = Closure::new(tree);
    let shell = closure.require(Path::new("/bin/sh"))?;
    let programs = programs(tree, &mut closure)?;
    let own: BTreeSet<PathBuf> = closure.files().into_iter().collect();
    add_libraries(&mut closure, None)?;
    let libraries = closure.files().into_iter();
    let libraries = libraries.filter(|file| !own.contains(file));
    let folders: BTreeSet<PathBuf> = libraries.filter_map(|file| parent(&file)).collect();
    let failed = |error| CaptureError::io("read", &shell, error);
    let elf = elf::read(&closure.on_disk(&shell)).map_err(failed)?;
    let loader = match elf.and_then(|elf| elf.interpreter) {
        Some(loader) => {
            let loader = closure.require(Path::new(&loader))?;
            Some((relative(&loader), folders.into_iter().collect()))
        }
        None => None,
    };
    Ok(Portable {
        loader,
        shell: relative(&shell),
        programs,
    })
}

/// Returns the programs of the tree that are no scripts.
fn programs(tree: &Path, closure: &mut Closure) -> Result<Vec<(String, PathBuf)>, CaptureError> {
    let folder = tree.join("usr/bin");
    let failed = |error| CaptureError::io("read", &folder, error);
    let mut programs = Vec::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str().filter(|name| is_function(name)) else {
            continue;
        };
        let Some(real) = closure.add(&Path::new("/usr/bin").join(name))? else {
            continue;
        };
        let elf = elf::read(&closure.on_disk(&real)).map_err(failed)?;
        if elf.is_some_and(|elf| elf.interpreter.is_some()) {
            programs.push((name.to_owned(), relative(&real)));
        }
    }
    programs.sort();
    Ok(programs)
}

/// Returns whether a shell takes `name` for that of a function.
fn is_function(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|first| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !BUILT_IN.contains(&name)
}

fn parent(file: &Path) -> Option<PathBuf> {
    file.parent().map(relative)
}

fn relative(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}
