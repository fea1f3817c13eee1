//! Types that a host states in Rust, and texts that must have them.
//!
//! A [`Type`] is built of parts, or is a Dhall text; a Rust type that has one
//! implements [`DhallType`]. A text is checked against it when it was checked
//! by itself and before its value is evaluated, as if it had an annotation, so
//! that what a person wrote wrongly is shown where they wrote it. Whatever has
//! the type decodes, but for numbers that the Rust type has no room for: these
//! are found when they are decoded.

mod check;
mod implementations;
mod locate;
mod macros;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::builtin::Builtin;
use crate::error::Error;
use crate::evaluator::Value;
use crate::expression::Expression;
use crate::location::Location;
use crate::problem::Problem;
use crate::quote::Quoter;
use crate::scope::{Name, Scope, underscore};
use crate::syntax::{Expr, Kind, Span};

/// A Rust type that states the Dhall type of its values.
///
/// Implemented for booleans (`Bool`), unsigned numbers (`Natural`), signed ones
/// (`Integer`), fractions (`Double`), strings (`Text`), sequences (`List`),
/// `Option` (`Optional`), maps (`List { mapKey, mapValue }`) and `()` (`{}`).
/// [`dhall_type!`](crate::dhall_type) defines structs and enums with it. It is
/// written by hand where names differ from those of Rust, or where the type
/// exists as Dhall already:
///
/// ```
/// use straylight_dhall::{DhallType, Type};
///
/// #[derive(serde::Deserialize)]
/// #[serde(rename_all = "camelCase")]
/// struct Package {
///     display_name: String,
///     size: u64,
/// }
///
/// impl DhallType for Package {
///     fn dhall_type() -> Type {
///         Type::source("{ displayName : Text, size : Natural }")
///     }
/// }
/// ```
pub trait DhallType {
    /// Returns the type. [`Type::of`] is for parts, and for use.
    fn dhall_type() -> Type;
}

/// A Dhall type, as a host states it. Cheap to clone.
///
/// It is evaluated when it is used, by [`Evaluator::type_value`]: only then is
/// it known whether texts in it are types.
///
/// ```
/// use straylight_dhall::Type;
///
/// let ty = Type::record([
///     ("name", Type::of::<String>()),
///     ("source", Type::union([("File", Some(Type::text())), ("None", None)])),
///     ("tags", Type::list(Type::source("< A | B >"))),
/// ]);
/// assert_eq!(
///     ty.to_string(),
///     "{ name : Text, source : < File : Text | None >, tags : List < A | B > }"
/// );
/// ```
///
/// [`Evaluator::type_value`]: crate::Evaluator::type_value
#[derive(Clone)]
pub struct Type(Arc<Shape>);

enum Shape {
    Builtin(Builtin),
    Applied(Builtin, Type),
    Record(BTreeMap<String, Type>),
    Union(BTreeMap<String, Option<Type>>),
    Function(Type, Type),
    Source(Location, Arc<str>),
    Known(Value),
    /// A Rust type that contains itself.
    Recursive(&'static str),
}

thread_local! {
    /// The Rust types whose types are being made, outermost first.
    static ACTIVE: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Forgets the innermost type that is being made, even if that panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        ACTIVE.with_borrow_mut(Vec::pop);
    }
}

impl Type {
    /// Returns the type of a Rust type. One that contains itself has none, and
    /// is an error when it is used.
    #[must_use]
    pub fn of<T: DhallType + ?Sized>() -> Self {
        let name = std::any::type_name::<T>();
        let is_active = ACTIVE.with_borrow(|active| active.contains(&name));
        if is_active {
            return Shape::Recursive(name).into();
        }
        ACTIVE.with_borrow_mut(|active| active.push(name));
        let _leave = Leave;
        T::dhall_type()
    }

    /// Returns the type that a Dhall text is, such as `{ name : Text }`. What it
    /// imports is read by the evaluator that uses it; relative paths are those
    /// of the root.
    #[must_use]
    pub fn source(text: &str) -> Self {
        Self::source_at(&Location::Input("(the expected type)".to_owned()), text)
    }

    /// Returns the type that a Dhall text from `location` is.
    #[must_use]
    pub fn source_at(location: &Location, text: &str) -> Self {
        Shape::Source(location.clone(), Arc::from(text)).into()
    }

    /// Returns the type that a value is, such as one of a library.
    #[must_use]
    pub fn value(value: &Value) -> Self {
        Shape::Known(value.clone()).into()
    }

    /// Returns the type of records with these fields. If a name is there twice,
    /// the last counts.
    #[must_use]
    pub fn record<N: Into<String>>(fields: impl IntoIterator<Item = (N, Self)>) -> Self {
        let fields = fields.into_iter().map(|(name, ty)| (name.into(), ty));
        Shape::Record(fields.collect()).into()
    }

    /// Returns the union of these alternatives, with the types of their payloads.
    /// If a name is there twice, the last counts.
    #[must_use]
    pub fn union<N: Into<String>>(
        alternatives: impl IntoIterator<Item = (N, Option<Self>)>,
    ) -> Self {
        let alternatives = alternatives.into_iter().map(|(name, ty)| (name.into(), ty));
        Shape::Union(alternatives.collect()).into()
    }

    /// Returns the type of lists.
    #[must_use]
    pub fn list(item: Self) -> Self {
        Shape::Applied(Builtin::List, item).into()
    }

    /// Returns the type of what can be `None`.
    #[must_use]
    pub fn optional(inner: Self) -> Self {
        Shape::Applied(Builtin::Optional, inner).into()
    }

    /// Returns the type of maps, as `toMap` makes them.
    #[must_use]
    pub fn map(key: Self, value: Self) -> Self {
        Self::list(Self::record([("mapKey", key), ("mapValue", value)]))
    }

    /// Returns the type of functions whose output type is always the same.
    #[must_use]
    pub fn function(input: Self, output: Self) -> Self {
        Shape::Function(input, output).into()
    }
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $name:ident $builtin:ident)*) => {
        impl Type {
            $($(#[$doc])*
            #[must_use]
            pub fn $name() -> Self {
                Shape::Builtin(Builtin::$builtin).into()
            })*
        }
    };
}

builtins! {
    /// Returns `Bool`.
    bool Bool
    /// Returns `Natural`.
    natural Natural
    /// Returns `Integer`.
    integer Integer
    /// Returns `Double`.
    double Double
    /// Returns `Text`.
    text Text
    /// Returns `Bytes`.
    bytes Bytes
    /// Returns `Date`.
    date Date
    /// Returns `Time`.
    time Time
    /// Returns `TimeZone`.
    time_zone TimeZone
}

impl From<Shape> for Type {
    fn from(shape: Shape) -> Self {
        Self(Arc::new(shape))
    }
}

impl Type {
    /// Returns the type as an expression; imports in texts stay.
    fn expression(&self) -> Result<Expr, Error> {
        Ok(Expr::made(match &*self.0 {
            Shape::Builtin(builtin) => Kind::Builtin(*builtin),
            Shape::Applied(builtin, inner) => {
                let builtin = Expr::made(Kind::Builtin(*builtin));
                return Ok(Expr::apply(builtin, vec![inner.expression()?], Span::NONE));
            }
            Shape::Record(fields) => {
                let field = |(name, ty): (&String, &Self)| {
                    Ok((Name::from(name.as_str()), ty.expression()?))
                };
                Kind::RecordType(fields.iter().map(field).collect::<Result<_, Error>>()?)
            }
            Shape::Union(alternatives) => {
                let alternative = |(name, payload): (&String, &Option<Self>)| {
                    let payload = payload.as_ref().map(Self::expression).transpose()?;
                    Ok((Name::from(name.as_str()), payload))
                };
                let alternatives = alternatives.iter().map(alternative);
                Kind::Union(alternatives.collect::<Result<_, Error>>()?)
            }
            Shape::Function(input, output) => {
                Kind::Pi(underscore(), input.expression()?, output.expression()?)
            }
            Shape::Source(location, text) => {
                return Ok(Expression::parse(location, text)?.into_tree());
            }
            Shape::Known(value) => {
                return value
                    .run(|machine| Quoter::new(machine, Scope::default()).quote(&value.value));
            }
            Shape::Recursive(name) => return Err(recursive(name)),
        }))
    }
}

/// Returns what is wrong with a Rust type that contains itself.
fn recursive(name: &str) -> Error {
    let message = format!("the Rust type `{name}` contains itself: no Dhall type is like it");
    let problem = Problem::new(Span::NONE, message)
        .hint("such data is a function over its constructors: see `Value::fold`");
    Error::general(&Location::Input("(the expected type)".to_owned()), problem)
}

/// As Dhall.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expression() {
            Ok(expression) => fmt::Display::fmt(&Expression::from_tree(expression), f),
            Err(error) => write!(f, "{{- {} -}}", error.message()),
        }
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
