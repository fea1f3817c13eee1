//! Inlining: an expression with all that it imports in it.
//!
//! Each import is replaced by the text that it imports, as that is written and
//! its own imports replaced. A pinned import is replaced by its α-β-normal
//! form, wherever it came from. What is imported is closed, so that it means
//! the same at its new place.
//!
//! Trees share what is imported twice; a text cannot. How large the text will
//! be is therefore counted before there is one.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::dependencies::Graph;
use crate::error::Error;
use crate::evaluate::Machine;
use crate::evaluator::{Evaluator, on_stack};
use crate::expression::Expression;
use crate::import::{Cache, Resolver};
use crate::limits::{Limits, Stop, check_stack};
use crate::location::Location;
use crate::problem::{ErrorKind, Problem};
use crate::quote::Quoter;
use crate::syntax::{Embedded, Expr, Kind, Span};

/// The most levels that a result may have: as deep as a parser goes, where
/// each text alone is less deep and they are imported by each other.
const DEEPEST: u32 = 40_000;

/// An expression with all that it imports in it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The expression. It imports nothing.
    pub expression: Expression,
    /// What was imported, and by whom.
    pub graph: Graph,
}

impl Evaluator {
    /// Replaces each import in `text`, which comes from `location`, by what it
    /// imports. Of alternatives, the one that was there is taken.
    ///
    /// What is imported is checked, as the standard says; the text itself is
    /// neither checked nor evaluated. Texts are read again, even if this
    /// evaluator has imported them before.
    ///
    /// # Errors
    /// [`Error`] when the text does not parse, when something that it imports
    /// is not there or not well typed, or when the result exceeds the limits.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, Location, MemoryImporter};
    ///
    /// let lib = Location::File("lib.dhall".to_owned());
    /// let importer = MemoryImporter::new().with(lib, r"\(n : Natural) -> n + 1");
    /// let here = Location::File("main.dhall".to_owned());
    /// let resolved = Evaluator::new(Arc::new(importer)).resolve(&here, "./lib.dhall 1")?;
    /// assert_eq!(resolved.expression.to_string(), "(λ(n : Natural) → n + 1) 1");
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    pub fn resolve(&self, location: &Location, text: &str) -> Result<Resolved, Error> {
        let source: Arc<str> = Arc::from(text);
        on_stack(self.limits, location, || {
            let machine = Machine::new(self.limits);
            // Evaluations keep no trees: what they imported is of no use here.
            let cache = Cache::default();
            let mut resolver = Resolver::new(&machine, &*self.importer, &cache).keeping();
            let tree = resolver.resolve_text(location, &source)?;
            let mut inliner = Inliner::new(&machine, self.limits);
            let inlined = inliner.inline(&tree);
            let inlined = inlined.map_err(|stop| {
                let span = inliner.at.unwrap_or(tree.span());
                Error::new(location, &source, too_large(span, stop))
            })?;
            Ok(Resolved {
                expression: Expression::from_tree(inlined.expression),
                graph: Graph::new(location, resolver.into_trail()),
            })
        })
    }
}

fn too_large(span: Span, stop: Stop) -> Box<Problem> {
    match stop {
        Stop::TooLarge => Problem::new(span, "this is too large with all that it imports")
            .kind(ErrorKind::Exhausted)
            .hint("bind what is imported often with `let`, and import it once"),
        stop => Problem::stopped(span, stop),
    }
}

/// Replaces what imports were resolved to.
struct Inliner<'a> {
    machine: &'a Machine,
    limits: Limits,
    /// What was imported, by its address: each lives as long as the tree.
    known: FxHashMap<*const Embedded, Inlined>,
    /// The import of the outermost text that is being replaced.
    at: Option<Span>,
}

/// An expression without imports.
#[derive(Clone)]
struct Inlined {
    expression: Expr,
    /// About how many bytes it has as a text, without white space.
    size: u64,
    /// How many levels it has.
    depth: u32,
}

impl<'a> Inliner<'a> {
    fn new(machine: &'a Machine, limits: Limits) -> Self {
        Self {
            machine,
            limits,
            known: FxHashMap::default(),
            at: None,
        }
    }

    fn inline(&mut self, expression: &Expr) -> Result<Inlined, Stop> {
        check_stack()?;
        if let Kind::Embed(embedded) = expression.kind() {
            return self.embedded(embedded, expression.span());
        }
        let (mut size, mut depth) = (own_size(expression.kind()), 0);
        let replaced = expression.try_map(&mut |part| {
            let part = self.inline(part)?;
            size = part.size.saturating_add(size);
            depth = part.depth.max(depth);
            Ok(part.expression)
        })?;
        // A text takes a share of the memory that trees and values may have.
        if size > self.limits.memory as u64 / 16 {
            return Err(Stop::TooLarge);
        }
        if depth >= DEEPEST {
            return Err(Stop::TooDeep);
        }
        Ok(Inlined {
            expression: applied(replaced),
            size,
            depth: depth + 1,
        })
    }

    fn embedded(&mut self, embedded: &Arc<Embedded>, span: Span) -> Result<Inlined, Stop> {
        let key = Arc::as_ptr(embedded);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let is_outermost = self.at.is_none();
        if is_outermost {
            self.at = Some(span);
        }
        let inlined = match &embedded.text {
            Some(text) => self.inline(text)?,
            None => {
                let normal = Quoter::alpha(self.machine).quote(&embedded.value)?;
                self.inline(&normal)?
            }
        };
        if is_outermost {
            self.at = None;
        }
        self.known.insert(key, inlined.clone());
        Ok(inlined)
    }
}

/// Returns the expression; an application to more arguments stays one node.
fn applied(expression: Expr) -> Expr {
    match expression.kind() {
        Kind::App(function, arguments) if matches!(function.kind(), Kind::App(..)) => {
            Expr::apply(function.clone(), arguments.clone(), expression.span())
        }
        _ => expression,
    }
}

/// Returns about how many bytes a node has as a text, without its parts.
fn own_size(kind: &Kind) -> u64 {
    let names = |names: &mut dyn Iterator<Item = usize>| names.map(|name| name + 3).sum();
    let bytes: usize = match kind {
        Kind::Text(chunks, last) => {
            last.len() + names(&mut chunks.iter().map(|(text, _)| text.len()))
        }
        Kind::Bytes(bytes) => 2 * bytes.len(),
        Kind::Natural(number) => number.to_bytes().len() * 5 / 2,
        Kind::Integer(number) => number.magnitude().to_bytes().len() * 5 / 2,
        Kind::Var(var) => var.name.len(),
        Kind::Lambda(name, ..) | Kind::Pi(name, ..) | Kind::Field(_, name, _) => name.len(),
        Kind::Let(bindings, _) => names(&mut bindings.iter().map(|binding| binding.name.len())),
        Kind::Record(fields) | Kind::RecordType(fields) => {
            names(&mut fields.iter().map(|(name, _)| name.len()))
        }
        Kind::Union(fields) => names(&mut fields.iter().map(|(name, _)| name.len())),
        Kind::Project(_, fields) => names(&mut fields.iter().map(|name| name.len())),
        _ => 0,
    };
    bytes as u64 + 4
}
