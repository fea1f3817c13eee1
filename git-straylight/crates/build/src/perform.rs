//! From a lowered step to its result: a believed claim, or a run.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use straylight_dice::Context;
use straylight_exec::coeffects::Grade;
use straylight_exec::trace::{TraceContent, TraceOutput};
use straylight_exec::{BuiltAction, InputTree, Node, build_action, command, merkle};
use straylight_odb::{ContentStore, Digest, Sha256, StoreError};

use crate::analyse::Analysed;
use crate::claims::Claim;
use crate::configuration::Configuration;
use crate::error::{BuildError, BuildResult};
use crate::inputs::{self, Said, gather};
use crate::keys::{ActionKey, Step, flatten};
use crate::label::Label;
use crate::lower::{self, Lowered};
use crate::observer::{Event, Work};
use crate::reads::Reads;
use crate::run::run;
use crate::runs::Run;
use crate::session::{Session, Warning};

/// What a step had as its result, and where that is known from.
#[derive(Debug)]
pub struct ActionResult {
    pub(crate) key: ActionKey,
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
    pub(crate) warnings: Vec<Warning>,
}

impl ActionResult {
    /// Returns the target's label.
    #[must_use]
    pub fn label(&self) -> &Label {
        &self.key.label
    }

    /// Returns what the target was built for.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.key.configuration
    }

    /// Returns the output at `path` in the sandbox.
    #[must_use]
    pub fn output(&self, path: &str) -> Option<&TraceOutput> {
        self.outputs.iter().find(|output| output.path == path)
    }
}

/// A step whose inputs are known: its identity.
pub(crate) struct Prepared {
    pub(crate) step: String,
    pub(crate) tree: InputTree,
    pub(crate) action: BuiltAction,
    key: ActionKey,
    /// Where the command may list what it reads. A command that has nothing to
    /// list may leave it out.
    pub(crate) dep_file: Option<String>,
    /// Set if the list is used.
    pub(crate) reads: Option<Reads>,
    /// The outputs that others may read before the command ends.
    pub(crate) early: Vec<String>,
    /// What it needs beyond its inputs.
    pub(crate) needs: Grade,
    inputs: Vec<Arc<ActionResult>>,
    unended: Vec<(ActionKey, Arc<Vec<TraceOutput>>)>,
    warnings: Vec<Warning>,
}

pub(crate) async fn perform(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    key: &ActionKey,
) -> BuildResult<ActionResult> {
    let session = ctx.data::<Arc<Session>>();
    let prepared = prepared(ctx, analysed, key).await?;
    let claim = match standing(session, analysed, &prepared)? {
        Standing::Known(claim) => {
            session.reused.fetch_add(1, Ordering::Relaxed);
            session.services.observer.event(Event::Reused {
                label: &analysed.declared.label,
                step: &prepared.step,
                action: &prepared.action.digest,
            });
            Ok((claim, false))
        }
        Standing::Running(run) => run.result().await.map(|claim| (claim, true)),
        Standing::Unknown if prepared.early.is_empty() => {
            let result = run(session, analysed, &prepared, Arc::new(|_| {})).await;
            // A test that fails says something of itself alone.
            if result.is_err() && key.step != Step::Test {
                session.fail();
            }
            result.map(|claim| (claim, true))
        }
        Standing::Unknown => {
            let run = session.runs.start(session, analysed, &prepared);
            run.result().await.map(|claim| (claim, true))
        }
    };
    // The cause is the step that it read of, if that one failed.
    let ended = ended(ctx, &prepared).await?;
    let (claim, executed) = claim?;
    Ok(prepared.result(claim, executed, ended))
}

/// Returns the early outputs of a step, while it runs if it must.
pub(crate) async fn early(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    key: &ActionKey,
) -> BuildResult<Vec<TraceOutput>> {
    let session = ctx.data::<Arc<Session>>();
    let prepared = prepared(ctx, analysed, key).await?;
    let run = match standing(session, analysed, &prepared)? {
        Standing::Known(claim) => return Ok(prepared.early_of(claim)),
        Standing::Running(run) => run,
        Standing::Unknown => session.runs.start(session, analysed, &prepared),
    };
    match run.early().await {
        Some(outputs) => Ok(outputs),
        None => run.result().await.map(|claim| prepared.early_of(claim)),
    }
}

/// Waits for the steps of which early outputs were read: what was made of them
/// is worth nothing if they fail.
async fn ended(ctx: &Context, prepared: &Prepared) -> BuildResult<Vec<Arc<ActionResult>>> {
    let keys = prepared.unended.iter().map(|(key, _)| key);
    let results = all(ctx.join(keys).await.into_iter().map(flatten))?;
    for ((_, published), result) in prepared.unended.iter().zip(&results) {
        let kept = |output| result.outputs.contains(output);
        if !published.iter().all(kept) {
            // An earlier run published something else; the build starts over.
            return Err(Arc::new(BuildError::Lost(result.action)));
        }
    }
    Ok(results)
}

/// What is known of a step before anything is done.
enum Standing {
    Known(Claim),
    Running(Run),
    Unknown,
}

fn standing(session: &Session, analysed: &Analysed, prepared: &Prepared) -> BuildResult<Standing> {
    if let Some(run) = session.runs.find(prepared) {
        return Ok(Standing::Running(run));
    }
    if prepared.key.step == Step::Test && session.reruns_tests {
        return Ok(Standing::Unknown);
    }
    let (label, step) = (&analysed.declared.label, &*prepared.step);
    let known = session.timed(Work::LookUp { label, step }, || known(session, prepared))?;
    Ok(known.map_or(Standing::Unknown, Standing::Known))
}

/// Finds out what a step is.
async fn prepared(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    key: &ActionKey,
) -> BuildResult<Arc<Prepared>> {
    let (lowered, said) = lowered(ctx, analysed, key.step).await?;
    let mut prepared = prepare(ctx, analysed, key, lowered).await?;
    prepared.inputs.extend(said.steps);
    prepared.unended.extend(said.unended);
    prepared.warnings.extend(said.warnings);
    Ok(Arc::new(prepared))
}

/// Lowers a step, once it is known what its argument files say.
pub(crate) async fn lowered(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    step: Step,
) -> BuildResult<(Lowered, Said)> {
    let files = lower::argument_files(analysed, step)?;
    let mut said = inputs::lines(ctx, analysed, files).await?;
    let lines = std::mem::take(&mut said.lines);
    Ok((lower::lower(analysed, step, lines)?, said))
}

impl Prepared {
    fn result(&self, claim: Claim, executed: bool, ended: Vec<Arc<ActionResult>>) -> ActionResult {
        ActionResult {
            key: self.key.clone(),
            step: self.step.clone(),
            action: self.action.digest,
            toolchain: self.action.request().toolchain,
            outputs: claim.outputs,
            trace: claim.trace,
            executed,
            inputs: self.inputs.iter().cloned().chain(ended).collect(),
            warnings: self.warnings.clone(),
        }
    }

    /// Returns those of the outputs that are early.
    fn early_of(&self, claim: Claim) -> Vec<TraceOutput> {
        let outputs = claim.outputs.into_iter();
        outputs
            .filter(|output| self.early.contains(&output.path))
            .collect()
    }
}

pub(crate) async fn prepare(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    key: &ActionKey,
    lowered: Lowered,
) -> BuildResult<Prepared> {
    let gathered = gather(ctx, analysed, &lowered.inputs).await?;
    let command = command(lowered.arguments, lowered.env, lowered.outputs);
    let session = ctx.data::<Arc<Session>>();
    let step = match key.step {
        Step::Action(index) => analysed.declared.target.actions[index].step(),
        Step::Test => "test".to_owned(),
    };
    let (label, name) = (&analysed.declared.label, &*step);
    let action = session.timed(Work::Prepare { label, step: name }, || {
        let input_root = gathered.tree.write(&Hasher)?;
        let (root, timeout) = (lowered.root, lowered.timeout);
        let needs = lowered.needs.needs();
        Ok(build_action(command, input_root, root, &needs, timeout))
    });
    let action = action.map_err(exec_error)?;
    let narrows = session.narrows;
    let dep_file = lowered.dep_file;
    let reads = dep_file.clone().filter(|_| narrows);
    Ok(Prepared {
        dep_file,
        step,
        reads: reads.map(|list| Reads::new(&action, &gathered.nodes, &lowered.named, list)),
        action,
        key: key.clone(),
        tree: gathered.tree,
        early: lowered.early,
        needs: lowered.needs,
        inputs: gathered.steps,
        unended: gathered.unended,
        warnings: gathered.warnings,
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

/// Returns the best claim that may stand for a run: about the action itself, or
/// about one that reads the same.
fn known(session: &Session, prepared: &Prepared) -> BuildResult<Option<Claim>> {
    if let Some(claim) = believed(session, &prepared.action.digest)? {
        return Ok(Some(claim));
    }
    let Some(reads) = &prepared.reads else {
        return Ok(None);
    };
    let claims = &session.services.claims;
    for read in claims.reads(&reads.digest).map_err(BuildError::Store)? {
        if let Some(digest) = reads.with(&read)
            && let Some(claim) = believed(session, &digest)?
        {
            return Ok(Some(claim));
        }
    }
    Ok(None)
}

/// Returns the best claim about an action that is believed.
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

pub(crate) fn exec_error(error: merkle::TreeError) -> Arc<BuildError> {
    Arc::new(BuildError::Exec(error.into()))
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
