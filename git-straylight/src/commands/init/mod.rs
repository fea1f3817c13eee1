//! `git straylight init`.

mod c;
mod render;
mod rust;
mod scan;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use straylight_build::label::BUILD_FILE;
use straylight_build::{PackagePath, Triple};
use straylight_exec::capture as exec;

use super::srcs::package::files_of;
use super::srcs::proposal::class;
use super::toolchain::capture::{self, What};
use crate::error::{CommandError, Result};
use crate::setup::Workspace;
use crate::ui;
use render::Language;

/// Describe the project in this folder, and pin the compiler that it needs
///
/// Knows C, C++ and Rust crates without dependencies. Writes `BUILD.dhall` here
/// and `toolchains.dhall` in the root of the repository, and replaces neither.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name of the program or library [default: that of the crate or folder].
    #[arg(long)]
    name: Option<String>,
}

/// What was found in the folder.
struct Project {
    language: Language,
    targets: Vec<Target>,
}

/// A target to be written: the fields of its rule, as Dhall.
struct Target {
    name: String,
    is_program: bool,
    fields: Vec<(&'static str, String)>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let root = workspace.repository.require_work_tree()?.to_owned();
    let package = workspace.package()?;
    let folder = root.join(package.as_str());
    refuse_existing(&package, &folder)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&folder),
    };
    let files = sources(&workspace, &package)?;
    let named = args.name.as_deref();
    let project = match rust::detect(&folder, &files, named)? {
        Some(project) => Some(project),
        None => c::detect(&folder, &files, &name)?,
    };
    let Some(project) = project else {
        ui::result(render::example()?);
        return Err(CommandError::missing(format!(
            "there is nothing in `{package}` that this knows how to build"
        ))
        .hint(
            "it looked for C and C++ sources (`*.c`, `*.cc`, `*.cpp`, `*.cxx`), and for a \
             `Cargo.toml` beside `src/main.rs` or `src/lib.rs`; above is how a `BUILD.dhall` looks",
        ));
    };
    let first = project.targets.iter().find(|target| target.is_program);
    let first = first.or(project.targets.first());
    let next = first.map(|target| format!("{package}:{}", target.name));
    let toolchains = root.join("toolchains.dhall");
    let choice = choose(&toolchains, project.language)?;
    let text = render::build_file(&project, &package, choice.name)?;
    pin(&workspace, &toolchains, &choice)?;
    create(&folder.join(BUILD_FILE), &text)?;
    ui::message(format_args!("wrote `{}`", package.build_file()));
    ui::message(format_args!(
        "now run: git straylight build {}",
        next.unwrap_or_default()
    ));
    Ok(ExitCode::SUCCESS)
}

fn refuse_existing(package: &PackagePath, folder: &Path) -> Result<()> {
    if folder.join(BUILD_FILE).symlink_metadata().is_err() {
        return Ok(());
    }
    Err(CommandError::usage(format!(
        "`{}` is there already, and is not replaced",
        package.build_file()
    ))
    .hint(
        "`git straylight srcs` brings its lists of files up to date; to start anew, move it away",
    ))
}

/// Returns a target's name for what lies in `folder`.
fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
    let plain: String = plain.collect();
    match plain.trim_start_matches('.') {
        "" => "main".to_owned(),
        plain => plain.to_owned(),
    }
}

/// Returns the files of the package, relative to it; no tests, no examples.
fn sources(workspace: &Workspace, package: &PackagePath) -> Result<BTreeSet<String>> {
    let mut files = files_of(workspace, package)?;
    let is_hidden = |folder: &str| folder.starts_with('.');
    files.retain(|file| {
        let is_aside = class(file).is_some_and(|(_, is_aside)| is_aside);
        !is_aside && !scan::folder(file).split('/').any(is_hidden)
    });
    Ok(files)
}

/// The compiler of a project, and whether the repository pins it already.
struct Choice {
    what: What,
    name: &'static str,
    is_pinned: bool,
}

/// Chooses a compiler: one that the repository pins, or one that is here.
fn choose(path: &Path, language: Language) -> Result<Choice> {
    const GCC: (What, &str) = (What::Gcc, "gcc");
    const CLANG: (What, &str) = (What::Clang, "clang");
    let fitting: &[(What, &str)] = match language {
        Language::C => &[GCC, CLANG],
        Language::Rust => &[(What::Rustc, "rustc")],
    };
    let choice = |(what, name), is_pinned| Choice {
        what,
        name,
        is_pinned,
    };
    if path.symlink_metadata().is_err() {
        let only_clang = language == Language::C && !exec::has_gcc()? && exec::has_clang()?;
        let first = if only_clang { CLANG } else { fitting[0] };
        return Ok(choice(first, false));
    }
    for compiler in fitting {
        if capture::pins(path, compiler.1)? {
            return Ok(choice(*compiler, true));
        }
    }
    let name = fitting[0].1;
    Err(CommandError::usage(format!(
        "`toolchains.dhall` is there already, and pins no `{name}`"
    ))
    .hint(format!(
        "`git straylight toolchain capture {name}` adds it; then run this again"
    )))
}

/// Captures the compiler, unless the repository pins it.
fn pin(workspace: &Workspace, path: &Path, choice: &Choice) -> Result<()> {
    if choice.is_pinned {
        let name = choice.name;
        ui::message(format_args!("`toolchains.dhall` pins `{name}` already"));
        return Ok(());
    }
    capture::capture_into(workspace, &[choice.what], Triple::host(), path)?;
    ui::message("wrote `toolchains.dhall`");
    Ok(())
}

/// Writes a new file; one that is there is never replaced.
fn create(path: &Path, text: &str) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    let write = |mut file: File| file.write_all(text.as_bytes());
    made.and_then(write)
        .map_err(CommandError::io("create", path))
}
