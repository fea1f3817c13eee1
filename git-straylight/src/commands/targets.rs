//! `git straylight targets`.

use std::process::ExitCode;

use crate::error::Result;
use crate::setup::Workspace;
use crate::ui;

/// List targets
///
/// Without labels, those in and below the current folder.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder`, `:name` or `//folder/...`
    labels: Vec<String>,
    /// List those of this revision.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let references = workspace.references(&args.labels)?;
    let builder = workspace.inspector(args.at.as_deref())?;
    ui::results(builder.select(&references)?.iter());
    workspace.keep(&builder);
    Ok(ExitCode::SUCCESS)
}
