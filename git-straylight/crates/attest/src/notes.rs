//! The notes, `refs/notes/straylight`: a view of the log, for each commit the
//! envelopes about it.
//!
//! A note is one envelope per line, sorted, each once, so that merging two notes
//! with git's `cat_sort_uniq` gives their union. `git notes --ref=straylight
//! show` prints it. The view decides nothing: it can be made again from the log.
//!
//! A note of commit `c` is a blob at the hex of `c` in the notes' tree, where
//! git may have split the first digits off into folders of two (fan-out), on
//! several levels. All of that is read; new folders are made where one holds
//! more than 256 notes, as git does.

use std::collections::{BTreeMap, BTreeSet};

use straylight_odb::repo::{EntryKind, TreeEntry};
use straylight_odb::{ObjectId, RepoError, Repository};

use crate::dsse::Envelope;
use crate::log::{self, Entry};
use crate::statement::StatementError;

/// The ref of the notes.
pub const NOTES_REF: &str = "refs/notes/straylight";

/// How many notes one folder holds before it is split.
const MAX_FLAT: usize = 256;

/// The envelopes about each commit, sorted, each once.
pub type View = BTreeMap<ObjectId, BTreeSet<Envelope>>;

/// Notes that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NotesError {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// A line of a note is not an envelope.
    #[error("line {line} of the note of commit {commit} is not an attestation: {reason}")]
    Line {
        /// The commit that the note is about.
        commit: ObjectId,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// An envelope of the log says nothing that can be read.
    #[error("attestation {digest}: {source}")]
    Statement {
        /// The envelope's digest.
        digest: String,
        /// What is wrong with it.
        source: StatementError,
    },
}

/// Returns the envelopes about each commit in these entries of the log.
///
/// # Errors
/// [`NotesError::Statement`].
pub fn view(entries: &[Entry]) -> Result<View, NotesError> {
    let mut view = View::new();
    for envelope in entries.iter().flat_map(|entry| &entry.envelopes) {
        let commit = log::commit_of(envelope).map_err(|source| NotesError::Statement {
            digest: envelope.digest().to_string(),
            source,
        })?;
        if let Some(commit) = commit {
            view.entry(commit).or_default().insert(envelope.clone());
        }
    }
    Ok(view)
}

/// Returns the envelopes in the note of `commit`, in the notes' commit `tip`;
/// none when there is no note.
///
/// # Errors
/// [`NotesError::Line`] when a line is not an envelope.
pub fn read(
    repository: &Repository,
    tip: ObjectId,
    commit: ObjectId,
) -> Result<BTreeSet<Envelope>, NotesError> {
    let tree = repository.read_commit(tip)?.tree;
    let mut blobs = Vec::new();
    find(repository, tree, &commit.to_string(), &mut blobs)?;
    let mut envelopes = BTreeSet::new();
    for blob in blobs {
        envelopes.extend(parse(commit, &repository.read_blob(blob)?)?);
    }
    Ok(envelopes)
}

fn parse(commit: ObjectId, note: &[u8]) -> Result<Vec<Envelope>, NotesError> {
    let lines = note.split(|byte| *byte == b'\n').enumerate();
    lines
        // `git notes merge` separates what it joins with empty lines.
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            Envelope::parse(line).map_err(|error| NotesError::Line {
                commit,
                line: index + 1,
                reason: error.to_string(),
            })
        })
        .collect()
}

/// Collects the blobs at `key`, through every level of fan-out.
fn find(
    repository: &Repository,
    tree: ObjectId,
    key: &str,
    found: &mut Vec<ObjectId>,
) -> Result<(), RepoError> {
    for entry in repository.tree_entries(tree)? {
        if is_file(&entry) && entry.name == key {
            found.push(entry.id);
        } else if is_fan(&entry) && key.len() > 2 && key.starts_with(&entry.name) {
            find(repository, entry.id, &key[2..], found)?;
        }
    }
    Ok(())
}

/// Returns the blobs of every note in the notes' commit `tip`, by commit.
///
/// # Errors
/// [`RepoError`].
pub fn list(
    repository: &Repository,
    tip: ObjectId,
) -> Result<BTreeMap<ObjectId, BTreeSet<ObjectId>>, RepoError> {
    let mut notes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let tree = repository.read_commit(tip)?.tree;
    let mut folders = vec![(String::new(), tree)];
    while let Some((prefix, tree)) = folders.pop() {
        for entry in repository.tree_entries(tree)? {
            let name = format!("{prefix}{}", entry.name);
            if is_fan(&entry) && name.len() < 40 {
                folders.push((name, entry.id));
            } else if is_file(&entry)
                && let Ok(commit) = name.parse::<ObjectId>()
            {
                notes.entry(commit).or_default().insert(entry.id);
            }
        }
    }
    Ok(notes)
}

/// Writes a tree of notes: those of `base` (a tree), with the notes of the
/// commits in `view` replaced. Entries that are not notes are kept.
///
/// # Errors
/// [`RepoError`].
pub fn write(
    repository: &Repository,
    base: Option<ObjectId>,
    view: &View,
) -> Result<ObjectId, RepoError> {
    let mut notes = BTreeMap::new();
    for (commit, envelopes) in view {
        let lines: BTreeSet<_> = envelopes.iter().map(Envelope::as_line).collect();
        let text: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        notes.insert(commit.to_string(), repository.write_blob(text.as_bytes())?);
    }
    put(repository, base, notes)
}

fn put(
    repository: &Repository,
    tree: Option<ObjectId>,
    mut notes: BTreeMap<String, ObjectId>,
) -> Result<ObjectId, RepoError> {
    let mut entries = match tree {
        Some(tree) => repository.tree_entries(tree)?,
        None => Vec::new(),
    };
    let Some(length) = notes.keys().next().map(String::len) else {
        return repository.write_tree(&entries);
    };
    entries.retain(|entry| !notes.contains_key(&entry.name));
    let is_note =
        |entry: &TreeEntry| is_file(entry) && entry.name.len() == length && is_hex(&entry.name);
    let flat = entries.iter().filter(|entry| is_note(entry)).count();
    if flat + notes.len() <= MAX_FLAT && !entries.iter().any(is_fan) || length <= 2 {
        entries.extend(notes.into_iter().map(|(name, id)| file(name, id)));
        return repository.write_tree(&entries);
    }
    for entry in entries.extract_if(.., |entry| is_note(entry)) {
        notes.entry(entry.name).or_insert(entry.id);
    }
    let mut folders: BTreeMap<String, BTreeMap<String, ObjectId>> = BTreeMap::new();
    for (name, id) in notes {
        let (folder, rest) = name.split_at(2);
        let folder = folders.entry(folder.to_owned()).or_default();
        folder.insert(rest.to_owned(), id);
    }
    for (name, notes) in folders {
        let known = entries
            .iter()
            .position(|entry| is_fan(entry) && entry.name == name);
        let known = known.map(|at| entries.remove(at).id);
        let id = put(repository, known, notes)?;
        let kind = EntryKind::Tree;
        entries.push(TreeEntry { name, kind, id });
    }
    repository.write_tree(&entries)
}

fn file(name: String, id: ObjectId) -> TreeEntry {
    let kind = EntryKind::File;
    TreeEntry { name, kind, id }
}

fn is_file(entry: &TreeEntry) -> bool {
    entry.kind == EntryKind::File
}

fn is_fan(entry: &TreeEntry) -> bool {
    entry.kind == EntryKind::Tree && entry.name.len() == 2 && is_hex(&entry.name)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
