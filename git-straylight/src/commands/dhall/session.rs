//! What these commands read and write, and what evaluates it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use straylight_dhall::{
    Chain, DiskCache, EmbeddedLibrary, Evaluated, Evaluator, FileTree, FreezeOptions, Frozen,
    HttpImporter, ImportError, Importer, Location, Resolved, Variables, source_text,
};

use crate::error::{CommandError, Result};
use crate::ui;

/// The most that is read, in bytes: as much as a file that is imported.
const LARGEST: u64 = 128 << 20;

/// A file, or standard input.
#[derive(Args, Clone, Debug)]
pub(super) struct Input {
    /// The file to read [default: standard input, as `-`].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A Dhall text and where it comes from.
pub(super) struct Source {
    pub(super) location: Location,
    pub(super) text: String,
}

impl Input {
    /// Returns the input that a path names.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { file: Some(path) }
    }

    /// Reads all of it.
    pub(super) fn read(&self) -> Result<(Location, Vec<u8>)> {
        match &self.file {
            Some(path) if path != Path::new("-") => Ok((location(path)?, read_file(path)?)),
            _ => Ok((Location::Input("(stdin)".to_owned()), read_stdin()?)),
        }
    }

    /// Reads all of it as a Dhall text.
    pub(super) fn source(&self) -> Result<Source> {
        let (location, bytes) = self.read()?;
        let text = source_text(&location, &bytes)?.to_owned();
        Ok(Source { location, text })
    }
}

fn location(path: &Path) -> Result<Location> {
    let text = path.to_str().ok_or_else(|| {
        CommandError::usage(format!("`{}` is not a name in UTF-8", path.display()))
            .hint("give the file on standard input")
    })?;
    Ok(Location::path(text))
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(CommandError::io("read", path))?;
    read_all(file, path)
}

fn read_stdin() -> Result<Vec<u8>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        ui::message("reading from the terminal; Ctrl-D ends the input");
    }
    read_all(stdin.lock(), Path::new("(stdin)"))
}

fn read_all(from: impl io::Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(CommandError::io("read", path))?;
    if bytes.len() as u64 > LARGEST {
        let message = format!("`{}` has more than {LARGEST} bytes", path.display());
        return Err(CommandError::usage(message).hint("split it into files that are imported"));
    }
    Ok(bytes)
}

/// Replaces the content of a file as a whole; its mode stays, and a link stays
/// one. A file that could not be written to is not replaced, either.
pub(super) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let file = std::fs::canonicalize(file)?;
    let permissions = File::options()
        .write(true)
        .open(&file)?
        .metadata()?
        .permissions();
    // Whoever may do everything has opened it all the same.
    if permissions.readonly() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is read-only",
        ));
    }
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(content)?;
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(&file)?;
    Ok(())
}

/// Evaluates for a person: whatever that person may read can be imported.
pub(super) struct Session {
    evaluator: Evaluator,
    cache: Option<Arc<DiskCache>>,
}

impl Session {
    /// Returns a session that never uses the network.
    pub(super) fn offline() -> Self {
        Self::new(Arc::new(Offline))
    }

    /// Returns a session that fetches what nothing else has.
    pub(super) fn online() -> Self {
        let http = HttpImporter::new()
            .with_user_headers(|name| std::env::var_os(name))
            .with_environment_proxy();
        Self::new(Arc::new(http))
    }

    /// Returns a session that asks `remote` for what nothing else has.
    fn new(remote: Arc<dyn Importer>) -> Self {
        let mut importers: Vec<Arc<dyn Importer>> = vec![Arc::new(EmbeddedLibrary)];
        let cache = DiskCache::of_user(|name| std::env::var_os(name)).map(Arc::new);
        if let Some(cache) = &cache {
            importers.push(Arc::clone(cache) as _);
        }
        let mut files = FileTree::new(".").with_outside();
        if let Some(home) = std::env::var_os("HOME") {
            files = files.with_home(home);
        }
        importers.push(Arc::new(files));
        importers.push(Arc::new(Variables::new(|name| std::env::var_os(name))));
        importers.push(remote);
        Self {
            evaluator: Evaluator::new(Arc::new(Chain(importers))),
            cache,
        }
    }

    /// Evaluates a source.
    pub(super) fn evaluate(&self, source: &Source) -> Result<Evaluated> {
        let evaluated = self.evaluator.evaluate(&source.location, &source.text);
        self.warn();
        Ok(evaluated?)
    }

    /// Pins the imports of a source.
    pub(super) fn freeze(&self, source: &Source, options: FreezeOptions) -> Result<Frozen> {
        let frozen = (self.evaluator).freeze(&source.location, &source.text, options);
        self.warn();
        Ok(frozen?)
    }

    /// Replaces the imports of a source.
    pub(super) fn resolve(&self, source: &Source) -> Result<Resolved> {
        let resolved = (self.evaluator).resolve(&source.location, &source.text);
        self.warn();
        Ok(resolved?)
    }

    /// Says what was wrong with the cache.
    fn warn(&self) {
        for warning in self.cache.iter().flat_map(|cache| cache.take_warnings()) {
            ui::warning(warning);
        }
    }
}

/// Has nothing of what only a host can answer.
struct Offline;

impl Importer for Offline {
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> std::result::Result<Option<Arc<[u8]>>, ImportError> {
        let Location::Remote(url) = location else {
            return Ok(None);
        };
        let message = format!("`{url}` is not in the cache, and only its host has it");
        // It is not absent: a result must not depend on what a cache has.
        Err(match sha256 {
            Some(_) => ImportError::Unreadable {
                message,
                hint: "`git straylight dhall freeze FILE` fetches it once".to_owned(),
            },
            None => ImportError::Refused {
                message,
                hint: "`git straylight dhall freeze FILE` pins it by its hash and fetches it once"
                    .to_owned(),
            },
        })
    }
}
