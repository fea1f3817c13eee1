//! The `pre-receive` hook file: two lines that hand over to the command line.
//!
//! ```text
//! #!/bin/sh
//! exec '/usr/bin/git-straylight' hook pre-receive
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use straylight_odb::{RepoError, Repository};

const FIRST_LINE: &str = "#!/bin/sh";
const COMMAND: &str = "hook pre-receive";

/// What [`install`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The hook was written.
    New(PathBuf),
    /// An older shim of ours, for a program elsewhere, was replaced.
    Updated(PathBuf),
    /// The hook was there already.
    Unchanged(PathBuf),
}

/// A hook that could not be installed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Somebody else's hook is there.
    #[error(
        "`{path}` is a hook that straylight did not write, and is kept; to use both, feed the same \
         standard input to `{line}` from it",
        path = path.display()
    )]
    Foreign {
        /// The hook.
        path: PathBuf,
        /// What it would have to run.
        line: String,
    },
    /// The program cannot be named in a hook.
    #[error("the hook needs the absolute path of the program, not `{path}`", path = path.display())]
    Program {
        /// The path that was given.
        path: PathBuf,
    },
    /// The configuration cannot be read.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// The file cannot be written.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Installs the shim for `program` as the `pre-receive` hook of `repository`,
/// where git looks for it (`core.hooksPath` is followed). Doing it twice
/// changes nothing.
///
/// # Errors
/// [`InstallError::Foreign`] when another hook is there.
pub fn install(repository: &Repository, program: &Path) -> Result<Installed, InstallError> {
    let command = command_line(program)?;
    let shim = format!("{FIRST_LINE}\n{command}\n");
    let folder = match repository.config_path("core.hooksPath")? {
        Some(path) => repository.git_dir().join(path),
        None => repository.common_dir().join("hooks"),
    };
    let path = folder.join("pre-receive");
    let was_there = match read(&path)? {
        None => false,
        Some(found) if is_shim(&found) => {
            if found == shim && is_executable(&path) {
                return Ok(Installed::Unchanged(path));
            }
            true
        }
        Some(_) => {
            let line = command;
            return Err(InstallError::Foreign { path, line });
        }
    };
    write(&folder, &path, &shim, was_there)?;
    Ok(if was_there {
        Installed::Updated(path)
    } else {
        Installed::New(path)
    })
}

fn command_line(program: &Path) -> Result<String, InstallError> {
    match program.to_str() {
        Some(text) if program.is_absolute() && !text.contains(['\n', '\r']) => {
            Ok(format!("exec '{}' {COMMAND}", text.replace('\'', r"'\''")))
        }
        _ => Err(InstallError::Program {
            path: program.to_owned(),
        }),
    }
}

/// Returns whether `text` is a shim for some program.
fn is_shim(text: &str) -> bool {
    let mut lines = text.split('\n');
    lines.next() == Some(FIRST_LINE)
        && lines.next().is_some_and(|line| {
            line.starts_with("exec '") && line.ends_with(&format!("' {COMMAND}"))
        })
        && lines.eq([""])
}

/// Returns what is at `path`. A link, or bytes that are no text, are nobody's
/// shim: they are shown as an empty text.
fn read(path: &Path) -> Result<Option<String>, InstallError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", path)(error)),
        Ok(metadata) if !metadata.is_file() => return Ok(Some(String::new())),
        Ok(_) => {}
    }
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    Ok(Some(String::from_utf8(bytes).unwrap_or_default()))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 == 0o111)
}

fn write(folder: &Path, path: &Path, shim: &str, replace: bool) -> Result<(), InstallError> {
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io_error("write in", folder))?;
    let permissions = fs::Permissions::from_mode(0o755);
    file.write_all(shim.as_bytes())
        .and_then(|()| file.as_file().set_permissions(permissions))
        .and_then(|()| file.as_file().sync_all())
        .map_err(io_error("write", path))?;
    let persisted = if replace {
        file.persist(path)
    } else {
        // Somebody may have written a hook meanwhile.
        file.persist_noclobber(path)
    };
    persisted
        .map(drop)
        .map_err(|error| io_error("write", path)(error.error))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallError {
    let path = path.to_owned();
    move |source| InstallError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use straylight_odb::fixture::GitFixture;

    fn open(fixture: &GitFixture) -> Repository {
        Repository::discover(fixture.path()).unwrap()
    }

    #[test]
    fn installs_once_and_follows_the_program() {
        let fixture = GitFixture::init(&["--bare"]);
        let repository = open(&fixture);
        let program = Path::new("/opt/it's here/git-straylight");
        let Installed::New(path) = install(&repository, program).unwrap() else {
            panic!("there was no hook");
        };
        assert_eq!(path, repository.git_dir().join("hooks/pre-receive"));
        let expected = "#!/bin/sh\nexec '/opt/it'\\''s here/git-straylight' hook pre-receive\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert!(is_executable(&path));
        let again = install(&repository, program).unwrap();
        assert_eq!(again, Installed::Unchanged(path.clone()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let healed = install(&repository, program).unwrap();
        assert_eq!(healed, Installed::Updated(path.clone()));
        assert!(is_executable(&path));
        let moved = install(&repository, Path::new("/usr/bin/git-straylight")).unwrap();
        assert_eq!(moved, Installed::Updated(path));
    }

    #[test]
    fn another_hook_is_kept() {
        let fixture = GitFixture::init(&["--bare"]);
        let repository = open(&fixture);
        let path = repository.git_dir().join("hooks/pre-receive");
        let program = Path::new("/usr/bin/git-straylight");
        for text in [
            "",
            "#!/bin/sh\nexec my-gate\n",
            "#!/bin/sh\nexec '/a' hook pre-receive\nexit 0\n",
            "#!/bin/sh\nexit 0; exec '/a' hook pre-receive\n",
        ] {
            fixture.hook("pre-receive", text);
            let error = install(&repository, program).unwrap_err();
            assert!(matches!(error, InstallError::Foreign { .. }), "{text}");
            assert!(error.to_string().contains("exec '/usr/bin/git-straylight'"));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        assert!(install(&repository, program).is_err(), "a dangling link");
        assert!(install(&repository, Path::new("git-straylight")).is_err());
    }

    #[test]
    fn the_configured_folder_is_used() {
        let fixture = GitFixture::init(&["--bare"]);
        fixture.git(&["config", "core.hooksPath", "my-hooks"]);
        let repository = open(&fixture);
        let installed = install(&repository, Path::new("/usr/bin/git-straylight")).unwrap();
        let path = repository.git_dir().join("my-hooks/pre-receive");
        assert_eq!(installed, Installed::New(path));
    }
}
