//! `git straylight toolchain diff`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use super::pins;
use super::show::said;
use crate::error::{Kind, Result};
use crate::setup::Workspace;
use crate::ui;

/// Compare the files of two captured toolchains
///
/// The exit code is 0 if both are the same tree, 1 if they differ.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The old one: its name in the file, or the sha256 of a tree in the cache.
    #[arg(value_name = "OLD")]
    old: String,
    /// The new one.
    #[arg(value_name = "NEW")]
    new: String,
    /// The file that pins them [default: `toolchains.dhall` in the root of the repository].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let file = pins::file(&workspace, args.file.as_deref())?;
    let old = pins::find(&workspace, &file, &args.old)?;
    let new = pins::find(&workspace, &file, &args.new)?;
    let old = pins::files(&workspace.store, &old)?;
    let new = pins::files(&workspace.store, &new)?;
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let (mut added, mut removed, mut changed) = (0, 0, 0);
    for path in paths {
        match (old.get(path), new.get(path)) {
            (None, Some(_)) => {
                added += 1;
                ui::result(ui::styled(ui::GOOD, format_args!("+ /{path}")));
            }
            (Some(_), None) => {
                removed += 1;
                ui::result(ui::styled(ui::REMOVED, format_args!("- /{path}")));
            }
            (Some(old), Some(new)) if old != new => {
                changed += 1;
                let (old, new) = (said(old), said(new));
                ui::result(ui::styled(
                    ui::HIGHLIGHT,
                    format_args!("~ /{path}  {old}  {new}"),
                ));
            }
            _ => {}
        }
    }
    if added + removed + changed == 0 {
        ui::message("both have the same files");
        return Ok(ExitCode::SUCCESS);
    }
    ui::message(format_args!(
        "{added} added, {removed} removed, {changed} changed"
    ));
    Ok(ExitCode::from(Kind::Negative as u8))
}
