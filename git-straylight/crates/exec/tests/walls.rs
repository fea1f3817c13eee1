//! What a command is kept from besides what its namespaces hide: real calls, made by
//! real programs.

use crate::support::{Task, executor, gcc, output, posix, shared_store, text};
use straylight_exec::{Executor as _, Status};

/// Makes calls and prints what came of each.
const CALLS: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <pthread.h>
#include <fcntl.h>

static void say(const char *name, long result)
{
    printf("%s: %s\n", name, result < 0 ? strerrorname_np(errno) : "done");
    fflush(stdout);
}

static void *thread(void *unused) { return unused; }

int main(void)
{
    char stack[16384];
    say("mount", mount("none", "/tmp", "tmpfs", 0, 0));
    say("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    say("unshare", unshare(CLONE_NEWUSER));
    say("clone", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    say("clone3", syscall(SYS_clone3, stack, 88));
    say("bpf", syscall(SYS_bpf, 0, 0, 0));
    say("perf", syscall(SYS_perf_event_open, 0, 0, 0, 0, 0));
    say("userfaultfd", syscall(SYS_userfaultfd, 0));
    say("io_uring", syscall(SYS_io_uring_setup, 1, stack));
    say("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0));
    say("sethostname", sethostname("x", 1));
    say("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    say("alg", socket(AF_ALG, SOCK_SEQPACKET, 0));
    say("packet", socket(AF_PACKET, SOCK_RAW, 0));
    say("inet", socket(AF_INET, SOCK_STREAM, 0));
    say("unix", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0, 0 }));
    say("typing", ioctl(0, TIOCSTI, "x"));
    say("asking", personality(0xffffffff));
    say("old layout", personality(ADDR_COMPAT_LAYOUT));
    pthread_t other;
    say("thread", -pthread_create(&other, 0, thread, 0));
    pid_t child = fork();
    if (child == 0) _exit(0);
    say("fork", child);
    say("wait", waitpid(child, 0, 0));
    say("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    say("null", open("/dev/null", O_WRONLY | O_TRUNC));
    say("random", open("/dev/urandom", O_RDONLY));
    say("inside", open("/build/out/inside", O_WRONLY | O_CREAT, 0644));
    say("rename", rename("/build/out/inside", "/build/out/deep/renamed"));
    say("tmp", open("/tmp/x", O_RDWR | O_CREAT, 0644));
#ifdef __x86_64__
    long answer;
    /* The other way in: `getpid` of i386. */
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20) : "memory");
    errno = -answer;
    say("i386", answer < 0 ? -1 : 0);
    say("x32", syscall(0x40000000 | 39));
#endif
    return 0;
}
"#;

const ANSWERS: &str = "\
mount: EPERM
fsopen: EPERM
unshare: EPERM
clone: EPERM
clone3: ENOSYS
bpf: EPERM
perf: EPERM
userfaultfd: EPERM
io_uring: EPERM
keyctl: EPERM
sethostname: EPERM
vsock: EAFNOSUPPORT
alg: EAFNOSUPPORT
packet: EAFNOSUPPORT
inet: done
unix: done
typing: EPERM
asking: done
old layout: EPERM
thread: done
fork: done
wait: done
ptrace: done
null: done
random: done
inside: done
rename: done
tmp: done
";

#[test]
fn system_calls_that_no_build_needs_are_refused() {
    let store = shared_store();
    let executor = executor(&store);
    let compile = Task::new(
        gcc(&store),
        &["/usr/bin/gcc", "-pthread", "calls.c", "-o", "out/calls"],
    );
    let built = compile
        .file(&store, "calls.c", CALLS)
        .out("out/calls")
        .run(&store, &executor);
    assert!(built.is_success(), "{}", text(&built.stderr));
    let program = store_node(&built);
    let ran = Task::new(gcc(&store), &["./calls"])
        .node("calls", program)
        .out("out/made")
        .out("out/deep/made")
        .run(&store, &executor);
    let mut expected = ANSWERS.to_owned();
    if cfg!(target_arch = "x86_64") {
        expected.push_str("i386: ENOSYS\nx32: ENOSYS\n");
    }
    assert_eq!(text(&ran.stdout), expected, "{ran:?}");
    assert_eq!(ran.status, Status::Exited(0));
}

fn store_node(built: &straylight_exec::Outcome) -> straylight_exec::Node {
    match built.outputs[0].content {
        straylight_exec::OutputContent::File { digest, executable } => {
            straylight_exec::Node::File { digest, executable }
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn what_keeps_a_command_in_is_recorded() {
    let store = shared_store();
    let executor = executor(&store);
    let script = "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status > out/status";
    let outcome = Task::sh(posix(&store), script)
        .out("out/status")
        .run(&store, &executor);
    let told = text(&output(&store, &outcome, "out/status"));
    let enforced = executor.description().enforced;
    assert!(told.contains("NoNewPrivs:\t1"), "{told}");
    assert_eq!(enforced.contains(&"seccomp"), told.contains("Seccomp:\t2"));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    // Every kernel that has the mounts a sandbox is made of has filters.
    assert!(enforced.contains(&"seccomp"), "{kernel}");
}

#[test]
fn outputs_and_devices_stay_usable() {
    let store = shared_store();
    let executor = executor(&store);
    let script = "
        try() { if \"$@\" 2>/dev/null; then echo \"allowed: $*\"; fi; }
        write() { echo x > \"$1\"; }
        try write /build/x; try write /usr/x; try write /proc/self/comm
        try ln src/in out/a/link
        mkdir out/a/b; echo made > out/a/b/made; mv out/a/b/made out/a/made; rmdir out/a/b
        cat src/in /proc/self/comm > /dev/null; ls /dev
    ";
    let outcome = Task::sh(posix(&store), script)
        .file(&store, "src/in", "input\n")
        .out("out/a/made")
        .run(&store, &executor);
    assert_eq!(text(&outcome.stdout), "full\nnull\nrandom\nurandom\nzero\n");
    assert!(outcome.is_success(), "{outcome:?}");
}
