//! `git straylight toolchain list`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::pins::{self, Presence};
use crate::error::Result;
use crate::setup::Workspace;
use crate::ui;

/// List the toolchains that this repository pins
///
/// Says of each whether its tree is in the cache; if it is not, where it was
/// last seen.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file that pins them [default: `toolchains.dhall` in the root of the repository].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the list as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let file = pins::file(&workspace, args.file.as_deref())?;
    let pins = pins::read(&file)?;
    let mut list = Vec::new();
    for pin in &pins {
        list.push((pin, Presence::of(&workspace.store, &pin.digest)?));
    }
    if args.json {
        let json = list.iter().map(|(pin, presence)| {
            json!({
                "name": pin.name,
                "version": pin.version,
                "sha256": pin.digest.sha256(),
                "size": pin.digest.size(),
                "present": *presence == Presence::Whole,
            })
        });
        ui::result(json.collect::<serde_json::Value>());
        return Ok(ExitCode::SUCCESS);
    }
    let width = pins.iter().map(|pin| pin.name.len()).max().unwrap_or(0);
    for (pin, presence) in &list {
        let uri = pin.digest.sha256().to_ca_uri();
        ui::result(format_args!(
            "{:width$}  {}  {uri}  {presence}",
            pin.name, pin.version
        ));
    }
    for (pin, presence) in &list {
        if *presence != Presence::Whole {
            pins::tell_missing(&workspace, &file, pin)?;
        }
    }
    if pins.is_empty() {
        ui::message(format_args!("`{}` pins no toolchain", file.display()));
    }
    Ok(ExitCode::SUCCESS)
}
