//! Build files and what they import: each is read once, and everybody who asks
//! sees the same bytes, whatever happens to the file meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::tree::{Signature, SourceTree, TreeError};

/// A file as it was when it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadFile {
    /// `None` if no file was there.
    pub(crate) bytes: Option<Arc<[u8]>>,
    pub(crate) signature: Option<Signature>,
}

/// The files of a tree that were read.
pub(crate) struct Files {
    tree: Arc<dyn SourceTree>,
    read: Mutex<HashMap<String, Arc<ReadFile>>>,
}

impl Files {
    pub(crate) fn new(tree: Arc<dyn SourceTree>) -> Self {
        Self {
            tree,
            read: Mutex::default(),
        }
    }

    /// Reads a file, unless it was read before.
    pub(crate) fn read(&self, path: &str) -> Result<Arc<ReadFile>, TreeError> {
        if let Some(known) = self.known().get(path) {
            return Ok(Arc::clone(known));
        }
        let signature = self.tree.file_signature(path);
        let bytes = self.tree.read(path)?;
        let file = Arc::new(ReadFile { bytes, signature });
        // Who was first is right.
        let mut known = self.known();
        Ok(Arc::clone(known.entry(path.to_owned()).or_insert(file)))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<ReadFile>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Files").field(&self.tree).finish()
    }
}
