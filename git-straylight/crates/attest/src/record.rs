//! Publishing: an entry of the log and the notes that show it, in one ref
//! transaction, so that the view never lags behind.

use std::collections::BTreeSet;

use jiff::Timestamp;
use straylight_odb::repo::{Expected, RefUpdate};
use straylight_odb::{ObjectId, RepoError, Repository, Sha256};

use crate::dsse::{Envelope, Signer};
use crate::log::{self, LOG_REF, LogError};
use crate::notes::{self, NOTES_REF, NotesError, View};
use crate::signed_commit::{self, Author, Draft, SignedCommitError};
use crate::statement::Statement;

/// How often a lost race for the refs is run again.
const ATTEMPTS: usize = 32;

/// Where the two refs are after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The tip of the log.
    pub log: ObjectId,
    /// The tip of the notes.
    pub notes: ObjectId,
}

/// Attestations that could not be published.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The repository failed; [`RepoError::RefMoved`] after many lost races.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// The log cannot be continued.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The notes cannot be read.
    #[error(transparent)]
    Notes(#[from] NotesError),
    /// The commit of the notes could not be signed.
    #[error(transparent)]
    Commit(#[from] SignedCommitError),
    /// There is nothing to publish.
    #[error("there is no attestation to record")]
    Empty,
}

/// Appends one entry with these envelopes to the log and adds them to the notes
/// of the commits they are about, in one transaction. When somebody else moves
/// a ref meanwhile, everything is signed again on top of theirs.
///
/// # Errors
/// [`RecordError`]; then nothing has moved.
pub fn record(
    repository: &Repository,
    signer: &dyn Signer,
    author: &Author,
    now: Timestamp,
    envelopes: &[Envelope],
) -> Result<Recorded, RecordError> {
    if envelopes.is_empty() {
        return Err(RecordError::Empty);
    }
    retry(|| {
        let (old_log, old_notes) = tips(repository)?;
        let log = log::append(repository, signer, author, now, old_log, envelopes)?;
        let mut view = notes::view(&[log::read_entry(repository, log)?])?;
        if let Some(tip) = old_notes {
            for (commit, lines) in &mut view {
                lines.extend(notes::read(repository, tip, *commit)?);
            }
        }
        let tree = old_notes.map(|tip| Ok(repository.read_commit(tip)?.tree));
        let tree = notes::write(
            repository,
            tree.transpose().map_err(RecordError::Repository)?,
            &view,
        )?;
        let notes = notes_commit(repository, signer, author, now, tree, old_notes)?;
        publish(repository, (old_log, old_notes), Recorded { log, notes })
    })
}

/// Makes the notes again from the log `log`, which becomes the log's tip: after
/// a fetch, a lost push race ([`log::sign_again`]) or damage. Notes that the
/// log does not give are dropped.
///
/// # Errors
/// [`RecordError`]; then nothing has moved.
pub fn rebuild(
    repository: &Repository,
    signer: &dyn Signer,
    author: &Author,
    now: Timestamp,
    log: ObjectId,
) -> Result<Recorded, RecordError> {
    let view: View = notes::view(&log::read(repository, log, None)?)?;
    let tree = notes::write(repository, None, &view)?;
    retry(|| {
        let (old_log, old_notes) = tips(repository)?;
        let notes = notes_commit(repository, signer, author, now, tree, old_notes)?;
        publish(repository, (old_log, old_notes), Recorded { log, notes })
    })
}

fn retry(
    mut attempt: impl FnMut() -> Result<Recorded, RecordError>,
) -> Result<Recorded, RecordError> {
    let mut result = attempt();
    for _ in 1..ATTEMPTS {
        if !matches!(
            result,
            Err(RecordError::Repository(RepoError::RefMoved { .. }))
        ) {
            break;
        }
        result = attempt();
    }
    result
}

type Tips = (Option<ObjectId>, Option<ObjectId>);

fn tips(repository: &Repository) -> Result<Tips, RepoError> {
    Ok((
        repository.read_ref(LOG_REF)?,
        repository.read_ref(NOTES_REF)?,
    ))
}

fn notes_commit(
    repository: &Repository,
    signer: &dyn Signer,
    author: &Author,
    now: Timestamp,
    tree: ObjectId,
    parent: Option<ObjectId>,
) -> Result<ObjectId, RecordError> {
    let draft = Draft {
        tree,
        parent,
        author,
        now,
        message: "Notes shown from refs/straylight/log",
    };
    Ok(signed_commit::write(repository, signer, &draft)?)
}

fn publish(repository: &Repository, old: Tips, new: Recorded) -> Result<Recorded, RecordError> {
    let update = |name: &str, old: Option<ObjectId>, new| RefUpdate {
        name: name.to_owned(),
        new: Some(new),
        expected: old.map_or(Expected::Absent, Expected::Is),
    };
    let updates = [
        update(LOG_REF, old.0, new.log),
        update(NOTES_REF, old.1, new.notes),
    ];
    repository.update_refs(&updates, "straylight: attest")?;
    Ok(new)
}

/// Returns the envelopes about `commit`: those that the notes show, or without
/// notes those in the log. Nothing is authenticated by this.
///
/// # Errors
/// [`NotesError`]; [`NotesError::Line`] when a note was tampered with.
pub fn candidates(
    repository: &Repository,
    commit: ObjectId,
) -> Result<BTreeSet<Envelope>, NotesError> {
    match repository.read_ref(NOTES_REF)? {
        Some(tip) => notes::read(repository, tip, commit),
        None => Ok(search(repository, |statement| {
            statement.source.commit == commit
        })?),
    }
}

/// Returns the envelopes in the log with a subject of this sha256, of any
/// commit. Nothing is authenticated by this.
///
/// # Errors
/// [`RepoError`] when the repository cannot be read.
pub fn candidates_for_artifact(
    repository: &Repository,
    sha256: Sha256,
) -> Result<BTreeSet<Envelope>, RepoError> {
    search(repository, |statement| {
        let mut subjects = statement.subjects.iter();
        subjects.any(|subject| subject.sha256 == sha256)
    })
}

/// Returns every envelope in the log. Nothing is authenticated by this.
///
/// # Errors
/// [`RepoError`] when the repository cannot be read.
pub fn logged(repository: &Repository) -> Result<BTreeSet<Envelope>, RepoError> {
    search(repository, |_| true)
}

/// Searches the log from its tip down to the first entry that does not hold;
/// that it does not is for [`crate::verify()`] to report.
fn search(
    repository: &Repository,
    wanted: impl Fn(&Statement) -> bool,
) -> Result<BTreeSet<Envelope>, RepoError> {
    let mut found = BTreeSet::new();
    let mut next = repository.read_ref(LOG_REF)?;
    while let Some(id) = next {
        let entry = match log::read_entry(repository, id) {
            Ok(entry) => entry,
            Err(LogError::Repository(error)) => return Err(error),
            Err(_) => break,
        };
        next = entry.parent;
        found.extend(entry.envelopes.into_iter().filter(|envelope| {
            Statement::from_bytes(envelope.payload()).is_ok_and(|statement| wanted(&statement))
        }));
    }
    Ok(found)
}
