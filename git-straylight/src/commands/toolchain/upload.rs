//! `git straylight toolchain upload`.

use std::path::PathBuf;
use std::process::ExitCode;

use straylight_exec::Remote;
use straylight_odb::Digest;

use super::origin::Origin;
use super::pins;
use crate::error::{CommandError, Result};
use crate::setup::Workspace;
use crate::ui;

/// Put the toolchains that this repository pins into the bucket
///
/// A build that lacks a pinned toolchain takes it from the bucket that
/// `git config straylight.bucket` names. `capture` uploads what it captures.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Their names in the file [default: all that are in the cache].
    names: Vec<String>,
    /// The file that pins them [default: `toolchains.dhall` in the root of the repository].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let remote = workspace.remote().ok_or_else(|| {
        CommandError::usage("no bucket is configured").hint(
            "`git config straylight.bucket file:///srv/straylight` names one that others can \
             read, too",
        )
    })?;
    let file = pins::file(&workspace, args.file.as_deref())?;
    let chosen = match &args.names[..] {
        [] => pins::read(&file)?,
        names => {
            let find = |name: &String| pins::find(&workspace, &file, name);
            names.iter().map(find).collect::<Result<_>>()?
        }
    };
    for pin in chosen {
        if args.names.is_empty() && !pin.is_whole(&workspace.store)? {
            pins::tell_missing(&workspace, &file, &pin)?;
            continue;
        }
        upload(&workspace, &remote, &pin.name, &pin.digest)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a tree into the bucket, with what is told of it.
pub(super) fn upload(
    workspace: &Workspace,
    remote: &Remote,
    name: &str,
    root: &Digest,
) -> Result<()> {
    let store = &workspace.store;
    let transfer = remote.upload_tree(store, root)?;
    Origin::upload(store, remote, root.sha256())?;
    let url = remote.url();
    match transfer.blobs {
        0 => ui::message(format_args!("{url} has `{name}` already")),
        _ => ui::message(format_args!(
            "uploaded `{name}` to {url}: {}",
            ui::size(transfer.bytes)
        )),
    }
    Ok(())
}
