//! An executor without isolation, for machines that allow no namespaces.
//!
//! An action finds the same layout in a folder of the cache: the command
//! starts in `build`, inputs (as copies) and the folders of outputs are in
//! place. Nothing else is kept from it: it sees the machine's files, programs
//! and network, and what it runs are the machine's programs, whatever the
//! toolchain says. The trace says `none`, and who believes traces decides what
//! that is worth.
//!
//! # Limits
//! Only the command's process group is killed: a daemon in a session of its
//! own survives, and so does everything when the executor is killed. Processor
//! time and memory are not measured.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use straylight_odb::{LocalStore, Sha256};

use crate::action::{Description, Executor, Isolation, Outcome, Published, Request, Status, Usage};
use crate::cancellation::Cancellation;
use crate::capped::Stream;
use crate::collect::{Collected, Taking, collect};
use crate::early::Watch;
use crate::error::ExecError;
use crate::inputs::{Placing, Wanted};
use crate::kept::Keeper;
use crate::session::Session;

/// Runs each action as a plain process.
#[derive(Debug)]
pub struct PlainExecutor {
    store: Arc<LocalStore>,
    session: Session,
    keeper: Option<Keeper>,
}

impl PlainExecutor {
    /// Returns an executor that works in the store's folder.
    ///
    /// Removes what crashed executors left there.
    ///
    /// # Errors
    /// [`ExecError::Io`].
    pub fn new(store: Arc<LocalStore>) -> Result<Self, ExecError> {
        let session = Session::open(store.root())?;
        Ok(Self {
            store,
            session,
            keeper: None,
        })
    }

    /// Makes the executor keep the folders of actions that fail, for `group`.
    #[must_use]
    pub fn keeping_failures(mut self, group: Sha256) -> Self {
        self.keeper = Some(Keeper::new(&self.store, group, Isolation::None));
        self
    }
}

impl Executor for PlainExecutor {
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
        let wanted = Wanted::of(&self.store, request)?;
        let mut staged = self.session.folder(&wanted)?;
        staged.stage(&self.store, request, &wanted, Placing::Copy)?;
        let mut early = Watch::start(&self.store, &staged, request, published)?;
        let variables = &request.command.environment_variables;
        let mut command = Command::new(&request.command.arguments[0]);
        command
            .args(&request.command.arguments[1..])
            .env_clear()
            .envs(variables.iter().map(|v| (&v.name, &v.value)))
            .current_dir(staged.build())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let start = Instant::now();
        let mut outcome = match command.spawn() {
            Ok(child) => Running::new(child)
                .and_then(|running| running.wait(request.timeout, cancellation, early.as_mut()))
                .map_err(ExecError::sandbox("wait for its command"))?,
            Err(error) => not_started(&request.command.arguments[0], &error),
        };
        outcome.usage.staging = start - called;
        outcome.usage.wall = start.elapsed();
        let ended = Instant::now();
        if matches!(outcome.status, Status::Exited(_) | Status::Signaled(_)) {
            let Collected {
                outputs,
                undeclared,
                missing,
                rejected,
            } = collect(&self.store, &staged, request, early.as_ref(), Taking::Copy)?;
            outcome = Outcome {
                outputs,
                undeclared,
                missing,
                rejected,
                ..outcome
            };
            outcome.usage.collecting = ended.elapsed();
        }
        if let Some(keeper) = &self.keeper {
            keeper.keep(&mut staged, request, &mut outcome)?;
        }
        Ok(outcome)
    }

    fn description(&self) -> Description {
        Description {
            name: "straylight-plain",
            version: env!("CARGO_PKG_VERSION"),
            isolation: Isolation::None,
            enforced: &[],
        }
    }
}

/// The outcome of a program that could not be run, as a shell has it.
fn not_started(program: &str, error: &io::Error) -> Outcome {
    let code = match error.kind() {
        io::ErrorKind::NotFound => 127,
        _ => 126,
    };
    Outcome {
        status: Status::Exited(code),
        stderr: format!("straylight: cannot run `{program}`: {error}\n").into_bytes(),
        ..Outcome::cancelled()
    }
}

/// A command that runs.
struct Running {
    child: Child,
    group: Pid,
    process: OwnedFd,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    fn new(mut child: Child) -> io::Result<Self> {
        let group = Pid::from_child(&child);
        let process = pidfd_open(group, PidfdFlags::empty())?;
        let stdout = child.stdout.take().map(OwnedFd::from);
        let stderr = child.stderr.take().map(OwnedFd::from);
        let stream = |pipe: Option<OwnedFd>| {
            let pipe = pipe.expect("both streams are piped");
            fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
            Ok::<_, io::Error>(Stream::new(pipe))
        };
        Ok(Self {
            stdout: stream(stdout)?,
            stderr: stream(stderr)?,
            child,
            group,
            process,
        })
    }

    fn wait(
        mut self,
        timeout: Option<Duration>,
        cancellation: &Cancellation,
        mut early: Option<&mut Watch<'_>>,
    ) -> io::Result<Outcome> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut buffer = vec![0; 64 << 10];
        let mut killed = None;
        let exit = loop {
            if let Some(exit) = self.child.try_wait()? {
                break exit;
            }
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if killed.is_none() && (late || cancellation.is_cancelled()) {
                killed = Some(if cancellation.is_cancelled() {
                    Status::Cancelled
                } else {
                    Status::TimedOut
                });
                self.kill();
            }
            self.sleep(
                deadline.filter(|_| killed.is_none()),
                cancellation,
                killed.is_some(),
                early.as_deref().and_then(Watch::fd),
            )?;
            if let Some(early) = &mut early {
                early.look()?;
            }
            self.stdout.read(&mut buffer);
            self.stderr.read(&mut buffer);
        };
        // What the command left behind ends with it; what got away keeps the
        // pipes open, so only what is in them already is read.
        self.kill();
        while self.stdout.read(&mut buffer) {}
        while self.stderr.read(&mut buffer) {}
        Ok(Outcome {
            status: killed.unwrap_or_else(|| status(exit)),
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            usage: Usage::default(),
            ..Outcome::cancelled()
        })
    }

    fn kill(&self) {
        // The group may be gone.
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    /// Waits until there is something to do.
    fn sleep(
        &self,
        deadline: Option<Instant>,
        cancellation: &Cancellation,
        killed: bool,
        early: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let event = cancellation.event().filter(|_| !killed);
        let sources = [
            Some(self.process.as_fd()),
            self.stdout.pipe(),
            self.stderr.pipe(),
            event,
            early,
        ];
        let mut polled: Vec<PollFd<'_>> = sources
            .into_iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn status(exit: ExitStatus) -> Status {
    match exit.code() {
        Some(code) => Status::Exited(code),
        None => Status::Signaled(exit.signal().unwrap_or(0)),
    }
}
