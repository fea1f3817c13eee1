//! What a build keeps in `<git dir>/straylight/graph` for the next one.
//!
//! Files, folders and sources are leaves: their signatures say whether they are
//! as they were. Packages and targets are known by their fingerprints, and are
//! evaluated again when somebody looks at them; results of actions, and what was
//! wanted of a target, are kept. Stored values are CBOR.

mod goals;
mod packages;
mod results;
mod sources;
pub(crate) mod written;

pub(crate) use results::{KeptResult, stored_result};

use std::sync::Arc;

use minicbor::Encode;
use straylight_dice::{Codecs, Data, Fingerprint};
use straylight_odb::Sha256;

use crate::keys::{
    ActionKey, EarlyKey, FileKey, GoalKey, ListingKey, NamesKey, PackageKey, PlatformsKey, RootKey,
    SelectionKey, SourceKey, TargetKey,
};
use crate::session::{Session, Warning};
use crate::target_graph::DeclarationKey;

/// Returns the types of keys that are kept.
pub(crate) fn codecs() -> Codecs {
    Codecs::new()
        .with::<FileKey>()
        .with::<ListingKey>()
        .with::<SelectionKey>()
        .with::<PlatformsKey>()
        .with::<NamesKey>()
        .with::<PackageKey>()
        .with::<TargetKey>()
        .with::<SourceKey>()
        .with::<ActionKey>()
        .with::<EarlyKey>()
        .with::<RootKey>()
        .with::<GoalKey>()
        .with::<DeclarationKey>()
}

/// Makes a fingerprint of parts: equal parts in equal order, equal fingerprint.
#[derive(Default)]
pub(crate) struct Fingerprinter(Vec<u8>);

impl Fingerprinter {
    pub(crate) fn add(&mut self, part: &[u8]) {
        self.0.extend((part.len() as u64).to_le_bytes());
        self.0.extend(part);
    }

    pub(crate) fn finish(self) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(&Sha256::of(&self.0).as_raw()[..16]);
        fingerprint
    }
}

pub(crate) fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut hasher = Fingerprinter::default();
    hasher.add(bytes);
    hasher.finish()
}

pub(crate) fn cbor(value: &impl Encode<()>) -> Vec<u8> {
    minicbor::to_vec(value).expect("a vector accepts all bytes")
}

fn session(data: &Data) -> Option<&Arc<Session>> {
    data.get()
}

pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
fn remind(warnings: Option<Vec<Warning>>, data: &Data) {
    if let Some(session) = session(data) {
        warnings
            .iter()
            .flatten()
            .for_each(|warning| session.warn(warning));
    }
}
