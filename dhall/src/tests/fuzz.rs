//! Bounded fuzzing: mutated sources and mutated binary forms.
//!
//! What must hold for them is in `fuzzing.rs`, shared with the targets of
//! `cargo fuzz` in `fuzz/`, which have the same seeds.
//!
//! The seeds are below `tests/corpus`: sources, and binary forms by hand; the
//! sources' own binary forms are seeds, too. Mutations are those of a fixed
//! generator, so that a round that fails fails again;
//! `STRAYLIGHT_FUZZ_ROUNDS` makes a longer run. A panic is caught and told with
//! its input; an overflow or an abort ends the test. Time and memory are
//! bounded by the evaluator's own limits, which are what is tried here.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::binary::{decode, encode};
use crate::evaluator::Evaluator;
use crate::fuzzing::{evaluator, try_binary, try_text};
use crate::location::Location;
use crate::parse::parse;
use crate::tests::on_machine;

/// What a mutation inserts: what means something somewhere.
const WORDS: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "|",
    ",",
    ":",
    "=",
    "\\",
    "->",
    "\"",
    "''",
    "${",
    "'''",
    "let ",
    " in ",
    "if ",
    " then ",
    " else ",
    "merge ",
    "toMap ",
    "assert : ",
    " with ",
    ".?",
    "::",
    " sha256:",
    " using ",
    " as Text",
    " as Bytes",
    " as Location",
    " ? ",
    "missing",
    "env:",
    "./",
    "~/",
    "https://a.example/x",
    "{-",
    "-}",
    "--",
    "@1",
    "@",
    "Some ",
    "None ",
    "List ",
    "Type",
    "Natural/fold ",
    " // ",
    " /\\ ",
    " //\\\\ ",
    " ++ ",
    " # ",
    " === ",
    "0x\"",
    "-0",
    "1e309",
    "2024-02-30",
    "12:60:00",
    "`",
    "\u{0}",
    "\u{feff}",
    "\u{10fffe}",
    "\r\n",
    "\t",
    "18446744073709551616",
    "forall (x : Type) -> ",
];

/// Heads of CBOR items: lengths that lie, tags, numbers of all sizes.
const HEADS: &[&[u8]] = &[
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x5a\xff\xff\xff\xff",
    b"\xba\xff\xff\xff\xff",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc2\x49\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9f",
    b"\xff",
    b"\xf6",
    b"\xf9\x7e\x00",
    b"\xd9\xd9\xf7",
    b"\x83\x01\x61\x78",
    b"\x82\x61\x78\x00",
];

/// A generator of numbers that are only meant to differ (splitmix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).expect("below a usize")
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = self.below(24).min(length - start);
        start..start + most
    }
}

/// Changes an input in up to four places.
fn mutate(numbers: &mut Numbers, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut input = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(4) {
        let range = numbers.range(input.len());
        let at = range.start;
        match numbers.below(6) {
            0 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            1 => drop(input.drain(range)),
            2 => {
                let copy = input[range].repeat(1 + numbers.below(3));
                drop(input.splice(at..at, copy));
            }
            3 => {
                let other = &seeds[numbers.below(seeds.len())];
                let part = numbers.range(other.len());
                drop(input.splice(range, other[part].iter().copied()));
            }
            4 => input.truncate(at),
            _ => {
                let word = words[numbers.below(words.len())];
                drop(input.splice(at..at, word.iter().copied()));
            }
        }
    }
    input
}

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let entries = fs::read_dir(&folder).expect("the corpus is beside the sources");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let seeds: Vec<_> = paths
        .iter()
        .map(|path| fs::read(path).expect("a seed"))
        .collect();
    assert!(!seeds.is_empty());
    seeds
}

/// Runs each seed as it is, and then mutations of all.
fn fuzz(seeds: &[Vec<u8>], words: &[&[u8]], rounds: u64, body: fn(&Evaluator, &[u8])) {
    let asked = std::env::var("STRAYLIGHT_FUZZ_ROUNDS").ok();
    let rounds = asked
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(rounds);
    on_machine(|_| {
        let evaluator = evaluator();
        let try_one = |round: u64, input: &[u8]| {
            let result = catch_unwind(AssertUnwindSafe(|| body(&evaluator, input)));
            let shown = input.escape_ascii();
            assert!(result.is_ok(), "round {round} fails with \"{shown}\"");
        };
        for seed in seeds {
            try_one(0, seed);
        }
        for round in 1..=rounds {
            let input = mutate(&mut Numbers(round), seeds, words);
            try_one(round, &input);
        }
    });
}

#[test]
fn mutated_sources_parse_evaluate_or_fail() {
    let words: Vec<_> = WORDS.iter().map(|word| word.as_bytes()).collect();
    fuzz(&seeds("text"), &words, 1500, try_text);
}

#[test]
fn mutated_binary_forms_decode_or_fail() {
    let mut all = seeds("binary");
    for text in seeds("text") {
        let text = String::from_utf8(text).expect("UTF-8");
        all.push(on_machine(|_| {
            encode(&parse(&text).expect("a seed parses")).expect("bytes")
        }));
    }
    fuzz(&all, HEADS, 6000, try_binary);
}

#[test]
fn the_seeds_reach_the_evaluator() {
    let evaluator = evaluator();
    let here = Location::File("main.dhall".to_owned());
    let mut values = 0;
    for seed in seeds("text") {
        let text = String::from_utf8(seed).expect("UTF-8");
        match evaluator.evaluate(&here, &text) {
            Ok(_) => values += 1,
            Err(error) => println!("{}", error.render(false)),
        }
    }
    // One grows beyond the limits, and one imports what is not there.
    assert_eq!(values, seeds("text").len() - 2);
    let decoded = on_machine(|_| {
        let is_decoded = |seed: &Vec<u8>| decode(seed).is_ok();
        seeds("binary")
            .iter()
            .filter(|seed| is_decoded(seed))
            .count()
    });
    assert!((5..seeds("binary").len()).contains(&decoded), "{decoded}");
}
