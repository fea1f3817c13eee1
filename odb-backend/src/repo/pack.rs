//! Packs made by stock git from the user's repository.

use std::path::{Path, PathBuf};

use super::git::failed;
use super::{ObjectId, RepoError, Repository};

impl Repository {
    /// Packs every object that is reachable from `wanted` and not from
    /// `known`, into `folder`; returns the paths of the packs, of which each
    /// has an index beside it.
    ///
    /// The packs are complete: the base of each delta is in the same pack. No
    /// pack is made when there is nothing to pack.
    ///
    /// # Errors
    /// [`RepoError::Git`] when an object is missing or damaged.
    pub fn pack_objects(
        &self,
        wanted: &[ObjectId],
        known: &[ObjectId],
        folder: &Path,
    ) -> Result<Vec<PathBuf>, RepoError> {
        let base = folder.join("pack");
        let Some(base) = base.to_str() else {
            return Err(RepoError::NonUtf8Path {
                path: folder.display().to_string(),
                place: "the temporary folder's path".to_owned(),
            });
        };
        let mut input = String::new();
        for id in wanted {
            input.push_str(&format!("{id}\n"));
        }
        for id in known {
            input.push_str(&format!("^{id}\n"));
        }
        // Version 2, whatever the user's configuration says.
        let arguments = [
            "-c",
            "pack.indexVersion=2",
            "pack-objects",
            "--revs",
            "--delta-base-offset",
            "--non-empty",
            "--quiet",
            base,
        ];
        let output = self.run_git(&arguments, input.as_bytes())?;
        if !output.status.success() {
            return Err(failed(&arguments, &output));
        }
        let names = String::from_utf8_lossy(&output.stdout);
        let path = |name: &str| folder.join(format!("pack-{name}.pack"));
        Ok(names.lines().map(path).collect())
    }
}
