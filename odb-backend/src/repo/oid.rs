//! The name of a git object: the sha1 that git gave it. Never a [`Sha256`](crate::Sha256).

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id of a git object, 20 raw bytes. Shown and parsed as 40 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

impl ObjectId {
    /// Returns the id made of these 20 raw bytes.
    #[must_use]
    pub const fn from_raw(raw: [u8; 20]) -> Self {
        Self(raw)
    }

    /// Returns the 20 raw bytes.
    #[must_use]
    pub const fn as_raw(&self) -> &[u8; 20] {
        &self.0
    }

    pub(crate) fn to_gix(self) -> gix::ObjectId {
        gix::ObjectId::Sha1(self.0)
    }

    /// Returns `None` for an id that is not a sha1.
    pub(crate) fn from_gix(id: &gix::oid) -> Option<Self> {
        <[u8; 20]>::try_from(id.as_bytes()).ok().map(Self)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = ParseObjectIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|raw| <[u8; 20]>::try_from(raw).ok())
            .map(Self)
            .ok_or_else(|| ParseObjectIdError {
                text: text.to_owned(),
            })
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A text that is not the id of a git object.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a git object id: one is 40 lower-case hex digits")]
pub struct ParseObjectIdError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        let hex = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let id: ObjectId = hex.parse().unwrap();
        assert_eq!(id.to_string(), hex);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{hex}\""));
        for wrong in [&hex[1..], &hex.to_uppercase(), "", &format!("{hex}0")] {
            assert!(wrong.parse::<ObjectId>().is_err(), "{wrong}");
        }
    }
}
