//! Rust to values, directed by a Dhall type.
//!
//! What serde says of a Rust value is first kept as plain data, then given the
//! shape that the type asks for: unions get all their alternatives, fields that
//! the type lacks are dropped, an `Optional` that is not there is `None`.

mod collect;
mod error;

pub use error::EncodeError;

use serde::Serialize;

use crate::builtin::Builtin;
use crate::evaluator::Value;
use crate::number::{Integer, Natural};
use crate::rope::List;
use crate::scope::Name;
use crate::shared::Shared;
use crate::to_value::collect::Collector;
use crate::value::{Inject, Lazy, Val, find};

/// Makes a Dhall value of type `ty` of a Rust one.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Evaluator, Location, MemoryImporter, to_value};
///
/// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
/// let here = Location::Input("example".to_owned());
/// let ty = evaluator.evaluate(&here, "{ sizes : List Natural, name : Optional Text }")?.value;
///
/// #[derive(serde::Serialize)]
/// struct Sizes {
///     sizes: Vec<i32>,
/// }
/// let value = to_value(&Sizes { sizes: vec![1, 2] }, &ty).expect("it fits");
/// assert_eq!(value.to_string(), "{ name = None Text, sizes = [ 1, 2 ] }");
/// let error = to_value(&Sizes { sizes: vec![1, -2] }, &ty).expect_err("negative");
/// assert_eq!(error.to_string(), "`sizes.1`: -2 is not a `Natural`");
/// # Ok::<(), straylight_dhall::Error>(())
/// ```
///
/// # Errors
/// [`EncodeError`] when the shapes don't fit, with the path to the place.
pub fn to_value<T: Serialize + ?Sized>(value: &T, ty: &Value) -> Result<Value, EncodeError> {
    let data = value.serialize(Collector)?;
    Ok(ty.with_value(convert(&data, &ty.value)?))
}

type Encoded<T> = Result<T, EncodeError>;

/// What serde can say.
#[derive(Debug)]
enum Data {
    None,
    Some(Box<Data>),
    Unit,
    Bool(bool),
    Integer(i128),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Data>),
    Fields(Vec<(String, Data)>),
    Map(Vec<(Data, Data)>),
    Variant(String, Option<Box<Data>>),
}

fn convert(data: &Data, ty: &Val) -> Encoded<Val> {
    match (data, ty) {
        (data, Val::Call(Builtin::Optional, inner)) if inner.len() == 1 => {
            optional(data, &inner[0])
        }
        (Data::Some(inner), ty) => convert(inner, ty),
        (data, Val::Call(Builtin::List, item)) if item.len() == 1 => list(data, ty, &item[0]),
        (Data::Fields(fields), Val::RecordType(types)) => {
            let fields: Vec<_> = fields.iter().map(|(name, data)| (&**name, data)).collect();
            record(&fields, types)
        }
        (Data::Map(entries), Val::RecordType(types)) => record(&named(entries)?, types),
        (Data::Unit, Val::RecordType(types)) => record(&[], types),
        (Data::Variant(name, payload), Val::Union(_)) => alternative(name, payload.as_deref(), ty),
        (Data::Text(name), Val::Union(_)) => alternative(name, None, ty),
        (data, Val::Builtin(builtin)) => scalar(data, *builtin),
        _ => Err(EncodeError::new(format!(
            "the Dhall type does not fit a {}",
            data.name()
        ))),
    }
}

fn scalar(data: &Data, ty: Builtin) -> Encoded<Val> {
    Ok(match (data, ty) {
        (Data::Bool(value), Builtin::Bool) => Val::Bool(*value),
        (Data::Integer(number), Builtin::Natural) => match magnitude(*number) {
            Some(natural) if *number >= 0 => Val::Natural(natural),
            _ => return Err(EncodeError::new(format!("{number} is not a `Natural`"))),
        },
        (Data::Integer(number), Builtin::Integer) => match magnitude(*number) {
            Some(magnitude) => Val::Integer(Integer::new(*number < 0, magnitude)),
            None => return Err(EncodeError::new(format!("{number} is too large"))),
        },
        (Data::Double(double), Builtin::Double) => Val::Double(*double),
        (Data::Text(text) | Data::Variant(text, None), Builtin::Text) => Val::text(text.as_str()),
        (Data::Bytes(bytes), Builtin::Bytes) => Val::Bytes(bytes.as_slice().into()),
        _ => {
            let message = format!("expected a `{}`, found a {}", ty.name(), data.name());
            return Err(EncodeError::new(message));
        }
    })
}

fn magnitude(number: i128) -> Option<Natural> {
    u64::try_from(number.unsigned_abs())
        .ok()
        .map(Natural::Small)
}

fn optional(data: &Data, inner: &Lazy) -> Encoded<Val> {
    match data {
        Data::None => Ok(Val::call(Builtin::None, vec![inner.clone()])),
        Data::Some(data) => Ok(Val::some(convert(data, known(inner)?)?.into())),
        data => Ok(Val::some(convert(data, known(inner)?)?.into())),
    }
}

fn known(lazy: &Lazy) -> Encoded<&Val> {
    lazy.known()
        .ok_or_else(|| EncodeError::new("the type is not evaluated"))
}

fn list(data: &Data, ty: &Val, item: &Lazy) -> Encoded<Val> {
    let item = known(item)?;
    let at = |at: usize, converted: Encoded<Val>| match converted {
        Ok(value) => Ok(Lazy::Now(value)),
        Err(error) => Err(error.below(at.to_string())),
    };
    let items = match data {
        Data::List(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, data)| at(index, convert(data, item)));
            items.collect::<Encoded<_>>()?
        }
        Data::Map(entries) => {
            let entries = entries.iter().enumerate();
            let entries = entries.map(|(index, pair)| at(index, entry(pair, item)));
            entries.collect::<Encoded<_>>()?
        }
        _ => {
            let message = format!("expected a list, found a {}", data.name());
            return Err(EncodeError::new(message));
        }
    };
    let empty = || Val::EmptyList(Shared::new(ty.clone().into()));
    Ok(List::new(items).map_or_else(empty, Val::List))
}

fn record(fields: &[(&str, &Data)], types: &[(Name, Lazy)]) -> Encoded<Val> {
    let field = |(name, ty): &(Name, Lazy)| {
        let given = fields.iter().find(|(known, _)| *known == &**name);
        let data = given.map_or(&Data::None, |(_, data)| data);
        let ty = known(ty)?;
        if given.is_none() && ty.applied(Builtin::Optional).is_none() {
            return Err(EncodeError::new("the field is missing").below(&**name));
        }
        let value = convert(data, ty).map_err(|error| error.below(&**name))?;
        Ok((Name::clone(name), Lazy::Now(value)))
    };
    types
        .iter()
        .map(field)
        .collect::<Encoded<_>>()
        .map(Val::record)
}

/// Returns an entry of a map, as `toMap` makes them.
fn entry((key, value): &(Data, Data), ty: &Val) -> Encoded<Val> {
    match ty {
        Val::RecordType(types) => record(&[("mapKey", key), ("mapValue", value)], types),
        _ => Err(EncodeError::new(
            "a map is a record, or a list of `{ mapKey, mapValue }`",
        )),
    }
}

/// Returns a map as the fields of a record.
fn named(entries: &[(Data, Data)]) -> Encoded<Vec<(&str, &Data)>> {
    let mut fields = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let (Data::Text(name) | Data::Variant(name, None)) = key else {
            let message = format!("a {} is not the name of a field", key.name());
            return Err(EncodeError::new(message));
        };
        fields.push((name.as_str(), value));
    }
    Ok(fields)
}

fn alternative(name: &str, payload: Option<&Data>, ty: &Val) -> Encoded<Val> {
    let Val::Union(union) = ty else {
        return Err(EncodeError::new("expected a union"));
    };
    let payload = match (find(union, name), payload) {
        (Some(None), None) => None,
        (Some(Some(ty)), Some(data)) => {
            let value = convert(data, known(ty)?).map_err(|error| error.below(name))?;
            Some(Lazy::Now(value))
        }
        (Some(None), Some(_)) => {
            return Err(EncodeError::new(format!(
                "the alternative `{name}` has no payload"
            )));
        }
        (Some(Some(_)), None) => {
            return Err(EncodeError::new(format!(
                "the alternative `{name}` needs a payload"
            )));
        }
        (None, _) => {
            return Err(EncodeError::new(format!(
                "the union has no alternative `{name}`"
            )));
        }
    };
    Ok(Val::Inject(Shared::new(Inject {
        union: union.clone(),
        label: Name::from(name),
        payload,
    })))
}

impl Data {
    fn name(&self) -> &'static str {
        match self {
            Self::None | Self::Some(_) => "missing or optional value",
            Self::Unit => "unit",
            Self::Bool(_) => "boolean",
            Self::Integer(_) => "whole number",
            Self::Double(_) => "fraction",
            Self::Text(_) => "text",
            Self::Bytes(_) => "byte string",
            Self::List(_) => "sequence",
            Self::Fields(_) => "struct",
            Self::Map(_) => "map",
            Self::Variant(..) => "variant of an enum",
        }
    }
}
