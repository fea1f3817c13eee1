//! Verification: candidate envelopes and what is known of the artifact in, a
//! [`Verdict`] out.
//!
//! Nothing of an envelope is believed before its signature holds. What another room
//! has to find out (the digest of a file's bytes, whether a trace keeps to its
//! spec) is handed in; what nobody handed in is reported as not checked, never
//! as passed. A verdict is about one envelope: the one that answers the question
//! best.
//!
//! Where it stops: the sources are not hashed again here unless their root is
//! handed in, actions are not recomputed, dependencies are part of the same
//! commit and are not attested one by one.

use std::collections::BTreeSet;

use straylight_odb::{ObjectId, RepoError, Repository, Sha256};

use crate::allowed_signers::Moment;
use crate::dsse::{Envelope, IN_TOTO};
use crate::log::{self, LOG_REF};
use crate::policy::{Assurance, Check, Outcome, Policy, Status, Verdict};
use crate::statement::Statement;

/// What the caller wants to know, and what it found out itself.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The commit that must have been built. Its tree is read from the
    /// repository.
    pub commit: Option<ObjectId>,
    /// The target that must have been built.
    pub label: Option<String>,
    /// The artifacts in question.
    pub artifacts: Vec<Artifact>,
    /// The sha256 root of the sources, computed again.
    pub source_root: Option<Sha256>,
    /// The spec's bytes, by their digest, computed again.
    pub spec: Option<Sha256>,
    /// The trace, read again.
    pub trace: Option<Trace>,
}

/// An artifact in question.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The name of the subject it should be, when that is known.
    pub name: Option<String>,
    /// The sha256 of its bytes, hashed again; `None` when they are not at hand.
    pub sha256: Option<Sha256>,
}

/// A trace in hand.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The sha256 of its bytes, hashed again.
    pub sha256: Sha256,
    /// Whether it keeps to the spec: `Err` says where it does not; `None` when
    /// nobody compared them.
    pub satisfies_spec: Option<Result<(), String>>,
}

/// The names of the checks, in the order of a verdict.
pub mod checks {
    /// An allowed signer signed the envelope.
    pub const SIGNATURE: &str = "signature";
    /// The payload is a statement about a build.
    pub const STATEMENT: &str = "statement";
    /// The signer is an operator whom the policy believes.
    pub const OPERATOR: &str = "operator";
    /// The builder is one that the policy believes.
    pub const BUILDER: &str = "builder";
    /// The statement is about the right repository.
    pub const REPOSITORY: &str = "repository";
    /// The statement is about the right commit.
    pub const COMMIT: &str = "commit";
    /// The commit has the tree that the statement says.
    pub const TREE: &str = "tree";
    /// The sources have the root that the statement says.
    pub const SOURCE: &str = "source";
    /// The statement is about the right target.
    pub const LABEL: &str = "label";
    /// The artifact's bytes are those of a subject.
    pub const ARTIFACT: &str = "artifact";
    /// The spec is the one that was built.
    pub const SPEC: &str = "spec";
    /// The trace is the one of the build, and keeps to the spec.
    pub const TRACE: &str = "trace";
    /// The envelope is in the repository's log, and the log holds.
    pub const LOG: &str = "log";
}

/// Verifies: finds the candidate that answers `question` best under `policy`.
///
/// With a log in the repository, its chain is verified, and an envelope that is
/// in it reaches a higher assurance.
///
/// # Errors
/// [`RepoError`] when the repository cannot be read; a log that does not hold is
/// a failed check, not an error.
pub fn verify(
    repository: &Repository,
    policy: &Policy<'_>,
    question: &Question,
    candidates: &BTreeSet<Envelope>,
) -> Result<Verdict, RepoError> {
    let log = LogState::read(repository, policy)?;
    judge(repository, policy, question, candidates, &log)
}

/// Verifies like [`verify`], for a caller that has verified the log, or its
/// newest part, itself and tells which envelopes it found there.
///
/// # Errors
/// [`RepoError`] when the repository cannot be read.
pub fn verify_against(
    repository: &Repository,
    policy: &Policy<'_>,
    question: &Question,
    candidates: &BTreeSet<Envelope>,
    logged: BTreeSet<Sha256>,
) -> Result<Verdict, RepoError> {
    let log = LogState::Whole(logged);
    judge(repository, policy, question, candidates, &log)
}

fn judge(
    repository: &Repository,
    policy: &Policy<'_>,
    question: &Question,
    candidates: &BTreeSet<Envelope>,
    log: &LogState,
) -> Result<Verdict, RepoError> {
    let tree = match question.commit {
        Some(commit) => Some(repository.read_commit(commit)?.tree),
        None => None,
    };
    let judged = candidates.iter().map(|envelope| {
        let mut judgement = Judgement::new(envelope);
        judgement.run(policy, question, tree, log);
        judgement
    });
    let best = judged.max_by_key(|judgement| judgement.rank(question));
    Ok(best.map_or_else(|| missing(log), Judgement::into_verdict))
}

/// The verdict without a candidate. A log that does not hold may have had one.
fn missing(log: &LogState) -> Verdict {
    let (outcome, check) = match log {
        LogState::Broken(reason) => {
            let check = Check {
                name: checks::LOG,
                status: Status::Failed,
                evidence: reason.clone(),
            };
            (Outcome::Untrusted, check)
        }
        LogState::Absent | LogState::Whole(_) => {
            let check = Check {
                name: checks::SIGNATURE,
                status: Status::NotChecked,
                evidence: "there is no attestation: run `git straylight attest`, or fetch \
                           `refs/straylight/log` and `refs/notes/straylight`"
                    .to_owned(),
            };
            (Outcome::Missing, check)
        }
    };
    Verdict {
        outcome,
        checks: vec![check],
        assurance: Assurance::None,
        envelope: None,
    }
}

/// What the repository's log says.
enum LogState {
    Absent,
    Broken(String),
    Whole(BTreeSet<Sha256>),
}

impl LogState {
    fn read(repository: &Repository, policy: &Policy<'_>) -> Result<Self, RepoError> {
        let Some(tip) = repository.read_ref(LOG_REF)? else {
            return Ok(Self::Absent);
        };
        // Old entries were judged when they were accepted: their keys may have
        // expired since. The envelope in question is judged for now.
        match log::verify(repository, tip, None, policy.signers, Moment::Ever) {
            Ok(entries) => {
                let envelopes = entries.iter().flat_map(|entry| &entry.envelopes);
                Ok(Self::Whole(envelopes.map(Envelope::digest).collect()))
            }
            Err(error) => Ok(Self::Broken(error.to_string())),
        }
    }
}

/// The checks of one envelope, on their way to a verdict.
struct Judgement<'a> {
    envelope: &'a Envelope,
    checks: Vec<Check>,
    /// The worst that happened so far.
    outcome: Outcome,
}

impl<'a> Judgement<'a> {
    const fn new(envelope: &'a Envelope) -> Self {
        Self {
            envelope,
            checks: Vec::new(),
            outcome: Outcome::Verified,
        }
    }

    fn run(
        &mut self,
        policy: &Policy<'_>,
        question: &Question,
        tree: Option<ObjectId>,
        log: &LogState,
    ) {
        // What nobody trusted has signed is not even read.
        let Some(statement) = self.authenticate(policy) else {
            return;
        };
        self.check_builder(policy, &statement);
        self.check_source(policy, question, tree, &statement);
        self.check_label(question, &statement);
        self.check_artifacts(question, &statement);
        self.check_spec(question, &statement);
        self.check_trace(question, &statement);
        self.check_log(log);
    }

    fn passed(&mut self, name: &'static str, evidence: String) {
        self.push(name, Status::Passed, evidence);
    }

    fn not_checked(&mut self, name: &'static str, evidence: &str) {
        self.push(name, Status::NotChecked, evidence.to_owned());
    }

    /// Records a failed check; the first one decides the outcome, as the checks
    /// go from who speaks, over what about, to what is said.
    fn failed(&mut self, name: &'static str, outcome: Outcome, evidence: String) {
        self.push(name, Status::Failed, evidence);
        if self.outcome == Outcome::Verified {
            self.outcome = outcome;
        }
    }

    fn push(&mut self, name: &'static str, status: Status, evidence: String) {
        self.checks.push(Check {
            name,
            status,
            evidence,
        });
    }

    fn authenticate(&mut self, policy: &Policy<'_>) -> Option<Statement> {
        let signer = log::signer_of(self.envelope, policy.signers, Moment::At(policy.now));
        let operator = match signer {
            Ok(entry) => {
                let operator = entry.principals.as_str();
                let evidence = format!("ed25519 by `{operator}`, key `{}`", entry.key);
                self.passed(checks::SIGNATURE, evidence);
                operator
            }
            Err(distrust) => {
                self.failed(checks::SIGNATURE, Outcome::Untrusted, distrust.to_string());
                return None;
            }
        };
        if policy.believes(operator) {
            self.passed(checks::OPERATOR, format!("`{operator}`"));
        } else {
            let evidence = format!("`{operator}` is not among the trusted principals");
            self.failed(checks::OPERATOR, Outcome::Untrusted, evidence);
        }
        let payload_type = self.envelope.payload_type();
        if payload_type != IN_TOTO {
            let evidence = format!("the payload is `{payload_type}`, not an in-toto statement");
            self.failed(checks::STATEMENT, Outcome::Stale, evidence);
            return None;
        }
        match Statement::from_bytes(self.envelope.payload()) {
            Ok(statement) => {
                let evidence = format!("SLSA provenance of `{}`", statement.label);
                self.passed(checks::STATEMENT, evidence);
                Some(statement)
            }
            Err(error) => {
                self.failed(checks::STATEMENT, Outcome::Stale, error.to_string());
                None
            }
        }
    }

    fn check_builder(&mut self, policy: &Policy<'_>, statement: &Statement) {
        let builder = &statement.builder;
        if policy.builders.is_empty() {
            self.not_checked(checks::BUILDER, &format!("`{builder}`; any is accepted"));
        } else if policy.builders.contains(builder) {
            self.passed(checks::BUILDER, format!("`{builder}`"));
        } else {
            let evidence = format!("`{builder}` is not among the trusted builders");
            self.failed(checks::BUILDER, Outcome::Untrusted, evidence);
        }
    }

    fn check_source(
        &mut self,
        policy: &Policy<'_>,
        question: &Question,
        tree: Option<ObjectId>,
        statement: &Statement,
    ) {
        let source = &statement.source;
        match (&policy.repository, &source.repository) {
            (None, _) => self.not_checked(checks::REPOSITORY, "the policy names none"),
            (Some(wanted), Some(found)) if wanted == found => {
                self.passed(checks::REPOSITORY, format!("`{wanted}`"));
            }
            (Some(wanted), found) => {
                let found = found.as_deref().unwrap_or("no repository");
                let evidence = format!("the statement is about `{found}`, not `{wanted}`");
                self.failed(checks::REPOSITORY, Outcome::Stale, evidence);
            }
        }
        let none = "no revision was given";
        self.compare(
            checks::COMMIT,
            source.commit,
            question.commit,
            Outcome::Stale,
            none,
        );
        // The commit is the right one and its tree is not: a false statement.
        self.compare(checks::TREE, source.tree, tree, Outcome::Negative, none);
        let none = "the sources were not hashed again";
        self.compare(
            checks::SOURCE,
            source.root,
            question.source_root,
            Outcome::Negative,
            none,
        );
    }

    fn compare<T: PartialEq + std::fmt::Display>(
        &mut self,
        name: &'static str,
        attested: T,
        found: Option<T>,
        outcome: Outcome,
        none: &str,
    ) {
        match found {
            None => self.not_checked(name, &format!("attested {attested}; {none}")),
            Some(found) if found == attested => self.passed(name, attested.to_string()),
            Some(found) => {
                self.failed(name, outcome, format!("attested {attested}, found {found}"));
            }
        }
    }

    fn check_label(&mut self, question: &Question, statement: &Statement) {
        let attested = statement.label.as_str();
        let none = "no target was given";
        let asked = question.label.as_deref();
        self.compare(checks::LABEL, attested, asked, Outcome::Stale, none);
    }

    fn check_artifacts(&mut self, question: &Question, statement: &Statement) {
        if question.artifacts.is_empty() {
            self.not_checked(checks::ARTIFACT, "no bytes were hashed again");
        }
        for artifact in &question.artifacts {
            self.check_artifact(artifact, statement);
        }
    }

    fn check_artifact(&mut self, artifact: &Artifact, statement: &Statement) {
        let Some(found) = artifact.sha256 else {
            let name = artifact.name.as_deref().unwrap_or("the file");
            return self.not_checked(checks::ARTIFACT, &format!("`{name}` is not at hand"));
        };
        let subject = match &artifact.name {
            Some(name) => statement.subject(name),
            None => statement
                .subjects
                .iter()
                .find(|subject| subject.sha256 == found),
        };
        match subject {
            Some(subject) if subject.sha256 == found => {
                let evidence = format!("`{}` has sha256 {found}", subject.name);
                self.passed(checks::ARTIFACT, evidence);
            }
            Some(subject) => {
                let (name, attested) = (&subject.name, subject.sha256);
                let evidence = format!("`{name}` has sha256 {found}, attested was {attested}");
                self.failed(checks::ARTIFACT, Outcome::Negative, evidence);
            }
            None => {
                let evidence = format!("sha256 {found} is none of the subjects");
                self.failed(checks::ARTIFACT, Outcome::Stale, evidence);
            }
        }
    }

    fn check_spec(&mut self, question: &Question, statement: &Statement) {
        let none = "the spec was not read again";
        self.compare(
            checks::SPEC,
            statement.spec,
            question.spec,
            Outcome::Negative,
            none,
        );
    }

    fn check_trace(&mut self, question: &Question, statement: &Statement) {
        let attested = statement.trace;
        let Some(trace) = &question.trace else {
            let evidence = format!("attested {attested}; the trace was not read again");
            return self.not_checked(checks::TRACE, &evidence);
        };
        if trace.sha256 != attested {
            let evidence = format!("attested {attested}, found {}", trace.sha256);
            return self.failed(checks::TRACE, Outcome::Negative, evidence);
        }
        match &trace.satisfies_spec {
            Some(Ok(())) => self.passed(checks::TRACE, format!("{attested} keeps to the spec")),
            Some(Err(reason)) => self.failed(checks::TRACE, Outcome::Negative, reason.clone()),
            None => {
                let evidence = format!("{attested}; it was not compared with the spec");
                self.not_checked(checks::TRACE, &evidence);
            }
        }
    }

    fn check_log(&mut self, log: &LogState) {
        match log {
            LogState::Absent => self.not_checked(checks::LOG, "the repository has no log"),
            LogState::Broken(reason) => {
                self.failed(checks::LOG, Outcome::Untrusted, reason.clone());
            }
            LogState::Whole(known) if known.contains(&self.envelope.digest()) => {
                self.passed(
                    checks::LOG,
                    format!("{LOG_REF} holds it, and its chain verifies"),
                );
            }
            LogState::Whole(_) => self.not_checked(checks::LOG, "the log does not hold it"),
        }
    }

    /// Returns whether the check was made, and passed each time.
    fn has_passed(&self, name: &str) -> bool {
        let mut made = self.checks.iter().filter(|check| check.name == name);
        let passed = |check: &Check| check.status == Status::Passed;
        made.next().is_some_and(passed) && made.all(passed)
    }

    /// How well the envelope answers: verified before contradicted; then the
    /// untrusted that claim to answer, then those about something else. Among
    /// equals, the one with the most checks passed.
    fn rank(&self, question: &Question) -> (u8, Assurance, usize) {
        let passed = self.checks.iter();
        let passed = passed.filter(|check| check.status == Status::Passed);
        let outcome = match self.outcome {
            Outcome::Verified => 4,
            Outcome::Negative => 3,
            Outcome::Untrusted if self.claims_to_answer(question) => 2,
            Outcome::Stale => 1,
            Outcome::Untrusted | Outcome::Missing => 0,
        };
        (outcome, self.assurance(), passed.count())
    }

    /// Returns whether an envelope that nobody trusted signed could be about the
    /// question. It only chooses which failure is shown.
    fn claims_to_answer(&self, question: &Question) -> bool {
        let Ok(statement) = Statement::from_bytes(self.envelope.payload()) else {
            return true;
        };
        let commit = question.commit;
        let label = question.label.as_ref();
        commit.is_none_or(|commit| commit == statement.source.commit)
            && label.is_none_or(|label| *label == statement.label)
    }

    fn assurance(&self) -> Assurance {
        let steps = [
            (checks::LOG, Assurance::Logged),
            (checks::ARTIFACT, Assurance::Rehashed),
            (checks::TRACE, Assurance::Traced),
        ];
        if self.outcome != Outcome::Verified {
            return Assurance::None;
        }
        let reached = steps.iter().take_while(|(name, _)| self.has_passed(name));
        reached
            .last()
            .map_or(Assurance::Signed, |(_, assurance)| *assurance)
    }

    fn into_verdict(self) -> Verdict {
        Verdict {
            outcome: self.outcome,
            assurance: self.assurance(),
            envelope: Some(self.envelope.digest()),
            checks: self.checks,
        }
    }
}

#[cfg(test)]
mod tests;
