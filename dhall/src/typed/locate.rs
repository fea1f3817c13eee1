//! From a part of a value to the expression that makes it.

use crate::difference::Part;
use crate::syntax::{Expr, Kind, Op, Span, VarTarget};

/// Returns the place of a part of the value of a closed expression: the
/// innermost expression around it that can be found without evaluating.
pub(super) fn locate(expression: &Expr, way: &[Part]) -> Span {
    let mut walk = Walk {
        at: expression.clone(),
        bound: Vec::new(),
    };
    let mut best = walk.head();
    for part in way {
        if !walk.enter(part) {
            break;
        }
        best = walk.head();
    }
    best
}

/// Where the walk is, and what the variables in scope there stand for.
struct Walk {
    at: Expr,
    bound: Vec<Expr>,
}

impl Walk {
    /// Passes what does not change a value, variables to what they stand for
    /// included, and returns the place of the rest. Each expression is part of
    /// the one before, or stands before it.
    fn head(&mut self) -> Span {
        loop {
            let next = match self.at.kind() {
                Kind::Let(bindings, body) => {
                    let values = bindings.iter().map(|binding| binding.value.clone());
                    self.bound.extend(values);
                    Some(body.clone())
                }
                Kind::Annot(inner, _) => Some(inner.clone()),
                Kind::Var(var) => self.variable(var.target),
                _ => None,
            };
            match next {
                Some(next) => self.at = next,
                None => return self.at.span(),
            }
        }
    }

    /// Returns what a variable stands for, and leaves the scope behind it.
    fn variable(&mut self, target: VarTarget) -> Option<Expr> {
        let VarTarget::Bound(between) = target else {
            return None;
        };
        let at = self.bound.len().checked_sub(between as usize + 1)?;
        let value = self.bound.get(at).cloned();
        self.bound.truncate(at);
        value
    }

    /// Goes to a part of the value; returns whether it is written here.
    fn enter(&mut self, part: &Part) -> bool {
        loop {
            self.head();
            let (next, found) = match (self.at.kind(), part) {
                (Kind::Some(inner), _) => (Some(inner.clone()), false),
                (Kind::Record(fields), Part::Field(name)) => {
                    let field = fields.iter().find(|(known, _)| known == name);
                    (field.map(|(_, value)| value.clone()), true)
                }
                (Kind::Complete(_, record), Part::Field(_)) => (Some(record.clone()), false),
                (Kind::Op(Op::Prefer, operands), Part::Field(name)) => {
                    let has = |operand: &&Expr| match operand.kind() {
                        Kind::Record(fields) => fields.iter().any(|(known, _)| known == name),
                        _ => false,
                    };
                    (operands.iter().rev().find(has).cloned(), false)
                }
                (Kind::App(constructor, arguments), Part::Field(name)) => {
                    let payload = match constructor.kind() {
                        Kind::Field(_, label, _) if label == name => arguments.first(),
                        _ => None,
                    };
                    (payload.cloned(), true)
                }
                (Kind::List(items), Part::Item(index)) => (items.get(*index).cloned(), true),
                _ => (None, true),
            };
            match next {
                Some(next) => self.at = next,
                None => return false,
            }
            if found {
                return true;
            }
        }
    }
}
