//! The executor's side of the helper: starts it, and runs sandboxes in it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use super::protocol::{Done, Failure, HELPER_ARGUMENT, Hello, Report, Spec, receive, send};
use super::unavailable::explain;
use super::walls::Walls;
use crate::cancellation::Cancellation;
use crate::capped::Stream;
use crate::early::Watch;
use crate::error::ExecError;

/// A running helper. Dropping it ends the helper and every sandbox in it.
#[derive(Debug)]
pub(super) struct Helper {
    control: Option<OwnedFd>,
    process: Child,
    walls: Walls,
}

/// What came of one sandbox.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) end: End,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) wall: Duration,
}

/// Why a sandbox ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Done(Done),
    TimedOut,
    Cancelled,
}

impl Helper {
    /// Starts `program`, which must call
    /// [`crate::namespace::helper_main_if_requested`] first, as a helper for
    /// the store in `cache`. The helper holds `lock` for as long as it lives.
    pub(super) fn start(program: &Path, cache: &Path, lock: &OwnedFd) -> Result<Self, ExecError> {
        let (control, theirs) = packet_pair()?;
        let mut process = Command::new(program)
            .arg(HELPER_ARGUMENT)
            .arg(cache)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ExecError::io("run", program))?;
        let hello = send(control.as_fd(), b"lock", &[lock.as_fd()])
            .and_then(|()| receive(control.as_fd()))
            .and_then(|packet| packet.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
            .and_then(|(bytes, _)| minicbor::decode(&bytes).map_err(io::Error::other));
        match hello {
            Ok(Hello::Ready(walls)) => Ok(Self {
                control: Some(control),
                process,
                walls,
            }),
            Ok(Hello::Failed(failure)) => {
                // It ends by itself.
                let _ = process.wait();
                Err(explain(&failure.step, failure.errno))
            }
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(ExecError::sandbox("start its helper")(error))
            }
        }
    }

    /// Returns what sandboxes have besides namespaces.
    pub(super) const fn walls(&self) -> Walls {
        self.walls
    }

    /// Starts a sandbox.
    pub(super) fn submit(&self, spec: &Spec) -> Result<Started, ExecError> {
        let failed = |error: io::Error| ExecError::sandbox("ask its helper")(error);
        let task = write_spec(spec).map_err(failed)?;
        let (socket, theirs) = packet_pair()?;
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()));
        let (stdout, their_stdout) = pipe()?;
        let (stderr, their_stderr) = pipe()?;
        let fds = [
            task.as_fd(),
            theirs.as_fd(),
            their_stdout.as_fd(),
            their_stderr.as_fd(),
        ];
        let control = self.control.as_ref().expect("it is open until the drop");
        send(control.as_fd(), b"run", &fds).map_err(failed)?;
        Ok(Started {
            socket,
            stdout: Stream::new(stdout),
            stderr: Stream::new(stderr),
        })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.control = None;
        // It sees the socket close. There is nothing to do about a failure.
        let _ = self.process.wait();
    }
}

pub(super) fn packet_pair() -> Result<(OwnedFd, OwnedFd), ExecError> {
    let flags = SocketFlags::CLOEXEC;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(|error| ExecError::sandbox("make a socket")(error.into()))
}

fn write_spec(spec: &Spec) -> io::Result<OwnedFd> {
    let bytes = minicbor::to_vec(spec).map_err(io::Error::other)?;
    let mut file = File::from(rustix::fs::memfd_create("task", MemfdFlags::CLOEXEC)?);
    file.write_all(&bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// A sandbox that was asked for.
#[derive(Debug)]
pub(super) struct Started {
    socket: OwnedFd,
    stdout: Stream,
    stderr: Stream,
}

/// What was heard on a sandbox's socket so far.
#[derive(Debug, Default)]
struct Heard {
    done: Option<Done>,
    failed: Option<Failure>,
    ended: bool,
    gone: bool,
}

impl Started {
    /// Waits until every process of the sandbox is gone, and kills them when
    /// the time is over or the switch is turned.
    pub(super) fn wait(
        mut self,
        timeout: Option<Duration>,
        cancellation: &Cancellation,
        mut early: Option<&mut Watch<'_>>,
    ) -> Result<Run, ExecError> {
        let start = Instant::now();
        let deadline = timeout.and_then(|timeout| start.checked_add(timeout));
        let mut killed = None;
        let mut heard = Heard::default();
        let mut buffer = vec![0; 64 << 10];
        while !(heard.ended || heard.gone) || self.stdout.is_open() || self.stderr.is_open() {
            self.step(
                &mut heard,
                &mut buffer,
                deadline,
                cancellation,
                killed.is_some(),
                early.as_deref_mut(),
            )
            .map_err(ExecError::sandbox("wait for its command"))?;
            if killed.is_none() && heard.done.is_none() {
                let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                killed = match (cancellation.is_cancelled(), late) {
                    (true, _) => Some(End::Cancelled),
                    (false, true) => Some(End::TimedOut),
                    (false, false) => None,
                };
                if killed.is_some() {
                    // If the helper is gone, so is the sandbox.
                    let _ = send(self.socket.as_fd(), b"kill", &[]);
                }
            }
        }
        let ended = heard.ended;
        let end = match (heard.done, killed, heard.failed) {
            (Some(done), _, _) => End::Done(done),
            (None, Some(end), _) => end,
            (None, None, Some(failure)) => {
                return Err(ExecError::sandbox(&failure.step)(failure.error()));
            }
            (None, None, None) => return Err(vanished(ended)),
        };
        Ok(Run {
            end,
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            wall: start.elapsed(),
        })
    }

    /// Waits for the next thing to happen, and takes note of it.
    fn step(
        &mut self,
        heard: &mut Heard,
        buffer: &mut [u8],
        deadline: Option<Instant>,
        cancellation: &Cancellation,
        killed: bool,
        early: Option<&mut Watch<'_>>,
    ) -> io::Result<()> {
        let event = cancellation.event().filter(|_| !killed);
        let mut sources = Vec::with_capacity(5);
        let over = heard.ended || heard.gone;
        if !over {
            sources.push((Source::Socket, self.socket.as_fd()));
        }
        for (source, stream) in [
            (Source::Stdout, &self.stdout),
            (Source::Stderr, &self.stderr),
        ] {
            sources.extend(stream.pipe().map(|pipe| (source, pipe)));
        }
        sources.extend(event.map(|event| (Source::Cancelled, event)));
        let moved = early.as_deref().and_then(Watch::fd);
        sources.extend(moved.map(|moved| (Source::Early, moved)));
        let mut polled: Vec<PollFd<'_>> = sources
            .iter()
            .map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        let left = deadline
            .filter(|_| !killed && !over)
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match poll(&mut polled, left.and_then(timespec).as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<Source> = sources
            .iter()
            .zip(&polled)
            .filter(|(_, polled)| !polled.revents().is_empty())
            .map(|((source, _), _)| *source)
            .collect();
        let mut early_came = false;
        for source in ready {
            match source {
                Source::Socket => self.listen(heard)?,
                Source::Stdout => _ = self.stdout.read(buffer),
                Source::Stderr => _ = self.stderr.read(buffer),
                Source::Early => early_came = true,
                Source::Cancelled => {}
            }
        }
        match early.filter(|_| early_came) {
            Some(early) => early.look(),
            None => Ok(()),
        }
    }

    fn listen(&self, heard: &mut Heard) -> io::Result<()> {
        let Some((bytes, _)) = receive(self.socket.as_fd())? else {
            heard.gone = true;
            return Ok(());
        };
        match minicbor::decode(&bytes).map_err(io::Error::other)? {
            Report::Done(done) => heard.done = Some(done),
            Report::Failed(failure) => heard.failed = Some(failure),
            Report::Ended => heard.ended = true,
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Socket,
    Stdout,
    Stderr,
    Cancelled,
    Early,
}

fn timespec(duration: Duration) -> Option<Timespec> {
    Timespec::try_from(duration).ok()
}

/// The error of a sandbox that ended and said nothing.
fn vanished(ended: bool) -> ExecError {
    let (step, kind) = if ended {
        (
            "live: it was killed from outside, as when memory is exhausted",
            io::ErrorKind::Interrupted,
        )
    } else {
        ("live: its helper is gone", io::ErrorKind::BrokenPipe)
    };
    ExecError::sandbox(step)(kind.into())
}
