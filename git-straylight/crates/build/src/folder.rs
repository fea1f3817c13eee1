//! A folder whose files are looked at by their paths below it: who looks at
//! thousands of them walks only these paths.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::state::Stamp;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// None if it cannot be opened: what looks at its files says why.
    open: Option<OwnedFd>,
}

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(&path, flags, Mode::empty()).ok();
        Self { path, open }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of what lies at `below`.
    pub(crate) fn join(&self, below: &str) -> PathBuf {
        self.path.join(below)
    }

    /// Returns what the file system says of the file, folder or symbolic link
    /// at `below`, which may be an absolute path to somewhere else.
    pub(crate) fn stamp(&self, below: impl AsRef<Path>) -> io::Result<Stamp> {
        let below = below.as_ref();
        let stat = match &self.open {
            Some(open) if !below.as_os_str().is_empty() => {
                rustix::fs::statat(open, below, AtFlags::SYMLINK_NOFOLLOW)
            }
            _ => rustix::fs::lstat(self.path.join(below)),
        };
        Ok(Stamp::of(&stat?))
    }
}
