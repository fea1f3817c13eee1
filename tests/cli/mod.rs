//! The commands, one after another.

mod attest;
pub mod build;
mod demo;
mod dep_files;
mod dhall;
mod dhall_fmt;
mod dhall_imports;
mod dhall_input;
mod errors;
mod gate;
mod kill;
mod libgit2;
mod lua;
mod rust;
mod tamper;
mod tests;
