//! Trees that go to a bucket and come from it, over a real folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use straylight_exec::merkle::{self, hash_tree};
use straylight_exec::remote::{RemoteError, Transfer};
use straylight_exec::{Cancellation, Remote, TreeError};
use straylight_odb::{Digest, LocalStore, layout};

/// Two machines and a folder that both can reach.
struct Machines {
    folder: tempfile::TempDir,
    here: LocalStore,
    there: LocalStore,
    remote: Remote,
    root: Digest,
}

impl Machines {
    /// One machine has a tree: six blobs, of which one is a file that lies in it
    /// twice, and one an empty folder.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("bin")).unwrap();
        fs::create_dir_all(tree.join("lib/empty")).unwrap();
        fs::write(tree.join("bin/cc"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(tree.join("bin/cc"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(tree.join("lib/a"), "same").unwrap();
        fs::write(tree.join("lib/b"), "same").unwrap();
        symlink("a", tree.join("lib/c")).unwrap();
        let store = |name: &str| LocalStore::open(folder.path().join(name)).unwrap();
        let (here, there) = (store("here"), store("there"));
        let bucket = folder.path().join("bucket");
        fs::create_dir(&bucket).unwrap();
        let root = hash_tree(&here, &tree).unwrap();
        let remote = Remote::new(format!("file://{}", bucket.display()));
        Self {
            folder,
            here,
            there,
            remote,
            root,
        }
    }

    fn in_bucket(&self, digest: &Digest) -> PathBuf {
        let key = layout::blob(digest.sha256());
        self.folder.path().join("bucket").join(key)
    }

    fn upload(&self) -> Result<Transfer, RemoteError> {
        self.remote.upload_tree(&self.here, &self.root)
    }

    fn fetch(&self) -> Result<Option<Transfer>, RemoteError> {
        let never = Cancellation::new();
        self.remote.fetch_tree(&self.there, &self.root, &never)
    }
}

/// Returns what lies in a tree, by path.
fn list(store: &LocalStore, root: &Digest) -> Vec<String> {
    let mut list = Vec::new();
    merkle::walk(store, root, &mut |path, node| {
        list.push(format!("{path} {node:?}"));
        Ok::<_, TreeError>(())
    })
    .unwrap();
    list
}

#[test]
fn a_tree_goes_there_once_and_comes_back_whole() {
    let machines = Machines::new();
    assert_eq!(machines.fetch().unwrap(), None);
    let sent = machines.upload().unwrap();
    assert_eq!(sent.blobs, 6);
    assert_eq!(machines.upload().unwrap(), Transfer::default());
    assert!(machines.remote.has(&machines.root).unwrap());

    assert_eq!(machines.fetch().unwrap(), Some(sent));
    assert_eq!(machines.fetch().unwrap(), Some(Transfer::default()));
    let (here, there) = (&machines.here, &machines.there);
    assert_eq!(list(there, &machines.root), list(here, &machines.root));
    let same = Digest::of(b"same");
    let copy = there.intact_path(&same).unwrap().unwrap();
    assert_eq!(fs::read(copy).unwrap(), b"same");
}

#[test]
fn a_transfer_that_was_cut_off_goes_on() {
    let machines = Machines::new();
    let whole = machines.upload().unwrap();
    let same = Digest::of(b"same");
    fs::remove_file(machines.in_bucket(&same)).unwrap();
    let incomplete = machines.fetch().unwrap_err();
    let RemoteError::Incomplete { key, .. } = &incomplete else {
        panic!("{incomplete}")
    };
    assert_eq!(*key, layout::blob(same.sha256()));
    assert!(incomplete.cure().contains("toolchain upload"));

    // The other machine completes it, and what came is not sent again.
    let expected = Transfer { blobs: 1, bytes: 4 };
    assert_eq!(machines.upload().unwrap(), expected);
    let rest = machines.fetch().unwrap().unwrap();
    assert!(rest.blobs >= 1 && rest.blobs < whole.blobs, "{rest:?}");
    assert_eq!(machines.fetch().unwrap(), Some(Transfer::default()));
}

#[test]
fn other_bytes_than_were_named_are_not_kept() {
    let same = Digest::of(b"same");
    // As long, shorter, longer, and much longer.
    let long = vec![b's'; 3 << 20];
    for bytes in [&b"some"[..], b"sam", b"same again", &long] {
        let machines = Machines::new();
        machines.upload().unwrap();
        let place = machines.in_bucket(&same);
        fs::remove_file(&place).unwrap();
        fs::write(&place, bytes).unwrap();
        let corrupt = machines.fetch().unwrap_err();
        let named = corrupt.to_string().contains(&layout::blob(same.sha256()));
        assert!(
            matches!(corrupt, RemoteError::Corrupt { .. }) && named,
            "{corrupt}"
        );
        assert_eq!(machines.there.intact_path(&same).unwrap(), None);
    }
}

#[test]
fn what_is_damaged_here_is_not_sent() {
    let machines = Machines::new();
    let same = Digest::of(b"same");
    let path = machines.here.intact_path(&same).unwrap().unwrap();
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    // Bytes that went bad by themselves: nothing else tells of it.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, "some").unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let damaged = machines.upload().unwrap_err();
    let is_missing = |error: &RemoteError| matches!(error, RemoteError::Tree(TreeError::MissingBlob(digest)) if *digest == same);
    assert!(is_missing(&damaged), "{damaged}");
    assert!(!machines.remote.has(&machines.root).unwrap());
    assert_eq!(machines.fetch().unwrap(), None);
}

#[test]
fn machines_that_fetch_at_once_fetch_once() {
    let machines = Machines::new();
    let sent = machines.upload().unwrap();
    let came: Vec<Transfer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| machines.fetch())).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
        let fetched = threads.into_iter().map(join);
        fetched.map(|fetched| fetched.unwrap().unwrap()).collect()
    });
    assert_eq!(
        came.iter().map(|came| came.blobs).sum::<usize>(),
        sent.blobs
    );
}

#[test]
fn a_fetch_can_be_stopped_and_goes_on() {
    let machines = Machines::new();
    let sent = machines.upload().unwrap();
    let stopped = Cancellation::new();
    stopped.cancel();
    let (there, root) = (&machines.there, &machines.root);
    let fetched = machines.remote.fetch_tree(there, root, &stopped);
    assert!(matches!(fetched, Err(RemoteError::Cancelled)));
    assert_eq!(machines.fetch().unwrap(), Some(sent));
}

#[test]
fn a_bucket_that_is_not_there_is_told_of() {
    let machines = Machines::new();
    let nowhere = Remote::new("file:///nonexistent/bucket");
    let error = nowhere
        .fetch_tree(&machines.there, &machines.root, &Cancellation::new())
        .unwrap_err();
    assert!(error.to_string().contains("file:///nonexistent/bucket"));
    assert!(error.cure().contains("straylight.bucket"));
}
