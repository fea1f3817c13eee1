//! What must hold for any input: the bodies of all fuzzing.
//!
//! They run bounded, on mutated seeds, in the tests of this crate, and without
//! end as targets of `cargo fuzz`, in `fuzz/`. A panic, an overflow of the stack
//! or an abort is a finding; so is a result that contradicts another.

use std::sync::Arc;

use sha2::Digest as _;

use crate::binary::{decode, encode};
use crate::environment::Env;
use crate::evaluate::Machine;
use crate::evaluator::Evaluator;
use crate::format::format;
use crate::import::{MemoryImporter, normal_form};
use crate::limits::{Limits, with_stack};
use crate::location::Location;
use crate::parse::parse;
use crate::print::print;
use crate::problem::ErrorKind;
use crate::typecheck;

/// Small enough for many inputs a second.
const LIMITS: Limits = Limits {
    steps: 100_000,
    memory: 32 << 20,
    bits: 1 << 14,
};

/// Tries bytes as a source text.
pub fn text(bytes: &[u8]) {
    on_stack(|| try_text(&evaluator(), bytes));
}

/// Tries bytes as a binary form.
pub fn binary(bytes: &[u8]) {
    on_stack(|| try_binary(&evaluator(), bytes));
}

fn on_stack(work: impl FnOnce() + Send) {
    with_stack(LIMITS, work).expect("a thread");
}

/// Returns an evaluator with small limits, and something to import.
pub(crate) fn evaluator() -> Evaluator {
    evaluator_of(library())
}

fn evaluator_of(importer: MemoryImporter) -> Evaluator {
    Evaluator::new(Arc::new(importer)).with_limits(LIMITS)
}

fn library() -> MemoryImporter {
    let remote = |path: &str| Location::Remote(format!("https://a.example/{path}"));
    MemoryImporter::new()
        .with(Location::File("lib.dhall".to_owned()), "\\(x : Text) -> x")
        .with(
            Location::File("headers.dhall".to_owned()),
            "toMap { A = \"1\" }",
        )
        .with(remote("x"), "./loop")
        .with(remote("loop"), "./x")
}

/// Checks what must hold for a text that has a value: written where it is
/// imported, it has the same.
fn try_resolved(text: &str, hash: [u8; 32]) {
    let here = Location::File("main.dhall".to_owned());
    let importer = library().with(Location::File("part.dhall".to_owned()), text);
    let resolved = match evaluator_of(importer).resolve(&here, "(./part.dhall)") {
        Ok(resolved) => resolved.expression.to_string(),
        Err(error) => return assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}"),
    };
    let evaluated = evaluator_of(MemoryImporter::new()).evaluate(&here, &resolved);
    match evaluated.and_then(|evaluated| evaluated.value.hash()) {
        Ok(found) => assert_eq!(found, hash, "{resolved}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Exhausted, "{resolved}: {error}"),
    }
}

/// Checks what must hold for any text.
pub(crate) fn try_text(evaluator: &Evaluator, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(expression) = parse(text) {
        let binary = encode(&expression).expect("a text is not too deep");
        let decoded = decode(&binary).expect("what is encoded is decoded");
        assert_eq!(encode(&decoded).as_ref(), Ok(&binary));
        let printed = print(&expression);
        let again = parse(&printed).unwrap_or_else(|problem| panic!("{printed}\n{problem:?}"));
        assert_eq!(encode(&again).as_ref(), Ok(&binary), "{printed}");
        let formatted = formatted(text);
        assert_eq!(formatted, self::formatted(&formatted), "{text}");
    }
    match evaluator.evaluate(&Location::File("main.dhall".to_owned()), text) {
        Ok(evaluated) => {
            let shown = evaluated.value.to_string();
            if let (Ok(hash), Ok(bytes)) = (evaluated.value.hash(), evaluated.value.encode()) {
                let expected: [u8; 32] = sha2::Sha256::digest(&bytes).into();
                assert_eq!(expected, hash, "{shown}");
                try_resolved(text, hash);
            }
            let folded = evaluated.fold(|_| Ok(()));
            assert!(
                folded
                    .err()
                    .is_none_or(|error| !error.render(false).is_empty())
            );
        }
        Err(error) => {
            assert!(!error.render(false).is_empty());
            assert!(error.trace().to_string().lines().count() > 1);
        }
    }
}

/// Formats a text that parses. That it means the same and has the same comments,
/// `format` has seen to.
fn formatted(text: &str) -> String {
    let here = Location::Input("fuzz".to_owned());
    format(&here, text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// Checks what must hold for any bytes.
pub(crate) fn try_binary(_: &Evaluator, bytes: &[u8]) {
    let Ok(expression) = decode(bytes) else {
        return;
    };
    let binary = encode(&expression).expect("what is decoded is encoded");
    let decoded = decode(&binary).expect("what is encoded is decoded");
    assert_eq!(encode(&decoded).as_ref(), Ok(&binary));
    drop(print(&expression));
    if !expression.imports() {
        let machine = Machine::new(LIMITS);
        if typecheck::infer(&machine, &expression).is_ok() {
            let value = machine.eval(&expression, &Env::default());
            let _ = value.and_then(|value| normal_form(&machine, &value));
        }
    }
}
