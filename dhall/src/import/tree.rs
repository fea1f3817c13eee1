//! Imports from a folder of the user's disk.
//!
//! A relative import is a file below the folder, wherever symbolic links
//! lead; what is outside is refused unless the host allows it. Between the
//! look at a path and the read, another process could change a link: where
//! that process is an enemy, a sandbox is needed as well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::import::files;
use crate::import::importer::{ImportError, Importer};
use crate::location::Location;

/// Reads the files below a folder. Has neither URLs nor environment variables.
#[derive(Clone, Debug)]
pub struct FileTree {
    root: PathBuf,
    home: Option<PathBuf>,
    is_open: bool,
}

impl FileTree {
    /// Returns an importer of the files below `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            home: None,
            is_open: false,
        }
    }

    /// Allows every path that the user may read: `..` above the root,
    /// absolute ones, and links that lead there.
    #[must_use]
    pub fn with_outside(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Allows the files below this folder as `~/…`.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Reads a file that must be below `folder`, unless all are allowed.
    fn below(&self, folder: &Path, path: &str, at: &Location) -> Outcome {
        // Not even whether it is there is told of what is outside.
        if !self.is_open && path.split('/').any(|component| component == "..") {
            return Err(outside(at));
        }
        let read = || {
            let path = fs::canonicalize(folder.join(path))?;
            if !self.is_open && !path.starts_with(fs::canonicalize(folder)?) {
                return Ok(Err(outside(at)));
            }
            files::read(&path).map(Ok)
        };
        finish(read(), at)
    }
}

type Outcome = Result<Option<Arc<[u8]>>, ImportError>;

impl Importer for FileTree {
    fn read(&self, location: &Location, _sha256: Option<[u8; 32]>) -> Outcome {
        match (location, &self.home) {
            (Location::File(path), _) => self.below(&self.root, path, location),
            (Location::Home(path), Some(home)) => self.below(home, path, location),
            (Location::Absolute(path), _) if self.is_open => {
                finish(files::read(Path::new(path)).map(Ok), location)
            }
            (Location::Absolute(_) | Location::Home(_), _) => Err(outside(location)),
            _ => Ok(None),
        }
    }
}

fn finish(read: io::Result<Result<Option<Vec<u8>>, ImportError>>, at: &Location) -> Outcome {
    match read {
        Ok(read) => Ok(read?.map(Into::into)),
        Err(error) if files::is_absent(&error) => Ok(None),
        Err(error) => Err(failed(&error, at)),
    }
}

fn failed(error: &io::Error, at: &Location) -> ImportError {
    let message = format!("cannot read `{at}`: {error}");
    let refused = |hint: String| ImportError::Refused {
        message: message.clone(),
        hint,
    };
    match error.kind() {
        io::ErrorKind::IsADirectory => refused("import a file of the folder".to_owned()),
        io::ErrorKind::FileTooLarge => {
            refused(format!("an import has at most {} bytes", files::LARGEST))
        }
        _ => ImportError::Unreadable {
            message,
            hint: "check what the path leads to, and its permissions".to_owned(),
        },
    }
}

fn outside(at: &Location) -> ImportError {
    ImportError::Refused {
        message: format!("`{at}` is outside of the folder that imports may read"),
        hint: "copy the file into the folder, and import it by a relative path".to_owned(),
    }
}
