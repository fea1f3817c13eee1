//! Where the fields of a record are, without decoding them.

use std::ops::Range;

use crate::binary::{major, tag};
use crate::scope::Name;

/// Returns the names and the extents of the fields of the record that is at
/// `part` of `bytes`, sorted by name.
///
/// `None` if it is anything else, if names repeat, or if it is written in
/// another way than an encoder writes a normal form: whoever wants to know
/// more decodes it.
pub(crate) fn record_extents(
    bytes: &[u8],
    part: Range<usize>,
) -> Option<Vec<(Name, Range<usize>)>> {
    extents(bytes, part, tag::RECORD)
}

/// Returns those of a record type in the same way.
pub(crate) fn record_type_extents(
    bytes: &[u8],
    part: Range<usize>,
) -> Option<Vec<(Name, Range<usize>)>> {
    extents(bytes, part, tag::RECORD_TYPE)
}

fn extents(bytes: &[u8], part: Range<usize>, kind: u64) -> Option<Vec<(Name, Range<usize>)>> {
    let mut rest = bytes.get(part.clone())?;
    if head(&mut rest)? != (major::ARRAY, 2) || head(&mut rest)? != (major::UNSIGNED, kind) {
        return None;
    }
    let (major::MAP, count) = head(&mut rest)? else {
        return None;
    };
    let mut fields = Vec::new();
    for _ in 0..count {
        let (major::TEXT, length) = head(&mut rest)? else {
            return None;
        };
        let name = std::str::from_utf8(take(&mut rest, length)?).ok()?;
        let start = part.end - rest.len();
        skip(&mut rest)?;
        fields.push((Name::from(name), start..part.end - rest.len()));
    }
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let differ = fields.windows(2).all(|pair| pair[0].0 != pair[1].0);
    (differ && rest.is_empty()).then_some(fields)
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    rest.split_off(..usize::try_from(length).ok()?)
}

/// Reads the beginning of an item of definite length: its major type and its
/// argument.
fn head(rest: &mut &[u8]) -> Option<(u8, u64)> {
    let first = *rest.split_off_first()?;
    let argument = match first & 0x1f {
        small @ 0..=23 => u64::from(small),
        width @ 24..=27 => {
            let bytes = take(rest, 1 << (width - 24))?;
            bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
        }
        _ => return None,
    };
    Some((first >> 5, argument))
}

/// Skips an item, and all that is in it.
fn skip(rest: &mut &[u8]) -> Option<()> {
    let mut at = *rest;
    let mut left = 1_u64;
    while left > 0 {
        left -= 1;
        match head(&mut at)? {
            (major::BYTES | major::TEXT, length) => drop(take(&mut at, length)?),
            (major::ARRAY, items) => left = left.checked_add(items)?,
            (major::MAP, pairs) => left = left.checked_add(pairs.checked_mul(2)?)?,
            (major::TAG, _) => left += 1,
            _ => {}
        }
    }
    *rest = at;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binary::{Repeated, decode_part};
    use crate::print::print;

    /// `{ a = 1, bc = [ "x" ], d = { e = 2.0 } }`, with names out of order.
    const RECORD: &[u8] = b"\x82\x08\xa3\x62bc\x83\x04\xf6\x82\x12\x61x\x61a\x82\x0f\x01\
        \x61d\x82\x08\xa1\x61e\xf9\x40\x00";

    #[test]
    fn fields_are_found_and_decode_where_they_are() {
        let fields = record_extents(RECORD, 0..RECORD.len()).expect("a record");
        let mut repeated = Repeated::default();
        let shown = fields.into_iter().map(|(name, extent)| {
            let field = decode_part(RECORD, extent, &mut repeated).expect("a field");
            format!("{name} = {}", print(&field))
        });
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown, ["a = 1", "bc = [ \"x\" ]", "d = { e = 2.0 }"]);
    }

    #[test]
    fn what_is_not_plainly_a_record_is_left_alone() {
        let cut = &RECORD[..RECORD.len() - 1];
        let longer = [RECORD, b"\0"].concat();
        let twice = b"\x82\x08\xa2\x61a\x00\x61a\x01";
        let open = b"\x82\x08\xbf\x61a\x00\xff";
        let huge = b"\x82\x08\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x61a\x00";
        let long_text = b"\x82\x08\xa1\x61a\x7b\xff\xff\xff\xff\xff\xff\xff\xff";
        let record_type = b"\x82\x07\xa1\x61a\x64Bool";
        let others: [&[u8]; 8] = [cut, &longer, twice, open, huge, long_text, record_type, b""];
        for other in others {
            assert_eq!(record_extents(other, 0..other.len()), None, "{other:x?}");
        }
        let fields = record_type_extents(record_type, 0..record_type.len());
        assert_eq!(fields, Some(vec![(Name::from("a"), 5..10)]));
        assert_eq!(record_type_extents(RECORD, 0..RECORD.len()), None);
    }
}
