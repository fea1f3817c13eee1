//! Independent files evaluate in parallel; what they share is evaluated once.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::import::{ImportError, Importer};
use crate::location::Location;
use crate::{Error, Evaluated, Evaluator, Value};

const fn shared_by_threads<T: Send + Sync>() {}
const _: () = {
    shared_by_threads::<Evaluator>();
    shared_by_threads::<Evaluated>();
    shared_by_threads::<Value>();
    shared_by_threads::<Error>();
};

/// A few texts. Counts how often each is read, and lets the reads of gates
/// wait for each other.
#[derive(Default)]
struct Host {
    texts: BTreeMap<&'static str, String>,
    reads: Mutex<BTreeMap<String, usize>>,
    at_gate: Mutex<usize>,
    opened: Condvar,
    gates: usize,
}

impl Host {
    fn reads(&self, name: &str) -> usize {
        let reads = self.reads.lock().expect("no panic");
        reads.get(name).copied().unwrap_or_default()
    }

    /// Waits until all gates are read at the same time.
    fn pass_gate(&self) -> Result<(), ImportError> {
        let mut at_gate = self.at_gate.lock().expect("no panic");
        *at_gate += 1;
        self.opened.notify_all();
        let wait = Duration::from_secs(20);
        let is_closed = |at_gate: &mut usize| *at_gate < self.gates;
        let (_at_gate, waited) = (self.opened)
            .wait_timeout_while(at_gate, wait, is_closed)
            .expect("no panic");
        if waited.timed_out() {
            return Err(ImportError::Unreadable {
                message: "the other evaluations do not get here".to_owned(),
                hint: String::new(),
            });
        }
        Ok(())
    }
}

impl Importer for Host {
    fn read(
        &self,
        location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let name = location.to_string();
        *(self.reads.lock().expect("no panic"))
            .entry(name.clone())
            .or_default() += 1;
        if name.starts_with("gate") {
            self.pass_gate()?;
        }
        let text = self.texts.get(name.as_str());
        Ok(text.map(|text| text.as_bytes().into()))
    }
}

/// Evaluates each text on a thread of its own.
fn evaluate_all(host: &Arc<Host>, texts: &[&str]) -> Vec<Result<String, Error>> {
    let evaluator = Evaluator::new(Arc::clone(host) as Arc<dyn Importer>);
    thread::scope(|scope| {
        let start = |(at, text): (usize, &&str)| {
            let (evaluator, text) = (&evaluator, (*text).to_owned());
            scope.spawn(move || {
                let location = Location::File(format!("main{at}.dhall"));
                let evaluated = evaluator.evaluate(&location, &text);
                evaluated.map(|evaluated| evaluated.value.to_string())
            })
        };
        let threads: Vec<_> = texts.iter().enumerate().map(start).collect();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results.map(|result| result.expect("no panic")).collect()
    })
}

#[test]
fn a_shared_import_is_read_and_evaluated_once() {
    let slow = "Natural/fold 50000 Natural (\\(n : Natural) -> n + 1) 0 + ./part.dhall";
    let host = Arc::new(Host {
        texts: BTreeMap::from([
            ("lib.dhall", slow.to_owned()),
            ("part.dhall", "1".to_owned()),
        ]),
        ..Host::default()
    });
    let results = evaluate_all(&host, &["./lib.dhall"; 8]);
    for result in results {
        assert_eq!(result.expect("a number"), "50001");
    }
    assert_eq!((host.reads("lib.dhall"), host.reads("part.dhall")), (1, 1));
}

#[test]
fn no_lock_is_held_while_an_import_is_evaluated() {
    // Each is inside of its own library when the gates open.
    let host = Arc::new(Host {
        texts: BTreeMap::from([
            ("a.dhall", "./gate1.dhall + 1".to_owned()),
            ("b.dhall", "./gate2.dhall + 2".to_owned()),
            ("gate1.dhall", "10".to_owned()),
            ("gate2.dhall", "20".to_owned()),
        ]),
        gates: 2,
        ..Host::default()
    });
    let results = evaluate_all(&host, &["./a.dhall", "./b.dhall"]);
    let results: Result<Vec<_>, _> = results.into_iter().collect();
    assert_eq!(results.expect("both pass"), ["11", "22"]);
}

#[test]
fn texts_that_import_each_other_from_both_ends_are_a_cycle() {
    let host = Arc::new(Host {
        texts: BTreeMap::from([
            ("a.dhall", "./gate1.dhall + ./b.dhall".to_owned()),
            ("b.dhall", "./gate2.dhall + ./a.dhall".to_owned()),
            ("gate1.dhall", "10".to_owned()),
            ("gate2.dhall", "20".to_owned()),
        ]),
        gates: 2,
        ..Host::default()
    });
    for result in evaluate_all(&host, &["./a.dhall", "./b.dhall"]) {
        let error = result.expect_err("a cycle");
        assert!(error.message().ends_with("imports itself"), "{error}");
    }
}

#[test]
fn what_fails_for_one_fails_for_all() {
    let host = Arc::new(Host {
        texts: BTreeMap::from([("lib.dhall", "1 + True".to_owned())]),
        ..Host::default()
    });
    for (at, result) in evaluate_all(&host, &["./lib.dhall"; 4])
        .into_iter()
        .enumerate()
    {
        let error = result.expect_err("a wrong type");
        let chain = error.import_chain();
        assert_eq!(chain.len(), 1);
        assert_eq!(chain[0].0, Location::File(format!("main{at}.dhall")));
    }
}
