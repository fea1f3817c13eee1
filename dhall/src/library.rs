//! The released files of the typed library, embedded.
//!
//! `released/index` has one line for each release, `<url> <sha256>`, the newest
//! of a URL last. `released/<sha256>.dhallb` is the binary form of the normal
//! form; its sha256 is its name and its semantic hash. A released file stays
//! for ever: a build that pinned it must always find it.

/// A released file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// Where it is imported from.
    pub url: &'static str,
    /// Its semantic hash, 64 lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Its binary form.
    pub bytes: &'static [u8],
}

include!("library/released.rs");

/// Returns every released file, in the order of their release.
#[must_use]
pub fn files() -> &'static [Released] {
    RELEASED
}

/// Returns the binary form of a released file; `None` if the URL never had
/// this hash.
#[must_use]
pub fn lookup(url: &str, sha256: &[u8; 32]) -> Option<&'static [u8]> {
    let sha256 = data_encoding::HEXLOWER.encode(sha256);
    let found = files()
        .iter()
        .find(|file| file.url == url && file.sha256 == sha256);
    found.map(|file| file.bytes)
}

/// Returns whether this is the hash of a release.
pub(crate) fn is_released(sha256: &[u8; 32]) -> bool {
    let sha256 = data_encoding::HEXLOWER.encode(sha256);
    files().iter().any(|file| file.sha256 == sha256)
}

/// Returns the newest release of a URL.
///
/// ```
/// let released = straylight_dhall::library::latest("https://straylight.cx/dice/v1.dhall");
/// let released = released.expect("it was released");
/// assert_eq!(released.sha256.len(), 64);
/// assert!(straylight_dhall::library::files().contains(released));
/// ```
#[must_use]
pub fn latest(url: &str) -> Option<&'static Released> {
    files().iter().rev().find(|file| file.url == url)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::*;
    use crate::import::sha256;
    use crate::{EmbeddedLibrary, Evaluator, Location, MemoryImporter};

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.ends_with("v1.dhall") {
                let path = path.strip_prefix(root()).expect("below the crate");
                found.push(path.to_str().expect("UTF-8").to_owned());
            }
        }
    }

    #[test]
    fn each_source_is_its_newest_release() {
        let mut paths = Vec::new();
        sources(&root(), &mut paths);
        assert!(paths.len() >= 6, "{paths:?}");
        let mut importer = MemoryImporter::new();
        for path in &paths {
            let text = std::fs::read(root().join(path)).expect("a source");
            importer.insert(Location::File(path.clone()), text);
        }
        let evaluator = Evaluator::new(Arc::new(importer));
        for path in paths {
            let url = format!("https://straylight.cx/{path}");
            let released = latest(&url).unwrap_or_else(|| panic!("{url} is not released"));
            let text = std::fs::read_to_string(root().join(&path)).expect("a source");
            let evaluated = evaluator.evaluate(&Location::File(path), &text);
            let evaluated = evaluated.unwrap_or_else(|error| panic!("{}", error.render(false)));
            let hash = evaluated.value.hash().expect("a hash");
            let hash = data_encoding::HEXLOWER.encode(&hash);
            assert_eq!(
                hash, released.sha256,
                "{url} changed: run the example `release`"
            );
            assert_eq!(
                evaluated.value.encode().expect("bytes"),
                released.bytes,
                "{url}"
            );
        }
    }

    #[test]
    fn each_release_has_its_hash_and_can_be_imported() {
        let evaluator = Evaluator::new(Arc::new(EmbeddedLibrary));
        for file in files() {
            let hash = data_encoding::HEXLOWER.encode(&sha256(file.bytes));
            assert_eq!(hash, file.sha256, "{}", file.url);
            let text = format!("{} sha256:{}", file.url, file.sha256);
            let evaluated = evaluator.evaluate(&Location::Input("test".to_owned()), &text);
            let evaluated = evaluated.unwrap_or_else(|error| panic!("{}", error.render(false)));
            assert_eq!(evaluated.value.encode().expect("bytes"), file.bytes);
        }
    }

    #[test]
    fn the_index_lists_what_is_embedded() {
        let index = std::fs::read_to_string(root().join("released/index")).expect("the index");
        let listed: Vec<_> = index.lines().collect();
        let embedded: Vec<_> = files()
            .iter()
            .map(|file| format!("{} {}", file.url, file.sha256))
            .collect();
        assert_eq!(listed, embedded);
        let mut newest = HashMap::new();
        for file in files() {
            newest.insert(file.url, file);
        }
        for (url, file) in newest {
            assert_eq!(latest(url), Some(file));
        }
    }

    #[test]
    fn an_unknown_hash_is_not_there() {
        let file = files().first().expect("a release");
        assert_eq!(lookup(file.url, &[0; 32]), None);
        let hash = sha256(file.bytes);
        assert_eq!(lookup("https://straylight.cx/other/v1.dhall", &hash), None);
        assert_eq!(lookup(file.url, &hash), Some(file.bytes));
    }
}
