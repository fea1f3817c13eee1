//! The commands, one after another.

mod attest;
pub mod build;
mod cache;
mod demo;
mod dhall;
mod dhall_fmt;
mod dhall_imports;
mod errors;
mod gate;
mod graph;
mod kill;
mod lua;
mod query;
mod rust;
mod tamper;
mod why;
