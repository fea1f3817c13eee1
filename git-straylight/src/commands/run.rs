//! `git straylight run`.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use straylight_build::Wanted;

use super::conclude;
use crate::error::{CommandError, Result};
use crate::options::BuildArgs;
use crate::setup::{Setup, Workspace};

/// Build a program and run it
///
/// The program runs here, with this terminal, and its exit code is passed on.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder` or `:name`
    label: String,
    /// For the program.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<std::ffi::OsString>,
    #[command(flatten)]
    build: BuildArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let references = workspace.references(std::slice::from_ref(&args.label))?;
    let setup = Setup::new(&workspace, &args.build)?;
    setup.phase("select");
    let labels = setup.builder.select(&references)?;
    let [label] = &labels[..] else {
        return Err(
            CommandError::usage(format!("`{}` is many targets", args.label))
                .hint("name one program"),
        );
    };
    let materializer = setup.materializer(&workspace)?;
    setup.phase("build");
    let report = setup
        .builder
        .build(&labels, Wanted::Programs, Some(&materializer));
    let code = conclude(&workspace, &setup, &report)?;
    let Some(built) = report.built.first() else {
        return Ok(code);
    };
    let Some([program, arguments @ ..]) = built.program.as_deref() else {
        return Err(CommandError::usage(format!("`{label}` is not a program"))
            .hint(format!("`git straylight build {label}` builds it")));
    };
    let mut command = Command::new(program);
    command.args(arguments).args(&args.arguments);
    let program = program.clone();
    // What these hold must not outlive this process, which never returns.
    drop((report, materializer, setup, workspace));
    // Replaces this process: signals and the exit code are the program's own.
    let error = command.exec();
    Err(CommandError::environment(format!(
        "cannot run `{program}`: {error}"
    )))
}
