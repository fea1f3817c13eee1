//! The log, `refs/straylight/log`: every attestation, in the order in which the
//! repository accepted them.
//!
//! It is linear. Each entry is a commit signed with SSH (`git verify-commit`
//! accepts it) with at most one parent, the entry before it, whose tree holds
//! that entry's envelopes and nothing else:
//!
//! ```text
//! <sha256 of the file>.json    one line, without a line break
//! ```
//!
//! The entry's signature says who published the envelopes and where in the
//! order; each envelope's own signature says who vouches for the artifact.

use std::collections::BTreeSet;

use straylight_odb::repo::{EntryKind, TreeEntry};
use straylight_odb::{ObjectId, RepoError, Repository, Sha256};

use crate::allowed_signers::{AllowedSigners, Moment, Standing};
use crate::dsse::{Envelope, EnvelopeError, Signer};
use crate::signed_commit::{self, Author, Draft, SignedCommitError};
use crate::ssh::PublicKey;
use crate::sshsig;
use crate::statement::{Statement, StatementError};

/// The ref of the log.
pub const LOG_REF: &str = "refs/straylight/log";

/// One entry. Its commit's signature and its envelopes' names have been
/// checked; whether the keys are trusted has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The commit.
    pub id: ObjectId,
    /// The entry before it.
    pub parent: Option<ObjectId>,
    /// The key that signed the commit.
    pub key: PublicKey,
    /// The commit's message.
    pub message: String,
    /// The envelopes, sorted by the name of their file.
    pub envelopes: Vec<Envelope>,
}

/// A log that cannot be read or believed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// An entry's commit cannot be written or believed.
    #[error("the log is damaged: {0}")]
    Commit(#[from] SignedCommitError),
    /// An entry is not what an entry must be.
    #[error("the log is damaged at entry {id}: {reason}")]
    Damaged {
        /// The entry.
        id: ObjectId,
        /// What is wrong.
        reason: String,
    },
    /// An entry or an envelope is not by an allowed signer.
    #[error("log entry {id} is not trusted: {reason}")]
    Untrusted {
        /// The entry.
        id: ObjectId,
        /// Whose signature, and why not.
        reason: String,
    },
    /// The log does not continue the known one.
    #[error("the log {tip} does not continue {known}: history was rewritten or has forked")]
    Forked {
        /// The new tip.
        tip: ObjectId,
        /// The tip it must continue.
        known: ObjectId,
    },
}

/// Returns the commit that an envelope is about; `None` for a statement of
/// another kind. Nothing is authenticated by this.
///
/// # Errors
/// [`StatementError::Malformed`].
pub fn commit_of(envelope: &Envelope) -> Result<Option<ObjectId>, StatementError> {
    match Statement::from_bytes(envelope.payload()) {
        Ok(statement) => Ok(Some(statement.source.commit)),
        Err(StatementError::OtherKind { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes an entry on top of `parent`, and returns its commit. Moves no ref.
///
/// # Errors
/// [`LogError::Repository`], or [`LogError::Commit`] when the key cannot sign.
pub fn append(
    repository: &Repository,
    signer: &dyn Signer,
    author: &Author,
    now: jiff::Timestamp,
    parent: Option<ObjectId>,
    envelopes: &[Envelope],
) -> Result<ObjectId, LogError> {
    let mut entries = Vec::new();
    let mut names = BTreeSet::new();
    for envelope in envelopes {
        let name = format!("{}.json", envelope.digest());
        if names.insert(name.clone()) {
            let id = repository.write_blob(envelope.as_line().as_bytes())?;
            let kind = EntryKind::File;
            entries.push(TreeEntry { name, kind, id });
        }
    }
    let draft = Draft {
        tree: repository.write_tree(&entries)?,
        parent,
        author,
        now,
        message: &message(envelopes),
    };
    Ok(signed_commit::write(repository, signer, &draft)?)
}

/// What people read in `git log refs/straylight/log`.
fn message(envelopes: &[Envelope]) -> String {
    let lines = envelopes.iter().map(|envelope| {
        match Statement::from_bytes(envelope.payload()) {
            // A label cannot be trusted to be one line.
            Ok(statement) => format!(
                "attest {} at {}",
                statement.label.replace(char::is_control, " "),
                statement.source.commit
            ),
            Err(_) => format!("attest {}", envelope.digest()),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads the entry `id`, and checks its signature, its shape and the names of
/// its envelopes.
///
/// # Errors
/// [`LogError::Commit`] and [`LogError::Damaged`].
pub fn read_entry(repository: &Repository, id: ObjectId) -> Result<Entry, LogError> {
    let commit = signed_commit::read(repository, id)?;
    let damaged = |reason: String| LogError::Damaged { id, reason };
    if commit.parents.len() > 1 {
        return Err(damaged("it is a merge, and the log is linear".to_owned()));
    }
    let mut envelopes = Vec::new();
    for entry in repository.tree_entries(commit.tree)? {
        let name = entry.name;
        let digest = name
            .strip_suffix(".json")
            .and_then(|hex| hex.parse::<Sha256>().ok());
        let (EntryKind::File, Some(digest)) = (entry.kind, digest) else {
            return Err(damaged(format!("`{name}` is not an envelope")));
        };
        let bytes = repository.read_blob(entry.id)?;
        if Sha256::of(&bytes) != digest {
            return Err(damaged(format!(
                "the bytes of `{name}` are not what it is named after"
            )));
        }
        let envelope =
            Envelope::parse(&bytes).map_err(|error| damaged(format!("`{name}`: {error}")))?;
        commit_of(&envelope).map_err(|error| damaged(format!("`{name}`: {error}")))?;
        envelopes.push(envelope);
    }
    if envelopes.is_empty() {
        return Err(damaged("it holds no envelope".to_owned()));
    }
    Ok(Entry {
        id,
        parent: commit.parents.first().copied(),
        key: commit.key,
        message: commit.message,
        envelopes,
    })
}

/// Reads the entries from after `known` up to `tip`, oldest first; all of them
/// when nothing is known.
///
/// # Errors
/// [`LogError::Forked`] when `tip` does not continue `known`, or as
/// [`read_entry`].
pub fn read(
    repository: &Repository,
    tip: ObjectId,
    known: Option<ObjectId>,
) -> Result<Vec<Entry>, LogError> {
    let mut entries = Vec::new();
    let mut next = Some(tip);
    while next != known {
        let Some(id) = next else {
            let known = known.unwrap_or(tip);
            return Err(LogError::Forked { tip, known });
        };
        let entry = read_entry(repository, id)?;
        next = entry.parent;
        entries.push(entry);
    }
    entries.reverse();
    Ok(entries)
}

/// Reads like [`read`], and checks that allowed signers signed every entry and
/// every envelope.
///
/// With [`Moment::Ever`], keys may have expired since: for entries that a
/// server judged when it accepted them.
///
/// # Errors
/// [`LogError::Untrusted`], or as [`read`].
pub fn verify(
    repository: &Repository,
    tip: ObjectId,
    known: Option<ObjectId>,
    signers: &AllowedSigners,
    moment: Moment,
) -> Result<Vec<Entry>, LogError> {
    let entries = read(repository, tip, known)?;
    for entry in &entries {
        entry.check(signers, moment)?;
    }
    Ok(entries)
}

impl Entry {
    fn check(&self, signers: &AllowedSigners, moment: Moment) -> Result<(), LogError> {
        let untrusted = |reason: String| LogError::Untrusted {
            id: self.id,
            reason,
        };
        let standing = signers.judge(&self.key, sshsig::GIT, moment);
        if !matches!(standing, Standing::Trusted(_)) {
            return Err(untrusted(format!(
                "it is signed by `{}`: {standing}",
                self.key
            )));
        }
        for envelope in &self.envelopes {
            signer_of(envelope, signers, moment)
                .map_err(|error| untrusted(format!("envelope {}: {error}", envelope.digest())))?;
        }
        Ok(())
    }
}

/// Why an envelope is not trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// No known key signed it, or it was changed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A known key signed it that may not, or not now.
    #[error("it is signed by `{fingerprint}`: {standing}")]
    Standing {
        /// The key.
        fingerprint: String,
        /// What the allowed signers say of it.
        standing: String,
    },
}

/// Returns the allowed signer who vouches for `envelope` at `moment`.
///
/// # Errors
/// [`Distrust`].
pub fn signer_of<'a>(
    envelope: &Envelope,
    signers: &'a AllowedSigners,
    moment: Moment,
) -> Result<&'a crate::allowed_signers::Entry, Distrust> {
    let mut refused = None;
    for key in envelope.verify(&signers.keys())? {
        match signers.judge(key, sshsig::ATTEST, moment) {
            Standing::Trusted(entry) => return Ok(entry),
            standing => {
                refused = refused.or(Some(Distrust::Standing {
                    fingerprint: key.fingerprint(),
                    standing: standing.to_string(),
                }));
            }
        }
    }
    Err(refused.expect("`verify` returns at least one key"))
}

/// Signs the entries of `tip` that `onto` lacks again, on top of `onto`, and
/// returns the new tip: what the loser of a push race does. Envelopes that
/// `onto` already holds are left out. Moves no ref.
///
/// # Errors
/// As [`read`] and [`append`].
pub fn sign_again(
    repository: &Repository,
    signer: &dyn Signer,
    author: &Author,
    now: jiff::Timestamp,
    tip: ObjectId,
    onto: ObjectId,
) -> Result<ObjectId, LogError> {
    let base = fork_point(repository, tip, onto)?;
    let published: BTreeSet<Envelope> = envelopes(&read(repository, onto, base)?).collect();
    let mut parent = onto;
    for entry in read(repository, tip, base)? {
        let mut fresh = entry.envelopes;
        fresh.retain(|envelope| !published.contains(envelope));
        if !fresh.is_empty() {
            parent = append(repository, signer, author, now, Some(parent), &fresh)?;
        }
    }
    Ok(parent)
}

fn envelopes(entries: &[Entry]) -> impl Iterator<Item = Envelope> {
    entries
        .iter()
        .flat_map(|entry| entry.envelopes.iter().cloned())
}

/// Returns the newest entry that both logs have.
fn fork_point(
    repository: &Repository,
    one: ObjectId,
    other: ObjectId,
) -> Result<Option<ObjectId>, LogError> {
    let ours: BTreeSet<_> = repository.commits(&[one], &[])?.into_iter().collect();
    let theirs = repository.commits(&[other], &[])?;
    Ok(theirs.into_iter().find(|id| ours.contains(id)))
}

#[cfg(test)]
mod tests;
