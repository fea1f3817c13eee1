//! What a verification finds out itself: the bytes of artifacts, the root of
//! the sources, and whether the trace keeps to the spec.

use std::collections::BTreeMap;
use std::sync::Arc;

use straylight_attest::Statement;
use straylight_attest::verify::{Artifact, Question, Trace};
use straylight_build::claims::SameIsolation;
use straylight_build::materialize::OUTPUT_FOLDER;
use straylight_build::record::{ActionRecord, BuildRecord, RecordedClaims};
use straylight_build::state::State;
use straylight_build::{BuildError, Label, Mode, Options, Reference, Wanted};
use straylight_exec::trace::{self, TraceStatus};
use straylight_odb::local::hash_file;
use straylight_odb::{RepoError, Sha256, layout};

use crate::commands::attest::source_root;
use crate::error::{CommandError, Result};
use crate::setup::Workspace;

/// Adds what can be found out about a statement to the question.
pub(super) fn gather(
    workspace: &Workspace,
    mut question: Question,
    statement: &Statement,
) -> Result<Question> {
    let attested = question.commit.unwrap_or(statement.source.commit);
    let commit = match workspace.repository.read_commit(attested) {
        Ok(commit) => Some(commit),
        // A file can be of a commit that this clone does not have.
        Err(RepoError::MissingObject { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    question.commit = commit.as_ref().map(|commit| commit.id);
    if let Some(commit) = &commit {
        question.source_root = Some(source_root(workspace, commit)?);
    }
    let spec = workspace.store.read_record(&layout::spec(statement.spec))?;
    question.spec = spec.map(|bytes| Sha256::of(&bytes));
    let bytes = workspace
        .store
        .read_record(&layout::trace(statement.trace))?;
    if let Some(bytes) = bytes {
        question.trace = Some(Trace {
            sha256: Sha256::of(&bytes),
            satisfies_spec: match commit {
                Some(_) => keeps_to_spec(workspace, statement, &bytes)?,
                None => None,
            },
        });
    }
    if question.artifacts.is_empty() {
        question.artifacts = artifacts(workspace, statement)?;
    }
    Ok(question)
}

/// Returns the artifacts of a statement, hashed again where they are at hand:
/// where a build put them, or in the store.
fn artifacts(workspace: &Workspace, statement: &Statement) -> Result<Vec<Artifact>> {
    let head = workspace.repository.head()?.id;
    let mut artifacts = Vec::new();
    for subject in &statement.subjects {
        let on_disk = workspace
            .repository
            .work_tree()
            .map(|root| root.join(OUTPUT_FOLDER).join(&subject.name))
            .filter(|path| head == Some(statement.source.commit) && path.is_file());
        // Bytes under a name that is not theirs are a miss to a build, and say
        // something to a verification.
        let path =
            on_disk.unwrap_or_else(|| workspace.store.root().join(layout::blob(subject.sha256)));
        let sha256 = match path.is_file() {
            true => Some(hash_file(&path)?.sha256()),
            false => None,
        };
        artifacts.push(Artifact {
            name: Some(subject.name.clone()),
            sha256,
        });
    }
    Ok(artifacts)
}

/// Compares the record of a build with the commit's sources: they must call
/// for exactly these actions, and the actions must have done what is recorded.
/// `None` when a part of the record is not at hand.
fn keeps_to_spec(
    workspace: &Workspace,
    statement: &Statement,
    bytes: &[u8],
) -> Result<Option<std::result::Result<(), String>>> {
    let Some(record) = BuildRecord::decode(bytes) else {
        return Ok(Some(Err(
            "the trace is not the record of a build".to_owned()
        )));
    };
    if record.label != statement.label || record.spec() != statement.spec {
        return Ok(Some(Err("the trace is about another target".to_owned())));
    }
    if record.action_table() != statement.actions {
        return Ok(Some(Err(
            "the trace has another table of actions".to_owned()
        )));
    }
    for action in &record.actions {
        let Some(bytes) = workspace
            .store
            .read_record(&layout::trace(action.trace()))?
        else {
            return Ok(None);
        };
        if let Err(reason) = did_what_is_recorded(action, &bytes) {
            let step = format!("{}: `{}` {reason}", action.label, action.step);
            return Ok(Some(Err(step)));
        }
    }
    recompute(workspace, statement, &record).map(Some)
}

/// Compares an action's line in the record with the trace of its run.
fn did_what_is_recorded(action: &ActionRecord, bytes: &[u8]) -> std::result::Result<(), String> {
    if Sha256::of(bytes) != action.trace() {
        return Err("has a trace that was changed".to_owned());
    }
    let trace = trace::Trace::decode(bytes).map_err(|error| error.to_string())?;
    if trace.action != action.action() {
        return Err(format!(
            "was recorded as {}, and ran as {}",
            action.action(),
            trace.action
        ));
    }
    if trace.outputs != action.outputs {
        return Err("made other outputs than are recorded".to_owned());
    }
    if trace.status != TraceStatus::Exited(0) {
        return Err("did not succeed".to_owned());
    }
    let undeclared = |effect: &&String| !trace.effects.declared.contains(effect);
    match trace.effects.observed.iter().find(undeclared) {
        Some(effect) => Err(format!("used `{effect}`, which it does not declare")),
        None => Ok(()),
    }
}

/// Derives the actions from the commit's sources again. Nothing runs: what an
/// action made is taken from the record, so that each action's own inputs,
/// and with them its digest, are those of the recorded build.
fn recompute(
    workspace: &Workspace,
    statement: &Statement,
    record: &BuildRecord,
) -> Result<std::result::Result<(), String>> {
    let isolation = "recorded";
    let claims = Arc::new(RecordedClaims::new(record, isolation));
    let belief = Arc::new(SameIsolation(isolation.to_owned()));
    let Some(options) = options(statement) else {
        return Ok(Err(
            "the statement names a configuration that does not exist".to_owned(),
        ));
    };
    let commit = workspace.repository.read_commit(statement.source.commit)?;
    let tree = workspace.git_tree(&commit, &Arc::new(State::forgetful()));
    let builder = workspace.replayer(Arc::new(tree), claims, belief, options)?;
    let label = target(&statement.label)?;
    let report = builder.build(&[label], Wanted::Outputs, None);
    if let Some(error) = report.failures.first() {
        return Ok(Err(match &**error {
            BuildError::Unknown { label, step, .. } => {
                format!("the sources call for `{step}` of {label} otherwise than is recorded")
            }
            error => error.to_string(),
        }));
    }
    let Some(built) = report.built.first() else {
        return Ok(Err("the sources do not build it".to_owned()));
    };
    let again = BuildRecord::of(built).expect("a replay looks at every action");
    if again.spec() != record.spec() {
        return Ok(Err("the sources have another spec".to_owned()));
    }
    if again.action_table() != record.action_table() {
        return Ok(Err(
            "the record has actions that the sources do not call for".to_owned(),
        ));
    }
    let outputs: BTreeMap<_, _> = built
        .outputs
        .iter()
        .filter_map(|output| Some((output.path.as_str(), sha256(&output.content)?)))
        .collect();
    let attested = statement.subjects.iter();
    for subject in attested {
        if outputs.get(subject.name.as_str()) != Some(&subject.sha256) {
            return Ok(Err(format!(
                "no action made `{}` as it is attested",
                subject.name
            )));
        }
    }
    Ok(Ok(()))
}

/// Returns how to build for the configuration of a statement.
fn options(statement: &Statement) -> Option<Options> {
    Some(Options {
        target: Some(statement.configuration.get("target")?.parse().ok()?),
        mode: match statement.configuration.get("mode")?.as_str() {
            "debug" => Mode::debug,
            "release" => Mode::release,
            _ => return None,
        },
        ..Options::native()
    })
}

/// Returns the hash that names an output, if it has bytes.
fn sha256(content: &trace::TraceContent) -> Option<Sha256> {
    match content {
        trace::TraceContent::File { digest, .. } => Some(digest.sha256()),
        trace::TraceContent::Directory { tree } => Some(tree.sha256()),
        trace::TraceContent::Symlink { .. } => None,
    }
}

fn target(label: &str) -> Result<Label> {
    let root = straylight_build::PackagePath::new("").map_err(CommandError::usage)?;
    match Reference::parse(label, &root).map_err(CommandError::usage)? {
        Reference::Target(label) => Ok(label),
        _ => Err(CommandError::usage(format!("`{label}` is not one target"))),
    }
}
