//! Runs of steps that others may read something of before they end.
//!
//! Such a run belongs to nobody's computation. Who needs the step first starts
//! it, whether for its early outputs or for all of them, and it goes on when the
//! first of these are there. A build does not end before its runs have.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::{BoxFuture, Shared, join_all};
use straylight_exec::Output;
use straylight_exec::trace::TraceOutput;
use straylight_odb::Digest;

use crate::analyse::Analysed;
use crate::claims::Claim;
use crate::error::{BuildError, BuildResult};
use crate::perform::Prepared;
use crate::run::run;
use crate::session::Session;

/// The runs of one attempt at a build, by the digests of their actions.
#[derive(Default)]
pub(crate) struct Runs(Mutex<HashMap<Digest, Run>>);

/// A run, under way or over.
#[derive(Clone)]
pub(crate) struct Run {
    early: Shared<BoxFuture<'static, Option<Vec<TraceOutput>>>>,
    result: Shared<BoxFuture<'static, BuildResult<Claim>>>,
}

impl Run {
    /// Waits for the early outputs; `None` if the command ended before all of
    /// them were seen.
    pub(crate) async fn early(&self) -> Option<Vec<TraceOutput>> {
        self.early.clone().await
    }

    /// Waits for the end.
    pub(crate) async fn result(&self) -> BuildResult<Claim> {
        self.result.clone().await
    }

    fn start(session: &Arc<Session>, analysed: &Arc<Analysed>, prepared: &Arc<Prepared>) -> Self {
        let (told, early) = oneshot::channel();
        let heard = Heard {
            count: prepared.early.len(),
            state: Mutex::new(HeardSoFar {
                outputs: BTreeMap::new(),
                told: Some(told),
            }),
        };
        let (session, analysed) = (Arc::clone(session), Arc::clone(analysed));
        let prepared = Arc::clone(prepared);
        let task = tokio::spawn(async move {
            let published = Arc::new(move |output: &Output| heard.note(output));
            let result = run(&session, &analysed, &prepared, published).await;
            if result.is_err() {
                session.fail();
            }
            result
        });
        let internal =
            |error: tokio::task::JoinError| Arc::new(BuildError::Internal(error.to_string()));
        let result = task.map(move |joined| joined.map_err(internal).flatten());
        Self {
            early: early.map(Result::ok).boxed().shared(),
            result: result.boxed().shared(),
        }
    }
}

/// Hears of the early outputs of one run, and tells when it has all of them.
struct Heard {
    count: usize,
    state: Mutex<HeardSoFar>,
}

struct HeardSoFar {
    outputs: BTreeMap<String, TraceOutput>,
    told: Option<oneshot::Sender<Vec<TraceOutput>>>,
}

impl Heard {
    fn note(&self, output: &Output) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let HeardSoFar { outputs, told } = &mut *state;
        outputs.insert(output.path.clone(), TraceOutput::from(output));
        if outputs.len() == self.count
            && let Some(told) = told.take()
        {
            // Nobody waits when all outputs were wanted.
            let _ = told.send(outputs.values().cloned().collect());
        }
    }
}

impl Runs {
    /// Returns the run of a step, if there is one.
    pub(crate) fn find(&self, prepared: &Prepared) -> Option<Run> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(&prepared.action.digest).cloned()
    }

    /// Returns the run of a step, and starts it if there is none.
    pub(crate) fn start(
        &self,
        session: &Arc<Session>,
        analysed: &Arc<Analysed>,
        prepared: &Arc<Prepared>,
    ) -> Run {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = runs.entry(prepared.action.digest);
        run.or_insert_with(|| Run::start(session, analysed, prepared))
            .clone()
    }

    /// Waits for the end of all runs; returns why some failed.
    pub(crate) async fn settle(&self) -> Vec<Arc<BuildError>> {
        let runs: Vec<Run> = {
            let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            runs.values().cloned().collect()
        };
        let results = join_all(runs.iter().map(Run::result)).await;
        results.into_iter().filter_map(Result::err).collect()
    }
}
