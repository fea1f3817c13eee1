//! `git straylight graph`.

use std::process::ExitCode;

use crate::diagram::{self, Diagram};
use crate::error::Result;
use crate::setup::Workspace;
use crate::ui;

/// Draw what targets depend on
///
/// Prints the graph below the targets for Graphviz, or with `--svg` a picture:
/// `git straylight graph //hello --svg > graph.svg`. Arrows go from what needs
/// to what is needed; tools are dashed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder`, `:name` or `//folder/...`
    labels: Vec<String>,
    /// In the DOT language, which is the default.
    #[arg(long)]
    dot: bool,
    /// As a picture.
    #[arg(long, conflicts_with = "dot")]
    svg: bool,
    /// Draw the commands that are run for the targets' outputs.
    #[arg(long)]
    actions: bool,
    /// Draw this revision.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let references = workspace.references(&args.labels)?;
    let builder = workspace.inspector(args.at.as_deref())?;
    let diagram = if args.actions {
        let labels = builder.select(&references)?;
        Diagram::of_actions(&builder.actions(&labels)?)
    } else {
        let graph = builder.graph(&references)?;
        let all: Vec<usize> = (0..graph.nodes().len()).collect();
        Diagram::of_targets(&graph, &all)
    };
    if args.svg {
        ui::result(diagram::svg(&diagram));
    } else {
        ui::result(diagram::dot(&diagram));
    }
    workspace.keep(&builder);
    Ok(ExitCode::SUCCESS)
}
