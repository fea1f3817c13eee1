//! From a lowered step to its result: a believed claim, or a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use straylight_dice::{Context, EngineError};
use straylight_exec::action::WORKING_DIRECTORY;
use straylight_exec::trace::{TraceContent, TraceOutput};
use straylight_exec::{
    BuiltAction, ExecError, InputTree, Node, Outcome, Status, Trace, build_action, command, merkle,
};
use straylight_odb::{ContentStore, Digest, Sha256, StoreError, layout};

use crate::analyse::Analysed;
use crate::claims::Claim;
use crate::error::{ActionFailure, BuildError, BuildResult};
use crate::keys::{ActionKey, SourceKey, Step, flatten};
use crate::lower::{self, Input, Lowered};
use crate::observer::Event;
use crate::session::Session;
use crate::tree::{SourceFile, TreeError};

/// What a step had as its result, and where that is known from.
#[derive(Debug)]
pub struct ActionResult {
    /// `//folder:name`.
    pub label: crate::label::Label,
    /// What the target was built for.
    pub configuration: crate::configuration::Configuration,
    /// Which step: `c_compile lapi.c.o`.
    pub step: String,
    /// The action's digest.
    pub action: Digest,
    /// Its outputs, by their paths in the sandbox.
    pub outputs: Vec<TraceOutput>,
    /// The record of the run.
    pub trace: Sha256,
    /// The tree that was its file system.
    pub toolchain: Option<Digest>,
    /// Whether it ran in this build.
    pub executed: bool,
    /// The steps whose outputs it read.
    pub inputs: Vec<Arc<ActionResult>>,
}

impl ActionResult {
    /// Returns the output at `path` in the sandbox.
    #[must_use]
    pub fn output(&self, path: &str) -> Option<&TraceOutput> {
        self.outputs.iter().find(|output| output.path == path)
    }
}

/// A step whose inputs are known: its identity.
struct Prepared {
    step: String,
    tree: InputTree,
    action: BuiltAction,
    inputs: Vec<Arc<ActionResult>>,
}

pub(crate) async fn perform(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    step: Step,
) -> BuildResult<ActionResult> {
    let session = ctx.data::<Arc<Session>>();
    let lowered = lower::lower(analysed, step)?;
    let prepared = prepare(ctx, analysed, step, lowered).await?;
    if let Some(claim) = believed(session, &prepared.action.digest)? {
        session.reused.fetch_add(1, Ordering::Relaxed);
        session.services.observer.event(Event::Reused {
            label: &analysed.declared.label,
            step: &prepared.step,
        });
        return Ok(prepared.result(analysed, claim, false));
    }
    let result = run(session, analysed, &prepared).await;
    if result.is_err() {
        session.fail();
    }
    Ok(prepared.result(analysed, result?, true))
}

impl Prepared {
    fn result(self, analysed: &Analysed, claim: Claim, executed: bool) -> ActionResult {
        ActionResult {
            label: analysed.declared.label.clone(),
            configuration: analysed.declared.configuration,
            step: self.step,
            action: self.action.digest,
            toolchain: self.action.request().toolchain,
            outputs: claim.outputs,
            trace: claim.trace,
            executed,
            inputs: self.inputs,
        }
    }
}

async fn prepare(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    step: Step,
    lowered: Lowered,
) -> BuildResult<Prepared> {
    let (tree, inputs) = gather(ctx, analysed, &lowered.inputs).await?;
    let command = command(lowered.arguments, lowered.env, lowered.outputs);
    let input_root = tree.write(&Hasher).map_err(exec_error)?;
    Ok(Prepared {
        step: match step {
            Step::Action(index) => analysed.declared.target.actions[index].step(),
            Step::Test => "test".to_owned(),
        },
        action: build_action(command, input_root, lowered.root, &[], lowered.timeout),
        tree,
        inputs,
    })
}

/// Takes digests and keeps nothing: an action is often known by its digest
/// alone, and its folders need not be written.
#[derive(Debug)]
pub(crate) struct Hasher;

impl ContentStore for Hasher {
    fn contains(&self, _digest: &Digest) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn read(&self, _digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(None)
    }

    fn write(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        Ok(Digest::of(bytes))
    }
}

/// Makes the tree of a step's inputs.
async fn gather(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    inputs: &BTreeMap<String, Input>,
) -> BuildResult<(InputTree, Vec<Arc<ActionResult>>)> {
    let mut sources: Vec<(&str, &str)> = Vec::new();
    let mut made: Vec<(&str, ActionKey)> = Vec::new();
    let mut tree = InputTree::new();
    if inputs.is_empty() {
        tree.insert(WORKING_DIRECTORY, Node::EmptyDir)
            .map_err(exec_error)?;
    }
    for (path, input) in inputs {
        match input {
            Input::Source { path, written } => sources.push((path, written)),
            Input::Made(key) => made.push((path, key.clone())),
            Input::Pinned { digest, urls } => {
                insert(
                    &mut tree,
                    analysed,
                    path,
                    pinned(ctx, analysed, path, digest, urls)?,
                )?;
            }
        }
    }
    let source_keys: Vec<SourceKey> = (sources.iter())
        .map(|(path, _)| SourceKey((*path).to_owned()))
        .collect();
    let files = ctx.join(&source_keys);
    let mut keys: Vec<ActionKey> = made.iter().map(|(_, key)| key.clone()).collect();
    keys.sort();
    keys.dedup();
    let results = ctx.join(&keys);
    let (files, results) = futures::join!(files, results);
    for ((path, written), file) in sources.into_iter().zip(files) {
        insert(
            &mut tree,
            analysed,
            path,
            source(ctx, analysed, path, written, file)?,
        )?;
    }
    let results = all(results.into_iter().map(flatten))?;
    let steps: BTreeMap<_, _> = keys.into_iter().zip(results).collect();
    for (path, key) in made {
        let Some(output) = steps[&key].output(path) else {
            let problem = format!("the known result of `{key}` lacks `{path}`");
            return Err(Arc::new(BuildError::Internal(problem)));
        };
        insert(&mut tree, analysed, path, node(&output.content))?;
    }
    Ok((tree, steps.into_values().collect()))
}

/// Returns all values, or the cause of what failed: what was not started
/// because of a failure elsewhere says nothing.
pub(crate) fn all<T>(results: impl IntoIterator<Item = BuildResult<T>>) -> BuildResult<Vec<T>> {
    let mut values = Vec::new();
    let mut failed = None;
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => match failed.as_deref() {
                None | Some(BuildError::Cancelled) => failed = Some(error),
                Some(_) => {}
            },
        }
    }
    failed.map_or(Ok(values), Err)
}

fn insert(tree: &mut InputTree, analysed: &Analysed, path: &str, node: Node) -> BuildResult<()> {
    tree.insert(&format!("{WORKING_DIRECTORY}/{path}"), node)
        .map_err(|error| analysed.declared.malformed(path, error.to_string()))
}

fn node(content: &TraceContent) -> Node {
    match content {
        TraceContent::File { digest, executable } => Node::File {
            digest: *digest,
            executable: *executable,
        },
        TraceContent::Directory { tree } => Node::Directory { digest: *tree },
        TraceContent::Symlink { target } => Node::Symlink {
            target: target.clone(),
        },
    }
}

fn source(
    ctx: &Context,
    analysed: &Analysed,
    path: &str,
    written: &str,
    file: Result<Result<SourceFile, Arc<TreeError>>, EngineError>,
) -> BuildResult<Node> {
    let session = ctx.data::<Arc<Session>>();
    let place = || analysed.declared.package.place_of(written);
    let unreadable = |error| {
        Arc::new(BuildError::Source {
            label: analysed.declared.label.clone(),
            place: Some(place()),
            error,
        })
    };
    let file = flatten(file.map(|file| file.map_err(unreadable)))?;
    if !session.tree.is_tracked(path) {
        session.warn(
            place(),
            format!("`{path}` is not tracked: `git add {path}`, or no other clone has it"),
        );
    }
    Ok(Node::File {
        digest: file.digest,
        executable: file.executable,
    })
}

fn pinned(
    ctx: &Context,
    analysed: &Analysed,
    path: &str,
    digest: &Digest,
    urls: &[String],
) -> BuildResult<Node> {
    let store = &ctx.data::<Arc<Session>>().services.store;
    if !store.contains(digest).map_err(BuildError::Store)? {
        let sha256 = digest.sha256().to_string();
        return Err(Arc::new(BuildError::NotPinned {
            place: Some(analysed.declared.package.place_of(&sha256)),
            path: path.to_owned(),
            sha256,
            urls: urls.to_vec(),
        }));
    }
    Ok(Node::File {
        digest: *digest,
        executable: false,
    })
}

/// Returns the best claim that may stand for a run.
fn believed(session: &Session, action: &Digest) -> BuildResult<Option<Claim>> {
    let services = &session.services;
    let claims = services.claims.find(action).map_err(BuildError::Store)?;
    for claim in claims {
        if !services.belief.accepts(&claim) {
            continue;
        }
        if !session.distrusts_store || is_stored(session, &claim)? {
            return Ok(Some(claim));
        }
    }
    Ok(None)
}

fn is_stored(session: &Session, claim: &Claim) -> BuildResult<bool> {
    let store = &*session.services.store;
    for output in &claim.outputs {
        let stored = match &output.content {
            TraceContent::File { digest, .. } => {
                store.contains(digest).map_err(BuildError::Store)?
            }
            TraceContent::Directory { tree } => is_complete(store, tree)?,
            TraceContent::Symlink { .. } => true,
        };
        if !stored {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether the store has everything in a tree.
fn is_complete(store: &dyn ContentStore, tree: &Digest) -> BuildResult<bool> {
    let walked = merkle::walk(store, tree, &mut |_, node| match node {
        Node::File { digest, .. } if !store.contains(digest)? => {
            Err(merkle::TreeError::MissingBlob(*digest))
        }
        _ => Ok(()),
    });
    match walked {
        Ok(()) => Ok(true),
        Err(merkle::TreeError::MissingBlob(_) | merkle::TreeError::Malformed { .. }) => Ok(false),
        Err(error) => Err(exec_error(error)),
    }
}

fn exec_error(error: merkle::TreeError) -> Arc<BuildError> {
    Arc::new(BuildError::Exec(error.into()))
}

async fn run(session: &Session, analysed: &Analysed, prepared: &Prepared) -> BuildResult<Claim> {
    let services = &session.services;
    let declared = &analysed.declared;
    let Some(executor) = services.executor.clone() else {
        return Err(Arc::new(BuildError::Unknown {
            label: declared.label.clone(),
            step: prepared.step.clone(),
            action: prepared.action.digest,
        }));
    };
    let cancelled = || Arc::new(BuildError::Cancelled);
    let _permit = session.permits.acquire().await.map_err(|_| cancelled())?;
    if session.is_stopped() {
        return Err(cancelled());
    }
    keep_request(session, prepared)?;
    services.observer.event(Event::Started {
        label: &declared.label,
        step: &prepared.step,
    });
    let start = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
    let (request, cancellation) = (prepared.action.request(), services.cancellation.clone());
    let runner = Arc::clone(&executor);
    let outcome = tokio::task::spawn_blocking(move || runner.execute(&request, &cancellation))
        .await
        .map_err(|error| BuildError::Internal(error.to_string()))?
        .map_err(|error| refused(analysed, prepared, error))?;
    session.executed.fetch_add(1, Ordering::Relaxed);
    let failure = failure(analysed, prepared, &outcome);
    services.observer.event(Event::Finished {
        label: &declared.label,
        step: &prepared.step,
        succeeded: failure.is_none(),
        wall: outcome.usage.wall,
        stderr: if failure.is_none() {
            &outcome.stderr
        } else {
            &[]
        },
    });
    if let Some(error) = failure {
        return Err(Arc::new(error));
    }
    let description = executor.description();
    let trace = Trace::of(
        &prepared.action.request(),
        &outcome,
        &description,
        &[],
        start,
    );
    let claim = Claim {
        outputs: trace.outputs.clone(),
        trace: trace.sha256(),
        isolation: description.isolation.as_str().to_owned(),
    };
    keep_result(session, prepared, &outcome, &trace, &claim).map_err(BuildError::Store)?;
    Ok(claim)
}

/// Stores what an executor reads, and what another one would ask for.
fn keep_request(session: &Session, prepared: &Prepared) -> BuildResult<()> {
    let store = &*session.services.store;
    prepared.tree.write(store).map_err(exec_error)?;
    store
        .write(&prepared.action.command_bytes)
        .map_err(BuildError::Store)?;
    store
        .write(&prepared.action.bytes)
        .map_err(BuildError::Store)?;
    Ok(())
}

fn keep_result(
    session: &Session,
    prepared: &Prepared,
    outcome: &Outcome,
    trace: &Trace,
    claim: &Claim,
) -> Result<(), StoreError> {
    let services = &session.services;
    services.store.write(&outcome.stdout)?;
    services.store.write(&outcome.stderr)?;
    let key = layout::trace(claim.trace);
    services.store.write_record(&key, &trace.encode())?;
    services.claims.record(&prepared.action.digest, claim)
}

/// Says why the sandbox did not run a step.
fn refused(analysed: &Analysed, prepared: &Prepared, error: ExecError) -> BuildError {
    let no_toolchain = |digest: Digest, reason: String| BuildError::NoToolchain {
        label: analysed.declared.label.clone(),
        sha256: digest.sha256().to_string(),
        reason,
    };
    match error {
        ExecError::MissingBlob(digest) if prepared.action.request().toolchain == Some(digest) => {
            no_toolchain(digest, "it is not in the store".to_owned())
        }
        ExecError::MissingBlob(digest) => BuildError::Lost(digest),
        ExecError::Toolchain { digest, reason } => no_toolchain(digest, reason),
        error => BuildError::Exec(error),
    }
}

/// Returns what is wrong with a run, if anything is.
fn failure(analysed: &Analysed, prepared: &Prepared, outcome: &Outcome) -> Option<BuildError> {
    let list = |paths: &[String]| {
        let shown = paths.iter().take(3).map(|path| format!("`{path}`"));
        let text = shown.collect::<Vec<_>>().join(", ");
        match paths.len().checked_sub(4) {
            Some(more) => format!("{text} and {} more", more + 1),
            None => text,
        }
    };
    let reason = match outcome.status {
        Status::Cancelled => return Some(BuildError::Cancelled),
        Status::TimedOut => {
            let timeout = prepared.action.request().timeout;
            let limit = timeout.unwrap_or_default().as_secs();
            format!("took longer than {limit} s")
        }
        Status::Signaled(signal) => format!("was ended by signal {signal}"),
        Status::Exited(0) if !outcome.missing.is_empty() => {
            format!("did not make {}", list(&outcome.missing))
        }
        Status::Exited(0) if !outcome.undeclared.is_empty() => {
            format!(
                "made {}, which it does not declare",
                list(&outcome.undeclared)
            )
        }
        Status::Exited(0) if !outcome.rejected.is_empty() => {
            let rejected = &outcome.rejected[0];
            format!(
                "made `{}`, which cannot be kept: {}",
                rejected.path, rejected.reason
            )
        }
        Status::Exited(0) => return None,
        Status::Exited(code) => format!("failed with exit code {code}"),
    };
    Some(BuildError::Action(Box::new(ActionFailure {
        label: analysed.declared.label.clone(),
        configuration: analysed.declared.configuration,
        step: prepared.step.clone(),
        reason,
        command: prepared.action.command.arguments.clone(),
        stdout: outcome.stdout.clone(),
        stderr: outcome.stderr.clone(),
    })))
}
