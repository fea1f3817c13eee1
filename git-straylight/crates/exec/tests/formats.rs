//! Bytes that stay: REAPI messages, trees, action digests, traces.

use std::collections::BTreeMap;
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as oracle;
use proptest::prelude::*;
use prost::Message as _;
use straylight_exec::trace::{
    Effects, ExecutorName, TraceContent, TraceError, TraceOutput, TraceStatus, TraceUsage, VERSION,
};
use straylight_exec::{InputTree, Node, Trace, TreeError, build_action, command, merkle, reapi};
use straylight_odb::{ContentStore as _, Digest, LocalStore, MemoryContentStore, Sha256};

fn digest() -> impl Strategy<Value = Digest> {
    (any::<[u8; 32]>(), 0..=i64::MAX as u64)
        .prop_map(|(raw, size)| Digest::new(Sha256::from_raw(raw), size))
}

fn oracle_digest(digest: Digest) -> oracle::Digest {
    oracle::Digest {
        hash: digest.sha256().to_string(),
        size_bytes: i64::try_from(digest.size()).unwrap(),
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_é+-][a-zA-Z0-9_.é+-]{0,12}"
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        (digest(), any::<bool>())
            .prop_map(|(digest, executable)| Node::File { digest, executable }),
        digest().prop_map(|digest| Node::Directory { digest }),
        "[a-z./]{1,20}".prop_map(|target| Node::Symlink { target }),
    ]
}

/// The folder of `nodes`, as the API's own types have it.
fn oracle_folder(nodes: &BTreeMap<String, Node>) -> oracle::Directory {
    let mut folder = oracle::Directory::default();
    for (name, node) in nodes {
        let name = name.clone();
        match node {
            Node::File { digest, executable } => folder.files.push(oracle::FileNode {
                name,
                digest: Some(oracle_digest(*digest)),
                is_executable: *executable,
                node_properties: None,
            }),
            Node::Directory { digest } => folder.directories.push(oracle::DirectoryNode {
                name,
                digest: Some(oracle_digest(*digest)),
            }),
            Node::Symlink { target } => folder.symlinks.push(oracle::SymlinkNode {
                name,
                target: target.clone(),
                node_properties: None,
            }),
            Node::EmptyDir => unreachable!("not generated"),
        }
    }
    folder
}

fn oracle_platform(toolchain: Option<Digest>, needs: &[String]) -> Option<oracle::Platform> {
    let mut pairs: Vec<(String, String)> = needs
        .iter()
        .map(|need| ("coeffect".to_owned(), need.clone()))
        .collect();
    pairs.extend(toolchain.map(|root| ("chrootRootDigest".to_owned(), root.to_string())));
    pairs.sort();
    pairs.dedup();
    let properties = pairs
        .into_iter()
        .map(|(name, value)| oracle::platform::Property { name, value });
    let properties: Vec<_> = properties.collect();
    (!properties.is_empty()).then_some(oracle::Platform { properties })
}

proptest! {
    #[test]
    fn folders_have_the_bytes_of_the_api(nodes in prop::collection::btree_map(name(), node(), 0..12)) {
        let store = MemoryContentStore::default();
        let mut tree = InputTree::new();
        for (name, node) in nodes.iter().rev() {
            tree.insert(name, node.clone()).unwrap();
        }
        let written = tree.write(&store).unwrap();
        let expected = oracle_folder(&nodes).encode_to_vec();
        let bytes = store.read(&written).unwrap().unwrap();
        prop_assert_eq!(&bytes[..], &expected[..]);
        let read: BTreeMap<_, _> = merkle::read_folder(&store, &written).unwrap().into_iter().collect();
        prop_assert_eq!(read, nodes);
    }

    #[test]
    #[allow(deprecated)]
    fn actions_and_commands_have_the_bytes_of_the_api(
        arguments in prop::collection::vec("\\PC{0,20}", 1..6),
        environment in prop::collection::btree_map("[A-Z]{1,8}", "\\PC{0,20}", 0..5),
        outputs in prop::collection::vec("[a-z/]{1,10}", 0..5),
        needs in prop::collection::vec("[a-z:]{1,10}", 0..4),
        toolchain in prop::option::of(digest()),
        root in digest(),
        timeout in prop::option::of((0..1_000_000_u64, 0..1_000_000_000_u32)),
    ) {
        let timeout = timeout.map(|(seconds, nanos)| Duration::new(seconds, nanos));
        let built = build_action(
            command(arguments.clone(), environment.clone(), outputs.clone()),
            root, toolchain, &needs, timeout,
        );
        let mut variables: BTreeMap<String, String> = [
            ("HOME", "/tmp"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin"),
            ("SOURCE_DATE_EPOCH", "315532800"), ("TZ", "UTC"),
        ].into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        variables.extend(environment);
        let mut output_paths = outputs;
        output_paths.sort();
        output_paths.dedup();
        let platform = oracle_platform(toolchain, &needs);
        let expected = oracle::Command {
            arguments,
            environment_variables: variables.into_iter()
                .map(|(name, value)| oracle::command::EnvironmentVariable { name, value }).collect(),
            working_directory: "build".to_owned(),
            output_paths,
            platform: platform.clone(),
            ..Default::default()
        }.encode_to_vec();
        prop_assert_eq!(&built.command_bytes, &expected);
        let action = oracle::Action {
            command_digest: Some(oracle_digest(Digest::of(&expected))),
            input_root_digest: Some(oracle_digest(root)),
            timeout: None,
            platform,
            ..Default::default()
        };
        // The oracle's `Duration` is a type of another crate: it is decoded.
        let decoded = oracle::Action::decode(&built.bytes[..]).unwrap();
        let seconds = decoded.timeout.map(|t| (t.seconds, t.nanos));
        let wanted = timeout.map(|t| (t.as_secs() as i64, t.subsec_nanos() as i32));
        prop_assert_eq!(seconds, wanted);
        prop_assert_eq!(&decoded.encode_to_vec(), &built.bytes);
        prop_assert_eq!(oracle::Action { timeout: None, ..decoded }, action);
        prop_assert_eq!(built.digest, Digest::of(&built.bytes));
        prop_assert_eq!(built.request().action, built.digest);
        prop_assert_eq!(reapi::decode::<reapi::Action>(&built.bytes).unwrap(), built.action);
    }

    #[test]
    fn the_order_of_inserting_does_not_matter(
        paths in prop::collection::btree_map("[a-c](/[a-c]){0,3}", digest(), 1..12),
        seed in any::<u64>(),
    ) {
        let insert = |order: &mut dyn Iterator<Item = (&String, &Digest)>| {
            let store = MemoryContentStore::default();
            let mut tree = InputTree::new();
            let mut conflicts = 0;
            for (path, digest) in order {
                let node = Node::File { digest: *digest, executable: false };
                conflicts += usize::from(tree.insert(path, node).is_err());
            }
            (conflicts == 0).then(|| tree.write(&store).unwrap())
        };
        let forward = insert(&mut paths.iter());
        let mut shuffled: Vec<_> = paths.iter().collect();
        shuffled.sort_by_key(|(path, _)| Sha256::of(format!("{seed}{path}").as_bytes()));
        prop_assert_eq!(forward, insert(&mut shuffled.into_iter()));
        // A file above another path is a conflict, and nothing else is.
        let clash = paths.keys().any(|a| paths.keys().any(|b| b.starts_with(&format!("{a}/"))));
        prop_assert_eq!(forward.is_none(), clash);
    }
}

#[test]
fn an_action_digest_stays() {
    // Whoever changes this loses every cache.
    let root = Digest::of(b"root");
    let command = command(
        vec!["/usr/bin/gcc".to_owned(), "-c".to_owned(), "a.c".to_owned()],
        [("A".to_owned(), "1".to_owned())],
        ["out/a.o".to_owned()],
    );
    let needs = ["network:example.org".to_owned()];
    let timeout = Some(Duration::from_secs(60));
    let built = build_action(command, root, Some(Digest::of(b"tools")), &needs, timeout);
    assert_eq!(
        (built.command_digest().to_string(), built.digest.to_string()),
        (
            "bc2a78403adfd855274977046113fd352e81ebbf84fb65a219e07c345cceacf8/267".to_owned(),
            "c5caedd44a02c8a7a39dd5fce1876ce0219ccdcd419f096728dbd378c00abe84/268".to_owned()
        )
    );
}

#[test]
fn conflicts_name_both_sides() {
    let file = |text: &str| Node::File {
        digest: Digest::of(text.as_bytes()),
        executable: false,
    };
    let tree = Node::Directory {
        digest: Digest::of(b"tree"),
    };
    let mut inputs = InputTree::new();
    for (path, node) in [
        ("a/file", file("x")),
        ("a/file", file("x")),
        ("a/tree", tree.clone()),
        ("a/tree", tree.clone()),
        ("a/tree", Node::EmptyDir),
        ("b", Node::EmptyDir),
        ("b", tree.clone()),
        ("c/d", Node::EmptyDir),
        ("c", Node::EmptyDir),
    ] {
        inputs.insert(path, node).unwrap();
    }
    let conflicts = [
        (
            "a/file",
            file("y"),
            "two different inputs at `a/file`: the file ",
        ),
        (
            "a/file/x",
            file("x"),
            "two different inputs at `a/file`: the file ",
        ),
        (
            "a/tree/x",
            file("x"),
            "two different inputs at `a/tree`: the tree ",
        ),
        (
            "a",
            file("x"),
            "two different inputs at `a`: a folder and the file ",
        ),
        (
            "c",
            tree,
            "two different inputs at `c`: a folder and the tree ",
        ),
        (
            "a/file",
            Node::EmptyDir,
            "two different inputs at `a/file`: the file ",
        ),
    ];
    for (path, node, message) in conflicts {
        let error = inputs.insert(path, node).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    for path in ["", "/a", "a/", "a//b", ".", "a/../b", "a\0b"] {
        let error = inputs.insert(path, file("x")).unwrap_err();
        assert!(matches!(error, TreeError::BadPath { .. }), "{path:?}");
    }
}

#[test]
fn a_folder_has_one_encoding() {
    let store = MemoryContentStore::default();
    let file = |name: &str| oracle::FileNode {
        name: name.to_owned(),
        digest: Some(oracle_digest(Digest::of(b"x"))),
        ..Default::default()
    };
    let link = oracle::SymlinkNode {
        name: "a".to_owned(),
        target: "t".to_owned(),
        ..Default::default()
    };
    let properties = Some(oracle::NodeProperties::default());
    let folder = |files: Vec<oracle::FileNode>| oracle::Directory {
        files,
        ..Default::default()
    };
    let no_digest = oracle::FileNode {
        digest: None,
        ..file("a")
    };
    let bad = [
        folder(vec![file("b"), file("a")]),
        folder(vec![file("a"), file("a")]),
        folder(vec![file("")]),
        folder(vec![file("..")]),
        folder(vec![file("a/b")]),
        folder(vec![no_digest]),
        oracle::Directory {
            files: vec![file("a")],
            symlinks: vec![link],
            ..Default::default()
        },
        oracle::Directory {
            node_properties: properties,
            ..Default::default()
        },
    ];
    for folder in bad {
        let digest = store.write(&folder.encode_to_vec()).unwrap();
        let error = merkle::read_folder(&store, &digest).unwrap_err();
        assert!(matches!(error, TreeError::Malformed { .. }), "{folder:?}");
    }
    let good = store
        .write(&folder(vec![file("a"), file("b")]).encode_to_vec())
        .unwrap();
    assert_eq!(merkle::read_folder(&store, &good).unwrap().len(), 2);
    let absent = Digest::of(b"absent");
    let error = merkle::read_folder(&store, &absent).unwrap_err();
    assert!(matches!(error, TreeError::MissingBlob(digest) if digest == absent));
}

#[test]
fn a_folder_on_disk_is_hashed_and_walked() {
    let temporary = tempfile::tempdir().unwrap();
    let store = LocalStore::open(temporary.path().join("store")).unwrap();
    let folder = temporary.path().join("folder");
    std::fs::create_dir_all(folder.join("sub/empty")).unwrap();
    std::fs::write(folder.join("sub/file"), "text").unwrap();
    std::fs::write(folder.join("sub.c"), "text").unwrap();
    std::os::unix::fs::symlink("/anywhere", folder.join("link")).unwrap();
    let tree = merkle::hash_tree(&store, &folder).unwrap();
    let mut seen = Vec::new();
    merkle::walk(&store, &tree, &mut |path, _| {
        seen.push(path.to_owned());
        Ok::<_, TreeError>(())
    })
    .unwrap();
    assert_eq!(seen, ["link", "sub", "sub/empty", "sub/file", "sub.c"]);
    assert_eq!(
        store.read(&Digest::of(b"text")).unwrap().as_deref(),
        Some(&b"text"[..])
    );

    let socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    let error = merkle::hash_tree(&store, &folder).unwrap_err();
    assert!(
        error.to_string().contains("socket` cannot be stored"),
        "{error}"
    );
    drop(socket);
}

fn content() -> impl Strategy<Value = TraceContent> {
    prop_oneof![
        (digest(), any::<bool>())
            .prop_map(|(digest, executable)| TraceContent::File { digest, executable }),
        digest().prop_map(|tree| TraceContent::Directory { tree }),
        "\\PC{0,9}".prop_map(|target| TraceContent::Symlink { target }),
    ]
}

fn status() -> impl Strategy<Value = TraceStatus> {
    prop_oneof![
        any::<i32>().prop_map(TraceStatus::Exited),
        any::<i32>().prop_map(TraceStatus::Signaled),
        Just(TraceStatus::TimedOut),
        Just(TraceStatus::Cancelled),
    ]
}

fn trace() -> impl Strategy<Value = Trace> {
    let words = || prop::collection::vec("\\PC{0,9}", 0..4);
    let output = ("\\PC{0,9}", content()).prop_map(|(path, content)| TraceOutput { path, content });
    let outputs = prop::collection::vec(output, 0..4);
    let digests = (
        digest(),
        digest(),
        digest(),
        prop::option::of(digest()),
        digest(),
        digest(),
    );
    let texts = (
        words(),
        words(),
        words(),
        "\\PC{0,9}",
        "\\PC{0,9}",
        "\\PC{0,9}",
    );
    let numbers = any::<(u64, u64, u64, u64, u64)>();
    (digests, outputs, texts, status(), numbers).prop_map(|(d, outputs, t, status, n)| Trace {
        version: VERSION,
        action: d.0,
        command: d.1,
        input_root: d.2,
        toolchain: d.3,
        outputs,
        effects: Effects {
            declared: t.0,
            enforced: t.1,
            observed: t.2,
        },
        executor: ExecutorName {
            name: t.3,
            version: t.4,
            isolation: t.5,
        },
        status,
        stdout: d.4,
        stderr: d.5,
        start: n.0,
        duration: n.1,
        usage: TraceUsage {
            user: n.2,
            sys: n.3,
            max_rss: n.4,
        },
    })
}

proptest! {
    #[test]
    fn traces_round_trip_and_have_one_spelling(
        trace in trace(), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
    ) {
        let bytes = trace.encode();
        let decoded = Trace::decode(&bytes).unwrap();
        prop_assert_eq!(&decoded, &trace);
        prop_assert_eq!(trace.sha256(), Sha256::of(&bytes));
        // Whatever is changed, it is refused or it is another trace, spelled
        // as that one is.
        let mut changed = bytes.clone();
        let index = at.index(changed.len());
        changed[index] ^= flip;
        if let Ok(other) = Trace::decode(&changed) {
            prop_assert_ne!(&other, &trace);
            prop_assert_eq!(other.encode(), changed);
        }
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert!(Trace::decode(&longer).is_err());
        prop_assert!(Trace::decode(&bytes[..index]).is_err());
        // No indefinite lengths: the map's head has its length.
        prop_assert_eq!(bytes[0], if trace.toolchain.is_some() { 0xae } else { 0xad });
    }
}

#[test]
fn another_version_of_a_trace_is_named() {
    // {0: 2}
    let error = Trace::decode(&[0xa1, 0x00, 0x02]).unwrap_err();
    assert!(matches!(error, TraceError::Version { found: 2 }));
    for bytes in [
        &b""[..],
        b"\x00",
        b"\xa0",
        b"\xa1\x01\x01",
        b"\xbf\xff",
        b"\xa1\x00\x01",
    ] {
        let error = Trace::decode(bytes).unwrap_err();
        assert!(
            matches!(error, TraceError::Malformed(_)),
            "{bytes:?}: {error}"
        );
    }
}
