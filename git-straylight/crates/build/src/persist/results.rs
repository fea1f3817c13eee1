//! Results of actions, and what was wanted of a target.

use std::sync::Arc;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use straylight_dice::{Context, Data, Fingerprint, Persistent};
use straylight_exec::trace::TraceOutput;
use straylight_odb::{Digest, Sha256};

use super::{cbor, fingerprint, remind, text, written};
use crate::keys::{ActionKey, EarlyKey, RootKey, Step, TargetKey, flatten};
use crate::perform::ActionResult;
use crate::root::{Root, RootOutput};
use crate::session::Warning;

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
        let step = match self.step {
            Step::Action(index) => index.to_string(),
            Step::Test => "test".to_owned(),
        };
        out.extend(format!("{step} {}", written::target(&self.target())).as_bytes());
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
        // A test makes nothing: what is asked about it is which run it was.
        Some(match result.key.step {
            Step::Action(_) => fingerprint(&cbor(&result.outputs)),
            Step::Test => fingerprint(result.trace.as_raw()),
        })
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

impl Persistent for EarlyKey {
    const TAG: u16 = 12;

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        ActionKey::decode(bytes).map(Self)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        Some(cbor(&**value.as_ref().ok()?))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let outputs = minicbor::decode::<Vec<TraceOutput>>(stored).ok();
        outputs.map(|outputs| Ok(Arc::new(outputs)))
    }
}

#[derive(Encode, Decode)]
pub(super) struct StoredRoot {
    #[n(0)]
    kind: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    spec: [u8; 32],
    #[n(2)]
    outputs: Vec<RootOutput>,
    #[n(3)]
    test: Option<ByteArray<32>>,
}

impl StoredRoot {
    pub(super) fn of(root: &Root) -> Self {
        Self {
            kind: root.kind.clone(),
            spec: *root.spec.as_raw(),
            outputs: root.outputs.clone(),
            test: root.test.map(|trace| (*trace.as_raw()).into()),
        }
    }

    pub(super) fn root(self) -> Root {
        Root {
            kind: self.kind,
            spec: Sha256::from_raw(self.spec),
            outputs: self.outputs,
            test: self.test.map(|trace| Sha256::from_raw(trace.into())),
            executed: false,
        }
    }
}

impl Persistent for RootKey {
    const TAG: u16 = 9;

    fn encode(&self, out: &mut Vec<u8>) {
        let wanted = written::wanted(self.wanted);
        out.extend(format!("{wanted} {}", written::target(&self.target)).as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (wanted, target) = text(bytes)?.split_once(' ')?;
        Some(Self {
            target: written::read_target(target)?,
            wanted: written::read_wanted(wanted)?,
        })
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let root = value.as_ref().ok()?;
        Some(cbor(&root.as_deref().map(StoredRoot::of)))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let read = minicbor::decode::<Option<StoredRoot>>(stored).ok();
        read.map(|stored| Ok(stored.map(StoredRoot::root).map(Arc::new)))
    }
}
