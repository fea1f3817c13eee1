//! `git straylight clean`.

use std::fs;

use crate::cli::build::hello;
use crate::support::{TestEnvironment, says, timeless};

#[test]
fn removes_outputs_and_memory_and_leaves_the_cache() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let none = repo.straylight(&["clean"]).success();
    assert_eq!(
        (&*none.stdout, &*none.stderr),
        ("", "nothing to remove\n"),
        "opening a repository makes nothing"
    );
    let first = repo.straylight(&["build"]).success();

    let asked = repo.straylight(&["clean", "--dry-run"]).success();
    says(&asked.stdout, &["straylight-out  ", ".git/straylight  "]);
    assert!(repo.path.join("straylight-out/hello").exists());

    let cleaned = repo.straylight(&["clean"]).success();
    assert_eq!(cleaned.stdout, asked.stdout);
    says(&cleaned.stderr, &["git straylight cache gc"]);
    assert!(!repo.path.join("straylight-out").exists());
    assert!(!repo.path.join(".git/straylight").exists());

    // All of it comes back from the cache.
    let again = repo.straylight(&["build"]).success();
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(
        timeless(&again.stderr),
        "nothing to do: 4 actions up to date"
    );
}

#[test]
fn a_link_in_the_place_of_the_outputs_is_not_followed() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let elsewhere = environment.root().join("elsewhere");
    fs::create_dir_all(elsewhere.join("below")).unwrap();
    fs::write(elsewhere.join("below/precious"), "x").unwrap();
    std::os::unix::fs::symlink(&elsewhere, repo.path.join("straylight-out")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, repo.path.join(".git/straylight")).unwrap();
    let cleaned = repo.straylight(&["clean"]).success();
    says(&cleaned.stdout, &["a link; what it leads to stays"]);
    assert!(!repo.path.join("straylight-out").is_symlink());
    assert!(!repo.path.join(".git/straylight").is_symlink());
    assert_eq!(fs::read(elsewhere.join("below/precious")).unwrap(), b"x");

    // Inside of it, too.
    fs::create_dir(repo.path.join("straylight-out")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, repo.path.join("straylight-out/link")).unwrap();
    repo.straylight(&["clean"]).success();
    assert!(!repo.path.join("straylight-out").exists());
    assert_eq!(fs::read(elsewhere.join("below/precious")).unwrap(), b"x");
}
