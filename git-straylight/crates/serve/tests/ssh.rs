//! Stock `git` and `ssh` against a real sshd that serves a folder bucket.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use straylight_odb::fixture::{GitFixture, hermetic};
use straylight_odb::import::import;
use straylight_odb::{Bucket, Repository, layout, manifest};

/// The example that plays the forced command; `cargo test` builds it.
fn forced_command() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/forced_command");
    assert!(program.exists(), "run `cargo build --examples` first");
    program
}

fn sshd_script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/support/sshd")
}

/// A source, a bucket with it as `team/x`, and an sshd that serves the bucket.
struct Server {
    source: GitFixture,
    folder: tempfile::TempDir,
    port: String,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = GitFixture::with_history(25);
        let key = folder.path().join("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key);
        assert!(keygen.status().unwrap().success());
        let command = format!(
            "{} {} {}",
            forced_command().display(),
            folder.path().join("bucket").display(),
            folder.path().join("cache").display()
        );
        let started = Command::new(sshd_script())
            .arg("start")
            .args([&folder.path().join("sshd"), &key.with_extension("pub")])
            .arg(command)
            .output()
            .unwrap();
        assert!(started.status.success(), "{}", text(&started.stderr));
        let server = Self {
            source,
            folder,
            port: text(&started.stdout).trim().to_owned(),
        };
        server.import();
        server
    }

    fn bucket(&self) -> Bucket {
        Bucket::create(self.folder.path().join("bucket").to_str().unwrap()).unwrap()
    }

    fn import(&self) {
        let repository = Repository::discover(self.source.path()).unwrap();
        import(&repository, &self.bucket(), "team/x").unwrap();
    }

    fn url(&self) -> String {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        format!(
            "ssh://{}@127.0.0.1:{}/team/x.git",
            text(&user).trim(),
            self.port
        )
    }

    fn ssh(&self) -> String {
        let at = |name| self.folder.path().join(name).display().to_string();
        format!(
            "ssh -F none -o IdentitiesOnly=yes -o BatchMode=yes -i {} -o UserKnownHostsFile={}",
            at("key"),
            at("sshd/known_hosts")
        )
    }

    /// Runs git as a client would, in the folder of this server.
    fn git(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("git");
        hermetic(&mut command)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("GIT_SSH_COMMAND", self.ssh())
            .env("GIT_TRACE_PACKET", self.folder.path().join("trace"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.git(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).trim_end().to_owned()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.git(arguments);
        assert!(!output.status.success(), "{arguments:?} should fail");
        text(&output.stderr)
    }

    fn sessions(&self) -> usize {
        fs::read_dir(self.folder.path().join("cache/sessions"))
            .unwrap()
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = Command::new(sshd_script());
        stop.arg("stop").arg(self.folder.path().join("sshd"));
        assert!(stop.status().unwrap().success() || std::thread::panicking());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_full_clone_is_the_source() {
    let server = Server::start();
    let url = server.url();
    server.ok(&["clone", "--quiet", "--mirror", &url, "clone"]);
    server.ok(&["-C", "clone", "fsck", "--full", "--strict"]);
    let refs = [
        "for-each-ref",
        "--format=%(objectname) %(objecttype) %(refname)",
    ];
    let cloned = server.ok(&["-C", "clone", refs[0], refs[1]]);
    assert_eq!(cloned, server.source.git(&refs));
    let source = format!("file://{}", server.source.path().display());
    let remote = |url: &str| server.ok(&["ls-remote", "--symref", url]);
    assert_eq!(remote(&url), remote(&source));
    let objects = [
        "cat-file",
        "--batch-all-objects",
        "--batch-check",
        "--unordered",
    ];
    let sorted = |text: String| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let cloned = sorted(server.ok(&[&["-C", "clone"], &objects[..]].concat()));
    assert_eq!(cloned, sorted(server.source.git(&objects)));
    // Version 2 reached `git upload-pack`, through sshd.
    let trace = fs::read_to_string(server.folder.path().join("trace")).unwrap();
    assert!(trace.contains("clone< version 2"), "{trace}");
    assert_eq!(server.sessions(), 0);
}

#[test]
fn a_partial_clone_gets_what_it_asks_for() {
    let server = Server::start();
    let url = server.url();
    server.ok(&["clone", "--quiet", "--depth=1", &url, "shallow"]);
    assert_eq!(
        server.ok(&["-C", "shallow", "rev-list", "--count", "HEAD"]),
        "1"
    );
    server.ok(&["-C", "shallow", "fsck", "--full"]);
    let fetch = ["-C", "shallow", "fetch", "--quiet", "--unshallow"];
    server.ok(&fetch);
    assert_eq!(
        server.ok(&["-C", "shallow", "rev-list", "--count", "HEAD"]),
        server.source.git(&["rev-list", "--count", "main"])
    );

    server.ok(&[
        "clone",
        "--quiet",
        "--filter=blob:none",
        "--no-checkout",
        &url,
        "blobless",
    ]);
    let missing = [
        "-C",
        "blobless",
        "rev-list",
        "--objects",
        "--missing=print",
        "HEAD",
    ];
    assert!(
        server
            .ok(&missing)
            .lines()
            .any(|line| line.starts_with('?'))
    );
    // The checkout fetches blobs by their ids.
    server.ok(&["-C", "blobless", "checkout", "--quiet", "main"]);
    let files = |folder: &Path| fs::read(folder.join("text.txt")).unwrap();
    assert_eq!(
        files(&server.folder.path().join("blobless")),
        files(server.source.path())
    );

    server.ok(&[
        "clone",
        "--quiet",
        "--single-branch",
        "--branch=side",
        &url,
        "single",
    ]);
    let branches = server.ok(&["-C", "single", "branch", "--remotes", "--format=%(refname)"]);
    assert_eq!(branches, "refs/remotes/origin/side");
    server.ok(&["-C", "single", "fsck", "--full"]);
    assert_eq!(server.sessions(), 0);
}

#[test]
fn an_old_client_is_served_and_a_fetch_brings_what_is_new() {
    let server = Server::start();
    let url = server.url();
    server.ok(&[
        "-c",
        "protocol.version=0",
        "clone",
        "--quiet",
        &url,
        "clone",
    ]);
    server.ok(&["-C", "clone", "fsck", "--full"]);
    server.source.write("new.txt", "new\n");
    let id = server.source.commit("later");
    server.import();
    server.ok(&["-C", "clone", "pull", "--quiet", "--ff-only"]);
    assert_eq!(server.ok(&["-C", "clone", "rev-parse", "HEAD"]), id);
    assert_eq!(
        fs::read(server.folder.path().join("clone/new.txt")).unwrap(),
        b"new\n"
    );
}

#[test]
fn clones_at_once_are_all_right() {
    let server = Server::start();
    let url = server.url();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (server, url) = (&server, &url);
            scope.spawn(move || {
                let clone = format!("clone-{n}");
                server.ok(&["clone", "--quiet", url, &clone]);
                server.ok(&["-C", &clone, "fsck", "--full"]);
            });
        }
    });
    assert_eq!(server.sessions(), 0);
}

#[test]
fn what_is_not_served_is_refused_in_words() {
    let server = Server::start();
    let url = server.url();
    let other = url.replace("team/x", "team/y");
    let message = server.refused(&["clone", "--quiet", &other, "clone"]);
    assert!(
        message.contains("there is no repository `team/y` here"),
        "{message}"
    );
    let outside = url.replace("team/x.git", "../../etc");
    let message = server.refused(&["clone", "--quiet", &outside, "clone"]);
    assert!(message.contains("no repository of that name"), "{message}");

    server.ok(&["clone", "--quiet", &url, "clone"]);
    let before = manifest::read(&server.bucket(), "team/x").unwrap().unwrap();
    let push = [
        "-C",
        "clone",
        "push",
        "--quiet",
        "origin",
        "HEAD:refs/heads/pushed",
    ];
    let message = server.refused(&push);
    assert!(
        message.contains("pushing is not supported yet"),
        "{message}"
    );
    let after = manifest::read(&server.bucket(), "team/x").unwrap().unwrap();
    assert_eq!(before.manifest, after.manifest);

    // Commands of a person, and of somebody worse.
    let target = url.trim_start_matches("ssh://").split(':').next().unwrap();
    for (command, words) in [
        (None, "has no shell"),
        (Some("id; cat /etc/passwd"), "and nothing else"),
        (
            Some("git-upload-pack 'team/x' --help; id"),
            "and nothing else",
        ),
        (Some("git-upload-archive 'team/x'"), "and nothing else"),
    ] {
        let ssh = server.ssh();
        let mut words_of_ssh = ssh.split(' ');
        let mut run = Command::new(words_of_ssh.next().unwrap());
        run.args(words_of_ssh)
            .args(["-T", "-p", &server.port, target]);
        let output = run.args(command).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        assert_eq!(text(&output.stdout), "");
        assert!(
            text(&output.stderr).contains(words),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_tampered_or_missing_pack_is_never_served() {
    let server = Server::start();
    let url = server.url();
    let entry = manifest::read(&server.bucket(), "team/x")
        .unwrap()
        .unwrap()
        .manifest
        .packs[0];
    let keys = [
        layout::pack("team/x", entry.pack.sha256()),
        layout::pack_index("team/x", entry.idx.sha256()),
    ];
    for key in keys {
        let path = server.folder.path().join("bucket").join(&key);
        let good = fs::read(&path).unwrap();
        let mut evil = good.clone();
        evil[good.len() / 2] ^= 1;
        fs::write(&path, evil).unwrap();
        let message = server.refused(&["clone", "--quiet", &url, "clone"]);
        assert!(message.contains("not what the manifest says"), "{message}");
        fs::remove_file(&path).unwrap();
        let message = server.refused(&["clone", "--quiet", &url, "clone"]);
        assert!(message.contains("which the manifest names"), "{message}");
        assert!(!server.folder.path().join("clone").exists());
        fs::write(&path, good).unwrap();
    }
    // Neither is a manifest that was changed by hand.
    let path = server
        .folder
        .path()
        .join("bucket")
        .join(layout::manifest("team/x"));
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("\"version\": 1", "\"version\": 2")).unwrap();
    let message = server.refused(&["clone", "--quiet", &url, "clone"]);
    assert!(message.contains("has version 2"), "{message}");
    fs::write(&path, good).unwrap();
    server.ok(&["clone", "--quiet", &url, "clone"]);
    assert_eq!(server.sessions(), 0);
}

#[test]
fn a_killed_session_is_cleared_away_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let source = GitFixture::with_history(5);
    let bucket = Bucket::create(at("bucket").to_str().unwrap()).unwrap();
    import(&Repository::discover(source.path()).unwrap(), &bucket, "x").unwrap();
    let spawn = || {
        let mut command = Command::new(forced_command());
        command.args([at("bucket"), at("cache")]);
        command.env("SSH_ORIGINAL_COMMAND", "git-upload-pack 'x'");
        command.env_remove("GIT_PROTOCOL");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let sessions = || fs::read_dir(at("cache/sessions")).unwrap().count();
    for _ in 0..5 {
        let mut killed = spawn();
        // The first bytes of the ref advertisement: git is at work.
        let mut first = [0; 4];
        killed
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut first)
            .unwrap();
        assert_eq!(sessions(), 2, "what the one before left is gone");
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    let mut last = spawn();
    drop(last.stdin.take());
    // Git complains that the client hung up; the session cleans up all the same.
    last.wait_with_output().unwrap();
    assert_eq!(sessions(), 0);
}
