//! `git straylight dhall resolve`.

use std::process::ExitCode;

use straylight_dhall::{Dependency, dependencies};

use super::session::{Input, Session};
use crate::error::Result;
use crate::ui;

/// Print an expression with all that it imports in it
///
/// Remote imports are fetched if the user's Dhall cache does not have them. Of
/// alternatives, the one that is there is taken; a pinned import becomes its
/// normal form.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// List what it imports itself, alternatives too; nothing is fetched.
    #[arg(long, group = "instead")]
    immediate_dependencies: bool,
    /// List what it imports, directly and indirectly.
    #[arg(long, group = "instead")]
    transitive_dependencies: bool,
    /// Print which text imports what, as a graph for Graphviz.
    #[arg(long, group = "instead")]
    dot: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let source = args.input.source()?;
    if args.immediate_dependencies {
        list(&dependencies(&source.location, &source.text)?);
        return Ok(ExitCode::SUCCESS);
    }
    let resolved = Session::online().resolve(&source)?;
    if args.transitive_dependencies {
        list(&resolved.graph.dependencies());
    } else if args.dot {
        ui::result(&resolved.graph);
    } else {
        ui::result(resolved.expression.to_text()?);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(dependencies: &[Dependency]) {
    dependencies.iter().for_each(ui::result);
}
