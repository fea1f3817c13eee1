//! Checking texts and values against types that a host expects.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::builtin::Const;
use crate::difference::{Fit, Part, misfit};
use crate::error::Error;
use crate::evaluate::Machine;
use crate::evaluator::{Evaluated, Evaluator, Value};
use crate::from_value::from_value;
use crate::limits::with_stack;
use crate::location::Location;
use crate::parse;
use crate::print;
use crate::problem::Problem;
use crate::quote::Quoter;
use crate::scope::{Name, Scope, underscore};
use crate::shared::Shared;
use crate::syntax::Span;
use crate::typed::locate::locate;
use crate::typed::{DhallType, Shape, Type, recursive};
use crate::value::{Binder, Body, Lazy, Val};

impl Evaluator {
    /// Evaluates a text whose type is that of `T`, and decodes its value.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, Location, MemoryImporter, dhall_type};
    ///
    /// dhall_type! {
    ///     #[derive(Debug, serde::Deserialize)]
    ///     struct Server {
    ///         host: String,
    ///         port: u16,
    ///     }
    /// }
    ///
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let here = Location::File("server.dhall".to_owned());
    /// let server: Server = evaluator.evaluate_as(&here, "{ host = \"::1\", port = 80 }")?;
    /// assert_eq!((server.host.as_str(), server.port), ("::1", 80));
    ///
    /// let text = "let port = 80\nin  { hots = \"::1\", port }";
    /// let error = evaluator.evaluate_as::<Server>(&here, text).expect_err("misspelled");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "server.dhall:2:14: the value does not have the type that is expected of it"
    /// );
    /// assert_eq!(error.hint(), Some("did you mean `host`?"));
    ///
    /// let text = "{ host = \"::1\", port = 65536 }";
    /// let error = evaluator.evaluate_as::<Server>(&here, text).expect_err("too large");
    /// assert_eq!((error.line(), error.column()), (1, 24));
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    ///
    /// The type is made anew by each call. A host with many texts, or with large
    /// types, keeps that of [`Evaluator::type_value`], for
    /// [`Evaluator::evaluate_expecting`] and [`Evaluated::decode`].
    ///
    /// # Errors
    /// [`Error`] as of [`Evaluator::evaluate_expecting`], and when a number does
    /// not fit its Rust type.
    pub fn evaluate_as<T: DhallType + DeserializeOwned>(
        &self,
        location: &Location,
        text: &str,
    ) -> Result<T, Error> {
        self.decode_as(location, text, Fit::Exact)
    }

    /// Evaluates a text whose type fits that of `T` as [`Fit::Structural`]
    /// says, and decodes its value: for texts that were written for an older or
    /// a newer version of the type.
    ///
    /// # Errors
    /// [`Error`] as of [`Evaluator::evaluate_as`].
    pub fn evaluate_fitting<T: DhallType + DeserializeOwned>(
        &self,
        location: &Location,
        text: &str,
    ) -> Result<T, Error> {
        self.decode_as(location, text, Fit::Structural)
    }

    fn decode_as<T: DhallType + DeserializeOwned>(
        &self,
        location: &Location,
        text: &str,
        fit: Fit,
    ) -> Result<T, Error> {
        let expected = self.type_value(&Type::of::<T>())?;
        let evaluated = self.evaluate_expecting(location, text, &expected, fit)?;
        evaluated.decode()
    }

    /// Evaluates a text whose type fits `expected`, a type.
    ///
    /// # Errors
    /// [`Error`] as of [`Evaluator::evaluate`], and when the type does not fit:
    /// with what differs, at the place in the text that makes it differ.
    pub fn evaluate_expecting(
        &self,
        location: &Location,
        text: &str,
        expected: &Value,
        fit: Fit,
    ) -> Result<Evaluated, Error> {
        let source = Arc::from(text);
        self.evaluate_checking(location, &source, |machine, found| {
            check(machine, &source, &expected.value, found, fit)
        })
    }

    /// Returns a type as a value, such as [`to_value`](crate::to_value) takes.
    ///
    /// # Errors
    /// [`Error`] when a text in it is wrong or is no type, or when a Rust type
    /// contains itself.
    pub fn type_value(&self, ty: &Type) -> Result<Value, Error> {
        let location = Location::Input("(the expected type)".to_owned());
        let value = self.type_of_shape(ty)?;
        Ok(Value::made(value, self.limits, location))
    }

    fn type_of_shape(&self, ty: &Type) -> Result<Val, Error> {
        let part = |ty: &Type| self.type_of_shape(ty).map(Lazy::Now);
        Ok(match &*ty.0 {
            Shape::Builtin(builtin) => Val::Builtin(*builtin),
            Shape::Applied(builtin, inner) => Val::call(*builtin, vec![part(inner)?]),
            Shape::Record(fields) => {
                let field = |(name, ty): (&String, &Type)| Ok((Name::from(&**name), part(ty)?));
                Val::record_type(fields.iter().map(field).collect::<Result<_, Error>>()?)
            }
            Shape::Union(alternatives) => {
                let alternative = |(name, payload): (&String, &Option<Type>)| {
                    Ok((Name::from(&**name), payload.as_ref().map(part).transpose()?))
                };
                let alternatives = alternatives.iter().map(alternative);
                Val::Union(Shared::new(alternatives.collect::<Result<_, Error>>()?))
            }
            Shape::Function(input, output) => {
                let output = Body::Constant(self.type_of_shape(output)?);
                Val::Pi(Shared::new(Binder::new(
                    &underscore(),
                    part(input)?,
                    output,
                )))
            }
            Shape::Source(location, text) => {
                let evaluated = self.evaluate_checking(location, text, |machine, ty| match ty {
                    Val::Const(Const::Type) => Ok(()),
                    other => Err(no_type(text, show(machine, other))),
                })?;
                evaluated.value.value
            }
            Shape::Known(value) => value.value.clone(),
            Shape::Recursive(name) => return Err(recursive(name)),
        })
    }
}

impl Evaluated {
    /// Checks that the type fits `expected`, a type.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, Fit, Location, MemoryImporter, Type};
    ///
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let here = Location::Input("example".to_owned());
    /// let evaluated = evaluator.evaluate(&here, "{ size = 1, more = True }")?;
    /// let ty = Type::record([("size", Type::natural()), ("name", Type::of::<Option<String>>())]);
    /// let ty = evaluator.type_value(&ty)?;
    /// evaluated.expect_type(&ty, Fit::Structural)?;
    /// let error = evaluated.expect_type(&ty, Fit::Exact).expect_err("it is another");
    /// let details: Vec<_> = error.details().collect();
    /// assert_eq!(
    ///     details[1..],
    ///     ["field `name : Optional Text` is missing", "field `more` is not expected"]
    /// );
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`] when it does not: as of [`Evaluator::evaluate_expecting`].
    pub fn expect_type(&self, expected: &Value, fit: Fit) -> Result<(), Error> {
        let origin = &self.value.origin;
        let checked = self.value.run(|machine| {
            Ok(check(
                machine,
                &origin.text,
                &expected.value,
                &self.ty.value,
                fit,
            ))
        })?;
        checked.map_err(|problem| Error::new(&origin.location, &origin.text, problem))
    }

    /// Checks that the type is that of `T`, which `evaluator` knows, and decodes
    /// the value.
    ///
    /// # Errors
    /// [`Error`] as of [`Evaluator::evaluate_as`].
    pub fn decode_as<T: DhallType + DeserializeOwned>(
        &self,
        evaluator: &Evaluator,
    ) -> Result<T, Error> {
        let expected = evaluator.type_value(&Type::of::<T>())?;
        self.expect_type(&expected, Fit::Exact)?;
        self.decode()
    }

    /// Decodes the value, whatever type it has.
    ///
    /// # Errors
    /// [`Error`] when [`from_value`] fails, at the place in the text that makes
    /// the part that does not decode.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        from_value(&self.value).map_err(|error| {
            let origin = &self.value.origin;
            let way: Vec<_> = error.way().collect();
            let problem = Problem::new(place(&origin.text, &way), error.to_string());
            Error::new(&origin.location, &origin.text, problem)
        })
    }
}

/// Checks the type of the value of `text`.
fn check(
    machine: &Machine,
    text: &str,
    expected: &Val,
    found: &Val,
    fit: Fit,
) -> Result<(), Box<Problem>> {
    let show = |value: &Val| show(machine, value);
    let differs = misfit(machine, &show, fit, (expected, found));
    let differs = differs.map_err(|stop| Problem::stopped(place(text, &[]), stop))?;
    let Some(difference) = differs else {
        return Ok(());
    };
    let message = "the value does not have the type that is expected of it";
    Err(Problem::new(place(text, &difference.place), message)
        .label(difference.summary)
        .notes(difference.details)
        .maybe_hint(difference.hint))
}

fn no_type(text: &str, found: String) -> Box<Problem> {
    Problem::new(place(text, &[]), "the expected type is not a type")
        .label(format!("this has the type `{found}`"))
}

fn show(machine: &Machine, value: &Val) -> String {
    match Quoter::new(machine, Scope::default()).quote(value) {
        Ok(expression) => print::brief(&expression),
        Err(_) => "…".to_owned(),
    }
}

/// Returns where a text makes a part of its value. It is parsed once more, so
/// that no one keeps its tree for the error that seldom comes.
fn place(text: &str, way: &[Part]) -> Span {
    let located = with_stack(crate::Limits::default(), || {
        parse::parse(text).map(|expression| locate(&expression, way))
    });
    match located {
        Ok(Ok(span)) => span,
        _ => Span::NONE,
    }
}
