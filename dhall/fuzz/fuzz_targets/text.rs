//! Source texts: parsed, printed, encoded, evaluated, hashed and folded.
//!
//! `cargo +nightly fuzz run text fuzz/found/text tests/corpus/text`, in the folder
//! of the crate: what is found goes to the first folder, the seeds are in the second.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| straylight_dhall::fuzzing::text(bytes));
