//! What keeps a command in besides its namespaces, as far as the kernel can.

use std::io;

use minicbor::{Decode, Encode};

use super::{filter, landlock, sys};

/// What the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct Walls {
    /// Filters of system calls.
    #[n(0)]
    filters: bool,
    /// The version of Landlock; 0 is none.
    #[n(1)]
    landlock: u32,
}

impl Walls {
    /// Asks the kernel.
    pub(super) fn find() -> Self {
        Self {
            filters: sys::has_filters(),
            landlock: sys::landlock_version(),
        }
    }

    /// Keeps this process in. `writable` are the folders in `/build` that it may
    /// write to.
    pub(super) fn raise(self, writable: &[String]) -> io::Result<()> {
        if self.landlock > 0 {
            landlock::restrict(self.landlock, writable)?;
        }
        if self.filters {
            sys::filter_calls(&filter::program())?;
        }
        Ok(())
    }

    /// Returns what traces say that a command is kept from, and by what.
    pub(super) const fn enforced(self) -> &'static [&'static str] {
        match (self.filters, self.landlock) {
            (true, 1..) => &[
                "filesystem",
                "network",
                "devices",
                "processes",
                "seccomp",
                "landlock",
            ],
            (true, 0) => &["filesystem", "network", "devices", "processes", "seccomp"],
            (false, 1..) => &["filesystem", "network", "devices", "processes", "landlock"],
            (false, 0) => &["filesystem", "network", "devices", "processes"],
        }
    }
}
