//! A world of its own for each test: a home, a cache, repositories.

// The crate `dhall` tests with all of it.
#[allow(dead_code)]
#[path = "../../dhall/src/tests/server.rs"]
pub mod server;
pub mod signing;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A hermetic environment. Nothing of the user's configuration is seen.
pub struct TestEnvironment {
    folder: TempDir,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Outcome {
    /// Returns the outcome of a command that must have succeeded.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Returns the outcome of a command that must have ended with `code`.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl TestEnvironment {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("straylight-test-")
            .tempdir()
            .unwrap();
        // Another user may have to look in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["home", "cache", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// Returns the folder that holds everything.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// Returns the folder of straylight's cache.
    pub fn cache(&self) -> PathBuf {
        self.root().join("cache/straylight")
    }

    /// Gives this environment the captured toolchains, and returns the text of
    /// the file that pins them. They are captured once for all tests.
    pub fn toolchains(&self) -> String {
        let shared = captured();
        link_tree(&shared.join("cache"), &self.root().join("cache"));
        fs::read_to_string(shared.join("toolchains.dhall")).unwrap()
    }

    /// Makes a repository with files, and commits them.
    pub fn repository(&self, name: &str, files: &[(&str, &str)]) -> Repo<'_> {
        let repo = Repo {
            environment: self,
            path: self.root().join(name),
        };
        fs::create_dir_all(&repo.path).unwrap();
        repo.git(["init", "-q", "-b", "main"]);
        for (path, text) in files {
            repo.write(path, text);
        }
        repo.commit("first");
        repo
    }

    /// Returns a repository that is there already.
    pub fn open(&self, path: impl Into<PathBuf>) -> Repo<'_> {
        Repo {
            environment: self,
            path: path.into(),
        }
    }

    /// Makes a fixture of `tests/fixtures` in a folder of the environment,
    /// pinned and committed.
    pub fn fixture(&self, fixture: &str, name: &str) -> Repo<'_> {
        let path = self.root().join(name);
        // Cargo finds the crate with the configuration of who runs the tests.
        let made = Command::new(workspace().join("tests/fixtures").join(fixture))
            .arg(&path)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{told}");
        let repo = self.open(path);
        repo.write("toolchains.dhall", &self.toolchains());
        repo.commit("pin the toolchains");
        repo
    }

    /// Returns a command with the hermetic environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_git-straylight"))
            .parent()
            .unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("HOME", self.home())
            .env("XDG_CACHE_HOME", self.root().join("cache"))
            .env("TMPDIR", self.root().join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", "2")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .env("GIT_CONFIG_KEY_1", "protocol.file.allow")
            .env("GIT_CONFIG_VALUE_1", "always")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "Test")
            .env("GIT_AUTHOR_EMAIL", "test@example.com")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "Test")
            .env("GIT_COMMITTER_EMAIL", "test@example.com")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .current_dir(self.root())
            .stdin(Stdio::null());
        command
    }
}

/// A repository of a test.
pub struct Repo<'a> {
    pub environment: &'a TestEnvironment,
    pub path: PathBuf,
}

impl Repo<'_> {
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path.join(path)).unwrap()
    }

    /// Runs git; it must succeed. Returns what it printed, trimmed.
    #[track_caller]
    pub fn git<const N: usize>(&self, arguments: [&str; N]) -> String {
        let outcome = self.run("git", &arguments).success();
        outcome.stdout.trim().to_owned()
    }

    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "--allow-empty", "-m", message]);
        self.git(["rev-parse", "HEAD"])
    }

    /// Runs `git straylight`.
    #[track_caller]
    pub fn straylight(&self, arguments: &[&str]) -> Outcome {
        self.run(env!("CARGO_BIN_EXE_git-straylight"), arguments)
    }

    /// Runs a program in the repository.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        outcome(
            self.environment
                .command(program)
                .args(arguments)
                .current_dir(&self.path),
        )
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// Checks that a text has all of these parts.
#[track_caller]
pub fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

/// Returns what a build printed without its time, which differs.
pub fn timeless(text: &str) -> String {
    let lines = text.lines().map(|line| match line.rsplit_once(" (") {
        Some((start, end)) if end.ends_with(" s)") => start.to_owned(),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the import of a library file, pinned to this release.
pub fn import(path: &str) -> String {
    let url = format!("https://straylight.cx/{path}");
    let index = concat!(env!("CARGO_MANIFEST_DIR"), "/../dhall/released/index");
    let index = fs::read_to_string(index).unwrap();
    let newest = index
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(&format!("{url} ")));
    format!("{url} sha256:{}", newest.unwrap())
}

/// Returns the folder of the repository that is tested.
pub fn workspace() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap()
}

/// Returns a folder with a cache that has the toolchains of this machine.
fn captured() -> PathBuf {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains");
    fs::create_dir_all(&shared).unwrap();
    let lock = fs::File::create(shared.join("lock")).unwrap();
    lock.lock().unwrap();
    let stamp = shared.join("made-by");
    // A new program may capture differently.
    let program = Path::new(env!("CARGO_BIN_EXE_git-straylight"));
    let made_by = format!("{:?}", fs::metadata(program).unwrap().modified().unwrap());
    if fs::read_to_string(&stamp).is_ok_and(|old| old == made_by) {
        return shared;
    }
    let environment = TestEnvironment::new();
    let repo = environment.repository("capture", &[]);
    let mut capture = environment.command(program);
    capture
        .args(["toolchain", "capture", "gcc", "rustc", "posix"])
        .current_dir(&repo.path);
    // Which compiler is rustup's choice, the home says that the tests run in.
    for name in ["RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        capture.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    outcome(&mut capture).success();
    let _ = fs::remove_dir_all(shared.join("cache"));
    link_tree(&environment.root().join("cache"), &shared.join("cache"));
    fs::copy(
        repo.path.join("toolchains.dhall"),
        shared.join("toolchains.dhall"),
    )
    .unwrap();
    fs::write(&stamp, made_by).unwrap();
    shared
}

/// Makes `to` have the files of `from`: linked where possible, or else copied.
/// Stored files are never written to, so that links are safe; a test that
/// damages one replaces it.
fn link_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let linked = Command::new("cp")
        .arg("-al")
        .arg(from.join("."))
        .arg(to)
        .output();
    if !linked.is_ok_and(|output| output.status.success()) {
        let copied = Command::new("cp")
            .arg("-a")
            .arg(from.join("."))
            .arg(to)
            .status();
        assert!(copied.unwrap().success());
    }
}
