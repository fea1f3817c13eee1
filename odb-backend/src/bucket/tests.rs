use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Runs `check` on a bucket of every kind.
fn on_every_bucket(check: impl Fn(&Bucket)) {
    let folder = tempfile::tempdir().unwrap();
    check(&Bucket::open(folder.path().to_str().unwrap()).unwrap());
    check(&Bucket::open("memory:").unwrap());
}

#[test]
fn keeps_bytes_under_keys() {
    on_every_bucket(|bucket| {
        assert_eq!(bucket.get("a/b").unwrap(), None);
        assert_eq!(bucket.size("a/b").unwrap(), None);
        assert_eq!(bucket.get_range("a/b", 0..1).unwrap(), None);
        assert!(bucket.put_if_absent("a/b", b"0123456789").unwrap());
        assert!(!bucket.put_if_absent("a/b", b"other").unwrap());
        assert_eq!(bucket.get("a/b").unwrap().unwrap(), b"0123456789");
        assert_eq!(bucket.get_range("a/b", 2..5).unwrap().unwrap(), b"234");
        assert_eq!(bucket.get_range("a/b", 8..99).unwrap().unwrap(), b"89");
        assert_eq!(bucket.size("a/b").unwrap(), Some(10));
        bucket.put_if_absent("a/c", b"").unwrap();
        bucket.put_if_absent("ab/c", b"").unwrap();
        assert_eq!(bucket.list("a").unwrap(), ["a/b", "a/c"]);
        for wrong in ["../x", "a/../b", "/a", "a//b"] {
            assert!(bucket.get(wrong).is_err(), "{wrong}");
            assert!(
                bucket.compare_and_swap(wrong, None, b"x").is_err(),
                "{wrong}"
            );
        }
    });
}

#[test]
fn streams_files_and_replaces_partial_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let bytes: Vec<u8> = (0..CHUNK * 2 + 17).map(|n| (n % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    on_every_bucket(|bucket| {
        bucket.put_if_absent("pack", b"cut off").unwrap();
        assert!(bucket.put_file("pack", &path).unwrap());
        assert!(!bucket.put_file("pack", &path).unwrap());
        assert!(bucket.get("pack").unwrap().unwrap() == bytes);
    });
}

#[test]
fn works_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        on_every_bucket(|bucket| assert_eq!(bucket.get("x").unwrap(), None));
    });
}

#[test]
fn roots_move_only_from_what_was_read() {
    on_every_bucket(|bucket| {
        let key = "git/x/manifest";
        assert!(bucket.read_root(key).unwrap().is_none());
        assert_eq!(
            bucket.compare_and_swap(key, None, b"1").unwrap(),
            Swap::Done
        );
        assert_eq!(
            bucket.compare_and_swap(key, None, b"2").unwrap(),
            Swap::Lost
        );
        let (bytes, first) = bucket.read_root(key).unwrap().unwrap();
        assert_eq!(bytes, b"1");
        let swap = |version, new: &[u8]| bucket.compare_and_swap(key, Some(version), new).unwrap();
        assert_eq!(swap(&first, b"2"), Swap::Done);
        assert_eq!(swap(&first, b"3"), Swap::Lost);
        assert_eq!(bucket.get(key).unwrap().unwrap(), b"2");
        assert_eq!(
            bucket
                .compare_and_swap("git/y/manifest", Some(&first), b"x")
                .unwrap(),
            Swap::Lost
        );
    });
}

/// Every writer counts up the number it reads; no step is lost or done twice.
fn count_up(bucket: &Bucket, rounds: usize) {
    let key = "git/x/manifest";
    for _ in 0..rounds {
        loop {
            let root = bucket.read_root(key).unwrap();
            let (count, version) = match root {
                None => (0, None),
                Some((bytes, version)) => {
                    let text = String::from_utf8(bytes).unwrap();
                    (text.parse::<usize>().unwrap(), Some(version))
                }
            };
            let next = (count + 1).to_string();
            if bucket
                .compare_and_swap(key, version.as_ref(), next.as_bytes())
                .unwrap()
                == Swap::Done
            {
                break;
            }
        }
    }
}

#[test]
fn exactly_one_writer_wins_each_generation() {
    on_every_bucket(|bucket| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| count_up(bucket, 25));
            }
        });
        assert_eq!(bucket.get("git/x/manifest").unwrap().unwrap(), b"200");
    });
}

/// The same between processes: this test runs itself.
#[test]
fn processes_exclude_each_other() {
    const FOLDER: &str = "STRAYLIGHT_TEST_BUCKET";
    if let Some(folder) = std::env::var_os(FOLDER) {
        return count_up(&Bucket::open(folder.to_str().unwrap()).unwrap(), 20);
    }
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "bucket::tests::processes_exclude_each_other"])
                .env(FOLDER, folder.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let bucket = Bucket::open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(bucket.get("git/x/manifest").unwrap().unwrap(), b"80");
}

#[test]
fn what_a_crash_leaves_is_ignored_and_healed() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::open(folder.path().to_str().unwrap()).unwrap();
    let key = "git/x/manifest";
    bucket.compare_and_swap(key, None, b"1").unwrap();
    // A writer that died before its rename, and one in the middle of an upload.
    let parent = folder.path().join("git/x");
    let temporary = parent.join(format!(
        ".new-{}",
        crate::digest::Sha256::of(key.as_bytes())
    ));
    std::fs::write(&temporary, b"half a manif").unwrap();
    std::fs::write(parent.join("pack#1"), b"half a pack").unwrap();
    assert_eq!(bucket.list("git").unwrap(), [key]);
    assert_eq!(bucket.get("git/x/pack").unwrap(), None);

    let (bytes, version) = bucket.read_root(key).unwrap().unwrap();
    assert_eq!(bytes, b"1");
    bucket.compare_and_swap(key, Some(&version), b"2").unwrap();
    assert_eq!(bucket.get(key).unwrap().unwrap(), b"2");
    assert!(!temporary.exists());
    assert!(bucket.put_if_absent("git/x/pack", b"whole").unwrap());
}

#[test]
fn urls_name_folders_and_nothing_else_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("with space");
    let url = format!("file://{}", path.display()).replace(' ', "%20");
    assert!(matches!(
        Bucket::open(&url),
        Err(BucketError::NotFound { .. })
    ));
    let bucket = Bucket::create(&url).unwrap();
    bucket.put_if_absent("x", b"y").unwrap();
    assert_eq!(std::fs::read(path.join("x")).unwrap(), b"y");
    for url in [
        "s3://b",
        "r2://a/b",
        "file://host/x",
        "file:///%zz",
        "ftp://x/",
        "",
    ] {
        let error = Bucket::open(url).unwrap_err();
        assert!(
            matches!(error, BucketError::Unsupported { .. }),
            "{url}: {error}"
        );
    }
}

#[test]
fn named_memory_is_shared_and_unnamed_is_not() {
    let counter = AtomicUsize::new(0);
    for url in ["memory:shared", "memory:"] {
        let (one, other) = (Bucket::open(url).unwrap(), Bucket::open(url).unwrap());
        one.put_if_absent("x", b"").unwrap();
        if other.get("x").unwrap().is_some() {
            counter.fetch_add(1, Ordering::Relaxed);
            assert_eq!(url, "memory:shared");
        }
    }
    assert_eq!(counter.into_inner(), 1);
}
