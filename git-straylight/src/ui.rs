//! What people see: results and messages.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use straylight_build::ActionFailure;

use crate::error::{CommandError, Kind};

const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What is not right yet.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
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

/// Writes many lines of the result at once, without colours.
pub(crate) fn results(lines: impl Iterator<Item = impl fmt::Display>) {
    const BUFFER: usize = 1 << 16;
    let mut to = std::io::BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
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

/// Writes what may help.
pub(crate) fn hint(line: impl fmt::Display) {
    message(format_args!("{HINT}hint{HINT:#}: {line}"));
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
        self::hint(hint);
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

/// Returns a failed command, to be pasted into a shell, and what it printed.
pub(crate) fn action_output(failure: &ActionFailure) -> String {
    let mut text = styled(FAINT, format_args!("$ {}", shell_command(failure)));
    for stream in [&failure.stdout, &failure.stderr] {
        let printed = String::from_utf8_lossy(stream);
        if !printed.trim().is_empty() {
            text.push('\n');
            text.push_str(printed.trim_end_matches('\n'));
        }
    }
    text
}

/// Returns a command as a shell reads it, with the variables that it needs.
fn shell_command(failure: &ActionFailure) -> String {
    let variables = failure.environment.iter();
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let env = (!variables.is_empty()).then(|| "env".to_owned());
    let words = env.iter().chain(&variables).chain(&failure.command);
    let words: Vec<String> = words.map(|word| quoted(word)).collect();
    words.join(" ")
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

/// Returns how many bytes there are: `75 bytes`, `253.3 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return count(usize::try_from(bytes).unwrap_or(usize::MAX), "byte");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
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

    #[test]
    fn shows_sizes_in_three_digits() {
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(1_023_999_999), "976.6 MiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
    }
}
