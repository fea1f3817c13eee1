//! The JSON of a statement, field by field, as in-toto and SLSA name them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use straylight_odb::{ObjectId, Sha256};

use super::{BUILD_TYPE, Named, PREDICATE_TYPE, STATEMENT_TYPE, Statement, StatementError};

#[derive(Serialize, Deserialize)]
pub(super) struct StatementJson {
    #[serde(rename = "_type")]
    pub(super) kind: String,
    pub(super) subject: Vec<SubjectJson>,
    #[serde(rename = "predicateType")]
    pub(super) predicate_type: String,
    pub(super) predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SubjectJson {
    pub(super) name: String,
    pub(super) digest: DigestSet,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Predicate {
    pub(super) build_definition: BuildDefinition,
    pub(super) run_details: RunDetails,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildDefinition {
    pub(super) build_type: String,
    pub(super) external_parameters: ExternalParameters,
    #[serde(default, deserialize_with = "strings")]
    pub(super) internal_parameters: BTreeMap<String, String>,
    pub(super) resolved_dependencies: Vec<Dependency>,
}

/// The one object where an unknown field is an error: it changes what was built.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExternalParameters {
    pub(super) label: String,
    #[serde(deserialize_with = "strings")]
    pub(super) configuration: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RunDetails {
    pub(super) builder: Builder,
    pub(super) metadata: Metadata,
    pub(super) byproducts: Vec<Dependency>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Builder {
    pub(super) id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) invocation_id: String,
    #[serde(serialize_with = "put_time", deserialize_with = "time")]
    pub(super) started_on: Timestamp,
    #[serde(serialize_with = "put_time", deserialize_with = "time")]
    pub(super) finished_on: Timestamp,
}

/// What in-toto calls a resource descriptor.
#[derive(Serialize, Deserialize)]
pub(super) struct Dependency {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uri: Option<String>,
    #[serde(default)]
    pub(super) digest: DigestSet,
}

/// The digests that we know; others are ignored.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DigestSet {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<Sha256>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) git_commit: Option<ObjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) git_tree: Option<ObjectId>,
}

impl DigestSet {
    pub(super) fn sha256(sha256: Sha256) -> Self {
        Self {
            sha256: Some(sha256),
            ..Self::default()
        }
    }

    pub(super) fn commit(id: ObjectId) -> Self {
        Self {
            git_commit: Some(id),
            ..Self::default()
        }
    }

    pub(super) fn tree(id: ObjectId) -> Self {
        Self {
            git_tree: Some(id),
            ..Self::default()
        }
    }
}

impl Dependency {
    pub(super) fn new(name: &str, digest: DigestSet) -> Self {
        Self {
            name: name.to_owned(),
            uri: None,
            digest,
        }
    }
}

/// Puts the parts of a statement into their places.
pub(super) fn assemble(
    statement: &Statement,
    subjects: Vec<&Named>,
    resolved_dependencies: Vec<Dependency>,
    byproducts: Vec<Dependency>,
) -> StatementJson {
    let subject = |subject: &Named| SubjectJson {
        name: subject.name.clone(),
        digest: DigestSet::sha256(subject.sha256),
    };
    StatementJson {
        kind: STATEMENT_TYPE.to_owned(),
        subject: subjects.into_iter().map(subject).collect(),
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: ExternalParameters {
                    label: statement.label.clone(),
                    configuration: statement.configuration.clone(),
                },
                internal_parameters: statement.internal.clone(),
                resolved_dependencies,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: statement.builder.clone(),
                },
                metadata: Metadata {
                    invocation_id: statement.invocation.clone(),
                    started_on: statement.started,
                    finished_on: statement.finished,
                },
                byproducts,
            },
        },
    }
}

/// Checks the types before anything else, so that a statement about something
/// else is told from a malformed one.
pub(super) fn check_kind(bytes: &[u8]) -> Result<(), StatementError> {
    #[derive(Deserialize)]
    struct Types {
        #[serde(rename = "_type")]
        kind: String,
        #[serde(rename = "predicateType")]
        predicate_type: String,
    }
    #[derive(Deserialize)]
    struct BuildType {
        predicate: Inner,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Inner {
        build_definition: Innermost,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Innermost {
        build_type: String,
    }
    let wrong = |error: serde_json::Error| StatementError::Malformed(error.to_string());
    let same = |what, found: String, expected: &str| {
        let other = found != expected;
        let error = StatementError::OtherKind { what, found };
        if other { Err(error) } else { Ok(()) }
    };
    let types: Types = serde_json::from_slice(bytes).map_err(wrong)?;
    same("type", types.kind, STATEMENT_TYPE)?;
    same("predicate type", types.predicate_type, PREDICATE_TYPE)?;
    let build: BuildType = serde_json::from_slice(bytes).map_err(wrong)?;
    let build_type = build.predicate.build_definition.build_type;
    same("build type", build_type, BUILD_TYPE)
}

fn put_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// Reads a map of strings in which no key occurs twice: readers that take the
/// first and readers that take the last must see the same.
fn strings<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct Strings;
    impl<'de> Visitor<'de> for Strings {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = access.next_entry::<String, String>()? {
                if map.contains_key(&key) {
                    return Err(A::Error::custom(format!("duplicate field `{key}`")));
                }
                map.insert(key, value);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Strings)
}
