//! Closures of small machines that are made for the test.

use std::os::unix::fs::symlink;

use proptest::prelude::*;
use straylight_odb::{ContentStore as _, Digest, LocalStore};

use super::*;
use crate::merkle::{Node, TreeError, walk};

/// A folder that stands for a machine's `/`.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        let folder = path.parent().unwrap();
        if !folder.exists() {
            fs::create_dir_all(folder).unwrap();
            for folder in folder.ancestors().take_while(|f| *f != self.folder.path()) {
                // Whatever the mask of who runs the tests.
                fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        path
    }

    fn file(&self, path: &str, mode: u32) {
        let path = self.path(path);
        fs::write(&path, b"").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).unwrap();
    }

    fn closure(&self) -> Closure {
        Closure::new(self.folder.path())
    }
}

/// The paths of a stored tree; a link with its target, a program with `*`.
fn listing(closure: Closure) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let stored = closure.store(&store).unwrap();
    let mut paths = Vec::new();
    walk::<TreeError>(&store, &stored.digest, &mut |path, node| {
        match node {
            Node::File { executable, .. } => {
                paths.push(format!("{path}{}", if *executable { "*" } else { "" }));
            }
            Node::Symlink { target } => paths.push(format!("{path} -> {target}")),
            Node::Directory { .. } | Node::EmptyDir => {}
        }
        Ok(())
    })
    .unwrap();
    paths
}

#[test]
fn keeps_every_name_of_a_file_and_goes_around_alternatives() {
    let machine = Machine::new();
    machine.file("usr/bin/mawk", 0o755);
    machine.link("usr/bin/awk", "/etc/alternatives/awk");
    machine.link("etc/alternatives/awk", "../../usr/bin/mawk");
    machine.link("bin", "usr/bin");
    machine.link("lib", "usr/lib");
    machine.link("sbin", "usr/sbin");
    machine.link("usr/lib64", "lib");
    machine.link("lib64", "usr/lib64");
    machine.file("usr/lib/libm.so.6", 0o644);
    machine.link("usr/lib/libm.so", "libm.so.6");
    machine.link("usr/lib/loader", "/lib64/libm.so");
    fs::create_dir(machine.path("usr/sbin")).unwrap();
    let mut closure = machine.closure();
    for (path, real) in [
        ("/bin/awk", "/usr/bin/mawk"),
        ("/usr/bin/../lib/loader", "/usr/lib/libm.so.6"),
    ] {
        let found = closure.add(Path::new(path)).unwrap();
        assert_eq!(found, Some(PathBuf::from(real)));
    }
    assert_eq!(
        listing(closure),
        [
            "bin -> usr/bin",
            "lib -> usr/lib",
            "lib64 -> usr/lib64",
            "usr/bin/awk -> /usr/bin/mawk",
            "usr/bin/mawk*",
            "usr/lib/libm.so -> libm.so.6",
            "usr/lib/libm.so.6",
            "usr/lib/loader -> /lib64/libm.so",
            "usr/lib64 -> lib",
        ]
    );
}

#[test]
fn leaves_out_what_does_not_belong() {
    let machine = Machine::new();
    machine.file("usr/lib/kept", 0o600 | 0o044);
    machine.file("usr/share/awk/assert.awk", 0o644);
    for path in ["etc/passwd", "usr/share/doc/x", "var/lib/x", "tmp/x"] {
        machine.file(path, 0o644);
    }
    machine.link("usr/lib/dangling", "nowhere");
    machine.link("usr/lib/circle", "circle");
    machine.link("usr/lib/documents", "../share/doc");
    machine.link("usr/lib/configured", "/etc/passwd");
    let mut closure = machine.closure();
    closure.add_folder(Path::new("/")).unwrap();
    assert_eq!(
        listing(closure),
        ["usr/lib/kept", "usr/share/awk/assert.awk"]
    );
    let absent = machine.closure().require(Path::new("/etc/passwd"));
    assert!(matches!(absent, Err(CaptureError::Missing { .. })));
}

#[test]
fn what_only_root_may_read_is_left_out_for_root_too() {
    let machine = Machine::new();
    machine.file("usr/lib/private", 0o640);
    machine.file("usr/lib/public", 0o644);
    machine.file("usr/lib/secret/public", 0o644);
    let secret = fs::Permissions::from_mode(0o750);
    fs::set_permissions(machine.path("usr/lib/secret"), secret).unwrap();
    let mut closure = machine.closure();
    closure.add_folder(Path::new("/usr")).unwrap();
    let owned_by_root = machine.folder.path().metadata().unwrap().uid() == 0;
    let all = ["usr/lib/private", "usr/lib/public", "usr/lib/secret/public"];
    let expected = if owned_by_root { &all[1..2] } else { &all[..] };
    assert_eq!(listing(closure), expected);
}

#[test]
fn a_repeated_capture_mends_the_store() {
    let machine = Machine::new();
    for (path, text) in [("usr/lib/a", "a"), ("usr/lib/b", "b"), ("usr/lib/c", "c")] {
        machine.file(path, 0o644);
        fs::write(machine.path(path), text).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    let capture = || {
        let mut closure = machine.closure();
        closure.add_folder(Path::new("/usr")).unwrap();
        closure.store(&store).unwrap().digest
    };
    let digest = capture();
    assert_eq!(capture(), digest);
    for text in ["a", "b", "c"] {
        let blob = Digest::of(text.as_bytes());
        fs::remove_file(store.intact_path(&blob).unwrap().unwrap()).unwrap();
        assert_eq!(capture(), digest);
        assert!(store.contains(&blob).unwrap(), "{text}");
    }
    fs::write(machine.path("usr/lib/b"), "changed").unwrap();
    assert_ne!(capture(), digest);
    assert!(store.contains(&Digest::of(b"changed")).unwrap());
}

#[test]
fn a_name_lies_in_the_real_folder_and_replaces_nothing() {
    let machine = Machine::new();
    machine.file("usr/bin/dash", 0o755);
    machine.file("opt/bin/gcc-1", 0o755);
    machine.link("bin", "usr/bin");
    let mut closure = machine.closure();
    for path in ["/usr/bin/dash", "/opt/bin/gcc-1"] {
        closure.require(Path::new(path)).unwrap();
    }
    for (path, real) in [
        ("/bin/sh", "/usr/bin/dash"),
        ("/usr/bin/sh", "/opt/bin/gcc-1"),
        ("/usr/bin/gcc", "/opt/bin/gcc-1"),
        ("/usr/bin/dash", "/opt/bin/gcc-1"),
    ] {
        closure.name(Path::new(path), Path::new(real)).unwrap();
    }
    assert_eq!(
        listing(closure),
        [
            "bin -> usr/bin",
            "opt/bin/gcc-1*",
            "usr/bin/dash*",
            "usr/bin/gcc -> /opt/bin/gcc-1",
            "usr/bin/sh -> dash",
        ]
    );
}

#[test]
fn nothing_lies_behind_a_file() {
    let machine = Machine::new();
    machine.file("usr/a/file", 0o644);
    machine.file("usr/a/other", 0o644);
    machine.link("usr/good", "a/../a/other");
    machine.link("usr/bad", "a/file/../other");
    let mut closure = machine.closure();
    let mut add = |path: &str| closure.add(Path::new(path)).unwrap();
    assert_eq!(add("/usr/good").as_deref(), Some(Path::new("/usr/a/other")));
    assert_eq!(add("/usr/bad"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The real path is what the kernel says it is, for any maze of links.
    #[test]
    fn resolves_as_the_kernel_does(
        links in proptest::collection::vec(("[abc]", "(\\.\\./)?[abc](/[abc])?(/\\.\\.)?"), 0..6),
        asked in "[abc](/[abc]){0,2}",
    ) {
        let machine = Machine::new();
        machine.file("usr/a/b/c", 0o644);
        for (name, target) in links {
            for folder in ["usr", "usr/a"] {
                let path = machine.path(&format!("{folder}/{name}"));
                // A name that is taken stays as it is.
                let _ = symlink(&target, path);
            }
        }
        let root = machine.folder.path().canonicalize().unwrap();
        let kernel = root.join("usr").join(&asked).canonicalize().ok();
        // Below the machine, `..` may lead out of it: not so in its root.
        prop_assume!(kernel.iter().all(|path| path.starts_with(root.join("usr"))));
        let kernel = kernel.filter(|path| path.is_file());
        let mut closure = Closure::new(&root);
        let found = closure.add(&Path::new("/usr").join(&asked)).unwrap();
        prop_assert_eq!(found.map(|real| closure.on_disk(&real)), kernel);
    }
}

#[test]
fn a_grafted_folder_lies_elsewhere_in_the_tree() {
    let machine = Machine::new();
    machine.file("home/me/.tools/bin/tool", 0o755);
    machine.file("home/me/.tools/lib/data", 0o644);
    machine.link("home/me/.tools/lib/link", "data");
    machine.file("home/me/.tools/share/doc", 0o644);
    // Nobody else may enter the home: for root, that is a private folder.
    let home = machine.path("home/me/x");
    fs::set_permissions(home.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut closure = machine.closure();
    closure.graft(&machine.path("home/me/.tools"), Path::new("/opt/tools"));
    let tool = closure.require(Path::new("/opt/tools/bin/../bin/tool"));
    assert_eq!(tool.unwrap(), Path::new("/opt/tools/bin/tool"));
    closure.add_folder(Path::new("/opt/tools/lib")).unwrap();
    let paths = listing(closure);
    let below: Vec<_> = paths
        .iter()
        .filter(|path| path.starts_with("opt/tools/"))
        .collect();
    assert_eq!(
        below,
        [
            "opt/tools/bin/tool*",
            "opt/tools/lib/data",
            "opt/tools/lib/link -> data"
        ]
    );
}
