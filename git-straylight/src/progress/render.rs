//! The lines that show how far a build is.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::State;
use crate::ui::{FAINT, GOOD, count, styled};

/// How many running commands are named.
const NAMED: usize = 4;
/// The width of the column that the first word ends at.
const MARGIN: usize = 12;
/// The width of the bar.
const BAR: usize = 25;
/// Columns that stay free at the end of a line: an interrupt is echoed there.
const SPARE: usize = 3;

/// The size of a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Region {
    /// Returns the size that the terminal has now.
    pub(super) fn now() -> Self {
        let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
        let or = |value: Option<u16>, default: usize| value.map_or(default, usize::from).max(1);
        let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
        Self {
            columns: or(size.map(|size| size.ws_col), 80),
            rows: or(size.map(|size| size.ws_row), 24),
        }
    }
}

/// Returns what is shown on a terminal; each line fits into one row.
pub(super) fn frame(state: &State, now: Instant, region: Region, colored: bool) -> Vec<String> {
    let columns = region.columns.saturating_sub(SPARE);
    let verb = if state.wanted == 0 {
        "Evaluating"
    } else {
        "Building"
    };
    let line = fit(
        &format!("{verb:>MARGIN$} {}", head(state, now, columns)),
        columns,
    );
    let mut lines = vec![match line.find(verb).filter(|_| colored) {
        Some(at) => {
            let (margin, rest) = line.split_at(at);
            format!("{margin}{}{}", styled(GOOD, verb), &rest[verb.len()..])
        }
        None => line,
    }];
    // The cursor stays in the last row, so one more is never needed.
    let named = NAMED.min(region.rows.saturating_sub(2));
    for (name, start) in state.running.values().take(named) {
        let seconds = seconds(now.saturating_duration_since(*start));
        let room = columns.saturating_sub(MARGIN + 2 + seconds.width() + 1);
        let line = fit(
            &format!("{:MARGIN$} {} {seconds}", "", fit(name, room)),
            columns,
        );
        lines.push(if colored { styled(FAINT, line) } else { line });
    }
    lines
}

/// Returns the first line without its first word.
fn head(state: &State, now: Instant, columns: usize) -> String {
    let elapsed = seconds(now.saturating_duration_since(state.start));
    if state.wanted == 0 {
        return format!("{}, {elapsed}", count(state.packages, "package"));
    }
    let done = (state.finished + state.reused).min(state.wanted);
    let mut text = String::new();
    if columns >= 2 * (MARGIN + BAR) {
        text = format!("[{}] ", bar(done, state.wanted));
    }
    // Writing to a `String` cannot fail.
    let _ = write!(text, "{done}/{}, {elapsed}", state.wanted);
    if state.reused > 0 {
        let _ = write!(text, ", {} reused", state.reused);
    }
    if state.failed > 0 {
        let _ = write!(text, ", {} failed", state.failed);
    }
    if state.running.len() > 1 {
        let _ = write!(text, ", {} running", state.running.len());
    }
    text
}

/// Returns a bar of [`BAR`] columns.
fn bar(done: usize, all: usize) -> String {
    let full = (done * BAR).checked_div(all).unwrap_or(0).min(BAR);
    let mut bar = "=".repeat(full);
    if full < BAR {
        bar.push('>');
    }
    format!("{bar:BAR$}")
}

/// Returns the line that a pipe gets.
pub(super) fn sign_of_life(state: &State, now: Instant) -> String {
    let elapsed = seconds(now.saturating_duration_since(state.start));
    if state.wanted == 0 {
        let packages = count(state.packages, "package");
        return format!("{elapsed}: {packages} evaluated");
    }
    let done = (state.finished + state.reused).min(state.wanted);
    let mut line = format!(
        "{elapsed}: {done} of {} done",
        count(state.wanted, "action")
    );
    if let Some((name, start)) = state.running.values().next() {
        let since = seconds(now.saturating_duration_since(*start));
        let _ = write!(
            line,
            "; {} running, {name} for {since}",
            state.running.len()
        );
    }
    line
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// Returns as much of a text as fits into `columns`, without control characters.
fn fit(text: &str, columns: usize) -> String {
    let mut left = columns;
    let mut out = String::new();
    for character in text.chars() {
        let (character, width) = match character.width() {
            Some(width) if !character.is_control() => (character, width),
            _ => ('?', 1),
        };
        if width > left {
            break;
        }
        left -= width;
        out.push(character);
    }
    out
}

/// Returns how many rows lines take on a terminal of this width.
pub(super) fn rows(lines: &[String], columns: usize) -> usize {
    let rows = lines.iter().map(|line| {
        let width = anstream::adapter::strip_str(line).to_string().width();
        width.div_ceil(columns).max(1)
    });
    rows.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(now: Instant) -> State {
        let mut state = State::new();
        state.start = now - Duration::from_millis(4200);
        state.wanted = 40;
        state.finished = 8;
        state.reused = 2;
        for (number, name) in ["//a:a: c_compile a.c.o", "//ü:b: c_link b\n"]
            .into_iter()
            .enumerate()
        {
            let start = now - Duration::from_secs(75 - 70 * number as u64);
            state.running.insert(number, (name.to_owned(), start));
        }
        state
    }

    #[test]
    fn lines_say_how_far_it_is() {
        let now = Instant::now();
        let region = |columns, rows| Region { columns, rows };
        let lines = frame(&state(now), now, region(80, 24), false);
        assert_eq!(
            lines,
            [
                "    Building [======>                  ] 10/40, 4.2 s, 2 reused, 2 running",
                "             //a:a: c_compile a.c.o 1 min 15 s",
                "             //ü:b: c_link b? 5.0 s",
            ]
        );
        let lines = frame(&state(now), now, region(40, 3), false);
        assert_eq!(
            lines,
            [
                "    Building 10/40, 4.2 s, 2 reused, ",
                "             //a:a: c_com 1 min 15 s",
            ]
        );
        let mut early = State::new();
        early.packages = 3;
        early.start = now;
        let lines = frame(&early, now, region(80, 24), true);
        assert_eq!(
            lines,
            ["  \u{1b}[1m\u{1b}[32mEvaluating\u{1b}[0m 3 packages, 0.0 s"]
        );
    }

    #[test]
    fn a_pipe_gets_one_plain_line() {
        let now = Instant::now();
        assert_eq!(
            sign_of_life(&state(now), now),
            "4.2 s: 10 of 40 actions done; 2 running, //a:a: c_compile a.c.o for 1 min 15 s"
        );
    }

    #[test]
    fn every_frame_fits_into_every_terminal() {
        let now = Instant::now();
        for columns in 1..100 {
            for rows in 1..6 {
                let lines = frame(&state(now), now, Region { columns, rows }, true);
                assert!(
                    super::rows(&lines, columns) <= rows.max(1),
                    "{columns}×{rows}: {lines:?}"
                );
            }
        }
    }

    #[test]
    fn lines_that_a_narrower_terminal_broke_take_more_rows() {
        let lines = [styled(GOOD, "x".repeat(30)), String::new()];
        assert_eq!(rows(&lines, 80), 2);
        assert_eq!(rows(&lines, 15), 3);
        assert_eq!(rows(&lines, 14), 4);
    }

    #[test]
    fn a_bar_is_full_at_the_end() {
        assert_eq!(bar(0, 7), format!(">{}", " ".repeat(24)));
        assert_eq!(bar(7, 7), "=".repeat(25));
        assert_eq!(bar(0, 0).len(), 25);
    }
}
