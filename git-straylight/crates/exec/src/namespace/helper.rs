//! The helper process: makes sandboxes, and never outlives its executor.
//!
//! It is the executor's own program, started again, so that it has one thread.
//! It enters a user namespace of its own in which the user is number 1000 with
//! all capabilities, and a mount namespace that holds nothing but the cache,
//! the devices and `/proc`: cheap to copy for each sandbox, and nothing else
//! of the machine is in reach. Then it waits: for packets that ask for a
//! sandbox, for sandboxes that end, and for executors' sockets that close.
//!
//! When the executor dies its end of the control socket closes, and the helper
//! ends; the sandboxes' first processes asked to be killed then, and with them
//! everything in their pid namespaces.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, mkdir, open};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, mount_change};
use rustix::process::{
    PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getegid, geteuid, getpid,
    getrlimit, pidfd_open, pidfd_send_signal, setrlimit, setsid, umask, waitid,
};
use rustix::thread::{
    LinkNameSpaceType, clear_ambient_capability_set, move_into_link_name_space, set_no_new_privs,
};

use super::protocol::{Failure, Hello, Report, receive, send_message};
use super::sandbox::{self, Ends, Step, attach, clone_tree, during, new_mount};
use super::sys::{self, Copied};
use super::walls::Walls;

/// The devices that a sandbox has.
const DEVICES: [&str; 5] = ["full", "null", "random", "urandom", "zero"];

/// What is made for each sandbox, beside the helper's user namespace.
pub(super) const SANDBOX_NAMESPACES: libc::c_int =
    libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;

/// A sandbox that runs.
struct Sandbox {
    process: OwnedFd,
    socket: OwnedFd,
    network: OwnedFd,
    killed: bool,
}

/// Network namespaces that no sandbox is in.
///
/// Making one takes longer than all the rest, and nothing of an action stays
/// in one: its sockets end with its processes, and without capabilities it
/// cannot change anything else. So they are used again, by one sandbox at a
/// time: not even abstract sockets connect two actions.
#[derive(Default)]
struct Networks {
    free: Vec<OwnedFd>,
}

impl Networks {
    /// Puts the helper, and so what it clones next, into a network namespace
    /// that is nobody else's.
    fn enter(&mut self) -> io::Result<OwnedFd> {
        if let Some(network) = self.free.pop() {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(network.as_fd(), kind)?;
            return Ok(network);
        }
        sys::unshare(libc::CLONE_NEWNET)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(open("/proc/self/ns/net", flags, Mode::empty())?)
    }
}

/// Runs the helper to its end. `control` is its side of the socket.
pub(super) fn main(control: &OwnedFd, cache: &Path) -> ! {
    // Out of the terminal's reach: an interrupt is the executor's to handle.
    let _ = setsid();
    umask(Mode::from_raw_mode(0o022));
    let Ok(Some((_, lock))) = receive(control.as_fd()) else {
        std::process::exit(1)
    };
    let hello = match enter_namespaces(cache) {
        Ok(()) => Hello::Ready(Walls::find()),
        Err(failure) => Hello::Failed(failure),
    };
    let sent = send_message(control.as_fd(), &hello);
    if matches!(hello, Hello::Ready(_)) && sent.is_ok() {
        serve(control);
    }
    // The lock is held until here, and by each sandbox's first process.
    drop(lock);
    std::process::exit(0)
}

pub(super) fn enter_namespaces(cache: &Path) -> Step<()> {
    let (uid, gid) = (geteuid(), getegid());
    // Only root may, and only root has groups worth leaving.
    let _ = rustix::thread::set_thread_groups(&[]);
    sys::unshare(libc::CLONE_NEWUSER).map_err(during("make a user namespace"))?;
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("1000 {} 1", uid.as_raw())),
        ("gid_map", format!("1000 {} 1", gid.as_raw())),
    ] {
        fs::write(format!("/proc/self/{file}"), text)
            .map_err(during(&format!("write /proc/self/{file}")))?;
    }
    sys::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP)
        .map_err(during("make a mount namespace"))?;
    rustix::system::sethostname(b"straylight").map_err(during("set the host name"))?;
    rustix::system::setdomainname(b"(none)").map_err(during("set the domain name"))?;
    build_base(cache)?;
    become_harmless().map_err(during("give up privileges"))
}

/// Settles for all commands what each of them inherits. The capabilities that
/// this process has now are its own: none can be gained again.
fn become_harmless() -> io::Result<()> {
    sys::default_signals();
    limit(Resource::Core, 0);
    limit(Resource::Nofile, 4096);
    limit(Resource::Stack, 8 << 20);
    sys::empty_bounding_set()?;
    clear_ambient_capability_set()?;
    set_no_new_privs(true)?;
    Ok(())
}

/// Sets a soft limit, below the machine's hard one.
fn limit(resource: Resource, wanted: u64) {
    let old = getrlimit(resource);
    let current = old.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let new = Rlimit {
        current: Some(current),
        maximum: old.maximum,
    };
    // Lowering a soft limit is always allowed.
    let _ = setrlimit(resource, new);
}

/// Leaves the machine's mounts for a small file system of the helper's own.
fn build_base(cache: &Path) -> Step<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(during("keep mounts private"))?;
    let cache = cache.to_str().ok_or_else(|| Failure {
        step: "use a cache folder whose name is not UTF-8".to_owned(),
        errno: libc::EINVAL,
    })?;
    let store = clone_tree(cache, true)?;
    let proc = clone_tree("/proc", true)?;
    let mut devices = Vec::new();
    for name in DEVICES {
        devices.push((name, clone_tree(&format!("/dev/{name}"), false)?));
    }
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID;
    attach(&new_mount("tmpfs", &[("mode", "755")], attributes)?, cache)?;
    sandbox::leave_for(cache)?;
    for name in ["cache", "dev", "proc", "root"] {
        mkdir(format!("/{name}"), Mode::from_raw_mode(0o755)).map_err(during("make a folder"))?;
    }
    attach(&store, "/cache")?;
    attach(&proc, "/proc")?;
    attach(&new_mount("tmpfs", &[("mode", "755")], attributes)?, "/dev")?;
    for (name, device) in &devices {
        let path = format!("/dev/{name}");
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        open(&path, flags, Mode::from_raw_mode(0o666)).map_err(during("make a file"))?;
        attach(device, &path)?;
    }
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dev =
        rustix::fs::openat(CWD, "/dev", folder, Mode::empty()).map_err(during("open /dev"))?;
    let read_only = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
    sys::add_mount_attributes(dev.as_fd(), read_only).map_err(during("make /dev read-only"))
}

/// Answers packets until the executor is gone.
///
/// The control socket came as standard input. From here on that is the null
/// device, which each command inherits.
fn serve(control: &OwnedFd) {
    let null = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    if null
        .and_then(|null| rustix::stdio::dup2_stdin(&null))
        .is_err()
    {
        return;
    }
    let Ok(own) = pidfd_open(getpid(), PidfdFlags::empty()) else {
        return;
    };
    let mut sandboxes: Vec<Sandbox> = Vec::new();
    let mut networks = Networks::default();
    loop {
        let ready = wait_for_events(control, &sandboxes);
        for (sandbox, events) in sandboxes.iter_mut().zip(&ready[1..]) {
            if events.kill {
                // It may have ended by itself.
                let _ = pidfd_send_signal(&sandbox.process, Signal::KILL);
                sandbox.killed = true;
            }
        }
        let mut ended = ready[1..].iter().map(|events| events.ended);
        let over = |sandbox: &mut Sandbox| ended.next().unwrap_or(false) && bury(sandbox);
        let over = sandboxes
            .extract_if(.., over)
            .map(|sandbox| sandbox.network);
        networks.free.extend(over);
        if ready[0].ended {
            match receive(control.as_fd()) {
                Ok(Some((_, fds))) => sandboxes.extend(start(fds, own.as_fd(), &mut networks)),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// What happened to one sandbox, or (as `ended`) on the control socket.
#[derive(Clone, Copy, Default)]
struct Events {
    ended: bool,
    kill: bool,
}

fn wait_for_events(control: &OwnedFd, sandboxes: &[Sandbox]) -> Vec<Events> {
    let mut polled = vec![PollFd::new(control, PollFlags::IN)];
    for sandbox in sandboxes {
        polled.push(PollFd::new(&sandbox.process, PollFlags::IN));
        // A killed one has nothing more to hear on its socket.
        let killer = if sandbox.killed {
            &sandbox.process
        } else {
            &sandbox.socket
        };
        polled.push(PollFd::new(killer, PollFlags::IN));
    }
    if poll(&mut polled, None).is_err() {
        return vec![Events::default(); sandboxes.len() + 1];
    }
    let happened = |polled: &PollFd<'_>| !polled.revents().is_empty();
    let control = Events {
        ended: happened(&polled[0]),
        kill: false,
    };
    let pairs = polled[1..].chunks_exact(2).map(|pair| Events {
        ended: happened(&pair[0]),
        kill: happened(&pair[1]),
    });
    std::iter::once(control).chain(pairs).collect()
}

/// Collects a sandbox's first process. All others are gone before it is.
fn bury(sandbox: &Sandbox) -> bool {
    let id = WaitId::PidFd(sandbox.process.as_fd());
    let waited = waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    let gone = !matches!(waited, Ok(None));
    if gone {
        let _ = send_message(sandbox.socket.as_fd(), &Report::Ended);
    }
    gone
}

/// Starts a sandbox. If that fails its socket says so, and closes.
fn start(fds: Vec<OwnedFd>, own: BorrowedFd<'_>, networks: &mut Networks) -> Option<Sandbox> {
    let [spec, socket, stdout, stderr]: [OwnedFd; 4] = fds.try_into().ok()?;
    let ends = Ends {
        spec,
        socket,
        stdout,
        stderr,
    };
    let cloned = networks
        .enter()
        .and_then(|network| Ok((network, sys::clone_into(SANDBOX_NAMESPACES)?)));
    match cloned {
        Ok((_, Copied::Child)) => sandbox::run(&ends, own),
        Ok((network, Copied::Parent(process))) => Some(Sandbox {
            process,
            socket: ends.socket,
            network,
            killed: false,
        }),
        Err(error) => {
            let failure = during("make the namespaces of an action")(error);
            let _ = send_message(ends.socket.as_fd(), &Report::Failed(failure));
            None
        }
    }
}
