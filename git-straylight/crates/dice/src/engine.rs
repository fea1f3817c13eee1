//! The engine as its user sees it, and transactions.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::erased::{Value, typed};
use crate::graph::{Dated, Dependencies};
use crate::image::Image;
use crate::persist::{Codec, Codecs, Persistent};
use crate::requests::{Need, Shared, State};
use crate::restored::Restored;
use crate::{Data, EngineError, Key, save};

/// A graph of results that is brought up to date on demand.
///
/// A handle: clones share one graph. Requests run as tasks of the tokio
/// runtime in which they are made.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// A value that is right. Needs its engine no more.
pub struct Current<K> {
    key: K,
    known: Known,
}

enum Known {
    Value(Value),
    Stored(Arc<dyn Codec>, Vec<u8>),
}

impl<K: Key> fmt::Debug for Current<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&self.key).finish()
    }
}

impl<K: Key> Current<K> {
    /// Returns the value; `None` if other values are needed to read it.
    #[must_use]
    pub fn value(self) -> Option<K::Value> {
        let value = match self.known {
            Known::Value(value) => value,
            Known::Stored(codec, stored) => codec.read(&self.key, &stored)?,
        };
        Some(typed::<K>(&value).clone())
    }
}

/// How much work an engine has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Keys that were computed to their end.
    pub computed: u64,
    /// Results that a transaction put in doubt and that were found to be right
    /// without computing them.
    pub reused: u64,
}

impl Engine {
    /// Returns an engine without results. Computations reach `data` through
    /// [`crate::Context::data`].
    #[must_use]
    pub fn new(data: Data) -> Self {
        Self {
            shared: Shared::new(data, Codecs::default(), None),
        }
    }

    /// Returns an engine that goes on from the image in a file, if it holds
    /// one that was written with the same `context`; else one without results.
    ///
    /// An image is read in one piece, but for the values: these are read when
    /// somebody looks at them. The file must not be changed in place.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn resume(
        data: Data,
        codecs: Codecs,
        image: Option<File>,
        context: &[u8; 32],
    ) -> io::Result<Self> {
        let image = match image {
            Some(file) => Image::open(file, Some(context))?,
            None => None,
        };
        let restored = image.map(|image| Restored::new(image, codecs.clone()));
        Ok(Self {
            shared: Shared::new(data, codecs, restored),
        })
    }

    /// Writes an image of all results whose keys have codecs, and of those in
    /// the image that this engine goes on from and that somebody may want yet.
    ///
    /// # Errors
    /// When `to` refuses, or the graph is too large for an image.
    pub fn save(&self, to: impl Write, context: &[u8; 32]) -> io::Result<()> {
        save::save(&self.shared.lock(), &self.shared.codecs, to, context)
    }

    /// Starts to collect changes. Nothing happens before
    /// [`Transaction::commit`].
    pub fn update(&self) -> Transaction {
        Transaction {
            shared: Arc::clone(&self.shared),
            changes: Vec::new(),
        }
    }

    /// Returns the value of `key` in the current revision.
    ///
    /// Dropping the future withdraws the request; what nobody else waits for
    /// is stopped. Not for use inside a computation: it would not be recorded,
    /// and a cycle through it would hang.
    ///
    /// # Errors
    /// [`EngineError`] when the key has no value. That is not remembered: the
    /// next request tries again.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn compute<K: Key>(&self, key: &K) -> Result<K::Value, EngineError> {
        loop {
            let answer = {
                let mut state = self.shared.lock();
                let node = state.graph.keys.intern(key);
                self.shared.request(&mut state, node, Need::Value, None)
            };
            if let Some(value) = answer.get().await?.value {
                return Ok(typed::<K>(&value).clone());
            }
        }
    }

    /// Brings `key` up to date, and returns its value if anybody has looked at
    /// it since it came from an image. `None` says that it is right, unseen.
    ///
    /// # Errors
    /// As in [`Engine::compute`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn verify<K: Key>(&self, key: &K) -> Result<Option<K::Value>, EngineError> {
        let answer = {
            let mut state = self.shared.lock();
            let node = state.graph.keys.intern(key);
            self.shared.request(&mut state, node, Need::Date, None)
        };
        let value = answer.get().await?.value;
        Ok(value.map(|value| typed::<K>(&value).clone()))
    }

    /// Returns the value of `key` if it is known to be right. Nothing is computed.
    #[must_use]
    pub fn current<K: Key>(&self, key: &K) -> Option<Current<K>> {
        let mut state = self.shared.lock();
        let node = state.graph.keys.intern(key);
        state.graph.seek(node, &self.shared.data);
        let known = match &state.graph.clean(node)?.value {
            Some(value) => Known::Value(Arc::clone(value)),
            None => {
                let (codec, stored) = state.graph.stored(node)?;
                Known::Stored(codec, stored)
            }
        };
        Some(Current {
            key: key.clone(),
            known,
        })
    }

    /// Returns how many results of keys of this type were found in the image,
    /// and found to be right, since the engine was made.
    #[must_use]
    pub fn confirmed<K: Persistent>(&self) -> u64 {
        let state = self.shared.lock();
        let restored = state.graph.restored.as_ref();
        restored.map_or(0, |restored| restored.confirmed(K::TAG))
    }

    /// Returns the value in writing that the image has of a key, whether or not
    /// it is up to date.
    #[must_use]
    pub fn recorded<K: Persistent>(&self, key: &K) -> Option<Vec<u8>> {
        let state = self.shared.lock();
        let image = &state.graph.restored.as_ref()?.image;
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        image.value(image.find(K::TAG, &bytes)?)
    }

    /// Stops everything that runs. Who waits gets [`EngineError::Cancelled`];
    /// finished results are kept, and later requests run as usual.
    pub fn cancel(&self) {
        let stopped = self.shared.cancel_all(&mut self.shared.lock());
        stopped.into_iter().for_each(crate::requests::Stopped::tell);
    }

    /// Returns the value of type `T` that the engine was made with.
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.shared.data.get()
    }

    /// Returns how much work was done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            computed: self.shared.computed.load(Ordering::Relaxed),
            reused: self.shared.reused.load(Ordering::Relaxed),
        }
    }
}

type Change = Box<dyn FnOnce(&mut State) + Send>;

/// Changes that become visible together.
#[must_use = "changes are lost unless they are committed"]
pub struct Transaction {
    shared: Arc<Shared>,
    changes: Vec<Change>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transaction({} changes)", self.changes.len())
    }
}

impl Transaction {
    /// Declares that `key` may have another value now: it is computed again
    /// when it is next asked for. A value that was [set](Self::set) is
    /// forgotten in favour of a computed one.
    pub fn invalidate<K: Key>(mut self, key: K) -> Self {
        self.changes.push(Box::new(move |state| {
            if let Some(node) = state.graph.keys.find(&key) {
                state.graph.force(node);
            }
        }));
        self
    }

    /// Gives `key` a value without computing it: a leaf of the graph.
    pub fn set<K: Key>(mut self, key: K, value: K::Value) -> Self {
        self.changes.push(Box::new(move |state| {
            let node = state.graph.keys.intern(&key);
            let value: Value = Arc::new(value);
            let old = state.graph.remembered(node);
            let same = old.filter(|old| state.graph.is_unchanged(&key, old, &value));
            let changed_at = same.map(|old| old.dated.changed_at);
            let dated = Dated {
                value: Some(value),
                changed_at: changed_at.unwrap_or(state.revision),
            };
            state
                .graph
                .remember(node, dated, Dependencies::default(), state.revision);
            if changed_at.is_none() {
                state.graph.suspect_above(node);
            }
        }));
        self
    }

    /// Applies the changes, in their order, and starts a new revision.
    ///
    /// What is being computed belongs to the old one: it is cancelled.
    pub fn commit(self) {
        let mut state = self.shared.lock();
        let stopped = self.shared.cancel_all(&mut state);
        state.graph.absorb(&self.shared.data);
        state.revision += 1;
        for change in self.changes {
            change(&mut state);
        }
        drop(state);
        stopped.into_iter().for_each(crate::requests::Stopped::tell);
    }
}
