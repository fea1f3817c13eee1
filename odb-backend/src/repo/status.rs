//! Which files there are, and whether they are what the last commit says.

use super::{RepoError, Repository};

impl Repository {
    /// Returns whether a tracked file differs from `HEAD`: staged or not,
    /// changed, removed, in conflict, or another commit of a submodule.
    /// Untracked files do not count.
    ///
    /// # Errors
    /// [`RepoError::NoWorkTree`] or [`RepoError::Git`].
    pub fn is_dirty(&self) -> Result<bool, RepoError> {
        Ok(!self.dirty_paths()?.is_empty())
    }

    /// Returns the paths of the tracked files that differ from `HEAD`, sorted,
    /// for messages.
    ///
    /// # Errors
    /// Like [`Repository::is_dirty`].
    pub fn dirty_paths(&self) -> Result<Vec<String>, RepoError> {
        self.require_work_tree()?;
        // Stock git, because clean filters and line endings decide what differs.
        let output = self.git_output(
            &[
                "status",
                "--porcelain=v1",
                "-z",
                "--no-renames",
                "--untracked-files=no",
                "--ignore-submodules=none",
            ],
            b"",
        )?;
        let records = output
            .split(|byte| *byte == 0)
            // Two letters of state and a blank, then the path.
            .filter_map(|record| record.get(3..));
        let mut paths: Vec<_> = records
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect();
        paths.sort();
        Ok(paths)
    }

    /// Returns the files in and below `folder` that git tracks, or would if it
    /// was told to: those that are there and that it does not ignore. Sorted,
    /// relative to the work tree; links are among them, submodules and names
    /// that are not UTF-8 are not. An empty `folder` is the whole tree.
    ///
    /// # Errors
    /// [`RepoError::NoWorkTree`] or [`RepoError::Git`].
    pub fn files_below(&self, folder: &str) -> Result<Vec<String>, RepoError> {
        let root = self.require_work_tree()?;
        let pathspec = match folder {
            "" => ".".to_owned(),
            // Names are names, not patterns.
            folder => format!(":(literal){folder}"),
        };
        let output = self.git_output(
            &[
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
                "--",
                &pathspec,
            ],
            b"",
        )?;
        let paths = output.split(|byte| *byte == 0);
        let mut files: Vec<String> = paths
            .filter_map(|path| std::str::from_utf8(path).ok())
            // Untracked repositories end with `/`, tracked ones are folders.
            .filter(|path| !path.is_empty() && !path.ends_with('/'))
            .filter(|path| {
                let found = std::fs::symlink_metadata(root.join(path));
                found.is_ok_and(|metadata| !metadata.is_dir())
            })
            .map(str::to_owned)
            .collect();
        files.sort();
        // A file in conflict is listed once for each side.
        files.dedup();
        Ok(files)
    }
}
