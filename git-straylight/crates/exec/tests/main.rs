//! Executors and formats against the real thing: namespaces, compilers, and the
//! API's own types.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod coeffects;
mod early;
mod formats;
mod lifecycle;
mod outputs;
mod plain;
mod remote;
mod sandbox;
mod shared;
mod staging;
mod support;
mod walls;
