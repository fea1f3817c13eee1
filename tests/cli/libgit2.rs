//! Real input: libgit2 with the libraries that it bundles, and a program that
//! walks a repository with it.

use crate::support::TestEnvironment;

#[test]
fn libgit2_walks_the_repository_it_was_built_from() {
    let environment = TestEnvironment::new();
    let repo = environment.fixture("libgit2", "libgit2");

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
