//! The direct parts of an expression.

use crate::scope::Name;
use crate::syntax::{Binding, Expr, Kind, Target};

impl Kind {
    /// Calls `visit` with each direct part, in the order of the source.
    pub(crate) fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match self {
            Self::Lambda(_, a, b)
            | Self::Pi(_, a, b)
            | Self::Annot(a, b)
            | Self::ProjectType(a, b)
            | Self::Complete(a, b)
            | Self::With(a, _, b) => {
                visit(a);
                visit(b);
            }
            Self::Let(bindings, body) => {
                for binding in bindings {
                    binding.annotation.iter().for_each(&mut *visit);
                    visit(&binding.value);
                }
                visit(body);
            }
            Self::If(a, b, c) => [a, b, c].into_iter().for_each(visit),
            Self::Merge(a, b, annotation) => {
                visit(a);
                visit(b);
                annotation.iter().for_each(visit);
            }
            Self::ToMap(a, annotation) => {
                visit(a);
                annotation.iter().for_each(visit);
            }
            Self::ShowConstructor(a)
            | Self::EmptyList(a)
            | Self::Field(a, ..)
            | Self::Project(a, _)
            | Self::Assert(a)
            | Self::Some(a) => visit(a),
            Self::List(items) | Self::Op(_, items) => items.iter().for_each(visit),
            Self::App(function, arguments) => {
                visit(function);
                arguments.iter().for_each(visit);
            }
            Self::Text(chunks, _) => chunks.iter().for_each(|(_, chunk)| visit(chunk)),
            Self::RecordType(fields) | Self::Record(fields) => {
                fields.iter().for_each(|(_, field)| visit(field));
            }
            Self::Union(alternatives) => {
                alternatives
                    .iter()
                    .filter_map(|(_, ty)| ty.as_ref())
                    .for_each(visit);
            }
            Self::Import(import) => {
                if let Target::Remote(remote) = &import.target {
                    remote.headers.iter().for_each(visit);
                }
            }
            _ => {}
        }
    }
}

impl Expr {
    /// Returns the expression with its direct parts replaced.
    pub(crate) fn try_map<E>(
        &self,
        replace: &mut dyn FnMut(&Self) -> Result<Self, E>,
    ) -> Result<Self, E> {
        let kind = self.kind().try_map(replace)?;
        Ok(kind.map_or_else(|| self.clone(), |kind| Self::new(kind, self.span())))
    }
}

impl Kind {
    /// Returns the same kind with other parts; `None` if it has no parts.
    fn try_map<E>(&self, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Option<Self>, E> {
        Ok(Some(match self {
            Self::List(items) => Self::List(map_all(items, f)?),
            Self::Op(op, operands) => Self::Op(*op, map_all(operands, f)?),
            Self::App(function, arguments) => Self::App(f(function)?, map_all(arguments, f)?),
            Self::Lambda(name, a, b) => Self::Lambda(Name::clone(name), f(a)?, f(b)?),
            Self::Pi(name, a, b) => Self::Pi(Name::clone(name), f(a)?, f(b)?),
            Self::Let(bindings, body) => {
                let bindings = bindings.iter().map(|binding| binding.try_map(f));
                Self::Let(bindings.collect::<Result<_, E>>()?, f(body)?)
            }
            Self::If(a, b, c) => Self::If(f(a)?, f(b)?, f(c)?),
            Self::Merge(a, b, ty) => Self::Merge(f(a)?, f(b)?, ty.as_ref().map(f).transpose()?),
            Self::ToMap(a, ty) => Self::ToMap(f(a)?, ty.as_ref().map(f).transpose()?),
            Self::ShowConstructor(a) => Self::ShowConstructor(f(a)?),
            Self::EmptyList(a) => Self::EmptyList(f(a)?),
            Self::Annot(a, b) => Self::Annot(f(a)?, f(b)?),
            Self::Field(a, name, span) => Self::Field(f(a)?, Name::clone(name), *span),
            Self::Project(a, names) => Self::Project(f(a)?, names.clone()),
            Self::ProjectType(a, b) => Self::ProjectType(f(a)?, f(b)?),
            Self::Complete(a, b) => Self::Complete(f(a)?, f(b)?),
            Self::Assert(a) => Self::Assert(f(a)?),
            Self::With(a, path, b) => Self::With(f(a)?, path.clone(), f(b)?),
            Self::Some(a) => Self::Some(f(a)?),
            Self::Text(chunks, last) => {
                let chunk = |(before, chunk): &(Name, Expr)| Ok((Name::clone(before), f(chunk)?));
                let chunks: Result<_, E> = chunks.iter().map(chunk).collect();
                Self::Text(chunks?, Name::clone(last))
            }
            Self::RecordType(fields) => Self::RecordType(map_fields(fields, f)?),
            Self::Record(fields) => Self::Record(map_fields(fields, f)?),
            Self::Union(alternatives) => {
                let alternative = |(name, ty): &(Name, Option<Expr>)| {
                    Ok((Name::clone(name), ty.as_ref().map(&mut *f).transpose()?))
                };
                let alternatives: Result<_, E> = alternatives.iter().map(alternative).collect();
                Self::Union(alternatives?)
            }
            _ => return Ok(None),
        }))
    }
}

fn map_all<E>(parts: &[Expr], f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Vec<Expr>, E> {
    parts.iter().map(f).collect()
}

fn map_fields<E>(
    fields: &[(Name, Expr)],
    f: &mut dyn FnMut(&Expr) -> Result<Expr, E>,
) -> Result<Vec<(Name, Expr)>, E> {
    let field = |(name, value): &(Name, Expr)| Ok((Name::clone(name), f(value)?));
    fields.iter().map(field).collect()
}

impl Binding {
    fn try_map<E>(&self, f: &mut dyn FnMut(&Expr) -> Result<Expr, E>) -> Result<Self, E> {
        Ok(Self {
            name: Name::clone(&self.name),
            annotation: self.annotation.as_ref().map(&mut *f).transpose()?,
            value: f(&self.value)?,
            name_span: self.name_span,
        })
    }
}
