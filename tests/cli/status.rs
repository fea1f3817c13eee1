//! What a terminal shows while a build runs, and what stays on it.

use std::io::{Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};

use crate::cli::build::package;
use crate::support::{Repo, TestEnvironment};

/// A program on a terminal.
struct Terminal {
    child: std::process::Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    /// What it has printed so far.
    bytes: Vec<u8>,
}

impl Terminal {
    fn start(repo: &Repo<'_>, columns: usize, arguments: &str, variable: (&str, &str)) -> Self {
        let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_git-straylight"));
        Self::start_command(repo, columns, &command, variable)
    }

    fn start_command(
        repo: &Repo<'_>,
        columns: usize,
        command: &str,
        variable: (&str, &str),
    ) -> Self {
        let line = format!("stty cols {columns} rows 24; exec {command}");
        let mut child = repo
            .environment
            .command("script")
            .args(["-qec", &line, "/dev/null"])
            .env("TERM", "xterm")
            .env(variable.0, variable.1)
            .current_dir(&repo.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            keyboard: child.stdin.take().unwrap(),
            screen: child.stdout.take().unwrap(),
            child,
            bytes: Vec::new(),
        }
    }

    /// Reads until `text` was printed.
    fn wait_for(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.bytes).contains(text) {
            let mut buffer = [0; 4096];
            let read = self.screen.read(&mut buffer).unwrap();
            assert_ne!(
                read,
                0,
                "no `{text}` in {}",
                String::from_utf8_lossy(&self.bytes)
            );
            self.bytes.extend(&buffer[..read]);
        }
    }

    /// Reads to the end; returns the exit code and all that was printed.
    fn end(mut self) -> (i32, String) {
        self.screen.read_to_end(&mut self.bytes).unwrap();
        drop(self.keyboard);
        let status = self.child.wait().unwrap();
        (
            status.code().unwrap(),
            String::from_utf8(self.bytes).unwrap(),
        )
    }
}

/// Returns what is on the screen after a text was printed, for the sequences
/// that the program uses. Colours are left out.
fn screen(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['));
                let mut number = String::new();
                let command = loop {
                    let character = rest.next().unwrap();
                    if character.is_ascii_alphabetic() {
                        break character;
                    }
                    number.push(character);
                };
                match command {
                    'm' => {}
                    'A' => row = row.checked_sub(number.parse().unwrap()).unwrap(),
                    'J' => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    command => panic!("`{number}{command}` is new"),
                }
            }
            character => {
                assert!(column < columns, "a line is too long:\n{text}");
                while lines[row].len() <= column {
                    lines[row].push(' ');
                }
                lines[row][column] = character;
                column += 1;
            }
        }
        while lines.len() <= row {
            lines.push(Vec::new());
        }
    }
    let lines = lines.iter().map(|line| line.iter().collect::<String>());
    lines.map(|line| line.trim_end().to_owned()).collect()
}

/// Two commands, of which one warns; both take longer than a terminal waits.
fn slow(environment: &TestEnvironment) -> Repo<'_> {
    let command = |name: &str, script: &str| {
        format!(
            r#"{name} = Command.command Command.Command::{{ name = "{name}", root = Some toolchains.posix.artifact, arguments = shell "{script}" [ Command.out "a" ], outputs = [ "a" ] }}"#
        )
    };
    let warns = command("warns", "sleep 0.5; echo careful >&2; echo > $1");
    let quiet = command("quiet", "sleep 1; echo > $1");
    let stays = command("stays", "sleep 30; echo > $1");
    package(environment, &[warns, quiet, stays].join(", "))
}

#[test]
fn a_terminal_shows_what_runs_and_keeps_only_messages() {
    let environment = TestEnvironment::new();
    let repo = slow(&environment);
    let build = "build //it:warns //it:quiet -j 2";
    let (code, printed) = Terminal::start(&repo, 120, build, ("NO_COLOR", "1")).end();
    assert_eq!(code, 0, "{printed}");
    // It was drawn, with the commands below.
    assert!(
        printed.contains("    Building [>                        ] 0/2, 0."),
        "{printed}"
    );
    assert!(
        printed.contains("             //it:quiet: command 0."),
        "{printed}"
    );
    // No colours: nothing but moves of the cursor.
    assert!(
        !printed.contains("\u{1b}[0m") && !printed.contains("\u{1b}[1m"),
        "{printed}"
    );
    let left = screen(&printed, 120);
    assert_eq!(left[..2], ["//it:warns: command:", "careful"], "{left:?}");
    assert!(
        left[2].starts_with("//it:quiet  straylight-out/it/quiet/a  ca://sha256:"),
        "{left:?}"
    );
    let [.., summary, end] = &left[..] else {
        panic!("{left:?}")
    };
    assert!(summary.starts_with("2 actions run ("), "{left:?}");
    assert_eq!(end, "");
}

#[test]
fn an_interrupt_leaves_nothing_on_the_terminal() {
    let environment = TestEnvironment::new();
    let repo = slow(&environment);
    let program = env!("CARGO_BIN_EXE_git-straylight");
    // Git gets the signal of the terminal, too, and hands it on.
    for program in [program, "git straylight"] {
        let command = format!("{program} build //it:stays");
        let variable = ("CLICOLOR", "1");
        let mut terminal = Terminal::start_command(&repo, 40, &command, variable);
        terminal.wait_for("//it:stays: comma");
        terminal.keyboard.write_all(b"\x03").unwrap();
        let (code, printed) = terminal.end();
        assert_eq!(code, 130, "{printed}");
        let left = screen(&printed, 40);
        let [interrupted, summary, end] = &left[..] else {
            panic!("{left:?}")
        };
        assert_eq!(interrupted, "interrupted");
        assert!(summary.starts_with("1 action run ("), "{left:?}");
        assert_eq!(end, "");
    }
}

#[test]
fn a_pipe_has_no_control_characters() {
    let environment = TestEnvironment::new();
    let repo = slow(&environment);
    let built = repo.straylight(&["build", "//it:warns"]).success();
    let control = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
    assert!(
        !control(&built.stdout) && !control(&built.stderr),
        "{}",
        built.stderr
    );
    assert_eq!(
        crate::support::timeless(&built.stderr),
        "//it:warns: command:\ncareful\n1 action run"
    );
}
