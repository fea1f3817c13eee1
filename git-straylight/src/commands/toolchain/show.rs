//! `git straylight toolchain show`.

use std::path::PathBuf;
use std::process::ExitCode;

use straylight_exec::Node;

use super::origin::Origin;
use super::pins::{self, Presence};
use crate::error::{CommandError, Result};
use crate::setup::Workspace;
use crate::ui;

/// Show where a captured toolchain comes from, and what is in it
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Its name in the file, or the sha256 of a tree in the cache.
    name: String,
    /// The file that pins it [default: `toolchains.dhall` in the root of the repository].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// List every file of the tree.
    #[arg(long)]
    files: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let file = pins::file(&workspace, args.file.as_deref())?;
    let pin = pins::find(&workspace, &file, &args.name)?;
    let presence = Presence::of(&workspace.store, &pin.digest)?;
    let sha256 = pin.digest.sha256();
    ui::result(format_args!("name      {}", pin.name));
    ui::result(format_args!("version   {}", pin.version));
    ui::result(format_args!("tree      {}  {presence}", sha256.to_ca_uri()));
    if let Some(origin) = Origin::find(&workspace.store, sha256)? {
        let system = origin.system.as_deref().unwrap_or("unknown");
        ui::result(format_args!("captured  {}, on {system}", origin.captured));
        ui::result(format_args!("extent    {}", origin.extent()));
        for package in &origin.packages {
            ui::result(format_args!("package   {package}"));
        }
    }
    if presence != Presence::Whole {
        pins::tell_missing(&workspace, &file, &pin)?;
        return Err(CommandError::missing(format!(
            "the files of `{}` cannot be shown",
            pin.name
        )));
    }
    if args.files {
        for (path, node) in pins::files(&workspace.store, &pin)? {
            ui::result(format_args!("/{path}  {}", said(&node)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns what a path of a tree is, in one word or two.
pub(super) fn said(node: &Node) -> String {
    match node {
        Node::File {
            digest,
            executable: false,
        } => digest.sha256().to_ca_uri(),
        Node::File {
            digest,
            executable: true,
        } => format!("{} executable", digest.sha256().to_ca_uri()),
        Node::Symlink { target } => format!("-> {target}"),
        Node::Directory { .. } | Node::EmptyDir => "a folder".to_owned(),
    }
}
