//! Outputs that are complete before their action ends.
//!
//! Such an output is made elsewhere and moved to its path, as compilers do with
//! what others wait for: so it is complete as soon as it is there. One that is
//! written in its place is an output like any other. When the action has ended
//! it is compared with what was published; an action that changed its word
//! fails.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::inotify;
use straylight_odb::LocalStore;

use crate::action::{Output, OutputContent, Published, Rejected, Request};
use crate::collect::{Collected, content};
use crate::error::ExecError;
use crate::merkle;
use crate::staging::Staged;

/// Looks out for the early outputs of one action.
pub(crate) struct Watch<'a> {
    events: OwnedFd,
    /// The folder of each watch.
    folders: Vec<(i32, String)>,
    build: PathBuf,
    waiting: BTreeSet<String>,
    /// As they were told.
    told: Vec<Output>,
    store: &'a LocalStore,
    published: Published<'a>,
}

impl<'a> Watch<'a> {
    /// Starts to look, before the command does; `None` if there is nothing to
    /// look out for.
    pub(crate) fn start(
        store: &'a LocalStore,
        staged: &Staged,
        request: &Request,
        published: Published<'a>,
    ) -> Result<Option<Self>, ExecError> {
        if request.early.is_empty() {
            return Ok(None);
        }
        let failed = |error: rustix::io::Errno| {
            ExecError::sandbox("watch for its early outputs")(error.into())
        };
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let events = inotify::init(flags).map_err(failed)?;
        let build = staged.build();
        let mut folders = Vec::new();
        for path in &request.early {
            let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
            let moved = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::ONLYDIR;
            let watch = inotify::add_watch(&events, build.join(folder), moved).map_err(failed)?;
            folders.push((watch, folder.to_owned()));
        }
        Ok(Some(Self {
            events,
            folders,
            build,
            waiting: request.early.iter().cloned().collect(),
            told: Vec::new(),
            store,
            published,
        }))
    }

    /// Returns what can be read when something was moved; nothing once there is
    /// nothing left to wait for.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.waiting.is_empty()).then(|| self.events.as_fd())
    }

    /// Publishes what has come.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.events, &mut space);
        let mut moved = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().and_then(|name| CStr::to_str(name).ok());
                    moved.extend(name.map(|name| (event.wd(), name.to_owned())));
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (watch, name) in moved {
            let folder = self.folders.iter().find(|(number, _)| *number == watch);
            let Some((_, folder)) = folder else { continue };
            self.publish(&crate::staging::join(folder, &name));
        }
        Ok(())
    }

    /// Only a file is published: it cannot change its contents by what is put
    /// beside it. What cannot be stored now is looked at again in the end.
    fn publish(&mut self, path: &str) {
        if !self.waiting.contains(path) {
            return;
        }
        let made = self.build.join(path);
        if !made.symlink_metadata().is_ok_and(|made| made.is_file()) {
            return;
        }
        let stored = merkle::hash_node(self.store, &made).map(content);
        let Ok(content @ OutputContent::File { .. }) = stored else {
            return;
        };
        self.waiting.remove(path);
        let output = Output {
            path: path.to_owned(),
            content,
        };
        (self.published)(&output);
        self.told.push(output);
    }

    /// Rejects the outputs that are not what was published.
    pub(crate) fn check(&self, collected: &mut Collected) {
        for told in &self.told {
            let kept = (collected.outputs.iter()).any(|output| output == told);
            if !kept {
                collected.outputs.retain(|output| output.path != told.path);
                collected.rejected.push(Rejected {
                    path: told.path.clone(),
                    reason: "it changed after it was complete, when others read it already"
                        .to_owned(),
                });
            }
        }
    }
}
