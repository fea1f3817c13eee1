//! Values to Rust: a `serde` deserializer over evaluated data.
//!
//! Records are structs or maps, lists are sequences, and lists of `{ mapKey,
//! mapValue }` maps as well; `Optional` is `Option`, unions are enums: an alternative without payload is a unit variant, one
//! with payload a newtype variant. Functions and types cannot be deserialised.

mod access;
mod error;

pub use error::DecodeError;

use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};

use crate::builtin::Builtin;
use crate::evaluator::Value;
use crate::from_value::access::{Alternative, Entries, Fields, Items};
use crate::number::{Integer, Natural};
use crate::scope::Name;
use crate::value::{Lazy, Val};

/// How deeply data may nest: a Rust type that nests deeper is recursive, and a
/// Dhall type that does was made to exhaust someone's stack.
const DEPTH: usize = 256;

/// Makes a Rust value of a Dhall one.
///
/// Fields that the Rust type does not have are ignored; its defaults apply to
/// fields that the value does not have. If a key of a map is there twice, its
/// last value counts.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Evaluator, Location, MemoryImporter, from_value};
///
/// #[derive(Debug, PartialEq, serde::Deserialize)]
/// enum Source {
///     File(String),
///     Nothing,
/// }
///
/// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
/// let text = r#"let S = < File : Text | Nothing > in [ S.Nothing, S.File "x" ]"#;
/// let value = evaluator.evaluate(&Location::Input("example".to_owned()), text)?.value;
/// let sources: Vec<Source> = from_value(&value).expect("sources");
/// assert_eq!(sources, [Source::Nothing, Source::File("x".to_owned())]);
/// let error = from_value::<Vec<u8>>(&value).expect_err("no numbers");
/// assert_eq!(error.path(), "[0]");
/// # Ok::<(), straylight_dhall::Error>(())
/// ```
///
/// # Errors
/// [`DecodeError`] when the shapes don't fit, with the path to the place.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Deserializer {
        value: &value.value,
        depth: 0,
    })
}

type Decoded<T> = Result<T, DecodeError>;

#[derive(Clone, Copy)]
struct Deserializer<'a> {
    value: &'a Val,
    depth: usize,
}

impl<'a> Deserializer<'a> {
    fn inside(&self, lazy: &'a Lazy) -> Decoded<Self> {
        if self.depth >= DEPTH {
            return Err(DecodeError::new("the data nests too deeply"));
        }
        match lazy.known() {
            Some(value) => Ok(Self {
                value,
                depth: self.depth + 1,
            }),
            None => Err(DecodeError::new("this part is not evaluated")),
        }
    }

    fn wrong<T>(&self, expected: &str) -> Decoded<T> {
        let found = match self.value {
            Val::Lambda(_) | Val::Call(..) | Val::Builtin(_) | Val::Constructor(..) => {
                "a function or a type"
            }
            Val::Const(_) | Val::Pi(_) | Val::RecordType(_) | Val::Union(_) => "a type",
            Val::Record(_) => "a record",
            Val::List(_) | Val::EmptyList(_) => "a list",
            Val::Text(_) => "a `Text`",
            Val::Natural(_) => "a `Natural`",
            Val::Integer(_) => "an `Integer`",
            Val::Double(_) => "a `Double`",
            Val::Bool(_) => "a `Bool`",
            Val::Some(_) => "an `Optional`",
            Val::Inject(_) => "an alternative of a union",
            _ => "something else",
        };
        Err(DecodeError::new(format!(
            "expected {expected}, found {found}"
        )))
    }

    fn number<V: Visitor<'a>>(&self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Natural(number) => natural(number, visitor),
            Val::Integer(number) => integer(number, visitor),
            _ => self.wrong("a number"),
        }
    }

    fn double<V: Visitor<'a>>(&self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Double(double) => visitor.visit_f64(*double),
            _ => self.number(visitor),
        }
    }

    fn sequence<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        let items: Vec<&Lazy> = match self.value {
            Val::EmptyList(_) => Vec::new(),
            Val::List(list) => list.iter().collect(),
            Val::Bytes(bytes) => return visitor.visit_byte_buf(bytes.to_vec()),
            _ => return self.wrong("a list"),
        };
        visitor.visit_seq(Items {
            parent: self,
            items: items.into_iter().enumerate(),
        })
    }

    fn record<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Record(fields) => visitor.visit_map(Fields {
                parent: self,
                fields: fields.iter(),
                value: None,
            }),
            _ => self.wrong("a record"),
        }
    }

    fn text(&self) -> Decoded<std::sync::Arc<str>> {
        match self.value {
            Val::Text(text) => text
                .to_literal()
                .ok_or_else(|| DecodeError::new("this text is not evaluated")),
            Val::Date(date) => Ok(date.to_string().into()),
            Val::Time(time) => Ok(time.to_string().into()),
            Val::TimeZone(zone) => Ok(zone.to_string().into()),
            Val::Inject(inject) if inject.payload.is_none() => Ok(Name::clone(&inject.label)),
            _ => self.wrong("a `Text`"),
        }
    }
}

fn natural<'a, V: Visitor<'a>>(number: &Natural, visitor: V) -> Decoded<V::Value> {
    match number.to_u64() {
        Some(small) => visitor.visit_u64(small),
        None => Err(DecodeError::new(format!(
            "the number {number} is too large"
        ))),
    }
}

fn integer<'a, V: Visitor<'a>>(number: &Integer, visitor: V) -> Decoded<V::Value> {
    let small = number.to_i128();
    match (
        small.and_then(|n| u64::try_from(n).ok()),
        small.and_then(|n| i64::try_from(n).ok()),
    ) {
        (Some(unsigned), _) => visitor.visit_u64(unsigned),
        (None, Some(signed)) => visitor.visit_i64(signed),
        _ => Err(DecodeError::new(format!(
            "the number {number} is out of range"
        ))),
    }
}

impl<'a> de::Deserializer<'a> for Deserializer<'a> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Bool(value) => visitor.visit_bool(*value),
            Val::Natural(_) | Val::Integer(_) => self.number(visitor),
            Val::Double(double) => visitor.visit_f64(*double),
            Val::Bytes(bytes) => visitor.visit_byte_buf(bytes.to_vec()),
            Val::Record(_) => self.record(visitor),
            Val::List(_) | Val::EmptyList(_) => self.sequence(visitor),
            Val::Some(_) | Val::Call(Builtin::None, _) => self.deserialize_option(visitor),
            Val::Inject(inject) if inject.payload.is_some() => visitor.visit_enum(Alternative {
                parent: self,
                inject,
            }),
            _ => visitor.visit_str(&self.text()?),
        }
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Bool(value) => visitor.visit_bool(*value),
            _ => self.wrong("a `Bool`"),
        }
    }

    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        self.double(visitor)
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        self.double(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Some(inner) => visitor.visit_some(self.inside(inner)?),
            none if none.applied(Builtin::None).is_some() => visitor.visit_none(),
            // A field that became optional in Rust only.
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        visitor.visit_str(&self.text()?)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        visitor.visit_str(&self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Bytes(bytes) => visitor.visit_byte_buf(bytes.to_vec()),
            _ => self.wrong("`Bytes`"),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        let items: Vec<&Lazy> = match self.value {
            Val::EmptyList(_) => Vec::new(),
            Val::List(list) => list.iter().collect(),
            _ => return self.record(visitor),
        };
        visitor.visit_map(Entries {
            parent: self,
            items: items.into_iter().enumerate(),
            value: None,
        })
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Decoded<V::Value> {
        self.record(visitor)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        match self.value {
            Val::Record(_) => visitor.visit_unit(),
            _ => self.wrong("a record"),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Decoded<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Decoded<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Decoded<V::Value> {
        match self.value {
            Val::Inject(inject) => visitor.visit_enum(Alternative {
                parent: self,
                inject,
            }),
            Val::Text(_) => visitor.visit_enum(self.text()?.as_ref().into_deserializer()),
            _ => self.wrong("an alternative of a union"),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Decoded<V::Value> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char tuple tuple_struct identifier
    }
}
