//! The syntax tree of one source text, or of one normal form.
//!
//! Names are resolved when a tree is made: a variable knows how many binders
//! lie between it and its own. Chains (operators, applications, `let`s, list
//! items) are flat, so that long ones need no deep recursion. Records and
//! unions are sorted by name; equal names stay beside each other.
//!
//! A tree never holds the content of an import: resolution replaces an import
//! by a node that refers to the imported value, so every span in a tree is a
//! span of the same text.

mod import;
mod node;
mod operator;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::builtin::{Builtin, Const};
use crate::number::{Integer, Natural};
use crate::scope::Name;
use crate::temporal::{Date, Time, TimeZone};
use crate::value::Val;

pub(crate) use import::{Import, Mode, Prefix, Remote, Target};
pub(crate) use node::Expr;
pub(crate) use operator::Op;

/// A range of bytes of a source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Which text it is of, if that matters: closures of one text are
    /// evaluated for another.
    pub(crate) source: Source,
}

/// A parsed text; the default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source(u32);

impl Source {
    /// Returns a new one. After four thousand million texts, numbers recur: a
    /// message may then show a wrong place.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        Self(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Span {
    /// The span of what was not written by anyone.
    pub(crate) const NONE: Self = Self {
        start: 0,
        end: 0,
        source: Source(0),
    };
}

/// What an expression is.
#[derive(Debug)]
pub(crate) enum Kind {
    Const(Const),
    Builtin(Builtin),
    Var(Var),
    Lambda(Name, Expr, Expr),
    Pi(Name, Expr, Expr),
    Let(Vec<Binding>, Expr),
    If(Expr, Expr, Expr),
    Merge(Expr, Expr, Option<Expr>),
    ToMap(Expr, Option<Expr>),
    ShowConstructor(Expr),
    EmptyList(Expr),
    List(Vec<Expr>),
    Annot(Expr, Expr),
    /// At least two operands, grouped to the left.
    Op(Op, Vec<Expr>),
    /// At least one argument; the function is not itself an application.
    App(Expr, Vec<Expr>),
    /// The span is that of the label.
    Field(Expr, Name, Span),
    Project(Expr, Vec<Name>),
    ProjectType(Expr, Expr),
    Complete(Expr, Expr),
    Assert(Expr),
    With(Expr, Vec<Step>, Expr),
    Some(Expr),
    Bool(bool),
    Natural(Natural),
    Integer(Integer),
    Double(f64),
    Text(Vec<(Name, Expr)>, Name),
    Bytes(Arc<[u8]>),
    Date(Date),
    Time(Time),
    TimeZone(TimeZone),
    RecordType(Vec<(Name, Expr)>),
    Record(Vec<(Name, Expr)>),
    Union(Vec<(Name, Option<Expr>)>),
    Import(Box<Import>),
    /// What an import was resolved to.
    Embed(Arc<Embedded>),
}

/// A variable as it is written, and what it refers to.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    pub(crate) name: Name,
    pub(crate) index: u64,
    pub(crate) target: VarTarget,
}

/// What a variable refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum VarTarget {
    /// A binder of the same tree: the number of binders in between.
    Bound(u32),
    /// None; its index outside all binders of the tree.
    Free(u64),
}

/// One `let`.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) name: Name,
    pub(crate) annotation: Option<Expr>,
    pub(crate) value: Expr,
    pub(crate) name_span: Span,
}

/// A component of the path of a `with`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Label(Name),
    Optional,
}

/// A closed value from elsewhere, and its type.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) value: Val,
    pub(crate) ty: Val,
    /// The text that it is the value of, its own imports resolved. Only kept
    /// for who writes it down, and never for what is pinned: that is its value.
    pub(crate) text: Option<Expr>,
}

impl Embedded {
    /// Returns the value without the text that it is of.
    pub(crate) fn without_text(&self) -> Self {
        Self {
            value: self.value.clone(),
            ty: self.ty.clone(),
            text: None,
        }
    }
}
