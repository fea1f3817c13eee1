//! libgit2 reads from a bucket what stock git reads from disk.

use git2::{ErrorCode, ObjectType, Oid};

use super::*;
use crate::fixture::GitFixture;
use crate::import::import;
use crate::layout;
use crate::repo::Repository;

struct Place {
    fixture: GitFixture,
    folder: tempfile::TempDir,
    bucket: Bucket,
    cache: Arc<PackCache>,
}

impl Place {
    fn new(fixture: GitFixture) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = Bucket::create(folder.path().join("bucket").to_str().unwrap()).unwrap();
        let source = Repository::discover(fixture.path()).unwrap();
        import(&source, &bucket, "x").unwrap();
        Self {
            cache: Arc::new(PackCache::open(folder.path().join("cache")).unwrap()),
            fixture,
            folder,
            bucket,
        }
    }

    fn open(&self) -> git2::Repository {
        open(&self.bucket, "x", &self.cache).unwrap()
    }
}

#[test]
fn reads_head_history_and_blobs() {
    let place = Place::new(GitFixture::with_history(20));
    // Only the bucket is left.
    let expected = place
        .fixture
        .git(&["log", "--topo-order", "--format=%H %s"]);
    let text = place.fixture.try_git(&["show", "HEAD:text.txt"]).stdout;
    std::fs::remove_dir_all(place.fixture.path()).unwrap();

    let repository = place.open();
    let head = repository.head().unwrap();
    assert_eq!(head.name().unwrap(), "refs/heads/main");
    let mut walk = repository.revwalk().unwrap();
    walk.push_head().unwrap();
    walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)
        .unwrap();
    let lines = walk.map(|id| {
        let commit = repository.find_commit(id.unwrap()).unwrap();
        format!("{} {}", commit.id(), commit.summary().unwrap().unwrap())
    });
    let mut lines: Vec<_> = lines.collect();
    let mut expected: Vec<_> = expected.lines().map(str::to_owned).collect();
    assert_eq!(lines[0], expected[0]);
    lines.sort();
    expected.sort();
    assert_eq!(lines, expected);

    let tree = head.peel_to_tree().unwrap();
    let entry = tree.get_path("text.txt".as_ref()).unwrap();
    let blob = repository.find_blob(entry.id()).unwrap();
    assert_eq!(blob.content(), text);
    let empty = repository.find_blob(Oid::from_bytes(&[9; 20]).unwrap());
    assert_eq!(empty.unwrap_err().code(), ErrorCode::NotFound);
}

#[test]
fn every_object_is_what_git_says() {
    let place = Place::new(GitFixture::with_history(20));
    let repository = place.open();
    let odb = repository.odb().unwrap();
    let mut ids = Vec::new();
    odb.foreach(|id| {
        ids.push(*id);
        true
    })
    .unwrap();
    let listing = place
        .fixture
        .git(&["rev-list", "--objects", "--no-object-names", "--all"]);
    let mut expected: Vec<Oid> = listing.lines().map(|id| id.parse().unwrap()).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(ids, expected);
    for id in ids {
        let kind = place.fixture.git(&["cat-file", "-t", &id.to_string()]);
        let bytes = place
            .fixture
            .try_git(&["cat-file", &kind, &id.to_string()])
            .stdout;
        let object = odb.read(id).unwrap();
        assert_eq!(object.data(), bytes);
        assert_eq!(object.kind(), ObjectType::from_str(&kind).unwrap());
        assert_eq!(odb.read_header(id).unwrap(), (bytes.len(), object.kind()));
        assert!(odb.exists(id));
    }
    assert!(!odb.exists(Oid::from_bytes(&[9; 20]).unwrap()));
    // A walk over all objects can be stopped.
    let mut seen = 0;
    odb.foreach(|_| {
        seen += 1;
        seen < 3
    })
    .unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn resolves_revisions_as_git_does() {
    let place = Place::new(GitFixture::with_history(20));
    let repository = place.open();
    let head = place.fixture.git(&["rev-parse", "HEAD"]);
    for rev in [
        "HEAD",
        "main~3",
        "side",
        "v1",
        "v1^{commit}",
        "HEAD^2",
        "HEAD:folder",
        &head[..7],
    ] {
        let found = repository.revparse_single(rev).unwrap().id().to_string();
        assert_eq!(found, place.fixture.git(&["rev-parse", rev]), "{rev}");
    }
    let base = repository.merge_base(
        repository.revparse_single("main").unwrap().id(),
        repository.revparse_single("side").unwrap().id(),
    );
    let expected = place.fixture.git(&["merge-base", "main", "side"]);
    assert_eq!(base.unwrap().to_string(), expected);
    assert_eq!(
        repository.revparse_single("0000000").unwrap_err().code(),
        ErrorCode::NotFound
    );
    // Some four digits begin the names of two objects.
    let ids = BucketRepository::open(&place.bucket, "x", &place.cache)
        .unwrap()
        .ids();
    let odb = repository.odb().unwrap();
    for digits in [1, 2, 4, 40] {
        for id in &ids {
            let prefix = Oid::from_bytes(id.as_raw()).unwrap();
            let same = |other: &&ObjectId| other.to_string()[..digits] == id.to_string()[..digits];
            let found = odb.exists_prefix(prefix, digits);
            // libgit2 itself refuses fewer than four digits.
            match ids.iter().filter(same).count() {
                1 if digits >= 4 => assert_eq!(found.unwrap(), prefix),
                _ => assert_eq!(found.unwrap_err().code(), ErrorCode::Ambiguous),
            }
        }
    }
}

#[test]
fn lists_refs_as_git_does() {
    let place = Place::new(GitFixture::with_history(5));
    let repository = place.open();
    for (glob, pattern) in [
        ("*", "refs/**"),
        ("refs/heads/*", "refs/heads/**"),
        ("*/v?", "refs/tags/v?"),
    ] {
        let found = repository.references_glob(glob).unwrap().map(|reference| {
            let reference = reference.unwrap();
            format!(
                "{} {}",
                reference.target().unwrap(),
                reference.name().unwrap()
            )
        });
        let found: Vec<_> = found.collect();
        let listing =
            place
                .fixture
                .git(&["for-each-ref", "--format=%(objectname) %(refname)", pattern]);
        assert_eq!(found, listing.lines().collect::<Vec<_>>(), "{glob}");
    }
    let mut references = repository.references().unwrap();
    let names: Vec<_> = references
        .names()
        .map(|name| name.unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 4);
    let tag = repository.find_reference("refs/tags/v1").unwrap();
    assert_eq!(
        tag.peel_to_commit().unwrap().id().to_string(),
        place.fixture.git(&["rev-parse", "v1^{commit}"])
    );
    let missing = repository.find_reference("refs/heads/none");
    assert_eq!(missing.err().unwrap().code(), ErrorCode::NotFound);
}

#[test]
fn writes_are_refused_and_reach_no_disk() {
    let place = Place::new(GitFixture::with_history(3));
    let repository = place.open();
    let before = place.bucket.list("git").unwrap();
    let head = repository.head().unwrap().target().unwrap();
    let read_only = |error: git2::Error| {
        assert_eq!(error.raw_code(), raw::GIT_EREADONLY, "{error}");
        assert!(error.message().contains("read-only"), "{error}");
    };
    read_only(
        repository
            .reference("refs/heads/new", head, true, "x")
            .err()
            .unwrap(),
    );
    read_only(repository.set_head("refs/heads/side").unwrap_err());
    let mut side = repository.find_reference("refs/heads/side").unwrap();
    read_only(side.delete().unwrap_err());
    assert!(repository.blob(b"new").is_err());
    assert!(
        repository
            .odb()
            .unwrap()
            .write(ObjectType::Blob, b"new")
            .is_err()
    );
    assert!(repository.reflog("HEAD").is_err());
    assert_eq!(place.bucket.list("git").unwrap(), before);
}

#[test]
fn a_detached_or_unborn_head_is_what_it_is() {
    let fixture = GitFixture::with_history(3);
    fixture.git(&["checkout", "--quiet", "--detach", "HEAD~1"]);
    let place = Place::new(fixture);
    let repository = place.open();
    assert!(repository.head_detached().unwrap());
    let head = repository.head().unwrap().target().unwrap().to_string();
    assert_eq!(head, place.fixture.git(&["rev-parse", "HEAD"]));

    let empty = Place::new(GitFixture::new());
    let error = empty.open().head().err().unwrap();
    assert_eq!(error.code(), ErrorCode::UnbornBranch);
}

#[test]
fn a_tampered_pack_is_an_error_with_words() {
    let place = Place::new(GitFixture::with_history(3));
    let repository = place.open();
    let manifest = crate::manifest::read(&place.bucket, "x")
        .unwrap()
        .unwrap()
        .manifest;
    let key = layout::pack("x", manifest.packs[0].pack.sha256());
    let path = place.folder.path().join("bucket").join(key);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let head = repository.head().unwrap().target().unwrap();
    let error = repository.find_commit(head).unwrap_err();
    assert!(
        error.message().contains("not what the manifest says"),
        "{error}"
    );
    let nothing = open(&place.bucket, "y", &place.cache).err().unwrap();
    assert!(matches!(
        nothing,
        OpenError::Odb(OdbError::NoRepository { .. })
    ));
}

#[test]
fn threads_share_the_packs() {
    let place = Place::new(GitFixture::with_history(10));
    let shared = Arc::new(BucketRepository::open(&place.bucket, "x", &place.cache).unwrap());
    let count = place.fixture.git(&["rev-list", "--count", "main"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let repository = wrap(Arc::clone(&shared)).unwrap();
                let mut walk = repository.revwalk().unwrap();
                walk.push_head().unwrap();
                assert_eq!(walk.count().to_string(), count);
            });
        }
    });
    assert_eq!(Arc::strong_count(&shared), 1, "every backend was freed");
}

#[test]
fn panics_become_errors() {
    // Starts libgit2, which keeps the error.
    let _odb = git2::Odb::new().unwrap();
    let code = callback(raw::GIT_ERROR_ODB, || panic!("inside of a callback"));
    assert_eq!(code, raw::GIT_ERROR);
    assert!(git2::Error::last_error(code).message().contains("panicked"));
}
