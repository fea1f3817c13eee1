//! Evaluation: expressions to values.
//!
//! Bindings, arguments and fields are evaluated when they are asked for, once.
//! The items of lists, the payloads of unions and the accumulators of folds
//! are evaluated at once, so that long folds don't leave long chains of work.
//! Nothing here needs the program to be well typed in order to return; a
//! program that is not may only run into its budget.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::builtin::Builtin;
use crate::environment::Env;
use crate::limits::{Budget, Stop};
use crate::memory;
use crate::number::Natural;
use crate::quote::Quoter;
use crate::rope::{List, Text};
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::{Expr, Kind, Op, Span, Var, VarTarget};
use crate::value::{Binder, Body, Inferred, Inject, Lazy, Thunk, Val, find};

/// What an evaluation runs on. Belongs to one thread.
pub(crate) struct Machine {
    pub(crate) budget: Budget,
    /// The next level for a variable that a comparison makes up; far above
    /// the levels of real binders.
    pub(crate) fresh: Cell<u32>,
    /// Where the last evaluation that was given up was, in each text: the
    /// innermost expressions.
    stopped: RefCell<Vec<Span>>,
    believed: Cell<bool>,
    deceived: Cell<bool>,
}

/// The result of evaluating something.
pub(crate) type Evaluated<T> = Result<T, Stop>;

impl Machine {
    pub(crate) fn new(limits: crate::limits::Limits) -> Self {
        Self {
            budget: Budget::new(limits),
            fresh: Cell::new(1 << 31),
            stopped: RefCell::default(),
            believed: Cell::new(false),
            deceived: Cell::new(false),
        }
    }

    /// Says that an evaluation was given up inside of `expression`.
    #[cold]
    fn stopped_in(&self, expression: &Expr, stop: Stop) -> Stop {
        let span = expression.span();
        let mut stopped = self.stopped.borrow_mut();
        let is_known = |known: &Span| known.source == span.source;
        if span != Span::NONE && !stopped.iter().any(is_known) {
            stopped.push(span);
        }
        stop
    }

    /// Notes that something was believed that is not so.
    #[cold]
    fn doubt(&self, stop: Stop) {
        let is_wrong = stop == Stop::IllTyped;
        self.deceived.set(self.deceived.get() || is_wrong);
    }

    /// Notes that a part of an import is used without being checked.
    pub(crate) fn believe(&self) {
        self.believed.set(true);
    }

    /// Returns whether a part of an import was used without being checked:
    /// what seems to be wrong with a program may be wrong with that.
    pub(crate) fn has_believed(&self) -> bool {
        self.believed.get()
    }

    /// Returns whether it was believed of an import that it is well typed, and
    /// it is not: whatever was made of it is void.
    pub(crate) fn is_deceived(&self) -> bool {
        self.deceived.get()
    }

    /// Forgets where evaluations were given up before.
    pub(crate) fn begin(&self) {
        self.stopped.borrow_mut().clear();
    }

    /// Returns the innermost expression of the text of `whole` that was
    /// evaluated when the evaluation was given up; `whole` if none was.
    pub(crate) fn stopped_at(&self, whole: Span) -> Span {
        self.given_up_in(whole).unwrap_or(whole)
    }

    /// Returns the innermost expression of the text of `whole` that was
    /// evaluated when the evaluation was given up; `None` if none was.
    pub(crate) fn given_up_in(&self, whole: Span) -> Option<Span> {
        let stopped = self.stopped.borrow();
        let found = stopped.iter().find(|span| span.source == whole.source);
        found.copied()
    }

    /// Returns the value of a lazy part, and remembers it.
    pub(crate) fn force(&self, lazy: &Lazy) -> Evaluated<Val> {
        let thunk = match lazy {
            Lazy::Now(value) => return Ok(value.clone()),
            Lazy::Later(thunk) => thunk,
            Lazy::Part(part) => return part.force(self).inspect_err(|stop| self.doubt(*stop)),
        };
        if let Some(value) = thunk.get() {
            return Ok(value.clone());
        }
        let Some((env, expression)) = thunk.pending() else {
            // Another thread finished between the two looks.
            return thunk.get().cloned().ok_or(Stop::TooDeep);
        };
        let value = self.eval(&expression, &env)?;
        thunk.set(value.clone());
        Ok(value)
    }

    /// Puts off an evaluation, unless it is not worth putting off.
    pub(crate) fn delay(&self, expression: &Expr, env: &Env) -> Lazy {
        match expression.kind() {
            Kind::Var(var) => match bound(var, env) {
                Some(value) => value.clone(),
                None => free(var).into(),
            },
            Kind::Const(known) => Val::Const(*known).into(),
            Kind::Builtin(builtin) => Val::Builtin(*builtin).into(),
            Kind::Bool(value) => Val::Bool(*value).into(),
            Kind::Natural(value) => Val::Natural(value.clone()).into(),
            Kind::Text(chunks, text) if chunks.is_empty() => Val::text(Name::clone(text)).into(),
            Kind::Lambda(name, domain, body) => {
                Val::Lambda(Shared::new(Binder::closure(name, domain, body, env))).into()
            }
            Kind::Embed(embedded) => embedded.value.clone().into(),
            _ => match expression.known_value() {
                Some(value) => value.clone().into(),
                None => Lazy::Later(Shared::new(Thunk::new(env.clone(), expression.clone()))),
            },
        }
    }

    /// Evaluates an expression to weak head normal form.
    pub(crate) fn eval(&self, expression: &Expr, env: &Env) -> Evaluated<Val> {
        match expression.kind() {
            Kind::Var(var) => {
                self.budget.spend(1)?;
                return match bound(var, env) {
                    Some(value) => self.force(value),
                    None => Ok(free(var)),
                };
            }
            Kind::Bool(value) => return Ok(Val::Bool(*value)),
            Kind::Natural(Natural::Small(value)) => {
                return Ok(Val::Natural(Natural::Small(*value)));
            }
            Kind::Builtin(builtin) => return Ok(Val::Builtin(*builtin)),
            _ => {}
        }
        if !expression.is_closed() {
            let value = self.eval_here(expression, env);
            return value.map_err(|stop| self.stopped_in(expression, stop));
        }
        if let Some(value) = expression.known_value() {
            return Ok(value.clone());
        }
        // What is kept must not keep the variables of one place alive.
        let value = self
            .eval_here(expression, &Env::default())
            .map_err(|stop| self.stopped_in(expression, stop))?;
        expression.keep_value(&value);
        Ok(value)
    }

    fn eval_here(&self, expression: &Expr, env: &Env) -> Evaluated<Val> {
        self.budget.step()?;
        Ok(match expression.kind() {
            Kind::Lambda(name, domain, body) => {
                Val::Lambda(Shared::new(Binder::closure(name, domain, body, env)))
            }
            Kind::Pi(name, domain, body) => {
                Val::Pi(Shared::new(Binder::closure(name, domain, body, env)))
            }
            Kind::App(function, arguments) => self.application(function, arguments, env)?,
            Kind::Let(bindings, body) => {
                let mut env = env.clone();
                for binding in bindings {
                    let value = self.delay(&binding.value, &env);
                    env = env.push(value);
                }
                self.eval(body, &env)?
            }
            Kind::Annot(inner, _) => self.eval(inner, env)?,
            Kind::If(condition, then, otherwise) => {
                self.conditional(condition, then, otherwise, env)?
            }
            Kind::Op(op, operands) => self.operands(*op, operands, env)?,
            Kind::Field(record, name, _) => {
                let record = self.eval(record, env)?;
                self.field(&record, name)?
            }
            Kind::Text(chunks, last) => self.text(chunks, last, env)?,
            Kind::Merge(handlers, union, annotation) => {
                let handlers = self.eval(handlers, env)?;
                let union = self.eval(union, env)?;
                let annotation = annotation.as_ref().map(|ty| self.delay(ty, env));
                self.merge(handlers, union, annotation)?
            }
            _ => self.eval_data(expression, env)?,
        })
    }

    /// Evaluates what makes a value out of its parts.
    fn eval_data(&self, expression: &Expr, env: &Env) -> Evaluated<Val> {
        Ok(match expression.kind() {
            Kind::Record(fields) => Val::record(
                fields
                    .iter()
                    .map(|(name, field)| (Name::clone(name), self.delay(field, env)))
                    .collect(),
            ),
            Kind::RecordType(fields) => Val::record_type(
                fields
                    .iter()
                    .map(|(name, field)| (Name::clone(name), self.delay(field, env)))
                    .collect(),
            ),
            Kind::Union(alternatives) => {
                let alternative = |(name, ty): &(Name, Option<Expr>)| {
                    (Name::clone(name), ty.as_ref().map(|ty| self.delay(ty, env)))
                };
                Val::Union(Shared::new(alternatives.iter().map(alternative).collect()))
            }
            Kind::List(items) if let [item] = &items[..] => {
                Val::List(List::one(self.eval(item, env)?.into()))
            }
            Kind::List(items) => {
                self.budget.size(memory::elements::<Lazy>(items.len()))?;
                let items = items
                    .iter()
                    .map(|item| Ok(Lazy::Now(self.eval(item, env)?)));
                match List::new(items.collect::<Evaluated<_>>()?) {
                    Some(list) => Val::List(list),
                    None => return Err(Stop::TooLarge),
                }
            }
            Kind::EmptyList(ty) => Val::EmptyList(Shared::new(self.delay(ty, env))),
            Kind::Some(inner) => Val::some(self.eval(inner, env)?.into()),
            Kind::ToMap(record, annotation) => {
                let record = self.eval(record, env)?;
                self.to_map(record, annotation.as_ref().map(|ty| self.delay(ty, env)))?
            }
            Kind::ShowConstructor(union) => self.show_constructor(self.eval(union, env)?)?,
            Kind::Project(record, names) => {
                let record = self.eval(record, env)?;
                self.project(&record, names)?
            }
            Kind::ProjectType(record, ty) => {
                let record = self.eval(record, env)?;
                self.project_type(record, self.eval(ty, env)?)?
            }
            Kind::Complete(schema, record) => {
                let schema = self.eval(schema, env)?;
                let defaults = self.field(&schema, "default")?;
                self.prefer(defaults, self.eval(record, env)?)?
            }
            Kind::With(record, path, value) => {
                let record = self.eval(record, env)?;
                self.with(record, path, &self.delay(value, env))?
            }
            Kind::Assert(ty) => Val::Assert(Shared::new(self.eval(ty, env)?)),
            kind => literal(kind),
        })
    }

    fn application(&self, function: &Expr, arguments: &[Expr], env: &Env) -> Evaluated<Val> {
        let mut function = self.eval(function, env)?;
        let mut rest = arguments;
        while let Some((argument, more)) = rest.split_first() {
            match &function {
                Val::Lambda(binder) if let Body::Closure(inner, body) = &binder.body => {
                    let mut inner = inner.push(self.delay(argument, env));
                    let mut body = body;
                    rest = more;
                    // A function of several arguments is entered at once.
                    while let Kind::Lambda(_, _, next) = body.kind()
                        && let Some((argument, more)) = rest.split_first()
                    {
                        self.budget.spend(1)?;
                        inner = inner.push(self.delay(argument, env));
                        body = next;
                        rest = more;
                    }
                    function = self.eval(body, &inner)?;
                }
                Val::Builtin(builtin) if (1..=rest.len()).contains(&builtin.arity()) => {
                    let (now, more) = rest.split_at(builtin.arity());
                    function = self.call_now(*builtin, now, env)?;
                    rest = more;
                }
                _ => {
                    function = self.apply(&function, self.delay(argument, env))?;
                    rest = more;
                }
            }
        }
        Ok(function)
    }

    /// Calls a builtin with all of its arguments. What it looks at is evaluated
    /// without a thunk.
    fn call_now(&self, builtin: Builtin, arguments: &[Expr], env: &Env) -> Evaluated<Val> {
        match arguments.len() {
            1 => self.call_array::<1>(builtin, arguments, env),
            2 => self.call_array::<2>(builtin, arguments, env),
            3 => self.call_array::<3>(builtin, arguments, env),
            4 => self.call_array::<4>(builtin, arguments, env),
            _ => self.call_array::<5>(builtin, arguments, env),
        }
    }

    fn call_array<const N: usize>(
        &self,
        builtin: Builtin,
        arguments: &[Expr],
        env: &Env,
    ) -> Evaluated<Val> {
        let mut values = [const { Lazy::Now(Val::Bool(false)) }; N];
        for (at, (value, argument)) in values.iter_mut().zip(arguments).enumerate() {
            *value = match builtin.looks_at(at) {
                true => self.eval(argument, env)?.into(),
                false => self.delay(argument, env),
            };
        }
        self.budget.step()?;
        let reduced = self.reduce(builtin, &values)?;
        Ok(reduced.unwrap_or_else(|| Val::call(builtin, values.into())))
    }

    /// Applies a function to an argument.
    pub(crate) fn apply(&self, function: &Val, argument: Lazy) -> Evaluated<Val> {
        match function {
            Val::Lambda(binder) => self.instantiate(binder, argument),
            Val::Builtin(builtin) => self.call(*builtin, vec![argument]),
            Val::Call(builtin, arguments) => {
                let mut arguments = (**arguments).clone();
                arguments.push(argument);
                self.call(*builtin, arguments)
            }
            Val::Constructor(union, label) => Ok(Val::Inject(Shared::new(Inject {
                union: union.clone(),
                label: Name::clone(label),
                payload: Some(self.force(&argument)?.into()),
            }))),
            stuck => Ok(Val::App(Shared::new((stuck.clone(), argument)))),
        }
    }

    /// Applies a function to two arguments.
    pub(crate) fn apply_two(&self, function: &Val, first: Lazy, second: Lazy) -> Evaluated<Val> {
        if let Val::Lambda(binder) = function
            && let Body::Closure(env, body) = &binder.body
            && let Kind::Lambda(_, _, body) = body.kind()
        {
            return self.eval(body, &env.push(first).push(second));
        }
        let function = self.apply(function, first)?;
        self.apply(&function, second)
    }

    /// Returns the body of a binder with its variable given.
    pub(crate) fn instantiate(&self, binder: &Binder, argument: Lazy) -> Evaluated<Val> {
        match &binder.body {
            Body::Closure(env, body) => self.eval(body, &env.push(argument)),
            Body::Constant(value) => Ok(value.clone()),
            Body::Inferred(inferred) => self.instantiate_inferred(inferred, argument),
        }
    }

    fn instantiate_inferred(&self, inferred: &Inferred, argument: Lazy) -> Evaluated<Val> {
        if let Lazy::Now(Val::Bound(level)) = argument
            && level == inferred.level
        {
            return Ok(inferred.output.clone());
        }
        let quoted = match inferred.quoted.get() {
            Some(quoted) => quoted,
            None => {
                let mut quoter = Quoter::below(self, inferred.level + 1).watching(inferred.level);
                let expression = quoter.quote(&inferred.output)?;
                let seen = quoter.seen;
                inferred.quoted.get_or_init(|| seen.then_some(expression))
            }
        };
        match quoted {
            Some(body) => self.eval(body, &inferred.env.push(argument)),
            None => Ok(inferred.output.clone()),
        }
    }

    fn conditional(
        &self,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
        env: &Env,
    ) -> Evaluated<Val> {
        let condition = match self.eval(condition, env)? {
            Val::Bool(true) => return self.eval(then, env),
            Val::Bool(false) => return self.eval(otherwise, env),
            stuck => stuck,
        };
        let (then, otherwise) = (self.eval(then, env)?, self.eval(otherwise, env)?);
        if let (Val::Bool(true), Val::Bool(false)) = (&then, &otherwise) {
            return Ok(condition);
        }
        if self.equivalent(&then, &otherwise)? {
            return Ok(then);
        }
        Ok(Val::If(Shared::new((
            condition,
            then.into(),
            otherwise.into(),
        ))))
    }

    fn text(&self, chunks: &[(Name, Expr)], last: &Name, env: &Env) -> Evaluated<Val> {
        let mut text = Text::literal(Arc::from(""));
        for (before, chunk) in chunks {
            text = text.join(Text::literal(Name::clone(before)));
            text = text.join(self.eval(chunk, env)?.into());
            self.budget.size(text.length())?;
        }
        Ok(text.join(Text::literal(Name::clone(last))).into_value())
    }

    fn operands(&self, op: Op, operands: &[Expr], env: &Env) -> Evaluated<Val> {
        let mut operands = operands.iter();
        let Some(first) = operands.next() else {
            return Err(Stop::TooDeep);
        };
        let mut left = self.eval(first, env)?;
        for operand in operands {
            let decided = matches!(
                (op, &left),
                (Op::Or, Val::Bool(true)) | (Op::And, Val::Bool(false))
            );
            if !decided {
                left = self.operate(op, left, self.eval(operand, env)?)?;
            }
        }
        Ok(left)
    }

    fn merge(&self, handlers: Val, union: Val, annotation: Option<Lazy>) -> Evaluated<Val> {
        let Val::Record(fields) = &handlers else {
            return Ok(Val::Merge(Shared::new((handlers, union, annotation))));
        };
        let chosen = match &union {
            Val::Inject(inject) => find(fields, &inject.label).zip(Some(inject.payload.clone())),
            Val::Some(inner) => find(fields, "Some").zip(Some(Some((**inner).clone()))),
            none if none.applied(Builtin::None).is_some() => find(fields, "None").zip(Some(None)),
            _ => None,
        };
        match chosen {
            Some((handler, Some(payload))) => self.apply(&self.force(handler)?, payload),
            Some((handler, None)) => self.force(handler),
            None => Ok(Val::Merge(Shared::new((handlers, union, annotation)))),
        }
    }
}

/// Returns what a variable stands for; `None` if nothing binds it.
fn bound<'e>(var: &Var, env: &'e Env) -> Option<&'e Lazy> {
    match var.target {
        VarTarget::Bound(index) => env.get(index),
        VarTarget::Free(_) => None,
    }
}

fn free(var: &Var) -> Val {
    let index = match var.target {
        // A tree is evaluated with a value for each of its binders.
        VarTarget::Bound(_) => var.index,
        VarTarget::Free(index) => index,
    };
    Val::Free(Name::clone(&var.name), index)
}

fn literal(kind: &Kind) -> Val {
    match kind {
        Kind::Const(known) => Val::Const(*known),
        Kind::Builtin(builtin) => Val::Builtin(*builtin),
        Kind::Bool(value) => Val::Bool(*value),
        Kind::Natural(value) => Val::Natural(value.clone()),
        Kind::Integer(value) => Val::Integer(value.clone()),
        Kind::Double(value) => Val::Double(*value),
        Kind::Bytes(bytes) => Val::Bytes(Arc::clone(bytes)),
        Kind::Date(date) => Val::Date(*date),
        Kind::Time(time) => Val::Time(Arc::new(time.clone())),
        Kind::TimeZone(zone) => Val::TimeZone(*zone),
        Kind::Embed(embedded) => embedded.value.clone(),
        // Resolution replaces every import before anything is evaluated.
        _ => Val::Free(Name::from("missing"), 0),
    }
}
