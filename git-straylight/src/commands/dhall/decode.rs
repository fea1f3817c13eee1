//! `git straylight dhall decode`.

use std::process::ExitCode;

use straylight_dhall::Expression;

use super::session::Input;
use crate::error::Result;
use crate::ui;

/// Print an expression that is given in binary form
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (location, bytes) = args.input.read()?;
    ui::result(Expression::decode(&location, &bytes)?.to_text()?);
    Ok(ExitCode::SUCCESS)
}
