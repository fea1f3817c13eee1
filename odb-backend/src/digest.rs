//! The one content-addressing scheme: sha256 over the exact bytes, with their
//! length beside it.

use std::fmt;
use std::io;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A sha256, 32 raw bytes. Shown and parsed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Returns the sha256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Returns the hash made of these 32 raw bytes.
    #[must_use]
    pub const fn from_raw(raw: [u8; 32]) -> Self {
        Self(raw)
    }

    /// Returns the 32 raw bytes.
    #[must_use]
    pub const fn as_raw(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the name of the artifact with this hash: `ca://sha256:<hex>`.
    #[must_use]
    pub fn to_ca_uri(&self) -> String {
        format!("{CA_PREFIX}{self}")
    }

    /// Parses `ca://sha256:<hex>`.
    ///
    /// # Errors
    /// [`ParseDigestError`] when the scheme or the hex digits are not right.
    pub fn from_ca_uri(uri: &str) -> Result<Self, ParseDigestError> {
        uri.strip_prefix(CA_PREFIX)
            .ok_or_else(|| {
                ParseDigestError::new(uri, "an artifact name starts with `ca://sha256:`")
            })?
            .parse()
    }
}

const CA_PREFIX: &str = "ca://sha256:";

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|raw| <[u8; 32]>::try_from(raw).ok())
            .map(Self)
            .ok_or_else(|| ParseDigestError::new(text, "a sha256 is 64 lower-case hex digits"))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A sha256 and the number of bytes it was taken over.
///
/// Shown and parsed as `<64 hex digits>/<size>`, the form that the Remote
/// Execution API uses in resource names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    sha256: Sha256,
    size: u64,
}

impl Digest {
    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(Sha256::of(bytes), bytes.len() as u64)
    }

    /// Returns the digest with this hash and this size in bytes.
    #[must_use]
    pub const fn new(sha256: Sha256, size: u64) -> Self {
        Self { sha256, size }
    }

    /// Returns the hash.
    #[must_use]
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sha256, self.size)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDigestError::new(text, "a digest is `<sha256>/<size in bytes>`");
        let (sha256, size) = text.split_once('/').ok_or_else(wrong)?;
        // `u64::from_str` accepts a leading `+`; a digest has one spelling.
        if size.starts_with('+') || (size.len() > 1 && size.starts_with('0')) {
            return Err(wrong());
        }
        Ok(Self::new(
            sha256.parse()?,
            size.parse().map_err(|_| wrong())?,
        ))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A text that is not a digest.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a digest: {expected}")]
pub struct ParseDigestError {
    text: String,
    expected: &'static str,
}

impl ParseDigestError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}

/// Passes bytes on to `inner` and takes their digest on the way.
#[derive(Debug)]
pub struct DigestWriter<W> {
    inner: W,
    hasher: sha2::Sha256,
    size: u64,
}

impl<W: io::Write> DigestWriter<W> {
    /// Returns a writer that forwards to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: sha2::Sha256::new(),
            size: 0,
        }
    }

    /// Returns the inner writer and the digest of everything it accepted.
    pub fn finish(self) -> (W, Digest) {
        let sha256 = Sha256::from_raw(self.hasher.finalize().into());
        (self.inner, Digest::new(sha256, self.size))
    }
}

impl<W: io::Write> io::Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn knows_the_fips_180_vector() {
        assert_eq!(Sha256::of(b"abc").to_string(), ABC);
        assert_eq!(Digest::of(b"abc").to_string(), format!("{ABC}/3"));
    }

    #[test]
    fn has_one_spelling() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        for wrong in [
            ABC.to_uppercase(),
            ABC[1..].to_owned(),
            format!("{ABC}/"),
            format!("{ABC}/+3"),
            format!("{ABC}/03"),
            format!("{ABC}/-3"),
            format!("{ABC} /3"),
            String::new(),
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
        let uri = digest.sha256().to_ca_uri();
        assert_eq!(Sha256::from_ca_uri(&uri).unwrap(), digest.sha256());
        assert!(Sha256::from_ca_uri(ABC).is_err());
    }

    #[test]
    fn writer_takes_the_digest_of_what_the_inner_writer_accepted() {
        let mut writer = DigestWriter::new(Vec::new());
        writer.write_all(b"a").unwrap();
        writer.write_all(b"bc").unwrap();
        let (inner, digest) = writer.finish();
        assert_eq!(inner, b"abc");
        assert_eq!(digest, Digest::of(b"abc"));
    }
}
