//! Stock git is the oracle.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::quarantine::split_alternates;
use super::*;
use crate::fixture::{GitFixture, hermetic};

fn open(fixture: &GitFixture) -> Repository {
    Repository::discover(fixture.path()).unwrap()
}

/// A repository with a little of everything.
fn sample() -> GitFixture {
    let fixture = GitFixture::new();
    fixture.write("a.txt", "one\n");
    fixture.write("run.sh", "#!/bin/sh\n");
    fixture.write("src/lib/deep.c", "int x;\n");
    fixture.write("src/lib.h", "#pragma once\n");
    fixture.write(".gitignore", "/out/\n*.o\n!keep.o\n");
    let script = fixture.path().join("run.sh");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/lib.h", fixture.path().join("link")).unwrap();
    fixture.commit("first\n\nwith a body");
    fixture
}

#[test]
fn is_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Repository>();
}

#[test]
fn finds_its_folders() {
    let fixture = sample();
    let root = fixture.path().canonicalize().unwrap();
    let repository = Repository::discover(&fixture.path().join("src/lib")).unwrap();
    assert_eq!(repository.require_work_tree().unwrap(), root);
    assert_eq!(repository.git_dir(), root.join(".git"));

    let linked = fixture.folder().join("linked");
    fixture.git(&["worktree", "add", "--quiet", linked.to_str().unwrap()]);
    let other = Repository::discover(&linked).unwrap();
    assert_eq!(other.work_tree().unwrap(), linked.canonicalize().unwrap());
    assert_eq!(other.git_dir(), root.join(".git/worktrees/linked"));
    assert_eq!(other.common_dir(), root.join(".git"));
    assert!(!other.is_dirty().unwrap());

    let bare = GitFixture::init(&["--bare"]);
    let repository = Repository::open_git_dir(bare.path()).unwrap();
    assert_eq!(repository.work_tree(), None);
    assert!(matches!(
        repository.require_work_tree(),
        Err(RepoError::NoWorkTree { .. })
    ));
    let nowhere = tempfile::tempdir().unwrap();
    for error in [
        Repository::discover(nowhere.path()).unwrap_err(),
        Repository::open_git_dir(&nowhere.path().join("absent")).unwrap_err(),
    ] {
        assert!(matches!(error, RepoError::NotFound { .. }), "{error}");
    }
}

#[test]
fn refuses_formats_it_would_misread() {
    for arguments in ["--object-format=sha256", "--ref-format=reftable"] {
        let fixture = GitFixture::init(&[arguments]);
        for result in [
            Repository::discover(fixture.path()),
            Repository::open_git_dir(&fixture.path().join(".git")),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, RepoError::Unsupported { .. }), "{error}");
        }
    }
}

#[test]
fn reads_commits_as_git_does() {
    let fixture = sample();
    let repository = open(&fixture);
    fixture.git(&["tag", "-a", "v1", "-m", "a tag"]);
    fixture.git(&["tag", "-a", "v2", "v1", "-m", "a tag of a tag"]);
    let tag = repository.resolve("v2").unwrap();
    assert_eq!(tag.to_string(), fixture.git(&["rev-parse", "v2"]));

    let commit = repository.read_commit(tag).unwrap();
    let format = "--format=%H%n%T%n%an%n%ae%n%at%n%cn%n%B";
    let expected = fixture.git(&["show", "--no-patch", format, "HEAD"]);
    let found = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{}",
        commit.id,
        commit.tree,
        commit.author.name,
        commit.author.email,
        commit.author.seconds,
        commit.committer.name,
        commit.message
    );
    assert_eq!(found.trim_end(), expected);
    assert_eq!(commit.author.offset, 3600);
    assert_eq!(commit.parents, []);
    let raw = fixture.try_git(&["cat-file", "commit", "HEAD"]).stdout;
    assert_eq!(commit.raw, raw);

    let error = repository.read_commit(commit.tree).unwrap_err();
    assert!(matches!(error, RepoError::WrongKind { .. }), "{error}");
    let error = repository.resolve("no-such-branch").unwrap_err();
    assert!(matches!(error, RepoError::UnknownRevision { .. }));
}

#[test]
fn walks_trees_as_git_does() {
    let fixture = sample();
    let repository = open(&fixture);
    let tree = repository.resolve("HEAD^{tree}").unwrap();
    let mut found = Vec::new();
    repository
        .walk_tree(tree, |path, entry| {
            found.push(format!("{:0>6} {} {path}", entry.kind.mode(), entry.id));
        })
        .unwrap();
    let listing = fixture.git(&[
        "ls-tree",
        "-r",
        "-t",
        "--format=%(objectmode) %(objectname) %(path)",
        "HEAD",
    ]);
    assert_eq!(found, listing.lines().collect::<Vec<_>>());

    let entry = repository
        .tree_entry(tree, "src/lib/deep.c")
        .unwrap()
        .unwrap();
    assert_eq!(
        (entry.kind, entry.name.as_str()),
        (EntryKind::File, "deep.c")
    );
    assert_eq!(repository.read_blob(entry.id).unwrap(), b"int x;\n");
    let kind = |path| {
        repository
            .tree_entry(tree, path)
            .unwrap()
            .map(|entry| entry.kind)
    };
    assert_eq!(kind("run.sh"), Some(EntryKind::Executable));
    assert_eq!(kind("link"), Some(EntryKind::Symlink));
    assert_eq!(kind("src"), Some(EntryKind::Tree));
    for absent in [
        "",
        "/",
        "src/",
        "/src",
        "src//lib",
        "a.txt/x",
        "src/../a.txt",
        "nothing",
    ] {
        assert_eq!(kind(absent), None, "{absent}");
    }
}

#[test]
fn refuses_trees_that_no_work_tree_can_hold() {
    let fixture = sample();
    let repository = open(&fixture);
    let blob = repository.write_blob(b"evil").unwrap();
    let write = |entries: &[(&str, &[u8])]| {
        let mut raw = Vec::new();
        for (mode, name) in entries {
            raw.extend_from_slice(format!("{mode} ").as_bytes());
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend_from_slice(blob.as_raw());
        }
        repository.write_object(ObjectKind::Tree, &raw).unwrap()
    };
    for name in [&b".."[..], b".", b".git", b".GIT", b"a/b", b""] {
        let error = repository
            .tree_entries(write(&[("100644", name)]))
            .unwrap_err();
        assert!(matches!(error, RepoError::Corrupt { .. }), "{error}");
    }
    let twice = write(&[("100644", b"a"), ("100644", b"a")]);
    assert!(matches!(
        repository.tree_entries(twice),
        Err(RepoError::Corrupt { .. })
    ));
    assert!(matches!(
        repository.tree_entries(write(&[("100644", b"\xff")])),
        Err(RepoError::NonUtf8Path { .. })
    ));
    assert_eq!(
        repository
            .tree_entries(write(&[("100644", b"ok")]))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn an_id_names_its_content() {
    let fixture = sample();
    let repository = open(&fixture);
    let good = repository.write_blob(b"good").unwrap();
    let evil = repository.write_blob(b"evil").unwrap();

    // A replace ref is not followed.
    fixture.git(&["replace", &good.to_string(), &evil.to_string()]);
    assert_eq!(
        fixture.git(&["cat-file", "blob", &good.to_string()]),
        "evil"
    );
    assert_eq!(open(&fixture).read_blob(good).unwrap(), b"good");

    // Neither is a file under the wrong name believed.
    let file = |id: ObjectId| {
        let hex = id.to_string();
        fixture
            .path()
            .join(".git/objects")
            .join(&hex[..2])
            .join(&hex[2..])
    };
    fs::remove_file(file(good)).unwrap();
    fs::copy(file(evil), file(good)).unwrap();
    let error = open(&fixture).read_blob(good).unwrap_err();
    assert!(matches!(error, RepoError::Corrupt { .. }), "{error}");
    fs::remove_file(file(good)).unwrap();
    let error = open(&fixture).read_blob(good).unwrap_err();
    assert!(matches!(error, RepoError::MissingObject { .. }), "{error}");
}

#[test]
fn lists_history_as_git_does() {
    let fixture = sample();
    for round in 0..3 {
        fixture.commit(&format!("main {round}"));
    }
    fixture.git(&["checkout", "--quiet", "-b", "side", "HEAD~2"]);
    fixture.commit("side");
    fixture.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "main"]);
    fixture.git(&["checkout", "--quiet", "--orphan", "other"]);
    fixture.commit("unrelated");
    let repository = open(&fixture);
    for range in [
        "side",
        "main..side",
        "side..main",
        "..main",
        "main...side",
        "main...other",
    ] {
        let found: Vec<_> = repository.rev_list(range).unwrap();
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let listing = fixture.git(&["rev-list", "--date-order", range]);
        assert_eq!(found, listing.lines().collect::<Vec<_>>(), "{range}");
    }
    let id = |rev| repository.resolve(rev).unwrap();
    assert!(repository.is_ancestor(id("main"), id("side")).unwrap());
    assert!(repository.is_ancestor(id("main"), id("main")).unwrap());
    assert!(!repository.is_ancestor(id("side"), id("main")).unwrap());
    assert!(
        repository
            .is_ancestor(id("main^{tree}"), id("main"))
            .is_err()
    );
    assert!(repository.rev_list("nothing..main").is_err());

    // A shallow clone ends where git says so.
    let clone = fixture.folder().join("shallow");
    let url = format!("file://{}", fixture.path().display());
    fixture.git(&[
        "clone",
        "--quiet",
        "--depth=1",
        "--branch=side",
        &url,
        clone.to_str().unwrap(),
    ]);
    let shallow = Repository::discover(&clone).unwrap();
    assert_eq!(shallow.rev_list("HEAD").unwrap(), [id("side")]);
}

#[test]
fn reads_the_index_and_the_ignore_rules() {
    let fixture = sample();
    let repository = open(&fixture);
    fixture.write("staged.txt", "staged\n");
    fixture.write("untracked.txt", "");
    fixture.git(&["add", "staged.txt"]);
    let index = repository.index().unwrap();
    let found: Vec<_> = index
        .iter()
        .map(|entry| {
            let (path, entry) = entry.unwrap();
            format!("{} {} 0\t{path}", entry.kind.mode(), entry.id)
        })
        .collect();
    assert_eq!(
        found,
        fixture
            .git(&["ls-files", "--stage"])
            .lines()
            .collect::<Vec<_>>()
    );
    let entry = index.get("staged.txt").unwrap();
    assert_eq!((entry.stat.size, entry.kind), (7, EntryKind::File));
    assert!(!index.tracked("untracked.txt") && !index.tracked("src"));
    assert!(repository.tracked("src/lib.h").unwrap());

    for path in [
        "out/",
        "out/deep/file",
        "x.o",
        "src/x.o",
        "keep.o",
        "a.txt",
        "untracked.txt",
    ] {
        let ignored = fixture
            .try_git(&["check-ignore", "--quiet", path])
            .status
            .success();
        assert_eq!(repository.is_ignored(path).unwrap(), ignored, "{path}");
    }
    assert!(repository.is_ignored("out/").unwrap());
    fixture.write("forced.o", "");
    fixture.git(&["add", "--force", "forced.o"]);
    assert!(!repository.is_ignored("forced.o").unwrap(), "tracked");
}

#[test]
fn a_new_repository_is_empty() {
    let fixture = GitFixture::new();
    let repository = open(&fixture);
    let head = repository.head().unwrap();
    assert_eq!(
        (head.name.as_deref(), head.id),
        (Some("refs/heads/main"), None)
    );
    assert_eq!(repository.index().unwrap().iter().count(), 0);
    assert_eq!(repository.refs("refs/").unwrap(), []);
    assert!(!repository.is_dirty().unwrap());
    assert!(matches!(
        repository.resolve("HEAD"),
        Err(RepoError::UnknownRevision { .. })
    ));
}

#[test]
fn dirt_is_what_differs_from_the_last_commit() {
    let fixture = sample();
    let repository = open(&fixture);
    fixture.write("untracked.txt", "");
    assert_eq!(repository.dirty_paths().unwrap(), [""; 0]);
    fixture.write("a.txt", "two\n");
    fixture.git(&["rm", "--quiet", "--cached", "run.sh"]);
    fs::remove_file(fixture.path().join("src/lib.h")).unwrap();
    fixture.write("new.txt", "");
    fixture.git(&["add", "new.txt"]);
    let dirty = repository.dirty_paths().unwrap();
    assert_eq!(dirty, ["a.txt", "new.txt", "run.sh", "src/lib.h"]);
    fixture.git(&["reset", "--quiet", "--hard"]);
    assert!(!repository.is_dirty().unwrap());
    fixture.git(&["update-index", "--chmod=-x", "run.sh"]);
    assert!(repository.is_dirty().unwrap());
}

#[test]
fn lists_the_files_that_git_would_track() {
    let fixture = sample();
    let repository = open(&fixture);
    fixture.write(".gitignore", "*.o\n");
    fixture.write("new [1].c", "");
    fixture.write("src/new.c", "");
    fixture.write("src/new.o", "");
    fs::remove_file(fixture.path().join("src/lib.h")).unwrap();
    let inner = fixture.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let status = std::process::Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(&inner)
        .status();
    assert!(status.unwrap().success());
    let all = repository.files_below("").unwrap();
    for name in [".gitignore", "new [1].c", "src/new.c", "a.txt"] {
        assert!(all.iter().any(|file| file == name), "{name} in {all:?}");
    }
    for name in ["src/new.o", "src/lib.h", "inner", "inner/"] {
        assert!(!all.iter().any(|file| file == name), "{name} in {all:?}");
    }
    let below = repository.files_below("src").unwrap();
    assert!(
        below.iter().all(|file| file.starts_with("src/")),
        "{below:?}"
    );
    assert!(below.contains(&"src/new.c".to_owned()));
}

#[test]
fn knows_who_wrote_a_text_last() {
    let fixture = sample();
    let repository = open(&fixture);
    assert_eq!(repository.last_to_write("pinned-7", "a.txt").unwrap(), None);
    fixture.write("a.txt", "pinned-7\n");
    fixture.git(&["add", "a.txt"]);
    fixture.git(&["commit", "--quiet", "-m", "pin"]);
    let short = fixture.git(&["rev-parse", "--short", "HEAD"]);
    let mention = repository
        .last_to_write("pinned-7", "a.txt")
        .unwrap()
        .unwrap();
    assert_eq!(mention.commit, short.trim());
    assert_eq!(
        repository.last_to_write("pinned-7", "run.sh").unwrap(),
        None
    );
}

#[test]
fn writes_what_git_reads() {
    let fixture = sample();
    let repository = open(&fixture);
    let blob = repository.write_blob(b"bytes\n").unwrap();
    let entry = |name: &str, kind, id| TreeEntry {
        name: name.to_owned(),
        kind,
        id,
    };
    let inner = repository
        .write_tree(&[entry("f", EntryKind::Executable, blob)])
        .unwrap();
    // A folder sorts as if its name ended with a slash: after `a.b`, before `a0`.
    let tree = repository
        .write_tree(&[
            entry("a0", EntryKind::Symlink, blob),
            entry("a", EntryKind::Tree, inner),
            entry("a.b", EntryKind::File, blob),
        ])
        .unwrap();
    fixture.git(&["fsck", "--strict"]);
    let listing = fixture.git(&["ls-tree", "-r", "--name-only", &tree.to_string()]);
    assert_eq!(listing, "a.b\na/f\na0");
    assert_eq!(repository.tree_entries(tree).unwrap().len(), 3);
    for wrong in ["", "..", ".git", "a/b"] {
        assert!(
            repository
                .write_tree(&[entry(wrong, EntryKind::File, blob)])
                .is_err()
        );
    }
    let twice = [
        entry("a", EntryKind::File, blob),
        entry("a", EntryKind::Tree, inner),
    ];
    assert!(repository.write_tree(&twice).is_err());

    let head = repository.resolve("HEAD").unwrap();
    let raw = format!(
        "tree {tree}\nparent {head}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nmessage\n"
    );
    let commit = repository
        .write_object(ObjectKind::Commit, raw.as_bytes())
        .unwrap();
    assert_eq!(repository.read_commit(commit).unwrap().parents, [head]);
    fixture.git(&["fsck", "--strict"]);
    let leftovers = fs::read_dir(repository.common_dir().join("objects")).unwrap();
    let mut names = leftovers.map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_string_lossy().starts_with("tmp_")));
}

#[test]
fn moves_refs_in_transactions() {
    let fixture = sample();
    let first = fixture.git(&["rev-parse", "HEAD"]).parse().unwrap();
    let second = fixture.commit("second").parse().unwrap();
    let repository = open(&fixture);
    let update = |name: &str, new, expected| RefUpdate {
        name: name.to_owned(),
        new,
        expected,
    };
    let (a, b) = ("refs/straylight/log", "refs/notes/straylight");
    let create = [
        update(a, Some(first), Expected::Absent),
        update(b, Some(first), Expected::Any),
    ];
    repository.update_refs(&create, "two\nlines").unwrap();
    assert_eq!(repository.read_ref(a).unwrap(), Some(first));

    // One stale expectation, and nothing moves.
    for stale in [Expected::Absent, Expected::Is(second)] {
        let updates = [
            update(b, Some(second), Expected::Any),
            update(a, Some(second), stale),
        ];
        let error = repository.update_refs(&updates, "stale").unwrap_err();
        assert!(
            matches!(&error, RepoError::RefMoved { name } if name == a),
            "{error}"
        );
        assert_eq!(repository.read_ref(b).unwrap(), Some(first));
    }
    // Somebody else's lock is a lost race as well.
    let lock = fixture.path().join(".git").join(format!("{a}.lock"));
    fs::write(&lock, "").unwrap();
    let move_on = [update(a, Some(second), Expected::Is(first))];
    let error = repository.update_refs(&move_on, "locked").unwrap_err();
    assert!(matches!(error, RepoError::RefMoved { .. }), "{error}");
    fs::remove_file(lock).unwrap();
    repository.update_refs(&move_on, "moved").unwrap();

    let log = fixture.git(&["log", "-g", "--format=%gs", "-1", "HEAD"]);
    assert_eq!(log, "commit: second");
    let missing = "0123456789012345678901234567890123456789".parse().unwrap();
    for wrong in [
        update("refs/heads/a..b", Some(first), Expected::Any),
        update("refs/heads/x", Some(missing), Expected::Any),
        update("refs/heads/main/under", Some(first), Expected::Any),
    ] {
        let error = repository.update_refs(&[wrong], "wrong").unwrap_err();
        assert!(matches!(error, RepoError::Git { .. }), "{error}");
    }
    let delete = [
        update(a, None, Expected::Is(second)),
        update(b, None, Expected::Any),
        update("refs/heads/never", None, Expected::Absent),
    ];
    repository.update_refs(&delete, "gone").unwrap();
    assert_eq!(repository.read_ref(a).unwrap(), None);
    assert_eq!(repository.refs("refs/straylight/").unwrap(), []);
}

#[test]
fn one_of_many_writers_wins_each_move() {
    let fixture = sample();
    let repository = open(&fixture);
    let ids: Vec<ObjectId> = (0..8)
        .map(|n| fixture.commit(&format!("{n}")).parse().unwrap())
        .collect();
    let wins: usize = std::thread::scope(|scope| {
        let attempts: Vec<_> = ids
            .iter()
            .map(|id| {
                let update = RefUpdate {
                    name: "refs/heads/race".to_owned(),
                    new: Some(*id),
                    expected: Expected::Absent,
                };
                let repository = &repository;
                scope.spawn(move || match repository.update_refs(&[update], "race") {
                    Ok(()) => 1,
                    Err(RepoError::RefMoved { .. }) => 0,
                    Err(error) => panic!("{error}"),
                })
            })
            .collect();
        attempts
            .into_iter()
            .map(|attempt| attempt.join().unwrap())
            .sum()
    });
    assert_eq!(wins, 1);
    assert!(ids.contains(&repository.read_ref("refs/heads/race").unwrap().unwrap()));
}

#[test]
fn reads_refs_as_git_does() {
    let fixture = sample();
    fixture.git(&["tag", "-a", "v1", "-m", "tag"]);
    fixture.git(&["branch", "packed"]);
    fixture.git(&["pack-refs", "--all"]);
    fixture.commit("later");
    fixture.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    fixture.git(&["symbolic-ref", "refs/heads/dangling", "refs/heads/nowhere"]);
    let repository = open(&fixture);
    let found: BTreeMap<_, _> = repository.refs("refs/").unwrap().into_iter().collect();
    let listing = fixture.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    let expected = listing.lines().map(|line| {
        let (name, id) = line.split_once(' ').unwrap();
        (name.to_owned(), id.parse().unwrap())
    });
    assert_eq!(found, expected.collect());
    assert_eq!(repository.refs("refs/tags/").unwrap().len(), 1);
    assert_eq!(
        repository.read_ref("main").unwrap(),
        None,
        "not a full name"
    );

    let main = repository.read_ref("refs/heads/main").unwrap();
    let head = repository.head().unwrap();
    assert_eq!(
        (head.name.as_deref(), head.id),
        (Some("refs/heads/main"), main)
    );
    fixture.git(&["checkout", "--quiet", "--detach"]);
    assert_eq!(
        repository.head().unwrap(),
        Head {
            name: None,
            id: main
        }
    );
}

#[test]
fn reads_configuration() {
    let fixture = sample();
    fixture.git(&["config", "straylight.name", "value"]);
    fixture.git(&["config", "--add", "straylight.many", "one"]);
    fixture.git(&["config", "--add", "straylight.many", "two"]);
    fixture.git(&["config", "straylight.on", "yes"]);
    fixture.git(&["config", "straylight.file", "/some/file"]);
    let repository = open(&fixture);
    assert_eq!(
        repository.config_string("straylight.name").unwrap(),
        "value"
    );
    assert_eq!(repository.config_string("straylight.absent"), None);
    assert_eq!(repository.config_all("straylight.many"), ["one", "two"]);
    assert_eq!(repository.config_bool("straylight.on").unwrap(), Some(true));
    assert!(repository.config_bool("straylight.name").is_err());
    assert_eq!(
        repository
            .config_path("straylight.file")
            .unwrap()
            .as_deref(),
        Some(Path::new("/some/file"))
    );
}

/// The test that git runs again as a `pre-receive` hook.
#[test]
fn a_hook_reads_what_is_pushed() {
    const REPORT: &str = "STRAYLIGHT_TEST_HOOK_REPORT";
    if let Some(report) = std::env::var_os(REPORT) {
        let pushed = std::env::var("STRAYLIGHT_TEST_PUSHED").unwrap();
        let repository = Repository::from_environment().unwrap();
        let commit = repository.read_commit(pushed.parse().unwrap()).unwrap();
        let entry = repository
            .tree_entry(commit.tree, "pushed.txt")
            .unwrap()
            .unwrap();
        let text = repository.read_blob(entry.id).unwrap();
        let history = repository.rev_list(&format!("main..{pushed}")).unwrap();
        let written = repository.write_blob(b"written by the hook").unwrap();
        assert_eq!(
            repository.read_blob(written).unwrap(),
            b"written by the hook"
        );
        let report_text = format!("{} {}", String::from_utf8(text).unwrap(), history.len());
        fs::write(report, report_text).unwrap();
        return;
    }
    let server = GitFixture::init(&["--bare"]);
    let client = sample();
    client.git(&["remote", "add", "origin", server.path().to_str().unwrap()]);
    client.git(&["push", "--quiet", "origin", "main"]);
    client.write("pushed.txt", "through the quarantine");
    let pushed = client.commit("second");
    let report = server.folder().join("report");
    let test = std::env::current_exe().unwrap();
    let name = "repo::tests::a_hook_reads_what_is_pushed";
    server.hook(
        "pre-receive",
        &format!(
            "#!/bin/sh\n{REPORT}='{}' STRAYLIGHT_TEST_PUSHED={pushed} exec '{}' --exact {name} >&2\n",
            report.display(),
            test.display()
        ),
    );
    client.git(&["push", "--quiet", "origin", "main"]);
    assert_eq!(
        fs::read_to_string(report).unwrap(),
        "through the quarantine 1"
    );
}

#[test]
fn splits_alternates_as_git_does() {
    let split = |list: &str| split_alternates(list.as_ref());
    let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(split("/a:/b c"), paths(&["/a", "/b c"]));
    assert_eq!(split("\"/a:\\\"b\":/c"), paths(&["/a:\"b", "/c"]));
    assert_eq!(split(":/a::"), paths(&["/a"]));
    assert_eq!(split(""), paths(&[]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Any set of names becomes the tree that `git mktree` makes of it.
    #[test]
    fn trees_are_git_trees(names in prop::collection::btree_map("[a-c.0 -]{1,4}", any::<bool>(), 0..12)) {
        let fixture = GitFixture::new();
        let repository = open(&fixture);
        let blob = repository.write_blob(b"").unwrap();
        let inner = repository.write_tree(&[]).unwrap();
        let entries: Vec<_> = names
            .into_iter()
            .filter(|(name, _)| tree::is_component(name))
            .map(|(name, folder)| match folder {
                true => TreeEntry { name, kind: EntryKind::Tree, id: inner },
                false => TreeEntry { name, kind: EntryKind::File, id: blob },
            })
            .collect();
        let tree = repository.write_tree(&entries).unwrap();
        let listing: String = entries
            .iter()
            .map(|TreeEntry { name, kind, id }| {
                let object = if *kind == EntryKind::Tree { "tree" } else { "blob" };
                format!("{:0>6} {object} {id}\t{name}\n", kind.mode())
            })
            .collect();
        let list = fixture.folder().join("list");
        fs::write(&list, listing).unwrap();
        let mut command = Command::new("git");
        hermetic(&mut command).args(["mktree"]).current_dir(fixture.path());
        let output = command.stdin(fs::File::open(list).unwrap()).output().unwrap();
        let made = String::from_utf8(output.stdout).unwrap();
        prop_assert_eq!(made.trim_end(), tree.to_string());
        let mut read = repository.tree_entries(tree).unwrap();
        read.sort_by(|a, b| a.name.cmp(&b.name));
        prop_assert_eq!(read, entries);
    }
}

#[test]
fn conversions_are_looked_for_where_git_looks() {
    let fixture = GitFixture::new();
    fixture.write("a/.gitattributes", "*.png binary\n*.c text\n");
    fixture.write("a/file", "one\r\n");
    fixture.commit("plain");
    let may = || {
        let repository = Repository::discover(fixture.path()).unwrap();
        repository.may_convert(&repository.index().unwrap())
    };
    assert!(!may());
    fixture.git(&["config", "core.autocrlf", "input"]);
    assert!(may());
    fixture.git(&["config", "core.autocrlf", "false"]);
    assert!(!may());
    let info = fixture.path().join(".git/info/attributes");
    fs::create_dir_all(info.parent().unwrap()).unwrap();
    fs::write(&info, "*.txt working-tree-encoding=UTF-16\n").unwrap();
    assert!(may());
    fs::remove_file(&info).unwrap();
    let users = fixture.folder().join("attributes");
    fs::write(&users, "* filter=lfs\n").unwrap();
    fixture.git(&["config", "core.attributesFile", users.to_str().unwrap()]);
    assert!(may());
    fixture.git(&["config", "--unset", "core.attributesFile"]);
    fixture.write("a/.gitattributes", "file eol=crlf\n");
    assert!(may());

    // What is stored differs from what is here, as far as git has looked.
    fixture.git(&["add", "--renormalize", "."]);
    fixture.commit("converted");
    fs::remove_file(fixture.path().join("a/file")).unwrap();
    fixture.git(&["checkout", "a/file"]);
    let path = fixture.path().join("a/file");
    let index = Repository::discover(fixture.path())
        .unwrap()
        .index()
        .unwrap();
    let stat = |path: &std::path::Path| {
        let metadata = fs::metadata(path).unwrap();
        FileStat {
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ino: metadata.ino(),
            size: metadata.len(),
        }
    };
    let is_converted = |stat: &FileStat| {
        let open = || fs::File::open(&path);
        index.is_converted("a/file", stat, open).unwrap()
    };
    assert_eq!(fs::read(&path).unwrap(), b"one\r\n");
    let seen = stat(&path);
    assert!(is_converted(&seen));
    let changed = FileStat { size: 4, ..seen };
    assert!(!is_converted(&changed));
    let attributes = fixture.path().join("a/.gitattributes");
    let open = || fs::File::open(&attributes);
    let own = index.is_converted("a/.gitattributes", &stat(&attributes), open);
    assert!(!own.unwrap());
}
