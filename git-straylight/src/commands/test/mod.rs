//! `git straylight test`.

mod junit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use straylight_build::{BuildError, Report, Wanted};

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
    /// Run tests though their results are known.
    #[arg(long)]
    no_cache: bool,
    /// Write the results to this file, too, as JUnit's XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let started = Instant::now();
    let workspace = Workspace::open()?;
    let references = workspace.references(&args.labels)?;
    let mut build = args.build.clone();
    build.how.reruns_tests = args.no_cache;
    let setup = Setup::new(&workspace, &build)?;
    let report = setup.build(&references, Wanted::Tests, None)?;
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
    if let Some(file) = &args.junit {
        write_junit(file, &setup, &report)?;
    }
    if report.built.is_empty() && report.failures.is_empty() {
        return Err(CommandError::missing("no tests among these targets")
            .hint("`git straylight targets` lists what there is"));
    }
    let elapsed = started.elapsed().as_secs_f64();
    ui::message(format_args!("{} ({elapsed:.2} s)", summary(&report)));
    Ok(code)
}

fn write_junit(file: &Path, setup: &Setup, report: &Report) -> Result<()> {
    let wall = |label| setup.progress.wall(label, "test");
    let passed = report.built.iter().map(|built| junit::Case {
        label: &built.label,
        wall: wall(&built.label),
        ending: junit::Ending::Passed,
    });
    let failed = report.failures.iter().filter_map(|error| match &**error {
        BuildError::Action(failure) => Some(junit::Case {
            label: &failure.label,
            wall: wall(&failure.label),
            ending: if failure.step == "test" {
                junit::Ending::Failed(failure)
            } else {
                junit::Ending::Error(error.to_string())
            },
        }),
        _ => None,
    });
    let mut cases: Vec<_> = passed.chain(failed).collect();
    cases.sort_by_key(|case| case.label.clone());
    let write = || -> std::io::Result<()> {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut new = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        std::io::Write::write_all(&mut new, junit::document(&cases).as_bytes())?;
        new.as_file()
            .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        new.persist(file).map(drop).map_err(|error| error.error)
    };
    write().map_err(CommandError::io("write", file))
}
