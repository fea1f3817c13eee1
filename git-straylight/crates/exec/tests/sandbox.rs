//! What an action sees, and what it cannot do.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::support::{Task, executor, gcc, output, posix, shared_store, text};
use straylight_exec::{Node, OutputContent, Status};
use straylight_odb::ContentStore as _;

#[test]
fn only_declared_inputs_are_there() {
    let store = shared_store();
    let executor = executor(&store);
    let compile = || {
        let arguments = ["/usr/bin/gcc", "-c", "src/a.c", "-o", "out/a.o"];
        Task::new(gcc(&store), &arguments)
            .file(
                &store,
                "src/a.c",
                "#include \"secret.h\"\nint x = SECRET;\n",
            )
            .out("out/a.o")
    };
    let refused = compile().run(&store, &executor);
    assert_eq!(refused.status, Status::Exited(1));
    assert!(text(&refused.stderr).contains("src/a.c:1:10: fatal error: secret.h: No such file"));
    assert_eq!(refused.missing, ["out/a.o"]);
    assert!(!refused.is_success());

    let declared = compile().file(&store, "src/secret.h", "#define SECRET 1\n");
    let built = declared.run(&store, &executor);
    assert!(built.is_success(), "{built:?}");
    assert!(output(&store, &built, "out/a.o").starts_with(b"\x7fELF"));
}

#[test]
fn an_action_sees_its_sandbox_and_nothing_else() {
    let store = shared_store();
    let script = "
        echo /*/ | tr ' ' '\\n' | grep -Ev '^/(bin|etc|lib[0-9a-z]*|sbin|usr)/$'
        echo /dev/*; ls -A /build
        pwd; id -u; id -g; id -G; umask; uname -n; ls -A /tmp | wc -l
        grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|SigIgn|SigBlk):' /proc/self/status
        ls /proc/self/fd | wc -l
        cat | wc -c
        cat /proc/net/dev | wc -l
        ps=$(ls /proc | grep -c '^[0-9]'); [ $ps -le 6 ] && echo few
    ";
    let outcome = Task::sh(posix(&store), script).run(&store, &executor(&store));
    let expected = "\
/build/
/dev/
/proc/
/tmp/
/dev/full /dev/null /dev/random /dev/urandom /dev/zero
/build
1000
1000
1000
0022
straylight
0
SigBlk:	0000000000000000
SigIgn:	0000000000000000
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000000
CapAmb:	0000000000000000
NoNewPrivs:	1
4
0
3
few
";
    assert_eq!(text(&outcome.stdout), expected, "{}", text(&outcome.stderr));
}

#[test]
fn the_environment_is_the_declared_one() {
    let store = shared_store();
    let task = Task::new(posix(&store), &["/usr/bin/env"]);
    let outcome = task
        .env("LANG", "C")
        .env("X", "1=2")
        .run(&store, &executor(&store));
    let mut lines: Vec<String> = text(&outcome.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    let expected = [
        "HOME=/tmp",
        "LANG=C",
        "PATH=/usr/bin:/bin",
        "SOURCE_DATE_EPOCH=315532800",
        "TZ=UTC",
        "X=1=2",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn inputs_the_toolchain_and_the_devices_cannot_be_changed() {
    let store = shared_store();
    // Each line that succeeds is named on standard output.
    let script = "
        try() { if \"$@\" 2>/dev/null; then echo \"allowed: $*\"; fi; }
        write() { echo evil >> \"$1\"; }
        for file in src/a out/pkg/in out/pkg/sub/in /usr/bin/sh /new src/new out/new /dev/new \
                /proc/sys/kernel/hostname /proc/self/oom_score_adj /build/new; do
            try write $file
        done
        for file in src/a out/pkg/in out/pkg/sub/in out/pkg/tool /usr/bin/sh /dev/null; do
            try chmod 777 $file
            try touch $file
            try rm -f $file
            try mv -f $file out/pkg/elsewhere
            try ln $file out/pkg/link
            try dd if=/dev/zero of=$file conv=notrunc count=1
        done
        try rm -rf out/pkg/sub src
        try mv out out2
        try mknod out/pkg/null c 1 3
        echo mine > out/pkg/result; echo mine > out/pkg/other; echo mine > /tmp/x
    ";
    let digest = store.write(b"#!/bin/sh\n").unwrap();
    let task = Task::sh(posix(&store), &script.replace("/dev/null; do", "; do"))
        .file(&store, "src/a", "source\n")
        .file(&store, "out/pkg/in", "input beside outputs\n")
        .file(&store, "out/pkg/sub/in", "input below outputs\n")
        .node(
            "out/pkg/tool",
            Node::File {
                digest,
                executable: true,
            },
        )
        .out("out/pkg/result");
    let outcome = task.run(&store, &executor(&store));
    assert_eq!(text(&outcome.stdout), "", "{}", text(&outcome.stderr));
    assert!(outcome.is_success());
    assert_eq!(output(&store, &outcome, "out/pkg/result"), b"mine\n");
    // `mv` cannot remove its source: it leaves a copy, which is harmless.
    assert_eq!(outcome.undeclared, ["out/pkg/elsewhere", "out/pkg/other"]);
    for bytes in [
        "source\n",
        "input beside outputs\n",
        "input below outputs\n",
    ] {
        let digest = straylight_odb::Digest::of(bytes.as_bytes());
        assert!(store.read(&digest).unwrap().is_some(), "{bytes}");
    }
}

#[test]
fn a_file_that_was_an_input_is_writable_where_it_is_not() {
    // The twin of the refusals above: the same commands work on own files.
    let store = shared_store();
    let script =
        "echo a > out/x && chmod 777 out/x && ln out/x out/y && mv out/y out/z && rm out/x";
    let outcome = Task::sh(posix(&store), script)
        .out("out/z")
        .run(&store, &executor(&store));
    assert!(outcome.is_success(), "{}", text(&outcome.stderr));
}

const NETWORK_PROBE: &str = r#"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <stddef.h>
static void say(const char *what, int result) {
    printf("%s %d %s\n", what, result < 0, result < 0 ? strerror(errno) : "");
}
int main(int argc, char **argv) {
    struct sockaddr_in tcp = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
    inet_aton("127.0.0.1", &tcp.sin_addr);
    say("tcp", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&tcp, sizeof tcp));
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    strcpy(local.sun_path + 1, argv[2]);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[2]);
    say("abstract", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&local, length));
    if (argc > 3) return 0;
    inet_aton("192.0.2.1", &tcp.sin_addr);
    say("far", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&tcp, sizeof tcp));
    say("raw", socket(AF_INET, SOCK_RAW, 1));
    return 0;
}
"#;

#[test]
fn there_is_no_network() {
    let store = shared_store();
    let executor = executor(&store);
    let arguments = ["/usr/bin/gcc", "probe.c", "-o", "out/probe"];
    let built = Task::new(gcc(&store), &arguments)
        .file(&store, "probe.c", NETWORK_PROBE)
        .out("out/probe")
        .run(&store, &executor);
    assert!(built.is_success(), "{}", text(&built.stderr));
    let OutputContent::File { digest, executable } = built.outputs[0].content else {
        panic!("{built:?}")
    };
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let name = format!("straylight-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let outcome = Task::new(gcc(&store), &["./probe", &port, &name])
        .node("probe", Node::File { digest, executable })
        .run(&store, &executor);
    let expected = "tcp 1 Network is unreachable\n\
                    abstract 1 Connection refused\n\
                    far 1 Network is unreachable\n\
                    raw 1 Operation not permitted\n";
    assert_eq!(text(&outcome.stdout), expected);

    // The same program outside: so it was the sandbox that refused.
    let folder = tempfile::tempdir().unwrap();
    let probe = folder.path().join("probe");
    assert!(store.copy(&digest, true, &probe).unwrap());
    let outside = std::process::Command::new(&probe)
        .args([&port, &name, "near"])
        .output()
        .unwrap();
    assert_eq!(text(&outside.stdout), "tcp 0 \nabstract 0 \n");
}

#[test]
fn two_actions_do_not_see_each_other() {
    let store = shared_store();
    let executor = executor(&store);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|number| {
                let (store, executor) = (&store, &executor);
                scope.spawn(move || {
                    let script = format!(
                        "echo {number} > /tmp/{number}; ls /tmp; all=$(ls /proc)
                        echo \"$all\" | grep -c '^[0-9]'"
                    );
                    (number, Task::sh(posix(store), &script).run(store, executor))
                })
            })
            .collect();
        for run in runs {
            let (number, outcome) = run.join().unwrap();
            // Process 1, the shell, and `ls`.
            assert_eq!(text(&outcome.stdout), format!("{number}\n3\n"));
        }
    });
}

#[test]
fn failures_of_the_program_are_told_apart() {
    let store = shared_store();
    let executor = executor(&store);
    let run = |arguments: &[&str]| {
        let task = Task::new(posix(&store), arguments).file(&store, "data", "not a program");
        task.run(&store, &executor)
    };
    let absent = run(&["/usr/bin/absent"]);
    assert_eq!(absent.status, Status::Exited(127));
    let message =
        "straylight: cannot run `/usr/bin/absent`: No such file or directory (os error 2)\n";
    assert_eq!(text(&absent.stderr), message);
    assert_eq!(run(&["./data"]).status, Status::Exited(126));
    assert_eq!(run(&["sh", "-c", "exit 7"]).status, Status::Exited(7));
    assert_eq!(
        run(&["sh", "-c", "kill -SEGV $$"]).status,
        Status::Signaled(11)
    );
    let usage = run(&[
        "sh",
        "-c",
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
    ])
    .usage;
    assert!(
        !usage.user.is_zero() && usage.max_rss > 100_000,
        "{usage:?}"
    );
}

#[test]
fn long_output_keeps_its_ends() {
    let store = shared_store();
    let script = "echo first; head -c 3000000 /dev/zero; echo last; seq 200000 >&2";
    let outcome = Task::sh(posix(&store), script).run(&store, &executor(&store));
    assert!(outcome.stdout.starts_with(b"first\n"));
    assert!(outcome.stdout.ends_with(b"last\n"));
    let cut = "straylight: 1951435 bytes were cut here\n";
    assert!(text(&outcome.stdout).contains(cut));
    assert_eq!(outcome.stdout.len(), (1 << 20) + 1 + cut.len());
    assert!(outcome.stderr.ends_with(b"199999\n200000\n"));
}
