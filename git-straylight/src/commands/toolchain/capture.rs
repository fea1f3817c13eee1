//! `git straylight toolchain capture`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Deserialize;
use straylight_build::Triple;
use straylight_build::target::Artifact;
use straylight_dhall::{Evaluator, Expression, Location, from_value, library};
use straylight_exec::capture::{self, CapturedC};
use straylight_odb::{Digest, LocalStore};

use super::origin::Origin;
use super::upload::upload;
use crate::commands::{quoted, write_file};
use crate::error::{CommandError, Result};
use crate::setup::{Workspace, pinned_imports};
use crate::ui;

/// Copy a toolchain of this machine into the cache, and pin it
///
/// Writes a typed file with the sha256 of what was copied. Builds see
/// exactly that tree, wherever they run; what the machine has is not used. If
/// `git config straylight.bucket` names a bucket, the tree goes there, too.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to capture.
    #[arg(value_enum, required = true)]
    what: Vec<What>,
    /// The machine that the compiler makes programs for; with `gcc` alone.
    /// It is pinned as `gcc_aarch64_linux`, or with that machine's name.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<Triple>,
    /// The file to write [default: `toolchains.dhall` in the root of the repository].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The GNU C compiler, with what it needs to compile and link.
    Gcc,
    /// LLVM's C compiler, with what it needs to compile and link.
    Clang,
    /// The Rust compiler, with its standard library and the gcc that links.
    Rustc,
    /// A POSIX shell and its utilities.
    Posix,
}

/// What a toolchains file of ours holds. Another file is not written over.
#[derive(Debug, Default)]
struct Toolchains {
    /// By the names of [`compiler_names`].
    compilers: BTreeMap<String, Toolchain>,
    posix: Option<Userland>,
}

/// The machines that compilers make programs for, as `targets/v1.dhall` names
/// them.
const MACHINES: [(&str, &str); 3] = [
    ("x86_64_linux", "x86_64-unknown-linux-gnu"),
    ("aarch64_linux", "aarch64-unknown-linux-gnu"),
    ("riscv64_linux", "riscv64-unknown-linux-gnu"),
];

/// The field of a userland.
const POSIX: &str = "posix";

/// Returns the names that captured compilers have in a file of ours.
fn compiler_names() -> impl Iterator<Item = String> {
    let crossing = MACHINES.iter().map(|(machine, _)| format!("gcc_{machine}"));
    let own = ["clang", "gcc", "rustc"].map(str::to_owned);
    own.into_iter().chain(crossing)
}

#[derive(Debug, Deserialize)]
pub(super) struct Toolchain {
    pub(super) compiler: Compiler,
    host: Triple,
    target: Triple,
}

impl Toolchain {
    fn new(compiler: Compiler, target: Triple) -> Self {
        Self {
            compiler,
            host: Triple::host(),
            target,
        }
    }

    /// Returns the arguments of `capture` that make one like it.
    pub(super) fn recipe(&self) -> String {
        let name = match self.compiler {
            Compiler::Gcc(_) => "gcc",
            Compiler::Clang(_) => "clang",
            Compiler::Rustc(_) => "rustc",
        };
        match self.target == self.host {
            true => name.to_owned(),
            false => format!("{name} --target {}", self.target),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) enum Compiler {
    Gcc(C),
    Clang(C),
    Rustc(Rust),
}

#[derive(Debug, Deserialize)]
pub(super) struct C {
    pub(super) version: String,
    pub(super) artifact: Artifact,
    cc: String,
    cxx: Option<String>,
    ar: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rust {
    pub(super) version: String,
    pub(super) artifact: Artifact,
    rustc: String,
    c: C,
}

#[derive(Debug, Deserialize)]
pub(super) struct Userland {
    pub(super) version: String,
    pub(super) artifact: Artifact,
    shell: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let root = workspace.repository.require_work_tree()?;
    let path = args.output.clone();
    let path = path.unwrap_or_else(|| root.join("toolchains.dhall"));
    let target = args.target.unwrap_or(Triple::host());
    capture_into(&workspace, &args.what, target, &path)?;
    let shown = path.strip_prefix(root).unwrap_or(&path);
    ui::message(format_args!("wrote `{}`", shown.display()));
    Ok(ExitCode::SUCCESS)
}

/// Captures `what`, and pins it in the file at `path` beside what it pins.
pub(crate) fn capture_into(
    workspace: &Workspace,
    what: &[What],
    target: Triple,
    path: &Path,
) -> Result<()> {
    let store = &workspace.store;
    let mut toolchains = read(path)?;
    let mut captured = Vec::new();
    if target != Triple::host() {
        let (name, toolchain) = capture_cross(store, what, target)?;
        toolchains.compilers.insert(name.clone(), toolchain);
        captured.push(name);
    } else {
        for what in what {
            let (name, compiler) = match what {
                What::Gcc => ("gcc", capture_gcc(store)?),
                What::Clang => ("clang", capture_clang(store)?),
                What::Rustc => ("rustc", capture_rustc(store)?),
                What::Posix => {
                    toolchains.posix = Some(capture_posix(store)?);
                    captured.push(POSIX.to_owned());
                    continue;
                }
            };
            let toolchain = Toolchain::new(compiler, target);
            toolchains.compilers.insert(name.to_owned(), toolchain);
            captured.push(name.to_owned());
        }
    }
    write_file(path, &render(&toolchains)?)?;
    let Some(remote) = workspace.remote() else {
        return Ok(());
    };
    for pin in super::pins::read(path)? {
        if captured.contains(&pin.name) {
            upload(workspace, &remote, &pin.name, &pin.digest)?;
        }
    }
    Ok(())
}

fn capture_gcc(store: &Arc<LocalStore>) -> Result<Compiler> {
    let captured = keep(store, "gcc", capture::capture_gcc(store)?)?;
    Ok(Compiler::Gcc(captured))
}

fn capture_clang(store: &Arc<LocalStore>) -> Result<Compiler> {
    let captured = keep(store, "clang", capture::capture_clang(store)?)?;
    Ok(Compiler::Clang(captured))
}

/// Captures a gcc for another machine. Returns its name in the file.
fn capture_cross(
    store: &Arc<LocalStore>,
    what: &[What],
    target: Triple,
) -> Result<(String, Toolchain)> {
    if what != [What::Gcc] {
        return Err(
            CommandError::usage(format!("only `gcc` can be captured for `{target}`"))
                .hint("capture what is for this machine without `--target`"),
        );
    }
    let text = target.to_string();
    let machine = MACHINES.iter().find(|(_, triple)| *triple == text);
    let Some((machine, _)) = machine else {
        return Err(CommandError::usage(format!(
            "`{target}` is no machine that gcc is captured for"
        ))
        .hint(format!(
            "there are {}",
            MACHINES.map(|(_, triple)| format!("`{triple}`")).join(", ")
        )));
    };
    let name = format!("gcc_{machine}");
    let captured = capture::capture_cross_gcc(&text.replace("-unknown", ""), store)?;
    let compiler = Compiler::Gcc(keep(store, &name, captured)?);
    Ok((name, Toolchain::new(compiler, target)))
}

fn keep(store: &Arc<LocalStore>, name: &str, captured: CapturedC) -> Result<C> {
    let origin = Origin::new(name, &captured.version, captured.files, captured.bytes);
    origin.keep(store, &captured.digest)?;
    Ok(c_compiler(captured))
}

fn capture_rustc(store: &Arc<LocalStore>) -> Result<Compiler> {
    let captured = capture::capture_rustc(store)?;
    let (files, bytes) = (captured.gcc.files, captured.gcc.bytes);
    let origin = Origin::new("rustc", &captured.version, files, bytes);
    origin.keep(store, &captured.gcc.digest)?;
    Ok(Compiler::Rustc(Rust {
        version: captured.version,
        artifact: artifact(&captured.gcc.digest),
        rustc: captured.rustc,
        c: c_compiler(captured.gcc),
    }))
}

fn c_compiler(captured: CapturedC) -> C {
    C {
        version: captured.version,
        artifact: artifact(&captured.digest),
        cc: captured.cc,
        cxx: captured.cxx,
        ar: captured.ar,
    }
}

fn capture_posix(store: &Arc<LocalStore>) -> Result<Userland> {
    let captured = capture::capture_posix(store)?;
    let origin = Origin::new("posix", &captured.version, captured.files, captured.bytes);
    origin.keep(store, &captured.digest)?;
    Ok(Userland {
        version: captured.version,
        artifact: artifact(&captured.digest),
        shell: captured.shell,
    })
}

fn artifact(digest: &Digest) -> Artifact {
    Artifact {
        sha256: digest.sha256().to_string(),
        size: digest.size(),
    }
}

/// Returns whether the file at `path` has a field of this name, whoever wrote it.
pub(crate) fn pins(path: &Path, name: &str) -> Result<bool> {
    let pins = super::pins::read(path)?;
    Ok(pins.iter().any(|pin| pin.name == name))
}

/// Reads the captures that a file holds already.
fn read(path: &Path) -> Result<Toolchains> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Toolchains::default());
        }
        Err(error) => return Err(CommandError::io("read", path)(error)),
    };
    let foreign = |reason: String| {
        CommandError::usage(format!(
            "`{}` is not a file that a capture wrote: {reason}",
            path.display()
        ))
        .hint("write to another file with `--output`, and import that")
    };
    let evaluator = Evaluator::new(pinned_imports());
    let evaluated = evaluator
        .evaluate(&Location::Input(path.display().to_string()), &text)
        .map_err(|error| foreign(error.to_string()))?;
    let mut toolchains = Toolchains::default();
    for (name, value) in evaluated.value.fields().unwrap_or_default() {
        let failed = |error: straylight_dhall::DecodeError| foreign(error.to_string());
        if name == POSIX {
            toolchains.posix = Some(from_value(&value).map_err(failed)?);
        } else if compiler_names().any(|known| known == name) {
            let toolchain = from_value(&value).map_err(failed)?;
            toolchains.compilers.insert(name, toolchain);
        } else {
            return Err(foreign(format!("it also has `{name}`")));
        }
    }
    Ok(toolchains)
}

/// Returns the text of a toolchains file.
fn render(toolchains: &Toolchains) -> Result<String> {
    let mut text = String::new();
    pin(
        &mut text,
        "Toolchains",
        "https://straylight.cx/toolchains/v1.dhall",
    )?;
    if !toolchains.compilers.is_empty() {
        pin(
            &mut text,
            "Targets",
            "https://straylight.cx/targets/v1.dhall",
        )?;
    }
    text.push_str("in {");
    for (name, toolchain) in &toolchains.compilers {
        let toolchain = render_toolchain(toolchain);
        let _ = write!(text, "{name} = {toolchain} : Toolchains.Toolchain,");
    }
    if let Some(posix) = &toolchains.posix {
        let _ = write!(
            text,
            "posix = {{ version = {}, artifact = {}, shell = {} }} : Toolchains.Userland,",
            quoted(&posix.version),
            render_artifact(&posix.artifact),
            quoted(&posix.shell),
        );
    }
    text.push('}');
    let location = Location::Input("toolchains".to_owned());
    let expression = Expression::parse(&location, &text)?;
    Ok(format!(
        "-- Written by `git straylight toolchain capture`.\n{expression}\n"
    ))
}

fn render_toolchain(toolchain: &Toolchain) -> String {
    let compiler = match &toolchain.compiler {
        Compiler::Gcc(gcc) => format!("Gcc {}", render_c(gcc)),
        Compiler::Clang(clang) => format!("Clang {}", render_c(clang)),
        Compiler::Rustc(rust) => format!(
            "Rustc {{ version = {}, artifact = {}, rustc = {}, c = {} }}",
            quoted(&rust.version),
            render_artifact(&rust.artifact),
            quoted(&rust.rustc),
            render_c(&rust.c),
        ),
    };
    let (host, target) = (machine(toolchain.host), machine(toolchain.target));
    format!(
        "{{ compiler = Toolchains.Compiler.{compiler}, host = Targets.{host}, \
         target = Targets.{target}, flags = [] : List Toolchains.Flag, \
         linker = None Toolchains.Artifact, sysroot = None Toolchains.Artifact }}"
    )
}

/// Returns the name of a machine in the library of targets.
fn machine(triple: Triple) -> &'static str {
    let text = triple.to_string();
    let known = MACHINES.iter().find(|(_, triple)| *triple == text);
    known.map_or("x86_64_linux", |(machine, _)| machine)
}

fn render_c(c: &C) -> String {
    let cxx = c.cxx.as_ref();
    let cxx = cxx.map_or("None Text".to_owned(), |cxx| {
        format!("Some {}", quoted(cxx))
    });
    format!(
        "{{ version = {}, artifact = {}, cc = {}, cxx = {cxx}, ar = {} }}",
        quoted(&c.version),
        render_artifact(&c.artifact),
        quoted(&c.cc),
        quoted(&c.ar),
    )
}

/// Writes a `let` for a file of the library, pinned to this release.
fn pin(text: &mut String, name: &str, url: &str) -> Result<()> {
    let released = library::latest(url)
        .ok_or_else(|| CommandError::missing(format!("`{url}` is not in the library")))?;
    let _ = write!(text, "let {name} = {url} sha256:{} ", released.sha256);
    Ok(())
}

fn render_artifact(artifact: &Artifact) -> String {
    let Artifact { sha256, size } = artifact;
    format!("{{ sha256 = \"{sha256}\", size = {size} }}")
}
