//! The system calls that no safe wrapper offers.
//!
//! Everything here runs in the helper process, which has one thread. That is
//! what makes a copied process safe: no other thread can hold a lock that the
//! copy would wait for.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use rustix::process::Pid;

/// Which side of a copied process returned.
pub(super) enum Copied<T> {
    /// The new process.
    Child,
    /// The process that made it.
    Parent(T),
}

/// Copies this process, as `fork`, into the namespaces that `flags` name
/// (`CLONE_NEW…`). The parent gets a pidfd.
pub(super) fn clone_into(flags: libc::c_int) -> io::Result<Copied<OwnedFd>> {
    let mut pidfd: RawFd = -1;
    let flags = flags | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack this is `fork`: the child
    // goes on with a copy of this single-threaded process' memory. The third
    // argument is where the kernel stores the pidfd in the parent, on every
    // architecture; the arguments whose order differs are zero.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::c_long::from(flags),
            0,
            &raw mut pidfd,
            0,
            0,
        )
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Copied::Child),
        // SAFETY: the kernel has just opened it for us alone.
        _ => Ok(Copied::Parent(unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// Copies this process.
pub(super) fn fork() -> io::Result<Copied<Pid>> {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Copied::Child),
        pid => Ok(Copied::Parent(
            Pid::from_raw(pid).expect("fork returns a process id"),
        )),
    }
}

/// Moves this process into new namespaces of the kinds in `flags`.
pub(super) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: no flag in use here shares or unshares memory or descriptors.
    check(unsafe { libc::unshare(flags) })
}

/// Adds attributes (`MOUNT_ATTR_…`) to a mount.
pub(super) fn add_mount_attributes(mount: BorrowedFd<'_>, attributes: u64) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the kernel reads `change`, whose size is given, and an empty path.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

/// Gives up the right to regain any capability through a program's file.
pub(super) fn empty_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: this option takes a number and touches no memory.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if let Err(error) = check(result) {
            // The first number that the kernel does not know.
            return match error.raw_os_error() {
                Some(libc::EINVAL) if capability > 0 => Ok(()),
                _ => Err(error),
            };
        }
    }
    Ok(())
}

/// Gives every signal its default meaning, and blocks none.
///
/// The C library keeps two signals to itself and refuses to touch them, so
/// this asks the kernel.
pub(super) fn default_signals() {
    // The kernel's `struct sigaction` with everything zero: the default
    // handler, no flags, an empty mask. It is smaller than this everywhere.
    let default = [0_u64; 8];
    let size = 8_usize;
    for signal in 1..=64 {
        // SAFETY: the kernel reads the structure above. Two signals cannot be
        // changed; for those the call fails, and nothing has to be done.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                size,
            );
        }
    }
    // SAFETY: as above; the mask is the first 8 zero bytes.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            default.as_ptr(),
            std::ptr::null::<u64>(),
            size,
        );
    }
}

/// Leaves some signals to others.
pub(super) fn ignore(signals: &[libc::c_int]) {
    for &signal in signals {
        // SAFETY: no code of this program becomes a handler.
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Marks every descriptor from `first` on to be closed when a program starts.
pub(super) fn close_on_exec_from(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: no descriptor is closed here.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            libc::c_ulong::from(first),
            libc::c_ulong::from(u32::MAX),
            libc::c_ulong::from(flags),
        )
    };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

/// What the children cost that were waited for, and theirs in turn.
pub(super) struct ChildrenUsage {
    pub(super) user: Duration,
    pub(super) sys: Duration,
    /// In bytes.
    pub(super) max_rss: u64,
}

/// Returns the usage of all children that were waited for.
pub(super) fn children_usage() -> ChildrenUsage {
    // SAFETY: the structure holds only numbers, for which zero is a value, and
    // the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let duration = |time: libc::timeval| {
        let micros = u32::try_from(time.tv_usec).unwrap_or(0);
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::from(micros))
    };
    ChildrenUsage {
        user: duration(usage.ru_utime),
        sys: duration(usage.ru_stime),
        max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}

/// Returns whether the kernel filters system calls.
pub(super) fn has_filters() -> bool {
    let answer = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads one number.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const answer,
        )
    };
    result == 0
}

/// Has the kernel run `program` on every system call of this process, and of all
/// that it starts.
pub(super) fn filter_calls(program: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies `len` instructions and changes none.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

/// Returns the version of Landlock; 0 if the kernel has none, or has it turned off.
pub(super) fn landlock_version() -> u32 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag there is no structure.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0,
            VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}

/// Makes a set of rules about these rights; what no rule allows is refused.
pub(super) fn landlock_ruleset(rights: u64, scopes: u64) -> io::Result<OwnedFd> {
    // The kernel's `struct landlock_ruleset_attr`: files, network, scopes.
    let attributes = [rights, 0, scopes];
    // An older kernel knows fewer fields.
    let fields = if scopes == 0 { 1 } else { 3 };
    // SAFETY: the kernel reads as many bytes as it is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            attributes.as_ptr(),
            size_of::<u64>() * fields,
            0,
        )
    };
    let fd = libc::c_int::try_from(result).unwrap_or(-1);
    check(fd)?;
    // SAFETY: the kernel has just opened it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allows rights in a folder and below it.
pub(super) fn landlock_allow(
    rules: BorrowedFd<'_>,
    folder: BorrowedFd<'_>,
    rights: u64,
) -> io::Result<()> {
    const PATH_BENEATH: libc::c_int = 1;
    // The kernel's `struct landlock_path_beneath_attr`, which is packed.
    let mut rule = [0_u8; 12];
    rule[..8].copy_from_slice(&rights.to_ne_bytes());
    rule[8..].copy_from_slice(&folder.as_raw_fd().to_ne_bytes());
    // SAFETY: the kernel reads the twelve bytes.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            rules.as_raw_fd(),
            PATH_BENEATH,
            rule.as_ptr(),
            0,
        )
    };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

/// Keeps this process, and all that it starts, to the rules.
pub(super) fn landlock_restrict(rules: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: two numbers.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
