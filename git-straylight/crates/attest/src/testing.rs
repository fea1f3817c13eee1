//! What the tests of this crate share: scratch folders, the real OpenSSH tools,
//! a real ssh-agent.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use straylight_odb::fixture::GitFixture;
use straylight_odb::{ObjectId, Repository};

use crate::allowed_signers::AllowedSigners;
use crate::dsse::{Envelope, IN_TOTO, Signer as _};
use crate::record::{Recorded, record};
use crate::signed_commit::Author;
use crate::ssh::{FileSigner, generate};
use crate::statement::tests::example;

/// A folder that goes away with the test.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes a key with the real `ssh-keygen`.
    pub(crate) fn ssh_keygen(&self, name: &str, kind: &str, passphrase: &str) -> PathBuf {
        let path = self.path(name);
        let fixed = ["-q", "-t", kind, "-C", "test@example.org", "-N", passphrase];
        let mut arguments: Vec<&OsStr> = fixed.iter().map(OsStr::new).collect();
        arguments.extend([OsStr::new("-f"), path.as_os_str()]);
        run("ssh-keygen", arguments);
        path
    }

    /// Puts a passphrase on the key in `path`.
    pub(crate) fn encrypt(&self, path: &Path, passphrase: &str) {
        let fixed = ["-q", "-p", "-P", "", "-N", passphrase, "-f"];
        let mut arguments: Vec<&OsStr> = fixed.iter().map(OsStr::new).collect();
        arguments.push(path.as_os_str());
        run("ssh-keygen", arguments);
    }
}

/// A real ssh-agent in the foreground, ended with the test.
pub(crate) struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    pub(crate) fn start(scratch: &Scratch) -> Self {
        use std::io::{BufRead as _, BufReader};
        let socket = scratch.path("agent.sock");
        let mut child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints the socket's name once it listens.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
        Self { child, socket }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn add(&self, key: &Path) {
        self.ssh_add([OsStr::new("-q"), key.as_os_str()]);
    }

    pub(crate) fn forget_all(&self) {
        self.ssh_add([OsStr::new("-q"), OsStr::new("-D")]);
    }

    fn ssh_add<'a>(&self, arguments: impl IntoIterator<Item = &'a OsStr>) {
        let output = Command::new("ssh-add")
            .env("SSH_AUTH_SOCK", &self.socket)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program that must succeed, and returns its standard output.
pub(crate) fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> String {
    let output = feed(program, arguments, b"");
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program with `input`, and returns how it ended.
pub(crate) fn feed<'a>(
    program: &str,
    arguments: impl IntoIterator<Item = &'a OsStr>,
    input: &[u8],
) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program may end before it read everything: its status tells the rest.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// A repository with one commit, a key, and what it takes to attest.
pub(crate) struct Project {
    pub(crate) fixture: GitFixture,
    pub(crate) repository: Repository,
    pub(crate) signer: FileSigner,
    pub(crate) author: Author,
    pub(crate) commit: ObjectId,
    pub(crate) tree: ObjectId,
    pub(crate) scratch: Scratch,
}

/// The moment at which the tests happen.
pub(crate) fn now() -> jiff::Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

impl Project {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new();
        let signer = generate(&scratch.path("key"), "").unwrap();
        let fixture = GitFixture::new();
        fixture.write("main.c", "int main(void) { return 0; }\n");
        let commit: ObjectId = fixture.commit("first").parse().unwrap();
        let repository = Repository::discover(fixture.path()).unwrap();
        let tree = repository.read_commit(commit).unwrap().tree;
        let author = Author {
            name: "Ada <Lovelace>\n".to_owned(),
            email: "ada@example.org".to_owned(),
        };
        Self {
            fixture,
            repository,
            signer,
            author,
            commit,
            tree,
            scratch,
        }
    }

    /// Returns an attestation of `label` at the project's commit.
    pub(crate) fn envelope(&self, label: &str) -> Envelope {
        self.envelope_by(&self.signer, label)
    }

    pub(crate) fn envelope_by(&self, signer: &FileSigner, label: &str) -> Envelope {
        let statement = example(label, self.commit, self.tree, b"artifact");
        Envelope::sign(IN_TOTO, &statement.to_bytes(), signer).unwrap()
    }

    pub(crate) fn record(&self, envelopes: &[Envelope]) -> Recorded {
        let Self {
            repository,
            signer,
            author,
            ..
        } = self;
        record(repository, signer, author, now(), envelopes).unwrap()
    }

    /// The line of the allowed-signers file that trusts the project's key.
    pub(crate) fn allowed_line(&self) -> String {
        format!(
            "ada@example.org {}\n",
            self.signer.public_key().to_openssh()
        )
    }

    pub(crate) fn allowed(&self) -> AllowedSigners {
        AllowedSigners::parse(&self.allowed_line(), "allowed").unwrap()
    }
}
