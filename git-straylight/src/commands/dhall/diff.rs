//! `git straylight dhall diff`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use straylight_dhall::Change;

use super::session::{Input, Session};
use crate::error::{CommandError, Kind, Result};
use crate::ui;

/// Compare what two expressions evaluate to
///
/// The exit code is 0 if both have the same normal form, 1 if they differ.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The old expression; `-` is standard input.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The new expression; `-` is standard input.
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if [&args.old, &args.new]
        .iter()
        .all(|path| *path == Path::new("-"))
    {
        return Err(CommandError::usage(
            "standard input can only be one of both",
        ));
    }
    let session = Session::offline();
    let evaluate = |path: &PathBuf| session.evaluate(&Input::at(path.clone()).source()?);
    let (old, new) = (evaluate(&args.old)?.value, evaluate(&args.new)?.value);
    let changes = old.diff(&new)?;
    changes.iter().for_each(show);
    Ok(match changes.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(Kind::Negative as u8),
    })
}

fn show(change: &Change) {
    for line in change.to_string().split('\n') {
        match line.as_bytes().first() {
            Some(b'-') => ui::result(ui::styled(ui::REMOVED, line)),
            Some(b'+') => ui::result(ui::styled(ui::GOOD, line)),
            _ => ui::result(ui::styled(ui::HIGHLIGHT, line)),
        }
    }
}
