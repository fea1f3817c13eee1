//! `git straylight test`.

mod case;
mod junit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use straylight_build::{BuildError, Report, Wanted};

use super::build::json_failures;
use super::{conclude, summary, write_file};
use crate::error::{CommandError, Result};
use crate::options::BuildArgs;
use crate::setup::{Setup, Workspace};
use crate::ui;
use case::{Case, Ending, cases};

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
    /// Run tests though their results are known.
    #[arg(long)]
    no_cache: bool,
    /// Write the results to this file, too, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let started = Instant::now();
    let workspace = Workspace::open()?;
    let references = workspace.references(&args.labels)?;
    let mut build = args.build.clone();
    build.how.reruns_tests = args.no_cache;
    let setup = Setup::new(&workspace, &build)?;
    let report = setup.build(&references, Wanted::Tests, None)?;
    let code = conclude(&workspace, &setup, &report)?;
    let cases = cases(&report, &setup.progress);
    if let Some(file) = &args.junit {
        write_file(file, &junit::document(&cases))?;
    }
    if report.built.is_empty() && report.failures.is_empty() {
        return Err(CommandError::missing("no tests among these targets")
            .hint("`git straylight query --output kind //...` says what each target is"));
    }
    if args.json {
        ui::result(json(&report, &cases));
        return Ok(code);
    }
    show(&report);
    let elapsed = started.elapsed().as_secs_f64();
    ui::message(format_args!("{} ({elapsed:.2} s)", summary(&report)));
    Ok(code)
}

/// Prints what became of each test: those that passed, then the others.
fn show(report: &Report) {
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
        if let BuildError::Action(failure) = &**failure {
            ui::result(format_args!(
                "{} {}",
                ui::styled(ui::BAD, "failed"),
                failure.label
            ));
        }
    }
}

/// Returns the results as `--json` prints them.
fn json(report: &Report, cases: &[Case<'_>]) -> serde_json::Value {
    json!({
        "tests": cases.iter().map(json_case).collect::<Vec<_>>(),
        "executed": report.executed,
        "reused": report.reused,
        "failures": json_failures(report),
    })
}

fn json_case(case: &Case<'_>) -> serde_json::Value {
    let mut value = json!({
        "label": case.label.to_string(),
        "configuration": case.configuration.to_string(),
        "outcome": match case.ending {
            Ending::Passed { .. } => "passed",
            Ending::Failed(_) => "failed",
            Ending::Error(_) => "error",
        },
        "cached": matches!(case.ending, Ending::Passed { cached: true, .. }),
        "seconds": case.wall.map(|wall| wall.as_secs_f64()),
    });
    match &case.ending {
        Ending::Passed { trace, .. } => value["trace"] = json!(trace),
        Ending::Failed(failure) => {
            value["reason"] = json!(failure.reason);
            value["stdout"] = json!(String::from_utf8_lossy(&failure.stdout));
            value["stderr"] = json!(String::from_utf8_lossy(&failure.stderr));
        }
        Ending::Error(error) => value["reason"] = json!(error.to_string()),
    }
    value
}
