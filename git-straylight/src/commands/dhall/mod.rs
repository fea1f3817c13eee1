//! `git straylight dhall`: the language by itself, as stock Dhall tools have it.
//!
//! Commands take a file, or standard input. Imports are files, environment
//! variables, the library, and what the user's Dhall cache has by its hash.

mod decode;
mod diff;
mod encode;
mod eval;
mod fmt;
mod freeze;
mod hash;
mod library;
mod resolve;
mod session;
mod type_of;

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::{CommandError, Result};

/// The build language: evaluate, check and rewrite Dhall
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show the expressions that a mistake is in, from the whole file inwards.
    #[arg(long, global = true)]
    trace: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Eval(eval::Args),
    Type(type_of::Args),
    Hash(hash::Args),
    Encode(encode::Args),
    Decode(decode::Args),
    Diff(diff::Args),
    Fmt(fmt::Args),
    Freeze(freeze::Args),
    Resolve(resolve::Args),
    Library(library::Args),
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let result = start(&args.command);
    match args.trace {
        true => result.map_err(CommandError::with_trace),
        false => result,
    }
}

fn start(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Eval(args) => eval::run(args),
        Command::Type(args) => type_of::run(args),
        Command::Hash(args) => hash::run(args),
        Command::Encode(args) => encode::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Fmt(args) => fmt::run(args),
        Command::Freeze(args) => freeze::run(args),
        Command::Resolve(args) => resolve::run(args),
        Command::Library(args) => library::run(args),
    }
}
