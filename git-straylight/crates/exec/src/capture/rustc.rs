//! Finds the machine's Rust compiler, and makes one tree of it and of the gcc
//! that links for it.
//!
//! A Rust compiler is its sysroot: one folder, wherever it lies. It finds its
//! own parts relative to itself, so it is grafted onto the tree at a place of
//! ours: two users whose compilers lie in their own homes capture the same
//! tree. Documentation, sources and other tools of the sysroot stay behind.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use straylight_odb::LocalStore;

use super::c::{CCompiler, Wanted};
use super::closure::Closure;
use super::host::{Host, ask_with, tell};
use super::libraries::add_libraries;
use super::{CaptureError, CapturedRustc};

/// Where the sysroot lies in the tree.
const SYSROOT: &str = "/opt/rust";

/// What decides which compiler `rustc` stands for, where it is rustup's.
const VARIABLES: [&str; 4] = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// What a folder for a target has that compiling and linking need; `gcc-ld` is
/// how gcc finds the linker that comes with the compiler.
const TARGET_FOLDERS: [&str; 3] = ["lib", "codegen-backends", "bin/gcc-ld"];

/// The linker itself.
const LINKER: &str = "bin/rust-lld";

/// Captures the compiler that `host` has.
///
/// # Errors
/// [`CaptureError`].
pub(super) fn capture(host: &Host, store: &LocalStore) -> Result<CapturedRustc, CaptureError> {
    let sysroot = find_sysroot(host)?;
    let verbose = tell(&sysroot.join("bin/rustc"), &["-vV"])?;
    let field = |name: &str| {
        let mut lines = verbose.lines();
        let value = lines.find_map(|line| line.strip_prefix(name));
        value.unwrap_or("unknown").trim().to_owned()
    };
    let gcc = CCompiler::find(host, Wanted::Gcc)?;
    let mut closure = Closure::new("/");
    gcc.add(&mut closure)?;
    add_sysroot(&mut closure, &sysroot)?;
    add_libraries(&mut closure, None)?;
    let stored = closure.store(store)?;
    Ok(CapturedRustc {
        version: field("release:"),
        host: field("host:"),
        rustc: format!("{SYSROOT}/bin/rustc"),
        gcc: gcc.captured(stored)?,
    })
}

/// Asks each `rustc` on `PATH` for its sysroot: rustup's is a proxy that looks
/// at the current folder and the user's settings.
fn find_sysroot(host: &Host) -> Result<PathBuf, CaptureError> {
    let variables: Vec<(&str, OsString)> = VARIABLES
        .iter()
        .filter_map(|name| Some((*name, std::env::var_os(name)?)))
        .collect();
    for candidate in host.programs("rustc") {
        let answer = ask_with(&candidate, &["--print", "sysroot"], &variables)?;
        let sysroot = PathBuf::from(answer.stdout.trim_end_matches('\n'));
        let is_one = answer.success && sysroot.is_absolute();
        if is_one && sysroot.join("bin/rustc").is_file() {
            let failed = |source| CaptureError::io("read", &sysroot, source);
            return sysroot.canonicalize().map_err(failed);
        }
    }
    Err(CaptureError::NotFound {
        program: "rustc".to_owned(),
        cure: "install Rust, for example with rustup".to_owned(),
    })
}

fn add_sysroot(closure: &mut Closure, sysroot: &Path) -> Result<(), CaptureError> {
    let at = Path::new(SYSROOT);
    closure.graft(sysroot, at);
    closure.require(&at.join("bin/rustc"))?;
    for library in names(&sysroot.join("lib"))? {
        if library.to_string_lossy().contains(".so") {
            closure.add(&at.join("lib").join(library))?;
        }
    }
    for target in names(&sysroot.join("lib/rustlib"))? {
        let below = Path::new("lib/rustlib").join(target);
        if sysroot.join(&below).join("lib").is_dir() {
            for folder in TARGET_FOLDERS {
                closure.add_folder(&at.join(&below).join(folder))?;
            }
            closure.add(&at.join(&below).join(LINKER))?;
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Result<Vec<OsString>, CaptureError> {
    let failed = |source| CaptureError::io("read", folder, source);
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| Ok(entry.map_err(failed)?.file_name()))
        .collect()
}
