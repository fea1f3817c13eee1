//! The standard's cache of pinned imports, shared with other implementations.
//!
//! An entry is a file `1220<sha256 in hexadecimal>` whose content is the
//! binary form of the α-β-normal form, which has that sha256. Entries are
//! verified whenever they are read, and replaced as a whole: a reader sees an
//! old entry, a new one or none. The cache never fails an evaluation; what is
//! wrong with it is kept as [`CacheWarning`]s.
//!
//! The user's cache also has a folder of our own, with a note for each entry
//! that was found to be well typed: `straylight-dhall/checked-<version of this
//! crate>/1220<sha256>`. A note is the binary form of the β-normal type of the
//! entry, behind the sha256 (32 bytes) of the entry's sha256 and that.
//! A note that is cut short or damaged is none. Whoever can write there can
//! make a program pass that is ill typed, and no more: what it evaluates to is
//! in the entry; see [`Importer::checked`].

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::import::files;
use crate::import::importer::{Checked, ImportError, Importer, sha256};
use crate::location::Location;

/// Caches pinned imports in a folder. Put it into a
/// [`Chain`](crate::Chain) with what reads the imports that are not there.
#[derive(Debug)]
pub struct DiskCache {
    /// Where entries are looked for, and written to the first that lets us.
    folders: Vec<PathBuf>,
    /// Where it is noted what was checked, in the same way.
    notes: Vec<PathBuf>,
    warnings: Mutex<Vec<CacheWarning>>,
}

/// The folder of notes, below that of the user's caches: what another version
/// has checked is not known to be right for this one.
const NOTES: &str = concat!("straylight-dhall/checked-", env!("CARGO_PKG_VERSION"));

/// What is wrong with a cache. Nothing depends on it but time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheWarning {
    /// The content of an entry did not have its hash; it is made again.
    #[error("`{}` did not have the content that its name says, and is discarded", path.display())]
    Wrong {
        /// The entry.
        path: PathBuf,
    },
    /// An entry is there and cannot be read.
    #[error("cannot read `{}`: {message}", path.display())]
    Unreadable {
        /// The entry.
        path: PathBuf,
        /// What the operating system says.
        message: String,
    },
    /// Nothing can be kept in a folder.
    #[error("cannot cache imports in `{}`: {message}", path.display())]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        message: String,
    },
}

impl DiskCache {
    /// Returns the cache in a folder. It is made when there is an entry. It is
    /// not noted which entries were checked.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::in_folders(vec![folder.into()], Vec::new())
    }

    /// Returns the cache that the standard says for these environment
    /// variables: `$XDG_CACHE_HOME/dhall`, else `~/.cache/dhall`. `None` if
    /// they name no absolute folder. What was checked is noted in
    /// `straylight-dhall`, beside `dhall`.
    #[must_use]
    pub fn of_user(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let home = if cfg!(windows) {
            variable("LOCALAPPDATA").map(PathBuf::from)
        } else {
            variable("HOME").map(|home| PathBuf::from(home).join(".cache"))
        };
        let caches = [variable("XDG_CACHE_HOME").map(PathBuf::from), home];
        let caches: Vec<_> = caches
            .into_iter()
            .flatten()
            .filter(|cache| cache.is_absolute())
            .collect();
        let within = |name| caches.iter().map(|cache| cache.join(name)).collect();
        (!caches.is_empty()).then(|| Self::in_folders(within("dhall"), within(NOTES)))
    }

    fn in_folders(folders: Vec<PathBuf>, notes: Vec<PathBuf>) -> Self {
        Self {
            folders,
            notes,
            warnings: Mutex::default(),
        }
    }

    /// Returns what was wrong since this was asked last, each once.
    pub fn take_warnings(&self) -> Vec<CacheWarning> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn warn(&self, warning: CacheWarning) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Returns an entry that is what its name says.
    fn verified(&self, path: PathBuf, hash: &[u8; 32]) -> Option<Arc<[u8]>> {
        match files::read(&path) {
            Ok(Some(bytes)) if sha256(&bytes) == *hash => Some(bytes.into()),
            Ok(None) => None,
            Ok(Some(_)) => {
                // If it stays, the new entry replaces it.
                let _ = fs::remove_file(&path);
                self.warn(CacheWarning::Wrong { path });
                None
            }
            Err(error) => {
                let message = error.to_string();
                self.warn(CacheWarning::Unreadable { path, message });
                None
            }
        }
    }
}

impl Importer for DiskCache {
    fn read(
        &self,
        _location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        match sha256 {
            Some(sha256) => self.cached(&sha256),
            None => Ok(None),
        }
    }

    fn cached(&self, sha256: &[u8; 32]) -> Result<Option<Arc<[u8]>>, ImportError> {
        let name = entry_name(sha256);
        let mut paths = self.folders.iter().map(|folder| folder.join(&name));
        Ok(paths.find_map(|path| self.verified(path, sha256)))
    }

    fn store(&self, sha256: &[u8; 32], normal_form: &[u8]) {
        let name = entry_name(sha256);
        for folder in &self.folders {
            match write(folder, &name, normal_form) {
                Ok(()) => return,
                Err(error) => self.warn(CacheWarning::Unwritable {
                    path: folder.clone(),
                    message: error.to_string(),
                }),
            }
        }
    }

    fn checked(&self, sha256: &[u8; 32]) -> Option<Checked> {
        let name = entry_name(sha256);
        let read = |folder: &PathBuf| files::read(&folder.join(&name)).ok().flatten();
        let notes = self.notes.iter().filter_map(read);
        let mut types = notes.filter_map(|note| noted(sha256, &note).map(Arc::from));
        types.next().map(|ty| Checked { ty: Some(ty) })
    }

    fn note_checked(&self, sha256: &[u8; 32], ty: &[u8]) {
        let name = entry_name(sha256);
        let note = note(sha256, ty);
        let mut folders = self.notes.iter();
        // A cache that cannot be written to has been warned of.
        let _ = folders.find(|folder| write(folder, &name, &note).is_ok());
    }
}

/// Returns the note that an entry has this type.
pub(crate) fn note(entry: &[u8; 32], ty: &[u8]) -> Vec<u8> {
    [&sha256(&[entry, ty].concat()), ty].concat()
}

/// Returns the type of an entry, by its note.
fn noted<'a>(entry: &[u8; 32], note: &'a [u8]) -> Option<&'a [u8]> {
    let (check, ty) = note.split_first_chunk()?;
    (sha256(&[entry, ty].concat()) == *check).then_some(ty)
}

fn entry_name(sha256: &[u8; 32]) -> String {
    format!("1220{}", data_encoding::HEXLOWER.encode(sha256))
}

/// Writes a file beside the entry, and gives it the entry's name. It need not
/// be synced: an entry that a crash cut short does not have its hash.
fn write(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (temporary, mut file) = create_beside(folder, name)?;
    let written = file
        .write_all(content)
        .and_then(|()| fs::rename(&temporary, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Creates a file that no other writer has.
fn create_beside(folder: &Path, name: &str) -> io::Result<(PathBuf, fs::File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{name}.{}.{count}", std::process::id()));
        match fs::File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            // A process with this id did not live to the end of its write.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
