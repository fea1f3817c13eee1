//! Evaluation: expressions to values.
//!
//! Bindings, arguments and fields are evaluated when they are asked for, once.
//! The items of lists, the payloads of unions and the accumulators of folds
//! are evaluated at once, so that long folds don't leave long chains of work.
//! Nothing here needs the program to be well typed in order to return; a
//! program that is not may only run into its budget.

use std::sync::Arc;

use crate::environment::Env;
use crate::limits::{Budget, Stop};
use crate::quote::Quoter;
use crate::rope::{List, Text};
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::{Expr, Kind, Op, Var, VarTarget};
use crate::value::{Binder, Body, Inferred, Inject, Lazy, Thunk, Val, find};

/// What an evaluation runs on. Belongs to one thread.
pub(crate) struct Machine {
    pub(crate) budget: Budget,
    /// The next level for a variable that a comparison makes up; far above
    /// the levels of real binders.
    pub(crate) fresh: std::cell::Cell<u32>,
}

/// The result of evaluating something.
pub(crate) type Evaluated<T> = Result<T, Stop>;

impl Machine {
    pub(crate) fn new(limits: crate::limits::Limits) -> Self {
        Self {
            budget: Budget::new(limits),
            fresh: std::cell::Cell::new(1 << 31),
        }
    }

    /// Returns the value of a lazy part, and remembers it.
    pub(crate) fn force(&self, lazy: &Lazy) -> Evaluated<Val> {
        let thunk = match lazy {
            Lazy::Now(value) => return Ok(value.clone()),
            Lazy::Later(thunk) => thunk,
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
            Kind::Var(var) => variable(var, env),
            Kind::Const(known) => Val::Const(*known).into(),
            Kind::Builtin(builtin) => Val::Builtin(*builtin).into(),
            Kind::Bool(value) => Val::Bool(*value).into(),
            Kind::Natural(value) => Val::Natural(value.clone()).into(),
            Kind::Text(chunks, text) if chunks.is_empty() => Val::text(Name::clone(text)).into(),
            Kind::Lambda(name, domain, body) => {
                Val::Lambda(self.binder(name, domain, body, env)).into()
            }
            Kind::Embed(embedded) => embedded.value.clone().into(),
            _ => match expression.known_value() {
                Some(value) => value.clone().into(),
                None => Lazy::Later(Shared::new(Thunk::new(env.clone(), expression.clone()))),
            },
        }
    }

    fn binder(&self, name: &Name, domain: &Expr, body: &Expr, env: &Env) -> Shared<Binder> {
        Shared::new(Binder {
            name: Name::clone(name),
            domain: self.delay(domain, env),
            body: Body::Closure(env.clone(), body.clone()),
        })
    }

    /// Evaluates an expression to weak head normal form.
    pub(crate) fn eval(&self, expression: &Expr, env: &Env) -> Evaluated<Val> {
        if !expression.is_closed() {
            return self.eval_here(expression, env);
        }
        if let Some(value) = expression.known_value() {
            return Ok(value.clone());
        }
        // What is kept must not keep the variables of one place alive.
        let value = self.eval_here(expression, &Env::default())?;
        expression.keep_value(&value);
        Ok(value)
    }

    fn eval_here(&self, expression: &Expr, env: &Env) -> Evaluated<Val> {
        self.budget.step()?;
        Ok(match expression.kind() {
            Kind::Var(var) => self.force(&variable(var, env))?,
            Kind::Lambda(name, domain, body) => Val::Lambda(self.binder(name, domain, body, env)),
            Kind::Pi(name, domain, body) => Val::Pi(self.binder(name, domain, body, env)),
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
            Kind::List(items) => {
                self.budget.size(items.len())?;
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
        for argument in arguments {
            function = self.apply(&function, self.delay(argument, env))?;
        }
        Ok(function)
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
            none if none.applied(crate::builtin::Builtin::None).is_some() => {
                find(fields, "None").zip(Some(None))
            }
            _ => None,
        };
        match chosen {
            Some((handler, Some(payload))) => self.apply(&self.force(handler)?, payload),
            Some((handler, None)) => self.force(handler),
            None => Ok(Val::Merge(Shared::new((handlers, union, annotation)))),
        }
    }
}

/// Returns what a variable stands for.
fn variable(var: &Var, env: &Env) -> Lazy {
    let free = |index| Val::Free(Name::clone(&var.name), index).into();
    match var.target {
        // A tree is evaluated with a value for each of its binders.
        VarTarget::Bound(index) => env.get(index).cloned().unwrap_or_else(|| free(var.index)),
        VarTarget::Free(index) => free(index),
    }
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
