//! `git straylight dhall eval`.

use std::process::ExitCode;

use super::session::{Input, Session};
use crate::error::Result;
use crate::ui;

/// Evaluate an expression, and print its normal form
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
    /// Print the type, too.
    #[arg(long)]
    annotate: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let session = Session::offline();
    let evaluated = session.evaluate(&args.input.source()?)?;
    let value = evaluated.value.to_text()?;
    if args.annotate {
        ui::result(format_args!("{value} : {}", evaluated.ty.to_text()?));
    } else {
        ui::result(value);
    }
    // The process ends here, and its memory with it: a large value takes longer
    // to take apart, node by node, than to print.
    std::process::exit(0)
}
