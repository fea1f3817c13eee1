//! Functions, `let`, annotations, conditions and lists.

use std::sync::OnceLock;

use crate::builtin::{Builtin, Const};
use crate::problem::Problem;
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::{Binding, Expr, Kind, Op, Span};
use crate::typecheck::{Checked, Checker, function_universe};
use crate::value::{Binder, Body, Inferred, Val};

impl Checker<'_> {
    pub(super) fn lambda(&mut self, name: &Name, domain: &Expr, body: &Expr) -> Checked<Val> {
        self.infer_const(domain, "the type of a parameter is not a type")?;
        let ty = self.eval(domain)?;
        let level = self.depth();
        let variable = self.next_variable();
        let output = self.under(name, ty.clone(), variable.into(), |checker| {
            let output = checker.infer(body)?;
            if let Val::Const(Const::Sort) = output {
                return Err(Problem::new(body.span(), "a function cannot return this")
                    .label("its type is `Sort`, which has no type"));
            }
            Ok(output)
        })?;
        let inferred = Inferred {
            level,
            env: self.env.clone(),
            output,
            quoted: OnceLock::new(),
        };
        let body = Body::Inferred(Box::new(inferred));
        Ok(Val::Pi(Shared::new(Binder::new(name, ty, body))))
    }

    pub(super) fn pi(&mut self, name: &Name, domain: &Expr, codomain: &Expr) -> Checked<Val> {
        let input = self.infer_const(domain, "the input of a function type is not a type")?;
        let ty = self.eval(domain)?;
        let variable = self.next_variable();
        let output = self.under(name, ty, variable.into(), |checker| {
            checker.infer_const(codomain, "the output of a function type is not a type")
        })?;
        Ok(Val::Const(function_universe(input, output)))
    }

    pub(super) fn application(&mut self, function: &Expr, arguments: &[Expr]) -> Checked<Val> {
        let mut ty = self.infer(function)?;
        for (at, argument) in arguments.iter().enumerate() {
            let Val::Pi(binder) = &ty else {
                return Err(self.not_a_function(function, at, argument, &ty));
            };
            let expected = self.at(argument.span(), binder.domain(self.machine))?;
            let found = self.infer(argument)?;
            let message = "a function is given an argument of the wrong type";
            self.expect(argument.span(), &expected, &found, message)
                .map_err(|problem| problem.context(function.span(), "this function"))?;
            let argument_value = self.delay(argument);
            ty = self.at(
                argument.span(),
                self.machine.instantiate(binder, argument_value),
            )?;
        }
        Ok(ty)
    }

    fn not_a_function(
        &self,
        function: &Expr,
        at: usize,
        argument: &Expr,
        ty: &Val,
    ) -> Box<Problem> {
        let shown = self.show(ty);
        if at > 0 {
            let message = format!("a function of {at} argument(s) is given more");
            return Problem::new(argument.span(), message)
                .label("one argument too many")
                .context(function.span(), "this function")
                .note(format!("the result of the function is a `{shown}`"));
        }
        Problem::new(function.span(), "this is not a function")
            .label(format!("it has the type `{shown}`"))
            .context(argument.span(), "but it is given an argument")
            .hint("separate the items of a list and the fields of a record with `,`")
    }

    pub(super) fn lets(&mut self, bindings: &[Binding], body: &Expr) -> Checked<Val> {
        let outer = self.env.clone();
        let depth = self.types.len();
        let result = self.bind(bindings).and_then(|()| self.infer(body));
        while self.types.len() > depth {
            self.types.pop();
            self.names.pop();
        }
        self.env = outer;
        result
    }

    /// Brings bindings into scope, one after the other.
    fn bind(&mut self, bindings: &[Binding]) -> Checked<()> {
        for binding in bindings {
            if let Some(annotation) = &binding.annotation {
                self.infer_const(annotation, "the annotation of a `let` is not a type")?;
            }
            let ty = self.infer(&binding.value)?;
            if let Some(annotation) = &binding.annotation {
                let expected = self.eval(annotation)?;
                let message = format_args!(
                    "`{}` does not have the type that it is declared with",
                    binding.name
                );
                self.expect(binding.value.span(), &expected, &ty, message)
                    .map_err(|problem| problem.context(annotation.span(), "declared here"))?;
            }
            let value = self.delay(&binding.value);
            self.env = self.env.push(value);
            self.names.push(Name::clone(&binding.name));
            self.types.push(ty);
        }
        Ok(())
    }

    pub(super) fn annotated(&mut self, inner: &Expr, annotation: &Expr) -> Checked<Val> {
        let expected = if let Kind::Const(Const::Sort) = annotation.kind() {
            Val::Const(Const::Sort)
        } else {
            self.infer_const(annotation, "an annotation is not a type")?;
            self.eval(annotation)?
        };
        let found = self.infer(inner)?;
        let message = "an expression does not have the type of its annotation";
        self.expect(inner.span(), &expected, &found, message)
            .map_err(|problem| problem.context(annotation.span(), "the annotation"))?;
        Ok(found)
    }

    pub(super) fn conditional(
        &mut self,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
    ) -> Checked<Val> {
        let found = self.infer(condition)?;
        let message = "the condition of an `if` is not a `Bool`";
        self.expect(
            condition.span(),
            &Val::Builtin(Builtin::Bool),
            &found,
            message,
        )?;
        let ty = self.infer(then)?;
        let other = self.infer(otherwise)?;
        for (branch, ty) in [(then, &ty), (otherwise, &other)] {
            if let Val::Const(Const::Sort) = ty {
                return Err(Problem::new(
                    branch.span(),
                    "a branch of an `if` cannot be a kind",
                ));
            }
        }
        let message = "the branches of an `if` have different types";
        self.expect(otherwise.span(), &ty, &other, message)
            .map_err(|problem| problem.context(then.span(), "the first branch"))?;
        Ok(ty)
    }

    pub(super) fn list(&mut self, items: &[Expr]) -> Checked<Val> {
        let mut items = items.iter();
        let Some(first) = items.next() else {
            return Err(Problem::new(Span::NONE, "a list without items has no type"));
        };
        let ty = self.infer(first)?;
        self.expect_term(first, &ty, "the items of a list are not values")?;
        for item in items {
            let found = self.infer(item)?;
            let message = "the items of a list have different types";
            self.expect(item.span(), &ty, &found, message)
                .map_err(|problem| problem.context(first.span(), "the first item"))?;
        }
        Ok(Val::list_of(ty.into()))
    }

    pub(super) fn empty_list(&mut self, ty: &Expr) -> Checked<Val> {
        self.infer_const(ty, "the annotation of an empty list is not a type")?;
        let value = self.eval(ty)?;
        if value.applied(Builtin::List).is_some() {
            return Ok(value);
        }
        Err(
            Problem::new(ty.span(), "the type of an empty list is not a `List`")
                .label(format!("this is `{}`", self.show(&value)))
                .hint("write `[] : List T`"),
        )
    }

    pub(super) fn assertion(&mut self, ty: &Expr) -> Checked<Val> {
        self.infer_const(ty, "an assertion is not an equivalence")?;
        let value = self.eval(ty)?;
        let Val::Op(Op::Equivalent, sides) = &value else {
            return Err(
                Problem::new(ty.span(), "an assertion is not an equivalence")
                    .hint("write `assert : a ≡ b`"),
            );
        };
        if self.equivalent(ty.span(), &sides.0, &sides.1)? {
            return Ok(value);
        }
        Err(self.mismatch(ty.span(), &sides.0, &sides.1, "an assertion does not hold"))
    }
}
