//! The shared libraries of programs: what the dynamic loader would find.
//!
//! The loader is not run (a captured file may be for another machine, and
//! `ldd` runs what it inspects); its search is repeated here: the run path of
//! the file, then the folders that are built into it. `ld.so.conf` and its
//! cache are not consulted, because a captured tree has neither.

use std::path::{Path, PathBuf};

use super::CaptureError;
use super::closure::Closure;
use super::elf::{self, Elf, Kind};

/// Adds the interpreter and the shared libraries of every program in the
/// closure, and theirs in turn; then those of its other libraries (plugins),
/// as far as the machine has them.
///
/// # Errors
/// [`CaptureError::MissingLibrary`] when a program would not start in the
/// tree · [`CaptureError::Io`].
pub(super) fn add_libraries(closure: &mut Closure) -> Result<(), CaptureError> {
    let mut programs = Vec::new();
    let mut plugins = Vec::new();
    for file in closure.files() {
        if let Some(elf) = read(closure, &file)? {
            let is_program = elf.interpreter.is_some();
            let list = if is_program {
                &mut programs
            } else {
                &mut plugins
            };
            list.push((file, elf));
        }
    }
    follow(closure, programs, true)?;
    follow(closure, plugins, false)
}

fn follow(
    closure: &mut Closure,
    mut queue: Vec<(PathBuf, Elf)>,
    strict: bool,
) -> Result<(), CaptureError> {
    let mut seen = std::collections::HashSet::new();
    while let Some((file, elf)) = queue.pop() {
        let interpreter = elf.interpreter.as_ref().map(PathBuf::from);
        let mut found = Vec::new();
        if let Some(interpreter) = interpreter {
            found.push((
                closure.add(&interpreter)?,
                interpreter.display().to_string(),
            ));
        }
        for name in &elf.needed {
            found.push((add_library(closure, &file, &elf, name)?, name.clone()));
        }
        for (library, name) in found {
            let Some(library) = library else {
                if strict {
                    return Err(CaptureError::MissingLibrary {
                        program: file,
                        library: name,
                    });
                }
                continue;
            };
            if seen.insert(library.clone())
                && let Some(elf) = read(closure, &library)?
            {
                queue.push((library, elf));
            }
        }
    }
    Ok(())
}

fn add_library(
    closure: &mut Closure,
    file: &Path,
    elf: &Elf,
    name: &str,
) -> Result<Option<PathBuf>, CaptureError> {
    if name.contains('/') {
        return closure.add(Path::new(name));
    }
    for folder in folders(file, elf) {
        let candidate = folder.join(name);
        if let Some(other) = read(closure, &candidate)?
            && other.kind == elf.kind
            && let Some(real) = closure.add(&candidate)?
        {
            return Ok(Some(real));
        }
    }
    Ok(None)
}

/// Where the loader looks, in its order.
fn folders(file: &Path, elf: &Elf) -> Vec<PathBuf> {
    let origin = file.parent().unwrap_or(Path::new("/")).to_string_lossy();
    let expand = |entry: &String| {
        let entry = entry
            .replace("${ORIGIN}", &origin)
            .replace("$ORIGIN", &origin);
        PathBuf::from(entry)
    };
    let run_path = elf.run_path.iter().map(expand);
    let run_path = run_path.filter(|folder| folder.is_absolute());
    let multiarch = multiarch(elf.kind).into_iter();
    let multiarch = multiarch.flat_map(|name| [format!("/lib/{name}"), format!("/usr/lib/{name}")]);
    let word: &[&str] = if elf.kind.wide {
        &["/lib64", "/usr/lib64"]
    } else {
        &["/lib32", "/usr/lib32", "/libx32", "/usr/libx32"]
    };
    let plain = ["/lib", "/usr/lib"];
    let builtin = multiarch.map(PathBuf::from);
    let builtin = builtin.chain(word.iter().chain(&plain).map(PathBuf::from));
    run_path.chain(builtin).collect()
}

/// Debian's name for the kind of machine, from `e_machine`.
fn multiarch(kind: Kind) -> Option<&'static str> {
    Some(match (kind.machine, kind.wide) {
        (3, _) => "i386-linux-gnu",
        (21, _) => "powerpc64le-linux-gnu",
        (22, true) => "s390x-linux-gnu",
        (40, _) => "arm-linux-gnueabihf",
        (62, true) => "x86_64-linux-gnu",
        (62, false) => "x86_64-linux-gnux32",
        (183, true) => "aarch64-linux-gnu",
        (243, true) => "riscv64-linux-gnu",
        (258, true) => "loongarch64-linux-gnu",
        _ => return None,
    })
}

/// Reads a file of the machine by any of its names; what is absent, or may
/// not be read, is not ELF.
fn read(closure: &Closure, path: &Path) -> Result<Option<Elf>, CaptureError> {
    let on_disk = closure.on_disk(path);
    match elf::read(&on_disk) {
        Ok(elf) => Ok(elf),
        Err(error) => match error.kind() {
            std::io::ErrorKind::NotFound
            | std::io::ErrorKind::NotADirectory
            | std::io::ErrorKind::IsADirectory
            | std::io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(CaptureError::io("read", &on_disk, error)),
        },
    }
}
