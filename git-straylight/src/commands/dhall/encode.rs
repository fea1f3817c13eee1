//! `git straylight dhall encode`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use straylight_dhall::Expression;

use super::session::Input;
use crate::error::{CommandError, Result};
use crate::ui;

/// Print the binary form of an expression, as it is written
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if std::io::stdout().is_terminal() {
        return Err(
            CommandError::usage("the binary form is not shown on a terminal")
                .hint("write it to a file: `… > file.dhallb`"),
        );
    }
    let source = args.input.source()?;
    ui::result_bytes(&Expression::parse(&source.location, &source.text)?.encode()?);
    Ok(ExitCode::SUCCESS)
}
