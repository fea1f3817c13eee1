//! `git straylight ide`.

mod compilers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};
use straylight_build::editor::{CompileCommand, CrateKind, Editing, EditorCrate};
use straylight_build::materialize::Materializer;
use straylight_build::{Label, Wanted};

use super::{conclude, write_file};
use crate::error::{CommandError, Result};
use crate::options::HowArgs;
use crate::setup::{Setup, Workspace};
use crate::ui;
use compilers::Compilers;

const COMPILE_COMMANDS: &str = "compile_commands.json";
const RUST_PROJECT: &str = "rust-project.json";

/// Tell editors how files are compiled
///
/// Writes `compile_commands.json` for clangd, and `rust-project.json` for
/// rust-analyzer, into the root of the work tree, and builds what the files need
/// that are written in them. Without labels, for every target of the repository.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder`, `:name` or `//folder/...`
    labels: Vec<String>,
    #[command(flatten)]
    how: HowArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let root = workspace.repository.require_work_tree()?.to_owned();
    let references = match &args.labels[..] {
        [] => workspace.references(&["//...".to_owned()])?,
        labels => workspace.references(labels)?,
    };
    let setup = Setup::new(&workspace, &args.how.clone().into())?;
    let materializer = setup.materializer(&workspace)?;
    let labels = setup.builder.select(&references)?;
    let editing = setup.builder.editing(&labels, &materializer)?;
    let (commands, crates) = (editing.commands.len(), editing.crates.len());
    let sysroot = (crates > 0).then(sysroot).flatten();
    let mut written = Vec::new();
    for (name, count, noun, content) in [
        (
            COMPILE_COMMANDS,
            commands,
            "command",
            compile_commands(&root, &editing, &mut Compilers::new(&workspace.store))?,
        ),
        (
            RUST_PROJECT,
            crates,
            "crate",
            rust_project(&root, &editing, sysroot.as_deref()),
        ),
    ] {
        let file = root.join(name);
        // What says nothing is written only over something that does.
        if count > 0 || file.exists() {
            write_if_changed(&file, &content)?;
            ui::result(format_args!("{name}  {}", ui::count(count, noun)));
            written.push(name);
        }
    }
    if written.is_empty() {
        ui::message("nothing to tell: no rule of these targets says what it compiles");
        ui::hint(
            "`rules/c` and `rules/rust` do, in the release that `git straylight dhall library` names",
        );
    }
    let has_library = |sysroot: &Path| standard_library(sysroot).is_dir();
    if crates > 0 && !sysroot.as_deref().is_some_and(has_library) {
        ui::hint(
            "rust-analyzer finds the standard library where the `rustc` of this machine has its \
             sources: `rustup component add rust-src`",
        );
    }
    hide(&root, &written);
    build_generators(&workspace, &setup, &materializer, editing.generators)
}

/// Builds what the files need that editors are told of.
fn build_generators(
    workspace: &Workspace,
    setup: &Setup,
    materializer: &Materializer,
    generators: BTreeSet<Label>,
) -> Result<ExitCode> {
    let generators: Vec<_> = generators.into_iter().collect();
    let report = setup
        .builder
        .build(&generators, Wanted::Outputs, Some(materializer));
    conclude(workspace, setup, &report)
}

/// Says how to keep git from listing what was written, unless it does not.
fn hide(root: &Path, written: &[&str]) {
    let shown = written.iter().filter(|name| {
        let ignored = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["check-ignore", "-q", name])
            .stdin(Stdio::null())
            .status();
        // 1: it is not ignored. Anything else is nothing to speak of here.
        ignored.is_ok_and(|status| status.code() == Some(1))
    });
    let shown: Vec<&str> = shown.copied().collect();
    if !shown.is_empty() {
        ui::hint(format_args!(
            "`.gitignore`, or `.git/info/exclude`, should name {}",
            shown.join(" and ")
        ));
    }
}

/// In the format that clang's tools read.
fn compile_commands(
    root: &Path,
    editing: &Editing,
    compilers: &mut Compilers<'_>,
) -> Result<Value> {
    let entry = |command: &CompileCommand| {
        let mut arguments = command.arguments.clone();
        if let (Some(toolchain), Some(program)) = (&command.root, arguments.first_mut())
            && let Some(folder) = compilers.folder(toolchain, program)?
        {
            // Its headers are not where those of this machine are.
            let below = program.trim_start_matches('/');
            *program = folder.join(below).to_string_lossy().into_owned();
            arguments.insert(1, format!("--sysroot={}", folder.display()));
        }
        Ok(json!({
            "directory": root,
            "file": command.file,
            "arguments": arguments,
        }))
    };
    editing.commands.iter().map(entry).collect()
}

/// In the format of rust-analyzer for projects without cargo.
fn rust_project(root: &Path, editing: &Editing, sysroot: Option<&Path>) -> Value {
    let crates = &editing.crates;
    let entry = |known: &EditorCrate| {
        let dependencies = known
            .dependencies
            .iter()
            .map(|(name, index)| json!({ "crate": index, "name": name }));
        let mut entry = json!({
            "display_name": known.name,
            "root_module": known.root,
            "edition": known.edition,
            "deps": dependencies.collect::<Vec<_>>(),
            "cfg": known.cfg,
            "env": known.env,
            "is_workspace_member": !known.vendored,
            "is_proc_macro": known.proc_macro.is_some(),
            "build": {
                "label": known.label.to_string(),
                "build_file": root.join(known.label.package().build_file()),
                "target_kind": match known.kind {
                    CrateKind::Library => "lib",
                    CrateKind::Binary => "bin",
                    CrateKind::Test => "test",
                },
            },
        });
        if let Some(library) = &known.proc_macro {
            entry["proc_macro_dylib_path"] = json!(library);
        }
        entry
    };
    let mut project = json!({
        "crates": crates.iter().map(entry).collect::<Vec<_>>(),
        "runnables": [{
            "program": "git",
            "args": ["straylight", "build", "{label}"],
            "cwd": root,
            "kind": "check",
        }],
    });
    if let Some(sysroot) = sysroot {
        let sources = standard_library(sysroot);
        if sources.is_dir() {
            project["sysroot_src"] = json!(sources);
        }
        project["sysroot"] = json!(sysroot);
    }
    project
}

/// Returns where the sources of the standard library lie, if they are there.
fn standard_library(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust/library")
}

/// Returns the folder of this machine's Rust, whose standard library an editor reads.
fn sysroot() -> Option<PathBuf> {
    let rustc = Command::new("rustc")
        .args(["--print", "sysroot"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = rustc.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim_end()))
}

/// Editors start over when the file is written.
fn write_if_changed(file: &Path, content: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(content)
        .map_err(|error| CommandError::environment(format!("cannot write JSON: {error}")))?;
    text.push('\n');
    match std::fs::read(file) {
        Ok(old) if old == text.as_bytes() => Ok(()),
        _ => write_file(file, &text),
    }
}
