//! Traces: the expressions that a mistake is in, for who asks.
//!
//! Nothing is kept for them while a text is checked and evaluated. The text is
//! parsed again, and its tree is walked down to the place of the mistake.

use std::fmt;

use crate::error::{Error, line_and_column};
use crate::limits::{Limits, with_stack};
use crate::location::Location;
use crate::parse;
use crate::print;
use crate::scope::Name;
use crate::syntax::{Binding, Expr, Kind, Span};

/// The most expressions that are listed on either side of a gap: those that
/// say which part of a text it is, and those that say what the part does.
const OUTER: usize = 10;
const INNER: usize = 20;

/// The expressions that a mistake is in, and the imports that led to its text.
///
/// `Display` has a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    location: Location,
    /// Outermost first.
    frames: Vec<Frame>,
    /// How many are left out behind the first ones.
    omitted: usize,
    /// Innermost first.
    chain: Vec<(Location, usize, usize)>,
}

/// An expression that a mistake is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its column in characters, counted from 1.
    pub column: usize,
    /// What it is, on one line and cut off if that is long. If it has a name in
    /// what it is a part of, that comes first: `let x = 1 + True`.
    pub text: String,
}

impl Trace {
    /// Returns the text that the expressions are of.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the expressions, outermost first. There are none if the text
    /// does not parse. Of very many, those in the middle are left out.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Returns how many expressions are left out.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl Error {
    /// Returns the expressions that the mistake is in, from the whole text
    /// inwards. This parses the text again, and costs nothing before.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, Location, MemoryImporter};
    ///
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let here = Location::File("main.dhall".to_owned());
    /// let text = "let two = 2\nin  { a = [ 1, two + True ] }";
    /// let error = evaluator.evaluate(&here, text).expect_err("ill typed");
    /// let trace = error.trace();
    /// let texts: Vec<_> = trace.frames().iter().map(|frame| frame.text.as_str()).collect();
    /// assert_eq!(
    ///     texts,
    ///     [
    ///         "let two = 2 in { a = [ 1, two + True ] }",
    ///         "in { a = [ 1, two + True ] }",
    ///         "a = [ 1, two + True ]",
    ///         "two + True",
    ///         "True",
    ///     ]
    /// );
    /// ```
    #[must_use]
    pub fn trace(&self) -> Trace {
        let (source, span) = (self.source(), self.span());
        let frames = with_stack(Limits::default(), || {
            let parsed = parse::parse(source);
            parsed.map_or_else(|_| Default::default(), |tree| frames(source, &tree, span))
        });
        // Without a thread there is an error without a trace.
        let (frames, omitted) = frames.unwrap_or_default();
        Trace {
            location: self.location().clone(),
            frames,
            omitted,
            chain: self.import_chain().to_vec(),
        }
    }
}

/// An expression, and what stands in front of it in the one that it is in.
struct Part<'a> {
    expression: &'a Expr,
    name: Option<(&'static str, &'a Name, &'static str)>,
    is_body: bool,
}

impl<'a> Part<'a> {
    fn of(expression: &'a Expr) -> Self {
        Self {
            expression,
            name: None,
            is_body: false,
        }
    }

    fn named(
        before: &'static str,
        name: &'a Name,
        sign: &'static str,
        expression: &'a Expr,
    ) -> Self {
        Self {
            name: Some((before, name, sign)),
            ..Self::of(expression)
        }
    }

    fn frame(&self, source: &str) -> Frame {
        let start = self.expression.span().start as usize;
        let (line, column) = line_and_column(source, start);
        let brief = print::brief(self.expression);
        let text = match self.name {
            Some((before, name, sign)) => format!("{before}{name} {sign} {brief}"),
            None if self.is_body => format!("in {brief}"),
            None => brief,
        };
        Frame { line, column, text }
    }
}

/// Returns the expressions around `span`, and how many are left out.
fn frames(source: &str, tree: &Expr, span: Span) -> (Vec<Frame>, usize) {
    let mut path = vec![Part::of(tree)];
    while let Some(inner) = path.last().and_then(|last| within(last.expression, span)) {
        path.push(inner);
    }
    let omitted = path.len().saturating_sub(OUTER + INNER);
    let shown = path
        .iter()
        .take(OUTER)
        .chain(path.iter().skip(OUTER + omitted));
    (shown.map(|part| part.frame(source)).collect(), omitted)
}

/// Returns the direct part of an expression that `span` is in.
fn within(expression: &Expr, span: Span) -> Option<Part<'_>> {
    let has = |part: &&Expr| {
        let part = part.span();
        part.start <= span.start && span.end <= part.end
    };
    let mut parts = Vec::new();
    match expression.kind() {
        Kind::Let(bindings, body) => {
            parts.extend(bindings.iter().flat_map(of_binding));
            parts.push(Part {
                is_body: true,
                ..Part::of(body)
            });
        }
        Kind::Record(fields) => {
            parts.extend(
                fields
                    .iter()
                    .map(|(name, value)| Part::named("", name, "=", value)),
            );
        }
        Kind::RecordType(fields) => {
            parts.extend(
                fields
                    .iter()
                    .map(|(name, ty)| Part::named("", name, ":", ty)),
            );
        }
        kind => kind.children(&mut |child| parts.push(Part::of(child))),
    }
    parts.into_iter().find(|part| has(&part.expression))
}

fn of_binding(binding: &Binding) -> impl Iterator<Item = Part<'_>> {
    let part = |sign, expression| Part::named("let ", &binding.name, sign, expression);
    let annotation = binding.annotation.iter().map(move |ty| part(":", ty));
    annotation.chain([part("=", &binding.value)])
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("trace, outermost first:")?;
        for (at, Frame { line, column, text }) in self.frames.iter().enumerate() {
            if at == OUTER && self.omitted > 0 {
                write!(f, "\n  … {} more …", self.omitted)?;
            }
            write!(f, "\n  {}:{line}:{column}: {text}", self.location)?;
        }
        if self.frames.is_empty() {
            write!(f, "\n  {}: no expression", self.location)?;
        }
        for (location, line, column) in &self.chain {
            write!(f, "\n  imported from {location}:{line}:{column}")?;
        }
        Ok(())
    }
}
