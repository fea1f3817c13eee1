//! Finds the machine's POSIX shell and its utilities.
//!
//! They are taken from `/usr/bin` and `/bin`, where a sandbox looks for them,
//! not from the user's `PATH`. Where dpkg knows them, their packages are taken
//! whole; elsewhere each utility of the standard, by name.

use std::path::{Path, PathBuf};

use straylight_odb::LocalStore;

use super::closure::Closure;
use super::dpkg::Packages;
use super::host::{Host, ask};
use super::libraries::add_libraries;
use super::{CaptureError, CapturedUserland};

/// The folders of the standard utilities.
pub(super) const STANDARD: &str = "/usr/bin:/bin";

/// Where every script looks for the shell.
const SHELL: &str = "/bin/sh";

/// The programs that must be there, each with the package that has it.
const REQUIRED: [(&str, &str); 11] = [
    ("sh", "dash"),
    ("awk", "mawk"),
    ("cmp", "diffutils"),
    ("diff", "diffutils"),
    ("find", "findutils"),
    ("grep", "grep"),
    ("gzip", "gzip"),
    ("sed", "sed"),
    ("sort", "coreutils"),
    ("tar", "tar"),
    ("xargs", "findutils"),
];

/// Utilities that come with those above in most packagings.
const USUAL: &str = "[ arch b2sum base32 base64 basename cat chgrp chmod chown cksum comm cp csplit cut date \
    dd df diff3 dirname du echo egrep env expand expr factor false fgrep fmt fold gunzip \
    head id install join link ln ls md5sum mkdir mkfifo mktemp mv nice nl nohup nproc numfmt \
    od paste pathchk pr printenv printf pwd readlink realpath rm rmdir sdiff seq sha1sum \
    sha256sum sha512sum shuf sleep split stat stty sum tac tail tee test timeout touch tr \
    true tsort uname uniq wc zcat";

/// Captures the utilities that `host` has.
///
/// # Errors
/// [`CaptureError`].
pub(super) fn capture(host: &Host, store: &LocalStore) -> Result<CapturedUserland, CaptureError> {
    let mut programs = Vec::new();
    for (name, package) in REQUIRED {
        let program = host.program(name).ok_or_else(|| CaptureError::NotFound {
            program: name.to_owned(),
            cure: Host::cure(package),
        })?;
        programs.push((name, program));
    }
    let mut closure = Closure::new("/");
    add_packages(&mut closure, &programs)?;
    for name in USUAL.split_whitespace() {
        programs.extend(host.program(name).map(|program| (name, program)));
    }
    for (name, program) in &programs {
        let real = closure.require(program)?;
        // Wherever it lies, a script finds it under its plain name.
        closure.name(&Path::new("/usr/bin").join(name), &real)?;
        if *name == "sh" {
            closure.name(Path::new(SHELL), &real)?;
        }
    }
    closure.add_locale()?;
    add_libraries(&mut closure, None)?;
    let version = version(host)?;
    let stored = closure.store(store)?;
    Ok(CapturedUserland {
        digest: stored.digest,
        version,
        shell: SHELL.to_owned(),
        files: stored.files,
        bytes: stored.bytes,
    })
}

/// Adds the packages of the required programs, without what they depend on:
/// the libraries are found from the programs themselves.
fn add_packages(closure: &mut Closure, programs: &[(&str, PathBuf)]) -> Result<(), CaptureError> {
    let Some(packages) = Packages::read()? else {
        return Ok(());
    };
    let real: Vec<PathBuf> = programs
        .iter()
        .filter_map(|(_, path)| path.canonicalize().ok())
        .collect();
    for file in packages.files(&packages.owners(&real)?)? {
        closure.add(&file)?;
    }
    Ok(())
}

/// The version of the core utilities: the last word of their first line.
fn version(host: &Host) -> Result<String, CaptureError> {
    let Some(sort) = host.program("sort") else {
        return Ok("unknown".to_owned());
    };
    let answer = ask(&sort, &["--version"])?;
    let first = answer.stdout.lines().next().unwrap_or_default();
    let word = first.split_whitespace().next_back();
    Ok(word.unwrap_or("unknown").to_owned())
}
