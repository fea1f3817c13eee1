//! What the host sees of a recursive value: one constructor at a time.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::evaluator::Value;
use crate::from_value::{DecodeError, from_value};

/// A use of a constructor, whose recursive parts were made before.
#[derive(Debug)]
pub struct Node<'a, R> {
    /// The recursive type that the constructor makes a value of, by the name
    /// that its variable has in the type.
    pub family: &'a str,
    /// The name of the constructor: of its field, or of its variable.
    pub constructor: &'a str,
    /// What it is applied to.
    pub arguments: Vec<Payload<R>>,
}

impl<R> Node<'_, R> {
    /// Returns the only argument.
    ///
    /// # Errors
    /// [`DecodeError`] when there is none, or another one.
    pub fn payload(self) -> Result<Payload<R>, DecodeError> {
        self.arguments().map(|[payload]| payload)
    }

    /// Returns the arguments, which are `N`.
    ///
    /// # Errors
    /// [`DecodeError`] when there are more or fewer.
    pub fn arguments<const N: usize>(self) -> Result<[Payload<R>; N], DecodeError> {
        self.arguments
            .try_into()
            .map_err(|arguments: Vec<Payload<R>>| {
                let found = arguments.len();
                DecodeError::new(format!("expected {N} argument(s), found {found}"))
            })
    }
}

/// A part of a constructor's argument. What has nothing recursive in it is one
/// [`Value`].
#[derive(Debug)]
pub enum Payload<R> {
    /// What was made of a recursive part.
    Node(R),
    /// Data without recursive parts.
    Value(Value),
    /// The items of a list.
    List(Vec<Self>),
    /// What an `Optional` holds.
    Optional(Option<Box<Self>>),
    /// The fields of a record, sorted by name.
    Record(Vec<(Arc<str>, Self)>),
    /// An alternative of a union, and its payload.
    Union(Arc<str>, Option<Box<Self>>),
}

impl<R> Payload<R> {
    fn wrong<T>(&self, expected: &str) -> Result<T, DecodeError> {
        let found = match self {
            Self::Node(_) => "a recursive part",
            Self::Value(_) => "data without recursive parts",
            Self::List(_) => "a list",
            Self::Optional(_) => "an `Optional`",
            Self::Record(_) => "a record",
            Self::Union(..) => "an alternative of a union",
        };
        let message = format!("expected {expected}, found {found}");
        Err(DecodeError::new(message))
    }

    /// Returns what was made of a recursive part.
    ///
    /// # Errors
    /// [`DecodeError`] when it is something else.
    pub fn node(self) -> Result<R, DecodeError> {
        match self {
            Self::Node(result) => Ok(result),
            other => other.wrong("a recursive part"),
        }
    }

    /// Returns what was made of the recursive parts in a list.
    ///
    /// # Errors
    /// [`DecodeError`] when it is something else.
    pub fn nodes(self) -> Result<Vec<R>, DecodeError> {
        self.list()?.into_iter().map(Self::node).collect()
    }

    /// Decodes data without recursive parts.
    ///
    /// # Errors
    /// [`DecodeError`] when it is something else, or does not decode.
    pub fn decode<T: DeserializeOwned>(self) -> Result<T, DecodeError> {
        match self {
            Self::Value(value) => from_value(&value),
            other => other.wrong("data without recursive parts"),
        }
    }

    /// Returns the items of a list with recursive parts.
    ///
    /// # Errors
    /// [`DecodeError`] when it is something else.
    pub fn list(self) -> Result<Vec<Self>, DecodeError> {
        match self {
            Self::List(items) => Ok(items),
            other => other.wrong("a list"),
        }
    }

    /// Returns what an `Optional` with recursive parts holds.
    ///
    /// # Errors
    /// [`DecodeError`] when it is something else.
    pub fn optional(self) -> Result<Option<Self>, DecodeError> {
        match self {
            Self::Optional(inner) => Ok(inner.map(|inner| *inner)),
            other => other.wrong("an `Optional`"),
        }
    }

    /// Returns these fields, which differ, of a record with recursive parts.
    ///
    /// # Errors
    /// [`DecodeError`] when one is not there, or when it is something else.
    pub fn record<const N: usize>(self, names: [&str; N]) -> Result<[Self; N], DecodeError> {
        let Self::Record(mut fields) = self else {
            return self.wrong("a record");
        };
        let mut found = Vec::with_capacity(N);
        for name in names {
            let Some(at) = fields.iter().position(|(known, _)| **known == *name) else {
                return Err(DecodeError::new(format!("there is no field `{name}`")));
            };
            found.push(fields.swap_remove(at).1);
        }
        found
            .try_into()
            .map_err(|_| DecodeError::new("the fields are not as many as their names"))
    }

    /// Returns the alternative of a union with recursive parts.
    ///
    /// # Errors
    /// [`DecodeError`] when it is something else.
    pub fn alternative(self) -> Result<(Arc<str>, Option<Self>), DecodeError> {
        match self {
            Self::Union(label, payload) => Ok((label, payload.map(|payload| *payload))),
            other => other.wrong("an alternative of a union"),
        }
    }
}
