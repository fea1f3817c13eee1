//! Where the bytes of imports come from: the host's decision.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::Digest as _;

use crate::library;
use crate::location::Location;

/// Reads the bytes of imports, and decides which may be read.
///
/// An importer says `Ok(None)` for what is not there: `?` then takes its other
/// side. What must not be read is an error, which `?` does not hide.
pub trait Importer: Send + Sync {
    /// Returns the bytes at `location`.
    ///
    /// With a `sha256`, the bytes may be either a Dhall source or the binary
    /// form whose sha256 that is; the evaluator checks both. Without, they are
    /// a Dhall source, or whatever the import takes `as Text` or `as Bytes`.
    ///
    /// # Errors
    /// [`ImportError`] when the location is refused or cannot be read.
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError>;
}

/// Why an import was not read. Absence is not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The host does not allow it.
    #[error("{message}")]
    Refused {
        /// What is not allowed.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// It is there and cannot be read.
    #[error("{message}")]
    Unreadable {
        /// What went wrong.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

impl ImportError {
    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Refused { hint, .. } | Self::Unreadable { hint, .. } => hint,
        }
    }
}

/// Texts by their location.
#[derive(Clone, Debug, Default)]
pub struct MemoryImporter {
    texts: HashMap<Location, Arc<[u8]>>,
}

impl MemoryImporter {
    /// Returns an importer that has nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the content of a location.
    #[must_use]
    pub fn with(mut self, location: Location, content: impl Into<Vec<u8>>) -> Self {
        self.insert(location, content);
        self
    }

    /// Sets the content of a location.
    pub fn insert(&mut self, location: Location, content: impl Into<Vec<u8>>) {
        self.texts.insert(location, content.into().into());
    }
}

impl Importer for MemoryImporter {
    fn read(
        &self,
        location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        Ok(self.texts.get(location).cloned())
    }
}

/// The released files of the typed library: answers their URLs, for the
/// hashes that were ever released.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddedLibrary;

impl Importer for EmbeddedLibrary {
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let (Location::Remote(url), Some(sha256)) = (location, sha256) else {
            return Ok(None);
        };
        Ok(library::lookup(url, &sha256).map(Arc::from))
    }
}

/// Several importers, asked in order until one has the location.
pub struct Chain(pub Vec<Arc<dyn Importer>>);

impl Importer for Chain {
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        for importer in &self.0 {
            if let Some(bytes) = importer.read(location, sha256)? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// Returns the sha256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}
