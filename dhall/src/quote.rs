//! Values back to expressions: the β-normal form, and with `_` for every name
//! the α-normal form.

use crate::builtin::Builtin;
use crate::evaluate::{Evaluated, Machine};
use crate::scope::{Name, Scope, underscore};
use crate::syntax::{Expr, Kind, Op, Var, VarTarget};
use crate::value::{Binder, Lazy, Val};

/// Reads values back. Knows the binders that it is under.
pub(crate) struct Quoter<'a> {
    machine: &'a Machine,
    /// How many binders lie outside of `scope`, whose names are not known.
    outer: u32,
    scope: Scope,
    /// The name that all binders get, for the α-normal form.
    rename: Option<Name>,
    /// A level to look for, and whether it was seen.
    watched: Option<u32>,
    pub(crate) seen: bool,
}

impl<'a> Quoter<'a> {
    /// A quoter that keeps the names of binders.
    pub(crate) fn new(machine: &'a Machine, scope: Scope) -> Self {
        Self {
            machine,
            outer: 0,
            scope,
            rename: None,
            watched: None,
            seen: false,
        }
    }

    /// A quoter to the α-normal form of a closed value.
    pub(crate) fn alpha(machine: &'a Machine) -> Self {
        Self {
            rename: Some(underscore()),
            ..Self::new(machine, Scope::default())
        }
    }

    /// A quoter under binders whose names don't matter: the result is only
    /// evaluated.
    pub(crate) fn below(machine: &'a Machine, binders: u32) -> Self {
        Self {
            outer: binders,
            ..Self::new(machine, Scope::default())
        }
    }

    fn depth(&self) -> u32 {
        self.outer + self.scope.depth()
    }

    /// Makes `seen` say whether the variable of this level occurs.
    pub(crate) fn watching(mut self, level: u32) -> Self {
        self.watched = Some(level);
        self
    }

    /// Returns the normal form of a lazy part.
    pub(crate) fn lazy(&mut self, lazy: &Lazy) -> Evaluated<Expr> {
        let value = self.machine.force(lazy)?;
        self.quote(&value)
    }

    fn option(&mut self, lazy: Option<&Lazy>) -> Evaluated<Option<Expr>> {
        lazy.map(|lazy| self.lazy(lazy)).transpose()
    }

    /// Returns the normal form of a value.
    pub(crate) fn quote(&mut self, value: &Val) -> Evaluated<Expr> {
        self.machine.budget.step()?;
        let kind = match value {
            Val::Bound(level) => return Ok(self.bound(*level)),
            Val::Free(name, index) => return Ok(self.free(name, *index)),
            Val::Lambda(binder) => {
                let (name, domain, body) = self.binder(binder)?;
                Kind::Lambda(name, domain, body)
            }
            Val::Pi(binder) => {
                let (name, domain, body) = self.binder(binder)?;
                Kind::Pi(name, domain, body)
            }
            Val::App(_) | Val::Call(..) => return self.application(value),
            Val::Op(op, _) => self.chain(*op, value)?,
            Val::List(list) => {
                let items = list.iter().map(|item| self.lazy(item));
                Kind::List(items.collect::<Evaluated<_>>()?)
            }
            Val::Text(text) => {
                let (chunks, last) = text.chunks();
                let mut quoted = Vec::with_capacity(chunks.len());
                for (before, chunk) in chunks {
                    quoted.push((before, self.quote(chunk)?));
                }
                Kind::Text(quoted, last)
            }
            Val::Record(fields) => Kind::Record(self.fields(fields)?),
            Val::RecordType(fields) => Kind::RecordType(self.fields(fields)?),
            Val::Union(alternatives) => Kind::Union(self.alternatives(alternatives)?),
            Val::Constructor(union, label) => self.constructor(union, label)?,
            Val::Inject(inject) => {
                let constructor = Expr::made(self.constructor(&inject.union, &inject.label)?);
                let payload = self.option(inject.payload.as_ref())?;
                let span = constructor.span();
                return Ok(Expr::apply(
                    constructor,
                    payload.into_iter().collect(),
                    span,
                ));
            }
            _ => self.form(value)?,
        };
        Ok(Expr::made(kind))
    }

    /// Quotes literals and the forms that are stuck.
    fn form(&mut self, value: &Val) -> Evaluated<Kind> {
        Ok(match value {
            Val::If(parts) => Kind::If(
                self.quote(&parts.0)?,
                self.lazy(&parts.1)?,
                self.lazy(&parts.2)?,
            ),
            Val::EmptyList(ty) => Kind::EmptyList(self.lazy(ty)?),
            Val::Some(inner) => Kind::Some(self.lazy(inner)?),
            Val::Merge(parts) => Kind::Merge(
                self.quote(&parts.0)?,
                self.quote(&parts.1)?,
                self.option(parts.2.as_ref())?,
            ),
            Val::ToMap(parts) => Kind::ToMap(self.quote(&parts.0)?, self.option(parts.1.as_ref())?),
            Val::ShowConstructor(union) => Kind::ShowConstructor(self.quote(union)?),
            Val::Field(record, name) => Kind::Field(
                self.quote(record)?,
                Name::clone(name),
                crate::syntax::Span::NONE,
            ),
            Val::Project(parts) => Kind::Project(self.quote(&parts.0)?, parts.1.clone()),
            Val::ProjectType(parts) => {
                Kind::ProjectType(self.quote(&parts.0)?, self.quote(&parts.1)?)
            }
            Val::With(parts) => {
                Kind::With(self.quote(&parts.0)?, parts.1.clone(), self.lazy(&parts.2)?)
            }
            Val::Assert(ty) => Kind::Assert(self.quote(ty)?),
            Val::Builtin(builtin) => Kind::Builtin(*builtin),
            Val::Const(known) => Kind::Const(*known),
            Val::Bool(value) => Kind::Bool(*value),
            Val::Natural(value) => Kind::Natural(value.clone()),
            Val::Integer(value) => Kind::Integer(value.clone()),
            Val::Double(value) => Kind::Double(*value),
            Val::Bytes(bytes) => Kind::Bytes(bytes.clone()),
            Val::Date(date) => Kind::Date(*date),
            Val::Time(time) => Kind::Time((**time).clone()),
            Val::TimeZone(zone) => Kind::TimeZone(*zone),
            // All other values are handled by `quote`.
            _ => Kind::Builtin(Builtin::None),
        })
    }

    fn bound(&mut self, level: u32) -> Expr {
        self.seen |= self.watched == Some(level);
        let depth = self.depth();
        let inner = level.checked_sub(self.outer);
        let (name, index) = match inner.and_then(|level| self.scope.name(level)) {
            Some((name, index)) => (Name::clone(name), index),
            None => (underscore(), u64::from(level)),
        };
        let target = match (depth.checked_sub(1)).and_then(|top| top.checked_sub(level)) {
            Some(between) => VarTarget::Bound(between),
            None => VarTarget::Free(index),
        };
        Expr::made(Kind::Var(Var {
            name,
            index,
            target,
        }))
    }

    fn free(&self, name: &Name, index: u64) -> Expr {
        let shifted = index.saturating_add(self.scope.count(name));
        Expr::made(Kind::Var(Var {
            name: Name::clone(name),
            index: shifted,
            target: VarTarget::Free(index),
        }))
    }

    fn binder(&mut self, binder: &Binder) -> Evaluated<(Name, Expr, Expr)> {
        let domain = binder.domain(self.machine)?;
        let domain = self.quote(&domain)?;
        let name = self
            .rename
            .clone()
            .unwrap_or_else(|| Name::clone(&binder.name));
        let variable = Val::Bound(self.depth());
        let body = self.machine.instantiate(binder, variable.into())?;
        self.scope.push(&name);
        let body = self.quote(&body);
        self.scope.pop();
        Ok((name, domain, body?))
    }

    fn application(&mut self, value: &Val) -> Evaluated<Expr> {
        let mut arguments = Vec::new();
        let mut head = value;
        while let Val::App(parts) = head {
            arguments.push(&parts.1);
            head = &parts.0;
        }
        let function = match head {
            Val::Call(builtin, first) => {
                arguments.extend(first.iter().rev());
                Expr::made(Kind::Builtin(*builtin))
            }
            head => self.quote(head)?,
        };
        let arguments = arguments
            .into_iter()
            .rev()
            .map(|argument| self.lazy(argument));
        let arguments = arguments.collect::<Evaluated<_>>()?;
        let span = function.span();
        Ok(Expr::apply(function, arguments, span))
    }

    /// Quotes a chain of one operator without recursion along its left side.
    fn chain(&mut self, op: Op, value: &Val) -> Evaluated<Kind> {
        let mut operands = Vec::new();
        let mut left = value;
        while let Val::Op(next, sides) = left
            && *next == op
        {
            operands.push(&sides.1);
            left = &sides.0;
        }
        operands.push(left);
        let operands = operands
            .into_iter()
            .rev()
            .map(|operand| self.quote(operand));
        Ok(Kind::Op(op, operands.collect::<Evaluated<_>>()?))
    }

    fn fields(&mut self, fields: &[(Name, Lazy)]) -> Evaluated<Vec<(Name, Expr)>> {
        let field = |(name, value): &(Name, Lazy)| Ok((Name::clone(name), self.lazy(value)?));
        fields.iter().map(field).collect()
    }

    fn alternatives(
        &mut self,
        alternatives: &[(Name, Option<Lazy>)],
    ) -> Evaluated<Vec<(Name, Option<Expr>)>> {
        alternatives
            .iter()
            .map(|(name, ty)| Ok((Name::clone(name), self.option(ty.as_ref())?)))
            .collect()
    }

    fn constructor(&mut self, union: &[(Name, Option<Lazy>)], label: &Name) -> Evaluated<Kind> {
        let union = Expr::made(Kind::Union(self.alternatives(union)?));
        Ok(Kind::Field(
            union,
            Name::clone(label),
            crate::syntax::Span::NONE,
        ))
    }
}
