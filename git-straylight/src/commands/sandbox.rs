//! `git straylight sandbox`.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use straylight_exec::{Isolation, Kept, Status, namespace};

use crate::error::{CommandError, Kind, Result};
use crate::setup::Workspace;
use crate::ui;

/// Enter the sandbox of a command that failed
///
/// `--sandbox-debug` of a build keeps it. Without a name, lists what is kept of
/// this work tree, each with its command. The sandbox is as the command left it:
/// its file system, its inputs in `/build`, its environment, no network. What is
/// changed in the folders of outputs stays, until `git straylight clean`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// As the failed build says, or the beginning of it.
    name: Option<String>,
    /// What to run there instead of a shell; its exit code is passed on.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let all = Kept::all(&workspace.store, workspace.id())?;
    let Some(name) = &args.name else {
        ui::results(all.iter().map(|kept| {
            let words = kept.command().iter().map(|word| ui::quoted(word));
            format!("{}  {}", kept.name, words.collect::<Vec<_>>().join(" "))
        }));
        return Ok(ExitCode::SUCCESS);
    };
    let kept = find(all, name)?;
    let status = match kept.isolation() {
        Isolation::Namespaces => namespace::enter(&workspace.store, &kept, &args.command)?,
        Isolation::None => return Err(enter_folder(&kept, &args.command)),
    };
    let code = match status {
        Status::Exited(code) => code,
        Status::Signaled(signal) => 128 + signal,
        Status::TimedOut | Status::Cancelled => Kind::Interrupted as i32,
    };
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Returns the one that a name means.
fn find(all: Vec<Kept>, name: &str) -> Result<Kept> {
    let mut matching = all.into_iter().filter(|kept| kept.name.starts_with(name));
    match (matching.next(), matching.next()) {
        (Some(kept), None) => Ok(kept),
        (Some(_), Some(_)) => Err(CommandError::usage(format!(
            "`{name}` is the beginning of several names"
        ))
        .hint("`git straylight sandbox` lists them")),
        (None, _) => Err(
            CommandError::missing(format!("no sandbox `{name}` is kept")).hint(
                "`git straylight build --sandbox-debug` keeps those of commands that fail; `git \
                 straylight sandbox` lists them",
            ),
        ),
    }
}

/// Goes to the folder of a command that no sandbox was around. Returns only if
/// that fails.
fn enter_folder(kept: &Kept, command: &[String]) -> CommandError {
    let shell = ["sh".to_owned()];
    let words = if command.is_empty() { &shell } else { command };
    let environment = kept.environment().iter().map(|(name, value)| (name, value));
    let error = Command::new(&words[0])
        .args(&words[1..])
        .env_clear()
        .envs(environment)
        .current_dir(kept.build())
        .exec();
    CommandError::environment(format!("cannot run `{}`: {error}", words[0]))
}
