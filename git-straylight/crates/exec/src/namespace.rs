//! The namespace executor: each action in its own Linux namespaces.
//!
//! What an action sees: its inputs in `/build`, read-only, and the folders of
//! its outputs there, writable; the toolchain's tree as the root file system,
//! read-only; an empty `/tmp`; five devices; a read-only `/proc` of its own.
//! It has no network, not even a loopback interface that is up, no capability,
//! no way to gain one, and no open file but its three streams. Where the kernel can,
//! it refuses system calls that no build has a use for (`filter.rs`), and writing
//! anywhere else a second time (`landlock.rs`); the trace says whether it could. It is user
//! 1000 on the host `straylight`, whoever runs the executor.
//!
//! The sandboxes are made by a helper process (`helper.rs`), because a process
//! with threads cannot enter a user namespace, nor safely copy itself.
//!
//! # Limits
//! The clock, randomness and the processor are the machine's. Time spent by
//! orphans of the command is not counted in [`Usage`].

mod client;
mod enter;
mod filter;
mod helper;
mod landlock;
mod protocol;
mod sandbox;
mod sys;
mod unavailable;
mod walls;

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use straylight_odb::{Digest, LocalStore, Sha256};

use crate::action::{Description, Executor, Isolation, Outcome, Published, Request, Status, Usage};
use crate::cancellation::Cancellation;
use crate::collect::{Collected, Taking, collect};
use crate::early::Watch;
use crate::error::ExecError;
use crate::inputs::{Placing, Wanted};
use crate::kept::Keeper;
use crate::session::Session;
use crate::staging::Staged;
use crate::toolchains::{self, Toolchain};
pub use enter::enter;

use client::{End, Helper, Run};
use protocol::Spec;
use walls::Walls;

/// Becomes the sandbox helper, and does not return, if that is what this
/// process was started for.
///
/// The first thing in `main` of every program that uses [`NamespaceExecutor`]:
/// before there is a second thread.
pub fn helper_main_if_requested() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == protocol::HELPER_ARGUMENT)
    {
        let cache = arguments.next().unwrap_or_default();
        match std::io::stdin().as_fd().try_clone_to_owned() {
            Ok(control) => helper::main(&control, Path::new(&cache)),
            Err(_) => std::process::exit(1),
        }
    }
}

/// Runs each action in Linux namespaces of its own.
#[derive(Debug)]
pub struct NamespaceExecutor {
    store: Arc<LocalStore>,
    program: PathBuf,
    // Dropped before the session: no sandbox is left when its folder goes.
    helper: Mutex<Option<Helper>>,
    walls: Walls,
    toolchains: Mutex<HashMap<Digest, Arc<Mutex<Option<Toolchain>>>>>,
    session: Session,
    keeper: Option<Keeper>,
}

impl NamespaceExecutor {
    /// Returns an executor whose helper is this program, which must call
    /// [`helper_main_if_requested`] first of all.
    ///
    /// Removes what crashed executors left in the store's folder.
    ///
    /// # Errors
    /// [`ExecError::NamespacesUnavailable`] · [`ExecError::Io`].
    pub fn new(store: Arc<LocalStore>) -> Result<Self, ExecError> {
        Self::with_helper(store, PathBuf::from("/proc/self/exe"))
    }

    /// Returns an executor whose helper is another program.
    ///
    /// # Errors
    /// As [`NamespaceExecutor::new`].
    pub fn with_helper(store: Arc<LocalStore>, program: PathBuf) -> Result<Self, ExecError> {
        let session = Session::open(store.root())?;
        let helper = Helper::start(&program, store.root(), session.lock())?;
        Ok(Self {
            store,
            program,
            walls: helper.walls(),
            helper: Mutex::new(Some(helper)),
            toolchains: Mutex::default(),
            session,
            keeper: None,
        })
    }

    /// Makes the executor keep the sandboxes of actions that fail, for `group`.
    #[must_use]
    pub fn keeping_failures(mut self, group: Sha256) -> Self {
        self.keeper = Some(Keeper::new(&self.store, group, Isolation::Namespaces));
        self
    }

    /// Returns the folder of a toolchain, relative to the cache; checks it on
    /// its first use.
    fn toolchain(&self, root: &Digest) -> Result<String, ExecError> {
        let entry = Arc::clone(unpoisoned(&self.toolchains).entry(*root).or_default());
        let mut toolchain = unpoisoned(&entry);
        let toolchain = match &mut *toolchain {
            Some(toolchain) => toolchain,
            absent => absent.insert(toolchains::materialize(&self.store, root)?),
        };
        Ok(toolchain.in_cache.clone())
    }

    fn run(
        &self,
        request: &Request,
        spec: &Spec,
        cancellation: &Cancellation,
        early: Option<&mut Watch<'_>>,
    ) -> Result<Run, ExecError> {
        let started = {
            let mut helper = unpoisoned(&self.helper);
            let running = match helper.take() {
                Some(running) => running,
                None => Helper::start(&self.program, self.store.root(), self.session.lock())?,
            };
            // A helper that cannot be asked is dropped; the next call starts another.
            let started = running.submit(spec)?;
            *helper = Some(running);
            started
        };
        let run = started.wait(request.timeout, cancellation, early);
        if matches!(&run, Err(ExecError::Sandbox { source, .. })
            if source.kind() == std::io::ErrorKind::BrokenPipe)
        {
            *unpoisoned(&self.helper) = None;
        }
        run
    }
}

/// A panic elsewhere leaves these values whole: they are replaced, not edited.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Executor for NamespaceExecutor {
    fn execute(
        &self,
        request: &Request,
        cancellation: &Cancellation,
        published: Published<'_>,
    ) -> Result<Outcome, ExecError> {
        if cancellation.is_cancelled() {
            return Ok(Outcome::cancelled());
        }
        let called = Instant::now();
        let root = match &request.toolchain {
            Some(root) => Some(self.toolchain(root)?),
            None => None,
        };
        let wanted = Wanted::of(&self.store, request)?;
        let mut staged = self.session.folder(&wanted)?;
        staged.stage(&self.store, request, &wanted, Placing::Link)?;
        let spec = spec(request, root, &staged);
        let mut early = Watch::start(&self.store, &staged, request, published)?;
        let staging = called.elapsed();
        let run = self.run(request, &spec, cancellation, early.as_mut())?;
        let ended = Instant::now();
        let taking = match self.keeper {
            Some(_) => Taking::Copy,
            None => Taking::Move,
        };
        let collected = match run.end {
            End::Done(_) => collect(&self.store, &staged, request, early.as_ref(), taking)?,
            End::TimedOut | End::Cancelled => Collected::default(),
        };
        let mut outcome = outcome(run, collected);
        outcome.usage.staging = staging;
        outcome.usage.collecting = ended.elapsed();
        if let Some(keeper) = &self.keeper {
            keeper.keep(&mut staged, request, &mut outcome)?;
        }
        Ok(outcome)
    }

    fn description(&self) -> Description {
        Description {
            name: "straylight-namespace",
            version: env!("CARGO_PKG_VERSION"),
            isolation: Isolation::Namespaces,
            enforced: self.walls.enforced(),
        }
    }
}

fn spec(request: &Request, root: Option<String>, staged: &Staged) -> Spec {
    let variables = &request.command.environment_variables;
    Spec {
        root,
        build: staged.build_in_cache(),
        writable: staged.writable().to_vec(),
        protected: staged.protected(request),
        arguments: request.command.arguments.clone(),
        environment: variables
            .iter()
            .map(|variable| (variable.name.clone(), variable.value.clone()))
            .collect(),
    }
}

fn outcome(run: Run, collected: Collected) -> Outcome {
    let mut usage = Usage {
        wall: run.wall,
        ..Usage::default()
    };
    let status = match run.end {
        End::TimedOut => Status::TimedOut,
        End::Cancelled => Status::Cancelled,
        End::Done(done) => {
            usage.user = Duration::from_micros(done.user);
            usage.sys = Duration::from_micros(done.sys);
            usage.max_rss = done.max_rss;
            match (done.exit, done.signal) {
                (Some(code), _) => Status::Exited(code),
                (None, signal) => Status::Signaled(signal.unwrap_or(0)),
            }
        }
    };
    Outcome {
        status,
        stdout: run.stdout,
        stderr: run.stderr,
        outputs: collected.outputs,
        undeclared: collected.undeclared,
        missing: collected.missing,
        rejected: collected.rejected,
        kept: None,
        usage,
    }
}
