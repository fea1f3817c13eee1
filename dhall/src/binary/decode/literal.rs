//! Literals.

use crate::binary::decode::item::Left;
use crate::binary::decode::{Decoded, Decoder};
use crate::binary::{major, tag};
use crate::syntax::Kind;
use crate::temporal::{Date, Time, TimeZone};

impl Decoder<'_> {
    pub(super) fn simple(&mut self) -> Decoded<Kind> {
        let width = self.peek()? & 0x1f;
        let (_, argument) = self.head()?;
        let argument = argument.unwrap_or_default();
        Ok(match (width, argument) {
            (20, _) => Kind::Bool(false),
            (21, _) => Kind::Bool(true),
            (25, half) => Kind::Double(from_half(half)),
            (26, single) => {
                let bits = u32::try_from(single).unwrap_or_default();
                Kind::Double(f64::from(f32::from_bits(bits)))
            }
            (27, double) => Kind::Double(f64::from_bits(double)),
            _ => return self.fail("this is not an expression"),
        })
    }

    pub(super) fn literal(&mut self, tag: u64, left: &mut Left) -> Decoded<Kind> {
        self.next(left)?;
        Ok(match tag {
            tag::NATURAL => match self.integer()? {
                number if number.is_negative() => return self.fail("a natural number is negative"),
                number => Kind::Natural(number.magnitude().clone()),
            },
            tag::INTEGER => Kind::Integer(self.integer()?),
            tag::BYTES => Kind::Bytes((*self.string(major::BYTES, "expected bytes")?).into()),
            tag::TEXT => self.text_literal(left)?,
            tag::DATE => {
                let year = u16::try_from(self.unsigned()?).unwrap_or(u16::MAX);
                self.next(left)?;
                let month = self.small()?;
                self.next(left)?;
                match Date::new(year, month, self.small()?) {
                    Some(date) => Kind::Date(date),
                    None => return self.fail("there is no such date"),
                }
            }
            tag::TIME => self.time(left)?,
            tag::TIME_ZONE => {
                let negative = !self.boolean()?;
                self.next(left)?;
                let hours = self.small()?;
                self.next(left)?;
                match TimeZone::new(negative, hours, self.small()?) {
                    Some(zone) => Kind::TimeZone(zone),
                    None => return self.fail("there is no such time zone"),
                }
            }
            _ => return self.fail("there is no such kind of expression"),
        })
    }

    pub(super) fn text_literal(&mut self, left: &mut Left) -> Decoded<Kind> {
        let mut chunks = Vec::new();
        loop {
            let before = self.text()?;
            let Some(chunk) = self.rest(left)? else {
                return Ok(Kind::Text(chunks, before));
            };
            chunks.push((before, chunk));
            self.next(left)?;
        }
    }

    pub(super) fn time(&mut self, left: &mut Left) -> Decoded<Kind> {
        let hour = self.small()?;
        self.next(left)?;
        let minute = self.small()?;
        self.next(left)?;
        let (tag, mut fraction) = (self.head()?, self.head()?.1);
        if tag != (major::TAG, Some(4)) {
            return self.fail("expected a decimal fraction");
        }
        self.next(&mut fraction)?;
        let exponent = self.integer()?;
        self.next(&mut fraction)?;
        let mantissa = self.integer()?;
        self.end(&mut fraction)?;
        let precision = exponent
            .magnitude()
            .to_u64()
            .filter(|digits| *digits <= 1 << 16);
        let positive = !exponent.is_negative() && !exponent.magnitude().is_zero();
        let (Some(precision), false, false) = (precision, positive, mantissa.is_negative()) else {
            return self.fail("there is no such time");
        };
        let precision = u32::try_from(precision).unwrap_or_default();
        let digits = format!(
            "{:0>width$}",
            mantissa.magnitude().to_string(),
            width = precision as usize + 2
        );
        match Time::new(hour, minute, digits.as_bytes(), precision) {
            Some(time) => Ok(Kind::Time(time)),
            None => self.fail("there is no such time"),
        }
    }
}

fn from_half(half: u64) -> f64 {
    let exponent = i32::try_from(half >> 10 & 0x1f).unwrap_or_default();
    let mantissa = f64::from(u16::try_from(half & 0x3ff).unwrap_or_default());
    let magnitude = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if half & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}
