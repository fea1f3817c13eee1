//! Throw-away git repositories for tests, made by stock git.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A repository in a temporary folder that disappears with it.
///
/// Git sees no configuration but the repository's own, and fixed names and
/// times, so that equal fixtures have equal object ids.
#[derive(Debug)]
pub struct GitFixture {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl GitFixture {
    /// Makes an empty repository with the branch `main`.
    ///
    /// # Panics
    /// When git fails.
    #[must_use]
    pub fn new() -> Self {
        Self::init(&[])
    }

    /// Makes an empty repository, with more arguments for `git init`.
    ///
    /// # Panics
    /// When git fails.
    #[must_use]
    pub fn init(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("repository");
        let fixture = Self { folder, path };
        fs::create_dir(&fixture.path).expect("a folder");
        let mut all = vec!["init", "--quiet", "--initial-branch=main"];
        all.extend(arguments);
        fixture.git(&all);
        fixture
    }

    /// Makes a repository with a history worth packing: `commits` versions of a
    /// text that change a little, a side branch and its merge, an annotated tag,
    /// a tag of a blob, a branch named `side`.
    ///
    /// # Panics
    /// When git fails.
    #[must_use]
    pub fn with_history(commits: usize) -> Self {
        let fixture = Self::new();
        let mut lines: Vec<_> = (0..400).map(|n| format!("line {n} of a text")).collect();
        for n in 0..commits {
            lines[n * 37 % 400] = format!("changed in commit {n}");
            fixture.write("text.txt", lines.join("\n"));
            fixture.write(&format!("folder/file-{}.txt", n % 7), format!("{n}\n"));
            fixture.commit(&format!("commit {n}"));
        }
        fixture.git(&["tag", "-a", "v1", "-m", "the first version"]);
        fixture.git(&["checkout", "--quiet", "-b", "side", "HEAD~1"]);
        fixture.write("side.txt", "side\n");
        fixture.commit("on the side");
        fixture.git(&["checkout", "--quiet", "main"]);
        fixture.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
        fixture.git(&["tag", "a-blob", "HEAD:side.txt"]);
        fixture
    }

    /// Returns the work tree (the git folder itself when it is bare).
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a folder beside the repository that disappears with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs git in the repository, and returns what it printed, trimmed.
    ///
    /// # Panics
    /// When git fails.
    #[track_caller]
    pub fn git<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        let output = self.try_git(arguments);
        assert!(
            output.status.success(),
            "git failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.trim_end().to_owned()
    }

    /// Runs git in the repository.
    ///
    /// # Panics
    /// When git cannot be started.
    pub fn try_git<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        let mut command = Command::new("git");
        hermetic(&mut command).current_dir(&self.path);
        command.args(arguments).output().expect("git starts")
    }

    /// Writes a file of the work tree.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        let parent = path.parent().expect("a file is in a folder");
        fs::create_dir_all(parent).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Writes an executable hook.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn hook(&self, name: &str, script: &str) {
        let folder = self.git(&["rev-parse", "--git-path", "hooks"]);
        let path = self.path.join(folder).join(name);
        fs::create_dir_all(path.parent().expect("hooks")).expect("a folder");
        fs::write(&path, script).expect("a hook");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Commits everything in the work tree and returns the commit's id.
    ///
    /// # Panics
    /// When git fails.
    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}

impl Default for GitFixture {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes `command`, which runs git, independent of the machine and its user.
pub fn hermetic(command: &mut Command) -> &mut Command {
    let variables = std::env::vars_os().map(|(name, _)| name);
    for name in variables.filter(|name| name.as_encoded_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.org")
        .env("GIT_AUTHOR_DATE", "1700000000 +0100")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.org")
        .env("GIT_COMMITTER_DATE", "1700000000 +0100")
        .env("LC_ALL", "C")
}
