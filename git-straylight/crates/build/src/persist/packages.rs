//! What build files say: selections, names, platforms, packages, targets.

use std::sync::Arc;

use straylight_dice::{Data, Fingerprint, Persistent};

use super::{cbor, fingerprint, remind, text, written};
use crate::configuration::Triple;
use crate::keys::{NamesKey, PackageKey, PlatformsKey, SelectionKey, TargetKey};
use crate::label::{Label, PackagePath, Reference};
use crate::package::Names;
use crate::session::Warning;

impl Persistent for SelectionKey {
    const TAG: u16 = 3;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.to_string().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let root = PackagePath::new("").ok()?;
        Reference::parse(text(bytes)?, &root).ok().map(Self)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let labels = value.as_ref().ok()?.iter().map(ToString::to_string);
        Some(cbor(&labels.collect::<Vec<String>>()))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let labels = minicbor::decode::<Vec<String>>(stored).unwrap_or_default();
        let labels = labels.iter().map(|text| written::label(text));
        let labels: Option<Vec<Label>> = labels.collect();
        let some = labels.filter(|labels| !labels.is_empty());
        some.map(|labels| Ok(Arc::new(labels)))
    }
}

impl Persistent for NamesKey {
    const TAG: u16 = 10;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        written::package(bytes).map(Self)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        value.as_ref().ok().map(|names| cbor(&names.names))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let names = minicbor::decode::<Vec<String>>(stored).ok();
        let path = self.0.clone();
        names.map(|names| Ok(Arc::new(Names { path, names })))
    }
}

impl Persistent for PlatformsKey {
    const TAG: u16 = 4;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.to_string().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        written::label(text(bytes)?).map(Self)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let platforms = value.as_ref().ok()?.iter().map(ToString::to_string);
        Some(cbor(&platforms.collect::<Vec<String>>()))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let platforms = minicbor::decode::<Vec<String>>(stored).ok();
        let parse = |texts: Vec<String>| texts.iter().map(|text| text.parse().ok()).collect();
        let platforms: Option<Vec<Triple>> = platforms.and_then(parse);
        platforms.map(|platforms| Ok(Arc::new(platforms)))
    }
}

impl Persistent for PackageKey {
    const TAG: u16 = 5;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.as_str().as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        written::package(bytes).map(Self)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        value.as_ref().ok().map(|package| package.fingerprint)
    }
}

impl Persistent for TargetKey {
    const TAG: u16 = 6;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(written::target(self).as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        written::read_target(text(bytes)?)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        value.as_ref().ok().map(|analysed| analysed.fingerprint)
    }

    /// Only what there is to tell: a target is made of functions.
    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let warnings: Vec<Warning> = value.as_ref().ok()?.warnings().collect();
        (!warnings.is_empty()).then(|| cbor(&warnings))
    }

    fn reminds(value: &Self::Value) -> bool {
        value
            .as_ref()
            .is_ok_and(|analysed| analysed.warnings().next().is_some())
    }

    fn remind(&self, stored: &[u8], data: &Data) {
        remind(minicbor::decode(stored).ok(), data);
    }
}
