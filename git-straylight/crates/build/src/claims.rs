//! Who says which outputs an action has.
//!
//! The claims about one action are one record, `claims/{signer}/{sha256 of the
//! action}`: CBOR, `[version, [claim, …]]`, newest claim first. Two runs of an
//! action may differ; what a reader believes is policy, not luck.

use std::fmt;
use std::sync::Arc;

use minicbor::{Decode, Encode};
use straylight_exec::trace::TraceOutput;
use straylight_odb::{Digest, LocalStore, Sha256, StoreError, layout};

use crate::reads;

/// What an action had as its result, and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Sorted by path.
    pub outputs: Vec<TraceOutput>,
    /// The record of the run.
    pub trace: Sha256,
    /// How the action was kept from what it did not declare.
    pub isolation: String,
}

/// Finds and keeps claims.
pub trait Claims: Send + Sync + fmt::Debug {
    /// Returns what is claimed about an action, the best claim first.
    ///
    /// # Errors
    /// [`StoreError`] when the claims cannot be read. Damaged ones are absent.
    fn find(&self, action: &Digest) -> Result<Vec<Claim>, StoreError>;

    /// Keeps a claim about an action.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    fn record(&self, action: &Digest, claim: &Claim) -> Result<(), StoreError>;

    /// Returns the sets of files that runs of a command read, the newest first;
    /// see `reads.rs`.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read. Damaged ones are absent.
    fn reads(&self, _command: &Digest) -> Result<Vec<Vec<String>>, StoreError> {
        Ok(Vec::new())
    }

    /// Keeps the set of files that a run of a command read.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    fn record_reads(&self, _command: &Digest, _read: Vec<String>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Decides whose results may be used instead of running an action.
pub trait Belief: Send + Sync + fmt::Debug {
    /// Returns whether `claim` may stand for a run.
    fn accepts(&self, claim: &Claim) -> bool;
}

/// Believes what was made under one kind of isolation.
#[derive(Clone, Debug)]
pub struct SameIsolation(pub String);

impl Belief for SameIsolation {
    fn accepts(&self, claim: &Claim) -> bool {
        claim.isolation == self.0
    }
}

/// How many claims about one action are worth keeping.
const KEPT: usize = 4;

const VERSION: u8 = 1;

/// A machine's own claims, in its local store.
#[derive(Debug)]
pub struct LocalClaims(pub Arc<LocalStore>);

#[derive(Encode, Decode)]
struct Record {
    #[n(0)]
    version: u8,
    #[n(1)]
    claims: Vec<Entry>,
}

#[derive(Encode, Decode)]
struct Entry {
    #[n(0)]
    outputs: Vec<TraceOutput>,
    #[cbor(n(1), with = "minicbor::bytes")]
    trace: [u8; 32],
    #[n(2)]
    isolation: String,
}

/// Returns whether `bytes` are what a machine keeps about an action.
pub(crate) fn is_record(bytes: &[u8]) -> bool {
    minicbor::decode::<Record>(bytes).is_ok_and(|record| record.version == VERSION)
}

impl Claims for LocalClaims {
    fn find(&self, action: &Digest) -> Result<Vec<Claim>, StoreError> {
        let key = layout::claim(layout::LOCAL_SIGNER, action.sha256());
        let Some(bytes) = self.0.read_record(&key)? else {
            return Ok(Vec::new());
        };
        let claims = match minicbor::decode::<Record>(&bytes) {
            Ok(record) if record.version == VERSION => record.claims,
            _ => Vec::new(),
        };
        Ok(claims
            .into_iter()
            .map(|entry| Claim {
                outputs: entry.outputs,
                trace: Sha256::from_raw(entry.trace),
                isolation: entry.isolation,
            })
            .collect())
    }

    fn record(&self, action: &Digest, claim: &Claim) -> Result<(), StoreError> {
        let mut claims = self.find(action)?;
        // The same result again is the same claim with newer evidence.
        claims.retain(|old| old.outputs != claim.outputs || old.isolation != claim.isolation);
        claims.insert(0, claim.clone());
        claims.truncate(KEPT);
        let record = Record {
            version: VERSION,
            claims: claims
                .into_iter()
                .map(|claim| Entry {
                    outputs: claim.outputs,
                    trace: *claim.trace.as_raw(),
                    isolation: claim.isolation,
                })
                .collect(),
        };
        let bytes = minicbor::to_vec(&record).expect("a vector accepts all bytes");
        let key = layout::claim(layout::LOCAL_SIGNER, action.sha256());
        self.0.write_record(&key, &bytes)
    }

    fn reads(&self, command: &Digest) -> Result<Vec<Vec<String>>, StoreError> {
        let key = layout::reads(layout::LOCAL_SIGNER, command.sha256());
        let bytes = self.0.read_record(&key)?;
        Ok(bytes.map_or_else(Vec::new, |bytes| reads::decode(&bytes)))
    }

    fn record_reads(&self, command: &Digest, read: Vec<String>) -> Result<(), StoreError> {
        let mut reads = self.reads(command)?;
        if reads.first() == Some(&read) {
            return Ok(());
        }
        reads.retain(|old| *old != read);
        reads.insert(0, read);
        reads.truncate(KEPT);
        let key = layout::reads(layout::LOCAL_SIGNER, command.sha256());
        self.0.write_record(&key, &reads::encode(reads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(trace: u8, isolation: &str) -> Claim {
        Claim {
            outputs: Vec::new(),
            trace: Sha256::from_raw([trace; 32]),
            isolation: isolation.to_owned(),
        }
    }

    #[test]
    fn keeps_one_claim_for_each_result_and_isolation() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::open(folder.path()).unwrap());
        let claims = LocalClaims(store);
        let action = Digest::of(b"action");
        assert_eq!(claims.find(&action).unwrap(), []);
        for (trace, isolation) in [(1, "namespace"), (2, "none"), (3, "namespace")] {
            claims.record(&action, &claim(trace, isolation)).unwrap();
        }
        let expected = [claim(3, "namespace"), claim(2, "none")];
        assert_eq!(claims.find(&action).unwrap(), expected);
        assert!(SameIsolation("none".to_owned()).accepts(&expected[1]));
        assert!(!SameIsolation("none".to_owned()).accepts(&expected[0]));
    }

    #[test]
    fn a_damaged_record_is_no_claim() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::open(folder.path()).unwrap());
        let action = Digest::of(b"action");
        let key = layout::claim(layout::LOCAL_SIGNER, action.sha256());
        store.write_record(&key, b"\x82\x01garbage").unwrap();
        let claims = LocalClaims(store);
        assert_eq!(claims.find(&action).unwrap(), []);
        claims.record(&action, &claim(1, "namespace")).unwrap();
        assert_eq!(claims.find(&action).unwrap(), [claim(1, "namespace")]);
    }
}
