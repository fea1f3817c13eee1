//! `git straylight cache`.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use straylight_odb::Sha256;

use crate::cli::build::{hello, package};
use crate::support::{Outcome, Repo, TestEnvironment, says, timeless};

/// Collects all that may be collected at this moment.
fn collect(repo: &Repo<'_>, more: &[&str]) -> Outcome {
    let all = ["cache", "gc", "--older-than", "0s", "--grace", "0s"];
    repo.straylight(&[&all, more].concat())
}

fn json(outcome: &Outcome) -> serde_json::Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Replaces a stored file by one with other bytes.
fn damage(path: &PathBuf) {
    // Other tests may share the file itself.
    fs::remove_file(path).unwrap();
    fs::write(path, b"damaged").unwrap();
}

/// Returns a file of the cache's folder that is not the toolchain's.
fn made_by(environment: &TestEnvironment, folder: &str) -> PathBuf {
    let mut paths: Vec<PathBuf> = fs::read_dir(environment.cache().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.remove(0)
}

#[test]
fn counts_what_is_there() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.straylight(&["build", "//hello"]).success();
    let status = json(&repo.straylight(&["cache", "status", "--json"]).success());
    // Two of the actions list what they read, and stand for others that read
    // the same.
    assert_eq!(status["claims"], 4 + 2);
    assert_eq!(status["traces"], 4);
    assert_eq!(status["worktrees"], 1);
    assert_eq!(status["unused"], 0, "all of it is pinned or just made");
    let blobs = fs::read_dir(environment.cache().join("cas")).unwrap();
    assert_eq!(status["blobs"], blobs.count());
    let text = repo.straylight(&["cache", "status"]).success();
    says(&text.stdout, &["        4 traces\n", "blobs, "]);
    says(&text.stderr, &["would free 0 bytes"]);
}

#[test]
fn damage_is_found_removed_and_made_again() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let first = repo.straylight(&["build", "//hello"]).success();
    let sound = repo.straylight(&["cache", "fsck"]).success();
    assert_eq!(sound.stdout, "");
    says(&sound.stderr, &["all are what their names say"]);

    let digest = first.stdout.split("sha256:").nth(1).unwrap().trim();
    let blob = environment.cache().join("cas").join(digest);
    damage(&blob);
    let (trace, claim) = (
        made_by(&environment, "traces"),
        made_by(&environment, "claims/local"),
    );
    damage(&trace);
    damage(&claim);
    let found = repo.straylight(&["cache", "fsck"]).code(1);
    let bad = Sha256::of(b"damaged");
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        found.stdout,
        format!(
            "cas/{digest}: its bytes are `{bad}`; removed\n\
             claims/local/{}: it is not a list of claims; removed\n\
             traces/{}: its bytes are `{bad}`; removed\n",
            name(&claim),
            name(&trace)
        )
    );
    says(&found.stderr, &["3 damaged"]);
    assert!(!blob.exists() && !trace.exists() && !claim.exists());
    repo.straylight(&["cache", "fsck"]).success();

    fs::remove_dir_all(repo.path.join("straylight-out")).unwrap();
    let healed = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(healed.stdout, first.stdout);
    assert!(blob.exists());
}

#[test]
fn what_a_work_tree_uses_stays() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let first = repo.straylight(&["build", "//hello"]).success();
    // An older state of a source, which nothing needs any more.
    let text = String::from_utf8(repo.read("greeting/greeting.c")).unwrap();
    repo.write("greeting/greeting.c", &text.replace("hello", "good day"));
    let second = repo.straylight(&["build", "//hello"]).success();
    assert_ne!(second.stdout, first.stdout);

    let planned = json(&collect(&repo, &["--dry-run", "--json"]).success());
    assert!(planned["bytes"].as_u64().unwrap() > 0, "{planned}");
    let freed = json(&collect(&repo, &["--json"]).success());
    assert_eq!(freed["bytes"], planned["bytes"]);
    assert_eq!(freed["files"], planned["files"]);
    let old = first.stdout.split("sha256:").nth(1).unwrap().trim();
    assert!(!environment.cache().join("cas").join(old).exists());
    let again = json(&collect(&repo, &["--json"]).success());
    assert_eq!(again["bytes"], 0);

    let nothing = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(
        timeless(&nothing.stderr),
        "nothing to do: 4 actions up to date"
    );
    // All that this state needs is there: outputs, sources and toolchains.
    fs::remove_dir_all(repo.path.join("straylight-out")).unwrap();
    fs::remove_dir_all(repo.path.join(".git/straylight")).unwrap();
    let reused = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(reused.stdout, second.stdout);
    assert_eq!(
        timeless(&reused.stderr),
        "nothing to do: 4 actions up to date"
    );
    // The state before is built again, with the toolchain that is kept.
    repo.write("greeting/greeting.c", &text);
    let back = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(back.stdout, first.stdout);
    says(&back.stderr, &["3 actions run"]);
}

#[test]
fn what_branches_pin_stays_until_nobody_pins_it() {
    let environment = TestEnvironment::new();
    let pinned = "pinned bytes\n";
    let sha256 = Sha256::of(pinned.as_bytes());
    let source = format!(
        r#"Dice.Source.Pinned {{ path = "p", sha256 = "{sha256}", size = {}, urls = [] : List Text }}"#,
        pinned.len()
    );
    let repo = package(
        &environment,
        &format!(
            r#"it = Command.command Command.Command::{{ name = "it", root = Some toolchains.posix.artifact, arguments = shell "cat \"$1\" > \"$2\"" [ Dice.Argument.Pieces [ Dice.Piece.Source ({source}) ], Command.out "a" ], outputs = [ "a" ] }}"#
        ),
    );
    let blob = environment.cache().join("cas").join(sha256.to_string());
    fs::write(&blob, pinned).unwrap();
    repo.git(["checkout", "-q", "-b", "side"]);
    repo.git(["checkout", "-q", "main"]);
    repo.straylight(&["targets", "//..."]).success();
    repo.straylight(&["build", "//..."]).success();
    assert_eq!(repo.read("straylight-out/it/it/a"), pinned.as_bytes());
    // Only the other branch has it now.
    repo.write("it/BUILD.dhall", "{=}");
    repo.commit("nothing");
    collect(&repo, &["--budget", "0B"]).success();
    assert!(blob.exists());
    let trees = || {
        let folders = fs::read_dir(environment.cache().join("toolchains")).unwrap();
        let trees = folders.map(|folder| folder.unwrap().path().join("tree"));
        trees.filter(|tree| tree.exists()).count()
    };
    assert_eq!(trees(), 1);
    repo.git(["branch", "-q", "-D", "side"]);
    collect(&repo, &["--budget", "0B"]).success();
    assert!(!blob.exists());
    // The toolchains are still pinned by `toolchains.dhall`.
    let left = fs::read_dir(environment.cache().join("cas")).unwrap();
    assert!(left.count() > 100);
    // A work tree that is gone pins nothing.
    fs::remove_dir_all(&repo.path).unwrap();
    let other = environment.repository("other", &[]);
    let freed = json(&collect(&other, &["--json"]).success());
    assert_eq!(freed["kept"], 0);
    assert_eq!(trees(), 0);
    let records = fs::read_dir(environment.cache().join("worktrees")).unwrap();
    assert_eq!(records.count(), 0);
}

#[test]
fn a_budget_keeps_what_fits_and_young_files_are_left_alone() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let first = repo.straylight(&["build", "//hello"]).success();
    let young = json(
        &repo
            .straylight(&["cache", "gc", "--budget", "0B", "--json"])
            .success(),
    );
    assert_eq!(young["bytes"], 0, "{young}");
    let freed = json(&collect(&repo, &["--budget", "0B", "--json"]).success());
    assert!(freed["bytes"].as_u64().unwrap() > 0, "{freed}");
    let claims = fs::read_dir(environment.cache().join("claims/local")).unwrap();
    assert_eq!(claims.count(), 0);
    // Its outputs are still in place: there is nothing to do.
    let nothing = repo.straylight(&["build", "//hello"]).success();
    says(&nothing.stderr, &["nothing to do"]);
    fs::remove_dir_all(repo.path.join("straylight-out")).unwrap();
    let healed = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(healed.stdout, first.stdout);
    let wrong = collect(&repo, &["--budget", "many"]).code(2);
    says(&wrong.stderr, &["write a number and a unit, as in `10GiB`"]);
}

#[test]
fn a_build_beside_a_collection_is_right() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let expected = repo.straylight(&["build", "//hello"]).success();
    for round in 0..4 {
        let _ = fs::remove_dir_all(repo.path.join("straylight-out"));
        let _ = fs::remove_dir_all(repo.path.join(".git/straylight"));
        let start = |arguments: &[&str]| {
            environment
                .command(env!("CARGO_BIN_EXE_git-straylight"))
                .args(arguments)
                .current_dir(&repo.path)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let gc = ["cache", "gc", "--older-than", "0s", "--budget", "0B"];
        // The last rounds leave nothing alone, not even what was just made.
        let grace = if round < 2 { "10s" } else { "0s" };
        let gc = [&gc[..], &["--grace", grace]].concat();
        let build = start(&["build", "//hello"]);
        let collections = [start(&gc), start(&gc)];
        let build = build.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&build.stderr).into_owned();
        assert!(build.status.success(), "round {round}: {shown}");
        assert_eq!(String::from_utf8_lossy(&build.stdout), expected.stdout);
        let ends = collections.map(|gc| gc.wait_with_output().unwrap());
        for end in &ends {
            let stderr = String::from_utf8_lossy(&end.stderr);
            let excluded = stderr.contains("another `git straylight cache gc` is running");
            assert!(end.status.success() || excluded, "round {round}: {stderr}");
        }
        assert!(ends.iter().any(|end| end.status.success()));
    }
}

#[test]
fn results_of_actions_that_read_the_same_stay() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.straylight(&["build", "//hello"]).success();
    // Nobody's compiler reads it, and it is an input of both compiles.
    repo.write(
        "greeting/greeting.h",
        "const char *greeting(void); /* so */\n",
    );
    let first = repo.straylight(&["build", "//hello"]).success();
    let text = repo.read("hello/hello.c");
    let text = String::from_utf8(text).unwrap();
    repo.write("hello/hello.c", &format!("{text}/* the same */\n"));
    repo.straylight(&["build", "//hello"]).success();
    repo.write("hello/hello.c", &text);
    let reused = repo.straylight(&["build", "//hello"]).success();
    assert!(reused.stderr.contains("nothing to do"), "{}", reused.stderr);
    let gc = ["cache", "gc", "--older-than", "0s", "--grace", "0s"];
    repo.straylight(&gc).success();
    fs::remove_dir_all(repo.path.join("straylight-out")).unwrap();
    let again = repo.straylight(&["build", "//hello"]).success();
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    assert_eq!(again.stdout, first.stdout);
}
