//! What the built-in functions do, and the forms that behave like one.

use std::sync::{Arc, LazyLock};

use crate::builtin::Builtin;
use crate::environment::Env;
use crate::evaluate::{Evaluated, Machine};
use crate::memory;
use crate::number::{self, Natural};
use crate::rope::{List, Text};
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::{Expr, Step};
use crate::value::{Lazy, Val, find};

/// `λ(x : Natural) → x + 1`
static SUCCESSOR: LazyLock<Expr> = LazyLock::new(|| built_in(r"\(x : Natural) -> x + 1"));

/// What `List/build` passes on, applied to the type of the items.
static CONS: LazyLock<Expr> =
    LazyLock::new(|| built_in(r"\(A : Type) -> \(a : A) -> \(`as` : List A) -> [ a ] # `as`"));

/// Parses an expression of this crate's own.
pub(crate) fn built_in(text: &str) -> Expr {
    crate::parse::parse(text).expect("the crate's own expressions parse")
}

impl Machine {
    /// Calls a builtin; it stays as it is while arguments are missing or stuck.
    pub(crate) fn call(&self, builtin: Builtin, arguments: Vec<Lazy>) -> Evaluated<Val> {
        self.budget.step()?;
        let ready = builtin.arity() > 0 && arguments.len() == builtin.arity();
        let reduced = if ready {
            self.reduce(builtin, &arguments)?
        } else {
            None
        };
        Ok(reduced.unwrap_or_else(|| Val::call(builtin, arguments)))
    }

    pub(crate) fn reduce(&self, builtin: Builtin, arguments: &[Lazy]) -> Evaluated<Option<Val>> {
        match (builtin, arguments) {
            (Builtin::NaturalFold, [count, _, succ, zero]) => self.natural_fold(count, succ, zero),
            (Builtin::NaturalBuild, [build]) => {
                let build =
                    self.apply(&self.force(build)?, Val::Builtin(Builtin::Natural).into())?;
                let successor = self.eval(&SUCCESSOR, &Env::default())?;
                let build = self.apply(&build, successor.into())?;
                self.apply(&build, Val::Natural(Natural::ZERO).into())
                    .map(Some)
            }
            (Builtin::NaturalSubtract, [a, b]) => self.subtract(a, b),
            (Builtin::ListBuild, [item, build]) => self.list_build(item, build).map(Some),
            (Builtin::ListFold, [_, list, _, cons, nil]) => self.list_fold(list, cons, nil),
            (Builtin::TextReplace, [needle, replacement, haystack]) => {
                self.text_replace(needle, replacement, haystack)
            }
            (_, [item, list]) => self.reduce_list(builtin, item, list),
            (_, [argument]) => self.reduce_one(builtin, &self.force(argument)?),
            _ => Ok(None),
        }
    }

    /// The functions of one argument that is not a function.
    fn reduce_one(&self, builtin: Builtin, argument: &Val) -> Evaluated<Option<Val>> {
        Ok(Some(match (builtin, argument) {
            (Builtin::NaturalIsZero, Val::Natural(n)) => Val::Bool(n.is_zero()),
            (Builtin::NaturalEven, Val::Natural(n)) => Val::Bool(n.is_even()),
            (Builtin::NaturalOdd, Val::Natural(n)) => Val::Bool(!n.is_even()),
            (Builtin::NaturalToInteger, Val::Natural(n)) => {
                Val::Integer(number::Integer::new(false, n.clone()))
            }
            (Builtin::NaturalShow, Val::Natural(n)) => {
                self.spend_on_digits(n)?;
                Val::made_text(n.to_string())
            }
            (Builtin::IntegerToDouble, Val::Integer(i)) => Val::Double(i.to_double()),
            (Builtin::IntegerShow, Val::Integer(i)) => {
                self.spend_on_digits(i.magnitude())?;
                Val::made_text(i.to_string())
            }
            (Builtin::IntegerNegate, Val::Integer(i)) => Val::Integer(i.negate()),
            (Builtin::IntegerClamp, Val::Integer(i)) => Val::Natural(i.clamp()),
            (Builtin::DoubleShow, Val::Double(d)) => Val::made_text(number::show_double(*d)),
            (Builtin::DateShow, Val::Date(date)) => Val::made_text(date.to_string()),
            (Builtin::TimeShow, Val::Time(time)) => Val::made_text(time.to_string()),
            (Builtin::TimeZoneShow, Val::TimeZone(zone)) => Val::made_text(zone.to_string()),
            (Builtin::TextShow, Val::Text(text)) => match text.to_literal() {
                Some(text) => {
                    self.budget.spend(text.len() as u64 / 64)?;
                    // An escape has up to six characters.
                    self.budget.room(text.len().saturating_mul(6))?;
                    let shown = show_text(&text);
                    self.budget.size(shown.len())?;
                    Val::made_text(shown)
                }
                None => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    /// Writing a number in decimal is quadratic in its length.
    fn spend_on_digits(&self, number: &Natural) -> Evaluated<()> {
        let digits = number.bits() / 64;
        self.budget.spend(digits * digits / 64)
    }

    fn subtract(&self, a: &Lazy, b: &Lazy) -> Evaluated<Option<Val>> {
        let (a, b) = (self.force(a)?, self.force(b)?);
        Ok(match (&a, &b) {
            (Val::Natural(a), Val::Natural(b)) => Some(Val::Natural(b.minus(a))),
            (Val::Natural(zero), _) if zero.is_zero() => Some(b),
            (_, Val::Natural(zero)) if zero.is_zero() => Some(b),
            _ if self.equivalent(&a, &b)? => Some(Val::Natural(Natural::ZERO)),
            _ => None,
        })
    }

    fn natural_fold(&self, count: &Lazy, succ: &Lazy, zero: &Lazy) -> Evaluated<Option<Val>> {
        let Val::Natural(count) = self.force(count)? else {
            return Ok(None);
        };
        let succ = self.force(succ)?;
        let mut accumulator = self.force(zero)?;
        let mut left = count.to_u64().unwrap_or(u64::MAX);
        while left > 0 {
            self.budget.step()?;
            let next = self.apply(&succ, accumulator.clone().into())?;
            self.force_data(&next)?;
            // What a function maps to itself, it maps to itself for ever.
            if unchanged(&accumulator, &next) {
                return Ok(Some(next));
            }
            accumulator = next;
            left -= 1;
        }
        // Above 2^64 steps, only a fixed point is ever reached.
        Ok(Some(accumulator))
    }

    /// Forces the parts of an accumulator that are not lists, so that a long
    /// fold over a record leaves no chain of work in its fields.
    fn force_data(&self, value: &Val) -> Evaluated<()> {
        let part = |lazy: &Lazy| match lazy.known() {
            Some(Val::Record(_)) | None => {
                self.budget.step()?;
                self.force_data(&self.force(lazy)?)
            }
            Some(_) => Ok(()),
        };
        match value {
            Val::Record(fields) => fields.iter().try_for_each(|(_, field)| part(field)),
            Val::Some(inner) => part(inner),
            Val::Inject(inject) => inject.payload.iter().try_for_each(part),
            _ => Ok(()),
        }
    }

    fn list_build(&self, item: &Lazy, build: &Lazy) -> Evaluated<Val> {
        let list = Val::list_of(item.clone());
        let cons = self.eval(&CONS, &Env::default())?;
        let cons = self.apply(&cons, item.clone())?;
        let build = self.apply(&self.force(build)?, list.clone().into())?;
        let build = self.apply(&build, cons.into())?;
        self.apply(&build, Val::EmptyList(Shared::new(list.into())).into())
    }

    fn list_fold(&self, list: &Lazy, cons: &Lazy, nil: &Lazy) -> Evaluated<Option<Val>> {
        let list = match self.force(list)? {
            Val::EmptyList(_) => return self.force(nil).map(Some),
            Val::List(list) => list,
            _ => return Ok(None),
        };
        let cons = self.force(cons)?;
        let mut accumulator = self.force(nil)?;
        for item in list.iter_back() {
            self.budget.step()?;
            accumulator = self.apply_two(&cons, item.clone(), accumulator.into())?;
            self.force_data(&accumulator)?;
        }
        Ok(Some(accumulator))
    }

    /// The functions of a type and a list.
    fn reduce_list(&self, builtin: Builtin, item: &Lazy, list: &Lazy) -> Evaluated<Option<Val>> {
        let none = || Val::call(Builtin::None, vec![item.clone()]);
        let list = self.force(list)?;
        Ok(Some(match (builtin, &list) {
            (Builtin::ListLength, Val::EmptyList(_)) => Val::Natural(Natural::ZERO),
            (Builtin::ListLength, Val::List(list)) => {
                Val::Natural(Natural::Small(list.length() as u64))
            }
            (Builtin::ListHead | Builtin::ListLast, Val::EmptyList(_)) => none(),
            (Builtin::ListHead, Val::List(list)) => Val::some(list.first().clone()),
            (Builtin::ListLast, Val::List(list)) => Val::some(list.last().clone()),
            (Builtin::ListReverse, Val::EmptyList(_)) => list,
            (Builtin::ListReverse, Val::List(list)) => {
                self.budget.spend(list.length() as u64)?;
                self.budget.room(memory::elements::<Lazy>(list.length()))?;
                list_value(list.iter_back().cloned().collect(), item)
            }
            (Builtin::ListIndexed, Val::EmptyList(_)) => {
                let record = Val::record_type(vec![
                    (Name::from("index"), Val::Builtin(Builtin::Natural).into()),
                    (Name::from("value"), item.clone()),
                ]);
                Val::EmptyList(Shared::new(Val::list_of(record.into()).into()))
            }
            (Builtin::ListIndexed, Val::List(list)) => {
                self.budget.spend(list.length() as u64)?;
                let record = memory::elements::<(Name, Lazy)>(2) + size_of::<Lazy>();
                self.budget.room(list.length().saturating_mul(record))?;
                let (index, value) = (Name::from("index"), Name::from("value"));
                let record = |(at, item): (usize, &Lazy)| {
                    let at = Val::Natural(Natural::Small(at as u64));
                    let fields = vec![
                        (Name::clone(&index), at.into()),
                        (Name::clone(&value), item.clone()),
                    ];
                    Lazy::Now(Val::record(fields))
                };
                list_value(list.iter().enumerate().map(record).collect(), item)
            }
            _ => return Ok(None),
        }))
    }

    fn text_replace(
        &self,
        needle: &Lazy,
        replacement: &Lazy,
        haystack: &Lazy,
    ) -> Evaluated<Option<Val>> {
        let literal = |value: &Val| match value {
            Val::Text(text) => text.to_literal(),
            _ => None,
        };
        let haystack = self.force(haystack)?;
        let Some(needle) = literal(&self.force(needle)?) else {
            return Ok(None);
        };
        if needle.is_empty() {
            return Ok(Some(haystack));
        }
        let Some(haystack) = literal(&haystack) else {
            return Ok(None);
        };
        self.budget.spend(haystack.len() as u64 / 64)?;
        let replacement = Text::from(self.force(replacement)?);
        let mut text = Text::literal(Arc::from(""));
        for (at, piece) in haystack.split(&*needle).enumerate() {
            self.budget.step()?;
            if at > 0 {
                text = text.join(replacement.clone());
            }
            text = text.join(Text::made(piece.to_owned()));
            self.budget.size(text.length())?;
        }
        Ok(Some(text.into_value()))
    }

    pub(crate) fn show_constructor(&self, union: Val) -> Evaluated<Val> {
        Ok(match &union {
            Val::Inject(inject) => Val::text(Name::clone(&inject.label)),
            Val::Some(_) => Val::text("Some"),
            none if none.applied(Builtin::None).is_some() => Val::text("None"),
            _ => Val::ShowConstructor(Shared::new(union)),
        })
    }

    pub(crate) fn to_map(&self, record: Val, annotation: Option<Lazy>) -> Evaluated<Val> {
        let fields = match (&record, &annotation) {
            (Val::Record(fields), _) if !fields.is_empty() => fields,
            (Val::Record(_), Some(ty)) => {
                return Ok(Val::EmptyList(Shared::new(ty.clone())));
            }
            _ => return Ok(Val::ToMap(Shared::new((record, annotation)))),
        };
        let (key, value) = (Name::from("mapKey"), Name::from("mapValue"));
        let entry = |(name, field): &(Name, Lazy)| {
            let fields = vec![
                (Name::clone(&key), Val::text(Name::clone(name)).into()),
                (Name::clone(&value), field.clone()),
            ];
            Lazy::Now(Val::record(fields))
        };
        let entries = fields.iter().map(entry).collect();
        Ok(list_value(entries, &Val::Builtin(Builtin::Text).into()))
    }

    pub(crate) fn with(&self, record: Val, path: &[Step], value: &Lazy) -> Evaluated<Val> {
        self.budget.step()?;
        let Some((step, rest)) = path.split_first() else {
            return self.force(value);
        };
        match (step, &record) {
            (Step::Label(name), Val::Record(fields)) => {
                let old = match find(fields, name) {
                    Some(old) if !rest.is_empty() => self.force(old)?,
                    _ => Val::record(Vec::new()),
                };
                let new = if rest.is_empty() {
                    value.clone()
                } else {
                    self.with(old, rest, value)?.into()
                };
                let update = [(Name::clone(name), new)];
                let fields = self.union_of(fields, &update, |_, new| Ok(new.clone()))?;
                Ok(Val::record(fields))
            }
            (Step::Optional, Val::Some(inner)) => {
                let inner = self.with(self.force(inner)?, rest, value)?;
                Ok(Val::some(inner.into()))
            }
            (Step::Optional, none) if none.applied(Builtin::None).is_some() => Ok(record),
            _ => Ok(Val::With(Shared::new((
                record,
                path.to_vec(),
                value.clone(),
            )))),
        }
    }
}

/// Returns a list value; `item` is the type of the items of an empty one.
fn list_value(items: Vec<Lazy>, item: &Lazy) -> Val {
    List::new(items).map_or_else(
        || Val::EmptyList(Shared::new(Val::list_of(item.clone()).into())),
        Val::List,
    )
}

/// Returns whether two accumulators are surely equal.
fn unchanged(old: &Val, new: &Val) -> bool {
    match (old, new) {
        (Val::Natural(a), Val::Natural(b)) => a == b,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        _ => old.same(new),
    }
}

/// Returns a text as the source of a literal that is also JSON.
fn show_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for c in text.chars() {
        match c {
            '"' => shown.push_str("\\\""),
            '\\' => shown.push_str("\\\\"),
            '$' => shown.push_str("\\u0024"),
            '\u{8}' => shown.push_str("\\b"),
            '\u{c}' => shown.push_str("\\f"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\0'..='\u{1f}' => shown.push_str(&format!("\\u{:04x}", c as u32)),
            c => shown.push(c),
        }
    }
    shown.push('"');
    shown
}
