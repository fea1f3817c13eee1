//! The Dhall configuration language, version 23.1.0.
//!
//! Text is parsed to a syntax tree with spans, its imports are resolved through
//! an [`Importer`] of the host's, it is type-checked, and evaluated to a
//! [`Value`] by need. Values are immutable and can be shared by threads; they
//! are compared, hashed and encoded as their α-β-normal form, exactly as the
//! standard says, because a hash is the identity of what it names.
//!
//! This crate knows nothing of builds or of git, and reads nothing by itself:
//! the host decides what an import may read, and says so with its [`Importer`].
//! Every evaluation has [`Limits`]; no input makes it panic, overflow its stack
//! or use up the machine.
//!
//! # From a text to Rust
//!
//! [`dhall_type!`] states the Dhall type of a struct or an enum. A text that
//! does not have it is an error in that text, before anything is decoded.
//!
//! ```
//! use std::sync::Arc;
//!
//! use straylight_dhall::{Evaluator, Location, MemoryImporter, dhall_type};
//!
//! dhall_type! {
//!     #[derive(Debug, PartialEq, serde::Deserialize)]
//!     struct Doubled {
//!         double: u64,
//!     }
//! }
//!
//! let lib = Location::File("lib.dhall".to_owned());
//! let importer = MemoryImporter::new().with(lib, r"\(n : Natural) -> { double = n * 2 }");
//! let evaluator = Evaluator::new(Arc::new(importer));
//! let here = Location::File("main.dhall".to_owned());
//! let doubled: Doubled = evaluator.evaluate_as(&here, "./lib.dhall 21")?;
//! assert_eq!(doubled, Doubled { double: 42 });
//!
//! let error = evaluator
//!     .evaluate_as::<Doubled>(&here, "{ duoble = 42 }")
//!     .expect_err("misspelled");
//! println!("{}", error.render(false));
//! assert_eq!(error.hint(), Some("did you mean `double`?"));
//! # Ok::<(), straylight_dhall::Error>(())
//! ```
//!
//! [`Evaluator::evaluate`] gives the value and its type as they are, and every
//! import that they depend on. [`from_value`] decodes without a type, and
//! [`to_value`] makes a value of a type, such as the argument of a function:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use straylight_dhall::{Evaluator, Location, MemoryImporter, from_value, to_value};
//!
//! let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
//! let here = Location::Input("rule".to_owned());
//! let rule = evaluator.evaluate(&here, r"\(c : { debug : Bool }) -> [ Natural/isZero 0, c.debug ]")?;
//! assert_eq!(rule.ty.to_string(), "∀(c : { debug : Bool }) → List Bool");
//!
//! let (input, _) = rule.ty.function_type().expect("a function");
//! let argument = to_value(&BTreeMap::from([("debug", false)]), &input).expect("it fits");
//! let flags: Vec<bool> = from_value(&rule.value.apply(&argument)?).expect("a list");
//! assert_eq!(flags, [true, false]);
//! # Ok::<(), straylight_dhall::Error>(())
//! ```
//!
//! Recursive data is a function over its constructors: [`Value::fold`] walks it.
//!
//! # Imports
//!
//! | importer | what it reads |
//! |---|---|
//! | [`MemoryImporter`] | what the host puts into it |
//! | [`FileTree`] | the files of a folder |
//! | [`Variables`] | environment variables |
//! | [`EmbeddedLibrary`] | the typed library, in [`library`] |
//! | [`DiskCache`] | the standard's cache of pinned imports |
//! | `HttpImporter` | URLs; behind the feature `http` |
//! | [`Chain`] | the first of several that has it |
//!
//! A host's own is a method:
//!
//! ```
//! use std::sync::Arc;
//!
//! use straylight_dhall::{Evaluator, ImportError, Importer, Location};
//!
//! /// Has one file, and allows nothing else.
//! struct One;
//!
//! impl Importer for One {
//!     fn read(
//!         &self,
//!         location: &Location,
//!         _sha256: Option<[u8; 32]>,
//!     ) -> Result<Option<Arc<[u8]>>, ImportError> {
//!         match location {
//!             Location::File(path) if path == "one.dhall" => Ok(Some(Arc::from(*b"1"))),
//!             Location::File(_) => Ok(None),
//!             other => Err(ImportError::Refused {
//!                 message: format!("`{other}` must not be read here"),
//!                 hint: "import `./one.dhall`".to_owned(),
//!             }),
//!         }
//!     }
//! }
//!
//! let evaluator = Evaluator::new(Arc::new(One));
//! let here = Location::File("main.dhall".to_owned());
//! let two = evaluator.evaluate(&here, "./one.dhall + (./two.dhall ? 1)")?;
//! assert_eq!(two.value.to_string(), "2");
//! assert_eq!(two.imports.len(), 2, "what is not there counts, too");
//! let error = evaluator.evaluate(&here, "env:HOME ? 1").expect_err("refused");
//! assert_eq!(error.to_string(), "main.dhall:1:1: `env:HOME` must not be read here");
//! # Ok::<(), straylight_dhall::Error>(())
//! ```
//!
//! [`Evaluator::freeze`] pins the imports of a source by their hashes.
//!
//! # Syntax, binary form, hash
//!
//! [`Expression`] is a text as it is written: parsed, printed, encoded and
//! decoded, with imports that are not resolved. [`Value::encode`] and
//! [`Value::hash`] are about what a text means, and [`Value::diff`] says where
//! two meanings differ.
//!
//! # Limits
//!
//! A Dhall program always ends, and may still outlast the sun. [`Limits`] are
//! steps, memory, and bits of a number; what exceeds them is an [`Error`] at the
//! expression that did. Nesting is limited by a stack that the crate brings
//! itself: ten thousand levels are fine on any thread.

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
mod fold;
mod format;
mod freeze;
mod from_value;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod import;
mod inline;
pub mod library;
mod limits;
mod listing;
mod lists;
mod literals;
mod location;
mod memory;
mod number;
mod operate;
mod parse;
mod part;
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
mod typed;
mod value;

pub use dependencies::{Dependency, Graph, dependencies};
pub use diff::Change;
pub use difference::Fit;
pub use error::Error;
pub use evaluator::{Evaluated, Evaluator, Value};
pub use expression::{Expression, source_text};
pub use fold::{Node, Payload};
pub use format::format;
pub use freeze::{FreezeOptions, Frozen, Pin, unpinned};
pub use from_value::{DecodeError, from_value};
#[cfg(feature = "http")]
pub use import::HttpImporter;
pub use import::{
    CacheWarning, Chain, Checked, DiskCache, EmbeddedLibrary, FileTree, Import, ImportError,
    Importer, MemoryImporter, Request, Response, Variables,
};
pub use inline::Resolved;
pub use limits::{Limits, STACK_SIZE, Stop, evaluate_on_this_thread};
pub use lists::{TextItem, TextList, text_lists};
pub use literals::{Span, text_literals};
pub use location::Location;
pub use problem::ErrorKind;
pub use to_value::{EncodeError, to_value};
pub use trace::{Frame, Trace};
pub use typed::{DhallType, Type};

/// The examples of the README, which are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
