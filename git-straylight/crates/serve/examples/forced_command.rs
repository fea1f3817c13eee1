//! A forced command for sshd, for tests: serves a bucket and nothing else.
//!
//! Usage: `forced_command BUCKET_URL CACHE_FOLDER`

#![allow(clippy::print_stderr, reason = "the error is for the client")]

use std::process::ExitCode;

use straylight_odb::{Bucket, PackCache};

fn serve() -> Result<i32, Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, bucket, cache] = &arguments[..] else {
        return Err("usage: forced_command BUCKET_URL CACHE_FOLDER".into());
    };
    let command = std::env::var("SSH_ORIGINAL_COMMAND").unwrap_or_default();
    let protocol = std::env::var("GIT_PROTOCOL").ok();
    let status = straylight_serve::session(
        &command,
        protocol.as_deref(),
        &Bucket::open(bucket)?,
        &PackCache::open(cache)?,
    )?;
    Ok(status.code().unwrap_or(1))
}

fn main() -> ExitCode {
    match serve() {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("straylight: {error}");
            ExitCode::FAILURE
        }
    }
}
