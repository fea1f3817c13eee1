//! The Dhall configuration language, version 23.1.0.
//!
//! Text is parsed to a syntax tree with spans, its imports are resolved through an [`Importer`] of the host's, it is type-checked, and
//! evaluated to a [`Value`] by need. Values are immutable and can be shared by
//! threads; they are compared, hashed and encoded as their α-β-normal form,
//! exactly as the standard says, because a hash is the identity of what it
//! names.
//!
//! This crate knows nothing of builds or of git, and reads nothing by itself:
//! the host decides what an import may read, and says so with its [`Importer`]. Every evaluation has [`Limits`]; no input makes it
//! panic, overflow its stack or use up the machine.
//!
//! ```
//! use std::sync::Arc;
//!
//! use straylight_dhall::{Evaluator, Location, MemoryImporter, from_value};
//!
//! let lib = Location::File("lib.dhall".to_owned());
//! let importer = MemoryImporter::new().with(lib, r"\(n : Natural) -> { double = n * 2 }");
//! let evaluator = Evaluator::new(Arc::new(importer));
//! let here = Location::File("main.dhall".to_owned());
//! let evaluated = evaluator.evaluate(&here, "./lib.dhall 21")?;
//!
//! #[derive(serde::Deserialize)]
//! struct Doubled {
//!     double: u64,
//! }
//! let doubled: Doubled = from_value(&evaluated.value).expect("the type was checked");
//! assert_eq!(doubled.double, 42);
//! assert_eq!(evaluated.ty.to_string(), "{ double : Natural }");
//! # Ok::<(), straylight_dhall::Error>(())
//! ```

#![forbid(unsafe_code)]

mod binary;
mod builtin;
mod builtins;
mod dependencies;
mod diff;
mod difference;
mod environment;
mod equivalent;
mod error;
mod evaluate;
mod evaluator;
mod expression;
mod freeze;
mod from_value;
mod import;
mod inline;
pub mod library;
mod limits;
mod literals;
mod location;
mod memory;
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
mod trace;
mod typecheck;
mod value;

pub use dependencies::{Dependency, Graph, dependencies};
pub use diff::Change;
pub use error::Error;
pub use evaluator::{Evaluated, Evaluator, Value};
pub use expression::{Expression, source_text};
pub use freeze::{FreezeOptions, Frozen, Pin, unpinned};
pub use from_value::{DecodeError, from_value};
#[cfg(feature = "http")]
pub use import::HttpImporter;
pub use import::{
    CacheWarning, Chain, DiskCache, EmbeddedLibrary, FileTree, Import, ImportError, Importer,
    MemoryImporter, Request, Response, Variables,
};
pub use inline::Resolved;
pub use limits::{Limits, Stop};
pub use literals::{Span, text_literals};
pub use location::Location;
pub use problem::ErrorKind;
pub use to_value::{EncodeError, to_value};
pub use trace::{Frame, Trace};
