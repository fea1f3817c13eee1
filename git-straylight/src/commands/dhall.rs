//! `git straylight dhall`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Subcommand;
use straylight_dhall::library;

use crate::error::Result;
use crate::ui;

/// The build language
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the files of the library, pinned, as an import is written
    Library,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Library => {
            let newest: BTreeMap<_, _> = (library::files().iter())
                .map(|released| (released.url, released.sha256))
                .collect();
            for (url, sha256) in newest {
                ui::result(format_args!("{url} sha256:{sha256}"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
