//! The Dhall configuration language, version 23.1.0.
//!
//! Text is parsed to a syntax tree with spans, its imports are resolved through an [`Importer`] of the host's, it is type-checked, and
//! evaluated to a [`Value`] by need. Values are immutable and can be shared by
//! threads; they are compared, hashed and encoded as their α-β-normal form,
//! exactly as the standard says, because a hash is the identity of what it
//! names.
//!
//! This crate knows nothing of builds, of git or of files: the host decides
//! what an import may read. Every evaluation has [`Limits`]; no input makes it
//! panic, overflow its stack or use up the machine.

#![forbid(unsafe_code)]

mod binary;
mod builtin;
mod builtins;
mod difference;
mod environment;
mod equivalent;
mod error;
mod evaluate;
mod evaluator;
mod from_value;
mod import;
pub mod library;
mod limits;
mod literals;
mod location;
mod number;
mod operate;
mod parse;
mod print;
mod problem;
mod quote;
mod rope;
mod scope;
mod shared;
mod suggest;
mod syntax;
mod temporal;
#[cfg(test)]
mod tests;
mod to_value;
mod typecheck;
mod value;

pub use error::Error;
pub use evaluator::{Evaluated, Evaluator, Value};
pub use from_value::{DecodeError, from_value};
pub use import::{Chain, EmbeddedLibrary, Import, ImportError, Importer, MemoryImporter};
pub use limits::{Limits, Stop};
pub use literals::{Span, text_literals};
pub use location::Location;
pub use to_value::{EncodeError, to_value};
