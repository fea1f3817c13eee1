//! What was imported so far, by all evaluations of an evaluator.
//!
//! Each import is loaded by the first that asks for it; others that ask
//! meanwhile wait for it, and no lock is held while it is loaded. Texts that
//! import each other in a circle, asked for from different ends at the same
//! time, would wait for each other: who would close such a circle loads its
//! part again, and finds the cycle of imports by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::import::headers::Headers;
use crate::import::resolve::Loaded;
use crate::location::Location;
use crate::syntax::Mode;

/// An import: what is pinned is the same with any headers, and has none here.
pub(super) type Key = (Location, Mode, Option<[u8; 32]>, Headers);

/// Imports, shared by threads.
#[derive(Default)]
pub(crate) struct Cache {
    state: Mutex<State>,
    /// Tells that something is no longer being loaded.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    loaded: FxHashMap<Key, Arc<Loaded>>,
    /// Who loads what.
    loading: FxHashMap<Key, Loader>,
    /// Who waits for what.
    waiting: FxHashMap<Loader, Key>,
}

/// One evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Loader(u64);

impl Loader {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What the cache says about an import.
pub(super) enum Claim<'a> {
    Known(Arc<Loaded>),
    /// It is to be loaded here; `None` if others need not wait for that.
    Load(Option<Loading<'a>>),
}

/// The right to load an import, until this is dropped.
pub(super) struct Loading<'a> {
    cache: &'a Cache,
    key: Key,
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.cache.state().loading.remove(&self.key);
        self.cache.ended.notify_all();
    }
}

impl Cache {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an import, or the right to load it.
    pub(super) fn claim(&self, key: &Key, loader: Loader) -> Claim<'_> {
        let mut state = self.state();
        loop {
            if let Some(loaded) = state.loaded.get(key) {
                return Claim::Known(Arc::clone(loaded));
            }
            let Some(owner) = state.loading.get(key) else {
                state.loading.insert(key.clone(), loader);
                let key = key.clone();
                return Claim::Load(Some(Loading { cache: self, key }));
            };
            if state.waits_for(*owner, loader) {
                return Claim::Load(None);
            }
            state.waiting.insert(loader, key.clone());
            let woken = self.ended.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.waiting.remove(&loader);
        }
    }

    pub(super) fn insert(&self, key: &Key, loaded: &Arc<Loaded>) {
        self.state().loaded.insert(key.clone(), Arc::clone(loaded));
    }
}

impl State {
    /// Returns whether `owner` is `loader`, or ends only after it does.
    fn waits_for(&self, mut owner: Loader, loader: Loader) -> bool {
        // Nobody closes a circle, so that this comes to an end.
        loop {
            if owner == loader {
                return true;
            }
            let awaited = self.waiting.get(&owner);
            match awaited.and_then(|key| self.loading.get(key)) {
                Some(next) => owner = *next,
                None => return false,
            }
        }
    }
}
