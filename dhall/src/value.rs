//! Values: what expressions evaluate to.
//!
//! A [`Val`] is in weak head normal form: its outermost shape is known, its
//! parts may still be unevaluated ([`Lazy`]). What cannot be evaluated because
//! a variable stands in its way is a value as well, so that values also
//! represent normal forms under binders. All values can be shared by threads;
//! two threads that force one part at the same time may both do the work.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::builtin::{Builtin, Const};
use crate::environment::Env;
use crate::evaluate::{Evaluated, Machine};
use crate::memory::Weigh;
use crate::number::{Integer, Natural};
use crate::part::Part;
use crate::rope::{List, Text};
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::{Expr, Op, Step};
use crate::temporal::{Date, Time, TimeZone};

/// A value in weak head normal form.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    Const(Const),
    Builtin(Builtin),
    /// A builtin with arguments that does not reduce, or not yet.
    Call(Builtin, Shared<Vec<Lazy>>),
    /// A variable of an enclosing binder, by the binder's level.
    Bound(u32),
    /// A variable that nothing binds.
    Free(Name, u64),
    Lambda(Shared<Binder>),
    Pi(Shared<Binder>),
    App(Shared<(Val, Lazy)>),
    Bool(bool),
    Natural(Natural),
    Integer(Integer),
    Double(f64),
    Text(Text),
    Bytes(Arc<[u8]>),
    Date(Date),
    Time(Arc<Time>),
    TimeZone(TimeZone),
    If(Shared<(Val, Lazy, Lazy)>),
    Op(Op, Shared<(Val, Val)>),
    /// Its whole type, `List T`.
    EmptyList(Shared<Lazy>),
    List(List),
    Some(Shared<Lazy>),
    RecordType(Fields),
    Record(Fields),
    Union(Alternatives),
    /// An alternative that still needs its payload.
    Constructor(Alternatives, Name),
    Inject(Shared<Inject>),
    Merge(Shared<(Val, Val, Option<Lazy>)>),
    ToMap(Shared<(Val, Option<Lazy>)>),
    ShowConstructor(Shared<Val>),
    Field(Shared<Val>, Name),
    /// Names are sorted and differ.
    Project(Shared<(Val, Vec<Name>)>),
    ProjectType(Shared<(Val, Val)>),
    With(Shared<(Val, Vec<Step>, Lazy)>),
    Assert(Shared<Val>),
}

/// The fields of a record or a record type: sorted by name, names differ.
pub(crate) type Fields = Shared<Vec<(Name, Lazy)>>;

/// The alternatives of a union: sorted by name, names differ.
pub(crate) type Alternatives = Shared<Vec<(Name, Option<Lazy>)>>;

/// A function or a function type.
#[derive(Debug)]
pub(crate) struct Binder {
    pub(crate) name: Name,
    domain: Domain,
    pub(crate) body: Body,
}

/// The type of the variable. Functions are applied far more often than their
/// types are looked at: that of a closure waits without a thunk of its own.
#[derive(Debug)]
enum Domain {
    /// Evaluated in the environment of the closure.
    Closure(Expr, OnceLock<Val>),
    Lazy(Lazy),
}

impl Binder {
    /// Returns the function that closes over `env`.
    pub(crate) fn closure(name: &Name, domain: &Expr, body: &Expr, env: &Env) -> Self {
        Self {
            name: Name::clone(name),
            domain: Domain::Closure(domain.clone(), OnceLock::new()),
            body: Body::Closure(env.clone(), body.clone()),
        }
    }

    pub(crate) fn new(name: &Name, domain: impl Into<Lazy>, body: Body) -> Self {
        Self {
            name: Name::clone(name),
            domain: Domain::Lazy(domain.into()),
            body,
        }
    }

    /// Returns the type of the variable if it is already known.
    pub(crate) fn known_domain(&self) -> Option<&Val> {
        match &self.domain {
            Domain::Closure(_, known) => known.get(),
            Domain::Lazy(domain) => domain.known(),
        }
    }

    /// Returns the type of the variable.
    pub(crate) fn domain(&self, machine: &Machine) -> Evaluated<Val> {
        let (domain, known) = match &self.domain {
            Domain::Lazy(domain) => return machine.force(domain),
            Domain::Closure(domain, known) => (domain, known),
        };
        if let Some(value) = known.get() {
            return Ok(value.clone());
        }
        let value = match &self.body {
            Body::Closure(env, _) => machine.eval(domain, env)?,
            // A type that is still to evaluate comes with a closure.
            _ => machine.eval(domain, &Env::default())?,
        };
        // Another thread may have been first, with an equal value.
        let _ = known.set(value.clone());
        Ok(value)
    }
}

/// What a binder does with its variable.
#[derive(Debug)]
pub(crate) enum Body {
    /// Evaluates an expression with one more variable.
    Closure(Env, Expr),
    /// An inferred type, in which the variable is still that of its level.
    Inferred(Box<Inferred>),
    /// Ignores it.
    Constant(Val),
}

/// The output of an inferred function type. It is made a closure when it is
/// first used with another variable than its own, which is rare: a function is
/// often checked and seldom taken apart.
#[derive(Debug)]
pub(crate) struct Inferred {
    pub(crate) level: u32,
    pub(crate) env: Env,
    pub(crate) output: Val,
    /// The output as an expression; `None` if it does not depend on the variable.
    pub(crate) quoted: OnceLock<Option<Expr>>,
}

/// An alternative of a union, with its payload if it has one.
#[derive(Debug)]
pub(crate) struct Inject {
    pub(crate) union: Alternatives,
    pub(crate) label: Name,
    pub(crate) payload: Option<Lazy>,
}

/// A value, or what will be one when it is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Lazy {
    Now(Val),
    Later(Shared<Thunk>),
    /// Is still bytes.
    Part(Shared<Part>),
}

/// An expression to evaluate at most once (by each thread).
#[derive(Debug)]
pub(crate) struct Thunk {
    value: OnceLock<Val>,
    /// Emptied when the value is known, so that nothing is kept alive for it.
    pending: Mutex<Option<(Env, Expr)>>,
}

impl Weigh for Val {}
impl Weigh for Lazy {}
impl Weigh for Thunk {}
impl Weigh for Inject {}

impl Weigh for Binder {
    fn heap(&self) -> usize {
        match self.body {
            Body::Inferred(_) => size_of::<Inferred>(),
            Body::Closure(..) | Body::Constant(_) => 0,
        }
    }
}

impl Thunk {
    pub(crate) fn new(env: Env, expression: Expr) -> Self {
        Self {
            value: OnceLock::new(),
            pending: Mutex::new(Some((env, expression))),
        }
    }

    pub(crate) fn get(&self) -> Option<&Val> {
        self.value.get()
    }

    /// Returns what has to be evaluated; `None` once the value is known.
    pub(crate) fn pending(&self) -> Option<(Env, Expr)> {
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, value: Val) {
        // Another thread may have been first, with an equal value.
        let _ = self.value.set(value);
        let pending = self
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Dropped here, outside the lock: it may be the end of a large graph.
        drop(pending);
    }
}

impl Lazy {
    /// Returns the value if it is already known.
    pub(crate) fn known(&self) -> Option<&Val> {
        match self {
            Self::Now(value) => Some(value),
            Self::Later(thunk) => thunk.get(),
            Self::Part(part) => part.get(),
        }
    }

    /// Returns whether both are the same object, and so surely equal.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Later(a), Self::Later(b)) => a.same(b),
            (Self::Now(a), Self::Now(b)) => a.same(b),
            (Self::Part(a), Self::Part(b)) => a.same(b),
            _ => false,
        }
    }
}

impl From<Val> for Lazy {
    fn from(value: Val) -> Self {
        Self::Now(value)
    }
}

impl Val {
    /// Returns whether both are the same object, and so surely equal.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::RecordType(a), Self::RecordType(b)) | (Self::Record(a), Self::Record(b)) => {
                a.same(b)
            }
            (Self::Union(a), Self::Union(b)) => a.same(b),
            (Self::Lambda(a), Self::Lambda(b)) | (Self::Pi(a), Self::Pi(b)) => a.same(b),
            (Self::App(a), Self::App(b)) => a.same(b),
            (Self::Call(a, x), Self::Call(b, y)) => a == b && x.same(y),
            (Self::Builtin(a), Self::Builtin(b)) => a == b,
            (Self::Const(a), Self::Const(b)) => a == b,
            (Self::Bound(a), Self::Bound(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.same(b),
            _ => false,
        }
    }

    pub(crate) fn call(builtin: Builtin, arguments: Vec<Lazy>) -> Self {
        Self::Call(builtin, Shared::new(arguments))
    }

    pub(crate) fn list_of(element: Lazy) -> Self {
        Self::call(Builtin::List, vec![element])
    }

    pub(crate) fn optional_of(element: Lazy) -> Self {
        Self::call(Builtin::Optional, vec![element])
    }

    pub(crate) fn some(value: Lazy) -> Self {
        Self::Some(Shared::new(value))
    }

    /// Returns the record of these fields, which must be sorted.
    pub(crate) fn record(fields: Vec<(Name, Lazy)>) -> Self {
        Self::Record(Shared::new(fields))
    }

    pub(crate) fn record_type(fields: Vec<(Name, Lazy)>) -> Self {
        Self::RecordType(Shared::new(fields))
    }

    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(Text::literal(text.into()))
    }

    /// Returns a text that was made, not written.
    pub(crate) fn made_text(text: String) -> Self {
        Self::Text(Text::made(text))
    }

    pub(crate) fn op(op: Op, left: Self, right: Self) -> Self {
        Self::Op(op, Shared::new((left, right)))
    }

    /// Returns the argument if this is `builtin` applied to exactly one.
    pub(crate) fn applied(&self, builtin: Builtin) -> Option<&Lazy> {
        match self {
            Self::Call(called, arguments) if *called == builtin && arguments.len() == 1 => {
                arguments.first()
            }
            _ => None,
        }
    }
}

/// Finds a field by its name among sorted ones.
pub(crate) fn find<'a, T>(fields: &'a [(Name, T)], name: &str) -> Option<&'a T> {
    let at = fields
        .binary_search_by(|(known, _)| known.as_ref().cmp(name))
        .ok()?;
    fields.get(at).map(|(_, value)| value)
}

const fn _values_can_be_shared() {
    const fn check<T: Send + Sync>() {}
    check::<Val>();
}
