//! Imports from the disk: a tree of files, and the cache of pinned imports.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::{
    CacheWarning, Chain, DiskCache, Error, Evaluator, FileTree, ImportError, Importer, Location,
};

fn location(path: &str) -> Location {
    Location::File(path.to_owned())
}

fn evaluate(importer: impl Importer + 'static, text: &str) -> Result<String, Error> {
    let evaluator = Evaluator::new(Arc::new(importer));
    let evaluated = evaluator.evaluate(&location("main.dhall"), text)?;
    Ok(evaluated.value.to_string())
}

fn message(importer: impl Importer + 'static, text: &str) -> String {
    evaluate(importer, text).expect_err("an error").to_string()
}

/// A folder `root` beside a file `secret` and a folder `rooted`.
fn tree() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("root/a/lib.dhall", "./inner.dhall + ../b.dhall");
    write("root/a/inner.dhall", "1");
    write("root/b.dhall", "2");
    write("root/latin", "");
    fs::write(folder.path().join("root/latin"), b"\"\xe9\"").expect("a file");
    write("secret", "3");
    write("rooted/c.dhall", "4");
    folder
}

fn root(folder: &TempDir) -> FileTree {
    FileTree::new(folder.path().join("root"))
}

#[test]
fn a_tree_has_its_files() {
    let folder = tree();
    assert_eq!(
        evaluate(root(&folder), "./a/lib.dhall").expect("a value"),
        "3"
    );
    let absent = "./no.dhall ? ./a/no/x.dhall ? ./b.dhall/x ? 7";
    assert_eq!(evaluate(root(&folder), absent).expect("a value"), "7");
    assert!(
        message(root(&folder), "./latin").contains("latin:1:2: this is not UTF-8: the byte 0xe9")
    );
    assert_eq!(
        evaluate(root(&folder), "./latin as Bytes").expect("a value"),
        "0x\"22e922\""
    );
    for path in ["./a ? 1", "./a/.. ? 1"] {
        let error = evaluate(root(&folder), path).expect_err("a folder");
        assert!(error.hint().is_some(), "{error}");
    }
    let nothing = FileTree::new(folder.path().join("none"));
    assert_eq!(evaluate(nothing, "./a ? 1").expect("a value"), "1");
}

#[test]
fn a_file_is_not_larger_than_it_may_be() {
    let folder = tree();
    let file = fs::File::create(folder.path().join("root/large")).expect("a file");
    // Nothing is in it: the disk keeps only its length.
    file.set_len((128 << 20) + 1).expect("a length");
    let error = evaluate(root(&folder), "./large as Bytes ? 0x\"\"").expect_err("too large");
    assert_eq!(error.hint(), Some("an import has at most 134217728 bytes"));
}

#[test]
fn a_tree_is_not_left() {
    let folder = tree();
    let secret = folder.path().join("secret");
    let secret = secret.to_str().expect("UTF-8");
    let paths = [
        "../secret",
        "./a/../../secret",
        "../rooted/c.dhall",
        "~/secret",
        secret,
    ];
    for path in paths.into_iter().chain(["../absent"]) {
        // An alternative does not hide that it was tried.
        let message = message(root(&folder), &format!("{path} ? 1"));
        assert!(message.contains("is outside of the folder"), "{message}");
    }
    for path in ["../secret", "./a/../../secret", secret] {
        let value = evaluate(root(&folder).with_outside(), path).expect("a value");
        assert_eq!(value, "3", "{path}");
    }
    let at_home = root(&folder).with_home(folder.path().join("rooted"));
    assert_eq!(
        evaluate(at_home.clone(), "~/c.dhall").expect("a value"),
        "4"
    );
    assert!(message(at_home, "~/../secret").contains("is outside"));
}

#[cfg(unix)]
#[test]
fn links_do_not_leave_a_tree() {
    use std::os::unix::fs::symlink;

    let folder = tree();
    let link =
        |to: &str, name: &str| symlink(to, folder.path().join("root").join(name)).expect("a link");
    link("a/inner.dhall", "inside");
    link("../secret", "file");
    link("../rooted", "folder");
    link("nowhere", "dangling");
    link("itself", "itself");
    link("/dev/zero", "device");
    let socket = folder.path().join("root/socket");
    let _socket = std::os::unix::net::UnixListener::bind(socket).expect("a socket");
    assert!(message(root(&folder), "./socket ? 5").contains("it is not a file"));
    assert_eq!(evaluate(root(&folder), "./inside").expect("a value"), "1");
    for path in ["./file", "./folder/c.dhall", "./device"] {
        assert!(
            message(root(&folder), path).contains("is outside"),
            "{path}"
        );
    }
    assert_eq!(
        evaluate(root(&folder), "./dangling ? 5").expect("a value"),
        "5"
    );
    assert!(message(root(&folder), "./itself ? 5").contains("cannot read"));
    let open = root(&folder).with_outside();
    assert_eq!(
        evaluate(open.clone(), "./file + ./folder/c.dhall").expect("a value"),
        "7"
    );
    assert!(message(open, "./device ? 5").contains("it is not a file"));
}

const SOURCE: &str = "\\(x : Natural) -> { a = x + 1 }";

/// Returns the hash of [`SOURCE`] and its binary form.
fn normal_form() -> (String, Vec<u8>) {
    let evaluator = Evaluator::new(Arc::new(Chain(Vec::new())));
    let value = evaluator
        .evaluate(&location("x"), SOURCE)
        .expect("a value")
        .value;
    let hash = data_encoding::HEXLOWER.encode(&value.hash().expect("a hash"));
    (hash, value.encode().expect("bytes"))
}

fn chain(cache: &Arc<DiskCache>, folder: &Path) -> Chain {
    Chain(vec![
        Arc::clone(cache) as Arc<dyn Importer>,
        Arc::new(FileTree::new(folder)),
    ])
}

#[test]
fn pinned_imports_are_cached_on_disk() {
    let folder = TempDir::new().expect("a folder");
    let source = folder.path().join("lib.dhall");
    fs::write(&source, SOURCE).expect("a file");
    let caches = folder.path().join("cache/dhall");
    let cache = Arc::new(DiskCache::new(&caches));
    let (hash, bytes) = normal_form();
    let text = format!("(./lib.dhall sha256:{hash}) 1");
    assert_eq!(
        evaluate(chain(&cache, folder.path()), &text).expect("a value"),
        "{ a = 2 }"
    );
    let entry = caches.join(format!("1220{hash}"));
    assert_eq!(fs::read(&entry).expect("an entry"), bytes);
    assert_eq!(fs::read_dir(&caches).expect("a folder").count(), 1);
    // What is not pinned is neither written nor answered.
    evaluate(chain(&cache, folder.path()), "./lib.dhall").expect("a value");
    assert_eq!(fs::read_dir(&caches).expect("a folder").count(), 1);
    // The source is not needed any more, nor are the headers to ask for it.
    fs::remove_file(&source).expect("removed");
    for text in [
        text.clone(),
        format!("(missing sha256:{hash}) 1"),
        format!("(https://a.example/ using (./no.dhall) sha256:{hash}) 1"),
    ] {
        assert_eq!(
            evaluate(chain(&cache, folder.path()), &text).expect("a value"),
            "{ a = 2 }"
        );
    }
    assert_eq!(cache.take_warnings(), []);
    // A wrong entry is discarded, and made again when the source is there.
    let mut damaged = bytes.clone();
    damaged[2] ^= 1;
    fs::write(&entry, &damaged).expect("damaged");
    assert!(message(chain(&cache, folder.path()), &text).contains("is not there"));
    assert!(!entry.exists());
    let wrong = CacheWarning::Wrong {
        path: entry.clone(),
    };
    assert_eq!(cache.take_warnings(), std::slice::from_ref(&wrong));
    fs::write(&entry, &bytes[1..]).expect("damaged");
    fs::write(&source, SOURCE).expect("a file");
    assert_eq!(
        evaluate(chain(&cache, folder.path()), &text).expect("a value"),
        "{ a = 2 }"
    );
    assert_eq!(cache.take_warnings(), [wrong]);
    assert_eq!(fs::read(&entry).expect("an entry"), bytes);
}

#[test]
fn a_wrong_pin_is_not_cached() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("lib.dhall"), "1").expect("a file");
    let cache = Arc::new(DiskCache::new(folder.path().join("cache")));
    let (hash, _) = normal_form();
    let error = message(
        chain(&cache, folder.path()),
        &format!("./lib.dhall sha256:{hash}"),
    );
    assert!(error.contains("does not have the hash"), "{error}");
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn a_cache_that_cannot_be_used_is_only_a_warning() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("lib.dhall"), SOURCE).expect("a file");
    fs::write(folder.path().join("cache"), "").expect("a file");
    let (hash, bytes) = normal_form();
    let text = format!("(./lib.dhall sha256:{hash}) 1");
    let cache = Arc::new(DiskCache::new(folder.path().join("cache")));
    assert_eq!(
        evaluate(chain(&cache, folder.path()), &text).expect("a value"),
        "{ a = 2 }"
    );
    let warnings = cache.take_warnings();
    assert!(
        matches!(&warnings[..], [CacheWarning::Unwritable { .. }]),
        "{warnings:?}"
    );
    // An entry that is a folder; and the next place is used.
    let variable = |name: &str| match name {
        "XDG_CACHE_HOME" => Some(folder.path().join("xdg").into()),
        "HOME" => Some(folder.path().into()),
        _ => None,
    };
    let entry = folder.path().join(format!("xdg/dhall/1220{hash}"));
    fs::create_dir_all(entry.join("full")).expect("a folder");
    let cache = Arc::new(DiskCache::of_user(variable).expect("a cache"));
    assert_eq!(
        evaluate(chain(&cache, folder.path()), &text).expect("a value"),
        "{ a = 2 }"
    );
    let warnings = cache.take_warnings();
    assert!(
        matches!(
            &warnings[..],
            [
                CacheWarning::Unreadable { .. },
                CacheWarning::Unwritable { .. }
            ]
        ),
        "{warnings:?}"
    );
    if cfg!(unix) {
        let entry = folder.path().join(format!(".cache/dhall/1220{hash}"));
        assert_eq!(fs::read(entry).expect("an entry"), bytes);
    }
    assert_eq!(
        fs::read_dir(folder.path().join("xdg/dhall"))
            .expect("a folder")
            .count(),
        1
    );
    assert!(DiskCache::of_user(|_| None).is_none());
    assert!(DiskCache::of_user(|_| Some("relative".into())).is_none());
}

#[test]
fn caches_are_shared_by_writers() {
    let folder = TempDir::new().expect("a folder");
    let (hash, bytes) = normal_form();
    let sha256 = crate::import::sha256(&bytes);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let cache = DiskCache::new(folder.path());
                for _ in 0..20 {
                    cache.store(&sha256, &bytes);
                    let found: Result<_, ImportError> = cache.cached(&sha256);
                    assert_eq!(found.expect("read").as_deref(), Some(&bytes[..]));
                }
                assert_eq!(cache.take_warnings(), []);
            });
        }
    });
    let names: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .collect();
    assert_eq!(names.len(), 1);
    assert_eq!(
        names[0].file_name().to_str(),
        Some(format!("1220{hash}").as_str())
    );
}
