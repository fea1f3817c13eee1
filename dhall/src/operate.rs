//! What operators do with values.

use crate::evaluate::{Evaluated, Machine};
use crate::memory;
use crate::number::Natural;
use crate::rope::Text;
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::Op;
use crate::value::{Fields, Lazy, Val, find};

impl Machine {
    /// Combines two values with an operator.
    pub(crate) fn operate(&self, op: Op, left: Val, right: Val) -> Evaluated<Val> {
        match op {
            Op::Or => self.logic(op, left, right, true),
            Op::And => self.logic(op, left, right, false),
            Op::Equal => self.equality(op, left, right, true),
            Op::NotEqual => self.equality(op, left, right, false),
            Op::Plus => self.plus(left, right),
            Op::Times => self.times(left, right),
            Op::TextAppend => {
                let text = Text::from(left).join(right.into());
                self.budget.size(text.length())?;
                Ok(text.into_value())
            }
            Op::ListAppend => self.append(left, right),
            Op::Combine => self.combine(left, right),
            Op::Prefer => self.prefer(left, right),
            Op::CombineTypes => self.combine_types(left, right),
            Op::Equivalent | Op::ImportAlt => Ok(Val::op(op, left, right)),
        }
    }

    /// `||`, which `true` decides, and `&&`, which `false` decides.
    fn logic(&self, op: Op, left: Val, right: Val, decisive: bool) -> Evaluated<Val> {
        match (&left, &right) {
            (Val::Bool(value), _) if *value == decisive => Ok(left),
            (_, Val::Bool(value)) if *value == decisive => Ok(right),
            (Val::Bool(_), _) => Ok(right),
            (_, Val::Bool(_)) => Ok(left),
            _ if self.equivalent(&left, &right)? => Ok(left),
            _ => Ok(Val::op(op, left, right)),
        }
    }

    /// `==`, whose unit is `true`, and `!=`, whose unit is `false`.
    fn equality(&self, op: Op, left: Val, right: Val, unit: bool) -> Evaluated<Val> {
        match (&left, &right) {
            (Val::Bool(value), _) if *value == unit => Ok(right),
            (_, Val::Bool(value)) if *value == unit => Ok(left),
            _ if self.equivalent(&left, &right)? => Ok(Val::Bool(unit)),
            _ => Ok(Val::op(op, left, right)),
        }
    }

    fn plus(&self, left: Val, right: Val) -> Evaluated<Val> {
        match (&left, &right) {
            (Val::Natural(a), Val::Natural(b)) => {
                let bits = a.bits().max(b.bits()) + 1;
                self.budget.bits(bits)?;
                self.budget.spend(bits / 4096)?;
                Ok(Val::Natural(a.plus(b)))
            }
            (Val::Natural(zero), _) if zero.is_zero() => Ok(right),
            (_, Val::Natural(zero)) if zero.is_zero() => Ok(left),
            _ => Ok(Val::op(Op::Plus, left, right)),
        }
    }

    fn times(&self, left: Val, right: Val) -> Evaluated<Val> {
        let one = |number: &Natural| *number == Natural::ONE;
        match (&left, &right) {
            (Val::Natural(a), Val::Natural(b)) => {
                let bits = a.bits() + b.bits();
                self.budget.bits(bits)?;
                // Multiplying is quadratic at worst, in 64-bit digits.
                self.budget.spend((a.bits() / 64) * (b.bits() / 64) / 64)?;
                Ok(Val::Natural(a.times(b)))
            }
            (Val::Natural(zero), _) if zero.is_zero() => Ok(left),
            (_, Val::Natural(zero)) if zero.is_zero() => Ok(right),
            (Val::Natural(unit), _) if one(unit) => Ok(right),
            (_, Val::Natural(unit)) if one(unit) => Ok(left),
            _ => Ok(Val::op(Op::Times, left, right)),
        }
    }

    fn append(&self, left: Val, right: Val) -> Evaluated<Val> {
        match (left, right) {
            (Val::EmptyList(_), right) => Ok(right),
            (left, Val::EmptyList(_)) => Ok(left),
            (Val::List(a), Val::List(b)) => {
                let length = a.length().saturating_add(b.length());
                self.budget.size(memory::elements::<Lazy>(length))?;
                Ok(Val::List(a.join(b)))
            }
            (left, right) => Ok(Val::op(Op::ListAppend, left, right)),
        }
    }

    /// `∧`
    pub(crate) fn combine(&self, left: Val, right: Val) -> Evaluated<Val> {
        match (&left, &right) {
            (Val::Record(a), _) if a.is_empty() => Ok(right),
            (_, Val::Record(b)) if b.is_empty() => Ok(left),
            (Val::Record(a), Val::Record(b)) => {
                let both = |a: &Lazy, b: &Lazy| {
                    self.budget.step()?;
                    Ok(self.combine(self.force(a)?, self.force(b)?)?.into())
                };
                Ok(Val::record(self.union_of(a, b, both)?))
            }
            _ => Ok(Val::op(Op::Combine, left, right)),
        }
    }

    /// `⩓`
    pub(crate) fn combine_types(&self, left: Val, right: Val) -> Evaluated<Val> {
        match (&left, &right) {
            (Val::RecordType(a), _) if a.is_empty() => Ok(right),
            (_, Val::RecordType(b)) if b.is_empty() => Ok(left),
            (Val::RecordType(a), Val::RecordType(b)) => {
                let both = |a: &Lazy, b: &Lazy| {
                    self.budget.step()?;
                    Ok(self.combine_types(self.force(a)?, self.force(b)?)?.into())
                };
                Ok(Val::record_type(self.union_of(a, b, both)?))
            }
            _ => Ok(Val::op(Op::CombineTypes, left, right)),
        }
    }

    /// `⫽`
    pub(crate) fn prefer(&self, left: Val, right: Val) -> Evaluated<Val> {
        match (&left, &right) {
            (Val::Record(a), _) if a.is_empty() => Ok(right),
            (_, Val::Record(b)) if b.is_empty() => Ok(left),
            (Val::Record(a), Val::Record(b)) => {
                Ok(Val::record(self.union_of(a, b, |_, b| Ok(b.clone()))?))
            }
            _ if self.equivalent(&left, &right)? => Ok(left),
            _ => Ok(Val::op(Op::Prefer, left, right)),
        }
    }

    /// Merges two sorted lists of fields; `both` says what a shared name gets.
    pub(crate) fn union_of(
        &self,
        left: &[(Name, Lazy)],
        right: &[(Name, Lazy)],
        both: impl Fn(&Lazy, &Lazy) -> Evaluated<Lazy>,
    ) -> Evaluated<Vec<(Name, Lazy)>> {
        self.budget.spend((left.len() + right.len()) as u64 / 8)?;
        let mut merged = Vec::with_capacity(left.len() + right.len());
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.0.cmp(&b.0),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => return Ok(merged),
            };
            merged.extend(match order {
                std::cmp::Ordering::Less => left.next().cloned(),
                std::cmp::Ordering::Greater => right.next().cloned(),
                std::cmp::Ordering::Equal => match (left.next(), right.next()) {
                    (Some((name, a)), Some((_, b))) => Some((Name::clone(name), both(a, b)?)),
                    _ => None,
                },
            });
        }
    }

    /// Selects a field.
    pub(crate) fn field(&self, record: &Val, name: &str) -> Evaluated<Val> {
        self.budget.step()?;
        let stuck = |record: &Val| Val::Field(Shared::new(record.clone()), Name::from(name));
        match record {
            Val::Record(fields) => match find(fields, name) {
                Some(value) => self.force(value),
                None => Ok(stuck(record)),
            },
            Val::Union(alternatives) => Ok(match find(alternatives, name) {
                Some(Some(_)) => Val::Constructor(alternatives.clone(), Name::from(name)),
                Some(None) => Val::Inject(Shared::new(crate::value::Inject {
                    union: alternatives.clone(),
                    label: Name::from(name),
                    payload: None,
                })),
                None => stuck(record),
            }),
            Val::Project(inner) => self.field(&inner.0, name),
            Val::Op(op @ (Op::Prefer | Op::Combine), sides) => {
                self.field_of_merged(*op, &sides.0, &sides.1, name)
            }
            _ => Ok(stuck(record)),
        }
    }

    /// Selects from a `⫽` or `∧` of which at least one side is not known.
    fn field_of_merged(&self, op: Op, left: &Val, right: &Val, name: &str) -> Evaluated<Val> {
        let only = |fields: &Fields| {
            let field = find(fields, name).map(|value| (Name::from(name), value.clone()));
            field.map(|field| Val::record(vec![field]))
        };
        let (left, right) = match (left, right) {
            (Val::Record(fields), _) => match only(fields) {
                Some(record) => (record, right.clone()),
                None => return self.field(right, name),
            },
            (_, Val::Record(fields)) => match (only(fields), op) {
                (Some(record), Op::Prefer) => return self.field(&record, name),
                (Some(record), _) => (left.clone(), record),
                (None, _) => return self.field(left, name),
            },
            _ => (left.clone(), right.clone()),
        };
        let merged = Val::op(op, left, right);
        Ok(Val::Field(Shared::new(merged), Name::from(name)))
    }

    /// Keeps only some fields of a record.
    pub(crate) fn project(&self, record: &Val, names: &[Name]) -> Evaluated<Val> {
        self.budget.step()?;
        if names.is_empty() {
            return Ok(Val::record(Vec::new()));
        }
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        match record {
            Val::Record(fields) => {
                let kept = fields
                    .iter()
                    .filter(|(name, _)| names.binary_search(name).is_ok());
                Ok(Val::record(kept.cloned().collect()))
            }
            Val::Project(inner) => self.project(&inner.0, &names),
            Val::Op(Op::Prefer, sides) if matches!(sides.1, Val::Record(_)) => {
                let Val::Record(fields) = &sides.1 else {
                    return Ok(Val::Project(Shared::new((record.clone(), names))));
                };
                let (right, left): (Vec<_>, Vec<_>) = names
                    .into_iter()
                    .partition(|name| find(fields, name).is_some());
                let left = self.project(&sides.0, &left)?;
                self.prefer(left, self.project(&sides.1, &right)?)
            }
            _ => Ok(Val::Project(Shared::new((record.clone(), names)))),
        }
    }

    pub(crate) fn project_type(&self, record: Val, ty: Val) -> Evaluated<Val> {
        let Val::RecordType(fields) = &ty else {
            return Ok(Val::ProjectType(Shared::new((record, ty))));
        };
        let names: Vec<_> = fields.iter().map(|(name, _)| Name::clone(name)).collect();
        self.project(&record, &names)
    }
}
