//! In-toto statements (v1) with SLSA provenance (v1): what is signed about a
//! build of a commit.
//!
//! ```text
//! _type, predicateType
//! subject[]                                    name, sha256
//! predicate.buildDefinition
//!   buildType                                  https://straylight.cx/build/v1
//!   externalParameters                         label, configuration; nothing else
//!   internalParameters                         strings
//!   resolvedDependencies[]                     commit (gitCommit), tree (gitTree),
//!                                              source (sha256), toolchain/<name> (sha256)
//! predicate.runDetails
//!   builder.id                                 https://straylight.cx/builder/v1/<isolation>
//!   metadata                                   invocationId, startedOn, finishedOn
//!   byproducts[]                               spec, trace, actions, and maybe proof (sha256)
//! ```
//!
//! Equal statements are equal bytes. Reading is strict about everything that a
//! verifier decides by (an unexpected external parameter changes what was built,
//! so it is an error) and ignores fields it does not know elsewhere.

mod json;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use straylight_odb::{ObjectId, Sha256};

use json::{Dependency, DigestSet, StatementJson};

/// The type of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The type of the predicate.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// The type of the builds that are described.
pub const BUILD_TYPE: &str = "https://straylight.cx/build/v1";

/// What every builder id starts with; the isolation follows.
const BUILDER_PREFIX: &str = "https://straylight.cx/builder/v1/";

const TOOLCHAIN_PREFIX: &str = "toolchain/";

/// Returns the id of the builder with this isolation, such as `namespace`.
#[must_use]
pub fn builder_id(isolation: &str) -> String {
    format!("{BUILDER_PREFIX}{isolation}")
}

/// What was built, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The artifacts, sorted by name.
    pub subjects: Vec<Named>,
    /// The label that was built.
    pub label: String,
    /// The configuration it was built in.
    pub configuration: BTreeMap<String, String>,
    /// What else is worth telling; nothing is decided by it.
    pub internal: BTreeMap<String, String>,
    /// What it was built from.
    pub source: Source,
    /// The toolchains' trees, sorted by name.
    pub toolchains: Vec<Named>,
    /// Who built it; see [`builder_id`].
    pub builder: String,
    /// The name of this one run.
    pub invocation: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// The normalised target.
    pub spec: Sha256,
    /// What ran.
    pub trace: Sha256,
    /// The table of all actions.
    pub actions: Sha256,
    /// A proof about the build.
    pub proof: Option<Sha256>,
}

/// A name and a hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The name, unique among its kind.
    pub name: String,
    /// The sha256 of the bytes.
    pub sha256: Sha256,
}

/// What was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The URI of the repository, when it has one.
    pub repository: Option<String>,
    /// The commit.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// The sha256 Merkle root of the sources.
    pub root: Sha256,
}

/// A payload that is not a statement of this kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The payload is about something else: another predicate or build type.
    #[error("the statement has the {what} `{found}`, which this version does not know")]
    OtherKind {
        /// Which type differs.
        what: &'static str,
        /// Its value.
        found: String,
    },
    /// The payload says what it is, and is not that.
    #[error("the statement is malformed: {0}")]
    Malformed(String),
}

impl Statement {
    /// Returns the statement as JSON; equal statements give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&StatementJson::from(self)).expect("strings and maps always encode")
    }

    /// Reads a statement.
    ///
    /// # Errors
    /// [`StatementError::OtherKind`] for a statement that is about something
    /// else, [`StatementError::Malformed`] for one that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        json::check_kind(bytes)?;
        let json: StatementJson = serde_json::from_slice(bytes)
            .map_err(|error| StatementError::Malformed(error.to_string()))?;
        json.try_into()
    }

    /// Returns the subject called `name`.
    #[must_use]
    pub fn subject(&self, name: &str) -> Option<&Named> {
        self.subjects.iter().find(|subject| subject.name == name)
    }

    /// Returns the isolation in the builder's id; `None` for a foreign builder.
    #[must_use]
    pub fn isolation(&self) -> Option<&str> {
        self.builder.strip_prefix(BUILDER_PREFIX)
    }
}

impl TryFrom<StatementJson> for Statement {
    type Error = StatementError;

    fn try_from(json: StatementJson) -> Result<Self, StatementError> {
        let definition = json.predicate.build_definition;
        let run = json.predicate.run_details;
        let dependencies = Table::new("dependency", &definition.resolved_dependencies)?;
        let byproducts = Table::new("byproduct", &run.byproducts)?;
        let subjects = json.subject.into_iter().map(|subject| {
            let sha256 = subject.digest.sha256.ok_or_else(|| missing("subject"))?;
            let name = subject.name;
            Ok(Named { name, sha256 })
        });
        let commit = dependencies.get("commit")?;
        Ok(Self {
            subjects: unique("subject", subjects.collect::<Result<_, _>>()?)?,
            label: definition.external_parameters.label,
            configuration: definition.external_parameters.configuration,
            internal: definition.internal_parameters,
            source: Source {
                repository: commit
                    .uri
                    .as_deref()
                    .map(|uri| uri.strip_prefix("git+").unwrap_or(uri).to_owned()),
                commit: commit.digest.git_commit.ok_or_else(|| missing("commit"))?,
                tree: dependencies
                    .get("tree")?
                    .digest
                    .git_tree
                    .ok_or_else(|| missing("tree"))?,
                root: dependencies.sha256("source")?,
            },
            toolchains: dependencies.toolchains()?,
            builder: run.builder.id,
            invocation: run.metadata.invocation_id,
            started: run.metadata.started_on,
            finished: run.metadata.finished_on,
            spec: byproducts.sha256("spec")?,
            trace: byproducts.sha256("trace")?,
            actions: byproducts.sha256("actions")?,
            proof: byproducts
                .contains("proof")
                .then(|| byproducts.sha256("proof"))
                .transpose()?,
        })
    }
}

/// Descriptors by name, each name once.
struct Table<'a> {
    kind: &'static str,
    rows: BTreeMap<&'a str, &'a Dependency>,
}

impl<'a> Table<'a> {
    fn new(kind: &'static str, list: &'a [Dependency]) -> Result<Self, StatementError> {
        let mut rows = BTreeMap::new();
        for row in list.iter().filter(|row| !row.name.is_empty()) {
            if rows.insert(row.name.as_str(), row).is_some() {
                return Err(malformed(format!("the {kind} `{}` occurs twice", row.name)));
            }
        }
        Ok(Self { kind, rows })
    }

    fn contains(&self, name: &str) -> bool {
        self.rows.contains_key(name)
    }

    fn get(&self, name: &str) -> Result<&'a Dependency, StatementError> {
        let row = self.rows.get(name).copied();
        row.ok_or_else(|| malformed(format!("the {} `{name}` is missing", self.kind)))
    }

    fn sha256(&self, name: &str) -> Result<Sha256, StatementError> {
        self.get(name)?.digest.sha256.ok_or_else(|| missing(name))
    }

    fn toolchains(&self) -> Result<Vec<Named>, StatementError> {
        let rows = self.rows.iter();
        rows.filter_map(|(name, row)| Some((name.strip_prefix(TOOLCHAIN_PREFIX)?, row)))
            .map(|(name, row)| {
                let sha256 = row.digest.sha256.ok_or_else(|| missing(name))?;
                let name = name.to_owned();
                Ok(Named { name, sha256 })
            })
            .collect()
    }
}

fn unique(kind: &str, mut list: Vec<Named>) -> Result<Vec<Named>, StatementError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = list.iter().find(|row| !names.insert(&row.name)) {
        return Err(malformed(format!(
            "the {kind} `{}` occurs twice",
            twice.name
        )));
    }
    if list.is_empty() {
        return Err(malformed(format!("there is no {kind}")));
    }
    list.sort();
    Ok(list)
}

fn malformed(reason: String) -> StatementError {
    StatementError::Malformed(reason)
}

fn missing(name: &str) -> StatementError {
    malformed(format!("`{name}` has no digest of the right kind"))
}

impl From<&Statement> for StatementJson {
    fn from(statement: &Statement) -> Self {
        let source = &statement.source;
        let mut dependencies = vec![
            Dependency {
                uri: source.repository.as_ref().map(|uri| format!("git+{uri}")),
                ..Dependency::new("commit", DigestSet::commit(source.commit))
            },
            Dependency::new("tree", DigestSet::tree(source.tree)),
            Dependency::new("source", DigestSet::sha256(source.root)),
        ];
        dependencies.extend(sorted(&statement.toolchains).map(|toolchain| {
            let name = format!("{TOOLCHAIN_PREFIX}{}", toolchain.name);
            Dependency::new(&name, DigestSet::sha256(toolchain.sha256))
        }));
        let products = [
            ("spec", Some(statement.spec)),
            ("trace", Some(statement.trace)),
            ("actions", Some(statement.actions)),
            ("proof", statement.proof),
        ];
        let byproducts = products
            .into_iter()
            .filter_map(|(name, sha256)| Some(Dependency::new(name, DigestSet::sha256(sha256?))));
        json::assemble(
            statement,
            sorted(&statement.subjects).collect(),
            dependencies,
            byproducts.collect(),
        )
    }
}

fn sorted(list: &[Named]) -> impl Iterator<Item = &Named> {
    list.iter().collect::<BTreeSet<_>>().into_iter()
}

#[cfg(test)]
pub(crate) mod tests;
