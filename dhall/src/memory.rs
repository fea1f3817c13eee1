//! How much memory trees hold, about.
//!
//! Everything that a program can make many of is a node behind a
//! [`Shared`](crate::shared::Shared) reference. Each node is counted by the
//! thread that makes it and by the thread that frees it: what a thread holds
//! is the difference. An evaluation stays on one thread, so that what it adds is
//! what the evaluation holds, garbage excluded. Not counted are source texts,
//! names, buffers of at most the size of a node that is counted, and what the
//! allocator loses: the process may need half as much again.

use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    /// Negative on a thread that mostly frees.
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// What an allocation costs besides its content: the header of the allocator,
/// and the two counts of an [`Arc`].
const HEADER: usize = 24;

/// The content of a node.
pub(crate) trait Weigh {
    /// Returns the bytes of its own allocations, other nodes not included. It
    /// is always the same for one value.
    fn heap(&self) -> usize {
        0
    }
}

impl<T> Weigh for Vec<T> {
    fn heap(&self) -> usize {
        elements::<T>(self.capacity())
    }
}

impl Weigh for String {
    fn heap(&self) -> usize {
        self.capacity() + HEADER
    }
}

impl<A, B> Weigh for (A, B) {}
impl<A, B, C> Weigh for (A, B, C) {}

impl<T> Weigh for Arc<[T]> {
    fn heap(&self) -> usize {
        elements::<T>(self.len())
    }
}

/// Returns the bytes of this many elements in a row.
pub(crate) fn elements<T>(count: usize) -> usize {
    count.saturating_mul(size_of::<T>()) + HEADER
}

/// Returns the bytes of a node.
pub(crate) fn node<T: Weigh>(content: &T) -> usize {
    HEADER + size_of::<T>() + content.heap()
}

/// Counts a node that is made.
pub(crate) fn hold(bytes: usize) {
    HELD.set(held().wrapping_add(signed(bytes)));
}

/// Counts a node that is freed.
pub(crate) fn release(bytes: usize) {
    HELD.set(held().wrapping_sub(signed(bytes)));
}

/// Returns how many bytes this thread made and did not free.
pub(crate) fn held() -> i64 {
    HELD.get()
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
