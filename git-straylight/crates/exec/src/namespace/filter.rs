//! Which system calls a command may make: a filter that the kernel runs on each.
//!
//! A command can do little with the calls that are refused here: it has no capability.
//! They are the ones by which it could get some in namespaces of its own, reach
//! beyond its network namespace, or meet code of the kernel that no build needs and
//! that has had more than its share of errors. The list is what container runtimes
//! refuse, and less: `ptrace` and its like stay, since a sandbox has only its own
//! processes, and sanitizers and debuggers use them.
//!
//! What is refused is `EPERM`, as if for want of a capability; calls that programs have
//! another way for are `ENOSYS`, as in an older kernel.

use libc::{c_long, sock_filter};

/// The architecture of this program, as the kernel calls it.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Calls that change what the machine is, or what a process sees of it.
const REFUSED: &[c_long] = &[
    // Mounts, and namespaces to have them in.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    // Programs and queues that run in the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Keys belong to the user, and not to a namespace.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The machine's own.
    libc::SYS_acct,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_settimeofday,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_fanotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// Flags of `clone` that make namespaces.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// The families of sockets that a build has a use for. Others reach past the network
/// namespace (`AF_VSOCK`), or are old and seldom looked at.
const FAMILIES: [u32; 4] = [
    libc::AF_UNIX as u32,
    libc::AF_INET as u32,
    libc::AF_INET6 as u32,
    libc::AF_NETLINK as u32,
];

/// Requests to a terminal that put text where its owner would have typed it.
const TYPING: [u32; 2] = [0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */];

/// Personalities: asking, Linux, 32 bits of it, and addresses that are not random.
const PERSONALITIES: [u32; 4] = [0xffff_ffff, 0, 0x8, 0x004_0000];

/// The number of a system call that is another architecture's way in.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Returns the filter, in the kernel's classic BPF.
pub(super) fn program() -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCHITECTURE_AT),
        jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0),
        refuse(libc::ENOSYS),
        load(NUMBER_AT),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(libc::BPF_JGE, X32, 0, 1), refuse(libc::ENOSYS)]);
    // Often called ones first: the kernel knows of the others that they are allowed.
    argument(&mut program, libc::SYS_ioctl, 1, |rest| {
        for request in TYPING {
            rest.extend([jump(libc::BPF_JEQ, request, 0, 1), refuse(libc::EPERM)]);
        }
        rest.push(allow());
    });
    argument(&mut program, libc::SYS_clone, 0, |rest| {
        rest.extend([
            jump(libc::BPF_JSET, NAMESPACES, 0, 1),
            refuse(libc::EPERM),
            allow(),
        ]);
    });
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        one_of(&mut program, call, &FAMILIES, libc::EAFNOSUPPORT);
    }
    one_of(
        &mut program,
        libc::SYS_personality,
        &PERSONALITIES,
        libc::EPERM,
    );
    // Its flags lie in memory, which a filter cannot read.
    call(&mut program, libc::SYS_clone3, refuse(libc::ENOSYS));
    for &refused in REFUSED {
        call(&mut program, refused, refuse(libc::EPERM));
    }
    program.push(allow());
    program
}

/// Where `struct seccomp_data` has them.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

/// The lower half of an argument: what the kernel looks at of those here.
const fn argument_at(index: u32) -> u32 {
    16 + 8 * index
}

const fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

const fn load(at: u32) -> sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0)
}

/// Skips so many instructions if what was loaded compares, or does not.
const fn jump(comparison: u32, with: u32, if_so: u8, if_not: u8) -> sock_filter {
    let code = libc::BPF_JMP | comparison | libc::BPF_K;
    instruction(code, with, if_so, if_not)
}

const fn allow() -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0)
}

const fn refuse(errno: i32) -> sock_filter {
    let answer = libc::SECCOMP_RET_ERRNO | errno as u32;
    instruction(libc::BPF_RET | libc::BPF_K, answer, 0, 0)
}

/// Answers a call, whatever its arguments are.
fn call(program: &mut Vec<sock_filter>, number: c_long, answer: sock_filter) {
    program.extend([jump(libc::BPF_JEQ, number as u32, 0, 1), answer]);
}

/// Answers a call by one of its arguments; `rest` ends with an answer.
fn argument(
    program: &mut Vec<sock_filter>,
    number: c_long,
    index: u32,
    rest: impl FnOnce(&mut Vec<sock_filter>),
) {
    let mut body = vec![load(argument_at(index))];
    rest(&mut body);
    let skipped = u8::try_from(body.len()).expect("a short answer");
    program.push(jump(libc::BPF_JEQ, number as u32, 0, skipped));
    program.extend(body);
}

/// Allows a call if its first argument is one of these.
fn one_of(program: &mut Vec<sock_filter>, number: c_long, allowed: &[u32], errno: i32) {
    argument(program, number, 0, |rest| {
        for &value in allowed {
            rest.extend([jump(libc::BPF_JEQ, value, 0, 1), allow()]);
        }
        rest.push(refuse(errno));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does.
    fn answer(number: c_long, arguments: [u64; 2], architecture: u32) -> u32 {
        let mut data = [0_u8; 64];
        data[0..4].copy_from_slice(&(number as u32).to_le_bytes());
        data[4..8].copy_from_slice(&architecture.to_le_bytes());
        for (index, argument) in arguments.iter().enumerate() {
            data[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_le_bytes());
        }
        let program = program();
        let (mut at, mut loaded) = (0, 0_u32);
        loop {
            let step = program[at];
            let code = u32::from(step.code);
            let skip = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
            at += 1 + match code & 7 {
                libc::BPF_LD => {
                    let from = step.k as usize;
                    loaded = u32::from_le_bytes(data[from..from + 4].try_into().expect("four"));
                    0
                }
                libc::BPF_RET => return step.k,
                _ => match code & 0xf0 {
                    libc::BPF_JEQ => skip(loaded == step.k),
                    libc::BPF_JGE => skip(loaded >= step.k),
                    libc::BPF_JSET => skip(loaded & step.k != 0),
                    other => panic!("an instruction {other:#x}"),
                },
            };
        }
    }

    #[test]
    fn calls_are_answered_by_number_and_argument() {
        const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
        let no = |errno: i32| libc::SECCOMP_RET_ERRNO | errno as u32;
        let threads = (libc::CLONE_VM | libc::CLONE_THREAD | libc::SIGCHLD) as u64;
        let user = libc::CLONE_NEWUSER as u64 | threads;
        for (call, first, second, expected) in [
            (libc::SYS_read, 0, 0, ALLOWED),
            (libc::SYS_ptrace, 0, 0, ALLOWED),
            (libc::SYS_mount, 0, 0, no(libc::EPERM)),
            (libc::SYS_fanotify_init, 0, 0, no(libc::EPERM)),
            (libc::SYS_clone3, 0, 0, no(libc::ENOSYS)),
            (libc::SYS_clone, threads, 0, ALLOWED),
            (libc::SYS_clone, user, 0, no(libc::EPERM)),
            (libc::SYS_socket, libc::AF_UNIX as u64, 0, ALLOWED),
            (
                libc::SYS_socket,
                libc::AF_VSOCK as u64,
                0,
                no(libc::EAFNOSUPPORT),
            ),
            (libc::SYS_socketpair, libc::AF_UNIX as u64, 0, ALLOWED),
            (libc::SYS_ioctl, 0, 0x5401, ALLOWED),
            (libc::SYS_ioctl, 0, 0x5412, no(libc::EPERM)),
            // The kernel does not look at the upper half.
            (libc::SYS_ioctl, 0, 0x1_0000_5412, no(libc::EPERM)),
            (libc::SYS_personality, 0x004_0000, 0, ALLOWED),
            (libc::SYS_personality, 0x040_0000, 0, no(libc::EPERM)),
        ] {
            let told = answer(call, [first, second], ARCHITECTURE);
            assert_eq!(told, expected, "call {call} with {first:#x}, {second:#x}");
        }
        let other = answer(libc::SYS_read, [0, 0], 0x4000_0003);
        assert_eq!(other, no(libc::ENOSYS), "another architecture");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(
            answer(c_long::from(X32), [0, 0], ARCHITECTURE),
            no(libc::ENOSYS)
        );
    }
}
