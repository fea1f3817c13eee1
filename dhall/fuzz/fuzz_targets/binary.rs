//! Binary forms: decoded, encoded, printed, checked and evaluated.
//!
//! `cargo +nightly fuzz run binary fuzz/found/binary tests/corpus/binary`, in the
//! folder of the crate.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| straylight_dhall::fuzzing::binary(bytes));
