//! Tests of the language as a whole.

mod acceptance;
mod checked;
mod diff;
mod files;
mod fold;
mod format;
mod freeze;
mod fuzz;
mod headers;
mod host;
mod hosts;
#[cfg(feature = "http")]
mod http;
mod imports;
mod language;
mod limits;
mod parallel;
mod programs;
mod properties;
mod resolve;
#[cfg(feature = "http")]
mod server;
mod trace;
mod typed;

use std::sync::Arc;

use crate::error::Error;
use crate::evaluate::Machine;
use crate::import::{Cache, Importer, Resolver};
use crate::limits::{Limits, with_stack};
use crate::location::Location;
use crate::syntax::Expr;

/// Runs where the stack is large, with fresh limits.
pub(crate) fn on_machine<R: Send>(work: impl FnOnce(&Machine) -> R + Send) -> R {
    with_stack(Limits::default(), || work(&Machine::new(Limits::default()))).expect("a thread")
}

/// Parses and resolves a text that imports nothing but what `importer` has.
fn resolve(
    machine: &Machine,
    importer: &dyn Importer,
    location: &Location,
    text: &str,
) -> Result<Expr, Error> {
    let cache = Cache::default();
    Resolver::new(machine, importer, &cache).resolve_text(location, &Arc::from(text))
}
