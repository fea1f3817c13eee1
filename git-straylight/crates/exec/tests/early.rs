//! Outputs that others may read before their action ends.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use straylight_exec::{Cancellation, Executor, Outcome, Output, PlainExecutor, Status};
use straylight_odb::LocalStore;

use crate::support::{Private, Task, executor, output, private, until_made};

/// Runs a script whose output `out/m` is early, on each executor, and checks how
/// it ended, and what was published. As soon as something is, it finds the file
/// `out/go`, or is cancelled if `cancels`.
fn on_each(script: &str, cancels: bool, check: impl Fn(Outcome, Vec<Output>, &LocalStore)) {
    let Private {
        folder: _folder,
        store,
        posix,
    } = private();
    let plain = PlainExecutor::new(Arc::clone(&store)).unwrap();
    let namespace = executor(&store);
    let executors: [&dyn Executor; 2] = [&plain, &namespace];
    for executor in executors {
        let task = Task::sh(posix, script).out("out/m").out("out/whole");
        let task = task.timeout(Duration::from_secs(60));
        let mut request = task.build(&store).request();
        request.early = vec!["out/m".to_owned()];
        let cancellation = Cancellation::new();
        let published = Mutex::new(Vec::new());
        let outcome = executor.execute(&request, &cancellation, &|output| {
            published.lock().unwrap().push(output.clone());
            if cancels {
                cancellation.cancel();
            } else {
                let made = until_made(store.root(), "out/m");
                fs::write(made.with_file_name("go"), "").unwrap();
            }
        });
        check(outcome.unwrap(), published.into_inner().unwrap(), &store);
    }
}

/// Publishes `out/m`, and waits until that is known.
const MOVE_IN_PLACE: &str = "echo early > out/part; mv out/part out/m; \
    while [ ! -e out/go ]; do :; done; rm out/go";

#[test]
fn an_output_that_is_moved_in_place_is_published_while_the_command_runs() {
    let script = "echo early > out/part; mv out/part out/m; sleep 1000";
    on_each(script, true, |outcome, published, _| {
        assert_eq!(outcome.status, Status::Cancelled);
        let paths: Vec<&str> = published.iter().map(|output| &*output.path).collect();
        assert_eq!(paths, ["out/m"]);
    });
}

#[test]
fn what_was_published_is_an_output() {
    let script = format!("{MOVE_IN_PLACE}; echo whole > out/whole");
    on_each(&script, false, |outcome, published, store| {
        assert!(outcome.is_success(), "{outcome:?}");
        assert_eq!(output(store, &outcome, "out/m"), b"early\n");
        assert_eq!(output(store, &outcome, "out/whole"), b"whole\n");
        assert_eq!(published.len(), 1);
        assert!(outcome.outputs.contains(&published[0]));
    });
}

#[test]
fn what_is_written_in_its_place_is_complete_at_the_end() {
    let script = "echo a > out/m; echo b >> out/m; echo whole > out/whole";
    on_each(script, false, |outcome, published, store| {
        assert!(outcome.is_success(), "{outcome:?}");
        assert_eq!(output(store, &outcome, "out/m"), b"a\nb\n");
        assert_eq!(published, []);
    });
}

#[test]
fn a_command_that_changes_what_was_published_fails() {
    for change in ["echo more >> out/m", "rm out/m", "rm out/m; mkdir out/m"] {
        let script = format!("{MOVE_IN_PLACE}; {change}; echo whole > out/whole");
        on_each(&script, false, |outcome, published, _| {
            assert_eq!(published.len(), 1, "{change}");
            assert_eq!(outcome.status, Status::Exited(0));
            let rejected: Vec<&str> = outcome.rejected.iter().map(|r| &*r.path).collect();
            assert_eq!(rejected, ["out/m"], "{change}");
            assert!(outcome.rejected[0].reason.starts_with("it changed after"));
            assert!(!outcome.is_success());
        });
    }
}
