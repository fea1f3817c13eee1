//! What build files say: selections, names, platforms, packages, targets.

use std::sync::Arc;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use straylight_dice::{Context, Data, Fingerprint, Persistent};
use straylight_odb::Sha256;

use super::{cbor, fingerprint, remind, text, written};
use crate::analyse::{Analysed, Declared};
use crate::configuration::Triple;
use crate::keys::{NamesKey, PackageKey, PlatformsKey, SelectionKey, TargetKey, flatten};
use crate::label::{Label, PackagePath, Reference};
use crate::package::Names;
use crate::places::Places;
use crate::session::{Session, Warning};
use crate::target::Mention;

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

#[derive(Encode, Decode)]
struct StoredTarget {
    #[n(0)]
    warnings: Vec<Warning>,
    /// As it is written, whether it is a tool, and what it means.
    #[n(1)]
    mentions: Vec<(String, bool, String)>,
    #[cbor(n(2), with = "minicbor::bytes")]
    spec: [u8; 32],
    /// What the rule says, by the names of its fields.
    #[n(3)]
    target: ByteVec,
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

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let analysed = value.as_ref().ok()?;
        let mentions = analysed.mentions().map(|(mention, declared)| {
            let key = TargetKey {
                label: declared.label.clone(),
                configuration: declared.configuration,
            };
            (mention.text.clone(), mention.tool, written::target(&key))
        });
        let declared = &analysed.declared;
        Some(cbor(&StoredTarget {
            warnings: analysed.warnings().collect(),
            mentions: mentions.collect(),
            spec: *declared.spec.as_raw(),
            target: minicbor_serde::to_vec(&declared.target).ok()?.into(),
        }))
    }

    async fn restore(&self, stored: &[u8], ctx: &Context) -> Option<Self::Value> {
        let stored: StoredTarget = minicbor::decode(stored).ok()?;
        let target = minicbor_serde::from_slice(&stored.target).ok()?;
        let keys = stored.mentions.iter();
        let keys: Vec<Self> = keys
            .map(|(_, _, key)| written::read_target(key))
            .collect::<Option<_>>()?;
        let targets = ctx.join(&keys).await.into_iter().map(flatten);
        let targets = targets.collect::<Result<Vec<_>, _>>().ok()?;
        let mentions = stored.mentions.into_iter();
        let mentions = mentions.map(|(text, tool, _)| Mention { text, tool });
        let files = Arc::clone(&ctx.data::<Arc<Session>>().files);
        let places = Places::new(self.label.package(), files);
        let declared = Declared::known(self, target, Sha256::from_raw(stored.spec), places);
        Some(Ok(Analysed::new(declared, mentions.zip(targets).collect())))
    }

    fn reminds(value: &Self::Value) -> bool {
        value
            .as_ref()
            .is_ok_and(|analysed| analysed.warnings().next().is_some())
    }

    fn remind(&self, stored: &[u8], data: &Data) {
        let stored = minicbor::decode::<StoredTarget>(stored).ok();
        remind(stored.map(|stored| stored.warnings), data);
    }
}
