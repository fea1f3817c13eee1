//! What a build shows while it runs.
//!
//! On a terminal a few lines at its bottom are drawn again ten times a second:
//! a bar, and the commands that have run longest. What else there is to say is
//! printed above them, and when the build ends, or is interrupted, they go. In a
//! pipe a long build gives a sign of life from time to time, as a plain line.
//!
//! Nothing is drawn by whoever tells of an event: that thread has work to do.

mod render;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use straylight_build::observer::{Event, Observer, Work};
use straylight_build::{Label, Place};
use straylight_exec::Status;

use crate::ui::{self, BAD, FAINT, WARNING, message, styled};
use render::{Region, frame, rows, sign_of_life};

/// How often a terminal is drawn, and how long a build must take to be shown.
const FRAME: Duration = Duration::from_millis(100);
/// How often a pipe hears of a build.
const SIGN: Duration = Duration::from_secs(10);

/// Shows what a build does while it runs.
#[derive(Debug)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
    verbose: bool,
    /// Whether failures are told when they happen, since work goes on.
    keep_going: bool,
}

#[derive(Debug)]
struct Shared {
    terminal: bool,
    colored: bool,
    state: Mutex<State>,
    /// Wakes the one who draws, to end it.
    over: Condvar,
}

/// What is known of a build.
#[derive(Debug)]
struct State {
    start: Instant,
    /// Packages that were evaluated.
    packages: usize,
    /// Steps whose results are needed, as far as is known by now.
    wanted: usize,
    finished: usize,
    reused: usize,
    failed: usize,
    /// What runs now, oldest first.
    running: BTreeMap<usize, (String, Instant)>,
    started: usize,
    /// How long what has ended took.
    walls: BTreeMap<String, Duration>,
    /// Sources that git does not know.
    untracked: Sources,
    /// Sources of which git stores other bytes.
    converted: Sources,
    /// The lines on the terminal; the cursor is at the end of the last.
    shown: Vec<String>,
    /// Whether somebody draws.
    drawing: bool,
    over: bool,
}

/// Paths of sources, and where they are listed.
type Sources = BTreeMap<String, String>;

impl Progress {
    pub(crate) fn new(verbose: bool, keep_going: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            shared: Arc::new(Shared {
                terminal: std::io::stderr().is_terminal() && !dumb,
                colored: ui::colored(),
                state: Mutex::new(State::new()),
                over: Condvar::new(),
            }),
            verbose,
            keep_going,
        }
    }

    /// Returns how long a step of a target ran, if it did.
    pub(crate) fn wall(&self, label: &Label, step: &str) -> Option<Duration> {
        let name = format!("{label}: {step}");
        self.shared.state().walls.get(&name).copied()
    }

    /// Takes away what is shown, for good.
    pub(crate) fn clear(&self) {
        let mut state = self.shared.state();
        state.over = true;
        self.shared.draw(&mut state, Vec::new());
        self.shared.over.notify_all();
    }

    /// Takes away what is shown, and tells what is better told together.
    pub(crate) fn finish(&self) {
        self.clear();
        let mut state = self.shared.state();
        tell_untracked(&std::mem::take(&mut state.untracked));
        tell_converted(&std::mem::take(&mut state.converted));
    }

    /// Prints something above what is shown.
    fn above(&self, state: &mut State, print: impl FnOnce()) {
        let lines = std::mem::take(&mut state.shown);
        self.shared.erase(&lines);
        print();
        if !state.over && !lines.is_empty() {
            self.shared.draw(state, lines);
        }
    }

    fn finished(&self, name: &str, end: &Ended<'_>) {
        let mut state = self.shared.state();
        state.end(name, end);
        let wall = end.wall.as_secs_f64();
        if self.verbose && end.succeeded {
            let line = format!("{name} {}", styled(FAINT, format_args!("{wall:.2} s")));
            self.above(&mut state, || message(line));
        }
        let goes_on = self.keep_going || end.is_test;
        let cancelled = end.status == Some(Status::Cancelled);
        if self.shared.terminal && goes_on && !end.succeeded && !cancelled {
            let line = format!("{} {name}", styled(BAD, "failed"));
            self.above(&mut state, || message(line));
        }
        if !end.stderr.is_empty() {
            self.above(&mut state, || {
                message(format_args!("{WARNING}{name}{WARNING:#}:"));
                message(String::from_utf8_lossy(end.stderr).trim_end());
            });
        }
    }
}

/// Keeps the first place in which a source is listed.
fn list(sources: &mut Sources, path: &str, place: &Place) {
    let place = || place.to_string();
    sources.entry(path.to_owned()).or_insert_with(place);
}

/// Warns of sources that git does not know.
fn tell_untracked(sources: &Sources) {
    tell(sources, |path| match path {
        Ok(path) => {
            let add = format!("git add {}", ui::quoted(path));
            format!("`{path}` is not tracked: `{add}`, or no other clone has it")
        }
        Err(many) => {
            format!("{many} sources are not tracked: `git add` them, or no other clone has them")
        }
    });
}

/// Warns of sources of which git stores other bytes.
fn tell_converted(sources: &Sources) {
    tell(sources, |path| match path {
        Ok(path) => format!(
            "git stores `{path}` otherwise than it is here, and a build of the commit reads \
             that: `git check-attr -a {}` says why",
            ui::quoted(path)
        ),
        Err(many) => format!(
            "git stores {many} sources otherwise than they are here, and a build of the commit \
             reads that: `git check-attr -a` says why"
        ),
    });
    if let Some(path) = sources.keys().next() {
        ui::hint(format_args!(
            "`git straylight pin {}` pins the bytes themselves",
            ui::quoted(path)
        ));
    }
}

/// Warns of sources; of many, names a few. `text` gets the path of the only one, or
/// how many there are.
fn tell(sources: &Sources, text: impl Fn(Result<&str, usize>) -> String) {
    const NAMED: usize = 3;
    let at = |place: &str| format!("  {FAINT}-->{FAINT:#} {place}");
    match sources.iter().collect::<Vec<_>>()[..] {
        [] => {}
        [(path, place)] => {
            ui::warning(text(Ok(path)));
            message(at(place));
        }
        [..] => {
            ui::warning(text(Err(sources.len())));
            for (path, place) in sources.iter().take(NAMED) {
                message(format_args!("{}: `{path}`", at(place)));
            }
            if let Some(more @ 1..) = sources.len().checked_sub(NAMED) {
                message(format_args!("  and {more} more"));
            }
        }
    }
}

/// How a command ended.
struct Ended<'a> {
    is_test: bool,
    succeeded: bool,
    status: Option<Status>,
    wall: Duration,
    stderr: &'a [u8],
}

impl Observer for Progress {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Worked {
                work: Work::Evaluate(_),
                ..
            } => self.shared.note(|state| state.packages += 1),
            Event::Wanted { .. } => self.shared.note(|state| state.wanted += 1),
            Event::Reused { .. } => self.shared.note(|state| state.reused += 1),
            Event::Started { label, step, .. } => {
                let name = format!("{label}: {step}");
                self.shared.note(|state| state.begin(name));
            }
            Event::Finished {
                label,
                step,
                succeeded,
                status,
                usage,
                stderr,
                ..
            } => {
                let ended = Ended {
                    is_test: step == "test",
                    succeeded,
                    status,
                    wall: usage.wall,
                    stderr,
                };
                self.finished(&format!("{label}: {step}"), &ended);
            }
            Event::Fetched {
                sha256,
                from,
                transfer,
            } => self.above(&mut self.shared.state(), || {
                let uri = sha256.to_ca_uri();
                let size = ui::size(transfer.bytes);
                message(format_args!("fetched `{uri}` from {from}: {size}"));
            }),
            Event::Warning {
                place,
                message: text,
            } => self.above(&mut self.shared.state(), || {
                ui::warning(text);
                message(format_args!("  {FAINT}-->{FAINT:#} {place}"));
            }),
            Event::Converted { place, path } => {
                list(&mut self.shared.state().converted, path, place);
            }
            Event::Untracked { place, path } => {
                list(&mut self.shared.state().untracked, path, place);
            }
            Event::Worked { .. } => {}
        }
    }
}

impl State {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            packages: 0,
            wanted: 0,
            finished: 0,
            reused: 0,
            failed: 0,
            running: BTreeMap::new(),
            started: 0,
            walls: BTreeMap::new(),
            untracked: Sources::new(),
            converted: Sources::new(),
            shown: Vec::new(),
            drawing: false,
            over: false,
        }
    }

    fn begin(&mut self, name: String) {
        self.started += 1;
        self.running.insert(self.started, (name, Instant::now()));
    }

    fn end(&mut self, name: &str, end: &Ended<'_>) {
        let number = self.running.iter().find(|(_, (known, _))| known == name);
        if let Some(number) = number.map(|(number, _)| *number) {
            self.running.remove(&number);
        }
        self.finished += 1;
        self.failed += usize::from(!end.succeeded);
        self.walls.insert(name.to_owned(), end.wall);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // What is shown is not worth a panic of its own.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of something, and sees to it that somebody draws.
    fn note(self: &Arc<Self>, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if !std::mem::replace(&mut state.drawing, true) {
            let shared = Arc::clone(self);
            // Without a thread nothing is shown, and the build goes on.
            let _ = std::thread::Builder::new().spawn(move || shared.draw_until_over());
        }
    }

    fn draw_until_over(&self) {
        let pause = if self.terminal { FRAME } else { SIGN };
        let mut state = self.state();
        loop {
            let waited = self.over.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.over {
                return;
            }
            let now = Instant::now();
            if self.terminal {
                let lines = frame(&state, now, Region::now(), self.colored);
                self.draw(&mut state, lines);
            } else {
                message(sign_of_life(&state, now));
            }
        }
    }

    /// Replaces what is shown, in one write: a terminal has no time to show
    /// anything between.
    fn draw(&self, state: &mut State, lines: Vec<String>) {
        let old = std::mem::replace(&mut state.shown, lines);
        if old.is_empty() && state.shown.is_empty() {
            return;
        }
        let text = format!("{}{}", erasing(&old), state.shown.join("\n"));
        write(&text);
    }

    fn erase(&self, lines: &[String]) {
        if !lines.is_empty() {
            write(&erasing(lines));
        }
    }
}

/// Returns what takes away `lines` if the cursor is at their end.
fn erasing(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    // The terminal may have become narrower, and have broken them.
    match rows(lines, Region::now().columns) {
        0 | 1 => "\r\x1b[J".to_owned(),
        rows => format!("\r\x1b[{}A\x1b[J", rows - 1),
    }
}

fn write(text: &str) {
    // Not by way of `anstream`, which takes away whatever moves the cursor when
    // there are to be no colours. Nobody can be told that this fails.
    let mut stderr = std::io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}
