//! `git straylight dhall type`.

use std::process::ExitCode;

use super::session::{Input, Session};
use crate::error::Result;
use crate::ui;

/// Print the type of an expression
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let evaluated = Session::offline().evaluate(&args.input.source()?)?;
    ui::result(evaluated.ty.to_text()?);
    Ok(ExitCode::SUCCESS)
}
