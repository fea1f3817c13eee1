//! The items of CBOR: numbers, strings, and the beginnings of arrays and maps.

use std::borrow::Cow;

use crate::binary::decode::{Decoded, Decoder};
use crate::binary::major;
use crate::number::{Integer, Natural};
use crate::scope::Name;

/// How many elements of an array or a map are left; `None` if a mark ends it.
pub(super) type Left = Option<u64>;

impl<'a> Decoder<'a> {
    pub(super) fn peek(&self) -> Decoded<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None => self.fail("the bytes end too early"),
        }
    }

    pub(super) fn take(&mut self, length: u64) -> Decoded<&'a [u8]> {
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length));
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => self.fail("the bytes end too early"),
        }
    }

    pub(super) fn number(&mut self, length: u64) -> Decoded<u64> {
        let bytes = self.take(length)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Reads the beginning of an item: its major type and its argument, which
    /// is `None` for one of indefinite length.
    pub(super) fn head(&mut self) -> Decoded<(u8, Option<u64>)> {
        let first = self.peek()?;
        self.at += 1;
        let argument = match first & 0x1f {
            small @ 0..=23 => Some(u64::from(small)),
            24 => Some(self.number(1)?),
            25 => Some(self.number(2)?),
            26 => Some(self.number(4)?),
            27 => Some(self.number(8)?),
            31 => None,
            _ => return self.fail("this is not CBOR"),
        };
        Ok((first >> 5, argument))
    }

    /// Skips the tag that says "this is CBOR".
    pub(super) fn skip_self_description(&mut self) {
        while self.bytes[self.at..].starts_with(&[0xd9, 0xd9, 0xf7]) {
            self.at += 3;
        }
    }

    pub(super) fn eat_null(&mut self) -> bool {
        let null = self.bytes.get(self.at) == Some(&0xf6);
        self.at += usize::from(null);
        null
    }

    /// Returns whether there is another element, and counts it.
    pub(super) fn more(&mut self, left: &mut Left) -> Decoded<bool> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                self.skip_self_description();
                Ok(true)
            }
            None if self.peek()? == 0xff => {
                self.at += 1;
                *left = Some(0);
                Ok(false)
            }
            None => {
                self.skip_self_description();
                Ok(true)
            }
        }
    }

    pub(super) fn next(&mut self, left: &mut Left) -> Decoded<()> {
        if self.more(left)? {
            return Ok(());
        }
        self.fail("an array is too short")
    }

    pub(super) fn end(&mut self, left: &mut Left) -> Decoded<()> {
        if self.more(left)? {
            return self.fail("an array is too long");
        }
        Ok(())
    }

    pub(super) fn string(&mut self, kind: u8, expected: &'static str) -> Decoded<Cow<'a, [u8]>> {
        let (major, length) = self.head()?;
        if major != kind {
            return self.fail(expected);
        }
        match length {
            Some(length) => self.take(length).map(Cow::Borrowed),
            None => self.chunks(kind, expected).map(Cow::Owned),
        }
    }

    /// A string of indefinite length is a sequence of definite ones.
    pub(super) fn chunks(&mut self, kind: u8, expected: &'static str) -> Decoded<Vec<u8>> {
        let mut whole = Vec::new();
        while self.peek()? != 0xff {
            match self.head()? {
                (major, Some(length)) if major == kind => whole.extend(self.take(length)?),
                _ => return self.fail(expected),
            }
        }
        self.at += 1;
        Ok(whole)
    }

    pub(super) fn text(&mut self) -> Decoded<Name> {
        let bytes = self.string(major::TEXT, "expected a text")?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(self.intern(text)),
            Err(_) => self.fail("a text is not UTF-8"),
        }
    }

    pub(super) fn intern(&mut self, text: &str) -> Name {
        let names = &mut self.repeated.names;
        if let Some(known) = names.get(text) {
            return Name::clone(known);
        }
        let name = Name::from(text);
        names.insert(Name::clone(&name));
        name
    }

    pub(super) fn unsigned(&mut self) -> Decoded<u64> {
        match self.integer()? {
            number if !number.is_negative() => match number.magnitude().to_u64() {
                Some(small) => Ok(small),
                None => self.fail("a number is too large"),
            },
            _ => self.fail("a number is negative"),
        }
    }

    pub(super) fn small(&mut self) -> Decoded<u8> {
        match u8::try_from(self.unsigned()?) {
            Ok(small) => Ok(small),
            Err(_) => self.fail("a number is too large"),
        }
    }

    pub(super) fn integer(&mut self) -> Decoded<Integer> {
        let (major, argument) = self.head()?;
        Ok(match (major, argument) {
            (major::UNSIGNED, Some(n)) => Integer::new(false, Natural::Small(n)),
            (major::NEGATIVE, Some(n)) => Integer::new(true, Natural::Small(n).plus(&Natural::ONE)),
            (major::TAG, Some(2)) => Integer::new(false, self.big()?),
            (major::TAG, Some(3)) => Integer::new(true, self.big()?.plus(&Natural::ONE)),
            _ => return self.fail("expected a number"),
        })
    }

    pub(super) fn big(&mut self) -> Decoded<Natural> {
        let bytes = self.string(major::BYTES, "expected the bytes of a number")?;
        Ok(Natural::from_bytes(&bytes))
    }

    pub(super) fn boolean(&mut self) -> Decoded<bool> {
        match self.head()? {
            (major::SIMPLE, Some(20)) => Ok(false),
            (major::SIMPLE, Some(21)) => Ok(true),
            _ => self.fail("expected a boolean"),
        }
    }
}
