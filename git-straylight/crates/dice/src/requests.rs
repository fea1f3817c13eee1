//! What is running, who waits for it, and how a request is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::graph::{Dated, Graph, Revision};
use crate::persist::Codecs;
use crate::restored::Restored;
use crate::waits::{Task, Waits};
use crate::{Data, EngineError, erased::Node, task};

/// How a request ends.
pub(crate) type Outcome = Result<Dated, EngineError>;

/// What the engine, its tasks and its contexts share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) data: Data,
    pub(crate) codecs: Codecs,
    pub(crate) computed: AtomicU64,
    pub(crate) reused: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) graph: Graph,
    pub(crate) revision: Revision,
    running: FxHashMap<Node, Running>,
    waits: Waits,
    /// The key of each running task, to name the members of a cycle.
    nodes: FxHashMap<Task, Node>,
    next_task: u64,
}

/// A task that computes or checks one key in the current revision.
#[derive(Debug)]
struct Running {
    task: Task,
    abort: AbortHandle,
    /// Requests that have not been dropped. At zero the task is stopped.
    interested: usize,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

/// A task and the revision that it works in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) task: Task,
    pub(crate) node: Node,
    pub(crate) revision: Revision,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Whether the result has changed.
    Date,
    /// The value, too.
    Value,
}

/// A request: answered at once, or when a task ends.
#[derive(Debug)]
pub(crate) enum Answer {
    Ready(Outcome),
    Waiting(Waiting),
}

impl Answer {
    pub(crate) async fn get(self) -> Outcome {
        match self {
            Self::Ready(outcome) => outcome,
            Self::Waiting(mut waiting) => {
                let outcome = (&mut waiting.outcome).await;
                waiting.answered = true;
                outcome.unwrap_or(Err(EngineError::Cancelled))
            }
        }
    }
}

/// An unanswered request. Dropping it withdraws it.
#[derive(Debug)]
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    from: Option<Task>,
    node: Node,
    task: Task,
    outcome: oneshot::Receiver<Outcome>,
    answered: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.withdraw(self.from, self.node, self.task);
        }
    }
}

impl Shared {
    pub(crate) fn new(data: Data, codecs: Codecs, restored: Option<Restored>) -> Arc<Self> {
        let mut state = State::default();
        if let Some(restored) = restored {
            state.revision = u64::from(restored.image.revision) + 1;
            state.graph.restored = Some(restored);
        }
        Arc::new(Self {
            data,
            codecs,
            computed: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Asks for `node`, on behalf of `from` or of the engine's user.
    ///
    /// Who needs a value and is answered without one asks again: the request
    /// had joined one that only needed the date.
    pub(crate) fn request(
        self: &Arc<Self>,
        state: &mut State,
        node: Node,
        need: Need,
        from: Option<Run>,
    ) -> Answer {
        // A task of an older revision may run on for a moment after it was
        // stopped. It must not mix values of two revisions.
        if from.is_some_and(|run| run.revision != state.revision) {
            return Answer::Ready(Err(EngineError::Cancelled));
        }
        state.graph.seek(node, &self.data);
        if need == Need::Value {
            state.graph.read(node);
        }
        if let Some(dated) = state.graph.clean(node)
            && (need == Need::Date || dated.value.is_some())
        {
            return Answer::Ready(Ok(dated.clone()));
        }
        if !state.running.contains_key(&node) {
            self.start(state, node);
        }
        let running = state.running.get_mut(&node).expect("it was just started");
        if let Some(from) = from
            && let Err(cycle) = state.waits.wait(from.task, running.task)
        {
            return Answer::Ready(Err(state.name_cycle(&cycle)));
        }
        let (sender, outcome) = oneshot::channel();
        running.waiters.push(sender);
        running.interested += 1;
        Answer::Waiting(Waiting {
            shared: Arc::clone(self),
            from: from.map(|run| run.task),
            node,
            task: running.task,
            outcome,
            answered: false,
        })
    }

    fn start(self: &Arc<Self>, state: &mut State, node: Node) {
        state.next_task += 1;
        let task = Task(state.next_task);
        let run = Run {
            task,
            node,
            revision: state.revision,
        };
        // The task's first step takes the lock that is held here, so it cannot
        // end before it is registered.
        let handle = tokio::spawn(task::run(Arc::clone(self), run));
        state.waits.start(task);
        state.nodes.insert(task, node);
        state.running.insert(
            node,
            Running {
                task,
                abort: handle.abort_handle(),
                interested: 0,
                waiters: Vec::new(),
            },
        );
    }

    /// Ends a task with what `conclude` makes of the graph, unless the task
    /// was stopped, and answers everyone who waits for it.
    pub(crate) fn finish(
        &self,
        run: Run,
        conclude: impl FnOnce(&mut Graph, &AtomicU64) -> Outcome,
    ) {
        let mut state = self.lock();
        let Some(running) = state.take(run.node, run.task) else {
            return;
        };
        let outcome = conclude(&mut state.graph, &self.computed);
        drop(state);
        running.answer(&outcome);
    }

    /// Stops everything that runs; all who wait are told that it is cancelled.
    pub(crate) fn cancel_all(&self, state: &mut State) -> Vec<Stopped> {
        let running = std::mem::take(&mut state.running);
        for stopped in running.values() {
            state.waits.end(stopped.task);
            state.nodes.remove(&stopped.task);
        }
        running.into_values().map(Stopped).collect()
    }

    fn withdraw(&self, from: Option<Task>, node: Node, task: Task) {
        let mut state = self.lock();
        if let Some(from) = from {
            state.waits.give_up(from, task);
        }
        let Some(running) = state.running.get_mut(&node) else {
            return;
        };
        if running.task != task {
            return;
        }
        running.interested -= 1;
        if running.interested > 0 {
            return;
        }
        let stopped = state.take(node, task);
        drop(state);
        if let Some(stopped) = stopped {
            stopped.abort.abort();
        }
    }

    pub(crate) fn count_reused(&self) {
        self.reused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that was taken out of the running ones, and is yet to be told so.
/// Nothing is told while the state is locked.
#[derive(Debug)]
pub(crate) struct Stopped(Running);

impl Stopped {
    pub(crate) fn tell(self) {
        self.0.abort.abort();
        self.0.answer(&Err(EngineError::Cancelled));
    }
}

impl Running {
    fn answer(self, outcome: &Outcome) {
        for waiter in self.waiters {
            // Who no longer listens has dropped the request.
            let _ = waiter.send(outcome.clone());
        }
    }
}

impl State {
    /// Removes `node` from the running ones, if `task` is what runs it.
    fn take(&mut self, node: Node, task: Task) -> Option<Running> {
        if self.running.get(&node)?.task != task {
            return None;
        }
        self.waits.end(task);
        self.nodes.remove(&task);
        self.running.remove(&node)
    }

    fn name_cycle(&self, tasks: &[Task]) -> EngineError {
        let names = tasks.iter().filter_map(|task| self.nodes.get(task));
        EngineError::cycle(
            names
                .map(|node| self.graph.keys.key(*node).name())
                .collect(),
        )
    }
}
