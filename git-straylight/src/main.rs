//! `git straylight`: the command line.
//!
//! Only this crate prints, reads the user's configuration, and knows exit
//! codes. Results go to standard output; progress and messages to standard
//! error.

mod commands;
mod diagram;
mod error;
mod options;
mod profile;
mod progress;
mod setup;
mod signals;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use commands::Command;

/// Makes a git repository build itself, remember what it built, and prove it.
#[derive(Parser)]
#[command(
    name = "git straylight",
    bin_name = "git straylight",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    /// Run as if started in this folder.
    #[arg(short = 'C', value_name = "FOLDER", global = true)]
    directory: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // The sandbox starts this program again, as its own small helper.
    straylight_exec::helper_main_if_requested();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return ui::usage(&error),
    };
    let result = enter(cli.directory.as_deref()).and_then(|()| cli.command.run());
    match result {
        Ok(code) => code,
        Err(error) => ui::report(&error),
    }
}

/// Reads the arguments. Only the command that is called is described in full,
/// unless something has to be shown: the description of all takes longer than
/// small commands do.
fn parse() -> Result<Cli, clap::Error> {
    Cli::try_parse().or_else(|_| {
        let mut all = Cli::command();
        all.build();
        Cli::from_arg_matches(&all.try_get_matches()?)
    })
}

fn enter(folder: Option<&std::path::Path>) -> error::Result<()> {
    match folder {
        Some(folder) => {
            std::env::set_current_dir(folder).map_err(error::CommandError::io("change to", folder))
        }
        None => Ok(()),
    }
}
