//! `git straylight srcs`.

mod edited;
mod layout;
pub(super) mod package;
pub(super) mod proposal;

use std::collections::{BTreeSet, HashSet};
use std::io::{IsTerminal as _, Write as _};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use straylight_build::{BuildError, Builder, Label, PackagePath, Reference};

use crate::error::{CommandError, Kind, Result};
use crate::setup::Workspace;
use crate::ui;
use package::Found;
use proposal::Change;

/// Propose changes to the lists of files in `BUILD.dhall`
///
/// Compares what targets list with the files in their package's folder: those
/// that git tracks, or would. On a terminal, asks; edits the lists in place and
/// keeps comments and layout. The exit code is 1 if something is left to do.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder`, `//folder:name`, `:name` or `//folder/...` [default: all
    /// packages in and below the current folder].
    labels: Vec<String>,
    /// Make the changes, without a question.
    #[arg(short, long, conflicts_with = "check")]
    yes: bool,
    /// Change nothing, and ask nothing.
    #[arg(long)]
    check: bool,
    /// Also name the files that no target lists, whatever they are.
    #[arg(long)]
    unlisted: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let builder = workspace.inspector(None)?;
    let mut found = Vec::new();
    for (path, only) in wanted(&workspace, &builder, args)? {
        found.push(Found::of(&workspace, &builder, path, only)?);
    }
    workspace.keep(&builder);
    let mut changes = 0;
    let mut undecided = 0;
    for package in &found {
        show(package, args.unlisted);
        changes += package.proposal.changes.len();
        undecided += package.proposal.undecided.len();
    }
    let left = ExitCode::from(Kind::Negative as u8);
    if changes == 0 {
        if undecided > 0 {
            return Ok(left);
        }
        ui::message("every list is as its folder is");
        return Ok(ExitCode::SUCCESS);
    }
    let adds = |package: &Found| {
        let mut changes = package.proposal.changes.iter();
        changes.any(|change| change.kind == proposal::Kind::Add)
    };
    let question = match found.iter().any(adds) {
        true => "Add them?",
        false => "Take them out?",
    };
    let chosen = match choice(args, question)? {
        Choice::All => None,
        Choice::None => return Ok(left),
        Choice::Edit => Some(edited_lines(&found)?),
    };
    let mut done = 0;
    for package in &found {
        let chosen: Vec<&Change> = (package.proposal.changes.iter())
            .filter(|change| {
                let line = change.to_string();
                chosen.as_ref().is_none_or(|lines| lines.contains(&line))
            })
            .collect();
        if !chosen.is_empty() {
            edited::apply(&workspace, package, &chosen)?;
            ui::message(format_args!("wrote `{}`", package.path.build_file()));
            done += chosen.len();
        }
    }
    match done == changes && undecided == 0 {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(left),
    }
}

/// Returns the packages to look at, each once, and the one target in it that
/// was asked for.
fn wanted(
    workspace: &Workspace,
    builder: &Builder,
    args: &Args,
) -> Result<Vec<(PackagePath, Option<Label>)>> {
    let mut wanted: Vec<(PackagePath, Option<Label>)> = Vec::new();
    for reference in workspace.references(&args.labels)? {
        match reference {
            Reference::Package(path) => wanted.push((path, None)),
            Reference::Target(_) => {
                let labels = builder.select(std::slice::from_ref(&reference))?;
                let only = labels.into_iter();
                wanted.extend(only.map(|label| (label.package().clone(), Some(label))));
            }
            Reference::Below(_) => {
                let labels = builder.select(std::slice::from_ref(&reference))?;
                let packages = labels.iter().map(|label| label.package().clone());
                wanted.extend(packages.map(|package| (package, None)));
            }
        }
    }
    wanted.sort();
    wanted.dedup();
    // A package as a whole has each of its targets.
    let whole: Vec<PackagePath> = (wanted.iter())
        .filter(|(_, only)| only.is_none())
        .map(|(path, _)| path.clone())
        .collect();
    wanted.retain(|(path, only)| only.is_none() || !whole.contains(path));
    Ok(wanted)
}

/// Returns a hint at files that the targets of failed steps may lack: what is not
/// listed is not there for a command.
pub(super) fn unlisted(
    workspace: &Workspace,
    builder: &Builder,
    failures: &[Arc<BuildError>],
) -> Option<String> {
    let failed = failures.iter().filter_map(|failure| match &**failure {
        BuildError::Action(failure) if failure.step != "test" => Some(&failure.label),
        _ => None,
    });
    let failed: BTreeSet<&Label> = failed.collect();
    let packages: BTreeSet<&PackagePath> = failed.iter().map(|label| label.package()).collect();
    let mut paths = Vec::new();
    for package in packages {
        // What cannot be looked at gives no hint.
        let Ok(found) = Found::of(workspace, builder, package.clone(), None) else {
            continue;
        };
        let changes = found.proposal.changes.iter();
        let added = changes
            .filter(|change| change.kind == proposal::Kind::Add && failed.contains(&change.label));
        paths.extend(added.map(|change| package.join(&change.path)));
    }
    let (first, more) = paths.split_first()?;
    Some(match more {
        [] => format!("`{first}` is in no list; `git straylight srcs` proposes it"),
        more => format!(
            "`{first}` and {} are in no list; `git straylight srcs` proposes them",
            ui::count(more.len(), "other file")
        ),
    })
}

fn show(package: &Found, unlisted: bool) {
    use proposal::Kind::{Add, Remove};
    let proposal = &package.proposal;
    let count = |kind| {
        let of_kind = proposal.changes.iter().filter(|change| change.kind == kind);
        of_kind.count()
    };
    let file = package.path.build_file();
    if count(Add) > 0 {
        let files = ui::count(count(Add), "new file");
        ui::message(format_args!("Found {files} not in `{file}`:"));
    }
    if count(Remove) > 0 {
        let files = ui::count(count(Remove), "file");
        ui::message(format_args!("`{file}` lists {files} that are not there:"));
    }
    for change in &proposal.changes {
        let style = match change.kind {
            Add => ui::GOOD,
            Remove => ui::REMOVED,
        };
        ui::result(ui::styled(style, change));
    }
    for (path, labels) in &proposal.undecided {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let path = package.path.join(path);
        ui::warning(format_args!(
            "`{path}` may belong to {}",
            match &labels[..] {
                [one] => format!("several lists of {one}"),
                many => many.join(" or "),
            }
        ));
        ui::message(match labels.len() {
            1 => format!("  write it into one of them, in `{file}`"),
            _ => "  `git straylight srcs LABEL` adds it to that target".to_owned(),
        });
    }
    if unlisted {
        for path in &proposal.unlisted {
            ui::result(format_args!("? {path}  {}", package.path));
        }
    }
}

enum Choice {
    All,
    None,
    Edit,
}

fn choice(args: &Args, question: &str) -> Result<Choice> {
    if args.yes {
        return Ok(Choice::All);
    }
    if args.check {
        return Ok(Choice::None);
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() || !std::io::stderr().is_terminal() {
        ui::message("`git straylight srcs --yes` makes these changes");
        return Ok(Choice::None);
    }
    loop {
        let mut stderr = std::io::stderr();
        let asked = write!(stderr, "{question} [y/n/edit] ").and_then(|()| stderr.flush());
        asked.map_err(|error| CommandError::environment(format!("cannot ask: {error}")))?;
        let mut answer = String::new();
        let read = stdin.read_line(&mut answer);
        let read =
            read.map_err(|error| CommandError::environment(format!("no answer: {error}")))?;
        match answer.trim() {
            "y" | "yes" => return Ok(Choice::All),
            "e" | "edit" => return Ok(Choice::Edit),
            "n" | "no" => return Ok(Choice::None),
            _ if read == 0 => return Ok(Choice::None),
            _ => {}
        }
    }
}

/// Lets the user's editor take lines out of the proposal, and returns the rest.
fn edited_lines(found: &[Found]) -> Result<HashSet<String>> {
    let changes = found.iter().flat_map(|package| &package.proposal.changes);
    let known: Vec<String> = changes.map(ToString::to_string).collect();
    let known_lines: HashSet<&str> = known.iter().map(String::as_str).collect();
    let text = format!(
        "{}\n\n# Take out the lines of changes that you do not want.\n# Without any, nothing changes.\n",
        known.join("\n")
    );
    let mut file = tempfile::Builder::new()
        .prefix("straylight-srcs-")
        .suffix(".txt")
        .tempfile()
        .map_err(|error| CommandError::environment(format!("cannot make a file: {error}")))?;
    let path = file.path().to_owned();
    file.write_all(text.as_bytes())
        .map_err(CommandError::io("write", &path))?;
    open_editor(&path)?;
    let text = std::fs::read_to_string(&path).map_err(CommandError::io("read", &path))?;
    let lines = text.lines().map(str::trim_end);
    let lines: HashSet<String> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    if let Some(line) = lines.iter().find(|line| !known_lines.contains(&***line)) {
        return Err(
            CommandError::usage(format!("`{line}` is not one of the proposed changes"))
                .hint("lines can only be taken out; nothing was changed"),
        );
    }
    Ok(lines)
}

/// Opens the editor that git would open.
fn open_editor(path: &std::path::Path) -> Result<()> {
    let no_editor = |reason: String| {
        CommandError::environment(format!("cannot open an editor: {reason}"))
            .hint("`GIT_EDITOR` names one, as for git")
    };
    let named = Command::new("git").args(["var", "GIT_EDITOR"]).output();
    let named = named.map_err(|error| no_editor(error.to_string()))?;
    if !named.status.success() {
        let reason = String::from_utf8_lossy(&named.stderr).trim().to_owned();
        return Err(no_editor(reason));
    }
    let editor = String::from_utf8_lossy(&named.stdout).trim().to_owned();
    // As git runs it: the value is a command, the file its argument.
    let status = Command::new("sh")
        .args(["-c", &format!("{editor} \"$@\""), &editor])
        .arg(path)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(no_editor(format!("`{editor}` ended with {status}"))),
        Err(error) => Err(no_editor(error.to_string())),
    }
}
