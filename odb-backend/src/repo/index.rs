//! The index (staging area) and the ignore rules.

use std::path::Path;

use gix::bstr::ByteSlice as _;
use gix::index::entry::{Flags, Mode, Stage};
use gix::worktree::stack::state::ignore::Source;

use super::{EntryKind, ObjectId, RepoError, Repository, describe};

/// The index of a work tree, as it was when it was read.
#[derive(Debug)]
pub struct Index {
    pub(super) file: gix::index::File,
}

/// One file of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The staged blob, or the commit of a submodule.
    pub id: ObjectId,
    /// What it is; never a tree.
    pub kind: EntryKind,
    /// The file's stat data when git last looked.
    pub stat: IndexStat,
    /// Whether the file is meant to be absent from the work tree (sparse checkout).
    pub skip_worktree: bool,
    /// Whether only the name is staged (`git add --intent-to-add`).
    pub intent_to_add: bool,
}

/// What git remembers of a file's stat data; every number is cut to 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexStat {
    /// Modification time: seconds and nanoseconds.
    pub mtime: (u32, u32),
    /// Change time: seconds and nanoseconds.
    pub ctime: (u32, u32),
    /// The device.
    pub dev: u32,
    /// The inode.
    pub ino: u32,
    /// The size in bytes.
    pub size: u32,
}

impl Index {
    /// Returns the file at `path`; `None` when git does not track it, or when
    /// it has an unresolved conflict.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<IndexEntry> {
        let entry = self
            .file
            .entry_by_path_and_stage(path.as_bytes().as_bstr(), Stage::Unconflicted)?;
        Some(convert(entry))
    }

    /// Returns whether git tracks the file at `path`.
    #[must_use]
    pub fn tracked(&self, path: &str) -> bool {
        // A conflicted file is tracked too, under another stage.
        self.file.entry_range(path.as_bytes().as_bstr()).is_some()
    }

    /// Returns the submodule that `path` lies in.
    #[must_use]
    pub fn submodule<'a>(&self, path: &'a str) -> Option<&'a str> {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        let is_submodule = |folder: &&str| {
            let entry = self.file.entry_by_path(folder.as_bytes().as_bstr());
            entry.is_some_and(|entry| entry.mode == gix::index::entry::Mode::COMMIT)
        };
        folders.into_iter().find(is_submodule)
    }

    /// Returns the files of the index, sorted by path.
    ///
    /// # Errors
    /// Each item can be [`RepoError::NonUtf8Path`].
    pub fn iter(&self) -> impl Iterator<Item = Result<(&str, IndexEntry), RepoError>> {
        let clean = |entry: &&gix::index::Entry| entry.stage() == Stage::Unconflicted;
        self.file.entries().iter().filter(clean).map(|entry| {
            let path = entry.path(&self.file);
            let path = path.to_str().map_err(|_| RepoError::NonUtf8Path {
                path: path.to_string(),
                place: "the index".to_owned(),
            })?;
            Ok((path, convert(entry)))
        })
    }
}

fn convert(entry: &gix::index::Entry) -> IndexEntry {
    let kind = match entry.mode {
        Mode::FILE_EXECUTABLE => EntryKind::Executable,
        Mode::SYMLINK => EntryKind::Symlink,
        Mode::COMMIT => EntryKind::Submodule,
        _ => EntryKind::File,
    };
    let stat = &entry.stat;
    IndexEntry {
        id: ObjectId::from_gix(&entry.id).expect("a sha1 repository has a sha1 index"),
        kind,
        stat: IndexStat {
            mtime: (stat.mtime.secs, stat.mtime.nsecs),
            ctime: (stat.ctime.secs, stat.ctime.nsecs),
            dev: stat.dev,
            ino: stat.ino,
            size: stat.size,
        },
        skip_worktree: entry.flags.contains(Flags::SKIP_WORKTREE),
        intent_to_add: entry.flags.contains(Flags::INTENT_TO_ADD),
    }
}

impl Repository {
    /// Reads the index of this work tree; an absent one is empty.
    ///
    /// # Errors
    /// [`RepoError::Open`] when it is damaged, [`RepoError::Unsupported`] when
    /// it is sparse.
    pub fn index(&self) -> Result<Index, RepoError> {
        let file = self.with(|repository| {
            let path = repository.index_path();
            if !path.exists() {
                let empty = gix::index::State::new(gix::hash::Kind::Sha1);
                return Ok(gix::index::File::from_state(empty, path));
            }
            // Not the shared snapshot: two writes within one tick of the clock
            // would look like one.
            repository.open_index().map_err(|error| RepoError::Open {
                path,
                reason: describe(&error),
            })
        })?;
        if file.is_sparse() {
            return Err(RepoError::Unsupported {
                what: "a sparse index".to_owned(),
                cure: "run `git sparse-checkout reapply --no-sparse-index`",
            });
        }
        Ok(Index { file })
    }

    /// Returns whether git tracks the file at `path`, relative to the work
    /// tree. For many files, ask one [`Repository::index`].
    ///
    /// # Errors
    /// Like [`Repository::index`].
    pub fn tracked(&self, path: &str) -> Result<bool, RepoError> {
        Ok(self.index()?.tracked(path))
    }

    /// Returns whether git ignores `path`, relative to the work tree. A path
    /// that ends with `/` is a folder. What git tracks is never ignored. For many
    /// paths, ask [`Repository::with_ignore_rules`].
    ///
    /// # Errors
    /// [`RepoError::NoWorkTree`], or like [`Repository::index`].
    pub fn is_ignored(&self, path: &str) -> Result<bool, RepoError> {
        let index = self.index()?;
        self.with_ignore_rules(&index, |rules| rules.is_ignored(path))?
    }

    /// Gives `work` the ignore rules of the work tree. They are cheapest when
    /// they are asked about one folder after the other.
    ///
    /// # Errors
    /// [`RepoError::NoWorkTree`], [`RepoError::Open`].
    pub fn with_ignore_rules<R>(
        &self,
        index: &Index,
        work: impl FnOnce(&mut IgnoreRules<'_>) -> R,
    ) -> Result<R, RepoError> {
        let work_tree = self.require_work_tree()?;
        self.with(|repository| {
            let source = Source::WorktreeThenIdMappingIfNotSkipped;
            let stack = repository
                .excludes(&index.file, None, source)
                .map_err(|error| unreadable_rules(work_tree, &error))?;
            let mut rules = IgnoreRules {
                index,
                work_tree,
                stack,
            };
            Ok(work(&mut rules))
        })
    }
}

/// The ignore rules of a work tree, each file of which is read once.
pub struct IgnoreRules<'a> {
    index: &'a Index,
    work_tree: &'a Path,
    stack: gix::AttributeStack<'a>,
}

impl std::fmt::Debug for IgnoreRules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("IgnoreRules").field(&self.work_tree).finish()
    }
}

impl IgnoreRules<'_> {
    /// Returns whether git ignores `path`, relative to the work tree. A path
    /// that ends with `/` is a folder. What git tracks is never ignored.
    ///
    /// # Errors
    /// [`RepoError::Open`] when a file of rules cannot be read.
    pub fn is_ignored(&mut self, path: &str) -> Result<bool, RepoError> {
        if self.index.tracked(path) {
            return Ok(false);
        }
        let is_folder = path.ends_with('/') || self.work_tree.join(path).is_dir();
        let mode = is_folder.then_some(Mode::DIR);
        let relative = Path::new(path.trim_end_matches('/'));
        let place = self
            .stack
            .at_path(relative, mode)
            .map_err(|error| unreadable_rules(self.work_tree, &error))?;
        Ok(place.is_excluded())
    }
}

fn unreadable_rules(work_tree: &Path, error: &gix::Error) -> RepoError {
    RepoError::Open {
        path: work_tree.join(".gitignore"),
        reason: describe(error),
    }
}
