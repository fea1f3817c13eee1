//! Type inference, by the rules of the standard.
//!
//! Types are values. The checker walks an expression with the types and the
//! values of the variables in scope; a `let` gives its variable a value, a
//! binder gives it itself. Every error says what was found where, and what
//! differs, not two whole types.

mod function;
mod operator;
mod record;
mod union;

use std::fmt::Display;
use std::sync::OnceLock;

use crate::builtin::{Builtin, Const};
use crate::builtins::built_in;
use crate::difference::difference;
use crate::environment::Env;
use crate::evaluate::{Evaluated, Machine};
use crate::print;
use crate::problem::Problem;
use crate::quote::Quoter;
use crate::scope::{Name, Scope};
use crate::suggest::did_you_mean;
use crate::syntax::{Expr, Kind, Span, Var, VarTarget};
use crate::value::{Lazy, Val};

/// The result of checking something.
type Checked<T> = Result<T, Box<Problem>>;

/// Infers the type of a closed expression.
pub(crate) fn infer(machine: &Machine, expression: &Expr) -> Checked<Val> {
    Checker::new(machine).infer(expression)
}

/// The types of the builtins, as expressions: parsed when one is needed, since
/// a program uses few.
static BUILTIN_TYPES: [OnceLock<Expr>; Builtin::ALL.len()] =
    [const { OnceLock::new() }; Builtin::ALL.len()];

struct Checker<'m> {
    machine: &'m Machine,
    env: Env,
    /// The names of the variables in scope, innermost last.
    names: Vec<Name>,
    types: Vec<Val>,
}

impl<'m> Checker<'m> {
    fn new(machine: &'m Machine) -> Self {
        Self {
            machine,
            env: Env::default(),
            names: Vec::new(),
            types: Vec::new(),
        }
    }

    /// Gives the place of an evaluation that was given up.
    fn at<T>(&self, span: Span, result: Evaluated<T>) -> Checked<T> {
        result.map_err(|stop| Problem::stopped(span, stop))
    }

    fn force(&self, span: Span, lazy: &Lazy) -> Checked<Val> {
        self.at(span, self.machine.force(lazy))
    }

    fn eval(&self, expression: &Expr) -> Checked<Val> {
        self.at(expression.span(), self.machine.eval(expression, &self.env))
    }

    fn delay(&self, expression: &Expr) -> Lazy {
        self.machine.delay(expression, &self.env)
    }

    /// Checks with one more variable in scope, and returns to the old scope.
    fn under<T>(
        &mut self,
        name: &Name,
        ty: Val,
        value: Lazy,
        check: impl FnOnce(&mut Self) -> Checked<T>,
    ) -> Checked<T> {
        let env = self.env.push(value);
        let outer = std::mem::replace(&mut self.env, env);
        self.names.push(Name::clone(name));
        self.types.push(ty);
        let checked = check(self);
        self.types.pop();
        self.names.pop();
        self.env = outer;
        checked
    }

    /// Returns the variable of a binder that is about to be entered.
    fn next_variable(&self) -> Val {
        Val::Bound(self.depth())
    }

    /// Returns the level that the next binder gets.
    fn depth(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    /// Returns the names as a scope, for what is shown: checking only counts.
    fn scope(&self) -> Scope {
        self.names.iter().collect()
    }

    fn show(&self, value: &Val) -> String {
        let mut quoter = Quoter::new(self.machine, self.scope());
        match quoter.quote(value) {
            Ok(expression) => print::brief(&expression),
            Err(_) => "…".to_owned(),
        }
    }

    fn equivalent(&self, span: Span, a: &Val, b: &Val) -> Checked<bool> {
        self.at(span, self.machine.equivalent(a, b))
    }

    /// Checks that what was found is what was expected; `message` is for when
    /// it is not.
    fn expect(
        &self,
        span: Span,
        expected: &Val,
        found: &Val,
        message: impl Display,
    ) -> Checked<()> {
        if self.equivalent(span, expected, found)? {
            return Ok(());
        }
        Err(self.mismatch(span, expected, found, message.to_string()))
    }

    fn mismatch(
        &self,
        span: Span,
        expected: &Val,
        found: &Val,
        message: impl Into<String>,
    ) -> Box<Problem> {
        let show = |value: &Val| self.show(value);
        match difference(self.machine, &show, expected, found) {
            Ok(difference) => Problem::new(span, message)
                .label(difference.summary)
                .notes(difference.details)
                .maybe_hint(difference.hint),
            Err(stop) => Problem::new(span, message).label(stop.to_string()),
        }
    }

    /// Infers the type of an expression; it is in weak head normal form.
    fn infer(&mut self, expression: &Expr) -> Checked<Val> {
        if let Some(ty) = expression.known_type() {
            return Ok(ty.clone());
        }
        let ty = self.infer_here(expression)?;
        expression.keep_type(&ty);
        Ok(ty)
    }

    fn infer_here(&mut self, expression: &Expr) -> Checked<Val> {
        let span = expression.span();
        self.at(span, self.machine.budget.step())?;
        match expression.kind() {
            Kind::Const(Const::Type) => Ok(Val::Const(Const::Kind)),
            Kind::Const(Const::Kind) => Ok(Val::Const(Const::Sort)),
            Kind::Const(Const::Sort) => {
                Err(Problem::new(span, "`Sort` has no type").hint("it can only annotate a kind"))
            }
            Kind::Builtin(builtin) => self.builtin(*builtin, span),
            Kind::Var(var) => self.variable(var, span),
            Kind::Lambda(name, domain, body) => self.lambda(name, domain, body),
            Kind::Pi(name, domain, codomain) => self.pi(name, domain, codomain),
            Kind::App(function, arguments) => self.application(function, arguments),
            Kind::Let(bindings, body) => self.lets(bindings, body),
            Kind::Annot(inner, ty) => self.annotated(inner, ty),
            Kind::If(condition, then, otherwise) => self.conditional(condition, then, otherwise),
            Kind::Op(op, operands) => self.operands(*op, operands),
            Kind::Assert(ty) => self.assertion(ty),
            Kind::Text(chunks, _) => {
                let text = Val::Builtin(Builtin::Text);
                for (_, chunk) in chunks {
                    let found = self.infer(chunk)?;
                    let message = "an interpolated expression is not a `Text`";
                    self.expect(chunk.span(), &text, &found, message)
                        .map_err(|problem| problem.maybe_hint(show_hint(&found)))?;
                }
                Ok(text)
            }
            Kind::List(items) => self.list(items),
            Kind::EmptyList(ty) => self.empty_list(ty),
            Kind::Some(inner) => {
                let ty = self.infer(inner)?;
                self.expect_term(inner, &ty, "the payload of `Some` is not a value")?;
                Ok(Val::optional_of(ty.into()))
            }
            Kind::Embed(embedded) => Ok(embedded.ty.clone()),
            Kind::Import(_) => Err(Problem::new(span, "this import was not resolved")),
            Kind::Merge(handlers, union, annotation) => {
                self.merge(span, handlers, union, annotation.as_ref())
            }
            Kind::Union(alternatives) => self.union_type(span, alternatives),
            Kind::ShowConstructor(union) => self.show_constructor(union),
            _ => self.infer_record(expression),
        }
    }

    /// The forms that are about records, and the literals.
    fn infer_record(&mut self, expression: &Expr) -> Checked<Val> {
        let span = expression.span();
        match expression.kind() {
            Kind::RecordType(fields) => self.record_type(span, fields),
            Kind::Record(fields) => self.record(fields),
            Kind::Field(record, name, label) => self.field(record, name, *label),
            Kind::Project(record, names) => self.projection(span, record, names),
            Kind::ProjectType(record, ty) => self.projection_by_type(record, ty),
            Kind::Complete(schema, record) => self.completion(span, schema, record),
            Kind::With(record, path, value) => self.with(span, record, path, value),
            Kind::ToMap(record, annotation) => self.map_of(span, record, annotation.as_ref()),
            kind => Ok(Val::Builtin(match kind {
                Kind::Bool(_) => Builtin::Bool,
                Kind::Natural(_) => Builtin::Natural,
                Kind::Integer(_) => Builtin::Integer,
                Kind::Double(_) => Builtin::Double,
                Kind::Bytes(_) => Builtin::Bytes,
                Kind::Date(_) => Builtin::Date,
                Kind::Time(_) => Builtin::Time,
                _ => Builtin::TimeZone,
            })),
        }
    }

    fn builtin(&self, builtin: Builtin, span: Span) -> Checked<Val> {
        let ty = BUILTIN_TYPES[builtin as usize].get_or_init(|| built_in(builtin.type_text()));
        self.at(span, self.machine.eval(ty, &Env::default()))
    }

    fn variable(&self, var: &Var, span: Span) -> Checked<Val> {
        if let VarTarget::Bound(between) = var.target
            && let Some(at) = self.types.len().checked_sub(between as usize + 1)
            && let Some(ty) = self.types.get(at)
        {
            return Ok(ty.clone());
        }
        let name = &var.name;
        let count = self.names.iter().filter(|known| *known == name).count();
        if var.index > 0 && count > 0 {
            let message = format!("`{name}@{}` is not in scope", var.index);
            return Err(Problem::new(span, message)
                .label("no such variable")
                .hint(format!("`{name}` is bound {count} time(s) here")));
        }
        let known = self.names.iter().rev().map(AsRef::as_ref);
        let builtins = Builtin::ALL.iter().map(|builtin| builtin.name());
        let hint = did_you_mean(name, known.chain(builtins).chain(["True", "False"]));
        Err(Problem::new(span, format!("`{name}` is not in scope"))
            .label("no such variable")
            .maybe_hint(hint))
    }

    /// Infers the type of a type, a kind or a sort.
    fn infer_const(&mut self, ty: &Expr, message: impl Display) -> Checked<Const> {
        match self.infer(ty)? {
            Val::Const(known) => Ok(known),
            found => Err(Problem::new(ty.span(), message.to_string())
                .label(format!("this is a value of type `{}`", self.show(&found)))),
        }
    }

    /// Checks that `ty` is a `Type`, so that what has it is a value.
    fn expect_term(&mut self, expression: &Expr, ty: &Val, message: &str) -> Checked<()> {
        if self.universe(expression.span(), ty)? == Some(Const::Type) {
            return Ok(());
        }
        Err(Problem::new(expression.span(), message)
            .label(format!("this has the type `{}`", self.show(ty))))
    }

    /// Returns the type of a type; `None` for `Sort`, which has none.
    fn universe(&mut self, span: Span, ty: &Val) -> Checked<Option<Const>> {
        self.at(span, self.machine.budget.step())?;
        Ok(Some(match ty {
            Val::Const(Const::Type) => Const::Kind,
            Val::Const(Const::Kind) => Const::Sort,
            Val::Const(Const::Sort) => return Ok(None),
            Val::Builtin(builtin) if builtin.type_text() == "Type" => Const::Type,
            Val::Call(Builtin::List | Builtin::Optional, arguments) if arguments.len() == 1 => {
                Const::Type
            }
            Val::RecordType(fields) => {
                let parts = fields.iter().map(|(_, field)| field);
                return self.largest_universe(span, parts);
            }
            Val::Union(alternatives) => {
                let parts = alternatives.iter().filter_map(|(_, ty)| ty.as_ref());
                return self.largest_universe(span, parts);
            }
            Val::Pi(binder) => {
                let domain = self.at(span, binder.domain(self.machine))?;
                let Some(input) = self.universe(span, &domain)? else {
                    return Ok(None);
                };
                let variable = self.next_variable();
                let codomain = self.at(
                    span,
                    self.machine.instantiate(binder, variable.clone().into()),
                )?;
                let output = self.under(&binder.name, domain, variable.into(), |checker| {
                    checker.universe(span, &codomain)
                })?;
                return Ok(output.map(|output| function_universe(input, output)));
            }
            stuck => return self.universe_of_stuck(span, stuck),
        }))
    }

    fn largest_universe<'a>(
        &mut self,
        span: Span,
        parts: impl Iterator<Item = &'a Lazy>,
    ) -> Checked<Option<Const>> {
        let mut largest = Const::Type;
        for part in parts {
            let part = self.force(span, part)?;
            match self.universe(span, &part)? {
                Some(universe) => largest = largest.max(universe),
                None => return Ok(None),
            }
        }
        Ok(Some(largest))
    }

    /// A type that waits for a variable: its type is that of its normal form.
    fn universe_of_stuck(&mut self, span: Span, ty: &Val) -> Checked<Option<Const>> {
        let quoted = Quoter::new(self.machine, self.scope()).quote(ty);
        let quoted = self.at(span, quoted)?;
        match self.infer(&quoted)? {
            Val::Const(known) => Ok(Some(known)),
            _ => Ok(None),
        }
    }
}

/// The type of a function type, from those of its input and its output.
fn function_universe(input: Const, output: Const) -> Const {
    match output {
        Const::Type => Const::Type,
        output => input.max(output),
    }
}

/// How to turn a value of this type into a text.
fn show_hint(found: &Val) -> Option<String> {
    let show = match found {
        Val::Builtin(Builtin::Natural) => "Natural/show",
        Val::Builtin(Builtin::Integer) => "Integer/show",
        Val::Builtin(Builtin::Double) => "Double/show",
        Val::Builtin(Builtin::Date) => "Date/show",
        Val::Builtin(Builtin::Time) => "Time/show",
        _ => return None,
    };
    Some(format!("`{show}` makes a `Text` of it"))
}
