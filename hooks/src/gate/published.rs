//! What a push does to the log and the notes.

use std::collections::{BTreeMap, BTreeSet};

use straylight_attest::Envelope;
use straylight_attest::allowed_signers::Moment;
use straylight_attest::log::{self, Entry, LOG_REF};
use straylight_attest::notes::{self, NOTES_REF, NotesError, View};
use straylight_odb::{ObjectId, RepoError, Sha256};

use super::{Gate, PushVerdict, Refusal, refusal};
use crate::update::Update;

const LOG_CURE: &str = "Run `git fetch origin +refs/straylight/log:refs/straylight/log \
                        +refs/notes/straylight:refs/notes/straylight`, attest again, and push \
                        again.";

pub(super) const NOTES_CURE: &str = "Push the log and the notes together: `git push --atomic \
                                     origin refs/straylight/log refs/notes/straylight`. If \
                                     the notes were changed by hand, fetch both from here with \
                                     `+`, and attest again.";

/// What the push says about commits.
pub(super) struct Published {
    /// The notes after the push.
    pub(super) notes: Option<ObjectId>,
    /// The envelopes that the push adds to the log.
    pub(super) logged: BTreeSet<Sha256>,
}

impl Gate<'_> {
    /// Checks what the push does to the log and the notes.
    pub(super) fn check_published(
        &self,
        updates: &[Update],
        verdict: &mut PushVerdict,
    ) -> Result<Published, RepoError> {
        let find = |name: &str| updates.iter().find(|update| update.name == name);
        let (log, notes) = (find(LOG_REF), find(NOTES_REF));
        let mut published = Published {
            notes: self.repository.read_ref(NOTES_REF)?,
            logged: BTreeSet::new(),
        };
        let old_notes = published.notes;
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
            published.notes = update.new.or(old_notes);
        }
        let Some(update) = notes.or(log).filter(|_| verdict.is_accepted()) else {
            return Ok(published);
        };
        let log = log.and_then(|update| update.new);
        if let Err(problem) = self.check_notes(&entries, log, old_notes, published.notes) {
            let refused = refusal(update, problem, NOTES_CURE);
            verdict.refusals.push(refused);
        }
        let envelopes = entries.iter().flat_map(|entry| &entry.envelopes);
        published.logged = envelopes.map(Envelope::digest).collect();
        Ok(published)
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
        Ok(added.map_err(|error| refusal(update, error.to_string(), LOG_CURE)))
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

    pub(super) fn note(
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
}
