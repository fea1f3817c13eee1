//! Shared, immutable tree nodes that are safe to drop at any depth.
//!
//! Syntax trees and values nest as deeply as a program makes them. The drop
//! glue of a plain [`Arc`] would recurse as deeply, on whatever thread lets go
//! of the last reference, and overflow its stack. [`Shared`] recurses a fixed
//! number of levels and leaves the rest to a queue that the outermost drop
//! empties.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::sync::Arc;

use crate::memory::{self, Weigh};

/// How many levels are dropped recursively before the queue is used.
const RECURSION: u32 = 64;

/// A reference-counted node of a tree.
pub(crate) struct Shared<T: Weigh + Send + Sync + 'static>(Arc<Slot<T>>);

/// Holds the content until it is dropped; `None` only inside `drop`.
struct Slot<T: Weigh + Send + Sync + 'static>(Option<T>);

impl<T: Weigh + Send + Sync + 'static> Shared<T> {
    pub(crate) fn new(content: T) -> Self {
        memory::hold(memory::node(&content));
        Self(Arc::new(Slot(Some(content))))
    }

    /// Returns whether there is another reference to the node.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Returns whether both are the same node: equal without looking inside.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: Weigh + Send + Sync + 'static> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Equal contents are equal; one node is so without a look.
impl<T: Weigh + PartialEq + Send + Sync + 'static> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || **self == **other
    }
}

impl<T: Weigh + Eq + Send + Sync + 'static> Eq for Shared<T> {}

impl<T: Weigh + Send + Sync + 'static> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
            .0
            .as_ref()
            .expect("the content is taken only by the drop of the last reference")
    }
}

impl<T: Weigh + Send + Sync + std::fmt::Debug + 'static> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Whether something is in the queue: it is looked at only if it must be.
    static QUEUED: Cell<bool> = const { Cell::new(false) };
    static QUEUE: RefCell<Vec<Box<dyn Any + Send>>> = const { RefCell::new(Vec::new()) };
}

impl<T: Weigh + Send + Sync + 'static> Drop for Slot<T> {
    fn drop(&mut self) {
        let Some(content) = self.0.take() else { return };
        memory::release(memory::node(&content));
        // Without thread-locals (the thread is ending), plain recursion has to do.
        let Ok(depth) = DEPTH.try_with(Cell::get) else {
            return;
        };
        if depth >= RECURSION {
            let boxed: Box<dyn Any + Send> = Box::new(content);
            QUEUED.set(true);
            // A failure to queue drops the content here, which is merely deeper.
            let _ = QUEUE.try_with(|queue| queue.borrow_mut().push(boxed));
            return;
        }
        DEPTH.set(depth + 1);
        drop(content);
        if depth == 0 && QUEUED.get() {
            drain();
            QUEUED.set(false);
        }
        DEPTH.set(depth);
    }
}

fn drain() {
    while let Some(content) = QUEUE.with(|queue| queue.borrow_mut().pop()) {
        drop(content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Link {
        _next: Option<Shared<Self>>,
    }

    impl Weigh for Link {}

    #[test]
    fn a_long_chain_drops_on_a_small_stack() {
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        let chain = thread.spawn(|| {
            let mut chain = None;
            for _ in 0..200_000 {
                chain = Some(Shared::new(Link { _next: chain }));
            }
            drop(chain);
        });
        chain.expect("spawn").join().expect("no overflow");
    }

    #[test]
    fn every_content_is_dropped_once() {
        struct Counted {
            token: Arc<()>,
            _next: Option<Shared<Self>>,
        }
        impl Weigh for Counted {}
        let token = Arc::new(());
        let mut chain = None;
        for _ in 0..1000 {
            chain = Some(Shared::new(Counted {
                token: Arc::clone(&token),
                _next: chain,
            }));
        }
        let first = chain.expect("built");
        assert_eq!(Arc::strong_count(&first.token), 1001);
        drop(first);
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
