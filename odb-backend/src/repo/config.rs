//! Git's configuration, as it applies to this repository.
//!
//! It is read when the repository is opened. Later files win: system, user,
//! repository, work tree, then `GIT_CONFIG_*`.

use std::path::PathBuf;

use super::{RepoError, Repository, describe};

impl Repository {
    /// Returns the value of `key` (`section.name` or `section.subsection.name`).
    #[must_use]
    pub fn config_string(&self, key: &str) -> Option<String> {
        self.with(|repository| {
            let value = repository.config_snapshot().string(key)?;
            Some(String::from_utf8_lossy(&value).into_owned())
        })
    }

    /// Returns every value of a key that may be given several times, in order.
    #[must_use]
    pub fn config_all(&self, key: &str) -> Vec<String> {
        self.with(|repository| {
            let values = repository.config_snapshot().plumbing().strings(key);
            let values = values.unwrap_or_default();
            let text = |value: &gix::bstr::BString| String::from_utf8_lossy(value).into_owned();
            values.iter().map(text).collect()
        })
    }

    /// Returns a value that is a path, with `~` and `%(prefix)` expanded.
    ///
    /// # Errors
    /// [`RepoError::Config`] when it cannot be expanded.
    pub fn config_path(&self, key: &str) -> Result<Option<PathBuf>, RepoError> {
        self.with(|repository| repository.config_snapshot().trusted_path(key))
            .map_err(config_error(key))
    }

    /// Returns a value that is a boolean, in any of git's spellings.
    ///
    /// # Errors
    /// [`RepoError::Config`] when it is something else.
    pub fn config_bool(&self, key: &str) -> Result<Option<bool>, RepoError> {
        self.with(|repository| repository.config_snapshot().try_boolean(key))
            .map_err(config_error(key))
    }
}

fn config_error(key: &str) -> impl FnOnce(gix::Error) -> RepoError {
    move |error| RepoError::Config {
        key: key.to_owned(),
        reason: describe(&error),
    }
}
