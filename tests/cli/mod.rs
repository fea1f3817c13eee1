//! The commands, one after another.

mod attest;
pub mod build;
mod clean;
mod demo;
mod dhall;
mod dhall_imports;
mod errors;
mod gate;
mod init;
mod kill;
mod lua;
mod pin;
mod rust;
mod srcs;
mod tamper;
mod toolchain;
