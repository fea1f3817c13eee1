//! One action's folder: its inputs in place, and room for its outputs.
//!
//! Inputs are hard links to the store's blobs. That is safe only because the
//! sandbox sees them through a read-only mount: without it the owner of a file
//! could make it writable. Where nothing is mounted, inputs are copies.

use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use straylight_odb::LocalStore;
use straylight_odb::local::BLOB_MTIME;

use crate::action::{Request, WORKING_DIRECTORY};
use crate::error::ExecError;
use crate::merkle::{self, Node};
use crate::session::Removal;

/// How inputs get into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placing {
    /// As hard links, for a sandbox that shows them read-only.
    Link,
    /// As copies, for an action that can change them.
    Copy,
}

/// The folder of one action. Dropping it has it emptied, soon.
#[derive(Debug)]
pub(crate) struct Staged {
    /// Relative to the cache.
    in_cache: String,
    path: PathBuf,
    /// Everything that was staged, relative to `build`.
    inputs: BTreeSet<String>,
    /// The folders of the outputs, relative to `build`; none below another.
    writable: Vec<String>,
    removal: Option<Removal>,
}

impl Staged {
    /// Returns the empty folder `path`, which lies at `in_cache` in the cache.
    pub(crate) fn new(in_cache: String, path: PathBuf, removal: Option<Removal>) -> Self {
        Self {
            in_cache,
            path,
            inputs: BTreeSet::new(),
            writable: Vec::new(),
            removal,
        }
    }

    /// Puts the inputs of an action in place, and the folders of its outputs.
    pub(crate) fn stage(
        &mut self,
        store: &LocalStore,
        request: &Request,
        placing: Placing,
    ) -> Result<(), ExecError> {
        check_request(request)?;
        let mut folders = Vec::new();
        let mut is_whole = false;
        merkle::walk(store, &request.input_root, &mut |path, node| {
            let target = self.path.join(path);
            if !path.contains('/') {
                let folder = matches!(node, Node::Directory { .. });
                is_whole = path == WORKING_DIRECTORY && folder;
                if !is_whole {
                    return Err(not_one_folder(request));
                }
            }
            place(store, node, &target, placing)?;
            if matches!(node, Node::Directory { .. }) {
                folders.push(target);
            }
            if let Some(path) = path.strip_prefix("build/") {
                self.inputs.insert(path.to_owned());
            }
            Ok::<_, ExecError>(())
        })?;
        if !is_whole {
            return Err(not_one_folder(request));
        }
        let mut writable = BTreeSet::new();
        for output in &request.command.output_paths {
            let parent = output.rsplit_once('/').map_or("", |(parent, _)| parent);
            self.make_parents(request, parent, &mut folders)?;
            writable.insert(parent.to_owned());
        }
        self.writable = topmost(writable);
        // From the innermost: making a file changes its folder's time.
        folders.iter().rev().try_for_each(|folder| set_time(folder))
    }

    fn make_parents(
        &mut self,
        request: &Request,
        parent: &str,
        folders: &mut Vec<PathBuf>,
    ) -> Result<(), ExecError> {
        let mut path = self.build();
        let mut within = String::new();
        for name in parent.split('/').filter(|name| !name.is_empty()) {
            path.push(name);
            within = join(&within, name);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => {
                    return Err(ExecError::InvalidRequest {
                        action: request.action,
                        reason: format!("`{within}` is an input, and the folder of an output"),
                    });
                }
                Err(_) => {
                    make_folder(&path)?;
                    self.inputs.insert(within.clone());
                    folders.push(path.clone());
                }
            }
        }
        Ok(())
    }

    /// Returns the folder, which is this action's alone.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder that is the action's `/build`.
    pub(crate) fn build(&self) -> PathBuf {
        self.path.join(WORKING_DIRECTORY)
    }

    /// The same, relative to the cache.
    pub(crate) fn build_in_cache(&self) -> String {
        format!("{}/{WORKING_DIRECTORY}", self.in_cache)
    }

    pub(crate) fn is_input(&self, path: &str) -> bool {
        self.inputs.contains(path)
    }

    pub(crate) fn writable(&self) -> &[String] {
        &self.writable
    }

    /// Returns the inputs below writable folders that are to be shown
    /// read-only: each file, and each folder unless outputs go below it.
    pub(crate) fn protected(&self, request: &Request) -> Vec<String> {
        let outputs = &request.command.output_paths;
        let parents: BTreeSet<&str> = outputs
            .iter()
            .filter_map(|output| Some(output.rsplit_once('/')?.0))
            .collect();
        let holds_outputs = |folder: &str| {
            let below = format!("{folder}/");
            parents.contains(folder)
                || parents
                    .range(below.as_str()..)
                    .next()
                    .is_some_and(|p| p.starts_with(&below))
        };
        let mut protected = BTreeSet::new();
        for folder in &self.writable {
            for path in inputs_below(&self.inputs, folder) {
                let covered = folders_of(path).any(|above| protected.contains(above));
                let target = self.build().join(path);
                let kind = fs::symlink_metadata(target).map(|metadata| metadata.file_type());
                // A symbolic link is the action's own; nothing of the store is at stake.
                let mountable = kind.is_ok_and(|kind| kind.is_file() || kind.is_dir());
                if !covered && mountable && !holds_outputs(path) {
                    protected.insert(path.to_owned());
                }
            }
        }
        protected.into_iter().collect()
    }
}

/// Returns the folders that `path` lies in, the innermost first.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/'), |(folder, _)| folder.rsplit_once('/'))
        .map(|(folder, _)| folder)
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(removal) = &self.removal {
            removal.request(std::mem::take(&mut self.path));
        }
    }
}

/// Returns the staged paths below `folder`, in order.
fn inputs_below<'a>(
    inputs: &'a BTreeSet<String>,
    folder: &'a str,
) -> impl Iterator<Item = &'a str> {
    inputs
        .range(folder.to_owned()..)
        .map(String::as_str)
        .filter(move |path| *path != folder)
        .take_while(move |path| folder.is_empty() || path.starts_with(folder))
        .filter(move |path| is_below(path, folder))
}

/// Returns whether `path` lies below `folder`; everything lies below "".
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Drops the folders that lie below another one.
fn topmost(folders: BTreeSet<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for folder in folders {
        if !kept.iter().any(|above| is_below(&folder, above)) {
            kept.push(folder);
        }
    }
    kept
}

/// Checks what an executor relies on.
fn check_request(request: &Request) -> Result<(), ExecError> {
    let invalid = |reason: String| ExecError::InvalidRequest {
        action: request.action,
        reason,
    };
    if request.command.working_directory != WORKING_DIRECTORY {
        return Err(invalid(format!(
            "its working directory is not `{WORKING_DIRECTORY}`"
        )));
    }
    if request.command.arguments.is_empty() {
        return Err(invalid("it has no program".to_owned()));
    }
    for output in &request.command.output_paths {
        merkle::check_path(output).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(())
}

fn not_one_folder(request: &Request) -> ExecError {
    ExecError::InvalidRequest {
        action: request.action,
        reason: format!("its input root is not one folder `{WORKING_DIRECTORY}`"),
    }
}

fn place(
    store: &LocalStore,
    node: &Node,
    target: &Path,
    placing: Placing,
) -> Result<(), ExecError> {
    match node {
        Node::Directory { .. } | Node::EmptyDir => make_folder(target),
        Node::Symlink { target: content } => make_link(content, target),
        Node::File { digest, executable } => {
            let placed = match placing {
                Placing::Link => store.link(digest, *executable, target)?,
                Placing::Copy => store.copy(digest, *executable, target)?,
            };
            if !placed {
                return Err(ExecError::MissingBlob(*digest));
            }
            if placing == Placing::Copy {
                set_file_time(target)?;
            }
            Ok(())
        }
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<(), ExecError> {
    fs::DirBuilder::new()
        .mode(0o755)
        .create(path)
        .map_err(ExecError::io("create", path))
}

pub(crate) fn make_link(content: &str, path: &Path) -> Result<(), ExecError> {
    symlink(content, path).map_err(ExecError::io("create", path))?;
    set_time(path)
}

fn set_file_time(path: &Path) -> Result<(), ExecError> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(BLOB_MTIME);
    File::open(path)
        .and_then(|file| file.set_times(FileTimes::new().set_modified(time)))
        .map_err(ExecError::io("set the time of", path))
}

/// Gives a folder or a symbolic link the time that every blob has.
pub(crate) fn set_time(path: &Path) -> Result<(), ExecError> {
    let time = Timespec {
        tv_sec: i64::try_from(BLOB_MTIME).expect("a time in 1980"),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|error| ExecError::io("set the time of", path)(error.into()))
}
