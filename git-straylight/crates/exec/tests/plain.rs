//! The executor without isolation: the same layout, the same outcomes.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Private, Task, executor, output, private, processes, text, until_made};
use straylight_exec::{
    Cancellation, Executor as _, Isolation, OutputContent, PlainExecutor, Status, Trace,
};
use straylight_odb::ContentStore as _;

fn plain() -> (Private, PlainExecutor) {
    let private = private();
    let executor = PlainExecutor::new(Arc::clone(&private.store)).unwrap();
    (private, executor)
}

#[test]
fn makes_what_the_sandbox_makes() {
    let (private, plain) = plain();
    let store = &private.store;
    let task = || {
        let script = "cat src/a > out/p/a; mkdir out/p/d; ln -s ../a out/p/d/l; echo x > out/p/extra; pwd >&2";
        Task::sh(private.posix, script)
            .file(store, "src/a", "input")
            .out("out/p/a")
            .out("out/p/d")
            .out("out/p/none")
    };
    let bare = task().run(store, &plain);
    let boxed = task().run(store, &executor(store));
    assert_eq!(output(store, &bare, "out/p/a"), b"input");
    assert!(matches!(
        bare.outputs[1].content,
        OutputContent::Directory { .. }
    ));
    assert_eq!(bare.outputs, boxed.outputs);
    assert_eq!(bare.undeclared, boxed.undeclared);
    assert_eq!(bare.missing, ["out/p/none"]);
    assert!(text(&bare.stderr).trim_end().ends_with("/build"));

    let action = task().build(store);
    let trace = Trace::of(&action.request(), &bare, &plain.description(), &[], 0);
    assert_eq!(trace.executor.isolation, Isolation::None.as_str());
    assert!(trace.effects.enforced.is_empty());
}

#[test]
fn an_input_that_is_changed_is_a_copy() {
    let (private, plain) = plain();
    let store = &private.store;
    let task = Task::sh(private.posix, "chmod +w a; echo evil > a; cat a")
        .file(store, "a", "good")
        .run(store, &plain);
    assert_eq!(text(&task.stdout), "evil\n");
    let digest = straylight_odb::Digest::of(b"good");
    assert_eq!(store.read(&digest).unwrap().as_deref(), Some(&b"good"[..]));
}

#[test]
fn ends_as_the_sandbox_does() {
    let (private, plain) = plain();
    let store = &private.store;
    let run = |script: &str| Task::sh(private.posix, script).run(store, &plain).status;
    assert_eq!(run("exit 3"), Status::Exited(3));
    assert_eq!(run("kill -SEGV $$"), Status::Signaled(11));
    let absent = Task::new(private.posix, &["/absent"]).run(store, &plain);
    assert_eq!(absent.status, Status::Exited(127));
    assert!(text(&absent.stderr).contains("cannot run `/absent`"));
    let slow = Task::sh(private.posix, "sleep 1000 & sleep 1000");
    let slow = slow.timeout(Duration::from_millis(50)).run(store, &plain);
    assert_eq!(slow.status, Status::TimedOut);
    // Nobody waits for what holds the pipe after the command has ended.
    let marker = format!("8{}", std::process::id());
    assert_eq!(run(&format!("sleep {marker} & echo x")), Status::Exited(0));
    crate::support::until(|| processes(&marker).is_empty().then_some(()));
}

#[test]
fn can_be_cancelled() {
    let (private, plain) = plain();
    let store = &private.store;
    let marker = format!("7{}", std::process::id());
    let script = format!("sleep {marker} & echo > out/ready; wait");
    let action = Task::sh(private.posix, &script).out("out/x").build(store);
    let cancellation = Cancellation::new();
    let outcome = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            plain
                .execute(&action.request(), &cancellation, &|_| {})
                .unwrap()
        });
        until_made(store.root(), "out/ready");
        cancellation.cancel();
        run.join().unwrap()
    });
    assert_eq!(outcome.status, Status::Cancelled);
    crate::support::until(|| processes(&marker).is_empty().then_some(()));
}
