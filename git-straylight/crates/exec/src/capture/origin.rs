//! Where the files of a captured tree come from, for people who ask.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use straylight_odb::{Digest, LocalStore};

use super::CaptureError;
use super::dpkg::Packages;
use crate::merkle::{self, Node};

/// So many paths fit on one command line.
const AT_ONCE: usize = 4000;

/// Returns the packages of this machine that hold files of the tree `root`, as
/// `name version`, sorted; none where there is no dpkg. A file is taken to be of
/// the package that has its path.
///
/// # Errors
/// [`CaptureError::Tree`] when the store does not have the tree.
pub fn packages(store: &LocalStore, root: &Digest) -> Result<Vec<String>, CaptureError> {
    let Some(packages) = Packages::read()? else {
        return Ok(Vec::new());
    };
    let mut files: Vec<PathBuf> = Vec::new();
    merkle::walk(store, root, &mut |path, node| {
        if matches!(node, Node::File { .. }) {
            files.push(Path::new("/").join(path));
        }
        Ok::<_, CaptureError>(())
    })?;
    let mut owners = BTreeSet::new();
    for files in files.chunks(AT_ONCE) {
        owners.extend(packages.owners(files)?);
    }
    packages.versions(&owners)
}
