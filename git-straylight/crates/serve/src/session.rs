//! One connection, from the client's command to the end of `git upload-pack`.

use std::io;
use std::process::{Command, ExitStatus, Stdio};

use straylight_odb::bucket::Bucket;
use straylight_odb::manifest::{self, ManifestError};
use straylight_odb::pack::{PackCache, PackError};

use crate::gitdir::SessionDir;
use crate::request::{Request, RequestError, is_protocol};

/// Why a client is not served. The text is for the client, except for
/// [`ServeError::is_internal`] ones, which name folders and URLs of the server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The request is refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// There is no such repository.
    #[error("there is no repository `{name}` here")]
    NoRepository {
        /// The name that the client asked for.
        name: String,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A pack cannot be used: it is missing, or not what the manifest says.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The `git` program could not be started.
    #[error("cannot run `git upload-pack`: {0}")]
    NoGit(io::Error),
}

impl ServeError {
    /// Returns whether the fault is the server's, and not the client's.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Manifest(_) | Self::Pack(_) | Self::NoGit(_))
    }
}

/// Serves one client on this process's standard streams, and returns how
/// `git upload-pack` ended.
///
/// `command` is `SSH_ORIGINAL_COMMAND`, `protocol` is `GIT_PROTOCOL`, both as
/// the client sent them. Nothing is written to the standard output before
/// `git upload-pack` starts; the caller shows an error on the standard error.
///
/// # Errors
/// [`ServeError`].
pub fn session(
    command: &str,
    protocol: Option<&str>,
    bucket: &Bucket,
    cache: &PackCache,
) -> Result<ExitStatus, ServeError> {
    let Request::UploadPack(name) = Request::parse(command)?;
    let Some(stored) = manifest::read(bucket, &name)? else {
        return Err(ServeError::NoRepository { name });
    };
    let session = SessionDir::create(&stored.manifest, bucket, &name, cache)?;
    upload_pack(&session, protocol)
        .status()
        .map_err(ServeError::NoGit)
}

/// Returns the command, which sees nothing of the server's environment but
/// `PATH`: no configuration, no variables that a client may have sent.
fn upload_pack(session: &SessionDir, protocol: Option<&str>) -> Command {
    let mut command = Command::new("git");
    command
        .args(["upload-pack", "--strict"])
        .arg(session.path())
        .current_dir(session.path())
        .env_clear()
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if let Some(protocol) = protocol.filter(|protocol| is_protocol(protocol)) {
        command.env("GIT_PROTOCOL", protocol);
    }
    command
}
