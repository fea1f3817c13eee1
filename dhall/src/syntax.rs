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

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use crate::builtin::{Builtin, Const};
use crate::memory::{self, Weigh};
use crate::number::{Integer, Natural};
use crate::scope::Name;
use crate::shared::Shared;
use crate::temporal::{Date, Time, TimeZone};
use crate::value::Val;

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

/// An expression; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Expr(Shared<Node>);

#[derive(Debug)]
struct Node {
    span: Span,
    /// How many binders outside of it its variables reach; [`OPEN`] if one is
    /// free everywhere, [`IMPORTS`] if an import is somewhere below.
    reach: u32,
    kind: Kind,
    memo: OnceLock<Box<Memo>>,
}

impl Weigh for Node {
    fn heap(&self) -> usize {
        self.kind.heap()
    }
}

/// The reach of what is never closed.
const OPEN: u32 = u32::MAX - 1;

/// The reach of what is not resolved.
const IMPORTS: u32 = u32::MAX;

/// What is known of a closed expression: it is the same wherever it stands.
/// Neither refers to the expression itself, only to parts of it.
#[derive(Debug)]
struct Memo {
    value: OnceLock<Val>,
    ty: OnceLock<Val>,
}

impl Memo {
    fn new() -> Box<Self> {
        memory::hold(size_of::<Self>());
        Box::new(Self {
            value: OnceLock::new(),
            ty: OnceLock::new(),
        })
    }
}

impl Drop for Memo {
    fn drop(&mut self) {
        memory::release(size_of::<Self>());
    }
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

/// The binary operators, in the order of their codes in the binary format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Equal,
    NotEqual,
    Plus,
    Times,
    TextAppend,
    ListAppend,
    Combine,
    Prefer,
    CombineTypes,
    ImportAlt,
    Equivalent,
}

impl Op {
    pub(crate) const ALL: [Self; 13] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::NotEqual,
        Self::Plus,
        Self::Times,
        Self::TextAppend,
        Self::ListAppend,
        Self::Combine,
        Self::Prefer,
        Self::CombineTypes,
        Self::ImportAlt,
        Self::Equivalent,
    ];

    /// Returns how tightly it binds; 1 is loosest.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Equivalent => 1,
            Self::ImportAlt => 2,
            Self::Or => 3,
            Self::Plus => 4,
            Self::TextAppend => 5,
            Self::ListAppend => 6,
            Self::And => 7,
            Self::Combine => 8,
            Self::Prefer => 9,
            Self::CombineTypes => 10,
            Self::Times => 11,
            Self::Equal => 12,
            Self::NotEqual => 13,
        }
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Plus => "+",
            Self::Times => "*",
            Self::TextAppend => "++",
            Self::ListAppend => "#",
            Self::Combine => "∧",
            Self::Prefer => "⫽",
            Self::CombineTypes => "⩓",
            Self::ImportAlt => "?",
            Self::Equivalent => "≡",
        }
    }
}

/// An import as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) target: Target,
    pub(crate) mode: Mode,
    pub(crate) hash: Option<[u8; 32]>,
}

/// Where an import points.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Missing,
    Env(Name),
    Local(Prefix, Vec<Name>),
    Remote(Box<Remote>),
}

/// A URL.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) https: bool,
    pub(crate) authority: Name,
    pub(crate) path: Vec<Name>,
    pub(crate) query: Option<Name>,
    pub(crate) headers: Option<Expr>,
}

/// What a local path is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    Absolute,
    Here,
    Parent,
    Home,
}

/// As what the bytes of an import are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    Code,
    Text,
    Location,
    Bytes,
}

/// A closed value from elsewhere, and its type.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) value: Val,
    pub(crate) ty: Val,
}

impl Expr {
    pub(crate) fn new(kind: Kind, span: Span) -> Self {
        let reach = kind.reach();
        Self(Shared::new(Node {
            span,
            reach,
            kind,
            memo: OnceLock::new(),
        }))
    }

    /// Returns whether it means the same wherever it stands.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.reach == 0
    }

    /// Returns the value of a closed expression, if it was ever kept.
    pub(crate) fn known_value(&self) -> Option<&Val> {
        self.0.memo.get()?.value.get()
    }

    /// Returns the type of a closed expression, if it was ever kept.
    pub(crate) fn known_type(&self) -> Option<&Val> {
        self.0.memo.get()?.ty.get()
    }

    /// Keeps the value of an expression, if it is closed and not trivial.
    pub(crate) fn keep_value(&self, value: &Val) {
        if let Some(memo) = self.memo() {
            // Who is first keeps it; all values of one expression are equal.
            let _ = memo.value.set(value.clone());
        }
    }

    /// Keeps the type of an expression, if it is closed and not trivial.
    pub(crate) fn keep_type(&self, ty: &Val) {
        if let Some(memo) = self.memo() {
            let _ = memo.ty.set(ty.clone());
        }
    }

    fn memo(&self) -> Option<&Memo> {
        let worth = self.is_closed() && self.kind().is_compound();
        worth.then(|| &**self.0.memo.get_or_init(Memo::new))
    }

    /// Returns an expression that no one wrote.
    pub(crate) fn made(kind: Kind) -> Self {
        Self::new(kind, Span::NONE)
    }

    /// Applies `function`; a chain of applications stays one node.
    pub(crate) fn apply(function: Self, mut arguments: Vec<Self>, span: Span) -> Self {
        if arguments.is_empty() {
            return function;
        }
        match function.kind() {
            Kind::App(head, first) => {
                let mut all = first.clone();
                all.append(&mut arguments);
                Self::new(Kind::App(head.clone(), all), span)
            }
            _ => Self::new(Kind::App(function, arguments), span),
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0.kind
    }

    pub(crate) fn span(&self) -> Span {
        self.0.span
    }

    /// Returns whether an import is somewhere in it.
    pub(crate) fn imports(&self) -> bool {
        self.0.reach == IMPORTS
    }
}

impl Kind {
    /// Returns whether evaluating it twice is more work than keeping it.
    fn is_compound(&self) -> bool {
        matches!(
            self,
            Self::RecordType(_)
                | Self::Record(_)
                | Self::Union(_)
                | Self::Lambda(..)
                | Self::Pi(..)
                | Self::App(..)
                | Self::Field(..)
                | Self::Op(..)
        )
    }

    /// Returns the bytes of its own allocations, parts not included.
    fn heap(&self) -> usize {
        match self {
            Self::List(parts) | Self::Op(_, parts) | Self::App(_, parts) => parts.heap(),
            Self::RecordType(fields) | Self::Record(fields) => fields.heap(),
            Self::Union(alternatives) => alternatives.heap(),
            Self::Let(bindings, _) => bindings.heap(),
            Self::Text(chunks, last) => {
                let texts = chunks.iter().map(|(text, _)| text.len());
                chunks.heap() + last.len() + texts.sum::<usize>()
            }
            Self::Bytes(bytes) => bytes.heap(),
            Self::Project(_, names) => names.heap(),
            Self::With(_, path, _) => path.heap(),
            Self::Import(_) => size_of::<Import>(),
            _ => 0,
        }
    }

    /// Returns how many binders outside of it its variables reach.
    fn reach(&self) -> u32 {
        let under = |expression: &Expr, binders: usize| match expression.0.reach {
            open @ (OPEN | IMPORTS) => open,
            reach => reach.saturating_sub(u32::try_from(binders).unwrap_or(OPEN)),
        };
        match self {
            Self::Import(_) | Self::Op(Op::ImportAlt, _) => IMPORTS,
            Self::Var(var) => match var.target {
                VarTarget::Bound(between) => between.saturating_add(1).min(OPEN),
                VarTarget::Free(_) => OPEN,
            },
            Self::Lambda(_, domain, body) | Self::Pi(_, domain, body) => {
                under(domain, 0).max(under(body, 1))
            }
            Self::Let(bindings, body) => {
                let binding = |(at, binding): (usize, &Binding)| {
                    let annotation = binding.annotation.as_ref().map_or(0, |ty| under(ty, at));
                    annotation.max(under(&binding.value, at))
                };
                let reach = bindings.iter().enumerate().map(binding).max();
                reach.unwrap_or(0).max(under(body, bindings.len()))
            }
            _ => {
                let mut reach = 0;
                self.children(&mut |child| reach = reach.max(child.0.reach));
                reach
            }
        }
    }

    /// Calls `visit` with each direct part, in the order of the source.
    pub(crate) fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match self {
            Self::Lambda(_, a, b)
            | Self::Pi(_, a, b)
            | Self::Annot(a, b)
            | Self::ProjectType(a, b)
            | Self::Complete(a, b)
            | Self::With(a, _, b) => {
                visit(a);
                visit(b);
            }
            Self::Let(bindings, body) => {
                for binding in bindings {
                    binding.annotation.iter().for_each(&mut *visit);
                    visit(&binding.value);
                }
                visit(body);
            }
            Self::If(a, b, c) => [a, b, c].into_iter().for_each(visit),
            Self::Merge(a, b, annotation) => {
                visit(a);
                visit(b);
                annotation.iter().for_each(visit);
            }
            Self::ToMap(a, annotation) => {
                visit(a);
                annotation.iter().for_each(visit);
            }
            Self::ShowConstructor(a)
            | Self::EmptyList(a)
            | Self::Field(a, ..)
            | Self::Project(a, _)
            | Self::Assert(a)
            | Self::Some(a) => visit(a),
            Self::List(items) | Self::Op(_, items) => items.iter().for_each(visit),
            Self::App(function, arguments) => {
                visit(function);
                arguments.iter().for_each(visit);
            }
            Self::Text(chunks, _) => chunks.iter().for_each(|(_, chunk)| visit(chunk)),
            Self::RecordType(fields) | Self::Record(fields) => {
                fields.iter().for_each(|(_, field)| visit(field));
            }
            Self::Union(alternatives) => {
                alternatives
                    .iter()
                    .filter_map(|(_, ty)| ty.as_ref())
                    .for_each(visit);
            }
            Self::Import(import) => {
                if let Target::Remote(remote) = &import.target {
                    remote.headers.iter().for_each(visit);
                }
            }
            _ => {}
        }
    }
}

impl Expr {
    /// Returns the expression with its direct parts replaced.
    pub(crate) fn try_map<E>(
        &self,
        replace: &mut dyn FnMut(&Self) -> Result<Self, E>,
    ) -> Result<Self, E> {
        let kind = self.kind().try_map(replace)?;
        Ok(kind.map_or_else(|| self.clone(), |kind| Self::new(kind, self.span())))
    }
}

impl Kind {
    /// Returns the same kind with other parts; `None` if it has no parts.
    fn try_map<E>(&self, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Option<Self>, E> {
        Ok(Some(match self {
            Self::List(items) => Self::List(map_all(items, f)?),
            Self::Op(op, operands) => Self::Op(*op, map_all(operands, f)?),
            Self::App(function, arguments) => Self::App(f(function)?, map_all(arguments, f)?),
            Self::Lambda(name, a, b) => Self::Lambda(Name::clone(name), f(a)?, f(b)?),
            Self::Pi(name, a, b) => Self::Pi(Name::clone(name), f(a)?, f(b)?),
            Self::Let(bindings, body) => {
                let bindings = bindings.iter().map(|binding| binding.try_map(f));
                Self::Let(bindings.collect::<Result<_, E>>()?, f(body)?)
            }
            Self::If(a, b, c) => Self::If(f(a)?, f(b)?, f(c)?),
            Self::Merge(a, b, ty) => Self::Merge(f(a)?, f(b)?, ty.as_ref().map(f).transpose()?),
            Self::ToMap(a, ty) => Self::ToMap(f(a)?, ty.as_ref().map(f).transpose()?),
            Self::ShowConstructor(a) => Self::ShowConstructor(f(a)?),
            Self::EmptyList(a) => Self::EmptyList(f(a)?),
            Self::Annot(a, b) => Self::Annot(f(a)?, f(b)?),
            Self::Field(a, name, span) => Self::Field(f(a)?, Name::clone(name), *span),
            Self::Project(a, names) => Self::Project(f(a)?, names.clone()),
            Self::ProjectType(a, b) => Self::ProjectType(f(a)?, f(b)?),
            Self::Complete(a, b) => Self::Complete(f(a)?, f(b)?),
            Self::Assert(a) => Self::Assert(f(a)?),
            Self::With(a, path, b) => Self::With(f(a)?, path.clone(), f(b)?),
            Self::Some(a) => Self::Some(f(a)?),
            Self::Text(chunks, last) => {
                let chunk = |(before, chunk): &(Name, Expr)| Ok((Name::clone(before), f(chunk)?));
                let chunks: Result<_, E> = chunks.iter().map(chunk).collect();
                Self::Text(chunks?, Name::clone(last))
            }
            Self::RecordType(fields) => Self::RecordType(map_fields(fields, f)?),
            Self::Record(fields) => Self::Record(map_fields(fields, f)?),
            Self::Union(alternatives) => {
                let alternative = |(name, ty): &(Name, Option<Expr>)| {
                    Ok((Name::clone(name), ty.as_ref().map(&mut *f).transpose()?))
                };
                let alternatives: Result<_, E> = alternatives.iter().map(alternative).collect();
                Self::Union(alternatives?)
            }
            _ => return Ok(None),
        }))
    }
}

fn map_all<E>(parts: &[Expr], f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Vec<Expr>, E> {
    parts.iter().map(f).collect()
}

fn map_fields<E>(
    fields: &[(Name, Expr)],
    f: &mut dyn FnMut(&Expr) -> Result<Expr, E>,
) -> Result<Vec<(Name, Expr)>, E> {
    let field = |(name, value): &(Name, Expr)| Ok((Name::clone(name), f(value)?));
    fields.iter().map(field).collect()
}

impl Binding {
    fn try_map<E>(&self, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Self, E> {
        Ok(Self {
            name: Name::clone(&self.name),
            annotation: self.annotation.as_ref().map(&mut *f).transpose()?,
            value: f(&self.value)?,
            name_span: self.name_span,
        })
    }
}
