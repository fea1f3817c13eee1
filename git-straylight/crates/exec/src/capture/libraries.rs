//! The shared libraries of programs: what the dynamic loader would find.
//!
//! The loader is not run (a captured file may be for another machine, and
//! `ldd` runs what it inspects); its search is repeated here: the run path of
//! the file, then the folders that are built into it. `ld.so.conf` and its
//! cache are not consulted, because a captured tree has neither.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::CaptureError;
use super::closure::Closure;
use super::elf::{self, Elf, Kind};

/// Adds the interpreter and the shared libraries of every program in the
/// closure, and theirs in turn; then those of its other libraries (plugins),
/// as far as the machine has them. If the tree has files for another machine
/// than the `own` one of its programs, those are data.
///
/// # Errors
/// [`CaptureError::MissingLibrary`] when a program would not start in the
/// tree · [`CaptureError::Io`].
pub(super) fn add_libraries(closure: &mut Closure, own: Option<Kind>) -> Result<(), CaptureError> {
    let mut programs = Vec::new();
    let mut plugins = Vec::new();
    for file in closure.files() {
        let elf = read(closure, &file)?;
        if let Some(elf) = elf.filter(|elf| own.is_none_or(|own| own == elf.kind)) {
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
    let mut seen = HashSet::new();
    while let Some((file, elf)) = queue.pop() {
        for name in elf.interpreter.iter().chain(&elf.needed) {
            let Some(library) = add_library(closure, &file, &elf, name)? else {
                if strict {
                    return Err(CaptureError::MissingLibrary {
                        program: file,
                        library: name.clone(),
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

/// Adds what `file` asks for by `name`, which is a path if it has a slash.
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    /// A machine whose program in `/opt/bin` finds its library in `/opt/lib`.
    fn machine() -> TempDir {
        let machine = tempfile::tempdir().unwrap();
        let root = machine.path().to_str().unwrap();
        let script = r#"
            umask 022
            cd "$1"
            mkdir -p opt/bin opt/lib usr/lib
            echo 'int answer(void) { return 42; }' > answer.c
            echo 'int answer(void); int main(void) { return answer(); }' > main.c
            gcc -shared -fPIC -nostdlib answer.c -o opt/lib/libanswer.so
            gcc main.c -Wl,-rpath,'$ORIGIN/../lib' -Lopt/lib -lanswer -nostdlib -Wl,-e,main \
                -Wl,--dynamic-linker=/usr/lib/loader -o opt/bin/main
            cp opt/lib/libanswer.so usr/lib/loader
        "#;
        let sh = ["-euc", script, "sh", root];
        assert!(Command::new("/bin/sh").args(sh).status().unwrap().success());
        machine
    }

    fn close(machine: &TempDir) -> Result<Vec<PathBuf>, CaptureError> {
        let mut closure = Closure::new(machine.path());
        closure.require(Path::new("/opt/bin/main"))?;
        add_libraries(&mut closure, None)?;
        Ok(closure.files())
    }

    #[test]
    fn follows_run_paths_and_the_interpreter() {
        let files = ["/opt/bin/main", "/opt/lib/libanswer.so", "/usr/lib/loader"];
        assert_eq!(close(&machine()).unwrap(), files.map(PathBuf::from));
    }

    #[test]
    fn passes_over_libraries_of_another_machine() {
        let machine = machine();
        let own = machine.path().join("opt/lib/libanswer.so");
        let mut bytes = fs::read(&own).unwrap();
        fs::write(machine.path().join("usr/lib/libanswer.so"), &bytes).unwrap();
        // `e_machine`: no real machine has this number.
        bytes[18..20].fill(0xee);
        fs::write(&own, bytes).unwrap();
        let files = ["/opt/bin/main", "/usr/lib/libanswer.so", "/usr/lib/loader"];
        assert_eq!(close(&machine).unwrap(), files.map(PathBuf::from));
    }

    #[test]
    fn a_program_that_would_not_start_is_an_error() {
        for (gone, name) in [
            ("opt/lib/libanswer.so", "libanswer.so"),
            ("usr/lib/loader", "/usr/lib/loader"),
        ] {
            let machine = machine();
            fs::remove_file(machine.path().join(gone)).unwrap();
            let error = close(&machine).unwrap_err();
            assert!(
                matches!(&error, CaptureError::MissingLibrary { library, .. } if library == name),
                "{error}"
            );
            assert!(error.hint().unwrap().contains(name));
        }
    }

    #[test]
    fn a_plugin_may_lack_its_libraries() {
        let machine = machine();
        fs::remove_file(machine.path().join("usr/lib/loader")).unwrap();
        let mut closure = Closure::new(machine.path());
        closure.require(Path::new("/opt/lib/libanswer.so")).unwrap();
        add_libraries(&mut closure, None).unwrap();
        assert_eq!(closure.files().len(), 1);
    }
}
