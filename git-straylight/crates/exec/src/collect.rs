//! What an action left behind: its outputs go to the store, the rest is named.
//!
//! In a sandbox every process of the action is gone, so nothing changes while this
//! looks, and the outputs can be moved into the store.
//! Whatever the action made is looked at without following symbolic links: a
//! link in the place of a folder hides what should be in it, and shows nothing
//! of the machine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use straylight_odb::{LocalStore, StoreError};

use crate::action::{Output, OutputContent, Rejected, Request};
use crate::early::Watch;
use crate::error::ExecError;
use crate::merkle::{self, Node};
use crate::staging::{Staged, folders_of, is_below, join};

/// What was found in the writable folders of an action.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) outputs: Vec<Output>,
    pub(crate) undeclared: Vec<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) rejected: Vec<Rejected>,
}

/// How outputs get into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// Moved: no process has them open, and nobody looks at the folder afterwards.
    Move,
    /// Copied.
    Copy,
}

/// Stores the outputs of an action, and names what else it made.
pub(crate) fn collect(
    store: &LocalStore,
    staged: &Staged,
    request: &Request,
    early: Option<&Watch<'_>>,
    taking: Taking,
) -> Result<Collected, ExecError> {
    // An output in another one is stored twice.
    let all = &request.command.output_paths;
    let outputs: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    let nested = |output: &&str| folders_of(output).any(|above| outputs.contains(above));
    let twice = outputs.len() < all.len() || outputs.iter().any(nested);
    let store_node = match taking {
        Taking::Move if !twice => merkle::take_node,
        _ => merkle::hash_node,
    };
    let mut collected = Collected::default();
    let build = staged.build();
    for path in all {
        if !folder_is_real(&build, path) || fs::symlink_metadata(build.join(path)).is_err() {
            collected.missing.push(path.clone());
            continue;
        }
        if let Some(reasons) = examine(&build, path)? {
            collected.rejected.extend(reasons);
            continue;
        }
        let content = content(store_node(store, &build.join(path))?);
        let path = path.clone();
        collected.outputs.push(Output { path, content });
    }
    for folder in staged.writable() {
        if folder_is_real(&build, &join(folder, "x")) {
            list_undeclared(&build, folder, staged, request, &mut collected.undeclared)?;
        }
    }
    collected.undeclared.sort();
    if let Some(early) = early {
        early.check(&mut collected);
    }
    Ok(collected)
}

/// Returns the content of an output that was stored as `node`.
pub(crate) fn content(node: Node) -> OutputContent {
    match node {
        Node::File { digest, executable } => OutputContent::File { digest, executable },
        Node::Directory { digest } => OutputContent::Directory { tree: digest },
        Node::Symlink { target } => OutputContent::Symlink { target },
        Node::EmptyDir => unreachable!("a stored folder has a tree"),
    }
}

/// Returns whether everything above `path` is a folder, and no link to one.
fn folder_is_real(build: &Path, path: &str) -> bool {
    let mut above = build.to_owned();
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    parent
        .split('/')
        .filter(|name| !name.is_empty())
        .all(|name| {
            above.push(name);
            fs::symlink_metadata(&above).is_ok_and(|metadata| metadata.is_dir())
        })
}

/// Looks through an output before it is stored; returns what cannot be.
///
/// Files and folders that their owner may not read are made readable: whether
/// an action can be stored must not depend on who runs it.
fn examine(build: &Path, path: &str) -> Result<Option<Vec<Rejected>>, ExecError> {
    let mut rejected = Vec::new();
    examine_into(build, path, &mut rejected)?;
    Ok((!rejected.is_empty()).then_some(rejected))
}

fn examine_into(build: &Path, path: &str, rejected: &mut Vec<Rejected>) -> Result<(), ExecError> {
    let full = build.join(path);
    let io = |error| ExecError::Store(StoreError::io("read", &full)(error));
    let metadata = fs::symlink_metadata(&full).map_err(io)?;
    let mut reject = |reason: String| {
        rejected.push(Rejected {
            path: path.to_owned(),
            reason,
        });
    };
    let mode = metadata.permissions().mode();
    if metadata.is_symlink() {
        let target = fs::read_link(&full).map_err(io)?;
        match target.to_str() {
            None => reject("the target of the link is not UTF-8".to_owned()),
            Some(target) if leaves(path, target) => {
                reject(format!(
                    "a link to `{target}`, which is outside of the build"
                ));
            }
            Some(_) => {}
        }
    } else if metadata.is_file() {
        if mode & 0o400 == 0 {
            fs::set_permissions(&full, fs::Permissions::from_mode(mode | 0o400)).map_err(io)?;
        }
    } else if metadata.is_dir() {
        if mode & 0o700 != 0o700 {
            fs::set_permissions(&full, fs::Permissions::from_mode(mode | 0o700)).map_err(io)?;
        }
        for entry in fs::read_dir(&full).map_err(io)? {
            match entry.map_err(io)?.file_name().to_str() {
                Some(name) => examine_into(build, &join(path, name), rejected)?,
                None => rejected.push(Rejected {
                    path: path.to_owned(),
                    reason: "a name in it is not UTF-8".to_owned(),
                }),
            }
        }
    } else {
        reject("not a file, a folder or a symbolic link".to_owned());
    }
    Ok(())
}

/// Returns whether a link at `path` names something outside of `/build`.
fn leaves(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return true;
    }
    let mut depth = path.matches('/').count();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Adds what lies in `folder` and is neither an input nor an output.
fn list_undeclared(
    build: &Path,
    folder: &str,
    staged: &Staged,
    request: &Request,
    undeclared: &mut Vec<String>,
) -> Result<(), ExecError> {
    let outputs = &request.command.output_paths;
    let full = build.join(folder);
    let mode = fs::symlink_metadata(&full).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o700 != 0o700) {
        // Best effort: reading it says whether it worked.
        let _ = fs::set_permissions(&full, fs::Permissions::from_mode(0o755));
    }
    for entry in fs::read_dir(&full).map_err(ExecError::io("read", &full))? {
        let entry = entry.map_err(ExecError::io("read", &full))?;
        let path = join(folder, &entry.file_name().to_string_lossy());
        if outputs
            .iter()
            .any(|output| *output == path || is_below(&path, output))
        {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            let before = undeclared.len();
            list_undeclared(build, &path, staged, request, undeclared)?;
            let leads_to_output = outputs.iter().any(|output| is_below(output, &path));
            let is_empty =
                fs::read_dir(build.join(&path)).is_ok_and(|mut names| names.next().is_none());
            if is_empty && undeclared.len() == before && !leads_to_output && !staged.is_input(&path)
            {
                undeclared.push(path);
            }
        } else if !staged.is_input(&path) {
            undeclared.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_build_are_known_by_their_text() {
        for (path, target, out) in [
            ("out/a", "b", false),
            ("out/a", "../src/b.c", false),
            ("out/a", "../../etc/passwd", true),
            ("out/a", "x/../../../y", true),
            ("out/a", "./.././b/..", false),
            ("a", "..", true),
            ("out/a", "/etc/passwd", true),
        ] {
            assert_eq!(leaves(path, target), out, "{path} -> {target}");
        }
    }
}
