//! What a `BUILD.dhall` may import: files of its own tree, and pinned files of
//! the library.
//!
//! Everything else would make a build depend on the machine it runs on, and
//! is refused with the cure. The network is never used.

use std::sync::Arc;

use straylight_dhall::{ImportError, Importer, Location, library};

use crate::files::Files;
use crate::label::BUILD_FILE;
use crate::tree::TreeError;

/// Answers imports from a source tree, and what is pinned from `pinned`.
pub(crate) struct TreeImporter {
    files: Arc<Files>,
    pinned: Arc<dyn Importer>,
}

impl TreeImporter {
    pub(crate) fn new(files: Arc<Files>, pinned: Arc<dyn Importer>) -> Self {
        Self { files, pinned }
    }

    fn file(&self, path: &str) -> Result<Option<Arc<[u8]>>, ImportError> {
        if path.rsplit('/').next() == Some(BUILD_FILE) {
            return Err(refused(
                format!("`{path}` is a package, not a library"),
                "move what both need into a file of its own, and depend on targets by their labels"
                    .to_owned(),
            ));
        }
        let read = self.files.read(path);
        read.map(|file| file.bytes.clone()).map_err(|error| {
            let (message, hint) = (error.to_string(), error.hint().unwrap_or_default());
            match error {
                TreeError::Io { .. } | TreeError::Repository(_) | TreeError::Store(_) => {
                    ImportError::Unreadable { message, hint }
                }
                _ => refused(message, hint),
            }
        })
    }
}

impl Importer for TreeImporter {
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        match location {
            Location::File(path) => self.file(path),
            Location::Remote(url) => {
                let Some(hash) = sha256 else {
                    return Err(unpinned(url));
                };
                // Only pinned URLs are looked for in a cache: what else a cache
                // happens to hold must not decide what a build may import.
                match self.pinned.read(location, sha256)? {
                    Some(bytes) => Ok(Some(bytes)),
                    None => match self.pinned.cached(&hash)? {
                        Some(bytes) => Ok(Some(bytes)),
                        None => Err(unknown(url)),
                    },
                }
            }
            Location::Env(name) => Err(refused(
                format!("a build does not read the environment (`env:{name}`)"),
                "write the value into a file of the repository".to_owned(),
            )),
            Location::Absolute(path) | Location::Home(path) => Err(refused(
                format!("`{path}` is outside the repository"),
                "copy the file into the repository and import it by a relative path".to_owned(),
            )),
            Location::Missing | Location::Input(_) => Ok(None),
        }
    }
}

fn unpinned(url: &str) -> ImportError {
    let hint = match library::latest(url) {
        Some(released) => format!("write `{url} sha256:{}`", released.sha256),
        None => format!("write `{url} sha256:…`, with the hash of its normal form"),
    };
    refused(format!("`{url}` is not pinned by its hash"), hint)
}

fn unknown(url: &str) -> ImportError {
    let message =
        format!("`{url}` with this hash is neither in the library nor in the local cache");
    match library::latest(url) {
        Some(released) => refused(
            message,
            format!("this release has `{url} sha256:{}`", released.sha256),
        ),
        // The pin may be right, and this machine has never fetched it.
        None => ImportError::Unreadable {
            message,
            hint: "`git straylight dhall freeze FILE` fetches it once; `git straylight dhall \
                   library` lists what this release has"
                .to_owned(),
        },
    }
}

fn refused(message: String, hint: String) -> ImportError {
    ImportError::Refused { message, hint }
}
