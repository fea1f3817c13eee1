//! Operators.

use crate::builtin::{Builtin, Const};
use crate::problem::Problem;
use crate::scope::Name;
use crate::syntax::{Expr, Op, Span};
use crate::typecheck::{Checked, Checker};
use crate::value::{Fields, Lazy, Val, find};

impl Checker<'_> {
    pub(super) fn operands(&mut self, op: Op, operands: &[Expr]) -> Checked<Val> {
        let simple = match op {
            Op::Or | Op::And | Op::Equal | Op::NotEqual => Builtin::Bool,
            Op::Plus | Op::Times => Builtin::Natural,
            Op::TextAppend => Builtin::Text,
            Op::ListAppend => return self.list_append(operands),
            Op::Combine => return self.combine(operands),
            Op::Prefer => return self.prefer(operands),
            Op::CombineTypes => return self.combine_types(operands),
            Op::Equivalent => return self.equivalence(operands),
            Op::ImportAlt => return self.infer(&operands[0]),
        };
        let ty = Val::Builtin(simple);
        for operand in operands {
            let found = self.infer(operand)?;
            let message =
                format_args!("`{}` needs values of type `{}`", op.symbol(), simple.name());
            self.expect(operand.span(), &ty, &found, message)
                .map_err(|problem| problem.maybe_hint(operator_hint(op, &found)))?;
        }
        Ok(ty)
    }

    fn list_append(&mut self, operands: &[Expr]) -> Checked<Val> {
        let mut first: Option<Val> = None;
        for operand in operands {
            let found = self.infer(operand)?;
            if found.applied(Builtin::List).is_none() {
                return Err(Problem::new(operand.span(), "`#` needs lists")
                    .label(format!("this is a `{}`", self.show(&found)))
                    .hint("write a single item as `[ item ]`"));
            }
            match &first {
                None => first = Some(found),
                Some(ty) => {
                    let message = "`#` is given lists of different types";
                    self.expect(operand.span(), ty, &found, message)
                        .map_err(|problem| problem.context(operands[0].span(), "the first list"))?;
                }
            }
        }
        first.ok_or_else(|| Problem::new(Span::NONE, "`#` needs lists"))
    }

    /// Infers the type of a record, and returns its fields.
    pub(super) fn record_fields(&mut self, record: &Expr, message: &str) -> Checked<Fields> {
        match self.infer(record)? {
            Val::RecordType(fields) => Ok(fields),
            found => Err(Problem::new(record.span(), message)
                .label(format!("this is a `{}`", self.show(&found)))),
        }
    }

    fn combine(&mut self, operands: &[Expr]) -> Checked<Val> {
        let mut ty: Option<Fields> = None;
        for operand in operands {
            let fields = self.record_fields(operand, "`∧` needs records")?;
            let merged = match ty {
                None => fields,
                Some(before) => self.combine_fields(operand.span(), &before, &fields, "")?,
            };
            ty = Some(merged);
        }
        ty.map(Val::RecordType)
            .ok_or_else(|| Problem::new(Span::NONE, "`∧` needs records"))
    }

    /// Merges two record types; what they share must be record types again.
    fn combine_fields(
        &mut self,
        span: Span,
        left: &Fields,
        right: &Fields,
        path: &str,
    ) -> Checked<Fields> {
        self.at(span, self.machine.budget.step())?;
        for (name, field) in right.iter() {
            let Some(other) = find(left, name) else {
                continue;
            };
            let path = format!("{path}{name}");
            let (a, b) = (self.force(span, other)?, self.force(span, field)?);
            let (Val::RecordType(a), Val::RecordType(b)) = (&a, &b) else {
                return Err(
                    Problem::new(span, format!("both sides have the field `{path}`"))
                        .label("the second one")
                        .note(format!(
                            "the first is `{}`, the second `{}`",
                            self.show(&a),
                            self.show(&b)
                        ))
                        .hint("only records are merged; `//` takes the second one"),
                );
            };
            self.combine_fields(span, a, b, &format!("{path}."))?;
        }
        let left = Val::RecordType(left.clone());
        let merged = self
            .machine
            .combine_types(left, Val::RecordType(right.clone()));
        match self.at(span, merged)? {
            Val::RecordType(fields) => Ok(fields),
            _ => Err(Problem::new(span, "these records cannot be merged")),
        }
    }

    fn prefer(&mut self, operands: &[Expr]) -> Checked<Val> {
        let mut ty: Option<Fields> = None;
        for operand in operands {
            let fields = self.record_fields(operand, "`⫽` needs records")?;
            let merged = match ty {
                None => fields,
                Some(before) => self.prefer_fields(operand.span(), &before, &fields)?,
            };
            ty = Some(merged);
        }
        ty.map(Val::RecordType)
            .ok_or_else(|| Problem::new(Span::NONE, "`⫽` needs records"))
    }

    pub(super) fn prefer_fields(
        &self,
        span: Span,
        left: &Fields,
        right: &Fields,
    ) -> Checked<Fields> {
        let merged = self.machine.union_of(left, right, |_, b| Ok(b.clone()));
        Ok(Fields::new(self.at(span, merged)?))
    }

    fn combine_types(&mut self, operands: &[Expr]) -> Checked<Val> {
        let mut largest = Const::Type;
        let mut ty: Option<Fields> = None;
        for operand in operands {
            largest = largest.max(self.infer_const(operand, "`⩓` needs record types")?);
            let Val::RecordType(fields) = self.eval(operand)? else {
                return Err(Problem::new(operand.span(), "`⩓` needs record types"));
            };
            let merged = match ty {
                None => fields,
                Some(before) => self.combine_fields(operand.span(), &before, &fields, "")?,
            };
            ty = Some(merged);
        }
        Ok(Val::Const(largest))
    }

    fn equivalence(&mut self, operands: &[Expr]) -> Checked<Val> {
        let mut operands = operands.iter();
        let Some(first) = operands.next() else {
            return Err(Problem::new(Span::NONE, "`≡` needs two values"));
        };
        let ty = self.infer(first)?;
        self.expect_term(first, &ty, "`≡` compares values, not types")?;
        for operand in operands {
            let found = self.infer(operand)?;
            self.expect_term(operand, &found, "`≡` compares values, not types")?;
            let message = "`≡` compares values of different types";
            self.expect(operand.span(), &ty, &found, message)?;
        }
        Ok(Val::Const(Const::Type))
    }

    /// Returns record fields as a value to look fields up in.
    pub(super) fn names_of(fields: &[(Name, Lazy)]) -> impl Iterator<Item = &str> {
        fields.iter().map(|(name, _)| name.as_ref())
    }
}

fn operator_hint(op: Op, found: &Val) -> Option<String> {
    let text = matches!(found, Val::Builtin(Builtin::Text));
    let list = found.applied(Builtin::List).is_some();
    match op {
        Op::Plus | Op::Times if text => Some("`++` joins texts".to_owned()),
        Op::Plus | Op::TextAppend if list => Some("`#` joins lists".to_owned()),
        Op::TextAppend => super::show_hint(found),
        Op::Plus | Op::Times if matches!(found, Val::Builtin(Builtin::Integer)) => {
            Some("a number with a sign is an `Integer`; leave the sign out".to_owned())
        }
        Op::Equal | Op::NotEqual => {
            Some("Dhall compares only `Bool`s; use a union and `merge` instead of text".to_owned())
        }
        _ => None,
    }
}
