//! The folders of actions, which are used again with the inputs that are in them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use proptest::prelude::*;

use crate::support::{Private, Task, executor, posix, private, shared_store, text, until};
use straylight_exec::{Cancellation, ExecError, Executor, Node, Outcome};
use straylight_odb::{ContentStore as _, Digest, LocalStore, Sha256};

/// Lists everything in `/build` with what can be seen of it, then makes outputs.
const LIST: &str = "
    find . | sort | while read -r path; do
        stat -c '%n %F %a %Y %u' \"$path\"
        [ -h \"$path\" ] && readlink \"$path\"
        [ -f \"$path\" ] && cat \"$path\"
    done
    for made in $MADE; do
        mkdir -p \"${made%/*}\"
        echo made > \"$made\"
        chmod $MODE \"${made%/*}\"
    done
    exit $EXIT
";

/// What an action is made of.
#[derive(Debug, Clone)]
struct Step {
    inputs: BTreeMap<String, u8>,
    outputs: Vec<String>,
    made: Vec<String>,
    /// Of the folders of what it makes.
    mode: &'static str,
    exit: u8,
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..4).prop_map(|names| names.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    let inputs = prop::collection::btree_map(path(), 0..7_u8, 0..10);
    let outputs = prop::collection::vec(path(), 0..3);
    let made = prop::collection::vec(path(), 0..3);
    let mode = prop::sample::select(&["755", "500", "000", "1777"][..]);
    (inputs, outputs, made, mode, 0..2_u8).prop_map(|(all, outputs, made, mode, exit)| {
        let mut inputs: BTreeMap<String, u8> = BTreeMap::new();
        for (path, kind) in all {
            // In this order a folder comes before what would lie in it.
            let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
            if above.all(|folder| !inputs.contains_key(folder)) {
                inputs.insert(path, kind);
            }
        }
        Step {
            inputs,
            outputs,
            made,
            mode,
            exit,
        }
    })
}

fn node(store: &LocalStore, kind: u8) -> Node {
    match kind {
        0 => Node::EmptyDir,
        1 => Node::Symlink {
            target: "a/b".to_owned(),
        },
        2 => Node::Symlink {
            target: "c".to_owned(),
        },
        kind => Node::File {
            digest: store.write(&[b'0' + kind / 2, b'\n']).unwrap(),
            executable: kind.is_multiple_of(2),
        },
    }
}

/// Runs a step; an error counts as what it says.
fn run(store: &LocalStore, executor: &dyn Executor, step: &Step) -> Result<Outcome, String> {
    let mut task = Task::sh(posix(store), LIST)
        .env("MADE", &step.made.join(" "))
        .env("MODE", step.mode)
        .env("EXIT", &step.exit.to_string());
    for (path, kind) in &step.inputs {
        task = task.node(path, node(store, *kind));
    }
    let outputs: std::collections::BTreeSet<&String> = step.outputs.iter().collect();
    for path in outputs {
        task = task.out(path);
    }
    let request = task.build(store).request();
    let ran = executor.execute(&request, &Cancellation::new(), &|_| {});
    ran.map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_folder_that_is_used_again_is_like_a_new_one(
        steps in prop::collection::vec(step(), 1..10),
        keeps in any::<bool>(),
    ) {
        let store = shared_store();
        let start = || {
            let executor = executor(&store);
            let group = Sha256::of(b"staging");
            if keeps { executor.keeping_failures(group) } else { executor }
        };
        let again = start();
        for step in &steps {
            let told = |ran: Result<Outcome, String>| {
                ran.map(|o| (o.status, text(&o.stdout), o.outputs, o.undeclared, o.missing))
            };
            let used = told(run(&store, &again, step));
            let fresh = told(run(&store, &start(), step));
            prop_assert_eq!(used, fresh);
        }
    }
}

/// The `build` of the only folder of an action, once `gone` has been removed from it.
fn only_folder(private: &Private, gone: &str) -> PathBuf {
    let session = |entry: &fs::DirEntry| entry.path().join("0/build").is_dir();
    until(|| {
        let sessions = fs::read_dir(private.store.root().join("sandboxes")).unwrap();
        let session = sessions.flatten().find(session)?.path();
        let build = session.join("0/build");
        (!build.join(gone).exists()).then_some(build)
    })
}

fn reads(private: &Private, executor: &dyn Executor, source: &str) -> Result<Outcome, ExecError> {
    let task = Task::sh(private.posix, "cat lib/* src/*; echo x > out/x")
        .file(&private.store, "lib/a", "library\n")
        .file(&private.store, "src/a", source)
        .out("out/x");
    let request = task.build(&private.store).request();
    executor.execute(&request, &Cancellation::new(), &|_| {})
}

#[test]
fn what_the_next_action_reads_too_stays_in_place() {
    let private = private();
    let executor = executor(&private.store);
    let mut made = Vec::new();
    for number in 0..8 {
        let source = format!("{number}\n");
        let outcome = reads(&private, &executor, &source).unwrap();
        assert_eq!(text(&outcome.stdout), format!("library\n{source}"));
        let library = only_folder(&private, "out/x").join("lib");
        made.push(fs::metadata(library).unwrap().created().unwrap());
    }
    made.dedup();
    assert_eq!(made.len(), 1, "it was never made again");
}

#[test]
fn an_input_that_somebody_wrote_to_is_not_shown_again() {
    let private = private();
    let executor = executor(&private.store);
    reads(&private, &executor, "1\n").unwrap();
    let digest = Digest::of(b"library\n");
    // The file in the action's folder is the store's.
    let blob = private.store.intact_path(&digest).unwrap().unwrap();
    let damage = || {
        fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&blob, "damaged\n").unwrap();
    };
    // Who stores the same bytes mends it.
    damage();
    let outcome = reads(&private, &executor, "2\n").unwrap();
    assert_eq!(text(&outcome.stdout), "library\n2\n");
    damage();
    let executable = false;
    let task = Task::sh(private.posix, "cat lib/*")
        .node("lib/a", Node::File { digest, executable })
        .out("out/x");
    let request = task.build(&private.store).request();
    let lost = executor.execute(&request, &Cancellation::new(), &|_| {});
    assert!(
        matches!(&lost, Err(ExecError::MissingBlob(lost)) if *lost == digest),
        "{lost:?}"
    );
    let outcome = reads(&private, &executor, "3\n").unwrap();
    assert_eq!(text(&outcome.stdout), "library\n3\n");
}
