//! Real input: libgit2 with the libraries that it bundles, and a program that
//! walks a repository with it.

use std::process::Command;

use crate::support::{TestEnvironment, workspace};

#[test]
fn libgit2_walks_the_repository_it_was_built_from() {
    let environment = TestEnvironment::new();
    let path = environment.root().join("libgit2");
    // Cargo finds the crate with the configuration of who runs the tests.
    let made = Command::new(workspace().join("tests/fixtures/libgit2"))
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let repo = environment.open(path);
    repo.write("toolchains.dhall", &environment.toolchains());
    repo.commit("pin the toolchains");

    let build = ["build", "//...", "--mode", "debug"];
    let built = repo.straylight(&build).success();
    let actions: usize = built
        .stderr
        .lines()
        .find_map(|line| line.split_once(" actions run")?.0.parse().ok())
        .unwrap_or_else(|| panic!("{}", built.stderr));
    assert!(actions > 200, "{actions}");

    let walk = ["run", "//walk", "--mode", "debug", "--", "."];
    let walked = repo.straylight(&walk).success();
    let expected = repo.git(["log", "--topo-order", "--format=%H %s"]);
    assert_eq!(walked.stdout.trim_end(), expected.trim_end());
    assert_eq!(walked.stdout.lines().count(), 2);
    repo.straylight(&["run", "//walk", "--mode", "debug", "--", "/"])
        .code(1);
}
