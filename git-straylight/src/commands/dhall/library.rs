//! `git straylight dhall library`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Subcommand;
use straylight_dhall::library::{self, Released};
use straylight_dhall::{Expression, Location};

use crate::error::{CommandError, Result};
use crate::ui;

/// The typed library of this release
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
#[command(defer = true)]
enum Command {
    /// List its files, pinned, as an import is written (the default)
    List {
        /// List all releases of each file, not only the newest.
        #[arg(long)]
        all: bool,
    },
    /// Print a file
    Show {
        /// Its URL, or the part of it behind the host: `rules/c/v1.dhall`.
        file: String,
    },
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        None => list(false),
        Some(Command::List { all }) => list(*all),
        Some(Command::Show { file }) => show(file)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(all: bool) {
    let released = library::files().iter();
    if all {
        released.for_each(print);
    } else {
        let newest: BTreeMap<_, _> = released.map(|file| (file.url, file)).collect();
        newest.into_values().for_each(print);
    }
}

fn print(file: &Released) {
    ui::result(format_args!("{} sha256:{}", file.url, file.sha256));
}

fn show(file: &str) -> Result<()> {
    let mut released = library::files().iter().rev();
    let wanted = released.find(|released| {
        let path = released
            .url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split_once('/'));
        released.url == file || path.is_some_and(|(_, path)| path == file)
    });
    let released = wanted.ok_or_else(|| {
        CommandError::missing(format!("`{file}` is not in the library"))
            .hint("`git straylight dhall library list` lists what is")
    })?;
    let location = Location::Remote(released.url.to_owned());
    ui::result(Expression::decode(&location, released.bytes)?.to_text()?);
    Ok(())
}
