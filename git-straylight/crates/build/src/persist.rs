//! What a build keeps in `<git dir>/straylight/graph` for the next one.
//!
//! Files, folders and sources are leaves: their signatures say whether they are
//! as they were. Packages and targets are known by their fingerprints, and are
//! evaluated again when somebody looks at them; results of actions, and what was
//! wanted of a target, are kept. Stored values are CBOR.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use straylight_dice::{Codecs, Context, Data, Fingerprint, Persistent};
use straylight_exec::trace::TraceOutput;
use straylight_odb::{Digest, Sha256};

use crate::build::Wanted;
use crate::configuration::{Configuration, Mode, Triple};
use crate::keys::{
    ActionKey, FileKey, Listed, ListingKey, NamesKey, PackageKey, PlatformsKey, RootKey,
    SelectionKey, Source, SourceKey, Step, TargetKey, flatten,
};
use crate::label::{Label, PackagePath, Reference};
use crate::package::Names;
use crate::perform::ActionResult;
use crate::root::{Root, RootOutput};
use crate::session::{Session, Warning};
use crate::target_graph::DeclarationKey;
use crate::tree::{Signature, SourceFile};

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
        .with::<RootKey>()
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

/// Labels, folders and configurations in writing, one after another.
pub(crate) mod written {
    use super::*;

    /// `//folder:name`
    pub(super) fn label(text: &str) -> Option<Label> {
        let root = PackagePath::new("").ok()?;
        match Reference::parse(text, &root).ok()? {
            Reference::Target(label) => Some(label),
            Reference::Package(_) | Reference::Below(_) => None,
        }
    }

    pub(super) fn package(bytes: &[u8]) -> Option<PackagePath> {
        PackagePath::new(text(bytes)?).ok()
    }

    /// `host target mode`
    pub(super) fn configuration(configuration: &Configuration) -> String {
        let Configuration { host, target, mode } = configuration;
        let mode = match mode {
            Mode::debug => "debug",
            Mode::release => "release",
        };
        format!("{host} {target} {mode}")
    }

    pub(super) fn read_configuration(text: &str) -> Option<Configuration> {
        let mut words = text.split(' ');
        let mut triple = || words.next()?.parse::<Triple>().ok();
        let (host, target) = (triple()?, triple()?);
        let mode = match words.next()? {
            "debug" => Mode::debug,
            "release" => Mode::release,
            _ => return None,
        };
        Some(Configuration { host, target, mode })
    }

    /// The configuration and the label, with a space between them.
    pub(crate) fn target(key: &TargetKey) -> String {
        format!("{} {}", configuration(&key.configuration), key.label)
    }

    pub(crate) fn read_target(text: &str) -> Option<TargetKey> {
        let (at, _) = text.match_indices(' ').nth(2)?;
        Some(TargetKey {
            configuration: read_configuration(&text[..at])?,
            label: label(&text[at + 1..])?,
        })
    }
}

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

fn remind(warnings: Option<Vec<Warning>>, data: &Data) {
    if let Some(session) = session(data) {
        warnings
            .iter()
            .flatten()
            .for_each(|warning| session.warn(warning));
    }
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
    tracked: bool,
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
        hasher.add(&[u8::from(executable), u8::from(source.tracked)]);
        Some(hasher.finish())
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let source = value.as_ref().ok()?;
        Some(cbor(&StoredSource {
            sha256: *source.file.digest.sha256().as_raw(),
            size: source.file.digest.size(),
            executable: source.file.executable,
            tracked: source.tracked,
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
            tracked: stored.tracked,
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
            || (session.tree.is_tracked(&self.0)).is_ok_and(|tracked| tracked == stored.tracked)
    }
}

#[derive(Encode, Decode)]
struct StoredResult {
    #[n(0)]
    step: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    action: [u8; 32],
    #[n(2)]
    size: u64,
    #[n(3)]
    outputs: Vec<TraceOutput>,
    #[cbor(n(4), with = "minicbor::bytes")]
    trace: [u8; 32],
    #[n(5)]
    toolchain: Option<StoredDigest>,
    #[n(6)]
    inputs: Vec<String>,
    #[n(7)]
    warnings: Vec<Warning>,
}

#[derive(Encode, Decode)]
struct StoredDigest {
    #[cbor(n(0), with = "minicbor::bytes")]
    sha256: [u8; 32],
    #[n(1)]
    size: u64,
}

/// A stored result, for those who only look at it.
pub(crate) struct KeptResult {
    /// The name of the step.
    pub(crate) step: String,
    pub(crate) action: Digest,
    pub(crate) outputs: Vec<TraceOutput>,
    pub(crate) trace: Sha256,
}

/// Reads a stored result.
pub(crate) fn stored_result(stored: &[u8]) -> Option<KeptResult> {
    let stored: StoredResult = minicbor::decode(stored).ok()?;
    Some(KeptResult {
        step: stored.step,
        action: Digest::new(Sha256::from_raw(stored.action), stored.size),
        outputs: stored.outputs,
        trace: Sha256::from_raw(stored.trace),
    })
}

impl Persistent for ActionKey {
    const TAG: u16 = 8;

    fn encode(&self, out: &mut Vec<u8>) {
        let target = TargetKey {
            label: self.label.clone(),
            configuration: self.configuration,
        };
        let step = match self.step {
            Step::Action(index) => index.to_string(),
            Step::Test => "test".to_owned(),
        };
        out.extend(format!("{step} {}", written::target(&target)).as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (step, target) = text(bytes)?.split_once(' ')?;
        let TargetKey {
            label,
            configuration,
        } = written::read_target(target)?;
        Some(Self {
            label,
            configuration,
            step: match step {
                "test" => Step::Test,
                index => Step::Action(index.parse().ok()?),
            },
        })
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        let result = value.as_ref().ok()?;
        Some(fingerprint(&cbor(&result.outputs)))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let result = value.as_ref().ok()?;
        let inputs = result.inputs.iter().map(|input| {
            let mut bytes = Vec::new();
            input.key.encode(&mut bytes);
            String::from_utf8(bytes).ok()
        });
        Some(cbor(&StoredResult {
            step: result.step.clone(),
            action: *result.action.sha256().as_raw(),
            size: result.action.size(),
            outputs: result.outputs.clone(),
            trace: *result.trace.as_raw(),
            toolchain: result.toolchain.map(|digest| StoredDigest {
                sha256: *digest.sha256().as_raw(),
                size: digest.size(),
            }),
            inputs: inputs.collect::<Option<_>>()?,
            warnings: result.warnings.clone(),
        }))
    }

    async fn restore(&self, stored: &[u8], ctx: &Context) -> Option<Self::Value> {
        let stored: StoredResult = minicbor::decode(stored).ok()?;
        let keys = stored.inputs.iter().map(|key| Self::decode(key.as_bytes()));
        let keys: Vec<Self> = keys.collect::<Option<_>>()?;
        let inputs = ctx.join(&keys).await.into_iter().map(flatten);
        let inputs = inputs.collect::<Result<Vec<_>, _>>().ok()?;
        Some(Ok(Arc::new(ActionResult {
            key: self.clone(),
            step: stored.step,
            action: Digest::new(Sha256::from_raw(stored.action), stored.size),
            outputs: stored.outputs,
            trace: Sha256::from_raw(stored.trace),
            toolchain: stored
                .toolchain
                .map(|digest| Digest::new(Sha256::from_raw(digest.sha256), digest.size)),
            executed: false,
            inputs,
            warnings: stored.warnings,
        })))
    }

    fn reminds(value: &Self::Value) -> bool {
        value
            .as_ref()
            .is_ok_and(|result| !result.warnings.is_empty())
    }

    fn remind(&self, stored: &[u8], data: &Data) {
        let stored = minicbor::decode::<StoredResult>(stored).ok();
        remind(stored.map(|stored| stored.warnings), data);
    }
}

#[derive(Encode, Decode)]
struct StoredRoot {
    #[n(0)]
    kind: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    spec: [u8; 32],
    #[n(2)]
    outputs: Vec<RootOutput>,
}

impl Persistent for RootKey {
    const TAG: u16 = 9;

    fn encode(&self, out: &mut Vec<u8>) {
        let wanted = match self.wanted {
            Wanted::Outputs => "outputs",
            Wanted::Programs => "programs",
            Wanted::Tests => "tests",
        };
        out.extend(format!("{wanted} {}", written::target(&self.target)).as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (wanted, target) = text(bytes)?.split_once(' ')?;
        Some(Self {
            target: written::read_target(target)?,
            wanted: match wanted {
                "outputs" => Wanted::Outputs,
                "programs" => Wanted::Programs,
                "tests" => Wanted::Tests,
                _ => return None,
            },
        })
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let root = value.as_ref().ok()?;
        Some(cbor(&root.as_ref().map(|root| StoredRoot {
            kind: root.kind.clone(),
            spec: *root.spec.as_raw(),
            outputs: root.outputs.clone(),
        })))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let read = minicbor::decode::<Option<StoredRoot>>(stored).ok();
        let root = |stored: StoredRoot| Root {
            kind: stored.kind,
            spec: Sha256::from_raw(stored.spec),
            outputs: stored.outputs,
            executed: false,
        };
        read.map(|stored| Ok(stored.map(root).map(Arc::new)))
    }
}
