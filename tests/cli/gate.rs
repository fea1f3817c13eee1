//! `git straylight hook install --server`: stock pushes to a gated repository.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::signing::{attested, keygen, signed_hello, signing_key};
use crate::support::{Outcome, Repo, TestEnvironment, outcome, says};

const LOG: &str = "refs/straylight/log";
const NOTES: &str = "refs/notes/straylight";

/// A bare repository with a gate on `main`, as the remote `origin` of `repo`.
/// It believes whom `repo` believes now.
fn server<'a>(repo: &Repo<'a>) -> Repo<'a> {
    let environment = repo.environment;
    let path = environment.root().join("server.git");
    repo.git(["init", "-q", "--bare", "-b", "main", path.to_str().unwrap()]);
    repo.git(["remote", "add", "origin", path.to_str().unwrap()]);
    let server = environment.open(path);
    let signers = environment.root().join("server_signers");
    fs::copy(environment.root().join("allowed_signers"), &signers).unwrap();
    let signers = signers.to_str().unwrap();
    server.git(["config", "straylight.allowedSignersFile", signers]);
    server.git(["config", "straylight.protect", "refs/heads/main"]);
    server
        .straylight(&["hook", "install", "--server"])
        .success();
    server
}

fn push(repo: &Repo<'_>, refs: &[&str]) -> Outcome {
    repo.run("git", &[&["push", "--atomic", "origin"], refs].concat())
}

/// Pushes what must be refused, and checks that no ref moved.
#[track_caller]
fn refused(repo: &Repo<'_>, server: &Repo<'_>, refs: &[&str], parts: &[&str]) {
    let before = server.git(["for-each-ref"]);
    let outcome = push(repo, refs);
    assert_ne!(outcome.code, 0, "{}", outcome.stderr);
    says(&outcome.stderr, parts);
    assert_eq!(server.git(["for-each-ref"]), before);
}

#[test]
fn an_attested_commit_passes_and_no_other() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let server = server(&repo);
    let head = repo.git(["rev-parse", "HEAD"]);
    let problem = format!("refused refs/heads/main: commit {head} has no attestation");
    let cure =
        format!("git straylight attest //... && git push --atomic origin main {LOG} {NOTES}");
    refused(&repo, &server, &["main"], &[&problem, &cure]);

    // As the message says.
    repo.straylight(&["attest", "//..."]).success();
    push(&repo, &["main", LOG, NOTES]).success();
    assert_eq!(server.git(["rev-parse", "main"]), head);
    assert_eq!(server.git(["rev-parse", LOG]), repo.git(["rev-parse", LOG]));

    // The next commit needs its own; it may come after its attestation.
    repo.write("README", "hello\n");
    repo.commit("second");
    refused(&repo, &server, &["main"], &["has no attestation"]);
    repo.straylight(&["attest", "//hello"]).success();
    push(&repo, &[LOG, NOTES]).success();
    push(&repo, &["main"]).success();

    // Whoever clones can verify both.
    let clone = environment.root().join("clone");
    let both = [
        "+refs/straylight/*:refs/straylight/*",
        "+refs/notes/*:refs/notes/*",
    ];
    server.git(["clone", "-q", ".", clone.to_str().unwrap()]);
    let clone = environment.open(clone);
    clone.git(["fetch", "-q", "origin", both[0], both[1]]);
    let signers = environment.root().join("allowed_signers");
    let signers = signers.to_str().unwrap();
    for revision in ["HEAD", "HEAD~1"] {
        clone
            .straylight(&["verify", "--allowed-signers", signers, revision])
            .success();
    }
}

#[test]
fn a_required_target_must_be_attested() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let server = server(&repo);
    server.git(["config", "straylight.require", "//hello:hello"]);
    repo.straylight(&["attest", "//greeting"]).success();
    let cure = "git straylight attest //hello:hello";
    let all = ["main", LOG, NOTES];
    refused(&repo, &server, &all, &["of `//hello:hello`", cure]);
    repo.straylight(&["attest", "//hello:hello"]).success();
    push(&repo, &all).success();
}

#[test]
fn other_branches_are_free() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let server = server(&repo);
    push(&repo, &["main:refs/heads/topic"]).success();
    assert_eq!(
        server.git(["rev-parse", "topic"]),
        repo.git(["rev-parse", "main"])
    );
    push(&repo, &[":refs/heads/topic"]).success();
}

#[test]
fn an_attestation_by_a_stranger_is_none() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let server = server(&repo);
    let stranger = keygen(&environment, "stranger");
    let stranger = stranger.to_str().unwrap();
    repo.straylight(&["attest", "--key", stranger, "//hello"])
        .success();
    let all = ["main", LOG, NOTES];
    refused(&repo, &server, &all, &[LOG, "is not trusted"]);
    // Without the log, the notes say what no log gives.
    refused(
        &repo,
        &server,
        &["main", NOTES],
        &["is not what the log gives"],
    );
}

#[test]
fn a_log_that_was_made_by_hand_is_refused() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let server = server(&repo);
    let all = ["main", LOG, NOTES];
    let honest = repo.git(["rev-parse", LOG]);
    let tree = format!("{LOG}^{{tree}}");
    let forged = repo.git(["commit-tree", "-m", "forged", &tree]);
    repo.git(["update-ref", LOG, &forged]);
    refused(&repo, &server, &all, &[LOG, "the log is damaged"]);

    repo.git(["update-ref", LOG, &honest]);
    push(&repo, &all).success();
    // The log only grows, by force as well.
    repo.git(["update-ref", LOG, &forged]);
    let forced = format!("+{LOG}");
    refused(&repo, &server, &[&forced], &[LOG]);
    refused(
        &repo,
        &server,
        &[&format!(":{LOG}")],
        &["may not be deleted"],
    );
    refused(
        &repo,
        &server,
        &[&format!(":{NOTES}")],
        &["may not be deleted"],
    );
}

/// Two clones attest; who comes second does as the message says.
#[test]
fn a_lost_race_for_the_log_is_run_again() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let server = server(&repo);
    push(&repo, &["main:topic"]).success();
    let other = environment.root().join("other");
    server.git(["clone", "-q", "-b", "topic", ".", other.to_str().unwrap()]);
    let other = environment.open(other);
    let key = signing_key(&environment);
    other.git(["config", "user.signingKey", key.to_str().unwrap()]);
    repo.straylight(&["attest", "//greeting"]).success();
    push(&repo, &[LOG, NOTES]).success();
    other.straylight(&["attest", "//hello"]).success();
    // By force, as git itself stops the push otherwise.
    let all = ["topic:main", &format!("+{LOG}"), &format!("+{NOTES}")];
    let fetch = format!("git fetch origin +{LOG}:{LOG} +{NOTES}:{NOTES}");
    refused(&other, &server, &all, &["does not continue", &fetch]);
    outcome(
        environment
            .command("sh")
            .args(["-c", &fetch])
            .current_dir(&other.path),
    )
    .success();
    other.straylight(&["attest", "//hello"]).success();
    push(&other, &["topic:main", LOG, NOTES]).success();
    assert_eq!(server.git(["rev-list", "--count", LOG]), "2");
}

#[test]
fn the_log_and_its_notes_go_together() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let server = server(&repo);
    let problem = "is not what the log gives";
    let together = format!("git push --atomic origin {LOG} {NOTES}");
    refused(&repo, &server, &["main", LOG], &[problem, &together]);
}

#[test]
fn a_protected_branch_neither_goes_away_nor_back() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let server = server(&repo);
    push(&repo, &["main", LOG, NOTES]).success();
    refused(
        &repo,
        &server,
        &[":main"],
        &["it is protected and may not be deleted"],
    );
    repo.git(["commit", "-q", "--amend", "-m", "another first"]);
    repo.straylight(&["attest", "//hello"]).success();
    let forced = ["+main", LOG, NOTES];
    refused(&repo, &server, &forced, &["does not continue", "--force"]);
}

#[test]
fn a_gate_that_believes_nobody_lets_nobody_in() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let server = server(&repo);
    server.git(["config", "--unset", "straylight.allowedSignersFile"]);
    let all = ["main", LOG, NOTES];
    let problem = "the server has no allowed signers";
    refused(&repo, &server, &all, &[problem, "git config"]);
    let again = server.straylight(&["hook", "install", "--server"]);
    says(&again.success().stderr, &["warning", problem]);
}

#[test]
fn installing_twice_changes_nothing() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let server = server(&repo);
    let hook = server.path.join("hooks/pre-receive");
    let written = fs::read(&hook).unwrap();
    let again = server
        .straylight(&["hook", "install", "--server"])
        .success();
    says(&again.stdout, &["nothing to do", "hooks/pre-receive"]);
    assert_eq!(again.stderr, "protected: refs/heads/main\n");
    assert_eq!(fs::read(&hook).unwrap(), written);
}

#[test]
fn the_hook_of_somebody_else_is_kept() {
    let environment = TestEnvironment::new();
    let server = environment.repository("server", &[]);
    let hook = server.path.join(".git/hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let kept = server.straylight(&["hook", "install", "--server"]).code(2);
    says(
        &kept.stderr,
        &["straylight did not write", "hook pre-receive"],
    );
    assert_eq!(fs::read(&hook).unwrap(), b"#!/bin/sh\nexit 0\n");
}
