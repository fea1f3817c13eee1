//! The commands, one after another.

mod attest;
pub mod build;
mod cache;
mod clean;
mod demo;
mod dep_files;
mod dhall;
mod dhall_fmt;
mod dhall_imports;
mod dhall_input;
mod errors;
mod gate;
mod graph;
mod init;
mod kill;
mod libgit2;
mod lua;
mod pin;
mod profile;
mod query;
mod rust;
mod srcs;
mod tamper;
mod tests;
mod toolchain;
mod why;
