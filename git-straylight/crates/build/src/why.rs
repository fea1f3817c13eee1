//! Why steps run again: what they were, and what they are.
//!
//! Before a build: the graph of the last one knows the digest that each step's
//! action had, the store has the messages behind it, and the present action is
//! made as a build would make it, without running anything. After a build:
//! its `history` knows which digests it replaced. Either way two actions are
//! compared, and what differs is the cause.
//!
//! A step that reads what another step is to make has no identity yet, and may
//! not run at all if the same bytes come out: it waits.

mod compare;
pub(crate) mod history;

pub use compare::{Cause, FileChange};

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use straylight_dice::{Context, Engine, Key};
use straylight_exec::trace::TraceContent;
use straylight_odb::{ContentStore, Digest, LocalStore, MemoryContentStore, StoreError};

use crate::action_graph::{self, Steps};
use crate::configuration::Configuration;
use crate::error::{BuildError, BuildResult};
use crate::keys::{ActionKey, TargetKey, flatten};
use crate::label::Label;
use crate::perform::{self, ActionResult, exec_error};
use crate::session::Session;
use history::History;

/// What became of the steps below some targets, or what will.
#[derive(Debug, Default)]
pub struct Explanation {
    /// Steps that a build would run or look up, each after those that it reads.
    pub steps: Vec<StepNews>,
    /// Steps that are as they were after the last build, but not as before it.
    pub past: Vec<StepNews>,
    /// How many steps there are.
    pub count: usize,
}

impl Explanation {
    /// Returns whether a build would run anything.
    #[must_use]
    pub fn would_run(&self) -> bool {
        self.steps.iter().any(|step| step.fate == Fate::Runs)
    }
}

/// What there is to tell about a step.
#[derive(Debug, Clone)]
pub struct StepNews {
    /// The target that declares it.
    pub label: Label,
    /// What that target is built for.
    pub configuration: Configuration,
    /// Which step: `c_compile lapi.c.o`.
    pub step: String,
    /// The digest that its action had.
    pub before: Option<Digest>,
    /// The digest that it has; `None` if it is not known yet.
    pub now: Option<Digest>,
    /// What a build does about it.
    pub fate: Fate,
    /// What makes the difference.
    pub causes: Vec<Cause>,
}

/// What a build does about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Runs,
    /// It has changed, and its result is known from an earlier run.
    Known,
    /// It depends on what others make, which is not known yet.
    Waits,
    /// It has not changed; its outputs are gone, and it runs if somebody needs
    /// them.
    Lost,
    /// The last build has dealt with it.
    Past,
}

/// The identity of a step, as a build would make it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct PresentKey(ActionKey);

impl fmt::Display for PresentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The messages of an action, and who makes its inputs.
#[derive(Debug)]
struct Present {
    action: Digest,
    messages: MemoryContentStore,
    /// By the path of the input.
    makers: BTreeMap<String, ActionKey>,
}

impl Key for PresentKey {
    type Value = BuildResult<Arc<Present>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let analysed = flatten(ctx.compute(&self.0.target()).await)?;
        let (lowered, _) = perform::lowered(ctx, &analysed, self.0.step).await?;
        let makers = lowered
            .inputs
            .iter()
            .filter_map(|(path, input)| Some((path.clone(), input.maker()?.clone())));
        let makers = makers.collect();
        let prepared = perform::prepare(ctx, &analysed, &self.0, lowered).await?;
        let messages = MemoryContentStore::default();
        prepared.tree.write(&messages).map_err(exec_error)?;
        for message in [&prepared.action.command_bytes, &prepared.action.bytes] {
            messages.write(message).map_err(BuildError::Store)?;
        }
        Ok(Arc::new(Present {
            action: prepared.action.digest,
            messages,
            makers,
        }))
    }

    fn unchanged(_old: &Self::Value, _new: &Self::Value) -> bool {
        false
    }
}

/// Messages of the present, and below them those of the store.
#[derive(Debug)]
struct Overlay<'a> {
    above: &'a MemoryContentStore,
    below: &'a LocalStore,
}

impl ContentStore for Overlay<'_> {
    fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.above.contains(digest)? || self.below.contains(digest)?)
    }

    fn read(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        match self.above.read(digest)? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.below.read(digest),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.above.write(bytes)
    }
}

/// Explains the steps below `roots`; runs nothing.
pub(crate) async fn explain(
    engine: &Engine,
    session: &Session,
    roots: &[TargetKey],
    history: &History,
) -> BuildResult<Explanation> {
    let steps = action_graph::steps(engine, roots).await?;
    let order = ordered(&steps);
    let presents: Vec<PresentKey> = order.iter().cloned().map(PresentKey).collect();
    let presents = join_all(presents.iter().map(|key| engine.compute(key))).await;
    let results = join_all(order.iter().map(|key| engine.compute(key))).await;
    let mut explainer = Explainer {
        session,
        steps: &steps,
        history,
        unsettled: HashSet::new(),
        explanation: Explanation {
            count: order.len(),
            ..Explanation::default()
        },
    };
    for ((key, present), result) in order.iter().zip(presents).zip(results) {
        explainer.step(key, known(flatten(present))?, known(flatten(result))?)?;
    }
    Ok(explainer.explanation)
}

/// What nobody knows yet is no mistake here.
fn known<T>(result: BuildResult<T>) -> BuildResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(*error, BuildError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the steps, each after those that it reads.
fn ordered(steps: &Steps) -> Vec<ActionKey> {
    let mut order = Vec::with_capacity(steps.len());
    let mut seen = HashSet::new();
    for root in steps.keys() {
        let mut open = vec![(root, false)];
        while let Some((key, opened)) = open.pop() {
            if opened {
                order.push(key.clone());
            } else if seen.insert(key) {
                open.push((key, true));
                let below = steps.get(key).into_iter().flat_map(|(_, below)| below);
                open.extend(below.map(|below| (below, false)));
            }
        }
    }
    order
}

struct Explainer<'a> {
    session: &'a Session,
    steps: &'a Steps,
    history: &'a History,
    /// Steps whose outputs are not known yet.
    unsettled: HashSet<ActionKey>,
    explanation: Explanation,
}

impl Explainer<'_> {
    fn step(
        &mut self,
        key: &ActionKey,
        present: Option<Arc<Present>>,
        result: Option<Arc<ActionResult>>,
    ) -> BuildResult<()> {
        let before = self.history.action(key, &self.name(key));
        if result.is_none() {
            self.unsettled.insert(key.clone());
        }
        let (fate, causes) = match (&present, result) {
            (None, _) => (Fate::Waits, self.waits(key)),
            (Some(present), None) => (Fate::Runs, self.causes(present, before)?),
            (Some(present), Some(_)) if before != Some(present.action) => {
                (Fate::Known, self.causes(present, before)?)
            }
            (Some(present), Some(result)) => {
                if !self.is_stored(&result)? {
                    (Fate::Lost, vec![Cause::LostResult])
                } else if let Some(old) = self.history.replaced_by(key, &present.action) {
                    let causes = self.causes(present, Some(old))?;
                    let news = self.news(key, Some(old), Some(present.action), Fate::Past, causes);
                    self.explanation.past.push(news);
                    return Ok(());
                } else {
                    return Ok(());
                }
            }
        };
        let now = present.map(|present| present.action);
        let news = self.news(key, before, now, fate, causes);
        self.explanation.steps.push(news);
        Ok(())
    }

    fn news(
        &self,
        key: &ActionKey,
        before: Option<Digest>,
        now: Option<Digest>,
        fate: Fate,
        causes: Vec<Cause>,
    ) -> StepNews {
        StepNews {
            label: key.label.clone(),
            configuration: key.configuration,
            step: self.name(key),
            before,
            now,
            fate,
            causes,
        }
    }

    fn name(&self, key: &ActionKey) -> String {
        self.steps
            .get(key)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    /// Names the steps that are not settled among those that `key` reads.
    fn waits(&self, key: &ActionKey) -> Vec<Cause> {
        let below = self.steps.get(key).into_iter().flat_map(|(_, below)| below);
        let unsettled = below.filter(|below| self.unsettled.contains(below));
        unsettled
            .map(|below| Cause::Waits {
                label: below.label.clone(),
                step: self.name(below),
            })
            .collect()
    }

    fn causes(&self, present: &Present, before: Option<Digest>) -> BuildResult<Vec<Cause>> {
        let Some(before) = before else {
            return Ok(vec![Cause::New]);
        };
        if before == present.action {
            return Ok(vec![Cause::LostResult]);
        }
        let store = Overlay {
            above: &present.messages,
            below: &self.session.services.store,
        };
        let mut causes =
            compare::compare(&store, &before, &present.action).map_err(BuildError::Store)?;
        for cause in &mut causes {
            if let Cause::File(change) = cause {
                change.maker = self.maker(present, &change.path);
            }
        }
        Ok(causes)
    }

    /// Returns who makes the input at `path`, or a folder around it.
    fn maker(&self, present: &Present, path: &str) -> Option<(Label, String)> {
        let mut candidate = path;
        loop {
            if let Some(key) = present.makers.get(candidate) {
                return Some((key.label.clone(), self.name(key)));
            }
            candidate = candidate.rsplit_once('/')?.0;
        }
    }

    /// Returns whether the store has the files among the outputs of a step.
    fn is_stored(&self, result: &ActionResult) -> BuildResult<bool> {
        for output in &result.outputs {
            let (TraceContent::File { digest, .. } | TraceContent::Directory { tree: digest }) =
                &output.content
            else {
                continue;
            };
            let store = &self.session.services.store;
            // The empty folder need not be written.
            if digest.size() > 0 && !store.contains(digest).map_err(BuildError::Store)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What is known of the past: no graph, no past.
pub(crate) fn past(graph: Option<&std::path::Path>) -> History {
    graph.map_or_else(History::default, History::read)
}
