//! `git straylight demo`: the README's first command.

use crate::support::{TestEnvironment, outcome, says};

#[test]
fn shows_the_real_commands_in_a_new_folder() {
    let environment = TestEnvironment::new();
    let demo = || {
        let mut command = environment.command(env!("CARGO_BIN_EXE_git-straylight"));
        outcome(command.args(["demo", "shown"]))
    };
    let first = demo().success();
    let whole = format!("{}{}", first.stdout, first.stderr);
    says(
        &whole,
        &[
            "$ git straylight toolchain capture gcc\ngcc ",
            "4 actions run",
            "hello, straylight\n",
            "nothing to do: 4 actions up to date",
            "1 action run, 3 reused",
            "$ git straylight build --at HEAD~1 //hello\n//hello:hello  straylight-out/at/",
            "signed by SHA256:",
            "verified: signed, logged, rehashed, and the trace keeps to its spec",
            "artifact   FAILED",
            "refused: the attestation says otherwise",
            "refused refs/heads/main: commit ",
            "attests //hello:hello (1 artifact)",
            "In your own repository:",
        ],
    );
    assert!(!whole.contains("error: `"), "{whole}");

    // What it made is a repository like any other.
    let repo = environment.open(environment.root().join("shown"));
    assert_eq!(repo.git(["status", "--porcelain"]), "");
    let server = environment.open(repo.path.join(".git/server.git"));
    assert_eq!(
        server.git(["rev-parse", "main"]),
        repo.git(["rev-parse", "main"])
    );
    repo.straylight(&["build", "//hello"]).success();
    repo.straylight(&["verify"]).success();

    let again = demo().code(2);
    says(&again.stderr, &["`shown` exists already", "demo <folder>"]);
    assert_eq!(again.stdout, "");
}
