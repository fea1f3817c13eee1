//! From a lowered step to its result: a believed claim, or a run.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use straylight_dice::Context;
use straylight_exec::trace::{TraceContent, TraceOutput};
use straylight_exec::{BuiltAction, InputTree, Node, build_action, command, merkle};
use straylight_odb::{ContentStore, Digest, Sha256, StoreError};

use crate::analyse::Analysed;
use crate::claims::Claim;
use crate::configuration::Configuration;
use crate::error::{BuildError, BuildResult};
use crate::inputs::{self, Said, gather};
use crate::keys::{ActionKey, Step};
use crate::label::Label;
use crate::lower::{self, Lowered};
use crate::observer::{Event, Work};
use crate::reads::Reads;
use crate::run::run;
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
    inputs: Vec<Arc<ActionResult>>,
    warnings: Vec<Warning>,
}

pub(crate) async fn perform(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    key: &ActionKey,
) -> BuildResult<ActionResult> {
    let session = ctx.data::<Arc<Session>>();
    let (lowered, said) = lowered(ctx, analysed, key.step).await?;
    let mut prepared = prepare(ctx, analysed, key, lowered).await?;
    prepared.inputs.extend(said.steps);
    prepared.warnings.extend(said.warnings);
    let runs_again = key.step == Step::Test && session.reruns_tests;
    let (label, step) = (&analysed.declared.label, &*prepared.step);
    let known = if runs_again {
        None
    } else {
        session.timed(Work::LookUp { label, step }, || known(session, &prepared))?
    };
    if let Some(claim) = known {
        session.reused.fetch_add(1, Ordering::Relaxed);
        session.services.observer.event(Event::Reused {
            label,
            step,
            action: &prepared.action.digest,
        });
        return Ok(prepared.result(claim, false));
    }
    let result = run(session, analysed, &prepared).await;
    // A test that fails says something of itself alone.
    if result.is_err() && key.step != Step::Test {
        session.fail();
    }
    Ok(prepared.result(result?, true))
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
    fn result(self, claim: Claim, executed: bool) -> ActionResult {
        ActionResult {
            key: self.key,
            step: self.step,
            action: self.action.digest,
            toolchain: self.action.request().toolchain,
            outputs: claim.outputs,
            trace: claim.trace,
            executed,
            inputs: self.inputs,
            warnings: self.warnings,
        }
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
        Ok(build_action(command, input_root, root, &[], timeout))
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
        inputs: gathered.steps,
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
