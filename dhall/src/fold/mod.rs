//! Recursive data: terms that are functions over their own constructors.
//!
//! Dhall has no recursive types. Data that is recursive, such as JSON, is a
//! function (its Böhm–Berarducci encoding): it takes the type, then what makes
//! values of it, and builds itself with them. Such a term is walked by giving
//! it variables for both and looking at what it builds: applications of these
//! variables, which only they can make. No constructor is told from another by
//! name, so that what a term does with them (passes them on, renames them,
//! replaces one) needs no care.
//!
//! The walk is by need, from the leaves up, and has a stack of its own: terms
//! may be as deep as memory allows. A part that a term uses twice is walked
//! twice, since a fold may be about the tree, and a tree of a few lines can be
//! larger than the universe: steps and memory are those of the [`Limits`].
//!
//! [`Limits`]: crate::Limits

mod payload;
mod signature;
mod walk;

pub use payload::{Node, Payload};

use crate::error::Error;
use crate::evaluator::{Evaluated, Value};
use crate::from_value::DecodeError;
use crate::limits::Stop;
use crate::problem::Problem;

/// Why a fold ends early.
enum Failure {
    Stop(Stop),
    /// What is wrong with the term, or its type.
    Wrong(Box<Problem>),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

type Folded<T> = Result<T, Failure>;

impl Value {
    /// Makes a Rust value of a recursive one, from the leaves up: `make` is
    /// called for each use of a constructor, with what it made of the parts.
    /// `ty` is the type of this value.
    ///
    /// The type is a function type, in any order, of
    /// - recursive types, `T : Type`, one for each of a family whose members
    ///   refer to each other,
    /// - constructors, one by one, or as a record: functions that return one
    ///   of these types, or just values of it,
    ///
    /// and returns one of the types. Parts of constructors refer to the types
    /// directly or in records, lists, `Optional` and unions.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, Location, MemoryImporter};
    ///
    /// #[derive(Debug, PartialEq)]
    /// enum Json {
    ///     Null,
    ///     Number(f64),
    ///     String(String),
    ///     Array(Vec<Json>),
    ///     Object(Vec<(String, Json)>),
    /// }
    ///
    /// let text = r#"
    ///     let Constructors = \(JSON : Type) ->
    ///           { array : List JSON -> JSON
    ///           , number : Double -> JSON
    ///           , null : JSON
    ///           , object : List { mapKey : Text, mapValue : JSON } -> JSON
    ///           , string : Text -> JSON
    ///           }
    ///     in  \(JSON : Type) -> \(json : Constructors JSON) ->
    ///           json.object (toMap { a = json.array [ json.number 1.0, json.null ], b = json.string "x" })
    /// "#;
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let evaluated = evaluator.evaluate(&Location::Input("example".to_owned()), text)?;
    /// let json = evaluated.fold(|node| {
    ///     Ok(match node.constructor {
    ///         "null" => Json::Null,
    ///         "number" => Json::Number(node.payload()?.decode()?),
    ///         "string" => Json::String(node.payload()?.decode()?),
    ///         "array" => Json::Array(node.payload()?.nodes()?),
    ///         _ => {
    ///             let entries = node.payload()?.list()?.into_iter().map(|entry| {
    ///                 let [key, value] = entry.record(["mapKey", "mapValue"])?;
    ///                 Ok((key.decode()?, value.node()?))
    ///             });
    ///             Json::Object(entries.collect::<Result<_, _>>()?)
    ///         }
    ///     })
    /// })?;
    /// let array = Json::Array(vec![Json::Number(1.0), Json::Null]);
    /// let string = Json::String("x".to_owned());
    /// assert_eq!(json, Json::Object(vec![("a".to_owned(), array), ("b".to_owned(), string)]));
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    ///
    /// Types that refer to each other make one Rust type:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{DecodeError, Evaluator, Location, MemoryImporter};
    ///
    /// #[derive(Debug, PartialEq)]
    /// enum Syntax {
    ///     Named(String),
    ///     Array(Box<Syntax>, Box<Syntax>),
    ///     Number(u64),
    ///     Cast(Box<Syntax>, Box<Syntax>),
    /// }
    ///
    /// let text = r#"
    ///     \(Type_ : Type) -> \(Expr : Type) ->
    ///     \(ty : { named : Text -> Type_, array : { of : Type_, length : Expr } -> Type_ }) ->
    ///     \(expr : { number : Natural -> Expr, cast : Expr -> Type_ -> Expr }) ->
    ///       ty.array { of = ty.named "u8", length = expr.cast (expr.number 4) (ty.named "usize") }
    /// "#;
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let evaluated = evaluator.evaluate(&Location::Input("example".to_owned()), text)?;
    /// let syntax = evaluated.fold(|node| {
    ///     Ok(match (node.family, node.constructor) {
    ///         ("Type_", "named") => Syntax::Named(node.payload()?.decode()?),
    ///         ("Type_", "array") => {
    ///             let [of, length] = node.payload()?.record(["of", "length"])?;
    ///             Syntax::Array(Box::new(of.node()?), Box::new(length.node()?))
    ///         }
    ///         ("Expr", "number") => Syntax::Number(node.payload()?.decode()?),
    ///         ("Expr", "cast") => {
    ///             let [expr, ty] = node.arguments()?;
    ///             Syntax::Cast(Box::new(expr.node()?), Box::new(ty.node()?))
    ///         }
    ///         _ => return Err(DecodeError::new("an unknown constructor")),
    ///     })
    /// })?;
    /// let named = |name: &str| Box::new(Syntax::Named(name.to_owned()));
    /// let length = Syntax::Cast(Box::new(Syntax::Number(4)), named("usize"));
    /// assert_eq!(syntax, Syntax::Array(named("u8"), Box::new(length)));
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    ///
    /// `make` runs on the thread of the evaluation, which has a large stack. A
    /// Rust value that is as deep as the term is dropped with the stack of
    /// whoever drops it.
    ///
    /// # Errors
    /// [`Error`] when the type is not of this form (which part of it is not), when
    /// `make` fails (with the path to the constructor), or when the tree exceeds
    /// the limits.
    pub fn fold<R: Send>(
        &self,
        ty: &Self,
        make: impl FnMut(Node<'_, R>) -> Result<R, DecodeError> + Send,
    ) -> Result<R, Error> {
        let folded = self.run(|machine| {
            let folded = signature::signature(machine, &ty.value)
                .and_then(|signature| walk::walk(machine, &signature, self, make));
            match folded {
                Ok(result) => Ok(Ok(result)),
                Err(Failure::Wrong(problem)) => Ok(Err(problem)),
                Err(Failure::Stop(stop)) => Err(stop),
            }
        })?;
        folded.map_err(|problem| self.origin.wrong(*problem))
    }
}

impl Evaluated {
    /// Makes a Rust value of a recursive one: [`Value::fold`], which see.
    ///
    /// # Errors
    /// [`Error`] as of [`Value::fold`].
    pub fn fold<R: Send>(
        &self,
        make: impl FnMut(Node<'_, R>) -> Result<R, DecodeError> + Send,
    ) -> Result<R, Error> {
        self.value.fold(&self.ty, make)
    }
}
