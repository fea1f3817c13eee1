//! The record of a target's build: what ran, on what, with what result.
//!
//! Kept as `traces/{sha256}.cbor` beside the traces of the single actions,
//! which it names. CBOR, integer-keyed maps, definite lengths; actions are
//! sorted by label, configuration and step, so that equal builds with equal
//! traces are equal bytes.
//!
//! The *action table* is the part that does not depend on when and where the
//! actions ran: for each, its digest and its outputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use straylight_exec::trace::TraceOutput;
use straylight_odb::{Digest, Sha256, StoreError};

use crate::claims::{Claim, Claims};
use crate::perform::ActionResult;
use crate::report::Built;

const VERSION: u8 = 1;

/// The record of one target's build.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BuildRecord {
    #[n(0)]
    version: u8,
    /// `//folder:name`.
    #[n(1)]
    pub label: String,
    /// What it was built for.
    #[n(2)]
    pub configuration: String,
    /// The sha256 of the normalised target.
    #[cbor(n(3), with = "minicbor::bytes")]
    spec: [u8; 32],
    /// Every action below the target.
    #[n(4)]
    pub actions: Vec<ActionRecord>,
}

/// One action of a build.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ActionRecord {
    /// The target that declares it.
    #[n(0)]
    pub label: String,
    /// What that target was built for.
    #[n(1)]
    pub configuration: String,
    /// Which step.
    #[n(2)]
    pub step: String,
    #[cbor(n(3), with = "minicbor::bytes")]
    sha256: [u8; 32],
    #[n(4)]
    size: u64,
    /// What it made.
    #[n(5)]
    pub outputs: Vec<TraceOutput>,
    #[cbor(n(6), with = "minicbor::bytes")]
    trace: [u8; 32],
    /// `<sha256>/<size>` of its file system.
    #[n(7)]
    pub toolchain: Option<String>,
}

impl ActionRecord {
    /// Returns the digest of the action.
    #[must_use]
    pub fn action(&self) -> Digest {
        Digest::new(Sha256::from_raw(self.sha256), self.size)
    }

    /// Returns the hash of the trace of its run.
    #[must_use]
    pub fn trace(&self) -> Sha256 {
        Sha256::from_raw(self.trace)
    }
}

impl BuildRecord {
    /// Returns the record of a target that was built; `None` if its builder
    /// keeps a graph, and does not look at every action.
    #[must_use]
    pub fn of(built: &Built) -> Option<Self> {
        let mut actions = BTreeMap::new();
        let mut open: Vec<&Arc<ActionResult>> = built.actions.as_ref()?.iter().collect();
        while let Some(result) = open.pop() {
            let record = action(result);
            let key = (
                record.label.clone(),
                record.configuration.clone(),
                record.step.clone(),
                record.sha256,
            );
            if actions.insert(key, record).is_none() {
                open.extend(&result.inputs);
            }
        }
        Some(Self {
            version: VERSION,
            label: built.label.to_string(),
            configuration: built.configuration.to_string(),
            spec: *built.spec.as_raw(),
            actions: actions.into_values().collect(),
        })
    }

    /// Returns the sha256 of the normalised target.
    #[must_use]
    pub fn spec(&self) -> Sha256 {
        Sha256::from_raw(self.spec)
    }

    /// Returns the bytes of the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("a vector accepts all bytes")
    }

    /// Reads a record; `None` if the bytes are not one, in its one spelling.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let record: Self = minicbor::decode(bytes).ok()?;
        (record.version == VERSION && record.encode() == bytes).then_some(record)
    }

    /// Returns the sha256 of the action table: an array of `[sha256 of the
    /// action, its size, outputs]`, sorted.
    #[must_use]
    pub fn action_table(&self) -> Sha256 {
        let mut table: Vec<Vec<u8>> = self
            .actions
            .iter()
            .map(|action| {
                let row = (
                    minicbor::bytes::ByteArray::from(action.sha256),
                    action.size,
                    &action.outputs,
                );
                minicbor::to_vec(row).expect("a vector accepts all bytes")
            })
            .collect();
        table.sort();
        table.dedup();
        Sha256::of(&table.concat())
    }

    /// Returns the toolchains that were used, sorted, each once.
    #[must_use]
    pub fn toolchains(&self) -> Vec<String> {
        let used = self
            .actions
            .iter()
            .filter_map(|action| action.toolchain.clone());
        let mut toolchains: Vec<String> = used.collect();
        toolchains.sort();
        toolchains.dedup();
        toolchains
    }
}

fn action(result: &ActionResult) -> ActionRecord {
    ActionRecord {
        label: result.label().to_string(),
        configuration: result.configuration().to_string(),
        step: result.step.clone(),
        sha256: *result.action.sha256().as_raw(),
        size: result.action.size(),
        outputs: result.outputs.clone(),
        trace: *result.trace.as_raw(),
        toolchain: result.toolchain.map(|digest| digest.to_string()),
    }
}

/// Knows exactly what a record says, and nothing else: a build with these
/// claims and no executor succeeds only if every action that the sources call
/// for is in the record, under the same digest.
#[derive(Debug)]
pub struct RecordedClaims {
    actions: BTreeMap<Digest, Claim>,
}

impl RecordedClaims {
    /// Returns the claims of a record.
    #[must_use]
    pub fn new(record: &BuildRecord, isolation: &str) -> Self {
        let claim = |action: &ActionRecord| Claim {
            outputs: action.outputs.clone(),
            trace: action.trace(),
            isolation: isolation.to_owned(),
        };
        Self {
            actions: (record.actions.iter())
                .map(|action| (action.action(), claim(action)))
                .collect(),
        }
    }
}

impl Claims for RecordedClaims {
    fn find(&self, action: &Digest) -> Result<Vec<Claim>, StoreError> {
        Ok(self.actions.get(action).cloned().into_iter().collect())
    }

    fn record(&self, _action: &Digest, _claim: &Claim) -> Result<(), StoreError> {
        Ok(())
    }
}
