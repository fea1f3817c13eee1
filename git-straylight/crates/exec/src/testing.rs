//! Lets test binaries be the sandbox helper.
//!
//! The executor starts its own program again and expects it to call
//! [`crate::helper_main_if_requested`] first of all. The `main` of a test
//! binary belongs to the test harness, so with the feature `testing` the call
//! is made by the program's initialisation, before any `main`.

#![allow(unsafe_code)]

/// Runs before `main`, and does nothing unless the program is to be the helper.
extern "C" fn at_start() {
    crate::helper_main_if_requested();
}

// SAFETY: the C runtime calls each entry of this section once, after itself is
// ready and before `main`, in the program's only thread. What the helper uses
// of the standard library (arguments, files, memory) does not need Rust's own
// start, and a panic in it cannot unwind further than this `extern "C"`.
#[unsafe(link_section = ".init_array")]
#[used]
static AT_START: extern "C" fn() = at_start;

/// Makes sure that the linker sees this module: call it from a test.
pub fn enable() {
    std::hint::black_box(&AT_START);
}
