//! `git straylight toolchain`.

pub(crate) mod capture;
mod diff;
mod list;
mod origin;
mod pins;
mod show;
mod upload;

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Result;

/// Compilers, captured and pinned
#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    Capture(capture::Args),
    List(list::Args),
    Show(show::Args),
    Diff(diff::Args),
    Upload(upload::Args),
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Capture(args) => capture::run(args),
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Upload(args) => upload::run(args),
    }
}
