//! Parts of an import that are decoded, and checked, when they are looked at.
//!
//! A library is a record of records of functions, and a program uses few of
//! them. Once its normal form was checked as a whole, it need not be again: it
//! is a value with fields whose bytes wait, and the type of such a field waits
//! as well. Both are made when they are asked for.
//!
//! That bytes were checked is something that a cache says, and a cache is not
//! trusted with values: those are what bytes say that have their hash. It is
//! believed that a normal form is well typed, and, if its type was kept, that
//! this is it. So the worst that a wrong cache does is to let a program pass
//! that is ill typed: if a program fails, or if a part is not what it should be
//! ([`Stop::IllTyped`]), the evaluator begins again without believing anything.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::binary::{self, Repeated};
use crate::builtin::Const;
use crate::environment::Env;
use crate::evaluate::{Evaluated, Machine};
use crate::limits::Stop;
use crate::memory::{self, Weigh};
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::Expr;
use crate::typecheck;
use crate::value::{Lazy, Val};

/// Shorter records are decoded as a whole, in bytes.
const WORTH: usize = 512;

/// A record with shorter fields, on average, is decoded as a whole, in bytes.
const FIELD: usize = 48;

/// The value of a part of a normal form, or its type.
#[derive(Debug)]
pub(crate) struct Part {
    portion: Arc<Portion>,
    aspect: Aspect,
    known: OnceLock<Val>,
}

#[derive(Clone, Copy, Debug)]
enum Aspect {
    Value,
    Type,
}

/// A part of a normal form.
#[derive(Debug)]
struct Portion {
    whole: Arc<Whole>,
    /// Where its bytes are.
    value: Range<usize>,
    /// Where those of its type are, if that was kept.
    ty: Option<Range<usize>>,
    /// A record, and its type, if it has fields that could wait. The fields of
    /// both are parts.
    record: OnceLock<Option<(Val, Val)>>,
    expression: OnceLock<Expr>,
}

/// All bytes of a normal form, and of its type behind them if that was kept:
/// what is the same in both becomes one node.
#[derive(Debug)]
struct Whole {
    bytes: Arc<[u8]>,
    repeated: Mutex<Repeated>,
}

impl Weigh for Part {
    fn heap(&self) -> usize {
        // Each of the two that refer to a portion counts half of it.
        memory::elements::<Portion>(1) / 2
    }
}

/// Returns the value and the type of a normal form that was checked before;
/// `None` if it has no fields that could wait. `ty` is the binary form of its
/// type; without it, types are inferred when they are asked for.
pub(crate) fn open(bytes: &Arc<[u8]>, ty: Option<&[u8]>) -> Option<(Val, Val)> {
    let value = 0..bytes.len();
    let kept = ty.map(|ty| value.end..value.end + ty.len());
    let bytes = match ty {
        Some(ty) => [bytes, ty].concat().into(),
        None => Arc::clone(bytes),
    };
    let repeated = Mutex::default();
    record(&Arc::new(Whole { bytes, repeated }), value, kept)
}

/// Returns the record that is at `value`, and its type, if its fields are worth
/// waiting.
fn record(whole: &Arc<Whole>, value: Range<usize>, ty: Option<Range<usize>>) -> Option<(Val, Val)> {
    let length = value.len();
    if length < WORTH {
        return None;
    }
    let fields = binary::record_extents(&whole.bytes, value)?;
    if length / fields.len().max(1) < FIELD {
        return None;
    }
    let kept = ty.and_then(|ty| binary::record_type_extents(&whole.bytes, ty));
    let kept = kept.filter(|kept| {
        let same = |(a, b): (&(Name, _), &(Name, _))| a.0 == b.0;
        kept.len() == fields.len() && kept.iter().zip(&fields).all(same)
    });
    let mut kept = kept.into_iter().flatten();
    let mut values = Vec::with_capacity(fields.len());
    let mut types = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let portion = Arc::new(Portion {
            whole: Arc::clone(whole),
            value,
            ty: kept.next().map(|(_, ty)| ty),
            record: OnceLock::new(),
            expression: OnceLock::new(),
        });
        values.push((Name::clone(&name), Part::of(&portion, Aspect::Value)));
        types.push((name, Part::of(&portion, Aspect::Type)));
    }
    Some((Val::record(values), Val::record_type(types)))
}

impl Whole {
    /// Decodes what is at `extent`.
    fn decode(&self, extent: &Range<usize>) -> Evaluated<Expr> {
        let mut repeated = self.repeated.lock().unwrap_or_else(PoisonError::into_inner);
        match binary::decode_part(&self.bytes, extent.clone(), &mut repeated) {
            Ok(expression) if expression.is_closed() => Ok(expression),
            _ => Err(Stop::IllTyped),
        }
    }
}

impl Portion {
    fn record(&self) -> Option<&(Val, Val)> {
        let made = || record(&self.whole, self.value.clone(), self.ty.clone());
        self.record.get_or_init(made).as_ref()
    }

    fn expression(&self) -> Evaluated<&Expr> {
        if let Some(known) = self.expression.get() {
            return Ok(known);
        }
        let decoded = self.whole.decode(&self.value)?;
        Ok(self.expression.get_or_init(|| decoded))
    }

    fn value(&self, machine: &Machine) -> Evaluated<Val> {
        if let Some((value, _)) = self.record() {
            return Ok(value.clone());
        }
        let expression = self.expression()?;
        match &self.ty {
            Some(_) => machine.believe(),
            None => drop(infer(machine, expression)?),
        }
        machine.eval(expression, &Env::default())
    }

    fn ty(&self, machine: &Machine) -> Evaluated<Val> {
        if let Some((_, ty)) = self.record() {
            return Ok(ty.clone());
        }
        let Some(kept) = &self.ty else {
            return infer(machine, self.expression()?);
        };
        machine.believe();
        machine.eval(&self.whole.decode(kept)?, &Env::default())
    }
}

impl Part {
    fn of(portion: &Arc<Portion>, aspect: Aspect) -> Lazy {
        Lazy::Part(Shared::new(Self {
            portion: Arc::clone(portion),
            aspect,
            known: OnceLock::new(),
        }))
    }

    pub(crate) fn get(&self) -> Option<&Val> {
        self.known.get()
    }

    /// Returns the value, or the type, and remembers it.
    pub(crate) fn force(&self, machine: &Machine) -> Evaluated<Val> {
        if let Some(known) = self.known.get() {
            return Ok(known.clone());
        }
        machine.budget.step()?;
        let made = match self.aspect {
            Aspect::Value => self.portion.value(machine)?,
            Aspect::Type => self.portion.ty(machine)?,
        };
        // Another thread may have been first, with an equal value.
        Ok(self.known.get_or_init(|| made).clone())
    }
}

/// Infers the type of a field.
fn infer(machine: &Machine, expression: &Expr) -> Evaluated<Val> {
    match typecheck::infer(machine, expression) {
        // A record has no such field.
        Ok(Val::Const(Const::Sort)) => Err(Stop::IllTyped),
        Ok(ty) => Ok(ty),
        Err(problem) => Err(problem.stop.unwrap_or(Stop::IllTyped)),
    }
}
