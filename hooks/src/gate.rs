//! The verdict on a push.
//!
//! The new tip of a protected ref needs an attestation by an allowed signer,
//! brought by the same push or accepted before. A protected ref never goes back
//! and never goes away. The log and the notes are part of the gate:
//!
//! - the log only grows, and every entry and envelope that a push adds is signed
//!   by an allowed signer, judged at the time of the push;
//! - the notes of every commit that a push touches are what the log gives.
//!
//! Earlier entries were judged when they were accepted and are not judged again,
//! so a push costs what it adds. Everything that cannot be read refuses.
//!
//! A limit: git does not tell the hook whether a push is atomic. When one that
//! is not loses a race for the log after the verdict, its branch can move before
//! the attestation that was judged is in the log; pushing the log again heals it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use straylight_attest::allowed_signers::Moment;
use straylight_attest::log::{self, Entry, LOG_REF};
use straylight_attest::notes::{self, NOTES_REF, NotesError, View};
use straylight_attest::{
    AllowedSigners, Envelope, Outcome, Policy, Question, Status, Verdict, verify,
};
use straylight_odb::{ObjectId, RepoError, Repository, Sha256};

use crate::config::GateConfig;
use crate::update::Update;

/// How many symbolic refs in a row are followed, as in git.
const MAX_SYMBOLIC: usize = 5;

/// What the gate says of a push: all of it, or nothing, is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushVerdict {
    /// Why it is refused; accepted when empty.
    pub refusals: Vec<Refusal>,
    /// The protected refs that may move, with the verdicts on their new tips.
    pub verified: Vec<(String, Vec<Verdict>)>,
}

impl PushVerdict {
    /// Returns whether git may go on.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.refusals.is_empty()
    }
}

/// Why a ref may not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}\n  {cure}")]
pub struct Refusal {
    /// The ref.
    pub name: String,
    /// What it would have become.
    pub new: Option<ObjectId>,
    /// What is wrong or missing.
    pub problem: String,
    /// What to do.
    pub cure: String,
}

/// Judges a push. `now` is the time at which keys are judged.
///
/// # Errors
/// [`RepoError`] when the repository itself cannot be read; the push must then
/// be refused as well.
pub fn pre_receive(
    repository: &Repository,
    updates: &[Update],
    config: &GateConfig,
    now: Timestamp,
) -> Result<PushVerdict, RepoError> {
    let mut verdict = PushVerdict::default();
    let mut guarded = Vec::new();
    for update in updates {
        let names = real_names(repository, &update.name);
        if names
            .iter()
            .any(|name| config.protects(name) || is_ours(name))
        {
            guarded.push((update, names));
        }
    }
    if guarded.is_empty() {
        return Ok(verdict);
    }
    let signers = match &config.signers {
        Ok(signers) => signers,
        Err(error) => {
            let refuse = |(update, _): &(&Update, Vec<String>)| {
                refusal(
                    update,
                    error.to_string(),
                    "This is for the server's administrator.",
                )
            };
            verdict.refusals = guarded.iter().map(refuse).collect();
            return Ok(verdict);
        }
    };
    let gate = Gate {
        repository,
        config,
        signers,
        now,
    };
    for (update, _) in &guarded {
        verdict.refusals.extend(gate.check_old(update)?);
    }
    if !verdict.is_accepted() {
        return Ok(verdict);
    }
    let attested = gate.read_attestations(updates, &mut verdict)?;
    for (update, names) in guarded {
        if names.iter().any(|name| is_ours(name)) {
            // Judged above; through another name, it would not have been.
            if !is_ours(&update.name) {
                let problem = "it is another name of the log or the notes".to_owned();
                let cure = "Push to the refs themselves.";
                verdict.refusals.push(refusal(update, problem, cure));
            }
            continue;
        }
        gate.check_protected(update, &attested, &mut verdict)?;
    }
    Ok(verdict)
}

fn is_ours(name: &str) -> bool {
    name == LOG_REF || name == NOTES_REF
}

/// Returns the name and what it stands for: a push to a symbolic ref moves the
/// ref that it names.
fn real_names(repository: &Repository, name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    while names.len() <= MAX_SYMBOLIC {
        let last = names.last().expect("it starts with one name");
        // Symbolic refs are never packed.
        let file = std::fs::read_to_string(repository.common_dir().join(last));
        let target = file.ok().and_then(|text| {
            let target = text.strip_prefix("ref:")?.trim();
            Some(target.to_owned())
        });
        match target {
            Some(target) => names.push(target),
            None => break,
        }
    }
    names
}

fn refusal(update: &Update, problem: String, cure: impl Into<String>) -> Refusal {
    Refusal {
        name: update.name.clone(),
        new: update.new,
        problem,
        cure: cure.into(),
    }
}

struct Gate<'a> {
    repository: &'a Repository,
    config: &'a GateConfig,
    signers: &'a AllowedSigners,
    now: Timestamp,
}

/// What the push says about commits.
struct Attested {
    /// The notes after the push.
    notes: Option<ObjectId>,
    /// The envelopes that the push adds to the log.
    logged: BTreeSet<Sha256>,
}

impl Gate<'_> {
    /// Refuses a push that expects another value of a ref than the one that is
    /// judged here: git itself only compares the pusher's expectation with what
    /// the ref is when it moves, which may be later.
    fn check_old(&self, update: &Update) -> Result<Option<Refusal>, RepoError> {
        let now = self.repository.read_ref(&update.name)?;
        let problem = "the ref has moved since the push began".to_owned();
        let cure = "Run `git fetch`, and push again.";
        Ok((now != update.old).then(|| refusal(update, problem, cure)))
    }

    /// Checks what the push does to the log and the notes.
    fn read_attestations(
        &self,
        updates: &[Update],
        verdict: &mut PushVerdict,
    ) -> Result<Attested, RepoError> {
        let find = |name: &str| updates.iter().find(|update| update.name == name);
        let (log, notes) = (find(LOG_REF), find(NOTES_REF));
        let mut attested = Attested {
            notes: self.repository.read_ref(NOTES_REF)?,
            logged: BTreeSet::new(),
        };
        let old_notes = attested.notes;
        let mut entries = Vec::new();
        if let Some(update) = log {
            match self.check_log(update)? {
                Ok(added) => entries = added,
                Err(refused) => verdict.refusals.push(refused),
            }
        }
        if let Some(update) = notes {
            if update.new.is_none() {
                let cure = "Nothing has to be deleted to attest.";
                let problem = "the notes may not be deleted".to_owned();
                verdict.refusals.push(refusal(update, problem, cure));
            }
            attested.notes = update.new.or(old_notes);
        }
        let Some(update) = notes.or(log).filter(|_| verdict.is_accepted()) else {
            return Ok(attested);
        };
        let log = log.and_then(|update| update.new);
        if let Err(problem) = self.check_notes(&entries, log, old_notes, attested.notes) {
            let cure = "Run `git straylight sync`, and push the log and the notes together: `git \
                        push --atomic origin refs/straylight/log refs/notes/straylight`.";
            verdict.refusals.push(refusal(update, problem, cure));
        }
        let envelopes = entries.iter().flat_map(|entry| &entry.envelopes);
        attested.logged = envelopes.map(Envelope::digest).collect();
        Ok(attested)
    }

    /// Returns the entries that an update adds to the log.
    fn check_log(&self, update: &Update) -> Result<Result<Vec<Entry>, Refusal>, RepoError> {
        let Some(new) = update.new else {
            let problem = "the log may not be deleted".to_owned();
            return Ok(Err(refusal(update, problem, "The log only grows.")));
        };
        let known = self.repository.read_ref(LOG_REF)?;
        let moment = Moment::At(self.now);
        let added = log::verify(self.repository, new, known, self.signers, moment);
        Ok(added.map_err(|error| {
            let cure = "Run `git fetch origin refs/straylight/log`, then `git straylight sync`, \
                        and push again.";
            refusal(update, error.to_string(), cure)
        }))
    }

    /// Checks that the notes of every touched commit are what the log gives.
    fn check_notes(
        &self,
        added: &[Entry],
        log: Option<ObjectId>,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
    ) -> Result<(), String> {
        let fresh = notes::view(added).map_err(|error| error.to_string())?;
        let touched = self
            .touched(&fresh, old, new)
            .map_err(|error| error.to_string())?;
        let mut whole = None;
        for commit in touched {
            let shown = self.note(new, commit).map_err(|error| error.to_string())?;
            let mut given = fresh.get(&commit).cloned().unwrap_or_default();
            // A note that cannot be read gives nothing: the log has the truth.
            given.extend(self.note(old, commit).unwrap_or_default());
            if shown == given {
                continue;
            }
            // The old note may have been wrong: ask the whole log.
            if whole.is_none() {
                whole = Some(self.whole_view(log).map_err(|error| error.to_string())?);
            }
            let whole = whole.as_ref().and_then(|view| view.get(&commit));
            if whole.cloned().unwrap_or_default() != shown {
                return Err(format!(
                    "the note of commit {commit} is not what the log gives"
                ));
            }
        }
        Ok(())
    }

    fn note(
        &self,
        tip: Option<ObjectId>,
        commit: ObjectId,
    ) -> Result<BTreeSet<Envelope>, NotesError> {
        match tip {
            Some(tip) => notes::read(self.repository, tip, commit),
            None => Ok(BTreeSet::new()),
        }
    }

    fn touched(
        &self,
        fresh: &View,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
    ) -> Result<BTreeSet<ObjectId>, RepoError> {
        let list = |tip: Option<ObjectId>| match tip {
            Some(tip) => notes::list(self.repository, tip),
            None => Ok(BTreeMap::new()),
        };
        let mut touched: BTreeSet<_> = fresh.keys().copied().collect();
        if old != new {
            let (old, new) = (list(old)?, list(new)?);
            let commits = old.keys().chain(new.keys());
            touched.extend(commits.filter(|commit| old.get(commit) != new.get(commit)));
        }
        Ok(touched)
    }

    fn whole_view(&self, log: Option<ObjectId>) -> Result<View, Box<dyn std::error::Error>> {
        let tip = match log {
            Some(tip) => Some(tip),
            None => self.repository.read_ref(LOG_REF)?,
        };
        let entries = match tip {
            Some(tip) => log::read(self.repository, tip, None)?,
            None => Vec::new(),
        };
        Ok(notes::view(&entries)?)
    }

    fn check_protected(
        &self,
        update: &Update,
        attested: &Attested,
        verdict: &mut PushVerdict,
    ) -> Result<(), RepoError> {
        let Some(new) = update.new else {
            let problem = "it is protected and may not be deleted".to_owned();
            let cure = "Ask an administrator of the server.";
            verdict.refusals.push(refusal(update, problem, cure));
            return Ok(());
        };
        let tip = match self.repository.read_commit(new) {
            Ok(commit) => commit.id,
            Err(RepoError::WrongKind { .. }) => {
                let problem = format!("{new} is no commit, and the ref is protected");
                verdict
                    .refusals
                    .push(refusal(update, problem, "Push a commit."));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // What the ref is, not what the pusher says that it is.
        if let Some(old) = self.repository.read_ref(&update.name)?
            && !self.repository.is_ancestor(old, new)?
        {
            let problem = format!("{tip} does not continue {old}, and the ref is protected");
            let cure = "Rebase onto the ref, attest the new commit, and push without `--force`.";
            verdict.refusals.push(refusal(update, problem, cure));
            return Ok(());
        }
        let verdicts = match self.verdicts(tip, attested) {
            Ok(verdicts) => verdicts,
            Err(NotesError::Repository(error)) => return Err(error),
            Err(error) => {
                let cure = "Run `git straylight sync`, and push the notes again.";
                verdict
                    .refusals
                    .push(refusal(update, error.to_string(), cure));
                return Ok(());
            }
        };
        let before = verdict.refusals.len();
        for (label, found) in self.labels().into_iter().zip(&verdicts) {
            if !found.is_verified() {
                verdict.refusals.push(unattested(update, tip, label, found));
            }
        }
        if verdict.refusals.len() == before {
            verdict.verified.push((update.name.clone(), verdicts));
        }
        Ok(())
    }

    /// Returns the required labels; one that stands for any when there is none.
    fn labels(&self) -> Vec<Option<&str>> {
        if self.config.require.is_empty() {
            return vec![None];
        }
        let labels = self.config.require.iter();
        labels.map(|label| Some(label.as_str())).collect()
    }

    fn verdicts(&self, tip: ObjectId, attested: &Attested) -> Result<Vec<Verdict>, NotesError> {
        let candidates = self.note(attested.notes, tip)?;
        let policy = Policy {
            builders: self.config.builders.clone(),
            ..Policy::new(self.signers, self.now)
        };
        let judge = |label: Option<&str>| {
            let question = Question {
                commit: Some(tip),
                label: label.map(str::to_owned),
                ..Question::default()
            };
            let logged = attested.logged.clone();
            verify::verify_against(self.repository, &policy, &question, &candidates, logged)
        };
        let verdicts = self.labels().into_iter().map(judge);
        Ok(verdicts.collect::<Result<_, _>>()?)
    }
}

/// Says what is missing, and what to run.
fn unattested(update: &Update, tip: ObjectId, label: Option<&str>, verdict: &Verdict) -> Refusal {
    let target = label
        .map(|label| format!(" of `{label}`"))
        .unwrap_or_default();
    let failed = verdict
        .checks
        .iter()
        .find(|check| check.status == Status::Failed);
    let problem = match (verdict.outcome, failed) {
        (Outcome::Missing, _) | (_, None) => {
            format!("commit {tip} has no attestation{target}")
        }
        (_, Some(check)) => format!(
            "commit {tip} has no valid attestation{target}: {}: {}",
            check.name, check.evidence
        ),
    };
    let branch = update
        .name
        .strip_prefix("refs/heads/")
        .unwrap_or(&update.name);
    let cure = format!(
        "Run `git straylight attest {} && git push --atomic origin {branch} {LOG_REF} {NOTES_REF}`.",
        label.unwrap_or("//…")
    );
    refusal(update, problem, cure)
}
