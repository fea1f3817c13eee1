//! Stock `git`, run on the user's repository.

use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

use super::{RepoError, Repository};

impl Repository {
    /// Returns a `git` command that works on this repository and no other, in
    /// which ids name their content, and whose messages are in English.
    pub(super) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(self.work_tree().unwrap_or(self.git_dir()))
            .env("GIT_DIR", self.git_dir())
            .env("GIT_COMMON_DIR", self.common_dir())
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_GRAFT_FILE", "/dev/null")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .env_remove("GIT_PREFIX")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match self.work_tree() {
            Some(work_tree) => command.env("GIT_WORK_TREE", work_tree),
            None => command.env_remove("GIT_WORK_TREE"),
        };
        match &self.quarantine {
            // Absolute: this command has another current folder.
            Some(quarantine) => command.env("GIT_OBJECT_DIRECTORY", &quarantine.objects),
            None => command
                .env_remove("GIT_OBJECT_DIRECTORY")
                .env_remove("GIT_ALTERNATE_OBJECT_DIRECTORIES")
                .env_remove("GIT_QUARANTINE_PATH"),
        };
        command
    }

    /// Runs `git` with `input` on its standard input, and waits for its end.
    pub(super) fn run_git(&self, arguments: &[&str], input: &[u8]) -> Result<Output, RepoError> {
        let no_git = |source| RepoError::NoGit { source };
        let mut child = self
            .git(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(no_git)?;
        let mut stdin = child.stdin.take().expect("it was asked for");
        std::thread::scope(|scope| {
            // In a thread of its own, so that neither side waits for the other.
            let writer = scope.spawn(move || stdin.write_all(input));
            let output = child.wait_with_output().map_err(no_git)?;
            match writer.join().expect("writing does not panic") {
                // Who stops reading says why on stderr.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(no_git(error)),
                _ => Ok(output),
            }
        })
    }

    /// Runs `git`, which must succeed, and returns what it printed.
    pub(super) fn git_output(
        &self,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<Vec<u8>, RepoError> {
        let output = self.run_git(arguments, input)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(failed(arguments, &output))
    }
}

/// Returns the error for a `git` that did not succeed.
pub(super) fn failed(arguments: &[&str], output: &Output) -> RepoError {
    let stderr = String::from_utf8_lossy(&output.stderr);
    RepoError::Git {
        command: format!("git {}", arguments.join(" ")),
        message: match stderr.trim() {
            "" => output.status.to_string(),
            message => message.to_owned(),
        },
    }
}
