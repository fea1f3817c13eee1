//! Everything that straylight stores.
//!
//! This crate is the floor of the house: bytes by the sha256 of their content
//! ([`cas`]), the keys under which they live ([`layout`]), and the user's own
//! git repository. It knows nothing of builds, targets or trust.
//!
//! Storage traits are synchronous. Digests are always sha256 over the exact
//! bytes; git object ids are a separate type and never mixed with them.

pub mod bucket;
pub mod cas;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod digest;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
pub mod import;
pub mod inventory;
pub mod layout;
#[cfg(feature = "libgit2")]
pub mod libgit2;
pub mod local;
pub mod manifest;
pub mod odb;
pub mod pack;
pub mod refdb;
pub mod repo;
pub mod scratch;

pub use bucket::{Bucket, BucketError};
pub use cas::{ContentStore, MemoryContentStore, StoreError};
pub use digest::{Digest, Sha256};
pub use local::LocalStore;
pub use odb::BucketRepository;
pub use pack::PackCache;
pub use refdb::RefStore;
pub use repo::{ObjectId, RepoError, Repository};
