//! Unions and what takes them apart.

use crate::builtin::{Builtin, Const};
use crate::problem::Problem;
use crate::quote::Quoter;
use crate::scope::Name;
use crate::suggest::did_you_mean;
use crate::syntax::{Expr, Span};
use crate::typecheck::record::list_names;
use crate::typecheck::{Checked, Checker};
use crate::value::{Binder, Body, Fields, Lazy, Val, find};

impl Checker<'_> {
    pub(super) fn union_type(
        &mut self,
        span: Span,
        alternatives: &[(Name, Option<Expr>)],
    ) -> Checked<Val> {
        if let Some(pair) = alternatives.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Problem::new(
                span,
                format!("the alternative `{}` is there twice", pair[0].0),
            ));
        }
        let mut largest = Const::Type;
        for (name, ty) in alternatives {
            if let Some(ty) = ty {
                let message = format_args!("the payload of the alternative `{name}` is not a type");
                largest = largest.max(self.infer_const(ty, message)?);
            }
        }
        Ok(Val::Const(largest))
    }

    /// Returns the alternatives of a union, or of an `Optional` seen as one.
    fn alternatives(&mut self, union: &Expr, what: &str) -> Checked<Vec<(Name, Option<Lazy>)>> {
        let ty = self.infer(union)?;
        if let Val::Union(alternatives) = &ty {
            return Ok((**alternatives).clone());
        }
        if let Some(inner) = ty.applied(Builtin::Optional) {
            return Ok(vec![
                (Name::from("None"), None),
                (Name::from("Some"), Some(inner.clone())),
            ]);
        }
        Err(Problem::new(
            union.span(),
            format!("{what} needs a union or an `Optional`"),
        )
        .label(format!("this is a `{}`", self.show(&ty))))
    }

    pub(super) fn show_constructor(&mut self, union: &Expr) -> Checked<Val> {
        self.alternatives(union, "`showConstructor`")?;
        Ok(Val::Builtin(Builtin::Text))
    }

    pub(super) fn merge(
        &mut self,
        span: Span,
        handlers: &Expr,
        union: &Expr,
        annotation: Option<&Expr>,
    ) -> Checked<Val> {
        let fields = self.record_fields(handlers, "the handlers of a `merge` are not a record")?;
        let alternatives = self.alternatives(union, "`merge`")?;
        let declared = annotation.map(|ty| {
            let found = self.infer_const(ty, "the annotation of a `merge` is not a type")?;
            if found != Const::Type && alternatives.is_empty() {
                return Err(Problem::new(
                    ty.span(),
                    "a `merge` of an empty union makes a value, not a type",
                ));
            }
            self.eval(ty)
        });
        let declared = declared.transpose()?;
        self.same_names(handlers.span(), &fields, &alternatives)?;
        let mut result: Option<Val> = None;
        for (name, payload) in &alternatives {
            let Some(handler) = find(&fields, name) else {
                continue;
            };
            let handler = self.force(handlers.span(), handler)?;
            let output = match payload {
                None => handler,
                Some(payload) => self.handler_output(handlers.span(), name, &handler, payload)?,
            };
            match &result {
                None => result = Some(output),
                Some(expected) => {
                    let message = format_args!("the handler of `{name}` makes another type");
                    self.expect(handlers.span(), expected, &output, message)?;
                }
            }
        }
        if let (Some(declared), Some(found)) = (&declared, &result) {
            let message = "a `merge` does not have the type of its annotation";
            self.expect(span, declared, found, message)?;
        }
        result.or(declared).ok_or_else(|| {
            Problem::new(span, "a `merge` of an empty union needs a type")
                .hint("write `merge handlers union : T`")
        })
    }

    /// Checks that there is a handler for each alternative and no other.
    fn same_names(
        &self,
        span: Span,
        handlers: &Fields,
        alternatives: &[(Name, Option<Lazy>)],
    ) -> Checked<()> {
        let missing: Vec<_> = alternatives
            .iter()
            .map(|(name, _)| name.as_ref())
            .filter(|name| find(handlers, name).is_none())
            .collect();
        let unknown = Self::names_of(handlers).find(|name| find(alternatives, name).is_none());
        if let Some(name) = unknown {
            return Err(
                Problem::new(span, format!("the union has no alternative `{name}`"))
                    .label(format!("a handler for `{name}`"))
                    .maybe_hint(did_you_mean(name, missing.into_iter())),
            );
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Problem::new(
            span,
            format!("a handler is missing for {}", list_names(&missing)),
        )
        .label("each alternative needs a handler"))
    }

    /// Returns what a handler makes of a payload.
    fn handler_output(
        &mut self,
        span: Span,
        name: &str,
        handler: &Val,
        payload: &Lazy,
    ) -> Checked<Val> {
        let Val::Pi(binder) = handler else {
            return Err(
                Problem::new(span, format!("the handler of `{name}` is not a function"))
                    .label(format!("it is a `{}`", self.show(handler)))
                    .hint(format!(
                        "`{name}` has a payload: write `{name} = λ(_ : …) → …`"
                    )),
            );
        };
        let expected = self.force(span, payload)?;
        let found = self.at(span, binder.domain(self.machine))?;
        let message =
            format_args!("the handler of `{name}` takes another type than the alternative has");
        self.expect(span, &expected, &found, message)?;
        self.independent(span, name, binder)
    }

    /// Returns the output of a function type that must not depend on the input.
    fn independent(&mut self, span: Span, name: &str, binder: &Binder) -> Checked<Val> {
        if let Body::Constant(value) = &binder.body {
            return Ok(value.clone());
        }
        let level = self.depth();
        let output = self.machine.instantiate(binder, Val::Bound(level).into());
        let output = self.at(span, output)?;
        let mut scope = self.scope();
        scope.push(&binder.name);
        let mut quoter = Quoter::new(self.machine, scope).watching(level);
        self.at(span, quoter.quote(&output))?;
        if quoter.seen {
            return Err(Problem::new(
                span,
                format!("the type of the handler of `{name}` depends on its argument"),
            ));
        }
        Ok(output)
    }
}
