//! A bucket that a team shares: what one machine captured, others build with.

use std::fs;

use crate::cli::build::package;
use crate::cli::pin::copying;
use crate::support::{Repo, TestEnvironment, says, timeless};

/// Somebody who captured, and pinned a file; the bucket is made, and known.
fn sharing(owner: &TestEnvironment) -> (Repo<'_>, String) {
    let bucket = owner.root().join("bucket");
    fs::create_dir(&bucket).unwrap();
    let url = format!("file://{}", bucket.display());
    let data = owner.root().join("data");
    fs::write(&data, "shared\n").unwrap();
    let seed = owner.repository("seed", &[("a", "")]);
    seed.git(["config", "straylight.bucket", &url]);
    let pinned = seed.straylight(&["pin", data.to_str().unwrap()]).success();
    says(&pinned.stderr, &[&format!("uploaded to {url}")]);
    let repo = package(owner, &copying(&pinned.stdout));
    repo.git(["config", "straylight.bucket", &url]);
    (repo, url)
}

/// A clone for somebody whose cache is empty.
fn clone<'a>(teammate: &'a TestEnvironment, repo: &Repo<'_>) -> Repo<'a> {
    let path = teammate.root().join("clone");
    let mut clone = teammate.command("git");
    clone.args(["clone", "-q"]).arg(&repo.path).arg(&path);
    assert!(clone.status().unwrap().success());
    teammate.open(path)
}

#[test]
fn a_teammate_builds_with_what_was_captured_elsewhere() {
    let (owner, teammate) = (TestEnvironment::new(), TestEnvironment::new());
    let (repo, url) = sharing(&owner);
    let upload = ["toolchain", "upload", "posix"];
    let uploaded = repo.straylight(&upload).success();
    says(&uploaded.stderr, &[&format!("uploaded `posix` to {url}: ")]);
    let again = repo.straylight(&upload).success();
    assert_eq!(again.stderr, format!("{url} has `posix` already\n"));
    let built = repo.straylight(&["build", "//it:copy"]).success();

    let clone = clone(&teammate, &repo);
    let missing = clone.straylight(&["build", "//it:copy"]).code(3);
    says(&missing.stderr, &["is not in the store"]);
    clone.git(["config", "straylight.bucket", &url]);
    let list = clone.straylight(&["toolchain", "list"]).success();
    says(
        &list.stderr,
        &[
            &format!("{url} has it: a build takes it from there"),
            // gcc was not uploaded.
            &format!("{url} does not have it"),
            "git straylight toolchain capture gcc",
        ],
    );
    let fetching = clone.straylight(&["build", "//it:copy"]).success();
    assert_eq!(fetching.stdout, built.stdout);
    let told: Vec<&str> = fetching.stderr.lines().collect();
    let [file, tree, summary] = told[..] else {
        panic!("{}", fetching.stderr)
    };
    let from = format!(" from {url}: ");
    assert!(file.starts_with("fetched `ca://sha256:") && file.contains(&from));
    assert!(tree.starts_with("fetched `ca://sha256:") && tree.contains(&from));
    assert_eq!(timeless(summary), "1 action run");

    // It is as if it had been captured here, and the bucket is not asked again.
    fs::remove_dir_all(owner.root().join("bucket")).unwrap();
    clone.write("it/BUILD.dhall", &{
        let text = String::from_utf8(clone.read("it/BUILD.dhall")).unwrap();
        text.replace("cat ", "cat -- ")
    });
    let alone = clone.straylight(&["build", "//it:copy"]).success();
    assert_eq!(timeless(&alone.stderr), "1 action run");
    let list = clone.straylight(&["toolchain", "list"]).success();
    assert_eq!(list.stdout.matches("  in the cache").count(), 1);
    says(&list.stderr, &["there is no bucket at `file://"]);
}

/// Steps that find at the same time that the same is missing.
#[test]
fn what_many_steps_lack_is_fetched_once() {
    let (owner, teammate) = (TestEnvironment::new(), TestEnvironment::new());
    let (repo, url) = sharing(&owner);
    repo.straylight(&["toolchain", "upload", "posix"]).success();
    let text = String::from_utf8(repo.read("it/BUILD.dhall")).unwrap();
    let (head, rule) = text.split_once("in { copy = ").unwrap();
    let rule = rule.trim_end().strip_suffix('}').unwrap();
    let rules = (0..8).map(|at| {
        let own = rule.replace("\"copy\"", &format!("\"copy{at}\""));
        format!(
            "copy{at} = {}",
            own.replace("cat ", &format!("echo {at}; cat "))
        )
    });
    let rules = rules.collect::<Vec<_>>().join(", ");
    repo.write("it/BUILD.dhall", &format!("{head}in {{ {rules} }}\n"));
    repo.commit("eight");
    let clone = clone(&teammate, &repo);
    clone.git(["config", "straylight.bucket", &url]);
    let built = clone
        .straylight(&["build", "//it/...", "-j", "8"])
        .success();
    assert_eq!(
        built.stderr.matches("fetched `ca://").count(),
        2,
        "{}",
        built.stderr
    );
    says(&built.stderr, &["8 actions run"]);
}

#[test]
fn a_damaged_bucket_is_told_of_and_can_be_mended() {
    let (owner, teammate) = (TestEnvironment::new(), TestEnvironment::new());
    let (repo, url) = sharing(&owner);
    repo.straylight(&["toolchain", "upload", "posix"]).success();
    let clone = clone(&teammate, &repo);
    clone.git(["config", "straylight.bucket", &url]);
    let show = ["toolchain", "show", "posix", "--files"];
    let files = repo.straylight(&show).success().stdout;
    let shell = files
        .lines()
        .find(|line| line.contains("bin/dash"))
        .unwrap();
    let hash = shell.split("ca://sha256:").nth(1).unwrap();
    let hash = hash.split(' ').next().unwrap();
    let part = owner.root().join("bucket/cas").join(hash);
    let good = fs::read(&part).unwrap();

    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::remove_file(&part).unwrap();
    fs::write(&part, bad).unwrap();
    let build = ["build", "//it:copy"];
    let refused = clone.straylight(&build).code(5);
    says(
        &refused.stderr,
        &["wrong bytes under", hash, "take the key away"],
    );

    fs::remove_file(&part).unwrap();
    let refused = clone.straylight(&build).code(3);
    says(&refused.stderr, &["lacks", hash, "toolchain upload"]);

    repo.straylight(&["toolchain", "upload", "posix"]).success();
    assert_eq!(fs::read(&part).unwrap(), good);
    clone.straylight(&build).success();
}

#[test]
fn a_capture_goes_to_the_bucket() {
    let environment = TestEnvironment::new();
    let repo = environment.repository("r", &[("a", "")]);
    let unknown = repo.straylight(&["toolchain", "upload"]).code(2);
    says(&unknown.stderr, &["git config straylight.bucket file:///"]);
    let url = format!("file://{}", environment.root().join("bucket").display());
    repo.git(["config", "straylight.bucket", &url]);
    // What was captured is pinned even if the bucket is not there.
    let capture = ["toolchain", "capture", "posix"];
    let absent = repo.straylight(&capture).code(3);
    says(
        &absent.stderr,
        &["there is no bucket at", "straylight.bucket"],
    );
    assert!(repo.path.join("toolchains.dhall").exists());
    let bucket = environment.root().join("bucket");
    fs::create_dir(&bucket).unwrap();
    let captured = repo.straylight(&capture).success();
    says(&captured.stderr, &[&format!("uploaded `posix` to {url}: ")]);

    // A path begins at the root of the repository, wherever it is used.
    fs::create_dir(repo.path.join("below")).unwrap();
    repo.git(["config", "straylight.bucket", "../bucket"]);
    let again = repo.straylight(&["-C", "below", "toolchain", "upload"]);
    let folder = repo.path.join("../bucket");
    let known = format!("{} has `posix` already\n", folder.display());
    assert_eq!(again.success().stderr, known);
}
