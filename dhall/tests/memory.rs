//! What a hostile program can make the process hold: measured, not counted.

#![cfg(target_os = "linux")]

use std::fs;
use std::sync::Arc;

use sha2::Digest as _;
use straylight_dhall::{Error, Evaluator, ImportError, Importer, Limits, Location};

const MIB: usize = 1 << 20;

const LIMITS: Limits = Limits {
    steps: u64::MAX,
    memory: 32 * MIB,
    bits: 1 << 20,
};

/// Folds of a million steps over a list of this type.
fn list_fold(item: &str, make: &str) -> String {
    format!(
        "Natural/fold 1000000 (List {item}) (\\(xs : List {item}) -> \
         let n = List/length {item} xs in xs # [ {make} ]) ([] : List {item})"
    )
}

/// A value whose normal form is this deep a tree of twos.
fn doubled(first: &str, twice: &str, result: &str) -> String {
    let lets: String = (0..40)
        .map(|at| {
            format!(
                "let x{} = {}\n",
                at + 1,
                twice.replace('x', &format!("x{at}"))
            )
        })
        .collect();
    format!("let x0 = {first}\n{lets}in {result}")
}

fn programs() -> Vec<(&'static str, String)> {
    let text = "let t = Natural/fold 21 Text (\\(t : Text) -> t ++ t) \"a\" in";
    let big = "let big = Natural/fold 19 Natural (\\(n : Natural) -> n * n) 2 in";
    vec![
        (
            "items of a source",
            format!("[ {} ]", vec!["1"; 1_000_000].join(",")),
        ),
        ("numbers", list_fold("Natural", "n")),
        (
            "records",
            list_fold("{ a : Natural, b : Bool }", "{ a = n, b = True }"),
        ),
        (
            "short texts",
            list_fold("Text", "\"item ${Natural/show n}\""),
        ),
        (
            "long texts",
            format!(
                "{text} {}",
                list_fold("Text", "Text/show \"${t}${Natural/show n}\"")
            ),
        ),
        (
            "large numbers",
            format!("{big} {}", list_fold("Natural", "big + n")),
        ),
        (
            "closures",
            "Natural/fold 10000000 (Natural -> Natural) (\\(f : Natural -> Natural) -> \
             \\(n : Natural) -> f (n + 1)) (\\(n : Natural) -> n)"
                .to_owned(),
        ),
        (
            "a text of pieces",
            format!("{text} Text/replace \"a\" \"a long replacement of it\" t"),
        ),
        (
            "numbered items",
            "List/indexed { index : Natural, value : Natural } (List/indexed Natural (Natural/fold 17 (List Natural) \
             (\\(xs : List Natural) -> xs # xs) [ 1 ]))"
                .to_owned(),
        ),
        (
            "a list that doubles",
            "Natural/fold 60 (List Bool) (\\(xs : List Bool) -> xs # xs) [ True ]".to_owned(),
        ),
        (
            "a text that doubles",
            "Natural/fold 60 Text (\\(t : Text) -> t ++ t) \"ab\"".to_owned(),
        ),
        (
            "a normal form",
            // The hash of what is imported needs its normal form.
            "missing sha256:0000000000000000000000000000000000000000000000000000000000000000 ? \
             ./shared.dhall sha256:0000000000000000000000000000000000000000000000000000000000000000"
                .to_owned(),
        ),
    ]
}

struct Host;

impl Importer for Host {
    fn read(
        &self,
        location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let shared = || doubled("\\(n : Natural) -> n", "{ a = x, b = x }", "x40");
        let is_shared = *location == Location::File("shared.dhall".to_owned());
        Ok(is_shared.then(|| shared().into_bytes().into()))
    }
}

fn evaluate(text: &str) -> Result<(), Error> {
    let evaluator = Evaluator::new(Arc::new(Host)).with_limits(LIMITS);
    let evaluated = evaluator.evaluate(&Location::File("main.dhall".to_owned()), text);
    evaluated.map(drop)
}

/// Returns the most memory that the process had so far, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the state of the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .expect("kilobytes");
    kib.trim().parse::<usize>().expect("a number") * 1024
}

#[test]
fn memory_is_bounded_and_what_needs_it_is_named() {
    for (name, text) in programs() {
        let before = peak();
        let error = evaluate(&text).expect_err(name);
        let message = error.message();
        assert!(
            [
                "this needs more memory than it may have",
                "this makes a value that is too large"
            ]
            .contains(&message),
            "{name}: {error}"
        );
        let rendered = error.render(false);
        assert!(rendered.contains("--> main.dhall:"), "{name}: {rendered}");
        // The stack, and what the allocator keeps for a next program, come on top.
        let limit = before.max(text.len() + 2 * LIMITS.memory + 32 * MIB);
        assert!(peak() <= limit, "{name}: {} MiB", peak() / MIB);
    }
}

/// A cache with one entry.
struct Entry(Vec<u8>);

impl Importer for Entry {
    fn read(
        &self,
        _location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        Ok(None)
    }

    fn cached(&self, _sha256: &[u8; 32]) -> Result<Option<Arc<[u8]>>, ImportError> {
        Ok(Some(self.0.as_slice().into()))
    }
}

#[test]
fn what_a_binary_form_declares_is_not_allocated() {
    let hostile: [(&str, Vec<u8>); 4] = [
        ("a text", [&[0x82, 0x12, 0x7b][..], &[0x0f; 8]].concat()),
        ("a list", [&[0x9b][..], &[0x0f; 8], &[0x04, 0xf6]].concat()),
        ("a record", [&[0x82, 0x08, 0xbb][..], &[0x0f; 8]].concat()),
        (
            "a number",
            [&[0x82, 0x0f, 0xc2, 0x5b][..], &[0x0f; 8]].concat(),
        ),
    ];
    let before = peak();
    for (name, bytes) in hostile {
        let hash = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&bytes));
        let evaluator = Evaluator::new(Arc::new(Entry(bytes))).with_limits(LIMITS);
        let text = format!("missing sha256:{hash}");
        let error = evaluator.evaluate(&Location::File("main.dhall".to_owned()), &text);
        let error = error.expect_err(name).to_string();
        assert!(
            error.contains("not Dhall in binary form"),
            "{name}: {error}"
        );
    }
    assert!(peak() <= before.max(64 * MIB), "{} MiB", peak() / MIB);
}
