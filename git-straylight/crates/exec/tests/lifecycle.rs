//! How actions end, and that nothing of them is left.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::support::{Private, Task, executor, posix, private, processes, until, until_made};
use straylight_exec::{
    Cancellation, ExecError, Executor as _, NamespaceExecutor, Node, Outcome, Status,
};
use straylight_odb::LocalStore;

/// Leaves a daemon behind that is an orphan in a session of its own, deaf to
/// every signal that can be ignored, and says when it is there.
const DAEMON: &str = r#"
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
int main(int argc, char **argv) {
    for (int signal = 1; signal < 32; signal++) sigignore(signal);
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int fd = 0; fd < 10; fd++) close(fd);
            creat("out/ready", 0644);
        } else {
            return 0;
        }
    }
    for (;;) pause();
}
"#;

/// A command whose processes have `marker` in their command lines.
fn daemons(private: &Private, marker: &str) -> Task {
    let source = private.folder.path().join("daemon.c");
    let program = private.folder.path().join("daemon");
    fs::write(&source, DAEMON).unwrap();
    let compiled = Command::new("gcc")
        .args(["-static", "-w", "-D_GNU_SOURCE", "-o"])
        .args([&program, &source])
        .status()
        .unwrap();
    assert!(compiled.success());
    let digest = private.store.write_file(&program).unwrap();
    let node = Node::File {
        digest,
        executable: true,
    };
    Task::new(private.posix, &["./daemon", marker])
        .node("daemon", node)
        .out("out/x")
}

/// A number of seconds that no other test sleeps.
fn marker(number: u32) -> String {
    format!("9{number}{}", std::process::id())
}

fn stop(private: &Private, marker: &str, how: impl FnOnce(&Cancellation)) -> Outcome {
    let executor = executor(&private.store);
    let cancellation = Cancellation::new();
    let action = daemons(private, marker).build(&private.store);
    let outcome = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            executor
                .execute(&action.request(), &cancellation, &|_| {})
                .unwrap()
        });
        until_made(private.store.root(), "out/ready");
        // The command itself, its child, and the daemon.
        assert!(processes(marker).len() >= 2);
        how(&cancellation);
        run.join().unwrap()
    });
    assert_eq!(processes(marker), [""; 0]);
    outcome
}

#[test]
fn cancelling_kills_daemons_too() {
    let private = private();
    let outcome = stop(&private, &marker(1), Cancellation::cancel);
    assert_eq!(outcome.status, Status::Cancelled);
    assert!(outcome.outputs.is_empty() && outcome.missing.is_empty());
    assert!(outcome.usage.wall > Duration::ZERO);
}

#[test]
fn a_cancelled_switch_starts_nothing() {
    let private = private();
    let executor = executor(&private.store);
    let cancellation = Cancellation::new();
    cancellation.cancel();
    let action = Task::sh(private.posix, "true").build(&private.store);
    let outcome = executor
        .execute(&action.request(), &cancellation, &|_| {})
        .unwrap();
    assert_eq!(outcome.status, Status::Cancelled);
}

#[test]
fn the_end_of_its_time_kills_a_command_and_its_daemons() {
    let private = private();
    let marker = marker(2);
    let task = daemons(&private, &marker).timeout(Duration::from_millis(300));
    let outcome = task.run(&private.store, &executor(&private.store));
    assert_eq!(outcome.status, Status::TimedOut);
    assert_eq!(processes(&marker), [""; 0]);
}

#[test]
fn daemons_do_not_outlive_their_command() {
    let private = private();
    let marker = marker(3);
    let script = format!("(sleep {marker} &) & echo done");
    let outcome = Task::sh(private.posix, &script).run(&private.store, &executor(&private.store));
    assert_eq!(outcome.status, Status::Exited(0));
    assert_eq!(outcome.stdout, b"done\n");
    assert_eq!(processes(&marker), [""; 0]);
}

/// Runs one test of this program as a process of its own.
fn child(test: &str, cache: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("lifecycle::{test}"), "--nocapture"])
        .env("STRAYLIGHT_TEST_CACHE", cache)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// What [`kill_9_leaves_nothing`] kills.
fn victim(cache: &Path, marker: &str) {
    let store = Arc::new(LocalStore::open(cache).unwrap());
    let private = Private {
        posix: posix(&store),
        folder: tempfile::tempdir().unwrap(),
        store,
    };
    daemons(&private, marker).run(&private.store, &executor(&private.store));
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mounts").unwrap()
}

#[test]
fn kill_9_leaves_nothing() {
    if let Ok(marker) = std::env::var("STRAYLIGHT_TEST_MARKER") {
        let cache = std::env::var("STRAYLIGHT_TEST_CACHE").unwrap();
        return victim(Path::new(&cache), &marker);
    }
    let private = private();
    let cache = private.store.root();
    let before = mounts();
    for round in 0..3 {
        let marker = marker(40 + round);
        let mut victim = child("kill_9_leaves_nothing", cache)
            .env("STRAYLIGHT_TEST_MARKER", &marker)
            .spawn()
            .unwrap();
        let ready = until_made(cache, "out/ready");
        victim.kill().unwrap();
        victim.wait().unwrap();
        // Whoever belongs to the sandbox holds this lock.
        let session = ready.ancestors().nth(4).unwrap();
        fs::File::open(session.join("lock"))
            .unwrap()
            .lock()
            .unwrap();
        until(|| processes(&marker).is_empty().then_some(()));
        assert!(session.exists(), "nobody was left to remove it");
        assert_eq!(mounts(), before);

        let next = executor(&private.store);
        assert!(!session.exists(), "the next executor removes it");
        assert_eq!(folders(cache), 1);
        assert!(
            Task::sh(private.posix, "true")
                .run(&private.store, &next)
                .is_success()
        );
        drop(next);
        assert_eq!(folders(cache), 0);
    }
}

fn folders(cache: &Path) -> usize {
    let entries = fs::read_dir(cache.join("sandboxes")).unwrap().flatten();
    entries.filter(|entry| entry.path().is_dir()).count()
}

#[test]
fn a_killed_helper_is_noticed_and_replaced() {
    let private = private();
    let executor = executor(&private.store);
    let cache = private.store.root().to_str().unwrap().to_owned();
    let marker = marker(5);
    let action = daemons(&private, &marker).build(&private.store);
    let error = std::thread::scope(|scope| {
        let run =
            scope.spawn(|| executor.execute(&action.request(), &Cancellation::new(), &|_| {}));
        until_made(private.store.root(), "out/ready");
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if crate::support::text(&line).contains(&format!("helper\0{cache}\0")) {
                let pid = entry.file_name().into_string().unwrap();
                Command::new("kill").args(["-9", &pid]).output().unwrap();
            }
        }
        run.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, ExecError::Sandbox { .. }), "{error}");
    until(|| processes(&marker).is_empty().then_some(()));
    let task = Task::sh(private.posix, "true");
    assert!(task.run(&private.store, &executor).is_success());
}

#[test]
fn executors_on_one_cache_do_not_disturb_each_other() {
    let private = private();
    let store = &private.store;
    std::thread::scope(|scope| {
        for number in 0..3 {
            scope.spawn(move || {
                for round in 0..5 {
                    let executor = executor(store);
                    std::thread::scope(|scope| {
                        for thread in 0..2 {
                            let executor = &executor;
                            scope.spawn(move || {
                                let name = format!("{number}-{round}-{thread}");
                                let outcome = Task::sh(posix(store), "cat in > out/x")
                                    .file(store, "in", &name)
                                    .out("out/x")
                                    .run(store, executor);
                                assert_eq!(
                                    crate::support::output(store, &outcome, "out/x"),
                                    name.as_bytes()
                                );
                            });
                        }
                    });
                }
            });
        }
    });
    assert_eq!(folders(store.root()), 0);
}

/// Says what an executor says where no user namespace can be made.
fn refused(cache: &str) {
    straylight_exec::testing::enable();
    let store = Arc::new(LocalStore::open(cache).unwrap());
    match NamespaceExecutor::new(store) {
        Err(ExecError::NamespacesUnavailable { reason, cure }) => {
            println!("REASON {reason}\nCURE {cure}");
        }
        other => println!("{other:?}"),
    }
}

#[test]
fn where_namespaces_are_forbidden_the_cure_is_named() {
    if let Ok(cache) = std::env::var("STRAYLIGHT_TEST_CACHE") {
        return refused(&cache);
    }
    let private = private();
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let mut test = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "lifecycle::where_namespaces_are_forbidden_the_cure_is_named",
            "--nocapture",
        ])
        .env("STRAYLIGHT_TEST_CACHE", private.store.root())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    test.stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(test.wait().unwrap().success());
    assert!(
        said.contains(
            "REASON the kernel refused to make a user namespace: No space left on device"
        ),
        "{said}"
    );
    assert!(
        said.contains("CURE as root: `sysctl -w user.max_user_namespaces=16384`"),
        "{said}"
    );
}
