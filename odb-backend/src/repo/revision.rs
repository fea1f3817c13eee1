//! Revisions and history.
//!
//! History is walked by stock git, which knows about shallow clones, commit
//! graphs and the quarantine of a hook.

use super::git::failed;
use super::{ObjectId, RepoError, Repository};

impl Repository {
    /// Returns the object that `rev` names: any revision that `git rev-parse`
    /// understands and that stands for one object. Tags are not peeled.
    ///
    /// # Errors
    /// [`RepoError::UnknownRevision`].
    pub fn resolve(&self, rev: &str) -> Result<ObjectId, RepoError> {
        let unknown = |reason: String| RepoError::UnknownRevision {
            rev: rev.to_owned(),
            reason,
        };
        if self.quarantine.is_some() {
            // The in-process parser does not see quarantined objects.
            let arguments = ["rev-parse", "--verify", "--end-of-options", rev];
            let output = self.run_git(&arguments, b"")?;
            let text = String::from_utf8_lossy(&output.stdout);
            return text.trim_end().parse().map_err(|_| {
                let stderr = String::from_utf8_lossy(&output.stderr);
                unknown(stderr.trim().to_owned())
            });
        }
        self.with(|repository| {
            let id = repository.rev_parse_single(rev).map_err(|error| {
                // The error itself tells how far the parser came; its cause, why.
                let cause = std::error::Error::source(&error);
                unknown(cause.map_or_else(|| error.to_string(), ToString::to_string))
            })?;
            ObjectId::from_gix(&id).ok_or_else(|| unknown("it is not a sha1".to_owned()))
        })
    }

    /// Returns the commits that `range` names, newest first and no parent
    /// before its child: `tip`, `old..new` or `one...other`, where an absent
    /// side is `HEAD`.
    ///
    /// # Errors
    /// [`RepoError::UnknownRevision`], or [`RepoError::Git`] when history is
    /// damaged.
    pub fn rev_list(&self, range: &str) -> Result<Vec<ObjectId>, RepoError> {
        let side = |rev: &str| self.resolve(if rev.is_empty() { "HEAD" } else { rev });
        if let Some((one, other)) = range.split_once("...") {
            let (one, other) = (side(one)?, side(other)?);
            let arguments = ["merge-base", "--all", &one.to_string(), &other.to_string()];
            let output = self.run_git(&arguments, b"")?;
            // Exit status 1 says that there is no common history.
            if !output.status.success() && output.status.code() != Some(1) {
                return Err(failed(&arguments, &output));
            }
            return self.commits(&[one, other], &parse_ids(&arguments, &output.stdout)?);
        }
        if let Some((old, new)) = range.split_once("..") {
            return self.commits(&[side(new)?], &[side(old)?]);
        }
        self.commits(&[self.resolve(range)?], &[])
    }

    /// Returns the commits that are reachable from `tips` and not from
    /// `excluded`, newest first and no parent before its child.
    ///
    /// # Errors
    /// [`RepoError::Git`] when an object is missing or history is damaged.
    pub fn commits(
        &self,
        tips: &[ObjectId],
        excluded: &[ObjectId],
    ) -> Result<Vec<ObjectId>, RepoError> {
        let mut input = String::new();
        for tip in tips {
            input.push_str(&format!("{tip}\n"));
        }
        for id in excluded {
            input.push_str(&format!("^{id}\n"));
        }
        let arguments = ["rev-list", "--date-order", "--stdin"];
        let output = self.git_output(&arguments, input.as_bytes())?;
        parse_ids(&arguments, &output)
    }

    /// Returns whether `ancestor` is `descendant` or reachable from it.
    ///
    /// # Errors
    /// [`RepoError::Git`] when one of them is no commit.
    pub fn is_ancestor(&self, ancestor: ObjectId, descendant: ObjectId) -> Result<bool, RepoError> {
        let (ancestor, descendant) = (ancestor.to_string(), descendant.to_string());
        let arguments = ["merge-base", "--is-ancestor", &ancestor, &descendant];
        let output = self.run_git(&arguments, b"")?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(failed(&arguments, &output)),
        }
    }
}

fn parse_ids(arguments: &[&str], output: &[u8]) -> Result<Vec<ObjectId>, RepoError> {
    let text = String::from_utf8_lossy(output);
    let ids = text.lines().map(str::parse).collect::<Result<_, _>>();
    ids.map_err(|error: super::ParseObjectIdError| RepoError::Git {
        command: format!("git {}", arguments.join(" ")),
        message: error.to_string(),
    })
}
