//! What every computation of one build can reach.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use straylight_dhall::Evaluator;
use straylight_exec::{Cancellation, Executor};
use straylight_odb::LocalStore;
use tokio::sync::Semaphore;

use crate::claims::{Belief, Claims};
use crate::error::Place;
use crate::observer::{Event, Observer};
use crate::tree::SourceTree;

/// The rooms that a build works with.
#[derive(Clone, Debug)]
pub struct Services {
    /// Where sources come from.
    pub tree: Arc<dyn SourceTree>,
    /// Where bytes and records are kept.
    pub store: Arc<LocalStore>,
    /// What is known about actions.
    pub claims: Arc<dyn Claims>,
    /// Which of it may be used.
    pub belief: Arc<dyn Belief>,
    /// Runs what is not known; without one, such an action is an error.
    pub executor: Option<Arc<dyn Executor>>,
    /// Hears what happens.
    pub observer: Arc<dyn Observer>,
    /// Stops the build.
    pub cancellation: Cancellation,
}

/// One attempt at a build.
pub(crate) struct Session {
    pub(crate) services: Services,
    pub(crate) tree: Arc<dyn SourceTree>,
    pub(crate) evaluator: Arc<Evaluator>,
    /// How many commands may run at once.
    pub(crate) permits: Semaphore,
    pub(crate) keep_going: bool,
    /// Set after the store has lost something: what it says is checked.
    pub(crate) distrusts_store: bool,
    pub(crate) executed: AtomicUsize,
    pub(crate) reused: AtomicUsize,
    failed: AtomicBool,
    warned: Mutex<HashSet<(String, String)>>,
}

impl Session {
    pub(crate) fn new(
        services: Services,
        evaluator: Arc<Evaluator>,
        jobs: usize,
        keep_going: bool,
        distrusts_store: bool,
    ) -> Self {
        Self {
            tree: Arc::clone(&services.tree),
            services,
            evaluator,
            permits: Semaphore::new(jobs.max(1)),
            keep_going,
            distrusts_store,
            executed: AtomicUsize::new(0),
            reused: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            warned: Mutex::default(),
        }
    }

    /// Tells a warning, once.
    pub(crate) fn warn(&self, place: Place, message: String) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert((place.to_string(), message.clone())) {
            self.services.observer.event(Event::Warning {
                place: &place,
                message: &message,
            });
        }
    }

    /// Notes that something failed: unless the build goes on, nothing new runs.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Returns whether nothing new should run.
    pub(crate) fn is_stopped(&self) -> bool {
        self.services.cancellation.is_cancelled()
            || (!self.keep_going && self.failed.load(Ordering::Relaxed))
    }
}
