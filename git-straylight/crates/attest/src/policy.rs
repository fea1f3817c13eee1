//! What is demanded of an attestation, and the verdict: the seam between those
//! who check and those who decide.
//!
//! A verdict is never a bare "OK". It lists every check with its evidence, those
//! that were not made among them, and the assurance that was reached.

use std::fmt;

use jiff::Timestamp;

use crate::allowed_signers::AllowedSigners;
use crate::pattern;

/// Who is believed, about what, and when. It comes from outside the tree that
/// is verified.
#[derive(Clone, Debug)]
pub struct Policy<'a> {
    /// The keys that may sign.
    pub signers: &'a AllowedSigners,
    /// The operators that are believed; all allowed signers when empty.
    pub principals: Vec<String>,
    /// The ids of the builders that are believed; all when empty.
    pub builders: Vec<String>,
    /// The URI of the repository; when set, a statement must name it.
    pub repository: Option<String>,
    /// The time at which keys are judged.
    pub now: Timestamp,
}

impl<'a> Policy<'a> {
    /// Returns the policy that believes every allowed signer.
    #[must_use]
    pub fn new(signers: &'a AllowedSigners, now: Timestamp) -> Self {
        Self {
            signers,
            principals: Vec::new(),
            builders: Vec::new(),
            repository: None,
            now,
        }
    }

    /// Returns whether the operator, one or several names, is believed.
    pub(crate) fn believes(&self, operator: &str) -> bool {
        self.principals.is_empty()
            || operator.split(',').any(|name| {
                let mut trusted = self.principals.iter();
                trusted.any(|trusted| pattern::matches(trusted, name))
            })
    }
}

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// There was nothing to check it against.
    NotChecked,
}

/// One check, under a name that does not change between versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The name: `signature`, `commit`, `artifact` …
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was seen.
    pub evidence: String,
}

/// What follows from the checks; ordered from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every check that was made holds.
    Verified,
    /// An attestation by a trusted signer is about this, and says otherwise.
    Negative,
    /// There is no attestation.
    Missing,
    /// There are attestations, about another commit, target or other bytes.
    Stale,
    /// There are attestations, and nobody who is trusted vouches for them.
    Untrusted,
}

impl Outcome {
    /// Returns the exit code of the command line.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Negative => 1,
            Self::Missing => 3,
            Self::Stale => 4,
            Self::Untrusted => 5,
        }
    }
}

/// How far a successful verification reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assurance {
    /// Nothing is vouched for.
    None,
    /// A trusted signer vouches for the build; the envelope is in no log.
    Signed,
    /// And the envelope is in the repository's log, whose chain holds.
    Logged,
    /// And the bytes of every artifact in question were hashed again.
    Rehashed,
    /// And the trace of the build was found to keep to its spec.
    Traced,
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "nothing is vouched for",
            Self::Signed => "signed by a trusted signer (SLSA build level 1); in no log",
            Self::Logged => {
                "signed and logged (SLSA build level 1); not every artifact was hashed again"
            }
            Self::Rehashed => {
                "signed, logged and rehashed (SLSA build level 1); the trace was not compared"
            }
            Self::Traced => {
                "signed, logged, rehashed, and the trace keeps to its spec (SLSA build level 1)"
            }
        })
    }
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What follows.
    pub outcome: Outcome,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
    /// How far it reaches; [`Assurance::None`] unless verified.
    pub assurance: Assurance,
    /// The digest of the envelope that the checks are about.
    pub envelope: Option<straylight_odb::Sha256>,
}

impl Verdict {
    /// Returns whether everything that was checked holds.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.outcome == Outcome::Verified
    }

    /// Returns the check called `name`.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}
