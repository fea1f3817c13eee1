use std::path::PathBuf;
use straylight_odb::fixture::{GitFixture, hermetic};
use straylight_odb::import::import;
use straylight_odb::{Repository, manifest};

use super::*;

struct Place {
    source: GitFixture,
    folder: tempfile::TempDir,
    bucket: Bucket,
    cache: PackCache,
}

impl Place {
    fn new() -> Self {
        let source = GitFixture::with_history(5);
        let folder = tempfile::tempdir().unwrap();
        let bucket = Bucket::open("memory:").unwrap();
        let repository = Repository::discover(source.path()).unwrap();
        import(&repository, &bucket, "x").unwrap();
        let cache = PackCache::open(folder.path().join("cache")).unwrap();
        Self {
            source,
            folder,
            bucket,
            cache,
        }
    }

    fn session(&self) -> SessionDir {
        let stored = manifest::read(&self.bucket, "x").unwrap().unwrap();
        SessionDir::create(&stored.manifest, &self.bucket, "x", &self.cache).unwrap()
    }

    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("cache/sessions")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new("git");
    let output = hermetic(&mut command)
        .args(arguments)
        .env("GIT_DIR", folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn git_sees_the_repository_and_nothing_else() {
    let place = Place::new();
    // Another repository's pack lies in the same cache.
    let other = GitFixture::new();
    other.write("secret", "another repository's secret");
    other.commit("secret");
    let other_repository = Repository::discover(other.path()).unwrap();
    import(&other_repository, &place.bucket, "other").unwrap();
    let stored = manifest::read(&place.bucket, "other").unwrap().unwrap();
    SessionDir::create(&stored.manifest, &place.bucket, "other", &place.cache).unwrap();

    let session = place.session();
    git(session.path(), &["fsck", "--full", "--strict"]);
    let refs = ["for-each-ref", "--format=%(objectname) %(refname)"];
    assert_eq!(
        git(session.path(), &refs).trim_end(),
        place.source.git(&refs)
    );
    let head = ["symbolic-ref", "HEAD"];
    assert_eq!(git(session.path(), &head).trim_end(), "refs/heads/main");
    let all = ["cat-file", "--batch-check", "--batch-all-objects"];
    let secret = other.git(&["rev-parse", "HEAD:secret"]);
    assert!(!git(session.path(), &all).contains(&secret));
}

#[test]
fn a_session_leaves_nothing_and_heals_what_others_left() {
    let place = Place::new();
    let one = place.session();
    let other = place.session();
    assert_eq!(place.left().len(), 4);
    drop(one);
    assert_eq!(place.left().len(), 2);

    // A killed session: its lock ended with it, its folder did not.
    let dead = place.folder.path().join("cache/sessions/.tmpdead");
    fs::create_dir_all(dead.join("objects/pack")).unwrap();
    fs::write(dead.with_extension("lock"), "").unwrap();
    // One that died before it had a folder.
    let early = place.folder.path().join("cache/sessions/.tmpearly.lock");
    fs::write(&early, "").unwrap();
    let third = place.session();
    assert!(!dead.exists() && !dead.with_extension("lock").exists() && !early.exists());
    assert!(
        other.path().exists() && third.path().exists(),
        "the living stay"
    );
    drop((other, third));
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}

#[test]
fn sessions_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let session = place.session();
                    assert_eq!(git(session.path(), &["rev-list", "--count", "main"]), "7\n");
                }
            });
        }
    });
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_session_that_cannot_be_made_leaves_nothing() {
    let place = Place::new();
    let mut manifest = manifest::read(&place.bucket, "x")
        .unwrap()
        .unwrap()
        .manifest;
    manifest.packs[0].idx = Digest::of(b"not there");
    let error = SessionDir::create(&manifest, &place.bucket, "x", &place.cache).unwrap_err();
    assert!(matches!(error, PackError::Missing { .. }), "{error}");
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}
