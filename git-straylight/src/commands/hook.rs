//! `git straylight hook`.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use straylight_hooks::{GateConfig, Installed, install, parse_updates, pre_receive};
use straylight_odb::Repository;

use crate::error::{CommandError, Kind, Result};
use crate::ui;

/// The push gate of a server
#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Refuse pushes that the policy does not accept, from now on
    ///
    /// Writes the `pre-receive` hook of this repository. It reads git's
    /// configuration: `straylight.protect` (patterns of refs, more than one
    /// possible; the branch of `HEAD` if there is none),
    /// `straylight.allowedSignersFile`, and `straylight.require` (labels that
    /// must be attested; any one if there is none).
    Install {
        /// For a repository that others push to.
        #[arg(long, required = true)]
        server: bool,
    },
    /// Judge a push; git runs this
    #[command(hide = true)]
    PreReceive,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Install { server: _ } => install_here(),
        Command::PreReceive => judge(),
    }
}

fn install_here() -> Result<ExitCode> {
    let repository = Repository::from_environment()?;
    let program =
        std::env::current_exe().map_err(CommandError::io("find", Path::new("git-straylight")))?;
    let (what, path) = match install(&repository, &program)? {
        Installed::New(path) => ("installed", path),
        Installed::Updated(path) => ("updated", path),
        Installed::Unchanged(path) => ("nothing to do:", path),
    };
    ui::result(format_args!("{what} `{}`", path.display()));
    let config = GateConfig::read(&repository)?;
    ui::message(format_args!("protected: {}", config.protect.join(", ")));
    if let Err(error) = &config.signers {
        ui::warning(format_args!(
            "until then, no push to these is accepted: {error}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn judge() -> Result<ExitCode> {
    let repository = Repository::from_environment()?;
    let mut input = Vec::new();
    std::io::stdin()
        .read_to_end(&mut input)
        .map_err(CommandError::io("read", Path::new("standard input")))?;
    let updates = parse_updates(&input).map_err(CommandError::usage)?;
    let config = GateConfig::read(&repository)?;
    let verdict = pre_receive(&repository, &updates, &config, Timestamp::now())?;
    for refusal in &verdict.refusals {
        ui::message(format_args!("refused {refusal}"));
    }
    if verdict.is_accepted() {
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::from(Kind::Negative as u8))
    }
}
