//! `git straylight bucket import` and `log --repo`: git in a folder bucket.

use std::fs;
use std::path::PathBuf;

use crate::support::signing::attested;
use crate::support::{Repo, TestEnvironment, outcome, says};

fn url(environment: &TestEnvironment) -> String {
    format!("file://{}/bucket", environment.root().display())
}

fn small<'a>(environment: &'a TestEnvironment, name: &str) -> Repo<'a> {
    let text = format!("this is {name}\n");
    environment.repository(name, &[("README", &text)])
}

/// Returns the files of a repository in the bucket with this ending.
fn stored(environment: &TestEnvironment, name: &str, extension: &str) -> Vec<PathBuf> {
    let folder = environment
        .root()
        .join("bucket/git")
        .join(name)
        .join("pack");
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == extension))
        .collect()
}

#[test]
fn importing_again_adds_what_is_new() {
    let environment = TestEnvironment::new();
    let repo = small(&environment, "one");
    let url = url(&environment);
    let import = || repo.straylight(&["bucket", "import", &url]).success();
    let first = import();
    assert_eq!(first.stdout, format!("{url}#one\n"));
    says(&first.stderr, &["1 ref, 1 changed, 1 pack of "]);
    let again = import();
    assert_eq!(again.stdout, first.stdout);
    says(&again.stderr, &["nothing to import", "has all 1 ref"]);
    repo.write("README", "changed\n");
    repo.commit("second");
    repo.git(["tag", "v1"]);
    says(&import().stderr, &["2 refs, 2 changed, 1 pack of "]);
    assert_eq!(stored(&environment, "one", "pack").len(), 2);
    let shown = repo.straylight(&["log", "--repo", &url]).success();
    let subjects = shown.stdout.lines().count();
    assert_eq!(subjects, 2, "{}", shown.stdout);
}

/// Nothing is on the disk but the bucket, and what is shown is the same as
/// with a clone.
#[test]
fn history_and_its_attestations_are_read_from_the_bucket() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let url = url(&environment);
    repo.straylight(&["bucket", "import", &url]).success();
    let here = repo.straylight(&["log"]).success();
    says(
        &here.stdout,
        &["first", "attests //hello:hello (1 artifact)"],
    );
    fs::remove_dir_all(&repo.path).unwrap();
    let mut command = environment.command(env!("CARGO_BIN_EXE_git-straylight"));
    let there = outcome(command.args(["log", "--repo", &url])).success();
    assert_eq!(there.stdout, here.stdout);
}

#[test]
fn several_repositories_are_told_apart_by_name() {
    let environment = TestEnvironment::new();
    let url = url(&environment);
    let one = small(&environment, "one");
    one.straylight(&["bucket", "import", &url]).success();
    let two = small(&environment, "two");
    two.commit("more");
    two.straylight(&["bucket", "import", &url, "--name", "team/two"])
        .success();
    let log = |url: &str| one.straylight(&["log", "--repo", url]);
    says(
        &log(&url).code(2).stderr,
        &["has several repositories", "hint: name one: `", "#one`"],
    );
    let shown = log(&format!("{url}#team/two")).success();
    assert_eq!(shown.stdout.lines().count(), 2, "{}", shown.stdout);
    let shown = log(&format!("{url}#one")).success();
    assert_eq!(shown.stdout.lines().count(), 1, "{}", shown.stdout);
}

#[test]
fn what_is_not_there_is_missing() {
    let environment = TestEnvironment::new();
    let repo = small(&environment, "one");
    let url = url(&environment);
    let log = |arguments: &[&str]| repo.straylight(&[&["log", "--repo"], arguments].concat());
    says(&log(&[&url]).code(3).stderr, &["/bucket`"]);
    repo.straylight(&["bucket", "import", &url]).success();
    let other = format!("{url}#other");
    says(&log(&[&other]).code(3).stderr, &["`other`"]);
    says(&log(&[&url, "no-such"]).code(3).stderr, &["`no-such`"]);
    for wrong in ["../one", ".hidden", "a b"] {
        let refused = repo.straylight(&["bucket", "import", &url, "--name", wrong]);
        says(&refused.code(2).stderr, &[&format!("`{wrong}`")]);
    }
}

#[test]
fn a_bucket_of_another_kind_is_refused_by_name() {
    let environment = TestEnvironment::new();
    let repo = small(&environment, "one");
    for url in ["s3://bucket", "r2://bucket"] {
        for arguments in [&["bucket", "import", url][..], &["log", "--repo", url]] {
            let refused = repo.straylight(arguments).code(2);
            says(
                &refused.stderr,
                &[url, "come in a later release; use a folder"],
            );
        }
    }
}

#[test]
fn a_damaged_pack_is_an_error_and_not_history() {
    let environment = TestEnvironment::new();
    let repo = small(&environment, "one");
    let url = url(&environment);
    repo.straylight(&["bucket", "import", &url]).success();
    let log = || {
        // Nothing is in the cache, as on a new machine.
        let _ = fs::remove_dir_all(environment.cache());
        repo.straylight(&["log", "--repo", &url])
    };
    for extension in ["pack", "idx"] {
        let path = &stored(&environment, "one", extension)[0];
        let whole = fs::read(path).unwrap();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(path, damaged).unwrap();
        let refused = log().code(6);
        says(&refused.stderr, &["not what the manifest says", extension]);
        assert_eq!(refused.stdout, "");
        fs::remove_file(path).unwrap();
        says(&log().code(6).stderr, &["which the manifest names"]);
        fs::write(path, whole).unwrap();
        log().success();
    }
}
