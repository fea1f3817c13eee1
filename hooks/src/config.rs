//! The gate's settings, in the configuration of the served repository.
//!
//! ```text
//! [straylight]
//!     protect = refs/heads/main          # a pattern; may be given several times
//!     allowedSignersFile = /etc/straylight/allowed_signers
//!     require = //app:app                # optional: targets that must be attested
//!     builder = https://…                # optional: builders that are believed
//! ```
//!
//! Without `protect`, the branch that `HEAD` names is protected: an installed
//! gate that guards nothing would be a trap. The allowed signers never come from
//! what is pushed.

use std::path::{Path, PathBuf};

use straylight_attest::allowed_signers::AllowedSignersError;
use straylight_attest::{AllowedSigners, pattern};
use straylight_odb::{RepoError, Repository};

/// What the gate demands.
#[derive(Debug)]
pub struct GateConfig {
    /// Patterns of the protected refs; `*` also matches slashes.
    pub protect: Vec<String>,
    /// The keys that may sign; the error explains why nothing can be accepted.
    pub signers: Result<AllowedSigners, ConfigError>,
    /// The labels that must be attested; one attestation of any when empty.
    pub require: Vec<String>,
    /// The builders that are believed; all when empty.
    pub builders: Vec<String>,
}

/// Settings under which no push to a protected ref can be accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file of allowed signers is configured.
    #[error(
        "the server has no allowed signers; on the server, run `git config \
         straylight.allowedSignersFile <path>`"
    )]
    NoSigners,
    /// The file lies where a push could change it.
    #[error(
        "the allowed signers `{path}` lie in the work tree, where a push could change them: move \
         the file elsewhere",
        path = path.display()
    )]
    InsideTree {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be used.
    #[error("the server's allowed signers cannot be used: {0}")]
    Signers(#[from] AllowedSignersError),
    /// The setting cannot be read.
    #[error(transparent)]
    Repository(#[from] RepoError),
}

impl GateConfig {
    /// Reads the settings of `repository`. Bad or missing allowed signers are
    /// kept as the reason to refuse, for refs that need them.
    ///
    /// # Errors
    /// [`RepoError`] when the branch of `HEAD` is needed and cannot be read.
    pub fn read(repository: &Repository) -> Result<Self, RepoError> {
        let mut protect = repository.config_all("straylight.protect");
        if protect.is_empty() {
            protect.extend(repository.head()?.name);
        }
        Ok(Self {
            protect,
            signers: read_signers(repository),
            require: repository.config_all("straylight.require"),
            builders: repository.config_all("straylight.builder"),
        })
    }

    /// Returns whether a ref of this name is protected.
    #[must_use]
    pub fn protects(&self, name: &str) -> bool {
        let mut patterns = self.protect.iter();
        patterns.any(|pattern| pattern::matches(pattern, name))
    }
}

fn read_signers(repository: &Repository) -> Result<AllowedSigners, ConfigError> {
    let setting = repository.config_path("straylight.allowedSignersFile")?;
    let path = setting.ok_or(ConfigError::NoSigners)?;
    // Git runs the hook in the git folder.
    let path = repository.git_dir().join(path);
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    if is_inside_tree(repository, &real) {
        return Err(ConfigError::InsideTree { path });
    }
    Ok(AllowedSigners::read(&path)?)
}

fn is_inside_tree(repository: &Repository, path: &Path) -> bool {
    let inside = |folder: &Path| path.starts_with(folder);
    repository.work_tree().is_some_and(inside)
        && !inside(repository.git_dir())
        && !inside(repository.common_dir())
}
