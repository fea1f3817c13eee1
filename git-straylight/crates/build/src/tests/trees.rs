//! The work tree and a commit's objects answer the same questions alike.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use straylight_odb::fixture::GitFixture;
use straylight_odb::{ContentStore as _, LocalStore, Repository};

use crate::PackagePath;
use crate::git_tree::GitTree;
use crate::state::State;
use crate::tree::{SourceTree, Standing, TreeError};
use crate::work_tree::WorkTree;

struct Trees {
    git: GitFixture,
    store: Arc<LocalStore>,
}

impl Trees {
    fn new() -> Self {
        let git = GitFixture::new();
        let store = Arc::new(LocalStore::open(git.folder().join("store")).unwrap());
        Self { git, store }
    }

    fn repository(&self) -> Arc<Repository> {
        Arc::new(Repository::discover(self.git.path()).unwrap())
    }

    fn work(&self) -> WorkTree {
        let repository = self.repository();
        let state = Arc::new(State::open(repository.git_dir()));
        WorkTree::open(repository, Arc::clone(&self.store), state).unwrap()
    }

    fn committed(&self) -> GitTree {
        let repository = self.repository();
        let head = repository.resolve("HEAD").unwrap();
        let tree = repository.read_commit(head).unwrap().tree;
        let state = Arc::new(State::forgetful());
        GitTree::new(repository, tree, Arc::clone(&self.store), state)
    }

    /// Both trees, of which the second is what was committed of the first.
    fn both(&self) -> [Box<dyn SourceTree>; 2] {
        self.git.commit("all");
        [Box::new(self.work()), Box::new(self.committed())]
    }
}

#[test]
fn files_are_stored_with_their_bytes_and_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let trees = Trees::new();
    trees.git.write("a/plain", "text\n");
    trees.git.write("a/script", "#!/bin/sh\n");
    let script = trees.git.path().join("a/script");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    for tree in trees.both() {
        let plain = tree.store("a/plain", false).unwrap();
        assert!(!plain.executable, "{tree:?}");
        let bytes = trees.store.read(&plain.digest).unwrap().unwrap();
        assert_eq!(&*bytes, b"text\n");
        assert!(
            tree.store("a/script", false).unwrap().executable,
            "{tree:?}"
        );
        assert_eq!(&*tree.read("a/plain").unwrap().unwrap(), b"text\n");
        assert_eq!(tree.read("a/none").unwrap(), None);
        assert_eq!(tree.standing("a/plain").unwrap(), Standing::Tracked);
    }
}

#[test]
fn links_are_followed_inside_the_tree_only() {
    let trees = Trees::new();
    trees.git.write("real/file", "text\n");
    for (target, link) in [
        ("../real/file", "good"),
        ("good", "twice"),
        ("round", "round"),
        ("../../outside", "outside"),
        ("/etc/hostname", "absolute"),
        ("../real", "folder"),
    ] {
        let folder = trees.git.path().join("links");
        fs::create_dir_all(&folder).unwrap();
        symlink(target, folder.join(link)).unwrap();
    }
    for tree in trees.both() {
        let direct = tree.store("real/file", false).unwrap();
        assert_eq!(tree.store("links/good", false).unwrap(), direct);
        assert_eq!(tree.store("links/twice", false).unwrap(), direct);
        for link in ["round", "outside", "absolute"] {
            let error = tree.store(&format!("links/{link}"), false).unwrap_err();
            assert!(matches!(error, TreeError::Link { .. }), "{tree:?} {error}");
        }
        assert!(tree.store("links/folder", false).is_err(), "{tree:?}");
        assert!(tree.store("links/folder/file", false).is_err(), "{tree:?}");
    }
}

#[test]
fn what_is_not_a_source_says_what_it_is() {
    let trees = Trees::new();
    trees.git.write("folder/name.c", "");
    trees.git.write(
        "big.bin",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    );
    for tree in trees.both() {
        let error = |path: &str| tree.store(path, false).unwrap_err().to_string();
        assert_eq!(error("folder"), "`folder` is a folder, not a file");
        assert!(error("big.bin").contains("Git LFS pointer"), "{tree:?}");
        assert_eq!(
            error("folder/nam.c"),
            "no file `folder/nam.c`; did you mean `folder/name.c`?"
        );
        assert!(
            error("../x").contains("not a path of the repository"),
            "{tree:?}"
        );
    }
}

#[test]
fn packages_are_found_where_git_looks() {
    let trees = Trees::new();
    trees.git.write(".gitignore", "/ignored/\n");
    for folder in ["", "a/", "a/b/", "c/"] {
        trees.git.write(&format!("{folder}BUILD.dhall"), "{=}");
    }
    let all = ["//", "//a", "//a/b", "//c"];
    let root = PackagePath::new("").unwrap();
    let names = |tree: &dyn SourceTree, folder: &PackagePath| {
        let packages = tree.packages(folder).unwrap();
        packages.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for tree in trees.both() {
        assert_eq!(names(&*tree, &root), all, "{tree:?}");
        let a = PackagePath::new("a").unwrap();
        assert_eq!(names(&*tree, &a), ["//a", "//a/b"], "{tree:?}");
    }
    // Not looked at: ignored folders, outputs, other repositories.
    for folder in ["ignored", "straylight-out", "nested"] {
        trees.git.write(&format!("{folder}/BUILD.dhall"), "{=}");
    }
    fs::create_dir_all(trees.git.path().join("nested/.git")).unwrap();
    assert_eq!(names(&trees.work(), &root), all);
}

#[test]
fn a_file_is_read_again_only_when_it_may_have_changed() {
    let trees = Trees::new();
    trees.git.write("file", "one");
    trees.git.commit("all");
    let repository = trees.repository();
    let state = Arc::new(State::open(repository.git_dir()));
    let open = || {
        let state = Arc::clone(&state);
        WorkTree::open(trees.repository(), Arc::clone(&trees.store), state).unwrap()
    };
    let path = trees.git.path().join("file");
    // As a file is that was left alone for a while.
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let age = || fs::File::open(&path).unwrap().set_modified(old).unwrap();
    age();
    let one = open().store("file", false).unwrap();
    assert_eq!(open().store("file", false).unwrap(), one);
    // Equal size and time: the time of the change of the inode tells.
    fs::write(&path, "two").unwrap();
    age();
    assert_ne!(open().store("file", false).unwrap(), one);
}

#[test]
fn the_root_of_a_commit_changes_with_every_byte_and_mode() {
    let trees = Trees::new();
    trees.git.write("a/file", "one");
    symlink("file", trees.git.path().join("a/link")).unwrap();
    trees.git.commit("first");
    let first = trees.committed().root_digest().unwrap();
    assert_eq!(trees.committed().root_digest().unwrap(), first);
    trees.git.write("a/file", "two");
    trees.git.commit("second");
    assert_ne!(trees.committed().root_digest().unwrap(), first);
    trees.git.write("a/file", "one");
    trees.git.commit("third");
    assert_eq!(trees.committed().root_digest().unwrap(), first);
    trees.git.git(&["update-index", "--chmod=+x", "a/file"]);
    trees.git.git(&["commit", "-q", "-m", "fourth"]);
    assert_ne!(trees.committed().root_digest().unwrap(), first);
}
