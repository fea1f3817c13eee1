//! Files that git stores otherwise than they lie in the work tree: filters, encodings
//! and line endings, which gitattributes(5) names.

use std::io::{self, Read};
use std::path::PathBuf;

use gix::index::entry::Mode;

use super::index::{Index, IndexStat};
use super::{ObjectId, Repository};

/// What attributes say that make such a file.
const CONVERTING: [&str; 4] = ["filter=", "ident", "working-tree-encoding=", "eol=crlf"];

impl Repository {
    /// Returns whether any file may be stored otherwise than it is: whether something
    /// in force names what does that. Most repositories have nothing of the kind.
    #[must_use]
    pub fn may_convert(&self, index: &Index) -> bool {
        let line_endings = self.config_string("core.autocrlf");
        if line_endings.is_some_and(|value| value != "false") {
            return true;
        }
        let own = self.common_dir().join("info/attributes");
        let users = self.config_path("core.attributesFile").ok().flatten();
        let root = self.work_tree().map(PathBuf::from).unwrap_or_default();
        let in_tree = index.file.entries().iter().filter_map(|entry| {
            let path = std::str::from_utf8(entry.path(&index.file)).ok()?;
            let name = path.rsplit('/').next().unwrap_or(path);
            (name == ".gitattributes" && entry.mode == Mode::FILE).then(|| root.join(path))
        });
        let mut files = users.into_iter().chain([own]).chain(in_tree);
        files.any(|file| {
            let text = std::fs::read(file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            CONVERTING.iter().any(|word| text.contains(word))
        })
    }
}

impl Index {
    /// Returns whether git takes the file at `path` for unchanged, by its stat data,
    /// and stores something else than what is in it. `open` is called only if it must
    /// be read.
    ///
    /// # Errors
    /// What `open` returns, and what reading does.
    pub fn is_converted<R: Read>(
        &self,
        path: &str,
        stat: &FileStat,
        open: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<bool> {
        let Some(entry) = self.get(path).filter(|entry| stat.is_as_in(&entry.stat)) else {
            return Ok(false);
        };
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&gix::objs::encode::loose_header(
            gix::objs::Kind::Blob,
            stat.size,
        ));
        let mut file = open()?;
        let mut chunk = vec![0; 1 << 16];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => hasher.update(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A hash that git refuses to take is not that of its blob.
        let stored = hasher.try_finalize().ok();
        Ok(stored.and_then(|id| ObjectId::from_gix(&id)) != Some(entry.id))
    }
}

/// What a file system says of a file now.
#[derive(Clone, Copy, Debug)]
pub struct FileStat {
    /// Modification time: seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// The inode.
    pub ino: u64,
    /// The size in bytes.
    pub size: u64,
}

impl FileStat {
    fn is_as_in(&self, index: &IndexStat) -> bool {
        // As git does it: the index has the low half of every number.
        let (seconds, nanos) = (self.mtime.0 as u32, self.mtime.1 as u32);
        let (then, then_nanos) = index.mtime;
        seconds == then
            && (nanos == then_nanos || then_nanos == 0)
            && self.ino as u32 == index.ino
            && self.size as u32 == index.size
    }
}
