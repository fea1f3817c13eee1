//! The inside of one sandbox: its file system, its first process, its command.
//!
//! Runs as process 1 of its own pid namespace, in the helper's user namespace
//! with all capabilities there. Process 1 makes the mounts, starts the command
//! without any capability, collects orphans, and reports how the command
//! ended. When it ends, the kernel kills whatever is left in the namespace.
//! It keeps its capabilities: so nothing the command starts may trace it.
//!
//! Nothing here can be seen by the machine: the mounts live and die with the
//! mount namespace.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, mkdir, open};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree, unmount,
};
use rustix::process::{
    Pid, Signal, WaitOptions, chdir, pivot_root, set_parent_process_death_signal, setsid, wait,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::protocol::{Done, Failure, Report, Spec, send_message};
use super::sys::{self, Copied};
use super::walls::Walls;

/// What a packet brought for one sandbox.
pub(super) struct Ends {
    pub(super) spec: OwnedFd,
    pub(super) socket: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// The outcome of a step, with the step's name.
pub(super) type Step<T> = Result<T, Failure>;

/// Names what was being done when a system call failed.
pub(super) fn during<E: Into<io::Error>>(step: &str) -> impl FnOnce(E) -> Failure {
    move |error| Failure {
        step: step.to_owned(),
        errno: error.into().raw_os_error().unwrap_or(libc::EIO),
    }
}

/// Runs one sandbox to its end, as its first process.
pub(super) fn run(ends: &Ends, helper: BorrowedFd<'_>) -> ! {
    let report = match run_command(ends, helper) {
        Ok(done) => Report::Done(done),
        Err(failure) => Report::Failed(failure),
    };
    // Without a listener there is nobody to tell.
    let _ = send_message(ends.socket.as_fd(), &report);
    std::process::exit(0)
}

fn run_command(ends: &Ends, helper: BorrowedFd<'_>) -> Step<Done> {
    die_with(helper)?;
    let mut bytes = Vec::new();
    let spec = rustix::io::fcntl_dupfd_cloexec(&ends.spec, 0).map_err(during("read its task"))?;
    File::from(spec)
        .read_to_end(&mut bytes)
        .map_err(during("read its task"))?;
    let spec: Spec = minicbor::decode(&bytes).map_err(|_| Failure {
        step: "understand its task".to_owned(),
        errno: libc::EINVAL,
    })?;
    enter_file_system(&spec)?;
    match sys::fork().map_err(during("start a process"))? {
        Copied::Child => {
            let error = become_command(&spec, ends);
            give_up(&spec, &error, ends.stderr.as_fd())
        }
        Copied::Parent(command) => reap_until(command),
    }
}

/// Asks to be killed when the helper dies, and makes sure that it has not.
pub(super) fn die_with(helper: BorrowedFd<'_>) -> Step<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(during("follow its parent"))?;
    let mut polled = [PollFd::new(&helper, PollFlags::IN)];
    let now = rustix::event::Timespec::default();
    match poll(&mut polled, Some(&now)).map_err(during("look for its parent"))? {
        0 => Ok(()),
        _ => std::process::exit(1),
    }
}

/// Waits for children until `command` is among them.
pub(super) fn reap_until(command: Pid) -> Step<Done> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => {
                let usage = sys::children_usage();
                let micros =
                    |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                return Ok(Done {
                    exit: status.exit_status(),
                    signal: status.terminating_signal(),
                    user: micros(usage.user),
                    sys: micros(usage.sys),
                    max_rss: usage.max_rss,
                });
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(during("wait for the command")(error)),
        }
    }
}

pub(super) const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY
    .union(MountAttrFlags::MOUNT_ATTR_NOSUID)
    .union(MountAttrFlags::MOUNT_ATTR_NODEV);
const WRITABLE: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// Puts the sandbox's file system together, and enters it.
fn enter_file_system(spec: &Spec) -> Step<()> {
    assemble(spec)?;
    enter_build()
}

/// Puts the sandbox's file system together at `/root`.
pub(super) fn assemble(spec: &Spec) -> Step<()> {
    match &spec.root {
        Some(root) => show(&format!("/cache/{root}"), "/root", READ_ONLY)?,
        None => empty_root()?,
    }
    attach(&clone_tree("/dev", true)?, "/root/dev")?;
    let proc_attributes = READ_ONLY.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);
    attach(&new_mount("proc", &[], proc_attributes)?, "/root/proc")?;
    attach(
        &new_mount("tmpfs", &[("mode", "1777")], WRITABLE)?,
        "/root/tmp",
    )?;

    let build = format!("/cache/{}", spec.build);
    show(&build, "/root/build", READ_ONLY)?;
    for (paths, attributes) in [(&spec.writable, WRITABLE), (&spec.protected, READ_ONLY)] {
        for path in paths {
            show(
                &format!("{build}/{path}"),
                &format!("/root/build/{path}"),
                attributes,
            )?;
        }
    }
    Ok(())
}

/// Makes the file system at `/root` the root, and goes where commands start.
pub(super) fn enter_build() -> Step<()> {
    leave_for("/root")?;
    chdir("/build").map_err(during("enter /build"))
}

/// A root file system with nothing in it but where things are mounted.
fn empty_root() -> Step<()> {
    attach(&new_mount("tmpfs", &[("mode", "755")], WRITABLE)?, "/root")?;
    for name in ["build", "dev", "proc", "tmp"] {
        mkdir(format!("/root/{name}"), Mode::from_raw_mode(0o755))
            .map_err(during("make a folder"))?;
    }
    let root = open("/root", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(during("open the new root"))?;
    sys::add_mount_attributes(root.as_fd(), u64::from(READ_ONLY.bits()))
        .map_err(during("make the root read-only"))
}

/// Makes `folder`, a mount, the root, and lets go of the old one.
pub(super) fn leave_for(folder: &str) -> Step<()> {
    chdir(folder).map_err(during("enter the new root"))?;
    pivot_root(".", ".").map_err(during("change the root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(during("leave the old root"))?;
    chdir("/").map_err(during("enter the new root"))
}

/// Shows the file or folder `source` at `target`.
pub(super) fn show(source: &str, target: &str, attributes: MountAttrFlags) -> Step<()> {
    let mount = clone_tree(source, false)?;
    sys::add_mount_attributes(mount.as_fd(), u64::from(attributes.bits()))
        .map_err(during(&format!("restrict `{target}`")))?;
    attach(&mount, target)
}

/// Returns a mount of `path`, not attached anywhere yet.
pub(super) fn clone_tree(path: &str, recursive: bool) -> Step<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, path, flags).map_err(during(&format!("bind `{path}`")))
}

/// Returns a mount of a new file system, not attached anywhere yet.
pub(super) fn new_mount(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Step<OwnedFd> {
    let make = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (name, value) in options {
            fsconfig_set_string(context.as_fd(), *name, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make().map_err(during(&format!("mount {kind}")))
}

/// Attaches a mount at `target`.
pub(super) fn attach(mount: &OwnedFd, target: &str) -> Step<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount, "", CWD, target, flags).map_err(during(&format!("mount at `{target}`")))
}

/// Gives up everything that the command must not have, and becomes it.
fn become_command(spec: &Spec, ends: &Ends) -> io::Error {
    match prepare_process(spec, ends) {
        Ok(()) => {
            let Some((program, arguments)) = spec.arguments.split_first() else {
                return io::ErrorKind::InvalidInput.into();
            };
            let environment = spec.environment.iter().map(|(name, value)| (name, value));
            Command::new(program)
                .args(arguments)
                .env_clear()
                .envs(environment)
                .exec()
        }
        Err(error) => error,
    }
}

/// What the helper has not done for all commands already.
fn prepare_process(spec: &Spec, ends: &Ends) -> io::Result<()> {
    setsid()?;
    rustix::stdio::dup2_stdout(&ends.stdout)?;
    rustix::stdio::dup2_stderr(&ends.stderr)?;
    renounce(spec)
}

/// Keeps nothing but the three streams: no capability, no open file, no way to any
/// but the sandbox's own files, no system call that a build has no use for.
pub(super) fn renounce(spec: &Spec) -> io::Result<()> {
    sys::close_on_exec_from(3)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)?;
    Walls::find().raise(&spec.writable)
}

/// Says on the command's standard error why it could not be run, and ends as a
/// shell does then.
pub(super) fn give_up(spec: &Spec, error: &io::Error, stderr: BorrowedFd<'_>) -> ! {
    let program = spec.arguments.first().map_or("", String::as_str);
    let text = format!("straylight: cannot run `{program}`: {error}\n");
    let _ = rustix::io::write(stderr, text.as_bytes());
    std::process::exit(if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    })
}
