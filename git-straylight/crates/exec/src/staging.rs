//! One action's folder: its inputs in place (`inputs.rs`), and room for its outputs.
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
use crate::inputs::{Entry, Folder, Placer, Placing, Spare, Wanted};
use crate::merkle::{self, Node};
use crate::session::{Leftovers, Removal};

/// The folder of one action. Dropping it has its outputs removed, soon.
#[derive(Debug)]
pub(crate) struct Staged {
    /// Relative to the cache.
    in_cache: String,
    path: PathBuf,
    /// What was put into `build`; `None` if that is not there.
    inputs: Option<Folder>,
    /// Whether the inputs are there for the next action.
    lasting: bool,
    /// The folders of the outputs, relative to `build`; none below another.
    writable: Vec<String>,
    /// Taken when it is dropped.
    spare: Option<Spare>,
    removal: Option<Removal>,
}

impl Staged {
    /// Returns the folder `path`, which lies at `in_cache` in the cache, and has
    /// `inputs` in it.
    pub(crate) fn new(
        in_cache: String,
        path: PathBuf,
        inputs: Option<Folder>,
        spare: Spare,
        removal: Option<Removal>,
    ) -> Self {
        Self {
            in_cache,
            path,
            inputs,
            lasting: false,
            writable: Vec::new(),
            spare: Some(spare),
            removal,
        }
    }

    /// Puts the inputs of an action in place, and the folders of its outputs.
    pub(crate) fn stage(
        &mut self,
        store: &LocalStore,
        request: &Request,
        wanted: &Wanted,
        placing: Placing,
    ) -> Result<(), ExecError> {
        check_request(request)?;
        let build = self.build();
        if self.inputs.is_none() {
            make_folder(&build)?;
        }
        let inputs = self.inputs.get_or_insert_default();
        let mut placer = Placer {
            store,
            request,
            placing,
            spare: self.spare.as_mut().expect("it was not dropped"),
        };
        placer.fill(inputs, &build, wanted)?;
        let folders = request.command.output_paths.iter();
        let folders =
            folders.map(|output| output.rsplit_once('/').map_or("", |(folder, _)| folder));
        self.writable = topmost(folders.map(str::to_owned).collect());
        self.lasting = placing == Placing::Link;
        Ok(())
    }

    /// Forgets what is in the folder: it was taken away.
    pub(crate) fn taken(&mut self) {
        self.inputs = None;
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

    /// Returns whether something was staged at `path`, relative to `build`.
    pub(crate) fn is_input(&self, path: &str) -> bool {
        let inputs = self.inputs.as_ref();
        inputs.is_some_and(|inputs| inputs.get(path).is_some())
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
        let mut protected = Vec::new();
        for folder in &self.writable {
            let Some(inputs) = &self.inputs else { continue };
            inputs.walk(folder, &mut |path, entry| {
                let open = match entry {
                    // A symbolic link is the action's own; nothing of the store is at stake.
                    Entry::Leaf(Node::Symlink { .. }) => return false,
                    Entry::Leaf(_) => false,
                    Entry::Folder(_) => holds_outputs(path),
                };
                if !open {
                    protected.push(path.to_owned());
                }
                open
            });
        }
        protected
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let (Some(removal), Some(spare)) = (&self.removal, self.spare.take()) {
            removal.request(Leftovers {
                path: std::mem::take(&mut self.path),
                inputs: self.inputs.take().filter(|_| self.lasting),
                writable: std::mem::take(&mut self.writable),
                spare,
            });
        }
    }
}

/// Returns the folders that `path` lies in, the innermost first.
pub(crate) fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/'), |(folder, _)| folder.rsplit_once('/'))
        .map(|(folder, _)| folder)
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

pub(crate) fn set_file_time(path: &Path) -> Result<(), ExecError> {
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
