//! What a user sees: the program, real git, real sandboxes, real servers.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod cli;
mod protocol;
mod storage;
mod support;
