//! A way into the kept sandbox of an action that failed.
//!
//! The sandbox is made again, as it was, around the folder that was kept; in it
//! runs a command with this process' terminal. This process becomes what the
//! helper is for an executor, and is good for nothing else afterwards.
//!
//! A root file system without a shell gets the machine's, with its utilities, at
//! `/tmp/host`: there is nothing of it anywhere else.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, PidfdFlags, getpgrp, getpid, pidfd_open, setpgid};
use rustix::termios::{isatty, tcgetpgrp, tcsetpgrp};
use straylight_odb::LocalStore;

use super::client::packet_pair;
use super::helper::{SANDBOX_NAMESPACES, enter_namespaces};
use super::protocol::{Done, Report, Spec, receive, send_message};
use super::sandbox::{self, Step, during};
use super::sys::{self, Copied};
use super::unavailable::explain;
use crate::action::Status;
use crate::capture::{CaptureError, capture_posix, shell};
use crate::error::ExecError;
use crate::kept::Kept;
use crate::toolchains::{self, Toolchain};

/// Where a root file system has its shell.
const SHELL: &str = "bin/sh";

/// Where the machine's shell and utilities are seen, if the root has no shell.
const HOST: &str = "/tmp/host";

/// What an interactive shell reads first, if it is the machine's.
const PROFILE: &str = "/tmp/host.sh";

/// Runs a command in a kept sandbox, with the standard streams of this process;
/// without one, a shell. To be called before this process has a second thread;
/// afterwards it sees no file of the machine.
///
/// # Errors
/// [`ExecError::NamespacesUnavailable`] · [`ExecError::MissingBlob`] when the root
/// file system is no longer in the store · [`ExecError::Sandbox`].
pub fn enter(store: &LocalStore, kept: &Kept, command: &[String]) -> Result<Status, ExecError> {
    let root = kept.toolchain();
    let root = root.map(|root| toolchains::materialize(store, &root));
    let root = root.transpose()?;
    let has_shell = root.as_ref().is_some_and(|root| {
        let shell = store.root().join(&root.in_cache).join(SHELL);
        shell.exists()
    });
    let host = if has_shell {
        None
    } else {
        Some(Host::find(store)?)
    };
    let spec = spec(kept, root.as_ref(), host.as_ref(), command);
    let terminal = Terminal::find();
    let (socket, theirs) = packet_pair()?;
    enter_namespaces(store.root()).map_err(|failure| explain(&failure.step, failure.errno))?;
    let sandbox = |error| ExecError::sandbox("make its namespaces")(error);
    sys::unshare(libc::CLONE_NEWNET).map_err(sandbox)?;
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| sandbox(error.into()))?;
    match sys::clone_into(SANDBOX_NAMESPACES).map_err(sandbox)? {
        Copied::Child => {
            let report = match run(&spec, host.as_ref(), terminal.as_ref(), own.as_fd()) {
                Ok(done) => Report::Done(done),
                Err(failure) => Report::Failed(failure),
            };
            // Without a listener there is nobody to tell.
            let _ = send_message(theirs.as_fd(), &report);
            std::process::exit(0)
        }
        Copied::Parent(_process) => {
            drop(theirs);
            // An interrupt is for the command: this one waits for its end.
            sys::ignore(&[libc::SIGINT, libc::SIGQUIT, libc::SIGTTOU]);
            let ended = listen(socket.as_fd());
            if let Some(terminal) = terminal {
                terminal.take(terminal.ours);
            }
            ended
        }
    }
}

/// Waits for the one thing that a sandbox says.
fn listen(socket: BorrowedFd<'_>) -> Result<Status, ExecError> {
    let failed = ExecError::sandbox("wait for its command");
    let Some((bytes, _)) = receive(socket).map_err(failed)? else {
        let error = io::ErrorKind::UnexpectedEof;
        return Err(ExecError::sandbox("say how it ended")(error.into()));
    };
    match minicbor::decode(&bytes) {
        Ok(Report::Done(done)) => Ok(match (done.exit, done.signal) {
            (Some(code), _) => Status::Exited(code),
            (None, signal) => Status::Signaled(signal.unwrap_or(0)),
        }),
        Ok(Report::Failed(failure)) => Err(ExecError::sandbox(&failure.step)(failure.error())),
        Ok(Report::Ended) | Err(_) => Err(ExecError::sandbox("say how it ended")(
            io::ErrorKind::InvalidData.into(),
        )),
    }
}

/// Runs the command to its end, as the sandbox's first process.
fn run(
    spec: &Spec,
    host: Option<&Host>,
    terminal: Option<&Terminal>,
    parent: BorrowedFd<'_>,
) -> Step<Done> {
    sandbox::die_with(parent)?;
    sandbox::assemble(spec)?;
    if let Some(host) = host {
        host.show()?;
    }
    sandbox::enter_build()?;
    if let Some(host) = host {
        fs::write(PROFILE, host.profile()).map_err(during("write the shell's profile"))?;
    }
    match sys::fork().map_err(during("start a process"))? {
        Copied::Child => {
            if let Some(terminal) = terminal {
                terminal.give();
            }
            let error = become_command(spec);
            sandbox::give_up(spec, &error, rustix::stdio::stderr())
        }
        Copied::Parent(command) => sandbox::reap_until(command),
    }
}

/// The terminal, if people talk to this process by one.
struct Terminal {
    /// The process group that it listens to, which is this process'.
    ours: Pid,
}

impl Terminal {
    fn find() -> Option<Self> {
        let ours = tcgetpgrp(rustix::stdio::stdin()).ok()?;
        (getpgrp() == ours).then_some(Self { ours })
    }

    /// Makes the calling process a group of its own that the terminal listens to.
    /// A shell wants to be one, and cannot name the group that it was started in:
    /// that has no number in the sandbox.
    fn give(&self) {
        if setpgid(None, None).is_ok() {
            sys::ignore(&[libc::SIGTTOU]);
            self.take(getpid());
            sys::default_signals();
        }
    }

    /// Makes the terminal listen to a group. Without that, the shell outside does
    /// it.
    fn take(&self, group: Pid) {
        let _ = tcsetpgrp(rustix::stdio::stdin(), group);
    }
}

fn become_command(spec: &Spec) -> io::Error {
    let environment = spec.environment.iter().map(|(name, value)| (name, value));
    match sandbox::renounce(spec) {
        Ok(()) => Command::new(&spec.arguments[0])
            .args(&spec.arguments[1..])
            .env_clear()
            .envs(environment)
            .exec(),
        Err(error) => error,
    }
}

/// Returns the sandbox as it was, with another command.
fn spec(kept: &Kept, root: Option<&Toolchain>, host: Option<&Host>, command: &[String]) -> Spec {
    let arguments = arguments(host, command);
    let mut environment = kept.environment().to_vec();
    if command.is_empty() {
        environment.extend(interactive(host.is_some()));
    }
    Spec {
        root: root.map(|root| root.in_cache.clone()),
        build: kept.build_in_cache(),
        writable: kept.writable().to_vec(),
        protected: kept.protected().to_vec(),
        arguments,
        environment,
    }
}

/// Returns the command line of what is asked for; nothing is a shell.
fn arguments(host: Option<&Host>, command: &[String]) -> Vec<String> {
    // A shell reads its profile for people only.
    let from_stdin = ["sh", "-c", "eval \"$(cat)\""].map(str::to_owned);
    match (host, command) {
        (Some(_), []) if !isatty(rustix::stdio::stdin()) => arguments(host, &from_stdin),
        (None, []) => vec![format!("/{SHELL}")],
        (Some(host), []) => host.shell(),
        // What people write is to work everywhere.
        (Some(host), [program, rest @ ..]) if program == "sh" => {
            let mut arguments = host.shell();
            match rest {
                [option, script, rest @ ..] if option == "-c" => {
                    arguments.extend([option.clone(), format!(". {PROFILE}\n{script}")]);
                    arguments.extend_from_slice(rest);
                }
                rest => arguments.extend_from_slice(rest),
            }
            arguments
        }
        (_, command) => command.to_vec(),
    }
}

/// What a shell needs to talk to a terminal.
fn interactive(foreign: bool) -> Vec<(String, String)> {
    let term = std::env::var_os("TERM").map(OsString::into_string);
    let mut variables = vec![("PS1".to_owned(), "sandbox:$PWD$ ".to_owned())];
    variables.extend(
        term.and_then(Result::ok)
            .map(|term| ("TERM".to_owned(), term)),
    );
    if foreign {
        variables.push(("ENV".to_owned(), PROFILE.to_owned()));
    }
    variables
}

/// The machine's shell and utilities, laid out as a tree.
struct Host {
    tree: Toolchain,
    portable: shell::Portable,
}

impl Host {
    fn find(store: &LocalStore) -> Result<Self, ExecError> {
        let failed = |error: CaptureError| {
            ExecError::sandbox("find a shell for it")(io::Error::other(error))
        };
        let captured = capture_posix(store).map_err(failed)?;
        let tree = toolchains::materialize(store, &captured.digest)?;
        let portable = shell::portable(&store.root().join(&tree.in_cache)).map_err(failed)?;
        Ok(Self { tree, portable })
    }

    /// Shows the tree in the sandbox that is being put together.
    fn show(&self) -> Step<()> {
        let target = format!("/root{HOST}");
        fs::create_dir(&target).map_err(during("make a folder"))?;
        let tree = format!("/cache/{}", self.tree.in_cache);
        sandbox::show(&tree, &target, sandbox::READ_ONLY)
    }

    /// Returns the command that runs one of its programs.
    fn command(&self, program: &Path) -> Vec<String> {
        let seen = |path: &Path| format!("{HOST}/{}", path.display());
        let mut command = Vec::new();
        if let Some((loader, folders)) = &self.portable.loader {
            let folders: Vec<String> = folders.iter().map(|folder| seen(folder)).collect();
            command.extend([seen(loader), "--library-path".to_owned(), folders.join(":")]);
        }
        command.push(seen(program));
        command
    }

    fn shell(&self) -> Vec<String> {
        self.command(&self.portable.shell)
    }

    /// Returns functions that run the utilities: none of them finds its loader by
    /// itself.
    fn profile(&self) -> String {
        let functions = self.portable.programs.iter().map(|(name, program)| {
            let command = self.command(program).join(" ");
            format!("{name}() {{ {command} \"$@\"; }}\n")
        });
        functions.chain(["unset ENV\n".to_owned()]).collect()
    }
}
