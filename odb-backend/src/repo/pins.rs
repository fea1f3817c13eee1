//! The hashes that a repository's Dhall files pin.

use std::collections::BTreeSet;

use super::git::failed;
use super::{RepoError, Repository};
use crate::digest::Sha256;

/// How many revisions one command line names.
const AT_ONCE: usize = 100;

impl Repository {
    /// Returns every sha256 that is written in a `.dhall` file of the work
    /// tree, of `HEAD`, or of a branch, local or remote.
    ///
    /// # Errors
    /// [`RepoError::Git`] when git cannot read them, [`RepoError::NoGit`].
    pub fn pinned_hashes(&self) -> Result<BTreeSet<Sha256>, RepoError> {
        let list = [
            "for-each-ref",
            "--format=%(objectname)",
            "refs/heads",
            "refs/remotes",
        ];
        let refs = String::from_utf8_lossy(&self.git_output(&list, b"")?).into_owned();
        let mut revisions: BTreeSet<&str> = refs.lines().collect();
        let head = self.run_git(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], b"")?;
        let head = String::from_utf8_lossy(&head.stdout).trim().to_owned();
        if !head.is_empty() {
            revisions.insert(&head);
        }
        let mut hashes = BTreeSet::new();
        let revisions: Vec<&str> = revisions.into_iter().collect();
        for some in revisions.chunks(AT_ONCE) {
            self.grep(&[], some, &mut hashes)?;
        }
        if self.work_tree().is_some() {
            self.grep(&["--untracked"], &[], &mut hashes)?;
        }
        Ok(hashes)
    }

    fn grep(
        &self,
        options: &[&str],
        revisions: &[&str],
        into: &mut BTreeSet<Sha256>,
    ) -> Result<(), RepoError> {
        let mut arguments = vec!["-c", "submodule.recurse=false", "grep", "-h", "-o", "-I"];
        arguments.extend(["--no-color", "-E"]);
        arguments.extend(options);
        arguments.extend(["-e", "[0-9a-f]{64}"]);
        arguments.extend(revisions);
        arguments.extend(["--", ":(top)*.dhall"]);
        let output = self.run_git(&arguments, b"")?;
        // Nothing that matches is no failure.
        if !output.status.success() && output.status.code() != Some(1) {
            return Err(failed(&arguments, &output));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        into.extend(text.lines().filter_map(|line| line.parse::<Sha256>().ok()));
        Ok(())
    }
}
