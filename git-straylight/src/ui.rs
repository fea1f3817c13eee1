//! What people see: results, progress, messages.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use straylight_build::observer::{Event, Observer};
use straylight_build::{ActionFailure, Label};

use crate::error::{CommandError, Kind};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// What is good.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is bad.
pub(crate) const BAD: Style = ERROR;
/// What is no more.
pub(crate) const REMOVED: Style = AnsiColor::Red.on_default();
/// What leads the eye.
pub(crate) const HIGHLIGHT: Style = AnsiColor::Yellow.on_default();
/// What is less important.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Writes a line of the result. A reader that has gone away ends the program
/// quietly, as it does for other programs in a pipe.
pub(crate) fn result(line: impl fmt::Display) {
    if writeln!(anstream::stdout(), "{line}").is_err() {
        std::process::exit(Kind::Negative as i32);
    }
}

/// Writes many lines of the result at once.
pub(crate) fn results(lines: impl Iterator<Item = impl fmt::Display>) {
    let mut to = std::io::BufWriter::new(anstream::stdout().lock());
    let write = || {
        for line in lines {
            writeln!(to, "{line}")?;
        }
        to.flush()
    };
    let written: std::io::Result<()> = write();
    if written.is_err() {
        std::process::exit(Kind::Negative as i32);
    }
}

/// Writes bytes of the result, as they are.
pub(crate) fn result_bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(Kind::Negative as i32);
    }
}

/// Writes a message for the person at the terminal.
pub(crate) fn message(line: impl fmt::Display) {
    // Nobody can be told that the messages cannot be written.
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Writes a warning.
pub(crate) fn warning(line: impl fmt::Display) {
    message(format_args!("{WARNING}warning{WARNING:#}: {line}"));
}

/// Returns `text` in a style.
pub(crate) fn styled(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns whether messages are shown with colours.
pub(crate) fn colored() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Shows an error, and returns its exit code.
pub(crate) fn report(error: &CommandError) -> ExitCode {
    message_of(error);
    ExitCode::from(error.kind as u8)
}

/// Shows an error and its hints.
pub(crate) fn message_of(error: &CommandError) {
    if !error.message.is_empty() {
        message(format_args!("{ERROR}error{ERROR:#}: {}", error.message));
    }
    if let Some(place) = &error.place {
        message(format_args!("  {FAINT}-->{FAINT:#} {place}"));
    }
    if let Some(detail) = &error.detail {
        message(detail.trim_end());
    }
    for hint in &error.hints {
        message(format_args!("{HINT}hint{HINT:#}: {hint}"));
    }
}

/// Shows what clap has to say: help on standard output, errors on the other.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nobody can be told that the messages cannot be written.
    let _ = error.print();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(Kind::Usage as u8),
    }
}

/// Returns what a failed command printed, and the command itself.
pub(crate) fn action_output(failure: &ActionFailure) -> Option<String> {
    let mut text = String::new();
    for stream in [&failure.stdout, &failure.stderr] {
        text.push_str(&String::from_utf8_lossy(stream));
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }
    let command: Vec<String> = failure.command.iter().map(|word| quoted(word)).collect();
    let _ = write!(text, "{FAINT}$ {}{FAINT:#}", command.join(" "));
    Some(text)
}

/// Returns a word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Returns `1 action`, `2 actions`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Shows what a build does while it runs: one line on a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    verbose: bool,
    state: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    finished: usize,
    reused: usize,
    /// What runs now, oldest first.
    running: BTreeMap<usize, String>,
    started: usize,
    /// How long what has ended took.
    walls: BTreeMap<String, Duration>,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(verbose: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            terminal: std::io::stderr().is_terminal() && !dumb,
            verbose,
            state: Mutex::default(),
        }
    }

    /// Returns how long a step of a target ran, if it did.
    pub(crate) fn wall(&self, label: &Label, step: &str) -> Option<Duration> {
        let name = format!("{label}: {step}");
        self.state().walls.get(&name).copied()
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.erase(&mut self.state());
    }

    fn state(&self) -> MutexGuard<'_, Running> {
        // What is shown is not worth a panic of its own.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn erase(&self, state: &mut Running) {
        if std::mem::take(&mut state.shown) {
            let _ = write!(anstream::stderr(), "\r\x1b[2K");
        }
    }

    fn draw(&self, state: &mut Running) {
        let Some(oldest) = state.running.values().next().filter(|_| self.terminal) else {
            return;
        };
        let more = match state.running.len() {
            1 => String::new(),
            running => format!(" (+{})", running - 1),
        };
        let line = format!(
            "[{} run, {} reused] {oldest}{more}",
            state.finished, state.reused
        );
        let line: String = line.chars().take(width().saturating_sub(1)).collect();
        let _ = write!(anstream::stderr(), "\r\x1b[2K{line}");
        state.shown = true;
    }
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        let mut state = self.state();
        match event {
            Event::Started { label, step, .. } => {
                state.started += 1;
                let number = state.started;
                state.running.insert(number, format!("{label}: {step}"));
            }
            Event::Finished {
                label,
                step,
                succeeded,
                usage,
                stderr,
                ..
            } => {
                let wall = usage.wall;
                let name = format!("{label}: {step}");
                let number = state.running.iter().find(|(_, running)| **running == name);
                if let Some(number) = number.map(|(number, _)| *number) {
                    state.running.remove(&number);
                }
                state.finished += 1;
                state.walls.insert(name.clone(), wall);
                self.erase(&mut state);
                if self.verbose && succeeded {
                    message(format_args!(
                        "{name} {FAINT}{:.2} s{FAINT:#}",
                        wall.as_secs_f64()
                    ));
                }
                if !stderr.is_empty() {
                    message(format_args!("{WARNING}{name}{WARNING:#}:"));
                    message(String::from_utf8_lossy(stderr).trim_end());
                }
            }
            Event::Reused { .. } => state.reused += 1,
            Event::Wanted { .. } | Event::Worked { .. } => return,
            Event::Warning {
                place,
                message: text,
            } => {
                self.erase(&mut state);
                warning(text);
                message(format_args!("  {FAINT}-->{FAINT:#} {place}"));
            }
        }
        self.draw(&mut state);
    }
}

/// Returns the number of columns of the terminal.
fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map(|size| usize::from(size.ws_col))
        .ok()
        .filter(|columns| *columns > 0)
        .unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_shell_would_read_otherwise() {
        assert_eq!(quoted("-I/usr/include"), "-I/usr/include");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn counts_in_english() {
        assert_eq!(count(1, "action"), "1 action");
        assert_eq!(count(0, "action"), "0 actions");
    }
}
