//! What stock git wrote comes back from a bucket, object by object.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::fixture::GitFixture;
use crate::import::{ImportError, ImportReport, import};
use crate::layout;
use crate::manifest::HeadTarget;
use crate::refdb::RefStore;
use crate::repo::{EntryKind, Expected, RefUpdate, Repository, TreeEntry};

struct Place {
    folder: tempfile::TempDir,
    bucket: Bucket,
    cache: Arc<PackCache>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = Bucket::create(folder.path().join("bucket").to_str().unwrap()).unwrap();
        let cache = Arc::new(PackCache::open(folder.path().join("cache")).unwrap());
        Self {
            folder,
            bucket,
            cache,
        }
    }

    fn import(&self, fixture: &GitFixture) -> ImportReport {
        let repository = Repository::discover(fixture.path()).unwrap();
        import(&repository, &self.bucket, "x").unwrap()
    }

    fn open(&self) -> Result<BucketRepository, OdbError> {
        BucketRepository::open(&self.bucket, "x", &self.cache)
    }

    fn file(&self, key: &str) -> PathBuf {
        self.folder.path().join("bucket").join(key)
    }
}

/// Every reachable object of the fixture, as `git cat-file` shows it.
fn objects(fixture: &GitFixture) -> Vec<(ObjectId, String, Vec<u8>)> {
    let listing = fixture.git(&["rev-list", "--objects", "--no-object-names", "--all"]);
    let object = |id: &str| {
        let kind = fixture.git(&["cat-file", "-t", id]);
        let bytes = fixture.try_git(&["cat-file", &kind, id]).stdout;
        (id.parse().unwrap(), kind, bytes)
    };
    listing.lines().map(object).collect()
}

fn assert_same(fixture: &GitFixture, found: &BucketRepository) {
    let expected = objects(fixture);
    // The second time, and backwards, deltas and bases come from memory.
    for (id, kind, bytes) in expected.iter().chain(expected.iter().rev()) {
        let (found_kind, found_bytes) = found.read(*id).unwrap().unwrap();
        assert_eq!(
            (found_kind.as_str(), &found_bytes),
            (kind.as_str(), bytes),
            "{id}"
        );
        let header = found.header(*id).unwrap().unwrap();
        assert_eq!(header, (found_kind, bytes.len() as u64));
        assert!(found.contains(*id));
    }
    let mut ids: Vec<_> = expected.into_iter().map(|(id, ..)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(found.ids(), ids);
}

#[test]
fn an_import_brings_every_object_and_every_ref() {
    let (fixture, place) = (GitFixture::with_history(40), Place::new());
    fixture.git(&["gc", "--quiet"]);
    let report = place.import(&fixture);
    assert_eq!((report.moved, report.generation, report.refs), (true, 1, 4));
    let found = place.open().unwrap();
    assert_same(&fixture, &found);

    // The store in the bucket and the one on disk answer alike.
    let source = Repository::discover(fixture.path()).unwrap();
    let (a, b): (&dyn RefStore<Error = _>, &dyn RefStore<Error = _>) = (&source, &found);
    assert_eq!(a.head().unwrap(), b.head().unwrap());
    for prefix in ["refs/", "refs/heads/", "refs/tags/v", "refs/nothing/"] {
        assert_eq!(a.refs(prefix).unwrap(), b.refs(prefix).unwrap(), "{prefix}");
    }
    for name in [
        "HEAD",
        "refs/heads/side",
        "refs/tags/v1",
        "refs/heads/none",
        "main",
    ] {
        assert_eq!(
            a.read_ref(name).unwrap(),
            b.read_ref(name).unwrap(),
            "{name}"
        );
    }

    let none = ObjectId::from_raw([7; 20]);
    assert_eq!(found.read(none).unwrap(), None);
    assert_eq!(found.header(none).unwrap(), None);
    let head = found.head().unwrap().id.unwrap();
    assert_eq!(
        found.read_commit(head).unwrap(),
        source.read_commit(head).unwrap()
    );
    for digits in [4, 7, 39, 40] {
        let expected: Vec<_> = found
            .ids()
            .into_iter()
            .filter(|id| id.to_string()[..digits] == head.to_string()[..digits])
            .collect();
        assert_eq!(found.starting_with(head, digits), expected);
    }
}

#[test]
fn gitoxide_walks_a_bucket() {
    let (fixture, place) = (GitFixture::with_history(12), Place::new());
    place.import(&fixture);
    let found = place.open().unwrap();
    let head = found.head().unwrap().id.unwrap().to_gix();
    let walk = gix::traverse::commit::Simple::new([head], &found);
    let walked = walk.map(|commit| commit.unwrap().id.to_string());
    let mut walked: Vec<_> = walked.collect();
    walked.sort();
    let listing = fixture.git(&["rev-list", "main"]);
    let mut expected: Vec<_> = listing.lines().collect();
    expected.sort_unstable();
    assert_eq!(walked, expected);
}

#[test]
fn a_second_import_brings_only_what_is_new() {
    let (fixture, place) = (GitFixture::with_history(12), Place::new());
    let first = place.import(&fixture);
    let before = place.bucket.list("git").unwrap();
    let again = place.import(&fixture);
    assert_eq!(
        (again.moved, again.generation, again.changed_refs),
        (false, 1, 0)
    );
    assert_eq!(again.packs, []);
    assert_eq!(place.bucket.list("git").unwrap(), before);

    fixture.write("new.txt", "new\n");
    fixture.commit("later");
    let later = place.import(&fixture);
    assert_eq!(
        (later.moved, later.generation, later.changed_refs),
        (true, 2, 1)
    );
    assert_eq!(later.packs.len(), 1);
    assert!(later.packs[0].size() < first.packs[0].size() / 4);
    assert_same(&fixture, &place.open().unwrap());

    // Refs alone need no pack: one goes, one comes, HEAD is detached.
    fixture.git(&["branch", "--quiet", "-D", "side"]);
    fixture.git(&["branch", "old", "main~3"]);
    fixture.git(&["checkout", "--quiet", "--detach"]);
    let refs = place.import(&fixture);
    assert_eq!((refs.moved, refs.changed_refs), (true, 2));
    assert_eq!(refs.packs, []);
    let found = place.open().unwrap();
    let head = fixture.git(&["rev-parse", "HEAD"]).parse().unwrap();
    assert_eq!(found.manifest().head, HeadTarget::Detached(head));
    assert_eq!(found.manifest().packs.len(), 2);
}

#[test]
fn an_empty_repository_has_a_head_and_nothing_else() {
    let (fixture, place) = (GitFixture::new(), Place::new());
    let report = place.import(&fixture);
    assert_eq!((report.moved, report.refs), (true, 0));
    assert_eq!(report.packs, []);
    let found = place.open().unwrap();
    assert_eq!(
        found.head().unwrap().name.as_deref(),
        Some("refs/heads/main")
    );
    assert_eq!(found.ids(), []);
    assert!(!place.import(&fixture).moved);
}

#[test]
fn imports_at_once_each_take_effect_as_a_whole() {
    let place = Place::new();
    let sources: Vec<_> = (3..7).map(GitFixture::with_history).collect();
    let mut generations: Vec<u64> = std::thread::scope(|scope| {
        let imports: Vec<_> = sources
            .iter()
            .map(|source| scope.spawn(|| place.import(source)))
            .collect();
        let reports = imports.into_iter().map(|import| import.join().unwrap());
        reports.map(|report| report.generation).collect()
    });
    generations.sort_unstable();
    assert_eq!(generations, [1, 2, 3, 4], "each generation has one winner");
    // Whoever was last: the refs are one source's, and nothing is missing.
    let found = place.open().unwrap();
    let same = |source: &&GitFixture| {
        let source = Repository::discover(source.path()).unwrap();
        source.refs("refs/").unwrap() == RefStore::refs(&found, "refs/").unwrap()
    };
    let last = sources.iter().find(same).unwrap();
    for (id, _, bytes) in objects(last) {
        assert_eq!(found.read(id).unwrap().unwrap().1, bytes);
    }
}

#[test]
fn a_shallow_clone_is_refused_and_so_is_a_damaged_one() {
    let (fixture, place) = (GitFixture::with_history(5), Place::new());
    let clone = place.folder.path().join("shallow");
    let url = format!("file://{}", fixture.path().display());
    fixture.git(&[
        "clone",
        "--quiet",
        "--depth=1",
        &url,
        clone.to_str().unwrap(),
    ]);
    let shallow = Repository::discover(&clone).unwrap();
    let error = import(&shallow, &place.bucket, "x").unwrap_err();
    assert!(
        matches!(
            error,
            ImportError::Repository(RepoError::Unsupported { .. })
        ),
        "{error}"
    );

    let blob = fixture.git(&["rev-parse", "HEAD:side.txt"]);
    let path = fixture
        .path()
        .join(".git/objects")
        .join(&blob[..2])
        .join(&blob[2..]);
    fs::remove_file(path).unwrap();
    let damaged = Repository::discover(fixture.path()).unwrap();
    let error = import(&damaged, &place.bucket, "x").unwrap_err();
    assert!(
        matches!(error, ImportError::Repository(RepoError::Git { .. })),
        "{error}"
    );
    assert!(matches!(place.open(), Err(OdbError::NoRepository { .. })));
}

/// Damages each file of a repository in a bucket in several ways.
#[test]
fn tampered_and_missing_packs_are_refused() {
    let (fixture, place) = (GitFixture::with_history(6), Place::new());
    place.import(&fixture);
    let head = place.open().unwrap().head().unwrap().id.unwrap();
    let entry = place.open().unwrap().manifest().packs[0];
    let keys = [
        layout::pack("x", entry.pack.sha256()),
        layout::pack_index("x", entry.idx.sha256()),
    ];
    // The file in the cache was good when it came; this node has a new one.
    let fresh = |round: &str| PackCache::open(place.folder.path().join(round)).unwrap();
    let read = |cache: PackCache| -> Result<_, OdbError> {
        BucketRepository::open(&place.bucket, "x", &Arc::new(cache))?.read(head)
    };
    assert!(read(fresh("good")).unwrap().is_some());
    for (at, key) in keys.iter().enumerate() {
        let good = fs::read(place.file(key)).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 1;
        let longer = [&good[..], b"x"].concat();
        let changes = [flipped, good[..good.len() - 1].to_vec(), longer, Vec::new()];
        for (n, bytes) in changes.iter().enumerate() {
            fs::write(place.file(key), bytes).unwrap();
            let name = format!("tampered-{at}-{n}");
            let error = read(fresh(&name)).unwrap_err();
            let expected = matches!(&error, OdbError::Pack(PackError::Tampered { key: named, .. }) if named == key);
            assert!(expected, "{error}");
            let kept = fs::read_dir(place.folder.path().join(name).join("tmp"));
            assert_eq!(kept.unwrap().count(), 0);
        }
        fs::remove_file(place.file(key)).unwrap();
        let error = read(fresh(&format!("missing-{at}"))).unwrap_err();
        assert!(
            matches!(&error, OdbError::Pack(PackError::Missing { key: named, .. }) if named == key)
        );
        fs::write(place.file(key), good).unwrap();
    }
    assert!(read(fresh("restored")).unwrap().is_some());
}

#[test]
fn a_damaged_cache_heals_itself() {
    let (fixture, place) = (GitFixture::with_history(6), Place::new());
    place.import(&fixture);
    let found = place.open().unwrap();
    let head = found.head().unwrap().id.unwrap();
    let good = found.read(head).unwrap();
    for digest in [
        found.manifest().packs[0].pack,
        found.manifest().packs[0].idx,
    ] {
        let path = place.cache.root().join(layout::blob(digest.sha256()));
        // What a crash may leave under a valid name: a short file.
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"short").unwrap();
        assert_eq!(place.open().unwrap().read(head).unwrap(), good);
        assert_eq!(Digest::of(&fs::read(&path).unwrap()), digest);
    }
    drop(fs::write(
        place.cache.root().join("tmp/left-by-a-crash"),
        b"half",
    ));
    assert_eq!(place.open().unwrap().read(head).unwrap(), good);
}

#[test]
fn an_upload_that_was_cut_off_is_repeated() {
    let (fixture, place) = (GitFixture::with_history(6), Place::new());
    place.import(&fixture);
    let entry = place.open().unwrap().manifest().packs[0];
    // The same history, after a crash between the upload and the manifest.
    let pack = place.file(&layout::pack("x", entry.pack.sha256()));
    fs::write(&pack, b"PACK").unwrap();
    fs::write(pack.with_extension("pack#1"), b"PA").unwrap();
    fs::remove_file(place.file(&layout::manifest("x"))).unwrap();
    assert!(matches!(place.open(), Err(OdbError::NoRepository { .. })));
    place.import(&fixture);
    assert_same(&fixture, &place.open().unwrap());
}

#[test]
fn a_reader_keeps_its_view() {
    let (fixture, place) = (GitFixture::with_history(4), Place::new());
    place.import(&fixture);
    let before = place.open().unwrap();
    let head = before.head().unwrap();
    let source = Repository::discover(fixture.path()).unwrap();
    let update = RefUpdate {
        name: "refs/heads/main".to_owned(),
        new: Some(source.resolve("main~1").unwrap()),
        expected: Expected::Is(head.id.unwrap()),
    };
    source.update_refs(&[update], "back").unwrap();
    place.import(&fixture);
    assert_eq!(before.head().unwrap(), head);
    assert_ne!(place.open().unwrap().head().unwrap(), head);
    let refs: BTreeMap<_, _> = RefStore::refs(&before, "").unwrap().into_iter().collect();
    assert_eq!(refs, before.manifest().refs);
}

/// Kills imports at many moments; this test runs itself as the import.
#[test]
fn a_killed_import_leaves_the_old_or_the_new() {
    const SOURCE: &str = "STRAYLIGHT_TEST_IMPORT_SOURCE";
    const BUCKET: &str = "STRAYLIGHT_TEST_IMPORT_BUCKET";
    if let Some(source) = std::env::var_os(SOURCE) {
        let bucket = Bucket::open(&std::env::var(BUCKET).unwrap()).unwrap();
        let repository = Repository::discover(source.as_ref()).unwrap();
        import(&repository, &bucket, "x").unwrap();
        return;
    }
    let (fixture, place) = (GitFixture::with_history(6), Place::new());
    place.import(&fixture);
    for round in 0..10 {
        fixture.write("round.txt", format!("{round}\n"));
        let new = fixture.commit("a round").parse().unwrap();
        let old = place.open().unwrap().head().unwrap().id.unwrap();
        let before = count_files(place.folder.path());
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "odb::tests::a_killed_import_leaves_the_old_or_the_new",
            ])
            .env(SOURCE, fixture.path())
            .env(BUCKET, place.bucket.url())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Each round lets it come a few files further.
        let ended = |child: &mut std::process::Child| child.try_wait().unwrap().is_some();
        while count_files(place.folder.path()) < before + round / 2 && !ended(&mut child) {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();

        let found = place.open().unwrap();
        let head = found.head().unwrap().id.unwrap();
        assert!(head == old || head == new, "round {round}");
        let tree = found.read_commit(head).unwrap().tree;
        assert!(found.read(tree).unwrap().is_some());
        place.import(&fixture);
        assert_eq!(place.open().unwrap().head().unwrap().id, Some(new));
    }
    assert_same(&fixture, &place.open().unwrap());
    let listed = place.bucket.list("git").unwrap();
    let known = |key: &String| {
        ["/manifest", ".pack", ".idx"]
            .iter()
            .any(|end| key.ends_with(end))
            || key.contains("/past/")
    };
    assert!(listed.iter().all(known), "{listed:?}");
}

/// Counts the files below a folder, temporary ones too.
fn count_files(folder: &std::path::Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}

#[test]
fn an_index_of_another_pack_is_refused() {
    let (fixture, place) = (GitFixture::with_history(4), Place::new());
    place.import(&fixture);
    fixture.write("new.txt", "new\n");
    fixture.commit("later");
    place.import(&fixture);
    let stored = manifest::read(&place.bucket, "x").unwrap().unwrap();
    let mut packs = stored.manifest.packs.clone();
    assert_eq!(packs.len(), 2);
    let first = packs[0].idx;
    packs[0].idx = packs[1].idx;
    packs[1].idx = first;
    // Every digest is right, and every file is there.
    let draft = manifest::Draft {
        head: stored.manifest.head.clone(),
        refs: stored.manifest.refs.clone(),
        packs,
    };
    manifest::publish(&place.bucket, "x", Some(&stored), draft).unwrap();
    let found = place.open().unwrap();
    let head = found.head().unwrap().id.unwrap();
    for error in [
        found.read(head).unwrap_err(),
        found.header(head).unwrap_err(),
    ] {
        let expected = matches!(&error, OdbError::Pack(PackError::Malformed { reason, .. }) if reason.contains("another pack"));
        assert!(expected, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any content, brought by any number of imports, comes back byte by byte.
    #[test]
    fn any_content_survives(
        stages in prop::collection::vec(
            prop::collection::btree_map("[a-e]{1,2}", content(), 1..6),
            1..4,
        ),
    ) {
        let (fixture, place) = (GitFixture::init(&["--bare"]), Place::new());
        let repository = Repository::open_git_dir(fixture.path()).unwrap();
        let mut objects = Vec::new();
        let mut parent = None;
        for files in stages {
            let entries = files.iter().map(|(name, bytes)| TreeEntry {
                name: name.clone(),
                kind: EntryKind::File,
                id: repository.write_blob(bytes).unwrap(),
            });
            let entries: Vec<_> = entries.collect();
            objects.extend(entries.iter().map(|entry| entry.id).zip(files.into_values()));
            let tree = repository.write_tree(&entries).unwrap();
            let parents = parent.map_or(String::new(), |id| format!("parent {id}\n"));
            let who = "A <a@b> 1700000000 +0000";
            let raw = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\nstage\n");
            let commit = repository.write_object(ObjectKind::Commit, raw.as_bytes()).unwrap();
            objects.push((commit, raw.into_bytes()));
            let update = RefUpdate {
                name: "refs/heads/main".to_owned(),
                new: Some(commit),
                expected: parent.map_or(Expected::Absent, Expected::Is),
            };
            repository.update_refs(&[update], "stage").unwrap();
            parent = Some(commit);
            import(&repository, &place.bucket, "x").unwrap();
        }
        let found = place.open().unwrap();
        for (id, bytes) in objects {
            prop_assert_eq!(found.read(id).unwrap().unwrap().1, bytes);
        }
        fixture.git(&["fsck", "--strict"]);
    }
}

/// Bytes that compress, that do not, that resemble each other, and none.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..2_000),
        (any::<u8>(), 0_usize..70_000).prop_map(|(byte, length)| vec![byte; length]),
        (0_usize..500, any::<u8>()).prop_map(|(at, byte)| {
            let mut text: Vec<u8> = (0..5_000_u32).flat_map(u32::to_be_bytes).collect();
            text[at * 20] = byte;
            text
        }),
    ]
}
