//! The commands, one after another.

mod build;
mod errors;
mod kill;
mod lua;
