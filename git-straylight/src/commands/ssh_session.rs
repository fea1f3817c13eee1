//! `git straylight ssh-session`.

use std::io::Write as _;
use std::process::ExitCode;

use straylight_odb::{Bucket, PackCache};
use straylight_serve::session;

use crate::error::{CommandError, Kind, Result};
use crate::setup::cache_folder;

/// Serve one git client over SSH, from a bucket
///
/// For `sshd`: `command="git-straylight ssh-session file:///srv/bucket",restrict`
/// before a key in `authorized_keys`. Then `git clone ssh://host/name` is served
/// from the repository `name` of the bucket. Clients cannot run anything else.
/// What goes wrong on the server is in `ssh-session.log` in the cache.
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
    serve(&args.bucket, &command).map_err(|error| {
        if error.kind != Kind::Environment {
            return error;
        }
        note(&command, &error);
        CommandError::environment(
            "the server cannot read this repository now; its operator finds the reason in the \
             log of sessions",
        )
    })
}

fn serve(bucket: &str, command: &str) -> Result<ExitCode> {
    let protocol = std::env::var("GIT_PROTOCOL").ok();
    let bucket = Bucket::open(bucket)?;
    let cache = PackCache::open(cache_folder()?)?;
    let status = session(command, protocol.as_deref(), &bucket, &cache)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Keeps what a client should not see, such as the server's paths, for the
/// operator: one line in `ssh-session.log` in the cache.
fn note(command: &str, error: &CommandError) {
    let now = jiff::Timestamp::now();
    let line = format!("{now} {command:?}: {}\n", error.message);
    let Ok(folder) = cache_folder() else {
        return;
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("ssh-session.log"));
    // A client is answered even where nothing can be noted.
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
}
