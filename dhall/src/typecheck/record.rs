//! Records.

use crate::builtin::{Builtin, Const};
use crate::problem::Problem;
use crate::scope::Name;
use crate::shared::Shared;
use crate::suggest::did_you_mean;
use crate::syntax::{Expr, Span, Step};
use crate::typecheck::{Checked, Checker};
use crate::value::{Binder, Body, Lazy, Val, find};

impl Checker<'_> {
    pub(super) fn record_type(&mut self, span: Span, fields: &[(Name, Expr)]) -> Checked<Val> {
        if let Some(pair) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Problem::new(
                pair[1].1.span(),
                format!("the field `{}` is there twice", pair[0].0),
            ));
        }
        let mut largest = Const::Type;
        for (name, ty) in fields {
            let message = format_args!("the field `{name}` of a record type is not a type");
            let found = self
                .infer_const(ty, message)
                .map_err(|problem| problem.hint("a record value has `=`, a record type has `:`"))?;
            largest = largest.max(found);
        }
        self.at(span, self.machine.budget.step())?;
        Ok(Val::Const(largest))
    }

    pub(super) fn record(&mut self, fields: &[(Name, Expr)]) -> Checked<Val> {
        let mut types = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let ty = self.infer(value)?;
            if let Val::Const(Const::Sort) = ty {
                return Err(Problem::new(
                    value.span(),
                    format!("the field `{name}` cannot be a kind"),
                )
                .label("its type is `Sort`, which has no type"));
            }
            types.push((Name::clone(name), ty.into()));
        }
        Ok(Val::record_type(types))
    }

    pub(super) fn field(&mut self, record: &Expr, name: &Name, label: Span) -> Checked<Val> {
        match self.infer(record)? {
            Val::RecordType(fields) => match find(&fields, name) {
                Some(ty) => self.force(label, ty),
                None => Err(self.no_field(label, name, &fields)),
            },
            Val::Const(_) => self.constructor(record, name, label),
            found => Err(
                Problem::new(record.span(), format!("`.{name}` needs a record"))
                    .label(format!("this is a `{}`", self.show(&found))),
            ),
        }
    }

    fn no_field(&self, label: Span, name: &str, fields: &[(Name, Lazy)]) -> Box<Problem> {
        let names: Vec<_> = Self::names_of(fields).collect();
        let known = match names.len() {
            0 => "the record is empty".to_owned(),
            1..=8 => format!("it has `{}`", names.join("`, `")),
            more => format!("it has {more} others"),
        };
        Problem::new(label, format!("the record has no field `{name}`"))
            .label(known)
            .maybe_hint(did_you_mean(name, names.into_iter()))
    }

    /// `U.x`, where `U` is a union type.
    fn constructor(&mut self, union: &Expr, name: &Name, label: Span) -> Checked<Val> {
        let value = self.eval(union)?;
        let Val::Union(alternatives) = &value else {
            return Err(Problem::new(
                union.span(),
                format!("`.{name}` needs a record or a union type"),
            )
            .label(format!("this is the type `{}`", self.show(&value))));
        };
        match find(alternatives, name) {
            Some(None) => Ok(value),
            Some(Some(payload)) => {
                let body = Body::Constant(value.clone());
                let binder = Binder::new(name, payload.clone(), body);
                Ok(Val::Pi(Shared::new(binder)))
            }
            None => {
                let names: Vec<_> = alternatives.iter().map(|(name, _)| name.as_ref()).collect();
                Err(
                    Problem::new(label, format!("the union has no alternative `{name}`"))
                        .label(format!("it has {}", list_names(&names)))
                        .maybe_hint(did_you_mean(name, names.into_iter())),
                )
            }
        }
    }

    pub(super) fn projection(&mut self, span: Span, record: &Expr, names: &[Name]) -> Checked<Val> {
        let fields = self.record_fields(record, "`.{…}` needs a record")?;
        let mut sorted = names.to_vec();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Problem::new(
                span,
                format!("the field `{}` is selected twice", pair[0]),
            ));
        }
        let mut kept = Vec::with_capacity(sorted.len());
        for name in sorted {
            match find(&fields, &name) {
                Some(ty) => kept.push((name, ty.clone())),
                None => return Err(self.no_field(span, &name, &fields)),
            }
        }
        Ok(Val::record_type(kept))
    }

    pub(super) fn projection_by_type(&mut self, record: &Expr, ty: &Expr) -> Checked<Val> {
        let fields = self.record_fields(record, "`.(…)` needs a record")?;
        self.infer_const(ty, "a projection is not by a type")?;
        let value = self.eval(ty)?;
        let Val::RecordType(wanted) = &value else {
            return Err(
                Problem::new(ty.span(), "a projection is not by a record type")
                    .label(format!("this is `{}`", self.show(&value))),
            );
        };
        for (name, expected) in wanted.iter() {
            let Some(found) = find(&fields, name) else {
                return Err(self.no_field(ty.span(), name, &fields));
            };
            let (expected, found) = (
                self.force(ty.span(), expected)?,
                self.force(ty.span(), found)?,
            );
            let message = format_args!("the field `{name}` has another type in the record");
            self.expect(ty.span(), &expected, &found, message)?;
        }
        Ok(value)
    }

    /// `T::r`, which stands for `(T.default ⫽ r) : T.Type`.
    pub(super) fn completion(&mut self, span: Span, schema: &Expr, record: &Expr) -> Checked<Val> {
        let needs = "`::` needs a record with the fields `Type` and `default`";
        let parts = self.record_fields(schema, needs)?;
        let (Some(ty), Some(default)) = (find(&parts, "Type"), find(&parts, "default")) else {
            return Err(Problem::new(schema.span(), needs));
        };
        let Val::Const(_) = self.force(schema.span(), ty)? else {
            return Err(Problem::new(
                schema.span(),
                "the field `Type` of a schema is not a type",
            ));
        };
        let Val::RecordType(defaults) = self.force(schema.span(), default)? else {
            return Err(Problem::new(
                schema.span(),
                "the field `default` of a schema is not a record",
            ));
        };
        let given = self.record_fields(record, "`::` completes a record")?;
        let found = Val::RecordType(self.prefer_fields(span, &defaults, &given)?);
        let schema_value = self.eval(schema)?;
        let expected = self.at(span, self.machine.field(&schema_value, "Type"))?;
        let message = "the record does not fit its schema";
        self.expect(record.span(), &expected, &found, message)
            .map_err(|problem| problem.context(schema.span(), "the schema"))
            .map_err(|problem| problem.maybe_hint(self.completion_hint(&expected, &found)))?;
        Ok(found)
    }

    fn completion_hint(&self, expected: &Val, found: &Val) -> Option<String> {
        let (Val::RecordType(expected), Val::RecordType(found)) = (expected, found) else {
            return None;
        };
        let missing = |name: &str| find(found, name).is_none();
        let extra = Self::names_of(found).find(|name| find(expected, name).is_none())?;
        let candidates: Vec<_> = Self::names_of(expected).collect();
        did_you_mean(
            extra,
            candidates.iter().copied().filter(|name| missing(name)),
        )
        .or_else(|| did_you_mean(extra, candidates.into_iter()))
    }

    pub(super) fn with(
        &mut self,
        span: Span,
        record: &Expr,
        path: &[Step],
        value: &Expr,
    ) -> Checked<Val> {
        let ty = self.infer(record)?;
        let new = self.infer(value)?;
        self.with_type(span, ty, path, new)
    }

    fn with_type(&mut self, span: Span, ty: Val, path: &[Step], new: Val) -> Checked<Val> {
        let Some((step, rest)) = path.split_first() else {
            return Ok(new);
        };
        match (step, &ty) {
            (Step::Label(name), Val::RecordType(fields)) => {
                let inner = match find(fields, name) {
                    Some(field) if !rest.is_empty() => self.force(span, field)?,
                    _ => Val::record_type(Vec::new()),
                };
                let updated = self.with_type(span, inner, rest, new)?;
                if let Val::Const(Const::Sort) = updated {
                    return Err(Problem::new(
                        span,
                        format!("the field `{name}` cannot be a kind"),
                    ));
                }
                let update = Shared::new(vec![(Name::clone(name), updated.into())]);
                Ok(Val::RecordType(self.prefer_fields(span, fields, &update)?))
            }
            (Step::Optional, _) if ty.applied(Builtin::Optional).is_some() => {
                let Some(inner) = ty.applied(Builtin::Optional) else {
                    return Ok(ty);
                };
                let inner = self.force(span, inner)?;
                let updated = self.with_type(span, inner.clone(), rest, new)?;
                let message = "`with ?` cannot change the type inside an `Optional`";
                self.expect(span, &inner, &updated, message)?;
                Ok(ty)
            }
            (Step::Label(name), _) => {
                Err(Problem::new(span, format!("`with` cannot set `{name}`"))
                    .label(format!("this is a `{}`, not a record", self.show(&ty))))
            }
            (Step::Optional, _) => Err(Problem::new(span, "`with ?` needs an `Optional`")
                .label(format!("this is a `{}`", self.show(&ty)))),
        }
    }

    pub(super) fn map_of(
        &mut self,
        span: Span,
        record: &Expr,
        annotation: Option<&Expr>,
    ) -> Checked<Val> {
        let fields = self.record_fields(record, "`toMap` needs a record")?;
        let declared = annotation.map(|ty| {
            self.infer_const(ty, "the annotation of `toMap` is not a type")?;
            self.eval(ty)
        });
        let declared = declared.transpose()?;
        let mut item: Option<Val> = None;
        for (name, field) in fields.iter() {
            let found = self.force(span, field)?;
            match &item {
                None => {
                    self.expect_term(record, &found, "the fields are not values")?;
                    item = Some(found);
                }
                Some(ty) => {
                    let message =
                        format_args!("`toMap` needs fields of one type; `{name}` has another");
                    self.expect(record.span(), ty, &found, message)?;
                }
            }
        }
        match (item, declared) {
            (Some(item), declared) => {
                let ty = map_type(item);
                if let Some(declared) = declared {
                    let message = "`toMap` does not have the type of its annotation";
                    self.expect(span, &declared, &ty, message)?;
                }
                Ok(ty)
            }
            (None, Some(declared)) => self.empty_map(span, declared),
            (None, None) => Err(
                Problem::new(span, "`toMap` of an empty record needs a type")
                    .hint("write `toMap {=} : List { mapKey : Text, mapValue : T }`"),
            ),
        }
    }

    fn empty_map(&mut self, span: Span, declared: Val) -> Checked<Val> {
        let wrong = || {
            Problem::new(span, "the annotation of `toMap` is not the type of a map")
                .hint("it is `List { mapKey : Text, mapValue : T }`")
        };
        let item = declared.applied(Builtin::List).ok_or_else(wrong)?;
        let Val::RecordType(fields) = self.force(span, item)? else {
            return Err(wrong());
        };
        let key = find(&fields, "mapKey").map(|key| self.force(span, key));
        let text = matches!(key.transpose()?, Some(Val::Builtin(Builtin::Text)));
        if text && fields.len() == 2 && find(&fields, "mapValue").is_some() {
            return Ok(declared);
        }
        Err(wrong())
    }
}

fn map_type(value: Val) -> Val {
    let fields = vec![
        (Name::from("mapKey"), Val::Builtin(Builtin::Text).into()),
        (Name::from("mapValue"), value.into()),
    ];
    Val::list_of(Val::record_type(fields).into())
}

/// Returns names for a message: all of few, a count of many.
pub(super) fn list_names(names: &[&str]) -> String {
    match names.len() {
        0 => "none".to_owned(),
        1..=12 => format!("`{}`", names.join("`, `")),
        more => format!("{more} others"),
    }
}
