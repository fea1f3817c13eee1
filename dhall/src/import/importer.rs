//! Where the bytes of imports come from: the host's decision.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::Digest as _;

use crate::library;
use crate::location::Location;
use crate::problem::ErrorKind;

/// Reads the bytes of imports, and decides which may be read.
///
/// An importer says `Ok(None)` for what is not there, or
/// [`ImportError::Absent`] or [`ImportError::Unreachable`]: `?` then takes its
/// other side. What must not
/// be read is an error, which `?` does not hide.
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

    /// Answers an import that may carry headers.
    ///
    /// The evaluator calls this one. An importer that speaks to hosts
    /// implements it, sends the headers and returns those of the answer; for
    /// one that has its own store, [`Importer::read`] is enough. An answer
    /// without headers allows a text of another origin nothing: see
    /// [`Response::headers`]. Headers are secrets of one host: a redirect to
    /// another must not send them on.
    ///
    /// # Errors
    /// [`ImportError`] when the location is refused or cannot be read.
    fn fetch(&self, request: &Request<'_>) -> Result<Option<Response>, ImportError> {
        let bytes = self.read(request.location, request.sha256)?;
        Ok(bytes.map(Response::from))
    }

    /// Returns the binary form whose sha256 this is, wherever it comes from.
    ///
    /// It is asked for before the location of a pinned import, and before the
    /// headers of one are evaluated: what is known needs no request.
    ///
    /// # Errors
    /// [`ImportError`] when the import must not go on. A cache that cannot be
    /// read is no reason for that.
    fn cached(&self, _sha256: &[u8; 32]) -> Result<Option<Arc<[u8]>>, ImportError> {
        Ok(None)
    }

    /// Offers the binary form of a pinned import, whose sha256 was checked.
    fn store(&self, _sha256: &[u8; 32], _normal_form: &[u8]) {}

    /// Returns what is known of the normal form of this sha256, if it was
    /// checked before; see [`Importer::note_checked`].
    ///
    /// It is not checked again, then, and only the parts that a program looks
    /// at are decoded. What it evaluates to does not depend on this: if this is
    /// wrong, a program may pass that is ill typed. `None` is always right.
    fn checked(&self, _sha256: &[u8; 32]) -> Option<Checked> {
        None
    }

    /// Offers to remember that the normal form of this sha256 is well typed.
    /// `ty` is the binary form of its type, β-normal and with the names of its
    /// binders.
    fn note_checked(&self, _sha256: &[u8; 32], _ty: &[u8]) {}

    /// Returns where the user's headers for hosts may be, as the standard's
    /// `env:DHALL_HEADERS`; the first that is there counts. By default, none.
    ///
    /// What is there has the type `List { mapKey : Text, mapValue : H }`: keys
    /// are `host:port`, and `H` is a type of headers.
    fn origin_headers(&self) -> Vec<Location> {
        Vec::new()
    }
}

/// What is known of a normal form that was found to be well typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The binary form of its β-normal type. Without it, the types of
    /// the parts that a program looks at are inferred again.
    pub ty: Option<Arc<[u8]>>,
}

/// What an import asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where it is.
    pub location: &'a Location,
    /// The semantic hash that it is pinned to.
    pub sha256: Option<[u8; 32]>,
    /// The headers to send, names and values; both are valid in HTTP. Empty
    /// unless the location is remote.
    pub headers: &'a [(String, String)],
    /// The scheme and the host of the text that imports, if it is remote:
    /// `https://example.com`.
    pub origin: Option<&'a str>,
}

/// What an importer found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The content.
    pub bytes: Arc<[u8]>,
    /// The headers of a host's answer, with repetitions. A remote text may
    /// only import from another host whose `Access-Control-Allow-Origin`
    /// allows it.
    pub headers: Vec<(String, String)>,
    /// The scheme and the host that gave the content, if redirects led to
    /// another than was asked.
    pub origin: Option<String>,
}

impl From<Arc<[u8]>> for Response {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self {
            bytes,
            headers: Vec::new(),
            origin: None,
        }
    }
}

/// Why an import was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The host does not allow it, or it is nothing that can be imported: a
    /// folder, or too large.
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
    /// It is not there, and there is more to say about that.
    #[error("{message}")]
    Absent {
        /// What is not there.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// Nobody gives it now. As with absence, `?` takes its other side.
    #[error("{message}")]
    Unreachable {
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
            Self::Refused { hint, .. }
            | Self::Unreadable { hint, .. }
            | Self::Absent { hint, .. }
            | Self::Unreachable { hint, .. } => hint,
        }
    }

    /// Returns whether `?` takes its other side.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::Unreachable { .. })
    }

    /// Returns the kind of error that an evaluation ends with.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } => ErrorKind::Wrong,
            Self::Absent { .. } => ErrorKind::Absent,
            Self::Unreadable { .. } | Self::Unreachable { .. } => ErrorKind::Unavailable,
        }
    }
}

/// Texts by their location, with the headers of an answer if they need some.
#[derive(Clone, Debug, Default)]
pub struct MemoryImporter {
    responses: HashMap<Location, Response>,
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
        let bytes: Arc<[u8]> = content.into().into();
        self.insert_response(location, Response::from(bytes));
    }

    /// Sets what a location answers, with its headers.
    pub fn insert_response(&mut self, location: Location, response: Response) {
        self.responses.insert(location, response);
    }
}

impl Importer for MemoryImporter {
    fn read(
        &self,
        location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let response = self.responses.get(location);
        Ok(response.map(|response| Arc::clone(&response.bytes)))
    }

    fn fetch(&self, request: &Request<'_>) -> Result<Option<Response>, ImportError> {
        Ok(self.responses.get(request.location).cloned())
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

    /// Every release was checked before it was released, and is by a test.
    fn checked(&self, sha256: &[u8; 32]) -> Option<Checked> {
        library::is_released(sha256).then(Checked::default)
    }
}

/// Several importers, asked in order until one has the location.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Chain, DiskCache, Evaluator, FileTree, Importer, Location};
/// # fn main() -> Result<(), straylight_dhall::Error> {
/// # let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/text");
///
/// let mut importers: Vec<Arc<dyn Importer>> = vec![Arc::new(FileTree::new(here))];
/// let cache = DiskCache::of_user(|name| std::env::var_os(name)).map(Arc::new);
/// if let Some(cache) = &cache {
///     importers.insert(0, cache.clone());
/// }
/// let evaluator = Evaluator::new(Arc::new(Chain(importers)));
/// let evaluated = evaluator.evaluate(&Location::File("main".to_owned()), "(./lists.dhall).n")?;
/// assert_eq!(evaluated.value.to_string(), "3");
/// for warning in cache.iter().flat_map(|cache| cache.take_warnings()) {
///     eprintln!("{warning}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Chain(pub Vec<Arc<dyn Importer>>);

impl Importer for Chain {
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        self.first(|importer| importer.read(location, sha256))
    }

    fn fetch(&self, request: &Request<'_>) -> Result<Option<Response>, ImportError> {
        self.first(|importer| importer.fetch(request))
    }

    fn cached(&self, sha256: &[u8; 32]) -> Result<Option<Arc<[u8]>>, ImportError> {
        self.first(|importer| importer.cached(sha256))
    }

    fn store(&self, sha256: &[u8; 32], normal_form: &[u8]) {
        for importer in &self.0 {
            importer.store(sha256, normal_form);
        }
    }

    fn checked(&self, sha256: &[u8; 32]) -> Option<Checked> {
        self.0.iter().find_map(|importer| importer.checked(sha256))
    }

    fn note_checked(&self, sha256: &[u8; 32], ty: &[u8]) {
        for importer in &self.0 {
            importer.note_checked(sha256, ty);
        }
    }

    fn origin_headers(&self) -> Vec<Location> {
        let locations = self.0.iter().map(|importer| importer.origin_headers());
        locations.flatten().collect()
    }
}

impl Chain {
    fn first<T>(
        &self,
        ask: impl Fn(&dyn Importer) -> Result<Option<T>, ImportError>,
    ) -> Result<Option<T>, ImportError> {
        for importer in &self.0 {
            if let Some(found) = ask(&**importer)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Returns the sha256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}
