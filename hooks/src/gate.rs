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

mod published;

use jiff::Timestamp;
use straylight_attest::log::LOG_REF;
use straylight_attest::notes::{NOTES_REF, NotesError};
use straylight_attest::{AllowedSigners, Outcome, Policy, Question, Status, Verdict, verify};
use straylight_odb::{ObjectId, RepoError, Repository};

use published::Published;

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
    let mut guarded = Vec::new();
    for update in updates {
        if let Some(guard) = Guard::of(repository, config, &update.name) {
            guarded.push((update, guard));
        }
    }
    let mut verdict = PushVerdict::default();
    if guarded.is_empty() {
        return Ok(verdict);
    }
    let signers = match &config.signers {
        Ok(signers) => signers,
        Err(error) => {
            let cure = "This is for the server's administrator.";
            let refuse = |(update, _): &(&Update, Guard)| refusal(update, error.to_string(), cure);
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
    gate.judge(updates, &guarded, &mut verdict)?;
    Ok(verdict)
}

/// Why a ref is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// It is the log or the notes.
    Ours,
    /// It is another name of the log or the notes.
    Alias,
    /// The configuration protects it.
    Protected,
}

impl Guard {
    fn of(repository: &Repository, config: &GateConfig, name: &str) -> Option<Self> {
        if is_ours(name) {
            return Some(Self::Ours);
        }
        let names = real_names(repository, name);
        if names.iter().any(|name| is_ours(name)) {
            Some(Self::Alias)
        } else {
            let protected = names.iter().any(|name| config.protects(name));
            protected.then_some(Self::Protected)
        }
    }
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

    fn judge(
        &self,
        updates: &[Update],
        guarded: &[(&Update, Guard)],
        verdict: &mut PushVerdict,
    ) -> Result<(), RepoError> {
        for (update, guard) in guarded {
            verdict.refusals.extend(self.check_old(update)?);
            if *guard == Guard::Alias {
                let problem = "it is another name of the log or the notes".to_owned();
                let cure = "Push to the refs themselves.";
                verdict.refusals.push(refusal(update, problem, cure));
            }
        }
        if !verdict.is_accepted() {
            return Ok(());
        }
        let published = self.check_published(updates, verdict)?;
        for (update, guard) in guarded {
            if *guard == Guard::Protected {
                self.check_protected(update, &published, verdict)?;
            }
        }
        Ok(())
    }

    fn check_protected(
        &self,
        update: &Update,
        published: &Published,
        verdict: &mut PushVerdict,
    ) -> Result<(), RepoError> {
        let tip = match self.new_tip(update)? {
            Ok(tip) => tip,
            Err(refused) => {
                verdict.refusals.push(refused);
                return Ok(());
            }
        };
        let verdicts = match self.verdicts(tip, published) {
            Ok(verdicts) => verdicts,
            Err(NotesError::Repository(error)) => return Err(error),
            Err(error) => {
                let cure = published::NOTES_CURE;
                let refused = refusal(update, error.to_string(), cure);
                verdict.refusals.push(refused);
                return Ok(());
            }
        };
        let before = verdict.refusals.len();
        for (label, found) in self.labels().into_iter().zip(&verdicts) {
            if !found.is_verified() {
                let refused = unattested(update, tip, label, found);
                verdict.refusals.push(refused);
            }
        }
        if verdict.refusals.len() == before {
            verdict.verified.push((update.name.clone(), verdicts));
        }
        Ok(())
    }

    /// Returns the commit that a protected ref moves to, when it goes forward.
    fn new_tip(&self, update: &Update) -> Result<Result<ObjectId, Refusal>, RepoError> {
        let Some(new) = update.new else {
            let problem = "it is protected and may not be deleted".to_owned();
            let cure = "Ask an administrator of the server.";
            return Ok(Err(refusal(update, problem, cure)));
        };
        let tip = match self.repository.read_commit(new) {
            Ok(commit) => commit.id,
            Err(RepoError::WrongKind { .. }) => {
                let problem = format!("{new} is no commit, and the ref is protected");
                return Ok(Err(refusal(update, problem, "Push a commit.")));
            }
            Err(error) => return Err(error),
        };
        if let Some(old) = update.old
            && !self.repository.is_ancestor(old, new)?
        {
            let problem = format!("{tip} does not continue {old}, and the ref is protected");
            let cure = "Rebase onto the ref, attest the new commit, and push without `--force`.";
            return Ok(Err(refusal(update, problem, cure)));
        }
        Ok(Ok(tip))
    }

    /// Returns the required labels; one that stands for any when there is none.
    fn labels(&self) -> Vec<Option<&str>> {
        if self.config.require.is_empty() {
            return vec![None];
        }
        let labels = self.config.require.iter();
        labels.map(|label| Some(label.as_str())).collect()
    }

    fn verdicts(&self, tip: ObjectId, published: &Published) -> Result<Vec<Verdict>, NotesError> {
        let candidates = self.note(published.notes, tip)?;
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
            let logged = published.logged.clone();
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
        label.unwrap_or("//...")
    );
    refusal(update, problem, cure)
}
