//! The parts of compound values, one after the other, as serde asks for them.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use crate::from_value::error::{Component, DecodeError};
use crate::from_value::{Decoded, Deserializer};
use crate::scope::Name;
use crate::value::{Inject, Lazy, Val, find};

pub(super) struct Items<'a, I: Iterator<Item = (usize, &'a Lazy)>> {
    pub(super) parent: Deserializer<'a>,
    pub(super) items: I,
}

impl<'a, I: Iterator<Item = (usize, &'a Lazy)> + ExactSizeIterator> de::SeqAccess<'a>
    for Items<'a, I>
{
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Decoded<Option<T::Value>> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        let element = self
            .parent
            .inside(item)
            .and_then(|item| seed.deserialize(item));
        element
            .map(Some)
            .map_err(|error| error.below(Component::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

pub(super) struct Fields<'a> {
    pub(super) parent: Deserializer<'a>,
    pub(super) fields: std::slice::Iter<'a, (Name, Lazy)>,
    pub(super) value: Option<&'a (Name, Lazy)>,
}

impl<'a> de::MapAccess<'a> for Fields<'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Decoded<Option<K::Value>> {
        self.value = self.fields.next();
        let Some((name, _)) = self.value else {
            return Ok(None);
        };
        let name: de::value::StrDeserializer<'_, DecodeError> = name.as_ref().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Decoded<V::Value> {
        let Some((name, value)) = self.value.take() else {
            return Err(DecodeError::new("a value was asked for before its field"));
        };
        let value = self
            .parent
            .inside(value)
            .and_then(|value| seed.deserialize(value));
        value.map_err(|error| error.below(Component::Field(name.to_string())))
    }
}

/// The entries of a list of `{ mapKey, mapValue }`.
pub(super) struct Entries<'a, I: Iterator<Item = (usize, &'a Lazy)>> {
    pub(super) parent: Deserializer<'a>,
    pub(super) items: I,
    pub(super) value: Option<(usize, &'a Lazy)>,
}

impl<'a, I: Iterator<Item = (usize, &'a Lazy)> + ExactSizeIterator> de::MapAccess<'a>
    for Entries<'a, I>
{
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Decoded<Option<K::Value>> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        self.value = Some((index, item));
        self.part(index, item, "mapKey", seed).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Decoded<V::Value> {
        let Some((index, item)) = self.value.take() else {
            return Err(DecodeError::new("a value was asked for before its key"));
        };
        self.part(index, item, "mapValue", seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

impl<'a, I: Iterator<Item = (usize, &'a Lazy)>> Entries<'a, I> {
    fn part<T: DeserializeSeed<'a>>(
        &self,
        index: usize,
        item: &'a Lazy,
        name: &str,
        seed: T,
    ) -> Decoded<T::Value> {
        let entry = self.parent.inside(item).and_then(|entry| {
            let part = match entry.value {
                Val::Record(fields) => find(fields, name),
                _ => None,
            };
            let Some(part) = part else {
                return entry.wrong("an entry `{ mapKey, mapValue }` of a map");
            };
            let part = entry.inside(part).and_then(|part| seed.deserialize(part));
            part.map_err(|error| error.below(Component::Field(name.to_owned())))
        });
        entry.map_err(|error| error.below(Component::Index(index)))
    }
}

pub(super) struct Alternative<'a> {
    pub(super) parent: Deserializer<'a>,
    pub(super) inject: &'a Inject,
}

impl<'a> Alternative<'a> {
    fn payload(&self) -> Decoded<Deserializer<'a>> {
        match &self.inject.payload {
            Some(payload) => self.parent.inside(payload),
            None => {
                let message = format!("the alternative `{}` has no payload", self.inject.label);
                Err(DecodeError::new(message))
            }
        }
    }

    fn at<T>(&self, result: Decoded<T>) -> Decoded<T> {
        result.map_err(|error| error.below(Component::Field(self.inject.label.to_string())))
    }
}

impl<'a> de::EnumAccess<'a> for Alternative<'a> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Decoded<(V::Value, Self)> {
        let label: de::value::StrDeserializer<'_, DecodeError> =
            self.inject.label.as_ref().into_deserializer();
        Ok((seed.deserialize(label)?, self))
    }
}

impl<'a> de::VariantAccess<'a> for Alternative<'a> {
    type Error = DecodeError;

    fn unit_variant(self) -> Decoded<()> {
        if self.inject.payload.is_none() {
            return Ok(());
        }
        let message = format!("the alternative `{}` has a payload", self.inject.label);
        Err(DecodeError::new(message))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Decoded<T::Value> {
        let payload = self.payload().and_then(|payload| seed.deserialize(payload));
        self.at(payload)
    }

    fn tuple_variant<V: Visitor<'a>>(self, _length: usize, visitor: V) -> Decoded<V::Value> {
        let payload = self.payload().and_then(|payload| payload.sequence(visitor));
        self.at(payload)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Decoded<V::Value> {
        let payload = self.payload().and_then(|payload| payload.record(visitor));
        self.at(payload)
    }
}
