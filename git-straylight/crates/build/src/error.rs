//! What can go wrong between a label and its outputs.
//!
//! Errors are values of the engine: they are shared, compared and shown once
//! however many targets they stop.

use std::fmt;
use std::sync::Arc;

use straylight_exec::coeffects::Grade;
use straylight_exec::remote::RemoteError;
use straylight_exec::{ExecError, Isolation, Kept};
use straylight_odb::{Digest, StoreError};

use crate::configuration::Configuration;
use crate::label::{Label, LabelError, PackagePath};
use crate::tree::TreeError;

/// A place in a file of the repository. Shown as `file:line:column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Relative to the root of the repository.
    pub file: String,
    /// Line and column, both from 1; absent when only the file is known.
    pub position: Option<(usize, usize)>,
}

impl Place {
    /// Returns the place of a line and a column, both from 1.
    #[must_use]
    pub fn new(file: &str, line: usize, column: usize) -> Self {
        Self {
            file: file.to_owned(),
            position: Some((line, column)),
        }
    }

    /// Returns the place of a whole file.
    #[must_use]
    pub fn of_file(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            position: None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.position {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// A result of the engine: the error is shared by all who run into it.
pub type BuildResult<T> = Result<T, Arc<BuildError>>;

/// Why a target has no outputs.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Dhall refused a file. Has its own snippet and import chain.
    #[error("{0}")]
    Dhall(Box<straylight_dhall::Error>),
    /// A folder is not a package.
    #[error("no package `{package}`: there is no `{}`", package.build_file())]
    NoPackage {
        /// The package.
        package: PackagePath,
        /// Who asked for it.
        place: Option<Place>,
    },
    /// A package has no target of this name.
    #[error("no target `{label}`")]
    NoTarget {
        /// The label.
        label: Label,
        /// Who asked for it.
        place: Option<Place>,
        /// The targets that the package has.
        known: Vec<String>,
    },
    /// `//folder` could mean several targets.
    #[error("`{package}` does not say which target: none is named like the folder")]
    Ambiguous {
        /// The package.
        package: PackagePath,
        /// Who asked for it.
        place: Option<Place>,
        /// The targets that the package has.
        known: Vec<String>,
    },
    /// No target matches.
    #[error("no targets in or below `{package}`")]
    NothingBelow {
        /// The folder.
        package: PackagePath,
    },
    /// A `BUILD.dhall` is not a record of rules.
    #[error("{problem}")]
    NotRules {
        /// The file.
        place: Place,
        /// What is wrong.
        problem: String,
    },
    /// A text is not a label.
    #[error("{error}")]
    Label {
        /// Where it is written.
        place: Option<Place>,
        /// What is wrong.
        error: LabelError,
    },
    /// A source cannot be read.
    #[error("{error}")]
    Source {
        /// The target that lists it.
        label: Label,
        /// Where it is listed.
        place: Option<Place>,
        /// What is wrong.
        error: Arc<TreeError>,
    },
    /// The tree itself cannot be read.
    #[error(transparent)]
    Tree(Arc<TreeError>),
    /// Pinned bytes are in no store.
    #[error("the pinned file `{path}` (`ca://sha256:{sha256}`) is not in the store")]
    NotPinned {
        /// Where it is listed.
        place: Option<Place>,
        /// The path that actions see.
        path: String,
        /// The hash.
        sha256: String,
        /// Where the bytes were first found.
        urls: Vec<String>,
    },
    /// A target is not well formed.
    #[error("`{label}`: {problem}")]
    Malformed {
        /// The target.
        label: Label,
        /// Where it is written.
        place: Option<Place>,
        /// What is wrong.
        problem: String,
    },
    /// A step needs more than the executor lets through.
    #[error("`{label}`: `{step}` needs {needs}, which {} does not grant", sandbox(*isolation))]
    NotGranted {
        /// The target.
        label: Label,
        /// Where it is written.
        place: Option<Place>,
        /// The step.
        step: String,
        /// What is not granted.
        needs: Box<Grade>,
        /// Where it would run.
        isolation: Isolation,
    },
    /// A rule refused its attributes.
    #[error("`{label}` cannot be built: {}", problems.join("; "))]
    Problems {
        /// The target.
        label: Label,
        /// Where its name is written.
        place: Place,
        /// In the words of the rule.
        problems: Vec<String>,
    },
    /// Targets that wait for each other.
    #[error("these targets depend on each other: {}", path.join(" → "))]
    Cycle {
        /// Labels, the first one again at the end.
        path: Vec<String>,
    },
    /// The tree of a toolchain is not in the store.
    #[error("`{label}` needs the toolchain `ca://sha256:{sha256}`: {reason}")]
    NoToolchain {
        /// The target.
        label: Label,
        /// The root of its tree.
        sha256: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// What is pinned is not in the store, and the bucket did not give it.
    #[error("`ca://sha256:{sha256}` is not in the store: {error}")]
    Remote {
        /// The hash.
        sha256: String,
        /// What is wrong with the bucket.
        error: RemoteError,
    },
    /// A command failed, or did not do what was declared.
    #[error("{0}")]
    Action(Box<ActionFailure>),
    /// The sandbox did not work.
    #[error(transparent)]
    Exec(ExecError),
    /// The store did not work.
    #[error(transparent)]
    Store(StoreError),
    /// The store does not have bytes that it said it had. The build starts
    /// over and makes them again.
    #[error("the store has lost `ca://sha256:{}`", .0.sha256())]
    Lost(Digest),
    /// An action had to be looked up, and nobody has its result.
    #[error("`{label}`: no result is known for `{step}` (action `{action}`)")]
    Unknown {
        /// The target.
        label: Label,
        /// Which step.
        step: String,
        /// The digest of the action.
        action: Digest,
    },
    /// A defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
    /// The build was stopped, or another action failed first.
    #[error("interrupted")]
    Cancelled,
}

/// A command that failed, or that did not do what it declared.
#[derive(Debug, Clone)]
pub struct ActionFailure {
    /// The target.
    pub label: Label,
    /// In which configuration.
    pub configuration: Configuration,
    /// Which step: `c_compile lapi.c.o`.
    pub step: String,
    /// What happened, as the end of "`<step>` …".
    pub reason: String,
    /// The command: the program and its arguments.
    pub command: Vec<String>,
    /// Its environment, as far as the action says it itself; sorted.
    pub environment: Vec<(String, String)>,
    /// Where it ran, if the executor keeps that.
    pub kept: Option<Kept>,
    /// What it printed on standard output, possibly cut.
    pub stdout: Vec<u8>,
    /// What it printed on standard error, possibly cut.
    pub stderr: Vec<u8>,
}

impl fmt::Display for ActionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` {}", self.label, self.step, self.reason)
    }
}

impl BuildError {
    /// Returns what to do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPackage { package, .. } => Some(format!(
                "write `{}`, or name a folder that has one",
                package.build_file()
            )),
            Self::NoTarget { label, known, .. } => Some(did_you_mean(label.name(), known)),
            Self::Ambiguous { package, known, .. } => Some(match known.split_first() {
                Some((first, _)) => {
                    format!("name one, such as `{package}:{first}`; {}", list(known))
                }
                None => "the package has no targets".to_owned(),
            }),
            Self::Action(failure) if failure.reason.ends_with(KILLED) => Some(
                "the kernel does that when memory runs out: `-j 1` runs one command at a time"
                    .to_owned(),
            ),
            Self::Source { error, .. } => error.hint(),
            Self::Tree(error) => error.hint(),
            Self::NotPinned { urls, .. } => Some(match urls.first() {
                Some(url) => {
                    let url = url.replace('\'', "%27");
                    format!("`git straylight pin '{url}'` puts it there")
                }
                None => {
                    "`git straylight pin FILE` puts a file there that has these bytes".to_owned()
                }
            }),
            Self::NoToolchain { .. } => Some(
                "`git straylight toolchain list` says what is pinned and where it was last seen; \
                 `git straylight toolchain capture` captures what this machine has"
                    .to_owned(),
            ),
            Self::Remote { error, .. } => Some(error.cure().to_owned()),
            Self::NotGranted { needs, .. } if needs.network != Grade::pure().network => Some(
                "`git straylight pin URL` puts bytes where a build finds them; `--isolation none` \
                 runs commands without a sandbox, and it is recorded that it did"
                    .to_owned(),
            ),
            Self::NotGranted { .. } => Some(
                "make it an input; `--isolation none` runs commands without a sandbox, and it is \
                 recorded that it did"
                    .to_owned(),
            ),
            Self::Cycle { .. } => Some("take one of these dependencies away".to_owned()),
            Self::NothingBelow { package } if !package.as_str().is_empty() => Some(
                "`//...` means every target of the repository; a package is a folder with a \
                 `BUILD.dhall`"
                    .to_owned(),
            ),
            Self::NothingBelow { .. } => Some(
                "a folder with a `BUILD.dhall` is a package; `git straylight dhall library` lists \
                 the rules to write one with"
                    .to_owned(),
            ),
            Self::Lost(_) => Some(
                "it is neither a source nor a result, so it belongs to a toolchain: run `git \
                 straylight toolchain capture` again"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// Returns where in the repository's files the cause is written. Dhall's own
    /// errors bring their place with them.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::NotRules { place, .. } | Self::Problems { place, .. } => Some(place),
            Self::NoPackage { place, .. }
            | Self::NoTarget { place, .. }
            | Self::Ambiguous { place, .. }
            | Self::Label { place, .. }
            | Self::Source { place, .. }
            | Self::NotPinned { place, .. }
            | Self::Malformed { place, .. }
            | Self::NotGranted { place, .. } => place.as_ref(),
            _ => None,
        }
    }

    /// Says where the label is written whose target does not exist.
    pub(crate) fn asked_at(error: Arc<Self>, asked: &Place) -> Arc<Self> {
        let place = Some(asked.clone());
        match &*error {
            Self::NoPackage {
                package,
                place: None,
            } => Arc::new(Self::NoPackage {
                package: package.clone(),
                place,
            }),
            Self::NoTarget {
                label,
                place: None,
                known,
            } => Arc::new(Self::NoTarget {
                label: label.clone(),
                place,
                known: known.clone(),
            }),
            Self::Ambiguous {
                package,
                place: None,
                known,
            } => Arc::new(Self::Ambiguous {
                package: package.clone(),
                place,
                known: known.clone(),
            }),
            _ => error,
        }
    }

    /// Returns whether something that was asked for does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::NoPackage { .. }
                | Self::NoTarget { .. }
                | Self::NothingBelow { .. }
                | Self::NotPinned { .. }
                | Self::NoToolchain { .. }
        )
    }
}

/// How a command ends that was given no choice.
const KILLED: &str = "was ended by signal 9";

/// Returns what people call the sandbox.
const fn sandbox(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Namespaces => "its sandbox",
        Isolation::None => "a run without a sandbox",
    }
}

/// Returns the known names, the one that was probably meant first.
fn did_you_mean(name: &str, known: &[String]) -> String {
    match nearest(name, known.iter().cloned()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => list(known),
    }
}

/// Returns the name that was probably meant; `None` if none is near.
pub(crate) fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (edit_distance(name, &candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()).div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

fn list(known: &[String]) -> String {
    const SHOWN: usize = 8;
    if known.is_empty() {
        return "the package has no targets".to_owned();
    }
    let names = known
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let more = known.len().saturating_sub(SHOWN);
    if more == 0 {
        format!("the package has {names}")
    } else {
        format!("the package has {names} and {more} more")
    }
}

/// Levenshtein's distance, in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name() {
        let known = ["lua", "host", "opnames"].map(str::to_owned);
        assert_eq!(did_you_mean("hots", &known), "did you mean `host`?");
        assert_eq!(
            did_you_mean("zzzzzz", &known),
            "the package has `lua`, `host`, `opnames`"
        );
        assert_eq!(did_you_mean("x", &[]), "the package has no targets");
    }

    #[test]
    fn counts_edits() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", "abc"), 0);
    }
}
