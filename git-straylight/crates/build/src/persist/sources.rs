//! Leaves: files, folders and sources, which have signatures.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use straylight_dice::{Data, Fingerprint, Persistent};
use straylight_odb::{Digest, Sha256};

use super::{Fingerprinter, cbor, session, text, written};
use crate::keys::{FileKey, Listed, ListingKey, Source, SourceKey};
use crate::label::PackagePath;
use crate::tree::{Signature, SourceFile, Standing};

impl Persistent for FileKey {
    const TAG: u16 = 1;
    const LEAF: bool = true;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        text(bytes).map(|path| Self(path.to_owned()))
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        let bytes = &value.as_ref().ok()?.bytes;
        let mut hasher = Fingerprinter::default();
        hasher.add(&[u8::from(bytes.is_some())]);
        hasher.add(bytes.as_deref().unwrap_or_default());
        Some(hasher.finish())
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        value.as_ref().ok()?.signature.clone()
    }

    fn is_current(&self, stored: &[u8], data: &Data) -> bool {
        let now = session(data).and_then(|session| session.tree.file_signature(&self.0));
        now.as_deref() == Some(stored)
    }
}

#[derive(Encode, Decode)]
struct StoredListing {
    #[n(0)]
    packages: Vec<String>,
    #[cbor(n(1), with = "minicbor::bytes")]
    signature: Signature,
}

impl Persistent for ListingKey {
    const TAG: u16 = 2;
    const LEAF: bool = true;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        written::package(bytes).map(Self)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        let mut hasher = Fingerprinter::default();
        for package in &value.as_ref().ok()?.packages {
            hasher.add(package.as_str().as_bytes());
        }
        Some(hasher.finish())
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let listed = value.as_ref().ok()?;
        let packages = listed.packages.iter().map(|path| path.as_str().to_owned());
        Some(cbor(&StoredListing {
            packages: packages.collect(),
            signature: listed.signature.clone()?,
        }))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        read_listing(stored).map(|listed| Ok(Arc::new(listed)))
    }

    fn is_current(&self, stored: &[u8], data: &Data) -> bool {
        let stored = minicbor::decode::<StoredListing>(stored).ok();
        stored.is_some_and(|stored| {
            session(data).is_some_and(|session| session.tree.is_listed_so(&stored.signature))
        })
    }
}

fn read_listing(stored: &[u8]) -> Option<Listed> {
    let stored = minicbor::decode::<StoredListing>(stored).ok()?;
    let packages = stored
        .packages
        .iter()
        .map(|path| PackagePath::new(path).ok());
    Some(Listed {
        packages: packages.collect::<Option<_>>()?,
        signature: Some(stored.signature),
    })
}

#[derive(Encode, Decode)]
struct StoredSource {
    #[cbor(n(0), with = "minicbor::bytes")]
    sha256: [u8; 32],
    #[n(1)]
    size: u64,
    #[n(2)]
    executable: bool,
    #[n(3)]
    standing: Standing,
    #[cbor(n(4), with = "minicbor::bytes")]
    signature: Signature,
    #[cbor(n(5), with = "minicbor::bytes")]
    tracking: Option<Signature>,
}

impl Persistent for SourceKey {
    const TAG: u16 = 7;
    const LEAF: bool = true;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        text(bytes).map(|path| Self(path.to_owned()))
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        let source = value.as_ref().ok()?;
        let SourceFile { digest, executable } = source.file;
        let mut hasher = Fingerprinter::default();
        hasher.add(digest.sha256().as_raw());
        hasher.add(&digest.size().to_le_bytes());
        hasher.add(&[u8::from(executable), source.standing as u8]);
        Some(hasher.finish())
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let source = value.as_ref().ok()?;
        Some(cbor(&StoredSource {
            sha256: *source.file.digest.sha256().as_raw(),
            size: source.file.digest.size(),
            executable: source.file.executable,
            standing: source.standing,
            signature: source.signature.clone()?,
            tracking: source.tracking.clone(),
        }))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let stored = minicbor::decode::<StoredSource>(stored).ok()?;
        let digest = Digest::new(Sha256::from_raw(stored.sha256), stored.size);
        Some(Ok(Arc::new(Source {
            file: SourceFile {
                digest,
                executable: stored.executable,
            },
            standing: stored.standing,
            signature: Some(stored.signature),
            tracking: stored.tracking,
        })))
    }

    fn is_current(&self, stored: &[u8], data: &Data) -> bool {
        let (Some(session), Ok(stored)) = (session(data), minicbor::decode::<StoredSource>(stored))
        else {
            return false;
        };
        if session.tree.file_signature(&self.0).as_ref() != Some(&stored.signature) {
            return false;
        }
        // Git's index says something new more often than about this file.
        let tracking = session.tracking_signature();
        (tracking.is_some() && *tracking == stored.tracking)
            || (session.tree.standing(&self.0)).is_ok_and(|standing| standing == stored.standing)
    }
}
