//! The switch that stops actions.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A switch that stops actions. Clones are the same switch.
#[derive(Debug, Clone)]
pub struct Cancellation {
    shared: Arc<Switch>,
}

#[derive(Debug)]
struct Switch {
    cancelled: AtomicBool,
    /// Readable once cancelled, for those who wait in `poll`. Absent when the
    /// process had no descriptor left; then those look at `cancelled`.
    event: Option<OwnedFd>,
}

impl Default for Cancellation {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancellation {
    /// Returns a switch that is off.
    #[must_use]
    pub fn new() -> Self {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        Self {
            shared: Arc::new(Switch {
                cancelled: AtomicBool::new(false),
                event,
            }),
        }
    }

    /// Kills what runs under this switch, and keeps more from starting.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        if let Some(event) = &self.shared.event {
            // It fails only when the counter is full, and then it is readable.
            let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
        }
    }

    /// Returns whether [`Cancellation::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn event(&self) -> Option<BorrowedFd<'_>> {
        self.shared.event.as_ref().map(AsFd::as_fd)
    }
}
