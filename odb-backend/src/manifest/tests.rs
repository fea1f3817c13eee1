use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ID: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

fn draft(refs: &[&str]) -> Draft {
    let id = ID.parse().unwrap();
    Draft {
        head: HeadTarget::Branch("refs/heads/main".to_owned()),
        refs: refs.iter().map(|name| ((*name).to_owned(), id)).collect(),
        packs: vec![PackEntry {
            pack: Digest::of(b"pack"),
            idx: Digest::of(b"idx"),
        }],
    }
}

fn published(bucket: &Bucket, refs: &[&str]) -> Stored {
    let current = read(bucket, "x").unwrap();
    let done = publish(bucket, "x", current.as_ref(), draft(refs)).unwrap();
    let stored = read(bucket, "x").unwrap().unwrap();
    assert_eq!(done.as_ref(), Some(&stored.manifest));
    stored
}

#[test]
fn every_step_is_linked_to_the_one_before() {
    let bucket = Bucket::open("memory:").unwrap();
    assert!(read(&bucket, "x").unwrap().is_none());
    assert_eq!(repositories(&bucket).unwrap(), [""; 0]);
    let first = published(&bucket, &[]);
    let second = published(&bucket, &["refs/heads/main"]);
    let third = published(&bucket, &["refs/heads/main", "refs/tags/v1"]);
    assert_eq!(third.manifest.generation, 3);
    assert_eq!(third.manifest.previous, Some(second.sha256()));
    for past in [&first, &second] {
        let kept = bucket.get(&layout::past_manifest("x", past.sha256()));
        assert_eq!(kept.unwrap().unwrap(), past.bytes);
    }
    assert_eq!(repositories(&bucket).unwrap(), ["x"]);

    // What was read too long ago does not replace anything.
    let late = publish(&bucket, "x", Some(&second), draft(&[])).unwrap();
    assert_eq!(late, None);
    assert_eq!(publish(&bucket, "x", None, draft(&[])).unwrap(), None);
    assert_eq!(
        read(&bucket, "x").unwrap().unwrap().manifest,
        third.manifest
    );
}

#[test]
fn a_write_that_happened_is_found_again() {
    let bucket = Bucket::open("memory:").unwrap();
    let first = published(&bucket, &[]);
    assert!(is_linked(&bucket, "x", &first.bytes).unwrap());
    published(&bucket, &["refs/heads/main"]);
    assert!(is_linked(&bucket, "x", &first.bytes).unwrap());
    assert!(!is_linked(&bucket, "x", b"never written").unwrap());
}

#[test]
fn concurrent_writers_make_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["memory:", folder.path().to_str().unwrap()] {
        let bucket = Bucket::open(url).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let bucket = &bucket;
                scope.spawn(move || {
                    for round in 0..10 {
                        let name = format!("refs/heads/w{writer}/r{round}");
                        loop {
                            let current = read(bucket, "x").unwrap();
                            let mut next = draft(&[]);
                            if let Some(current) = &current {
                                next.refs.clone_from(&current.manifest.refs);
                            }
                            next.refs.insert(name.clone(), ID.parse().unwrap());
                            if publish(bucket, "x", current.as_ref(), next)
                                .unwrap()
                                .is_some()
                            {
                                break;
                            }
                        }
                    }
                });
            }
        });
        let last = read(&bucket, "x").unwrap().unwrap().manifest;
        assert_eq!((last.generation, last.refs.len()), (40, 40));
        let (mut at, mut count) = (last, 1);
        while let Some(previous) = at.previous {
            let bytes = bucket.get(&layout::past_manifest("x", previous)).unwrap();
            let before = Manifest::parse("x", &bytes.unwrap()).unwrap();
            assert_eq!(
                before.refs.len() + 1,
                at.refs.len(),
                "each step added one ref"
            );
            (at, count) = (before, count + 1);
        }
        assert_eq!(count, 40);
    }
}

fn value() -> Value {
    json!({
        "version": 1,
        "transaction": "00112233445566778899aabbccddeeff",
        "generation": 1,
        "head": "refs/heads/main",
        "refs": { "refs/heads/main": ID, "refs/tags/v1": ID },
        "packs": [{
            "pack": Digest::of(b"pack").to_string(),
            "idx": Digest::of(b"idx").to_string(),
        }],
        "previous": null,
    })
}

#[test]
fn reads_the_format_that_is_documented() {
    let bytes = serde_json::to_vec(&value()).unwrap();
    let manifest = Manifest::parse("x", &bytes).unwrap();
    assert_eq!(manifest.refs.len(), 2);
    assert_eq!(
        Manifest::parse("x", &manifest.to_bytes()).unwrap(),
        manifest
    );
    let mut detached = value();
    detached["head"] = json!(ID);
    let detached = Manifest::parse("x", &serde_json::to_vec(&detached).unwrap()).unwrap();
    assert_eq!(detached.head, HeadTarget::Detached(ID.parse().unwrap()));
}

#[test]
fn refuses_what_it_does_not_understand() {
    let changes: [(&str, Value); 16] = [
        ("version", json!(0)),
        ("version", json!("1")),
        ("transaction", json!("short")),
        ("transaction", json!("00112233445566778899AABBCCDDEEFF")),
        ("generation", json!(0)),
        ("generation", json!(2)),
        ("previous", json!(Digest::of(b"").sha256().to_string())),
        ("head", json!("main")),
        ("head", json!("refs/heads/..")),
        ("refs", json!({ "HEAD": ID })),
        ("refs", json!({ "refs/heads/a": ID, "refs/heads/a/b": ID })),
        ("refs", json!({ "refs/heads/a b": ID })),
        ("refs", json!({ "refs/heads/a": "short" })),
        ("packs", json!([value()["packs"][0], value()["packs"][0]])),
        ("packs", json!([{ "pack": "x/1", "idx": "y/2" }])),
        ("extra", json!(true)),
    ];
    for (field, change) in changes {
        let mut value = value();
        value[field] = change;
        let error = Manifest::parse("x", &serde_json::to_vec(&value).unwrap()).unwrap_err();
        assert!(
            matches!(error, ManifestError::Malformed { .. }),
            "{value}: {error}"
        );
    }
    for field in [
        "version",
        "transaction",
        "generation",
        "head",
        "refs",
        "packs",
    ] {
        let mut value = value();
        value.as_object_mut().unwrap().remove(field);
        assert!(
            Manifest::parse("x", &serde_json::to_vec(&value).unwrap()).is_err(),
            "{field}"
        );
    }
    let mut newer = value();
    newer["version"] = json!(2);
    newer["shape"] = json!("unknown");
    let error = Manifest::parse("x", &serde_json::to_vec(&newer).unwrap()).unwrap_err();
    assert!(
        matches!(error, ManifestError::Newer { version: 2, .. }),
        "{error}"
    );

    // Twice the same name, and names out of order, which a map would swallow.
    let text = String::from_utf8(serde_json::to_vec(&value()).unwrap()).unwrap();
    for (from, to) in [("tags/v1", "heads/main"), ("heads/main\":", "zzz\":")] {
        let changed = text.replacen(from, to, 2);
        assert_ne!(changed, text);
        assert!(
            Manifest::parse("x", changed.as_bytes()).is_err(),
            "{changed}"
        );
    }
    for name in ["", "../y", "a/pack", "x.git"] {
        let bucket = Bucket::open("memory:").unwrap();
        assert!(matches!(
            read(&bucket, name),
            Err(ManifestError::Name { .. })
        ));
    }
}

proptest! {
    /// No damage makes a reader panic, and what parses is what would be written.
    #[test]
    fn damage_is_an_error_or_another_manifest(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&value()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(manifest) = Manifest::parse("x", &bytes) {
            prop_assert_eq!(Manifest::parse("x", &manifest.to_bytes()).unwrap(), manifest);
        }
    }
}
