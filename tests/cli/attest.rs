//! `git straylight attest` and `verify`: what is accepted, and each way in
//! which there is nothing to accept.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::cli::build::hello;
use crate::support::signing::{
    attested, keygen, note, openssl_agrees, public, signed_hello, signing_key, trust,
};
use crate::support::{TestEnvironment, outcome, says};

const PROGRAM: &str = "straylight-out/hello/hello/hello";

#[test]
fn a_target_a_revision_and_a_file_are_verified() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let built = repo.straylight(&["build", "//hello"]).success();
    let digest = built.stdout.trim().split_once("ca://").unwrap().1;
    let attest = repo.straylight(&["attest", "//hello"]).success();
    let head = repo.git(["rev-parse", "HEAD"]);
    says(
        &attest.stdout,
        &[&format!("//hello:hello at {}", &head[..12]), digest],
    );
    says(&attest.stderr, &["signed by SHA256:", "logged as "]);

    let elsewhere = environment.root().join("elsewhere");
    fs::copy(repo.path.join(PROGRAM), &elsewhere).unwrap();
    for what in [
        "//hello",
        "HEAD",
        head.as_str(),
        PROGRAM,
        elsewhere.to_str().unwrap(),
    ] {
        let verified = repo.straylight(&["verify", what]).success();
        let last = verified.stdout.lines().last().unwrap();
        assert_eq!(
            last,
            "verified: signed, logged, rehashed, and the trace keeps to its spec (SLSA build level 1)",
            "{what}"
        );
        assert!(!verified.stdout.contains("FAILED"), "{}", verified.stdout);
        says(&verified.stdout, &["by `signer@example.com`", &head[..12]]);
    }
}

#[test]
fn other_tools_agree() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let key = signing_key(&environment);
    let envelope = note(&repo);
    let line = envelope.as_line();

    // The view, the log and the cache have the same bytes.
    let name = format!("{}.json", envelope.digest());
    let in_log = repo.git(["ls-tree", "--name-only", "refs/straylight/log"]);
    assert_eq!(in_log, name);
    let logged = repo.git(["show", &format!("refs/straylight/log:{name}")]);
    assert_eq!(logged, line);
    let cached = fs::read_to_string(environment.cache().join("attestations").join(name));
    assert_eq!(cached.unwrap(), line);

    assert!(openssl_agrees(&repo, &key, line, |_| ()));
    let flip = |pae: &mut Vec<u8>| *pae.last_mut().unwrap() ^= 1;
    assert!(!openssl_agrees(&repo, &key, line, flip));
    let other = keygen(&environment, "other");
    assert!(!openssl_agrees(&repo, &other, line, |_| ()));
}

#[test]
fn git_verifies_the_entries_of_the_log() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let signers = trust(&repo, &[&signing_key(&environment)]);
    let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    let verify = ["-c", "gpg.format=ssh", "-c", &signers, "verify-commit"];
    let good = |revision| repo.run("git", &[&verify[..], &[revision]].concat());
    for revision in ["refs/straylight/log", "refs/notes/straylight"] {
        says(
            &good(revision).success().stderr,
            &["Good \"git\" signature for signer@example.com"],
        );
    }
    trust(&repo, &[&keygen(&environment, "other")]);
    assert_ne!(good("refs/straylight/log").code, 0);
}

#[test]
fn what_is_not_committed_is_not_attested() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let text = String::from_utf8(repo.read("hello/hello.c")).unwrap();
    repo.write("hello/hello.c", &text.replace("return 0", "return 1"));
    let refused = repo.straylight(&["attest", "//hello"]).code(2);
    says(
        &refused.stderr,
        &["`hello/hello.c`", "hint: commit or stash"],
    );
    repo.write("hello/new.c", "");
    repo.git(["add", "hello/new.c"]);
    let refused = repo.straylight(&["attest", "//hello"]).code(2);
    says(&refused.stderr, &["`hello/hello.c` and 1 more"]);
    let log = repo.run(
        "git",
        &["rev-parse", "-q", "--verify", "refs/straylight/log"],
    );
    assert_ne!(log.code, 0, "nothing was logged");

    // The commit itself can be named: what is built are its objects.
    repo.straylight(&["attest", "--at", "main", "//hello"])
        .success();
    repo.straylight(&["verify", "//hello"]).success();
}

#[test]
fn a_failed_build_is_not_attested() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    repo.write("hello/hello.c", "broken\n");
    repo.commit("broken");
    repo.straylight(&["attest", "//hello"]).code(1);
    repo.straylight(&["verify", "HEAD"]).code(3);
}

#[test]
fn without_a_key_it_says_how_to_make_one() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let none = repo.straylight(&["attest", "//hello"]).code(3);
    says(&none.stderr, &[".ssh/id_ed25519", "key generate", "--key"]);

    let private = keygen(&environment, "private");
    let private = private.to_str().unwrap();
    let wrong = repo.straylight(&["key", "export", private]).code(2);
    says(
        &wrong.stderr,
        &["is a private key", &format!("{private}.pub")],
    );

    let key = environment.home().join("made");
    let key = key.to_str().unwrap();
    let made = repo.straylight(&["key", "generate", key]).success();
    assert!(made.stdout.starts_with("ssh-ed25519 "), "{}", made.stdout);
    let again = repo.straylight(&["key", "generate", key]).code(2);
    says(&again.stderr, &[key, "exists"]);
    repo.straylight(&["attest", "--key", key, "//hello"])
        .success();
    // As the message says.
    let usual = environment.home().join(".ssh/id_ed25519");
    repo.straylight(&["key", "generate", usual.to_str().unwrap()])
        .success();
    repo.straylight(&["attest", "//hello"]).success();
    let absent = repo.straylight(&["attest", "--key", "absent", "//hello"]);
    says(&absent.code(3).stderr, &["`absent`"]);
}

/// A real ssh-agent, ended with the test.
struct Agent(Child);

impl Agent {
    fn start(environment: &TestEnvironment) -> Self {
        let mut child = environment
            .command("ssh-agent")
            .args(["-D", "-a", "agent"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints the socket's name once it listens.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
        Self(child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_encrypted_key_signs_through_the_agent() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let key = signing_key(&environment);
    let agent = Agent::start(&environment);
    let socket = environment.root().join("agent");
    let with_agent = |program: &str, arguments: &[&str]| {
        let mut command = environment.command(program);
        command.args(arguments).env("SSH_AUTH_SOCK", &socket);
        outcome(command.current_dir(&repo.path))
    };
    let path = key.to_str().unwrap();
    with_agent("ssh-add", &["-q", path]).success();
    let mut encrypt = environment.command("ssh-keygen");
    encrypt.args(["-q", "-p", "-P", "", "-N", "secret", "-f", path]);
    outcome(&mut encrypt).success();

    let refused = repo.straylight(&["attest", "//hello"]).code(2);
    says(&refused.stderr, &[path, "ssh-add"]);
    with_agent(env!("CARGO_BIN_EXE_git-straylight"), &["attest", "//hello"]).success();
    repo.straylight(&["verify", "//hello"]).success();
    drop(agent);
}

#[test]
fn nothing_is_believed_without_allowed_signers_from_outside() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    repo.git(["config", "--unset", "straylight.allowedSignersFile"]);
    let nobody = repo.straylight(&["verify", "//hello"]).code(2);
    says(
        &nobody.stderr,
        &[
            "nobody is trusted",
            "--allowed-signers",
            "<principal> <public key>",
        ],
    );
    let signer = public(&signing_key(&environment));
    let line = format!("me@example.com {signer}\n");
    repo.write("signers", &line);
    repo.commit("who is believed");
    repo.straylight(&["attest", "//hello"]).success();
    let inside = repo.straylight(&["verify", "--allowed-signers", "signers", "//hello"]);
    says(
        &inside.code(5).stderr,
        &["`signers` is part of the tree", "hint: keep"],
    );
    // A name outside for the file inside is no way around it.
    let link = environment.root().join("link");
    std::os::unix::fs::symlink(repo.path.join("signers"), &link).unwrap();
    let link = link.to_str().unwrap();
    repo.straylight(&["verify", "--allowed-signers", link, "//hello"])
        .code(5);

    // Nor is a name inside for a file outside.
    let outside = environment.root().join("allowed_signers");
    std::os::unix::fs::symlink(outside, repo.path.join("chosen")).unwrap();
    repo.commit("who chooses whom to believe");
    repo.straylight(&["attest", "//hello"]).success();
    repo.straylight(&["verify", "--allowed-signers", "chosen", "//hello"])
        .code(5);

    repo.write(".git/signers", &line);
    repo.straylight(&["verify", "--allowed-signers", ".git/signers", "//hello"])
        .success();
    repo.git(["config", "gpg.ssh.allowedSignersFile", ".git/signers"]);
    repo.straylight(&["verify", "//hello"]).success();
    let missing = repo.straylight(&["verify", "--allowed-signers", "absent", "HEAD"]);
    says(&missing.code(3).stderr, &["`absent`"]);
}

#[test]
fn missing_is_not_stale() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    let none = repo.straylight(&["verify"]).code(3);
    says(
        &none.stdout,
        &["refused: no attestation", "git straylight attest", "fetch"],
    );
    repo.straylight(&["attest", "//hello"]).success();
    let unknown = repo.straylight(&["verify", "no-such-thing"]).code(3);
    says(&unknown.stderr, &["no-such-thing", "hint: name a revision"]);

    // Attested at this commit is another target, and another file.
    let stale = repo.straylight(&["verify", "//greeting"]).code(4);
    says(
        &stale.stdout,
        &[
            "label      FAILED",
            "attested //hello:hello, found //greeting:greeting",
        ],
    );
    let other = environment.root().join("other");
    fs::write(&other, "something else").unwrap();
    let stale = repo.straylight(&["verify", other.to_str().unwrap()]);
    says(&stale.code(4).stdout, &["is none of the subjects"]);

    // A later commit has none, though the one before has.
    let first = repo.git(["rev-parse", "HEAD"]);
    repo.write("README", "hello\n");
    repo.commit("second");
    repo.straylight(&["verify", "//hello"]).code(3);
    repo.straylight(&["verify"]).code(3);
    repo.straylight(&["verify", &first]).success();
    repo.straylight(&["verify", "--at", &first, "//hello"])
        .success();
}

#[test]
fn a_file_of_a_commit_that_this_clone_does_not_have() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    repo.straylight(&["build", "//hello"]).success();
    let file = environment.root().join("file");
    fs::copy(repo.path.join(PROGRAM), &file).unwrap();
    repo.commit("second");
    let (from, to) = (
        format!("file://{}", repo.path.display()),
        environment.root().join("clone"),
    );
    repo.git(["clone", "-q", "--depth=1", &from, to.to_str().unwrap()]);
    let clone = environment.open(to);
    let log = "refs/straylight/log:refs/straylight/log";
    clone.git(["fetch", "-q", "origin", log]);
    let signers = trust(&clone, &[&signing_key(&environment)]);
    let verify = ["verify", file.to_str().unwrap()];
    let verified = clone.straylight(&verify).success();
    says(
        &verified.stdout,
        &[
            "commit     not checked",
            "artifact   passed",
            "verified: signed, logged and rehashed",
        ],
    );
    fs::write(signers, "").unwrap();
    clone.straylight(&verify).code(5);
}

#[test]
fn a_signer_who_is_not_allowed_is_not_believed() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let other = keygen(&environment, "other");
    let named = |principal| ["verify", "--principal", principal, "//hello"];
    repo.straylight(&named("signer@example.com")).success();
    let refused = repo.straylight(&named("other@example.com")).code(5);
    says(
        &refused.stdout,
        &["operator   FAILED", "not among the trusted principals"],
    );

    trust(&repo, &[&other]);
    let refused = repo.straylight(&["verify", "//hello"]).code(5);
    says(
        &refused.stdout,
        &[
            "signature  FAILED",
            "refused: nobody who is trusted says so",
        ],
    );
}

#[test]
fn several_targets_are_one_entry_and_one_verdict_each() {
    let environment = TestEnvironment::new();
    let repo = signed_hello(&environment);
    repo.straylight(&["attest", "//..."]).success();
    let entries = repo.git(["rev-list", "--count", "refs/straylight/log"]);
    assert_eq!(entries, "1");
    let verified = repo.straylight(&["verify"]).success();
    let verdicts = verified.stdout.lines();
    let verdicts = verdicts.filter(|line| line.starts_with("verified:"));
    assert_eq!(verdicts.count(), 2, "{}", verified.stdout);
    let log = repo.straylight(&["log"]).success();
    says(
        &log.stdout,
        &[
            "attests //greeting:greeting (1 artifact)",
            "attests //hello:hello",
        ],
    );
}
