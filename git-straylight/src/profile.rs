//! Where the time of a build went: the file that `--profile` writes.
//!
//! The format is Chrome's trace events, as JSON, which Perfetto and
//! `chrome://tracing` show. Times are in microseconds since the program
//! started. One process is the program itself: its phases are a track, and its
//! own work is on as many more as went on at once. The other process is the
//! commands: a track for each slot of `--jobs`, with staging, running and
//! collecting inside each command. What lies on one track is nested or apart.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use straylight_build::observer::{Event, Observer, Work};
use straylight_build::{Label, Report};
use straylight_exec::{Status, Usage};
use straylight_odb::Digest;

use crate::commands::write_file;
use crate::error::Result;

/// The program.
const PROGRAM: u64 = 1;
/// The commands that it runs.
const COMMANDS: u64 = 2;
/// The program's track of phases; its other tracks come after it.
const PHASES: u64 = 1;

/// Hears what happens, and keeps when.
#[derive(Debug)]
pub(crate) struct Profile {
    file: PathBuf,
    start: Instant,
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
struct Record {
    phases: Vec<(&'static str, Instant)>,
    work: Vec<Span>,
    /// The place among `work` where each step was looked up last.
    lookups: HashMap<String, usize>,
    commands: Vec<Span>,
    /// When commands that still run were started.
    started: HashMap<Digest, Vec<Instant>>,
}

/// Something that took time.
#[derive(Debug)]
struct Span {
    name: String,
    category: &'static str,
    start: Instant,
    end: Instant,
    arguments: Map<String, Value>,
    /// What it consists of, one after another from its start.
    parts: Vec<(&'static str, Duration)>,
}

impl Profile {
    /// Returns a profile that will be written to `file`.
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            start: Instant::now(),
            record: Mutex::default(),
        }
    }

    /// Notes that the program goes on to something else.
    pub(crate) fn phase(&self, name: &'static str) {
        self.record().phases.push((name, Instant::now()));
    }

    /// Writes the file.
    pub(crate) fn write(&self, report: &Report) -> Result<()> {
        write_file(&self.file, &self.document(report).to_string())
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // A record that lacks an event is still worth reading.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn document(&self, report: &Report) -> Value {
        let mut record = self.record();
        let mut events = Events {
            zero: self.start,
            list: Vec::new(),
        };
        events.name(PROGRAM, None, "git straylight");
        events.name(PROGRAM, Some(PHASES), "phases");
        let ends = record.phases.iter().skip(1).map(|(_, start)| *start);
        let ends: Vec<Instant> = ends.chain([Instant::now()]).collect();
        for ((name, start), end) in record.phases.iter().zip(ends) {
            let span = Span::new((*name).to_owned(), "phase", *start, end);
            events.span(PROGRAM, PHASES, &span);
        }
        events.tracks(PROGRAM, PHASES + 1, "worker", &mut record.work);
        events.name(COMMANDS, None, "commands");
        events.tracks(COMMANDS, 1, "slot", &mut record.commands);
        events.running(&record.commands);
        json!({
            "displayTimeUnit": "ms",
            "otherData": {
                "version": env!("CARGO_PKG_VERSION"),
                "executed": report.executed,
                "reused": report.reused,
            },
            "traceEvents": events.list,
        })
    }
}

impl Observer for Profile {
    fn event(&self, event: Event<'_>) {
        let now = Instant::now();
        match event {
            Event::Worked { work, start, end } => self.record().worked(work, start, end),
            Event::Reused {
                label,
                step,
                action,
            } => self.record().reused(&of_step(label, step), action),
            Event::Started { action, .. } => {
                let mut record = self.record();
                record.started.entry(*action).or_default().push(now);
            }
            Event::Finished {
                label,
                step,
                action,
                status,
                usage,
                ..
            } => {
                let mut record = self.record();
                let started = record.started.get_mut(action).and_then(Vec::pop);
                let mut span =
                    Span::new(of_step(label, step), "command", started.unwrap_or(now), now);
                span.arguments = of_command(label, step, action, status, usage);
                span.parts = vec![
                    ("staging", usage.staging),
                    ("run", usage.wall),
                    ("collecting", usage.collecting),
                ];
                record.commands.push(span);
            }
            Event::Wanted { .. }
            | Event::Fetched { .. }
            | Event::Warning { .. }
            | Event::Converted { .. }
            | Event::Untracked { .. } => {}
        }
    }
}

impl Record {
    fn worked(&mut self, work: Work<'_>, start: Instant, end: Instant) {
        let (category, name) = match work {
            Work::Evaluate(package) => ("evaluate", package.to_string()),
            Work::Analyse(label) => ("analyse", label.to_string()),
            Work::Source(path) => ("source", path.to_owned()),
            Work::Prepare { label, step } => ("prepare", of_step(label, step)),
            Work::LookUp { label, step } => ("look up", of_step(label, step)),
        };
        let mut span = Span::new(format!("{category} {name}"), category, start, end);
        if matches!(work, Work::LookUp { .. }) {
            span.arguments.insert("cached".to_owned(), json!(false));
            self.lookups.insert(name, self.work.len());
        }
        self.work.push(span);
    }

    /// Notes that the step which was looked up was found.
    fn reused(&mut self, name: &str, action: &Digest) {
        let span = self.lookups.get(name).and_then(|at| self.work.get_mut(*at));
        if let Some(span) = span {
            span.arguments.insert("cached".to_owned(), json!(true));
            let action = json!(action.to_string());
            span.arguments.insert("action".to_owned(), action);
        }
    }
}

fn of_step(label: &Label, step: &str) -> String {
    format!("{label}: {step}")
}

fn of_command(
    label: &Label,
    step: &str,
    action: &Digest,
    status: Option<Status>,
    usage: &Usage,
) -> Map<String, Value> {
    let mut arguments = Map::new();
    let mut put = |name: &str, value: Value| arguments.insert(name.to_owned(), value);
    put("label", json!(label.to_string()));
    put("step", json!(step));
    put("action", json!(action.to_string()));
    put("cached", json!(false));
    put("user_seconds", json!(usage.user.as_secs_f64()));
    put("system_seconds", json!(usage.sys.as_secs_f64()));
    put("max_rss_bytes", json!(usage.max_rss));
    match status {
        Some(Status::Exited(code)) => put("exit", json!(code)),
        Some(Status::Signaled(signal)) => put("signal", json!(signal)),
        Some(Status::TimedOut) => put("ended", json!("timed out")),
        Some(Status::Cancelled) => put("ended", json!("cancelled")),
        None => put("ended", json!("could not be run")),
    };
    arguments
}

impl Span {
    fn new(name: String, category: &'static str, start: Instant, end: Instant) -> Self {
        Self {
            name,
            category,
            start,
            end,
            arguments: Map::new(),
            parts: Vec::new(),
        }
    }
}

/// The events of the file.
struct Events {
    zero: Instant,
    list: Vec<Value>,
}

impl Events {
    /// Times are cut to whole microseconds, all in the same way: what does not
    /// overlap does not overlap then.
    fn micros(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.zero);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// Names a process, or a track of it, and keeps them in order.
    fn name(&mut self, process: u64, track: Option<u64>, name: &str) {
        let kind = if track.is_some() { "thread" } else { "process" };
        let order = track.unwrap_or(process);
        let tid = track.unwrap_or(0);
        let mut put = |what: &str, arguments: Value| {
            let name = format!("{kind}_{what}");
            let event =
                json!({ "ph": "M", "name": name, "pid": process, "tid": tid, "args": arguments });
            self.list.push(event);
        };
        put("name", json!({ "name": name }));
        put("sort_index", json!({ "sort_index": order }));
    }

    fn complete(&mut self, process: u64, track: u64, span: &Span) {
        let start = self.micros(span.start);
        self.list.push(json!({
            "ph": "X",
            "name": span.name,
            "cat": span.category,
            "pid": process,
            "tid": track,
            "ts": start,
            "dur": self.micros(span.end) - start,
            "args": span.arguments,
        }));
    }

    fn span(&mut self, process: u64, track: u64, span: &Span) {
        self.complete(process, track, span);
        let mut start = span.start;
        for (name, duration) in &span.parts {
            // They are measured elsewhere, and do not leave the whole.
            let end = (start + *duration).min(span.end);
            let part = Span::new((*name).to_owned(), "part", start, end);
            if end > start {
                self.complete(process, track, &part);
            }
            start = end;
        }
    }

    /// Puts each span on the first track that is free then.
    fn tracks(&mut self, process: u64, first: u64, name: &str, spans: &mut [Span]) {
        spans.sort_by_key(|span| (span.start, span.end));
        let mut busy: Vec<Instant> = Vec::new();
        for span in spans.iter() {
            let free = busy.iter().position(|until| *until <= span.start);
            let at = free.unwrap_or(busy.len());
            let track = first + at as u64;
            match free {
                Some(at) => busy[at] = span.end,
                None => {
                    busy.push(span.end);
                    self.name(process, Some(track), &format!("{name} {}", at + 1));
                }
            }
            self.span(process, track, span);
        }
    }

    /// Counts the commands that run.
    fn running(&mut self, commands: &[Span]) {
        let starts = commands.iter().map(|span| (span.start, 1_i64));
        let ends = commands.iter().map(|span| (span.end, -1));
        let mut changes: Vec<(Instant, i64)> = starts.chain(ends).collect();
        // Where one follows another, it ends first.
        changes.sort_unstable();
        let mut running = 0;
        for (time, change) in changes {
            running += change;
            self.list.push(json!({
                "ph": "C",
                "name": "running commands",
                "pid": COMMANDS,
                "ts": self.micros(time),
                "args": { "running": running },
            }));
        }
    }
}
