//! The commands, one after another.

mod attest;
pub mod build;
mod clean;
mod demo;
mod dep_files;
mod dhall;
mod dhall_fmt;
mod dhall_imports;
mod dhall_input;
mod errors;
mod gate;
mod init;
mod kill;
mod libgit2;
mod lua;
mod pin;
mod rust;
mod srcs;
mod tamper;
mod tests;
mod toolchain;
