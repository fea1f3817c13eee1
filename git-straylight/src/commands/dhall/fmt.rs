//! `git straylight dhall fmt`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use straylight_dhall::format;

use super::session::{Input, replace};
use crate::error::{CommandError, Kind, Result};
use crate::ui;

/// Lay out files in the standard way
///
/// Comments stay where they are, and what a file means stays the same. A file
/// that is wrong stays as it is, and the others are formatted.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The files to change [default: standard input to standard output, as `-`].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; name the files that would change, and fail if there are any.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let stdin = [PathBuf::from("-")];
    let files: &[PathBuf] = match args.files.as_slice() {
        [] => &stdin,
        files => files,
    };
    let mut worst = None;
    for file in files {
        match fmt(file, args.check) {
            Ok(true) => {}
            Ok(false) => worst = worst.max(Some(Kind::Negative)),
            Err(error) => {
                ui::message_of(&error);
                worst = worst.max(Some(error.kind));
            }
        }
    }
    Ok(worst.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind as u8)))
}

/// Formats a file, or only looks at it. Returns whether it is formatted now.
fn fmt(file: &Path, check: bool) -> Result<bool> {
    if file.is_dir() {
        return Err(
            CommandError::usage(format!("`{}` is a folder", file.display()))
                .hint("give its files; `git ls-files '*.dhall'` lists those of a repository"),
        );
    }
    let source = Input::at(file.to_owned()).source()?;
    let text = format(&source.location, &source.text)?;
    let changes = text != source.text;
    if check {
        if changes {
            ui::message(format_args!("{} is not formatted", source.location));
        }
        return Ok(!changes);
    }
    if file == Path::new("-") {
        ui::result_bytes(text.as_bytes());
    } else if changes {
        replace(file, text.as_bytes()).map_err(CommandError::io("write", file))?;
    }
    Ok(true)
}
