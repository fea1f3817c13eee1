//! What serde says of a Rust value, as plain data.

use serde::{Serialize, ser};

use crate::to_value::error::EncodeError;
use crate::to_value::{Data, Encoded};

/// Keeps what a value says of itself.
pub(super) struct Collector;

/// Collects the parts of a compound value.
pub(super) struct Parts {
    variant: Option<String>,
    items: Vec<Data>,
    fields: Vec<(String, Data)>,
}

impl Parts {
    fn new(variant: Option<&str>) -> Self {
        Self {
            variant: variant.map(str::to_owned),
            items: Vec::new(),
            fields: Vec::new(),
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
    type SerializeMap = Entries;
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

    fn serialize_map(self, _length: Option<usize>) -> Encoded<Entries> {
        Ok(Entries::default())
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

/// Collects the entries of a map.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<(Data, Data)>,
    key: Option<Data>,
}

impl ser::SerializeMap for Entries {
    type Ok = Data;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Encoded<()> {
        self.key = Some(key.serialize(Collector)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Encoded<()> {
        let Some(key) = self.key.take() else {
            return Err(EncodeError::new("a value came before its key"));
        };
        let value = value.serialize(Collector).map_err(|error| match &key {
            Data::Text(key) | Data::Variant(key, None) => error.below(key),
            _ => error.below(self.entries.len().to_string()),
        })?;
        self.entries.push((key, value));
        Ok(())
    }

    fn end(self) -> Encoded<Data> {
        Ok(Data::Map(self.entries))
    }
}
