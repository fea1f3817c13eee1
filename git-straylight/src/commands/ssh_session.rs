//! `git straylight ssh-session`.

use std::process::ExitCode;

use straylight_odb::{Bucket, PackCache};
use straylight_serve::session;

use crate::error::{CommandError, Result};
use crate::setup::cache_folder;

/// Serve one git client over SSH, from a bucket
///
/// For `sshd`: `command="git-straylight ssh-session file:///srv/bucket",restrict`
/// before a key in `authorized_keys`. Then `git clone ssh://host/name` is served
/// from the repository `name` of the bucket. Clients cannot run anything else.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bucket: `file:///path`
    bucket: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let Ok(command) = std::env::var("SSH_ORIGINAL_COMMAND") else {
        return Err(
            CommandError::usage("this account serves git, and has no shell")
                .hint("`git clone ssh://<host>/<repository>`"),
        );
    };
    let protocol = std::env::var("GIT_PROTOCOL").ok();
    let bucket = Bucket::open(&args.bucket)?;
    let cache = PackCache::open(cache_folder()?.join("packs"))?;
    let status = session(&command, protocol.as_deref(), &bucket, &cache)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
