//! The binary form of expressions: CBOR, as the standard defines it.
//!
//! The semantic hash is the sha256 of the binary form of the α-β-normal form,
//! so these bytes are identities: the encoder always takes the shortest form
//! that the standard has for a value. The decoder takes every form that CBOR
//! has, and refuses what is not an expression.

mod decode;
mod encode;

pub(crate) use decode::{Repeated, decode, decode_part, record_extents, record_type_extents};
pub(crate) use encode::encode;

/// The first element of an array: what kind of expression it is.
mod tag {
    pub(super) const APPLY: u64 = 0;
    pub(super) const LAMBDA: u64 = 1;
    pub(super) const PI: u64 = 2;
    pub(super) const OPERATOR: u64 = 3;
    pub(super) const LIST: u64 = 4;
    pub(super) const SOME: u64 = 5;
    pub(super) const MERGE: u64 = 6;
    pub(super) const RECORD_TYPE: u64 = 7;
    pub(super) const RECORD: u64 = 8;
    pub(super) const FIELD: u64 = 9;
    pub(super) const PROJECT: u64 = 10;
    pub(super) const UNION: u64 = 11;
    pub(super) const IF: u64 = 14;
    pub(super) const NATURAL: u64 = 15;
    pub(super) const INTEGER: u64 = 16;
    pub(super) const TEXT: u64 = 18;
    pub(super) const ASSERT: u64 = 19;
    pub(super) const IMPORT: u64 = 24;
    pub(super) const LET: u64 = 25;
    pub(super) const ANNOTATION: u64 = 26;
    pub(super) const TO_MAP: u64 = 27;
    pub(super) const EMPTY_LIST: u64 = 28;
    pub(super) const WITH: u64 = 29;
    pub(super) const DATE: u64 = 30;
    pub(super) const TIME: u64 = 31;
    pub(super) const TIME_ZONE: u64 = 32;
    pub(super) const BYTES: u64 = 33;
    pub(super) const SHOW_CONSTRUCTOR: u64 = 34;
    /// The operator code of `::`, which is not an operator elsewhere.
    pub(super) const COMPLETE: u64 = 13;
}

/// The major types of CBOR.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}
