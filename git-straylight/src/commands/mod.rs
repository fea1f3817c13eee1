//! One file for each command.

mod attest;
mod bucket;
mod build;
mod cache;
mod clean;
mod demo;
mod dhall;
mod graph;
mod hook;
mod ide;
mod init;
mod key;
mod log;
mod pin;
mod query;
mod run;
mod sandbox;
mod srcs;
mod ssh_session;
mod targets;
mod test;
mod toolchain;
mod verify;
mod why;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use straylight_build::{BuildError, Report};

use crate::error::{CommandError, Kind, Result};
use crate::setup::{Setup, Workspace};
use crate::ui;

/// What the program can do.
#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    Init(init::Args),
    Build(build::Args),
    Run(run::Args),
    Test(test::Args),
    Targets(targets::Args),
    Srcs(srcs::Args),
    Pin(pin::Args),
    Clean(clean::Args),
    Sandbox(sandbox::Args),
    Query(query::Args),
    Graph(graph::Args),
    Why(why::Args),
    Ide(ide::Args),
    Attest(attest::Args),
    Verify(verify::Args),
    Log(log::Args),
    #[command(subcommand)]
    Toolchain(toolchain::Command),
    #[command(subcommand)]
    Cache(cache::Command),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Hook(hook::Command),
    #[command(subcommand)]
    Bucket(bucket::Command),
    Dhall(dhall::Args),
    SshSession(ssh_session::Args),
    Demo(demo::Args),
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Init(args) => init::run(&args),
            Self::Build(args) => build::run(&args),
            Self::Run(args) => run::run(&args),
            Self::Test(args) => test::run(&args),
            Self::Targets(args) => targets::run(&args),
            Self::Srcs(args) => srcs::run(&args),
            Self::Pin(args) => pin::run(&args),
            Self::Clean(args) => clean::run(&args),
            Self::Sandbox(args) => sandbox::run(&args),
            Self::Query(args) => query::run(&args),
            Self::Graph(args) => graph::run(&args),
            Self::Why(args) => why::run(&args),
            Self::Ide(args) => ide::run(&args),
            Self::Attest(args) => attest::run(&args),
            Self::Verify(args) => verify::run(&args),
            Self::Log(args) => log::run(&args),
            Self::Toolchain(command) => toolchain::run(&command),
            Self::Cache(command) => cache::run(&command),
            Self::Key(command) => key::run(&command),
            Self::Hook(command) => hook::run(&command),
            Self::Bucket(command) => bucket::run(&command),
            Self::Dhall(args) => dhall::run(&args),
            Self::SshSession(args) => ssh_session::run(&args),
            Self::Demo(args) => demo::run(&args),
        }
    }
}

/// Ends a build: shows its failures and returns the exit code.
pub(crate) fn conclude(workspace: &Workspace, setup: &Setup, report: &Report) -> Result<ExitCode> {
    setup.finish(report)?;
    if setup.services.cancellation.is_cancelled() {
        ui::message("interrupted");
        return Ok(ExitCode::from(Kind::Interrupted as u8));
    }
    let mut worst = None;
    for failure in &report.failures {
        let error = CommandError::from(Arc::clone(failure));
        ui::message_of(&error);
        // A broken environment says most, a failed command least.
        worst = worst.max(Some(error.kind));
    }
    if setup.commit.is_none()
        && let Some(hint) = srcs::unlisted(workspace, &setup.builder, &report.failures)
    {
        ui::hint(hint);
    }
    Ok(worst.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind as u8)))
}

/// Returns one line that says what a build did.
pub(crate) fn summary(report: &Report) -> String {
    let failed = |error: &&Arc<BuildError>| matches!(***error, BuildError::Action(_));
    let failures = report.failures.iter().filter(failed).count();
    let mut parts = Vec::new();
    if report.executed > 0 {
        parts.push(format!("{} run", ui::count(report.executed, "action")));
    }
    if report.reused > 0 {
        parts.push(format!("{} reused", report.reused));
    }
    if failures > 0 {
        parts.push(ui::styled(ui::BAD, format!("{failures} failed")));
    }
    if parts.is_empty() {
        return "no actions".to_owned();
    }
    if report.executed == 0 && report.failures.is_empty() {
        return format!(
            "nothing to do: {} up to date",
            ui::count(report.reused, "action")
        );
    }
    parts.join(", ")
}

/// Returns a text as Dhall writes it.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    format!("\"{escaped}\"")
}

/// Replaces a file, or leaves it as it was.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(CommandError::io("write", path))?;
    file.write_all(text.as_bytes())
        .map_err(CommandError::io("write", path))?;
    file.persist(path)
        .map_err(|error| CommandError::io("write", path)(error.error))?;
    Ok(())
}
