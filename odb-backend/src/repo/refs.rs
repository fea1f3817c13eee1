//! Refs: read in process, written by `git update-ref --stdin`.

use std::fmt::Write as _;

use gix::bstr::ByteSlice as _;

use super::git::failed;
use super::{ObjectId, RepoError, Repository, describe};

/// Where `HEAD` points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The full name of the branch; `None` when `HEAD` is detached.
    pub name: Option<String>,
    /// The commit; `None` when the branch has none yet.
    pub id: Option<ObjectId>,
}

/// One ref of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// The full name, `refs/…`, or `HEAD`.
    pub name: String,
    /// The new value; `None` deletes the ref.
    pub new: Option<ObjectId>,
    /// What the ref must be now.
    pub expected: Expected,
}

/// What a ref must be for a transaction to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything, or nothing.
    Any,
    /// There must be no such ref.
    Absent,
    /// Exactly this value.
    Is(ObjectId),
}

impl Repository {
    /// Returns what a ref points to, through symbolic refs; `None` when there
    /// is no such ref, or its branch has no commit yet. Tags are not peeled.
    ///
    /// # Errors
    /// [`RepoError::Ref`] when the ref cannot be read.
    pub fn read_ref(&self, name: &str) -> Result<Option<ObjectId>, RepoError> {
        self.with(|repository| {
            let mut name = name.to_owned();
            // Git gives up after five symbolic refs, too.
            for _ in 0..6 {
                let Some(found) = find_exactly(repository, &name)? else {
                    return Ok(None);
                };
                match found {
                    gix::refs::Target::Object(id) => return Ok(ObjectId::from_gix(&id)),
                    gix::refs::Target::Symbolic(next) => name = next.as_bstr().to_string(),
                }
            }
            Err(ref_error(&name, "symbolic refs point in a circle"))
        })
    }

    /// Returns the refs whose names start with `prefix` (`refs/heads/`, or
    /// `refs/` for all), sorted by name, with what they point to. Tags are not
    /// peeled; symbolic refs to nothing are left out.
    ///
    /// # Errors
    /// [`RepoError::Ref`] when a ref cannot be read.
    pub fn refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, RepoError> {
        let names = self.with(|repository| {
            let failed = |error: gix::Error| ref_error(prefix, &describe(&error));
            let platform = repository.references().map_err(failed)?;
            let mut names = Vec::new();
            for reference in platform.all().map_err(failed)? {
                let reference = reference.map_err(failed)?;
                let name = reference.name().as_bstr();
                let name = name.to_str().map_err(|_| RepoError::NonUtf8Path {
                    path: name.to_string(),
                    place: "the refs".to_owned(),
                })?;
                if name.starts_with(prefix) {
                    let id = reference.target().try_id().and_then(ObjectId::from_gix);
                    names.push((name.to_owned(), id));
                }
            }
            Ok(names)
        })?;
        let mut refs = Vec::with_capacity(names.len());
        for (name, id) in names {
            let id = match id {
                Some(id) => Some(id),
                None => self.read_ref(&name)?,
            };
            refs.extend(id.map(|id| (name, id)));
        }
        refs.sort();
        Ok(refs)
    }

    /// Returns where `HEAD` points.
    ///
    /// # Errors
    /// [`RepoError::Ref`] when it cannot be read.
    pub fn head(&self) -> Result<Head, RepoError> {
        let target = self.with(|repository| find_exactly(repository, "HEAD"))?;
        match target {
            None => Err(ref_error("HEAD", "it is missing")),
            Some(gix::refs::Target::Object(id)) => Ok(Head {
                name: None,
                id: ObjectId::from_gix(&id),
            }),
            Some(gix::refs::Target::Symbolic(name)) => {
                let name = name.as_bstr().to_string();
                Ok(Head {
                    id: self.read_ref(&name)?,
                    name: Some(name),
                })
            }
        }
    }

    /// Moves all these refs, or none of them.
    ///
    /// It is one `git update-ref` transaction: it takes git's locks, writes
    /// `reason` to the reflogs, and runs the `reference-transaction` hook.
    ///
    /// # Errors
    /// [`RepoError::RefMoved`] when a ref is not what was expected, or somebody
    /// else holds its lock: read it again and retry. [`RepoError::Git`] for
    /// everything else, a hook's refusal among it.
    pub fn update_refs(&self, updates: &[RefUpdate], reason: &str) -> Result<(), RepoError> {
        if updates.is_empty() {
            return Ok(());
        }
        // A line break would end the reflog's line; git wants none.
        let reason = reason.replace(['\n', '\r', '\0'], " ");
        let arguments = ["update-ref", "-m", &reason, "--stdin", "-z"];
        let input = transaction(updates)?;
        let output = self.run_git(&arguments, input.as_bytes())?;
        if output.status.success() {
            return Ok(());
        }
        for update in updates {
            let as_expected = match update.expected {
                Expected::Any => true,
                Expected::Absent => self.read_ref(&update.name)?.is_none(),
                Expected::Is(id) => self.read_ref(&update.name)? == Some(id),
            };
            if !as_expected || is_locked(&update.name, &output.stderr) {
                let name = update.name.clone();
                return Err(RepoError::RefMoved { name });
            }
        }
        Err(failed(&arguments, &output))
    }
}

/// Returns the commands for `git update-ref --stdin -z`.
fn transaction(updates: &[RefUpdate]) -> Result<String, RepoError> {
    const NONE: &str = "0000000000000000000000000000000000000000";
    let mut input = String::from("start\0");
    for RefUpdate {
        name,
        new,
        expected,
    } in updates
    {
        if name.contains('\0') || name.is_empty() {
            return Err(ref_error(name, "this is no name of a ref"));
        }
        // An absent old value means "do not check", zeros mean "must not exist".
        let old = match expected {
            Expected::Any => String::new(),
            Expected::Absent => NONE.to_owned(),
            Expected::Is(id) => id.to_string(),
        };
        let written = match (new, expected) {
            (Some(new), _) => write!(input, "update {name}\0{new}\0{old}\0"),
            // Git cannot delete a ref that must be absent; absent it is.
            (None, Expected::Absent) => write!(input, "verify {name}\0{NONE}\0"),
            (None, _) => write!(input, "delete {name}\0{old}\0"),
        };
        written.expect("writing to a string cannot fail");
    }
    input.push_str("prepare\0commit\0");
    Ok(input)
}

/// Returns whether git gave up on `name` because of another process's lock.
fn is_locked(name: &str, stderr: &[u8]) -> bool {
    stderr.contains_str(format!("{name}.lock': File exists"))
        || stderr.contains_str("packed-refs.lock': File exists")
}

fn find_exactly(
    repository: &gix::Repository,
    name: &str,
) -> Result<Option<gix::refs::Target>, RepoError> {
    let failed = |error: gix::Error| ref_error(name, &describe(&error));
    let found = repository.try_find_reference(name).map_err(failed)?;
    // The lookup would also find `refs/heads/x` for `x`.
    Ok(found
        .filter(|reference| reference.name().as_bstr() == name)
        .map(|reference| reference.target().into_owned()))
}

fn ref_error(name: &str, reason: &str) -> RepoError {
    RepoError::Ref {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}
