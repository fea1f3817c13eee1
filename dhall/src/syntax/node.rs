//! Nodes: what an expression knows of itself, and what is kept with it.

use std::sync::OnceLock;

use crate::memory::{self, Weigh};
use crate::shared::Shared;
use crate::syntax::{Binding, Import, Kind, Op, Span, VarTarget};
use crate::value::Val;

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

    /// Keeps the type of an expression, if it is closed and not trivial. What
    /// stands in one place is checked once: its type would be kept for nothing.
    pub(crate) fn keep_type(&self, ty: &Val) {
        if self.0.is_shared()
            && let Some(memo) = self.memo()
        {
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
}
