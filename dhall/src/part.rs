//! Parts of an import that are decoded, and checked, when they are looked at.
//!
//! A library is a record of records of functions, and a program uses few of
//! them. Once its normal form was checked as a whole, it need not be again: it
//! is a value with fields whose bytes wait, and the type of such a field waits
//! as well. Both are made when they are asked for.
//!
//! That bytes were checked is something that a cache says, and a cache is not
//! trusted. So all that is looked at is inferred here as it always is, and
//! nothing is evaluated whose type was not. What remains to be believed is
//! only that the fields that nobody looks at have a type. If one that somebody
//! does look at has none, evaluation ends with [`Stop::IllTyped`], and the
//! evaluator begins again without believing anything.

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
    extent: Range<usize>,
    content: OnceLock<Content>,
}

/// All bytes of a normal form.
#[derive(Debug)]
struct Whole {
    bytes: Arc<[u8]>,
    repeated: Mutex<Repeated>,
}

#[derive(Debug)]
enum Content {
    /// A record, and its type. The fields of both are parts.
    Record(Val, Val),
    Expression(Expr),
}

impl Weigh for Part {
    fn heap(&self) -> usize {
        // Each of the two that refer to a portion counts half of it.
        memory::elements::<Portion>(1) / 2
    }
}

/// Returns the value and the type of a normal form that was checked before;
/// `None` if it has no fields that could wait.
pub(crate) fn open(bytes: &Arc<[u8]>) -> Option<(Val, Val)> {
    let whole = Whole {
        bytes: Arc::clone(bytes),
        repeated: Mutex::default(),
    };
    Portion::record(&Arc::new(whole), 0..bytes.len())
}

impl Portion {
    /// Returns the record that is at `extent`, and its type, if its fields are
    /// worth waiting.
    fn record(whole: &Arc<Whole>, extent: Range<usize>) -> Option<(Val, Val)> {
        let length = extent.len();
        if length < WORTH {
            return None;
        }
        let fields = binary::record_extents(&whole.bytes, extent)?;
        if length / fields.len().max(1) < FIELD {
            return None;
        }
        let mut values = Vec::with_capacity(fields.len());
        let mut types = Vec::with_capacity(fields.len());
        for (name, extent) in fields {
            let portion = Arc::new(Self {
                whole: Arc::clone(whole),
                extent,
                content: OnceLock::new(),
            });
            values.push((Name::clone(&name), portion.aspect(Aspect::Value)));
            types.push((name, portion.aspect(Aspect::Type)));
        }
        Some((Val::record(values), Val::record_type(types)))
    }

    fn aspect(self: &Arc<Self>, aspect: Aspect) -> Lazy {
        Lazy::Part(Shared::new(Part {
            portion: Arc::clone(self),
            aspect,
            known: OnceLock::new(),
        }))
    }

    fn content(&self) -> Evaluated<&Content> {
        if let Some(content) = self.content.get() {
            return Ok(content);
        }
        let content = match Self::record(&self.whole, self.extent.clone()) {
            Some((value, ty)) => Content::Record(value, ty),
            None => Content::Expression(self.decode()?),
        };
        Ok(self.content.get_or_init(|| content))
    }

    fn decode(&self) -> Evaluated<Expr> {
        let mut repeated = (self.whole.repeated.lock()).unwrap_or_else(PoisonError::into_inner);
        match binary::decode_part(&self.whole.bytes, self.extent.clone(), &mut repeated) {
            Ok(expression) if !expression.imports() => Ok(expression),
            _ => Err(Stop::IllTyped),
        }
    }
}

impl Part {
    pub(crate) fn get(&self) -> Option<&Val> {
        self.known.get()
    }

    /// Returns the value, or the type, and remembers it.
    pub(crate) fn force(&self, machine: &Machine) -> Evaluated<Val> {
        if let Some(known) = self.known.get() {
            return Ok(known.clone());
        }
        machine.budget.step()?;
        let made = match (self.portion.content()?, self.aspect) {
            (Content::Record(value, _), Aspect::Value) => value.clone(),
            (Content::Record(_, ty), Aspect::Type) => ty.clone(),
            (Content::Expression(expression), aspect) => {
                let ty = infer(machine, expression)?;
                match aspect {
                    Aspect::Value => machine.eval(expression, &Env::default())?,
                    Aspect::Type => ty,
                }
            }
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
