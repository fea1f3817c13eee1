//! The URLs of buckets.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use data_encoding::HEXLOWER_PERMISSIVE;

use super::BucketError;

/// Where the bucket of a URL is.
pub(super) enum Place {
    Folder(PathBuf),
    Memory(String),
}

/// Returns where the bucket of `url` is; it need not exist.
pub(super) fn parse(url: &str) -> Result<Place, BucketError> {
    let refuse = |cure| {
        Err(BucketError::Unsupported {
            url: url.to_owned(),
            cure,
        })
    };
    if let Some(name) = url.strip_prefix("memory:") {
        return Ok(Place::Memory(name.to_owned()));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        if url.is_empty() {
            return refuse("name a folder, or `file:///folder`");
        }
        return Ok(Place::Folder(PathBuf::from(url)));
    };
    match scheme {
        "file" if rest.starts_with('/') => match percent_decode(rest) {
            Some(path) => Ok(Place::Folder(path)),
            None => refuse("a `%` in a URL is followed by two hex digits"),
        },
        "file" => refuse("write `file:///folder`, with three slashes"),
        "s3" | "r2" => refuse("S3 and R2 buckets come in a later release; use a folder"),
        _ => refuse("known are a folder, `file:///folder` and `memory:`"),
    }
}

fn percent_decode(text: &str) -> Option<PathBuf> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (hex, rest) = piece.as_bytes().split_at_checked(2)?;
        bytes.extend(HEXLOWER_PERMISSIVE.decode(hex).ok()?);
        bytes.extend_from_slice(rest);
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}
