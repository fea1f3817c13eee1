//! `git straylight dhall hash`.

use std::process::ExitCode;

use super::session::{Input, Session};
use crate::error::Result;
use crate::ui;

/// Print the semantic hash of an expression, as an import is pinned
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let evaluated = Session::offline().evaluate(&args.input.source()?)?;
    let hash = evaluated.value.hash()?;
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    ui::result(format_args!("sha256:{digits}"));
    Ok(ExitCode::SUCCESS)
}
