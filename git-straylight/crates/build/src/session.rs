//! What every computation of one build can reach.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use minicbor::{Decode, Encode};
use straylight_dhall::Evaluator;
use straylight_exec::remote::{RemoteError, Transfer};
use straylight_exec::{Cancellation, LazyExecutor, Remote};
use straylight_odb::{Digest, LocalStore};
use tokio::sync::Semaphore;

use crate::build::Options;
use crate::claims::{Belief, Claims};
use crate::error::{BuildError, BuildResult, Place};
use crate::files::Files;
use crate::keys::ActionKey;
use crate::observer::{Event, Observer, Work};
use crate::runs::Runs;
use crate::tree::{Signature, SourceTree};

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
    pub executor: Option<Arc<LazyExecutor>>,
    /// Has pinned bytes and toolchains that the store lacks.
    pub remote: Option<Arc<Remote>>,
    /// Hears what happens.
    pub observer: Arc<dyn Observer>,
    /// Stops the build.
    pub cancellation: Cancellation,
}

impl Services {
    /// Takes pinned bytes from the bucket. Returns whether they are here now.
    pub(crate) fn fetch_blob(&self, digest: &Digest) -> BuildResult<bool> {
        self.fetch(digest, Remote::fetch_blob)
    }

    /// Takes what is missing of a pinned tree from the bucket. Returns whether it
    /// is here now, whole: another step may have brought it.
    pub(crate) fn fetch_tree(&self, root: &Digest) -> BuildResult<bool> {
        self.fetch(root, Remote::fetch_tree)
    }

    fn fetch(&self, digest: &Digest, fetch: Fetch) -> BuildResult<bool> {
        let Some(remote) = &self.remote else {
            return Ok(false);
        };
        let sha256 = digest.sha256();
        let fetched = fetch(remote, &self.store, digest, &self.cancellation);
        let transfer = fetched.map_err(|error| match error {
            RemoteError::Cancelled => BuildError::Cancelled,
            error => BuildError::Remote {
                sha256: sha256.to_string(),
                error,
            },
        })?;
        if let Some(transfer) = transfer.filter(|transfer| *transfer != Transfer::default()) {
            self.observer.event(Event::Fetched {
                sha256,
                from: remote.url(),
                transfer,
            });
        }
        Ok(transfer.is_some())
    }
}

type Fetch =
    fn(&Remote, &LocalStore, &Digest, &Cancellation) -> Result<Option<Transfer>, RemoteError>;

/// Something to tell about a result, as long as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub(crate) struct Warning {
    #[n(0)]
    file: String,
    #[n(1)]
    position: Option<(u64, u64)>,
    #[n(2)]
    about: About,
}

/// What a warning is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub(crate) enum About {
    /// What a rule says.
    #[n(0)]
    Rule(#[n(0)] String),
    /// The source at this path, which git does not know.
    #[n(1)]
    Untracked(#[n(0)] String),
    /// The source at this path, of which git stores other bytes.
    #[n(2)]
    Converted(#[n(0)] String),
}

impl Warning {
    pub(crate) fn new(place: &Place, about: About) -> Self {
        let position = place
            .position
            .map(|(line, column)| (line as u64, column as u64));
        Self {
            file: place.file.clone(),
            position,
            about,
        }
    }

    fn place(&self) -> Place {
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        match self.position {
            Some((line, column)) => Place::new(&self.file, number(line), number(column)),
            None => Place::of_file(&self.file),
        }
    }
}

/// One attempt at a build.
pub(crate) struct Session {
    pub(crate) services: Services,
    pub(crate) tree: Arc<dyn SourceTree>,
    pub(crate) files: Arc<Files>,
    pub(crate) evaluator: Arc<Evaluator>,
    /// How many commands may run at once.
    pub(crate) permits: Semaphore,
    pub(crate) keep_going: bool,
    /// Whether tests run though their results are known.
    pub(crate) reruns_tests: bool,
    /// Set after the store has lost something: what it says is checked.
    pub(crate) distrusts_store: bool,
    /// Whether an action may stand for others that read the same.
    pub(crate) narrows: bool,
    pub(crate) executed: AtomicUsize,
    pub(crate) reused: AtomicUsize,
    failed: AtomicBool,
    warned: Mutex<HashSet<Warning>>,
    /// Steps that were computed, with their names and actions.
    pub(crate) runs: Runs,
    computed: Mutex<Vec<(ActionKey, String, Digest)>>,
    tracking: OnceLock<Option<Signature>>,
}

impl Session {
    pub(crate) fn new(
        services: Services,
        files: Arc<Files>,
        evaluator: Arc<Evaluator>,
        options: &Options,
    ) -> Self {
        Self {
            tree: Arc::clone(&services.tree),
            services,
            files,
            evaluator,
            permits: Semaphore::new(options.jobs.max(1)),
            keep_going: options.keep_going,
            reruns_tests: options.reruns_tests,
            distrusts_store: false,
            narrows: false,
            executed: AtomicUsize::new(0),
            reused: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            warned: Mutex::default(),
            runs: Runs::default(),
            computed: Mutex::default(),
            tracking: OnceLock::new(),
        }
    }

    /// Does some work on this thread, and tells how long it took.
    pub(crate) fn timed<T>(&self, work: Work<'_>, does: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = does();
        let end = Instant::now();
        (self.services.observer).event(Event::Worked { work, start, end });
        done
    }

    /// Tells a warning, once.
    pub(crate) fn warn(&self, warning: &Warning) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(warning.clone()) {
            let place = &warning.place();
            self.services.observer.event(match &warning.about {
                About::Rule(message) => Event::Warning { place, message },
                About::Untracked(path) => Event::Untracked { place, path },
                About::Converted(path) => Event::Converted { place, path },
            });
        }
    }

    /// Notes which action a step was computed to be.
    pub(crate) fn note(&self, key: &ActionKey, step: &str, action: Digest) {
        let mut computed = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        computed.push((key.clone(), step.to_owned(), action));
    }

    /// Returns the steps that were computed so far.
    pub(crate) fn computed(&self) -> Vec<(ActionKey, String, Digest)> {
        let computed = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        computed.clone()
    }

    /// Returns the signature of what decides which files are tracked, as it is
    /// when this is first asked.
    pub(crate) fn tracking_signature(&self) -> &Option<Signature> {
        self.tracking.get_or_init(|| self.tree.tracking_signature())
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
