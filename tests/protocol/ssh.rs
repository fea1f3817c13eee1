//! `git straylight ssh-session` as the forced command of a real sshd.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::signing::{attested, keygen};
use crate::support::{Outcome, Repo, TestEnvironment, outcome, says, workspace};

/// An sshd that serves the bucket of an environment.
struct Server<'a> {
    environment: &'a TestEnvironment,
    folder: PathBuf,
    key: PathBuf,
    port: String,
}

impl<'a> Server<'a> {
    fn start(environment: &'a TestEnvironment) -> Self {
        let root = environment.root();
        let (folder, key) = (root.join("sshd"), keygen(environment, "client"));
        let forced = format!(
            "XDG_CACHE_HOME={} {} ssh-session {}",
            root.join("server").display(),
            env!("CARGO_BIN_EXE_git-straylight"),
            bucket(environment),
        );
        let mut start = Command::new(sshd());
        start.arg("start").arg(&folder);
        start.arg(key.with_extension("pub")).arg(forced);
        let port = outcome(&mut start).success().stdout.trim().to_owned();
        Self {
            environment,
            folder,
            key,
            port,
        }
    }

    fn address(&self) -> String {
        let user = outcome(self.environment.command("id").arg("-un")).success();
        format!("{}@127.0.0.1", user.stdout.trim())
    }

    fn url(&self, name: &str) -> String {
        format!("ssh://{}:{}/{name}", self.address(), self.port)
    }

    /// The words that reach this server, and see nothing of the user's own.
    fn ssh(&self) -> Vec<String> {
        let known = self.folder.join("known_hosts");
        let known = format!("UserKnownHostsFile={}", known.display());
        let key = self.key.to_str().unwrap();
        let fixed = ["ssh", "-F", "none", "-o", "BatchMode=yes"];
        let ours = ["-o", "IdentitiesOnly=yes", "-o", &known, "-i", key];
        fixed.iter().chain(&ours).map(ToString::to_string).collect()
    }

    /// Runs stock git as a client.
    #[track_caller]
    fn git(&self, arguments: &[&str]) -> Outcome {
        let mut git = self.environment.command("git");
        git.args(arguments)
            .env("GIT_SSH_COMMAND", self.ssh().join(" "));
        outcome(&mut git)
    }

    /// Asks for a command of one's own.
    fn run(&self, words: &[&str]) -> Outcome {
        let ssh = self.ssh();
        let mut command = self.environment.command(&ssh[0]);
        command.args(&ssh[1..]).args(["-T", "-p", &self.port]);
        outcome(command.arg(self.address()).args(words))
    }

    /// Checks that connections were served here, and nothing is left of them.
    #[track_caller]
    fn is_tidy(&self) {
        let sessions = self.environment.root().join("server/straylight/sessions");
        assert_eq!(fs::read_dir(sessions).unwrap().count(), 0);
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let mut stop = Command::new(sshd());
        let stopped = outcome(stop.arg("stop").arg(&self.folder));
        assert!(stopped.code == 0 || std::thread::panicking());
    }
}

fn sshd() -> PathBuf {
    workspace().join("tests/support/sshd")
}

fn bucket(environment: &TestEnvironment) -> String {
    format!("file://{}/bucket", environment.root().display())
}

/// A repository with a little history, in the bucket as `team/project`.
fn project(environment: &TestEnvironment) -> Repo<'_> {
    let repo = environment.repository("project", &[("README", "0\n")]);
    for number in 1..10 {
        repo.write("README", &format!("{number}\n"));
        repo.commit("more");
    }
    repo.git(["tag", "-a", "-m", "one", "v1"]);
    import(&repo);
    repo
}

#[track_caller]
fn import(repo: &Repo<'_>) {
    let bucket = bucket(repo.environment);
    repo.straylight(&["bucket", "import", &bucket, "--name", "team/project"])
        .success();
}

#[test]
fn stock_git_clones_and_fetches() {
    let environment = TestEnvironment::new();
    let repo = project(&environment);
    let server = Server::start(&environment);
    let url = server.url("team/project");
    let cloned = server.git(&["clone", "-q", "--mirror", &url, "whole"]);
    assert_eq!(cloned.success().stderr, "");
    let whole = environment.open(environment.root().join("whole"));
    whole.git(["fsck", "--full", "--strict"]);
    assert_eq!(whole.git(["for-each-ref"]), repo.git(["for-each-ref"]));

    let count = ["rev-list", "--count", "HEAD"];
    server
        .git(&["clone", "-q", "--depth=1", &url, "shallow"])
        .success();
    let shallow = environment.open(environment.root().join("shallow"));
    assert_eq!(shallow.git(count), "1");
    shallow.git(["fsck", "--full"]);
    server
        .git(&["-C", "shallow", "fetch", "-q", "--unshallow"])
        .success();
    assert_eq!(shallow.git(count), repo.git(count));

    server
        .git(&["clone", "-q", "--filter=blob:none", &url, "partial"])
        .success();
    let partial = environment.open(environment.root().join("partial"));
    assert_eq!(partial.read("README"), b"9\n");
    let missing = ["rev-list", "--objects", "--missing=print", "HEAD"];
    let missing = partial.git(missing);
    // Nine older versions stayed where they are.
    let missing = missing.lines().filter(|line| line.starts_with('?'));
    assert_eq!(missing.count(), 9);

    repo.write("README", "new\n");
    let new = repo.commit("new");
    import(&repo);
    server.git(&["-C", "partial", "pull", "-q"]).success();
    assert_eq!(partial.git(["rev-parse", "HEAD"]), new);
    server.is_tidy();
}

#[test]
fn attestations_come_with_a_fetch() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    import(&repo);
    let server = Server::start(&environment);
    let url = server.url("team/project");
    server.git(&["clone", "-q", &url, "clone"]).success();
    let clone = environment.open(environment.root().join("clone"));
    let signers = environment.root().join("allowed_signers");
    let verify = ["verify", "--allowed-signers", signers.to_str().unwrap()];
    clone.straylight(&verify).code(3);
    let (log, notes) = (
        "refs/straylight/*:refs/straylight/*",
        "refs/notes/*:refs/notes/*",
    );
    server
        .git(&["-C", "clone", "fetch", "-q", "origin", log, notes])
        .success();
    clone.straylight(&verify).success();
}

#[test]
fn a_push_is_refused_in_words() {
    let environment = TestEnvironment::new();
    let repo = project(&environment);
    let server = Server::start(&environment);
    let manifest = environment.root().join("bucket/git/team/project/manifest");
    let before = fs::read(&manifest).unwrap();
    let url = server.url("team/project");
    let folder = repo.path.to_str().unwrap();
    let pushed = server.git(&["-C", folder, "push", &url, "HEAD:refs/heads/new"]);
    assert_ne!(pushed.code, 0);
    says(&pushed.stderr, &["pushing is not supported yet"]);
    assert_eq!(fs::read(&manifest).unwrap(), before);
}

#[test]
fn nothing_else_is_served() {
    let environment = TestEnvironment::new();
    project(&environment);
    let server = Server::start(&environment);
    for (words, message) in [
        (&[][..], "no shell"),
        (&["id"], "and nothing else"),
        (&["git-upload-pack 'team/project'; id"], "and nothing else"),
        (
            &["git-upload-pack '../../etc'"],
            "no repository of that name",
        ),
    ] {
        let refused = server.run(words);
        assert_eq!(refused.code, 2, "{words:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "");
        says(&refused.stderr, &["error: ", message]);
    }
    let other = server.git(&["clone", "-q", &server.url("team/other"), "other"]);
    assert_ne!(other.code, 0);
    says(&other.stderr, &["there is no repository `team/other` here"]);
    assert!(!environment.root().join("other").exists());
}

#[test]
fn another_key_is_not_let_in() {
    let environment = TestEnvironment::new();
    project(&environment);
    let mut server = Server::start(&environment);
    server.key = keygen(&environment, "stranger");
    let refused = server.git(&["clone", "-q", &server.url("team/project"), "clone"]);
    assert_ne!(refused.code, 0);
    says(&refused.stderr, &["Permission denied"]);
}

#[test]
fn a_damaged_pack_is_not_served_and_the_operator_is_told() {
    let environment = TestEnvironment::new();
    project(&environment);
    let packs = environment.root().join("bucket/git/team/project/pack");
    for entry in fs::read_dir(packs).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let server = Server::start(&environment);
    let cloned = server.git(&["clone", "-q", &server.url("team/project"), "clone"]);
    assert_ne!(cloned.code, 0);
    says(&cloned.stderr, &["its operator finds the reason"]);
    let bucket = environment.root().join("bucket");
    assert!(
        !cloned.stderr.contains(bucket.to_str().unwrap()),
        "{}",
        cloned.stderr
    );
    let log = environment.root().join("server/straylight/ssh-session.log");
    says(&fs::read_to_string(log).unwrap(), &["team/project"]);
}
