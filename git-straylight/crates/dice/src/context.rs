//! What a computation sees of the engine.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use crate::erased::{Node, Value, typed};
use crate::graph::Dependencies;
use crate::requests::{Answer, Need, Run, Shared, State};
use crate::{EngineError, Key};

/// Answers a computation's requests, and records them as its dependencies.
#[derive(Debug)]
pub struct Context {
    shared: Arc<Shared>,
    run: Run,
    record: Mutex<Record>,
}

/// What was asked for, and how it is answered.
type Asked = (Node, Answer);

#[derive(Debug, Default)]
struct Record {
    seen: FxHashSet<Node>,
    dependencies: Dependencies,
    failure: Option<EngineError>,
}

impl Context {
    pub(crate) fn new(shared: Arc<Shared>, run: Run) -> Self {
        Self {
            shared,
            run,
            record: Mutex::new(Record::default()),
        }
    }

    /// Returns the value of `key`, and depends on it from now on.
    ///
    /// # Errors
    /// [`EngineError`] when the key has no value. The asking computation then
    /// has none either, whatever it returns.
    pub async fn compute<K: Key>(&self, key: &K) -> Result<K::Value, EngineError> {
        let mut answers = self.request(std::iter::once(key));
        let answer = answers.pop().expect("one answer for one key");
        self.settle::<K>(answer).await
    }

    /// Returns the values of `keys`, in their order; computes them in parallel.
    ///
    /// # Errors
    /// For each key as in [`Context::compute`].
    pub async fn join<'a, K: Key>(
        &self,
        keys: impl IntoIterator<Item = &'a K>,
    ) -> Vec<Result<K::Value, EngineError>> {
        let answers = self.request(keys.into_iter());
        let mut values = Vec::with_capacity(answers.len());
        for answer in answers {
            // They run already; the order of waiting does not matter.
            values.push(self.settle::<K>(answer).await);
        }
        values
    }

    /// Returns the values of `keys`, or the failure of the first that has none.
    ///
    /// # Errors
    /// As in [`Context::compute`].
    pub async fn try_join<'a, K: Key>(
        &self,
        keys: impl IntoIterator<Item = &'a K>,
    ) -> Result<Vec<K::Value>, EngineError> {
        self.join(keys).await.into_iter().collect()
    }

    /// Returns the value of type `T` that the engine was made with.
    ///
    /// # Panics
    /// When the engine's data has none. The panic is reported to who asked for
    /// the computation.
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(&self) -> &T {
        self.shared.data.get().unwrap_or_else(|| {
            panic!(
                "the engine was made without a `{}`",
                std::any::type_name::<T>()
            )
        })
    }

    /// Records a group of dependencies and asks for them, in one step.
    fn request<'a, K: Key>(&self, keys: impl Iterator<Item = &'a K>) -> Vec<Asked> {
        let mut state = self.shared.lock();
        let nodes: Vec<Node> = keys.map(|key| state.graph.keys.intern(key)).collect();
        {
            let mut record = self.record.lock();
            let Record {
                seen, dependencies, ..
            } = &mut *record;
            dependencies.push_group(nodes.iter().copied().filter(|node| seen.insert(*node)));
        }
        let ask = |node| (node, self.ask(&mut state, node));
        nodes.into_iter().map(ask).collect()
    }

    fn ask(&self, state: &mut State, node: Node) -> Answer {
        self.shared
            .request(state, node, Need::Value, Some(self.run))
    }

    async fn value(&self, node: Node, mut answer: Answer) -> Result<Value, EngineError> {
        loop {
            if let Some(value) = answer.get().await?.value {
                return Ok(value);
            }
            answer = self.ask(&mut self.shared.lock(), node);
        }
    }

    async fn settle<K: Key>(&self, (node, answer): Asked) -> Result<K::Value, EngineError> {
        match self.value(node, answer).await {
            Ok(value) => Ok(typed::<K>(&value).clone()),
            Err(error) => {
                self.record
                    .lock()
                    .failure
                    .get_or_insert_with(|| error.clone());
                Err(error)
            }
        }
    }

    /// Returns what was asked for, and the first failure.
    pub(crate) fn into_record(self) -> (Dependencies, Option<EngineError>) {
        let record = self.record.into_inner();
        (record.dependencies, record.failure)
    }
}
