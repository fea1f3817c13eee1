//! Who wrote something.

use super::{RepoError, Repository};

/// A commit as people speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The shortest name of it that git gives.
    pub commit: String,
    /// The author's name.
    pub author: String,
    /// The author's day, as `2026-01-31`.
    pub day: String,
}

impl Repository {
    /// Returns the last commit below `HEAD` that wrote `text` into the file at
    /// `path`, or took it away; `None` if none did.
    ///
    /// # Errors
    /// [`RepoError::Git`].
    pub fn last_to_write(&self, text: &str, path: &str) -> Result<Option<Mention>, RepoError> {
        if self.resolve("HEAD").is_err() {
            return Ok(None);
        }
        let search = format!("-S{text}");
        let pathspec = format!(":(top,literal){path}");
        let output = self.git_output(
            &[
                "log",
                "-1",
                "--format=%h%x00%an%x00%as",
                &search,
                "--",
                &pathspec,
            ],
            b"",
        )?;
        let text = String::from_utf8_lossy(&output);
        let mut fields = text.trim_end().split('\0').map(str::to_owned);
        let (Some(commit), Some(author), Some(day)) = (fields.next(), fields.next(), fields.next())
        else {
            return Ok(None);
        };
        Ok(Some(Mention {
            commit,
            author,
            day,
        }))
    }
}
