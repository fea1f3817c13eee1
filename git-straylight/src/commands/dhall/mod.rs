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
use straylight_dhall::{STACK_SIZE, evaluate_on_this_thread};

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
#[command(defer = true)]
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
    let result = on_one_thread(|| start(&args.command));
    match args.trace {
        true => result.map_err(CommandError::with_trace),
        false => result,
    }
}

/// Runs a command on one thread that has the stack for it. Otherwise each
/// evaluation, and each value that is shown, would start one of its own.
fn on_one_thread(command: impl FnOnce() -> Result<ExitCode> + Send) -> Result<ExitCode> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("dhall".to_owned())
            .stack_size(STACK_SIZE)
            .spawn_scoped(scope, || {
                evaluate_on_this_thread();
                command()
            });
        let thread = thread.map_err(|error| {
            CommandError::environment(format_args!("cannot start a thread: {error}"))
                .hint("check the limits on processes and memory")
        })?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
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
