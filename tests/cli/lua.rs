//! Real input: Lua 5.4, as its authors released it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::signing::{keygen, openssl_agrees, trust};
use crate::support::{Outcome, Repo, TestEnvironment, outcome};

/// Makes Lua in a folder of the environment, pinned and committed.
pub fn lua<'a>(environment: &'a TestEnvironment, name: &str) -> Repo<'a> {
    environment.fixture("lua", name)
}

/// The digests that a build printed, in order.
fn digests(outcome: &Outcome) -> Vec<String> {
    let of_line = |line: &str| Some(line.split_once("ca://")?.1.to_owned());
    outcome.stdout.lines().filter_map(of_line).collect()
}

#[test]
fn builds_runs_and_tests_lua() {
    let environment = TestEnvironment::new();
    let repo = lua(&environment, "lua");

    let built = repo.straylight(&["build", "//..."]).success();
    // Every source is compiled once for the library and twice for the host,
    // which is a program and a test; then come an archive, two links, a header.
    let sources = fs::read_dir(repo.path.join("lua")).unwrap();
    let sources = sources
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|it| it == "c")
        })
        .count();
    let actions = sources + 1 + 2 + 2 + 1;
    assert!(
        built.stderr.contains(&format!("{actions} actions run")),
        "{}",
        built.stderr
    );
    assert_eq!(digests(&built).len(), 4, "{}", built.stdout);

    let again = repo.straylight(&["build", "//..."]).success();
    assert!(
        again
            .stderr
            .contains(&format!("nothing to do: {actions} actions up to date")),
        "{}",
        again.stderr
    );
    assert_eq!(digests(&again), digests(&built));

    let ran = repo
        .straylight(&["run", "//host:host", "--", "host/check.lua"])
        .success();
    assert_eq!(ran.stdout, "lua 5.4: all answers are right\n");
    let failed = repo
        .straylight(&["run", "//host:host", "--", "host/missing.lua"])
        .code(1);
    assert!(failed.stderr.contains("missing.lua"), "{}", failed.stderr);

    let tested = repo.straylight(&["test", "//..."]).success();
    assert_eq!(tested.stdout, "passed //host:check\n");
    let known = repo.straylight(&["test", "//..."]).success();
    assert_eq!(known.stdout, "passed //host:check (known)\n");

    // A wrong answer in the data that the script reads.
    repo.write("host/words.txt", "once\n");
    let failed = repo.straylight(&["test", "//host:check"]).code(1);
    assert_eq!(failed.stdout, "failed //host:check\n");
    assert!(
        failed.stderr.contains("words: got once=1"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_second_clone_reuses_the_results_and_another_cache_makes_the_same() {
    let environment = TestEnvironment::new();
    let repo = lua(&environment, "here/lua");
    let first = repo.straylight(&["build", "//..."]).success();

    let clone = environment.root().join("elsewhere/deeper/clone");
    repo.git(["clone", "-q", ".", clone.to_str().unwrap()]);
    let clone = environment.open(clone);
    let reused = clone.straylight(&["build", "//..."]).success();
    assert!(reused.stderr.contains("nothing to do"), "{}", reused.stderr);
    assert_eq!(reused.stdout, first.stdout);

    let other = TestEnvironment::new();
    let repo = lua(&other, "another/place");
    let made = repo.straylight(&["build", "//...", "-j", "1"]).success();
    assert!(made.stderr.contains("actions run"), "{}", made.stderr);
    assert_eq!(made.stdout, first.stdout);
}

#[test]
fn an_ordinary_user_and_another_user_make_the_same_bytes() {
    let environment = TestEnvironment::new();
    let repo = lua(&environment, "lua");
    let mine = repo.straylight(&["build", "//..."]).success();

    let other = TestEnvironment::new();
    let repo = lua(&other, "lua");
    let theirs = if rustix::process::geteuid().is_root() {
        // `nobody` owns the repository, and a cache that it makes itself.
        let cache = other.root().join("nobody");
        fs::create_dir(&cache).unwrap();
        let owned = Command::new("chown")
            .args(["-R", "65534:65534"])
            .args([&repo.path, &cache, &other.home(), &other.root().join("tmp")])
            .status();
        assert!(owned.unwrap().success());
        let program = installed(&other);
        let as_nobody = |arguments: &[&str]| {
            outcome(
                other
                    .command("setpriv")
                    .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                    .arg(&program)
                    .args(arguments)
                    .env("XDG_CACHE_HOME", &cache)
                    .current_dir(&repo.path),
            )
        };
        as_nobody(&["toolchain", "capture", "gcc", "posix"]).success();
        as_nobody(&["build", "//..."]).success()
    } else {
        repo.straylight(&["build", "//..."]).success()
    };
    assert!(theirs.stderr.contains("actions run"), "{}", theirs.stderr);
    assert_eq!(theirs.stdout, mine.stdout);
}

/// Copies the program to where every user can run it.
pub fn installed(environment: &TestEnvironment) -> std::path::PathBuf {
    let path = environment.root().join("git-straylight");
    fs::copy(Path::new(env!("CARGO_BIN_EXE_git-straylight")), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn lua_is_attested_and_other_machines_believe_it() {
    let environment = TestEnvironment::new();
    let repo = lua(&environment, "lua");
    let key = keygen(&environment, "signer");
    let signers = trust(&repo, &[&key]);
    let key_file = key.to_str().unwrap();
    repo.straylight(&["attest", "--key", key_file, "//..."])
        .success();
    let verified = repo.straylight(&["verify", "HEAD"]).success();
    let labels: Vec<_> = lines_of(&verified, "label ").collect();
    let passed = |label| format!("label      passed: {label}");
    assert_eq!(
        labels,
        ["//host:check", "//host:host", "//host:prelude", "//lua:lua"].map(passed)
    );
    for line in lines_of(&verified, "verified") {
        assert!(line.contains("the trace keeps to its spec"), "{line}");
    }
    let note = repo.git(["notes", "--ref=straylight", "show"]);
    assert_eq!(note.lines().count(), labels.len());
    let line = note.lines().next().unwrap();
    assert!(openssl_agrees(&repo, &key, line, |_| ()));
    let flip = |pae: &mut Vec<u8>| *pae.last_mut().unwrap() ^= 1;
    assert!(!openssl_agrees(&repo, &key, line, flip));

    // Another machine: what git brought, and nothing of the build.
    let other = TestEnvironment::new();
    let path = other.root().join("clone");
    repo.git(["clone", "-q", ".", path.to_str().unwrap()]);
    let clone = other.open(path);
    let view = "refs/notes/straylight:refs/notes/straylight";
    let log = "refs/straylight/*:refs/straylight/*";
    clone.git(["fetch", "-q", "origin", log, view]);
    let verify = ["verify", "--allowed-signers", signers.to_str().unwrap()];
    let there = clone.straylight(&verify).success();
    let outcomes: Vec<_> = lines_of(&there, "verified").collect();
    let expected =
        "verified: signed and logged (SLSA build level 1); not every artifact was hashed again";
    assert_eq!(outcomes, vec![expected; labels.len()]);
    for (check, status) in [
        ("source     ", "passed: "),
        ("tree       ", "passed: "),
        ("log        ", "passed: "),
        ("artifact   ", "not checked: "),
        ("spec       ", "not checked: "),
        ("trace      ", "not checked: "),
    ] {
        let mut made = lines_of(&there, check);
        assert!(made.all(|line| line[11..].starts_with(status)), "{there:?}");
    }

    // It builds the same bytes itself: then they are hashed, and still nobody
    // there has seen what ran.
    assert_eq!(
        clone.git(["rev-parse", "HEAD"]),
        repo.git(["rev-parse", "HEAD"])
    );
    other.toolchains();
    clone.straylight(&["build", "//..."]).success();
    let rebuilt = clone.straylight(&verify).success();
    let expected =
        "verified: signed, logged and rehashed (SLSA build level 1); the trace was not compared";
    let outcomes: Vec<_> = lines_of(&rebuilt, "verified").collect();
    assert_eq!(outcomes, vec![expected; labels.len()]);
}

/// The lines of the result that start so.
fn lines_of<'a>(outcome: &'a Outcome, start: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = outcome.stdout.lines();
    lines.filter(move |line| line.starts_with(start))
}
