//! Refs, wherever a repository lives.

use crate::manifest::HeadTarget;
use crate::odb::BucketRepository;
use crate::repo::{Head, ObjectId, RepoError, Repository};

/// The refs of a repository, for reading.
///
/// Ref transactions will be here as well, once a bucket takes pushes.
pub trait RefStore: Send + Sync {
    /// Why the refs could not be read.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns where `HEAD` points.
    ///
    /// # Errors
    /// When the refs cannot be read.
    fn head(&self) -> Result<Head, Self::Error>;

    /// Returns what a ref points to; tags are not peeled. `name` is a full
    /// name (`refs/…`) or `HEAD`.
    ///
    /// # Errors
    /// When the refs cannot be read.
    fn read_ref(&self, name: &str) -> Result<Option<ObjectId>, Self::Error>;

    /// Returns the refs whose full names start with `prefix`, sorted by name.
    ///
    /// # Errors
    /// When the refs cannot be read.
    fn refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, Self::Error>;
}

impl RefStore for Repository {
    type Error = RepoError;

    fn head(&self) -> Result<Head, RepoError> {
        Self::head(self)
    }

    fn read_ref(&self, name: &str) -> Result<Option<ObjectId>, RepoError> {
        Self::read_ref(self, name)
    }

    fn refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, RepoError> {
        Self::refs(self, prefix)
    }
}

/// The manifest that was read when the repository was opened answers.
impl RefStore for BucketRepository {
    type Error = std::convert::Infallible;

    fn head(&self) -> Result<Head, Self::Error> {
        Ok(match &self.manifest().head {
            HeadTarget::Branch(name) => Head {
                name: Some(name.clone()),
                id: self.manifest().refs.get(name).copied(),
            },
            HeadTarget::Detached(id) => Head {
                name: None,
                id: Some(*id),
            },
        })
    }

    fn read_ref(&self, name: &str) -> Result<Option<ObjectId>, Self::Error> {
        if name == "HEAD" {
            return Ok(self.head()?.id);
        }
        Ok(self.manifest().refs.get(name).copied())
    }

    fn refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, Self::Error> {
        let refs = self.manifest().refs.range(prefix.to_owned()..);
        let refs = refs.take_while(|(name, _)| name.starts_with(prefix));
        Ok(refs.map(|(name, id)| (name.clone(), *id)).collect())
    }
}
