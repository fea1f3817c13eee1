//! Outputs that were asked for, in the user's hands: `straylight-out/`.
//!
//! Files are private copies (reflinks where the file system can), never links
//! into the store, so that who edits one damages nothing. The folder holds its
//! own `.gitignore`.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use straylight_exec::trace::TraceContent;
use straylight_exec::{Node, TreeError, merkle};
use straylight_odb::{Digest, LocalStore, StoreError};

use crate::error::{BuildError, BuildResult};
use crate::folder::Folder;
use crate::path;
use crate::state::{self, Kind, State};

/// The folder of outputs, in the root of a work tree.
pub const OUTPUT_FOLDER: &str = "straylight-out";

/// Puts outputs into a folder of a work tree.
#[derive(Debug)]
pub struct Materializer {
    work_tree: Folder,
    /// Below the work tree: `straylight-out`, or `straylight-out/at/<tree>`.
    folder: String,
    store: Arc<LocalStore>,
    state: Arc<State>,
    /// Folders that were seen to be there: only we write below them.
    folders: Mutex<HashSet<String>>,
    is_ignored: OnceLock<()>,
}

impl Materializer {
    /// Returns a materializer into `folder`, a relative path that starts with
    /// [`OUTPUT_FOLDER`], in the root of a work tree.
    #[must_use]
    pub fn new(
        work_tree: PathBuf,
        folder: String,
        store: Arc<LocalStore>,
        state: Arc<State>,
    ) -> Self {
        Self {
            work_tree: Folder::new(work_tree),
            folder,
            store,
            state,
            folders: Mutex::default(),
            is_ignored: OnceLock::new(),
        }
    }

    /// Returns where the output at `path` lies, relative to the work tree.
    #[must_use]
    pub fn place(&self, path: &str) -> String {
        path::join(&self.folder, path)
    }

    /// Returns the absolute path of something in the work tree.
    pub(crate) fn on_disk(&self, path: &str) -> String {
        self.work_tree.join(path).to_string_lossy().into_owned()
    }

    /// Makes `path` (below the folder of outputs) have this content. A file
    /// that has it already is left alone.
    pub(crate) fn put(&self, path: &str, content: &TraceContent) -> BuildResult<()> {
        self.ignore_all()?;
        let place = self.place(path);
        if let TraceContent::File { digest, executable } = content
            && self.has_file(&place, digest, *executable)
        {
            return Ok(());
        }
        if let Some((folder, _)) = place.rsplit_once('/') {
            self.make_folder(folder)?;
        }
        match content {
            TraceContent::File { digest, executable } => {
                self.write_file(&place, digest, *executable)
            }
            TraceContent::Symlink { target } => self.put_link(&place, target),
            TraceContent::Directory { tree } => self.put_folder(&place, tree),
        }
    }

    /// Makes git ignore the folder of outputs.
    fn ignore_all(&self) -> BuildResult<()> {
        if self.is_ignored.get().is_some() {
            return Ok(());
        }
        let ignore = self.work_tree.join(OUTPUT_FOLDER).join(".gitignore");
        if !ignore.is_file() {
            self.make_folder(OUTPUT_FOLDER)?;
            fs::write(&ignore, "*\n").map_err(failed("write", &ignore))?;
        }
        let _ = self.is_ignored.set(());
        Ok(())
    }

    fn write_file(&self, place: &str, digest: &Digest, executable: bool) -> BuildResult<()> {
        let on_disk = self.work_tree.join(place);
        if (self.work_tree.stamp(place)).is_ok_and(|stamp| stamp.kind().is_dir()) {
            fs::remove_dir_all(&on_disk).map_err(failed("remove", &on_disk))?;
        }
        let copied = self.store.copy(digest, executable, &on_disk);
        if !copied.map_err(BuildError::Store)? {
            return Err(Arc::new(BuildError::Lost(*digest)));
        }
        let stamp = self
            .work_tree
            .stamp(place)
            .map_err(failed("read", &on_disk))?;
        // What was just written is known; nobody else writes here.
        self.state
            .remember(Kind::Output, place, stamp, digest, state::FOREVER);
        Ok(())
    }

    /// Returns whether the file that we put there is there still.
    fn has_file(&self, place: &str, digest: &Digest, executable: bool) -> bool {
        self.work_tree.stamp(place).is_ok_and(|stamp| {
            stamp.kind().is_file()
                && stamp.is_executable() == executable
                && self.state.digest(Kind::Output, place, &stamp) == Some(*digest)
        })
    }

    fn put_link(&self, place: &str, target: &str) -> BuildResult<()> {
        let on_disk = self.work_tree.join(place);
        if fs::read_link(&on_disk).is_ok_and(|old| old == Path::new(target)) {
            return Ok(());
        }
        remove(&on_disk)?;
        std::os::unix::fs::symlink(target, &on_disk).map_err(failed("link", &on_disk))?;
        Ok(())
    }

    fn put_folder(&self, place: &str, tree: &Digest) -> BuildResult<()> {
        let mut nodes = Vec::new();
        let walked = merkle::walk(&*self.store, tree, &mut |below, node| {
            nodes.push((below.to_owned(), node.clone()));
            Ok(())
        });
        walked.map_err(|error| match error {
            TreeError::MissingBlob(digest) => BuildError::Lost(digest),
            TreeError::Malformed { digest, .. } => BuildError::Lost(digest),
            error => BuildError::Exec(error.into()),
        })?;
        self.make_folder(place)?;
        let mut wanted = HashSet::new();
        for (below, node) in nodes {
            let place = path::join(place, &below);
            match node {
                Node::Directory { .. } | Node::EmptyDir => self.make_folder(&place)?,
                Node::File { digest, executable } => {
                    if !self.has_file(&place, &digest, executable) {
                        self.write_file(&place, &digest, executable)?;
                    }
                }
                Node::Symlink { target } => self.put_link(&place, &target)?,
            }
            wanted.insert(place);
        }
        self.remove_others(place, &wanted)
    }

    /// Removes what an earlier build left in an output folder.
    fn remove_others(&self, place: &str, wanted: &HashSet<String>) -> BuildResult<()> {
        let on_disk = self.work_tree.join(place);
        for entry in fs::read_dir(&on_disk).map_err(failed("read", &on_disk))? {
            let entry = entry.map_err(failed("read", &on_disk))?;
            let below = path::join(place, &entry.file_name().to_string_lossy());
            if !wanted.contains(&below) {
                remove(&entry.path())?;
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.remove_others(&below, wanted)?;
            }
        }
        Ok(())
    }

    /// Makes a folder below the work tree. What is in its place, a symbolic
    /// link above all, is replaced: a commit must not make us write elsewhere.
    fn make_folder(&self, place: &str) -> BuildResult<()> {
        if self.folders().contains(place) {
            return Ok(());
        }
        if let Some((above, _)) = place.rsplit_once('/') {
            self.make_folder(above)?;
        }
        let on_disk = self.work_tree.join(place);
        let is_there = match fs::symlink_metadata(&on_disk) {
            Ok(metadata) if metadata.is_dir() => true,
            Ok(_) => {
                remove(&on_disk)?;
                false
            }
            Err(_) => false,
        };
        if !is_there {
            match fs::create_dir(&on_disk) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("create", &on_disk)(error));
                }
                _ => {}
            }
        }
        self.folders().insert(place.to_owned());
        Ok(())
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(path: &Path) -> BuildResult<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Arc<BuildError> {
    let wrap = StoreError::io(action, path);
    |error| Arc::new(BuildError::Store(wrap(error)))
}
