//! `git straylight test`.

use std::process::ExitCode;
use std::time::Instant;

use straylight_build::Wanted;

use super::{conclude, summary};
use crate::error::{CommandError, Result};
use crate::setup::{BuildArgs, Setup, Workspace};
use crate::ui;

/// Run tests
///
/// A test runs in the sandbox. One that passed is run again only when
/// something that it reads has changed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder`, `:name` or `//folder/...`
    labels: Vec<String>,
    #[command(flatten)]
    build: BuildArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let started = Instant::now();
    let workspace = Workspace::open()?;
    let references = workspace.references(&args.labels)?;
    let setup = Setup::new(&workspace, &args.build)?;
    let labels = setup.builder.select(&references)?;
    let report = setup.builder.build(&labels, Wanted::Tests, None);
    let code = conclude(&setup, &report)?;
    for built in &report.built {
        let again = if built.executed {
            String::new()
        } else {
            ui::styled(ui::FAINT, " (known)")
        };
        ui::result(format_args!(
            "{} {}{again}",
            ui::styled(ui::GOOD, "passed"),
            built.label
        ));
    }
    for failure in &report.failures {
        if let straylight_build::BuildError::Action(failure) = &**failure {
            ui::result(format_args!(
                "{} {}",
                ui::styled(ui::BAD, "failed"),
                failure.label
            ));
        }
    }
    if report.built.is_empty() && report.failures.is_empty() {
        return Err(CommandError::missing("no tests among these targets")
            .hint("`git straylight targets` lists what there is"));
    }
    let elapsed = started.elapsed().as_secs_f64();
    ui::message(format_args!("{} ({elapsed:.2} s)", summary(&report)));
    Ok(code)
}
