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

/// Returns the newest release of a URL.
#[must_use]
pub fn latest(url: &str) -> Option<&'static Released> {
    files().iter().rev().find(|file| file.url == url)
}
