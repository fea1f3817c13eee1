//! What becomes of the files that an action makes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::{fs, path::Path};

use crate::support::{Task, executor, gcc, output, posix, private, shared_store, text};
use straylight_exec::{
    Cancellation, ExecError, Executor as _, InputTree, Node, OutputContent, Request, Status,
    TreeError, merkle,
};
use straylight_odb::{ContentStore as _, Digest};

#[test]
fn undeclared_and_missing_files_are_named() {
    let store = shared_store();
    let script = "
        echo x > out/p/a; mkdir -p out/p/deep/er out/p/empty; echo x > out/p/deep/er/file
        ln -s a out/p/link; mkfifo out/p/fifo; echo x > out/other
    ";
    let outcome = Task::sh(posix(&store), script)
        .file(&store, "out/p/input", "input\n")
        .node("out/p/dir", Node::EmptyDir)
        .out("out/p/a")
        .out("out/p/absent")
        .run(&store, &executor(&store));
    assert_eq!(
        outcome.status,
        Status::Exited(2),
        "out/other is not in a folder of outputs"
    );
    assert_eq!(outcome.missing, ["out/p/absent"]);
    let expected = [
        "out/p/deep/er/file",
        "out/p/empty",
        "out/p/fifo",
        "out/p/link",
    ];
    assert_eq!(outcome.undeclared, expected);
    assert_eq!(output(&store, &outcome, "out/p/a"), b"x\n");
}

#[test]
fn files_folders_and_links_come_back_and_go_in_again() {
    let store = shared_store();
    let executor = executor(&store);
    let script = "
        printf run > out/p/tool; chmod +x out/p/tool; ln -s tool out/p/link
        mkdir -p out/p/tree/sub/empty; echo 1 > out/p/tree/sub/one; echo 2 > out/p/tree/two
        ln -s ../two out/p/tree/sub/up; cp out/p/tool out/p/tree
    ";
    let made = Task::sh(posix(&store), script)
        .out("out/p/tool")
        .out("out/p/link")
        .out("out/p/tree")
        .run(&store, &executor);
    assert!(made.is_success(), "{made:?} {}", text(&made.stderr));
    let contents: BTreeMap<_, _> = made
        .outputs
        .iter()
        .map(|o| (o.path.as_str(), &o.content))
        .collect();
    let tool = Digest::of(b"run");
    let file = OutputContent::File {
        digest: tool,
        executable: true,
    };
    assert_eq!(contents["out/p/tool"], &file);
    assert_eq!(
        contents["out/p/link"],
        &OutputContent::Symlink {
            target: "tool".to_owned()
        }
    );
    let OutputContent::Directory { tree } = contents["out/p/tree"] else {
        panic!("{made:?}")
    };

    // The same tree, put together by hand.
    let mut expected = InputTree::new();
    let file = |text: &[u8]| Node::File {
        digest: Digest::of(text),
        executable: false,
    };
    expected.insert("sub/one", file(b"1\n")).unwrap();
    expected.insert("sub/empty", Node::EmptyDir).unwrap();
    expected
        .insert(
            "sub/up",
            Node::Symlink {
                target: "../two".to_owned(),
            },
        )
        .unwrap();
    expected.insert("two", file(b"2\n")).unwrap();
    expected
        .insert(
            "tool",
            Node::File {
                digest: tool,
                executable: true,
            },
        )
        .unwrap();
    assert_eq!(*tree, expected.write(&*store).unwrap());

    let read = "cat in/two in/sub/up in/sub/one; ls in/sub; [ -x in/tool ] && [ ! -x in/two ] && echo modes";
    let read = Task::sh(posix(&store), read).node("in", Node::Directory { digest: *tree });
    let read = read.run(&store, &executor);
    assert_eq!(text(&read.stdout), "2\n2\n1\nempty\none\nup\nmodes\n");
}

#[test]
fn links_out_of_the_build_and_special_files_are_rejected() {
    let store = shared_store();
    let script = "
        ln -s /etc/passwd out/p/absolute; ln -s ../../../etc/passwd out/p/relative
        mkfifo out/p/fifo; mkdir out/p/tree; ln -s ../../../.. out/p/tree/up; echo fine > out/p/fine
        ln -s ../../src out/p/inside
    ";
    let mut task = Task::sh(posix(&store), script).file(&store, "src", "source");
    for name in ["absolute", "fifo", "fine", "inside", "relative", "tree"] {
        task = task.out(&format!("out/p/{name}"));
    }
    let outcome = task.run(&store, &executor(&store));
    let rejected: Vec<_> = outcome
        .rejected
        .iter()
        .map(|r| format!("{}: {}", r.path, r.reason))
        .collect();
    let expected = [
        "out/p/absolute: a link to `/etc/passwd`, which is outside of the build",
        "out/p/fifo: not a file, a folder or a symbolic link",
        "out/p/relative: a link to `../../../etc/passwd`, which is outside of the build",
        "out/p/tree/up: a link to `../../../..`, which is outside of the build",
    ];
    assert_eq!(rejected, expected);
    assert!(!outcome.is_success());
    let kept: Vec<_> = outcome
        .outputs
        .iter()
        .map(|output| output.path.as_str())
        .collect();
    assert_eq!(kept, ["out/p/fine", "out/p/inside"]);
}

#[test]
fn a_link_in_the_place_of_a_folder_shows_nothing_of_the_machine() {
    let private = private();
    let secret = private.folder.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("file"), "secret").unwrap();
    let secret = secret.display().to_string();
    let script = format!("rmdir out/p/sub && ln -s {secret} out/p/sub; ln -s {secret} out/p/q");
    let outcome = Task::sh(private.posix, &script)
        .out("out/p/sub/file")
        .out("out/p/x")
        .run(&private.store, &executor(&private.store));
    assert_eq!(outcome.missing, ["out/p/sub/file", "out/p/x"]);
    assert!(outcome.outputs.is_empty());
    assert_eq!(outcome.undeclared, ["out/p/q"]);
    assert!(!private.store.contains(&Digest::of(b"secret")).unwrap());
    assert_eq!(fs::read(format!("{secret}/file")).unwrap(), b"secret");
}

#[test]
fn what_the_owner_may_not_read_is_stored_and_removed_all_the_same() {
    let private = private();
    let script = "
        mkdir -p out/p/tree/shut out/p/junk/shut; echo 1 > out/p/tree/shut/file; echo 1 > out/p/junk/shut/x
        chmod 0 out/p/tree/shut/file out/p/tree/shut out/p/tree out/p/junk/shut out/p/junk
    ";
    let store = &private.store;
    let executor = executor(store);
    let outcome = Task::sh(private.posix, script)
        .out("out/p/tree")
        .run(store, &executor);
    assert!(outcome.is_success(), "{outcome:?}");
    let mut expected = InputTree::new();
    let digest = Digest::of(b"1\n");
    expected
        .insert(
            "shut/file",
            Node::File {
                digest,
                executable: false,
            },
        )
        .unwrap();
    let tree = expected.write(&**store).unwrap();
    assert_eq!(
        outcome.outputs[0].content,
        OutputContent::Directory { tree }
    );
    assert_eq!(outcome.undeclared, ["out/p/junk/shut/x"]);
    drop(executor);
    assert_eq!(staged(store.root()), 0);
}

/// How many folders of actions there are.
fn staged(cache: &Path) -> usize {
    let sessions = fs::read_dir(cache.join("sandboxes")).unwrap().flatten();
    let folders = sessions.filter(|entry| entry.path().is_dir());
    let actions = folders.flat_map(|session| fs::read_dir(session.path()).unwrap().flatten());
    actions.filter(|entry| entry.path().is_dir()).count()
}

#[test]
fn ten_thousand_files_come_back() {
    let private = private();
    let script = "mkdir out/p/d; cd out/p/d; seq 10000 | split -l 1 -a 5 - f";
    let store = &private.store;
    let outcome = Task::sh(private.posix, script)
        .out("out/p/d")
        .run(store, &executor(store));
    let OutputContent::Directory { tree } = outcome.outputs[0].content else {
        panic!("{outcome:?}")
    };
    let files = merkle::read_folder(&**store, &tree).unwrap();
    assert_eq!(files.len(), 10_000);
    let digest = Digest::of(b"10000\n");
    assert_eq!(
        files[9_999].1,
        Node::File {
            digest,
            executable: false
        }
    );
}

#[test]
fn a_request_that_keeps_no_rules_is_refused() {
    let store = shared_store();
    let executor = executor(&store);
    type Change<'a> = &'a dyn Fn(&mut Request);
    let refused = |change: Change<'_>| {
        let task = Task::sh(posix(&store), "true")
            .file(&store, "src", "x")
            .out("out/a");
        let mut request = task.build(&store).request();
        change(&mut request);
        executor
            .execute(&request, &Cancellation::new(), &|_| {})
            .unwrap_err()
            .to_string()
    };
    let cases: [(Change<'_>, &str); 5] = [
        (&|r| r.command.arguments.clear(), "it has no program"),
        (
            &|r| r.command.working_directory.clear(),
            "its working directory is not `build`",
        ),
        (
            &|r| r.command.output_paths = vec!["../x".to_owned()],
            "`../x` is not a path in a tree",
        ),
        (
            &|r| r.command.output_paths = vec!["/x".to_owned()],
            "`/x` is not a path in a tree",
        ),
        (
            &|r| r.command.output_paths = vec!["src/x".to_owned()],
            "`src` is an input, and the folder of an output",
        ),
    ];
    for (change, message) in cases {
        let error = refused(change);
        assert!(error.contains(message), "{error}");
    }
    let root = InputTree::new().write(&*store).unwrap();
    let error = refused(&|request| request.input_root = root);
    assert!(
        error.contains("its input root is not one folder `build`"),
        "{error}"
    );
}

#[test]
fn what_the_store_lacks_is_named() {
    let private = private();
    let store = &private.store;
    let executor = executor(store);
    let absent = Digest::of(b"nobody stored this");
    let node = Node::File {
        digest: absent,
        executable: false,
    };
    let action = Task::sh(private.posix, "true").node("a", node).build(store);
    let error = executor
        .execute(&action.request(), &Cancellation::new(), &|_| {})
        .unwrap_err();
    assert!(matches!(error, ExecError::MissingBlob(digest) if digest == absent));

    let action = Task::sh(absent, "true").build(store);
    let error = executor
        .execute(&action.request(), &Cancellation::new(), &|_| {})
        .unwrap_err();
    assert!(matches!(error, ExecError::MissingBlob(digest) if digest == absent));

    let mut tree = InputTree::new();
    tree.insert(
        "tmp",
        Node::File {
            digest: absent,
            executable: false,
        },
    )
    .unwrap();
    let tree = tree.write(&**store).unwrap();
    let action = Task::sh(tree, "true").build(store);
    let error = executor
        .execute(&action.request(), &Cancellation::new(), &|_| {})
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("`/tmp` is not a folder; a sandbox mounts its own there")
    );
}

#[test]
fn a_tampered_tree_is_not_staged() {
    let private = private();
    let store = &private.store;
    let executor = executor(store);
    // A folder whose only file is named `../../escaped`.
    let digest = store.write(b"evil").unwrap();
    let file = straylight_exec::reapi::FileNode {
        name: "../../escaped".to_owned(),
        digest: Some(digest.into()),
        is_executable: false,
    };
    let folder = straylight_exec::reapi::Directory {
        files: vec![file],
        ..Default::default()
    };
    let digest = store
        .write(&straylight_exec::reapi::encode(&folder))
        .unwrap();
    let task = Task::sh(private.posix, "true").node("d", Node::Directory { digest });
    let error = executor
        .execute(&task.build(store).request(), &Cancellation::new(), &|_| {})
        .unwrap_err();
    assert!(
        matches!(error, ExecError::Tree(TreeError::Malformed { .. })),
        "{error}"
    );
    assert!(
        !private
            .folder
            .path()
            .join("cache/sandboxes/escaped")
            .exists()
    );
}

#[test]
fn a_damaged_toolchain_is_made_again() {
    let private = private();
    let store = &private.store;
    let tree = store
        .root()
        .join("toolchains")
        .join(private.posix.sha256().to_string())
        .join("tree");
    let works = || {
        Task::sh(private.posix, "sed --version")
            .run(store, &executor(store))
            .is_success()
    };
    assert!(works());
    let remove = |path: &str| fs::remove_file(tree.join(path)).unwrap();
    let damages: [&dyn Fn(); 5] = [
        &|| remove("usr/bin/sed"),
        &|| {
            remove("usr/bin/sed");
            fs::write(tree.join("usr/bin/sed"), "#!/bin/sh\nexit 1\n").unwrap();
        },
        &|| {
            let mode = fs::Permissions::from_mode(0o444);
            fs::set_permissions(tree.join("usr/bin/sed"), mode).unwrap();
        },
        &|| fs::write(tree.join("added"), "x").unwrap(),
        &|| fs::remove_dir_all(&tree).unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        assert!(works(), "damage {number}");
        assert!(!tree.join("added").exists());
        let beside = fs::read_dir(tree.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 3, "`lock`, `users` and `tree`");
    }
}

#[test]
fn two_staging_folders_make_the_same_bytes() {
    let store = shared_store();
    let digests = || {
        let executor = executor(&store);
        let script = ["/usr/bin/gcc", "-g", "-O2", "src/deep/a.c", "-o", "out/a"];
        let outcome = Task::new(gcc(&store), &script)
            .file(
                &store,
                "src/deep/a.c",
                "#include <stdio.h>\nint main(void) { return puts(__FILE__ __DATE__) < 0; }\n",
            )
            .out("out/a")
            .run(&store, &executor);
        let bytes = output(&store, &outcome, "out/a");
        assert!(text(&bytes).contains("src/deep/a.cJan  1 1980"));
        assert!(!text(&bytes).contains("sandboxes"));
        outcome.outputs
    };
    assert_eq!(digests(), digests());
}

#[test]
fn outputs_are_stored_whatever_names_and_modes_they_have() {
    let private = private();
    let store = &private.store;
    let script = "
        echo one > out/a/one; ln out/a/one out/a/same; chmod 755 out/a/one
        mkdir out/d; echo two > out/d/two; chmod 700 out/d/two; cp out/d/two out/d/three
        chmod 400 out/d/three
    ";
    let task = || {
        Task::sh(private.posix, script)
            .out("out/a/one")
            .out("out/a/same")
            .out("out/d")
            .out("out/d/two")
    };
    let executor = executor(store);
    let first = task().run(store, &executor);
    assert!(first.is_success(), "{first:?}");
    assert_eq!(output(store, &first, "out/a/same"), b"one\n");
    assert_eq!(output(store, &first, "out/d/two"), b"two\n");
    let executable = |path: &str| {
        let output = first.outputs.iter().find(|output| output.path == path);
        matches!(
            output.unwrap().content,
            OutputContent::File {
                executable: true,
                ..
            }
        )
    };
    assert!(executable("out/a/one") && executable("out/a/same") && executable("out/d/two"));
    let again = task().run(store, &executor);
    assert_eq!(again.outputs, first.outputs);
    let OutputContent::Directory { tree } = first.outputs[2].content else {
        panic!("{first:?}")
    };
    let names = merkle::read_folder(&**store, &tree).unwrap();
    let modes = names.iter().map(|(name, node)| {
        (
            name.as_str(),
            matches!(
                node,
                Node::File {
                    executable: true,
                    ..
                }
            ),
        )
    });
    assert_eq!(modes.collect::<Vec<_>>(), [("three", false), ("two", true)]);
}
