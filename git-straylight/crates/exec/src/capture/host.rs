//! The machine that is captured: its programs, and what they answer.
//!
//! Programs are asked with an empty environment, so that a variable of the
//! user (`GCC_EXEC_PREFIX`, `CPATH`, a language) never changes a capture, and
//! with a `PATH` that leads nowhere, so that each answers for itself: a wrapper
//! finds no compiler to pass the question on to.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::CaptureError;

/// Where programs are looked for.
#[derive(Debug, Clone)]
pub(super) struct Host {
    path: OsString,
}

/// A folder that does not exist. Without any `PATH`, the C library's default
/// would hold.
const NOWHERE: &str = "/nonexistent";

/// What a program printed.
pub(super) struct Answer {
    pub(super) success: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Host {
    /// Returns the machine as the user's shell sees it.
    pub(super) fn from_environment() -> Self {
        Self::with_path(std::env::var_os("PATH").unwrap_or_default())
    }

    /// Returns the machine, seen through this `PATH`.
    pub(super) fn with_path(path: impl Into<OsString>) -> Self {
        Self { path: path.into() }
    }

    /// Returns every program of this name, in the order of `PATH`, as spelled
    /// there: symbolic links are not followed. Relative entries are skipped.
    pub(super) fn programs(&self, name: &str) -> Vec<PathBuf> {
        std::env::split_paths(&self.path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .filter(|program| is_program(program))
            .collect()
    }

    /// Returns the first program of this name on `PATH`.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        self.programs(name).into_iter().next()
    }

    /// Says how to install `package`, which has this name everywhere, here.
    pub(super) fn cure(package: &str) -> String {
        match manager() {
            Some(manager) => format!("{} {package}", manager.install),
            None => format!("install `{package}`"),
        }
    }

    /// Says how to install the C library of another machine, as GNU names it.
    pub(super) fn cure_for_cross_libc(target: &str) -> String {
        let arch = target.split('-').next().unwrap_or(target);
        match manager() {
            Some(manager) if manager.program == "apt-get" => {
                let arch = match arch {
                    "aarch64" => "arm64",
                    "x86_64" => "amd64",
                    other => other,
                };
                Self::cure(&format!("libc6-dev-{arch}-cross"))
            }
            _ => format!("install the C library of `{target}` for developers"),
        }
    }

    /// Says how to install the C library's headers and start files here.
    pub(super) fn cure_for_libc() -> String {
        match manager() {
            Some(manager) => Self::cure(manager.libc),
            None => "install the C library for developers".to_owned(),
        }
    }
}

/// A package manager, and what it calls the C library's part for developers.
struct Manager {
    program: &'static str,
    install: &'static str,
    libc: &'static str,
}

const MANAGERS: [Manager; 5] = [
    manager_of("apt-get", "apt-get install", "libc6-dev"),
    manager_of("dnf", "dnf install", "glibc-devel"),
    manager_of("zypper", "zypper install", "glibc-devel"),
    manager_of("pacman", "pacman -S", "glibc"),
    manager_of("apk", "apk add", "musl-dev"),
];

const fn manager_of(program: &'static str, install: &'static str, libc: &'static str) -> Manager {
    Manager {
        program,
        install,
        libc,
    }
}

fn manager() -> Option<&'static Manager> {
    let standard = Host::with_path("/usr/bin:/bin:/usr/sbin:/sbin");
    MANAGERS
        .iter()
        .find(|manager| standard.program(manager.program).is_some())
}

/// Runs `program` and waits for its answer, which may be a failure.
///
/// # Errors
/// [`CaptureError::Io`] when it cannot be run at all.
pub(super) fn ask<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<Answer, CaptureError> {
    ask_with(program, args, &[])
}

/// As [`ask`], with these variables of the user besides.
///
/// # Errors
/// As [`ask`].
pub(super) fn ask_with<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    variables: &[(&str, OsString)],
) -> Result<Answer, CaptureError> {
    let output = Command::new(program)
        .args(args)
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("LC_ALL", "C")
        .env("PATH", NOWHERE)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CaptureError::io("run", program, source))?;
    Ok(Answer {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs `program`, and returns what it prints on success.
///
/// # Errors
/// As [`ask`], or [`CaptureError::Failed`].
pub(super) fn tell<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<String, CaptureError> {
    let answer = ask(program, args)?;
    if answer.success {
        return Ok(answer.stdout);
    }
    let mut command = program.display().to_string();
    for arg in args {
        command.push(' ');
        command.push_str(&arg.as_ref().to_string_lossy());
    }
    Err(CaptureError::Failed {
        command,
        stderr: answer.stderr.trim_end().to_owned(),
    })
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
