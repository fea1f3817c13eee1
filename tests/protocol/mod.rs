//! Stock clients against real servers.

mod ssh;
