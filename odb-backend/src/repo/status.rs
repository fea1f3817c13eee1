//! Whether the tracked files are what the last commit says.

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
}
