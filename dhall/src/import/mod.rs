//! Imports: who reads them, and how they are resolved.

mod cache;
mod disk;
mod files;
mod headers;
#[cfg(feature = "http")]
mod http;
mod importer;
mod load;
mod resolve;
mod tree;
mod variables;

pub(crate) use cache::Cache;
#[cfg(test)]
pub(crate) use disk::note;
pub use disk::{CacheWarning, DiskCache};
#[cfg(feature = "http")]
pub use http::HttpImporter;
#[cfg(test)]
pub(crate) use importer::sha256;
pub use importer::{
    Chain, Checked, EmbeddedLibrary, ImportError, Importer, MemoryImporter, Request, Response,
};
pub(crate) use resolve::{Resolver, normal_form, semantic_hash};
pub use tree::FileTree;
pub use variables::Variables;

use crate::location::Location;

/// Something that a result depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Import {
    /// Where it is.
    pub location: Location,
    /// The semantic hash that it is pinned to.
    pub sha256: Option<[u8; 32]>,
    /// Whether it was there. The result depends on its absence, too.
    pub found: bool,
}
