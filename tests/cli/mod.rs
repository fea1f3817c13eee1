//! The commands, one after another.

mod build;
mod errors;
mod lua;
