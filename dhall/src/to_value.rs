//! Rust to values, directed by a Dhall type.
//!
//! What serde says of a Rust value is first kept as plain data, then given the
//! shape that the type asks for: unions get all their alternatives, fields that
//! the type lacks are dropped, an `Optional` that is not there is `None`.

use std::fmt;

use serde::{Serialize, ser};

use crate::builtin::Builtin;
use crate::evaluator::Value;
use crate::number::{Integer, Natural};
use crate::rope::List;
use crate::scope::Name;
use crate::shared::Shared;
use crate::value::{Inject, Lazy, Val, find};

/// Makes a Dhall value of type `ty` of a Rust one.
///
/// # Errors
/// [`EncodeError`] when the shapes don't fit, with the path to the place.
pub fn to_value<T: Serialize + ?Sized>(value: &T, ty: &Value) -> Result<Value, EncodeError> {
    let data = value.serialize(Collector)?;
    Ok(ty.with_value(convert(&data, &ty.value)?))
}

/// Why a Rust value does not fit a Dhall type, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    path: Vec<String>,
    message: String,
}

impl EncodeError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
        }
    }

    fn below(mut self, component: impl Into<String>) -> Self {
        self.path.push(component.into());
        self
    }

    /// Returns the path to the place, such as `actions.2.outputs`.
    #[must_use]
    pub fn path(&self) -> String {
        let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
        path.join(".")
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "`{}`: {}", self.path(), self.message)
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
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
    Variant(String, Option<Box<Data>>),
}

fn convert(data: &Data, ty: &Val) -> Encoded<Val> {
    match (data, ty) {
        (data, Val::Call(Builtin::Optional, inner)) if inner.len() == 1 => {
            optional(data, &inner[0])
        }
        (Data::Some(inner), ty) => convert(inner, ty),
        (data, Val::Call(Builtin::List, item)) if item.len() == 1 => list(data, ty, &item[0]),
        (Data::Fields(fields), Val::RecordType(types)) => record(fields, types),
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
    let Data::List(items) = data else {
        return Err(EncodeError::new(format!(
            "expected a list, found a {}",
            data.name()
        )));
    };
    let item = known(item)?;
    let convert = |(at, data): (usize, &Data)| match convert(data, item) {
        Ok(value) => Ok(Lazy::Now(value)),
        Err(error) => Err(error.below(at.to_string())),
    };
    let items = items
        .iter()
        .enumerate()
        .map(convert)
        .collect::<Encoded<_>>()?;
    let empty = || Val::EmptyList(Shared::new(ty.clone().into()));
    Ok(List::new(items).map_or_else(empty, Val::List))
}

fn record(fields: &[(String, Data)], types: &[(Name, Lazy)]) -> Encoded<Val> {
    let field = |(name, ty): &(Name, Lazy)| {
        let given = fields.iter().find(|(known, _)| **known == **name);
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
            Self::Variant(..) => "variant of an enum",
        }
    }
}

/// Keeps what a value says of itself.
struct Collector;

/// Collects the parts of a compound value.
struct Parts {
    variant: Option<String>,
    items: Vec<Data>,
    fields: Vec<(String, Data)>,
    key: Option<String>,
}

impl Parts {
    fn new(variant: Option<&str>) -> Self {
        Self {
            variant: variant.map(str::to_owned),
            items: Vec::new(),
            fields: Vec::new(),
            key: None,
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Encoded<()> {
        self.items.push(value.serialize(Collector)?);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Encoded<()> {
        let value = value
            .serialize(Collector)
            .map_err(|error| error.below(name))?;
        self.fields.push((name.to_owned(), value));
        Ok(())
    }

    fn wrap(self, data: Data) -> Data {
        match self.variant {
            Some(name) => Data::Variant(name, Some(Box::new(data))),
            None => data,
        }
    }

    fn into_list(mut self) -> Data {
        let items = std::mem::take(&mut self.items);
        self.wrap(Data::List(items))
    }

    fn into_fields(mut self) -> Data {
        let fields = std::mem::take(&mut self.fields);
        self.wrap(Data::Fields(fields))
    }
}

macro_rules! integers {
    ($($method:ident $type:ty),*) => {
        $(fn $method(self, value: $type) -> Encoded<Data> { Ok(Data::Integer(value.into())) })*
    };
}

impl ser::Serializer for Collector {
    type Ok = Data;
    type Error = EncodeError;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    integers!(
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_i128 i128, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32,
        serialize_u64 u64
    );

    fn serialize_bool(self, value: bool) -> Encoded<Data> {
        Ok(Data::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Encoded<Data> {
        Ok(Data::Double(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Encoded<Data> {
        Ok(Data::Double(value))
    }

    fn serialize_char(self, value: char) -> Encoded<Data> {
        Ok(Data::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Encoded<Data> {
        Ok(Data::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Encoded<Data> {
        Ok(Data::Bytes(value.to_vec()))
    }

    fn serialize_none(self) -> Encoded<Data> {
        Ok(Data::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Encoded<Data> {
        Ok(Data::Some(Box::new(value.serialize(Self)?)))
    }

    fn serialize_unit(self) -> Encoded<Data> {
        Ok(Data::Unit)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Encoded<Data> {
        Ok(Data::Unit)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Encoded<Data> {
        Ok(Data::Variant(variant.to_owned(), None))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Encoded<Data> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Encoded<Data> {
        let payload = value
            .serialize(self)
            .map_err(|error| error.below(variant))?;
        Ok(Data::Variant(variant.to_owned(), Some(Box::new(payload))))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Encoded<Parts> {
        Ok(Parts::new(None))
    }

    fn serialize_tuple(self, _length: usize) -> Encoded<Parts> {
        Ok(Parts::new(None))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Encoded<Parts> {
        Ok(Parts::new(None))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Encoded<Parts> {
        Ok(Parts::new(Some(variant)))
    }

    fn serialize_map(self, _length: Option<usize>) -> Encoded<Parts> {
        Ok(Parts::new(None))
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Encoded<Parts> {
        Ok(Parts::new(None))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Encoded<Parts> {
        Ok(Parts::new(Some(variant)))
    }
}

macro_rules! sequences {
    ($($trait:ident $method:ident),*) => {
        $(impl ser::$trait for Parts {
            type Ok = Data;
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Encoded<()> {
                let at = self.items.len();
                self.item(value).map_err(|error| error.below(at.to_string()))
            }

            fn end(self) -> Encoded<Data> {
                Ok(self.into_list())
            }
        })*
    };
}

sequences!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

macro_rules! structs {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Parts {
            type Ok = Data;
            type Error = EncodeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Encoded<()> {
                self.field(name, value)
            }

            fn end(self) -> Encoded<Data> {
                Ok(self.into_fields())
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Parts {
    type Ok = Data;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Encoded<()> {
        match key.serialize(Collector)? {
            Data::Text(key) | Data::Variant(key, None) => {
                self.key = Some(key);
                Ok(())
            }
            other => Err(EncodeError::new(format!(
                "a {} is not the name of a field",
                other.name()
            ))),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Encoded<()> {
        let key = self.key.take().unwrap_or_default();
        self.field(&key, value)
    }

    fn end(self) -> Encoded<Data> {
        Ok(self.into_fields())
    }
}
