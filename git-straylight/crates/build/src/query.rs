//! Questions about the graph of targets: `rdeps(//..., //lib) - //lib`.
//!
//! ```text
//! expression = term { operator term }         from left to right
//! operator   = "+" | "union" | "-" | "except" | "^" | "intersect"
//! term       = "(" expression ")" | label
//!            | "deps" "(" expression [ "," depth ] ")"
//!            | "rdeps" "(" expression "," expression [ "," depth ] ")"
//!            | "somepath" "(" expression "," expression ")"
//!            | "allpaths" "(" expression "," expression ")"
//!            | "kind" "(" pattern "," expression ")"
//!            | "filter" "(" pattern "," expression ")"
//!            | "set" "(" { label } ")"
//! ```
//!
//! Labels and patterns stand in quotes if they hold other characters than
//! letters, digits and `/ . - _ : @ * $ ~`. In a pattern, `*` is any text.
//!
//! An expression is parsed without looking at any target: its
//! [references](Query::references) say which graph it needs. Evaluation visits
//! each edge a fixed number of times for each function.

mod evaluate;
mod parse;

use std::fmt;

use crate::label::{PackagePath, Reference};
use crate::target_graph::TargetGraph;

/// A question about a graph of targets.
#[derive(Debug, Clone)]
pub struct Query {
    expression: Expression,
}

/// An expression. Chains of operators are lists, so that only parentheses nest.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Labels(Vec<Reference>),
    Deps {
        of: Box<Expression>,
        depth: Option<usize>,
    },
    Rdeps {
        universe: Box<Expression>,
        of: Box<Expression>,
        depth: Option<usize>,
    },
    SomePath(Box<Expression>, Box<Expression>),
    AllPaths(Box<Expression>, Box<Expression>),
    Kind(String, Box<Expression>),
    Filter(String, Box<Expression>),
    Chain(Box<Expression>, Vec<(Operator, Expression)>),
}

/// How two sets become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Union,
    Except,
    Intersect,
}

impl Query {
    /// Parses an expression; labels such as `:name` are those of `package`.
    ///
    /// # Errors
    /// [`QueryError`] with the place of what is wrong.
    ///
    /// ```
    /// use straylight_build::{PackagePath, query::Query};
    /// let root = PackagePath::new("").unwrap();
    /// assert!(Query::parse("deps(//hello, 1) - //hello", &root).is_ok());
    /// let error = Query::parse("dep(//hello)", &root).unwrap_err();
    /// assert_eq!(error.hint(), Some("did you mean `deps`?"));
    /// ```
    pub fn parse(text: &str, package: &PackagePath) -> Result<Self, QueryError> {
        parse::parse(text, package).map(|expression| Self { expression })
    }

    /// Returns the labels that the expression names, each once.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        let mut references = Vec::new();
        self.expression.references(&mut references);
        references
    }

    /// Returns the targets that answer the question, by their indices in
    /// `graph`, which was made with [`Query::references`]. Those of `somepath`
    /// are in the order of the path, if that is the whole expression; all
    /// others are sorted.
    #[must_use]
    pub fn evaluate(&self, graph: &TargetGraph) -> Vec<usize> {
        evaluate::evaluate(&self.expression, graph)
    }
}

impl Expression {
    fn references(&self, into: &mut Vec<Reference>) {
        match self {
            Self::Labels(labels) => {
                for label in labels {
                    if !into.contains(label) {
                        into.push(label.clone());
                    }
                }
            }
            Self::Deps { of, .. } | Self::Kind(_, of) | Self::Filter(_, of) => of.references(into),
            Self::Rdeps {
                universe: a, of: b, ..
            }
            | Self::SomePath(a, b)
            | Self::AllPaths(a, b) => {
                a.references(into);
                b.references(into);
            }
            Self::Chain(first, rest) => {
                first.references(into);
                rest.iter().for_each(|(_, term)| term.references(into));
            }
        }
    }
}

/// A text that is not a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    pub(crate) message: String,
    /// In characters, from 0.
    pub(crate) position: usize,
    pub(crate) hint: Option<String>,
}

impl QueryError {
    /// Returns where the mistake begins: in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.position + 1
    }

    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column(), self.message)
    }
}

impl std::error::Error for QueryError {}
