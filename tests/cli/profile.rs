//! `--profile`: a trace that Perfetto opens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cli::build::{hello, package};
use crate::support::{Repo, TestEnvironment};

/// The events of the file that a build wrote.
struct Trace(Vec<Value>);

impl Trace {
    fn read(repo: &Repo<'_>, path: &str) -> Self {
        let value: Value = serde_json::from_slice(&repo.read(path)).unwrap();
        let trace = Self(value["traceEvents"].as_array().unwrap().clone());
        trace.check();
        trace
    }

    fn of_phase<'a>(&'a self, phase: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |event| event["ph"] == phase)
    }

    fn of_category<'a>(&'a self, category: &'a str) -> Vec<&'a Value> {
        let events = self.of_phase("X");
        events.filter(|event| event["cat"] == category).collect()
    }

    fn names<'a>(&'a self, category: &'a str) -> BTreeSet<&'a str> {
        let events = self.of_category(category);
        events
            .iter()
            .map(|event| event["name"].as_str().unwrap())
            .collect()
    }

    /// What every file promises.
    fn check(&self) {
        let place = |event: &Value| {
            (
                event["pid"].as_u64().unwrap(),
                event["tid"].as_u64().unwrap(),
            )
        };
        let mut named = BTreeSet::new();
        for event in self.of_phase("M") {
            assert!(!event["args"].as_object().unwrap().is_empty());
            named.insert(place(event));
        }
        let mut tracks: BTreeMap<_, Vec<(u64, u64)>> = BTreeMap::new();
        for event in self.of_phase("X") {
            let start = event["ts"].as_u64().unwrap();
            let end = start + event["dur"].as_u64().unwrap();
            tracks.entry(place(event)).or_default().push((start, end));
        }
        for (track, mut spans) in tracks {
            assert!(named.contains(&track), "{track:?} has no name");
            // What starts first, or is around the others, comes first.
            spans.sort_by_key(|(start, end)| (*start, std::cmp::Reverse(*end)));
            let mut around: Vec<u64> = Vec::new();
            for (start, end) in spans {
                while around.last().is_some_and(|until| *until <= start) {
                    around.pop();
                }
                let inside = around.last().is_none_or(|until| end <= *until);
                assert!(inside, "{track:?}: {start}–{end} overlaps");
                around.push(end);
            }
        }
        let counts: Vec<i64> = self
            .of_phase("C")
            .map(|event| event["args"]["running"].as_i64().unwrap())
            .collect();
        assert!(counts.iter().all(|count| *count >= 0), "{counts:?}");
        assert_eq!(counts.last().copied().unwrap_or(0), 0);
    }
}

#[test]
fn a_profile_has_all_that_was_done() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let build = ["build", "//...", "-j", "2", "--profile", "trace.json"];
    repo.straylight(&build).success();
    let trace = Trace::read(&repo, "trace.json");
    let commands = [
        "//greeting:greeting: c_archive libgreeting.a",
        "//greeting:greeting: c_compile greeting.c.o",
        "//hello:hello: c_compile hello.c.o",
        "//hello:hello: c_link hello",
    ];
    assert_eq!(trace.names("command"), BTreeSet::from(commands));
    for command in trace.of_category("command") {
        let arguments = &command["args"];
        assert_eq!(arguments["exit"], 0);
        assert_eq!(arguments["cached"], false);
        let digest = arguments["action"].as_str().unwrap();
        assert_eq!(digest.split('/').next().unwrap().len(), 64, "{digest}");
        assert!(
            (1..=2).contains(&command["tid"].as_u64().unwrap()),
            "a slot of two"
        );
    }
    assert_eq!(
        trace.names("part"),
        BTreeSet::from(["staging", "run", "collecting"])
    );
    assert_eq!(
        trace.names("phase"),
        BTreeSet::from(["open", "select", "build", "save"])
    );
    assert_eq!(
        trace.names("evaluate"),
        BTreeSet::from(["evaluate //greeting", "evaluate //hello"])
    );
    assert_eq!(trace.names("analyse").len(), 2);
    assert_eq!(trace.names("source").len(), 3);

    // A fresh clone knows nothing, and the cache everything.
    let other = environment.root().join("other");
    repo.git(["clone", "-q", ".", other.to_str().unwrap()]);
    let other = environment.open(other);
    other.straylight(&build).success();
    let trace = Trace::read(&other, "trace.json");
    assert_eq!(trace.names("command"), BTreeSet::new());
    let found = trace.of_category("look up");
    assert!(found.iter().all(|event| event["args"]["cached"] == true));
    let expected = commands.map(|name| format!("look up {name}"));
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(trace.names("look up"), expected);
}

#[test]
fn a_profile_has_what_failed() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"bad = C.test C.Test::{ name = "bad", toolchain = toolchains.gcc, srcs = [ "bad.c" ] }"#,
    );
    repo.write("it/bad.c", "int main(void) { return 7; }\n");
    repo.straylight(&["test", "//it:bad", "--profile", "trace.json"])
        .code(1);
    let trace = Trace::read(&repo, "trace.json");
    let commands = trace.of_category("command");
    let test = commands
        .iter()
        .find(|event| event["name"] == "//it:bad: test");
    assert_eq!(test.unwrap()["args"]["exit"], 7);
}
