use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A statement about one artifact of `commit`.
pub(crate) fn example(label: &str, commit: ObjectId, tree: ObjectId, artifact: &[u8]) -> Statement {
    Statement {
        subjects: vec![Named {
            name: "out/app".to_owned(),
            sha256: Sha256::of(artifact),
        }],
        label: label.to_owned(),
        configuration: [("target".to_owned(), "x86_64-unknown-linux-gnu".to_owned())].into(),
        internal: BTreeMap::new(),
        source: Source {
            repository: Some("https://example.org/app.git".to_owned()),
            commit,
            tree,
            root: Sha256::of(b"root"),
        },
        toolchains: vec![Named {
            name: "gcc".to_owned(),
            sha256: Sha256::of(b"gcc"),
        }],
        builder: builder_id("namespace"),
        invocation: "run-1".to_owned(),
        started: "2026-01-02T03:04:05Z".parse().unwrap(),
        finished: "2026-01-02T03:04:06.5Z".parse().unwrap(),
        spec: Sha256::of(b"spec"),
        trace: Sha256::of(b"trace"),
        actions: Sha256::of(b"actions"),
        proof: None,
    }
}

fn plain() -> Statement {
    let (commit, tree) = (ObjectId::from_raw([1; 20]), ObjectId::from_raw([2; 20]));
    example("//app:app", commit, tree, b"artifact")
}

fn value(statement: &Statement) -> Value {
    serde_json::from_slice(&statement.to_bytes()).unwrap()
}

#[test]
fn has_the_fields_of_in_toto_and_slsa() {
    let json = value(&plain());
    let sha256 = |bytes: &[u8]| json!({ "sha256": Sha256::of(bytes).to_string() });
    let expected = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "out/app", "digest": sha256(b"artifact") }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://straylight.cx/build/v1",
                "externalParameters": {
                    "label": "//app:app",
                    "configuration": { "target": "x86_64-unknown-linux-gnu" },
                },
                "internalParameters": {},
                "resolvedDependencies": [
                    { "name": "commit", "uri": "git+https://example.org/app.git",
                      "digest": { "gitCommit": "01".repeat(20) } },
                    { "name": "tree", "digest": { "gitTree": "02".repeat(20) } },
                    { "name": "source", "digest": sha256(b"root") },
                    { "name": "toolchain/gcc", "digest": sha256(b"gcc") },
                ],
            },
            "runDetails": {
                "builder": { "id": "https://straylight.cx/builder/v1/namespace" },
                "metadata": { "invocationId": "run-1",
                    "startedOn": "2026-01-02T03:04:05Z", "finishedOn": "2026-01-02T03:04:06.5Z" },
                "byproducts": [
                    { "name": "spec", "digest": sha256(b"spec") },
                    { "name": "trace", "digest": sha256(b"trace") },
                    { "name": "actions", "digest": sha256(b"actions") },
                ],
            },
        },
    });
    assert_eq!(json, expected);
    assert_eq!(plain().isolation(), Some("namespace"));
}

#[test]
fn unknown_fields_are_ignored_except_among_the_external_parameters() {
    let mut json = value(&plain());
    json["more"] = 1.into();
    json["subject"][0]["digest"]["sha512"] = "x".into();
    json["predicate"]["runDetails"]["more"] = json!({});
    let dependencies = &mut json["predicate"]["buildDefinition"]["resolvedDependencies"];
    dependencies
        .as_array_mut()
        .unwrap()
        .push(json!({ "uri": "https://example.org" }));
    let read = Statement::from_bytes(json.to_string().as_bytes()).unwrap();
    assert_eq!(read, plain());
    json["predicate"]["buildDefinition"]["externalParameters"]["flags"] = "-O3".into();
    let error = Statement::from_bytes(json.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("flags"), "{error}");
}

#[test]
fn every_part_that_decides_must_be_there_and_right() {
    let definition = "/predicate/buildDefinition";
    let run = "/predicate/runDetails";
    for (path, new) in [
        (
            "/_type".to_owned(),
            json!("https://in-toto.io/Statement/v0.1"),
        ),
        (
            "/predicateType".to_owned(),
            json!("https://slsa.dev/provenance/v0.2"),
        ),
        (
            format!("{definition}/buildType"),
            json!("https://example.org/make"),
        ),
        ("/subject".to_owned(), json!([])),
        ("/subject/0/digest".to_owned(), json!({ "sha512": "00" })),
        ("/subject/0/digest/sha256".to_owned(), json!("AB")),
        (
            format!("{definition}/externalParameters/label"),
            Value::Null,
        ),
        (
            format!("{definition}/externalParameters/configuration"),
            json!({ "a": 1 }),
        ),
        (
            format!("{definition}/resolvedDependencies/0/name"),
            json!("tree"),
        ),
        (
            format!("{definition}/resolvedDependencies/0/digest"),
            json!({}),
        ),
        (
            format!("{definition}/resolvedDependencies/1/digest"),
            json!({}),
        ),
        (
            format!("{definition}/resolvedDependencies/2/digest"),
            json!({}),
        ),
        (
            format!("{definition}/resolvedDependencies/3/digest"),
            json!({}),
        ),
        (format!("{run}/builder/id"), Value::Null),
        (format!("{run}/metadata/startedOn"), json!("yesterday")),
        (format!("{run}/byproducts/0/name"), json!("trace")),
        (format!("{run}/byproducts/1/name"), json!("other")),
        (
            format!("{run}/byproducts/2/digest"),
            json!({ "gitCommit": "00" }),
        ),
    ] {
        let mut json = value(&plain());
        *json.pointer_mut(&path).unwrap() = new;
        assert!(
            Statement::from_bytes(json.to_string().as_bytes()).is_err(),
            "{path}"
        );
    }
    let mut json = value(&plain());
    let first = json["subject"][0].clone();
    json["subject"].as_array_mut().unwrap().push(first);
    assert!(Statement::from_bytes(json.to_string().as_bytes()).is_err());
}

#[test]
fn a_repeated_key_is_refused() {
    let text = String::from_utf8(plain().to_bytes()).unwrap();
    for (once, twice) in [
        (r#""target":"#, r#""target":"arm","target":"#),
        (r#""label":"#, r#""label":"//b","label":"#),
        (r#""gitCommit":"#, r#""gitCommit":null,"gitCommit":"#),
        (
            r#""predicateType":"#,
            r#""predicateType":"x","predicateType":"#,
        ),
    ] {
        let changed = text.replacen(once, twice, 1);
        assert_ne!(changed, text);
        assert!(
            Statement::from_bytes(changed.as_bytes()).is_err(),
            "{twice}"
        );
    }
}

prop_compose! {
    fn statements()(
        subjects in proptest::collection::btree_map(".{0,8}", any::<[u8; 32]>(), 1..4),
        toolchains in proptest::collection::btree_map(".{0,8}", any::<[u8; 32]>(), 0..3),
        label in ".{0,8}", invocation in ".{0,8}", builder in ".{0,8}",
        configuration in proptest::collection::btree_map(".{0,4}", ".{0,4}", 0..3),
        internal in proptest::collection::btree_map(".{0,4}", ".{0,4}", 0..3),
        repository in proptest::option::of("[a-z:/]{0,8}"),
        commit in any::<[u8; 20]>(), tree in any::<[u8; 20]>(), hashes in any::<[[u8; 32]; 4]>(),
        proof in proptest::option::of(any::<[u8; 32]>()),
        times in any::<[i32; 2]>(),
    ) -> Statement {
        let named = |map: BTreeMap<String, [u8; 32]>| map
            .into_iter()
            .map(|(name, raw)| Named { name, sha256: Sha256::from_raw(raw) })
            .collect();
        let [root, spec, trace, actions] = hashes.map(Sha256::from_raw);
        let [started, finished] = times.map(|at| Timestamp::from_second(at.into()).unwrap());
        let (commit, tree) = (ObjectId::from_raw(commit), ObjectId::from_raw(tree));
        Statement {
            subjects: named(subjects), label, configuration, internal,
            source: Source { repository, commit, tree, root },
            toolchains: named(toolchains), builder, invocation, started, finished,
            spec, trace, actions, proof: proof.map(Sha256::from_raw),
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_what_is_read(statement in statements()) {
        let bytes = statement.to_bytes();
        let read = Statement::from_bytes(&bytes).unwrap();
        prop_assert_eq!(read.to_bytes(), bytes);
        prop_assert_eq!(read, statement);
    }

    #[test]
    fn never_panics(cut in 0_usize..1400, byte in any::<u8>()) {
        let mut bytes = plain().to_bytes();
        let at = cut.min(bytes.len() - 1);
        bytes[at] = byte;
        let _ = Statement::from_bytes(&bytes);
        let _ = Statement::from_bytes(&bytes[..at]);
    }
}
