//! Unbounded numbers with a fast path for the small ones.

use std::fmt;

use num_bigint::BigUint;
use num_traits::{ToPrimitive as _, Zero as _};

use crate::memory::{self, Weigh};
use crate::shared::Shared;

/// An unbounded natural number. Has one representation: `Big` only above `u64::MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Natural {
    Small(u64),
    Big(Shared<BigUint>),
}

impl Weigh for BigUint {
    fn heap(&self) -> usize {
        memory::elements::<u8>(usize::try_from(self.bits() / 8).unwrap_or(usize::MAX))
    }
}

impl Natural {
    pub(crate) const ZERO: Self = Self::Small(0);
    pub(crate) const ONE: Self = Self::Small(1);

    pub(crate) fn from_big(big: BigUint) -> Self {
        match big.to_u64() {
            Some(small) => Self::Small(small),
            None => Self::Big(Shared::new(big)),
        }
    }

    /// Returns the number with these digits; `None` if one is not a digit.
    pub(crate) fn parse(digits: &[u8], radix: u32) -> Option<Self> {
        let text = std::str::from_utf8(digits).ok()?;
        match u64::from_str_radix(text, radix) {
            Ok(small) => Some(Self::Small(small)),
            Err(_) => BigUint::parse_bytes(digits, radix).map(Self::from_big),
        }
    }

    pub(crate) fn from_bytes(big_endian: &[u8]) -> Self {
        Self::from_big(BigUint::from_bytes_be(big_endian))
    }

    /// Returns the bytes, most significant first, of a number above `u64::MAX`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.to_big().to_bytes_be()
    }

    pub(crate) fn to_u64(&self) -> Option<u64> {
        match self {
            Self::Small(small) => Some(*small),
            Self::Big(_) => None,
        }
    }

    fn to_big(&self) -> BigUint {
        match self {
            Self::Small(small) => BigUint::from(*small),
            Self::Big(big) => (**big).clone(),
        }
    }

    pub(crate) fn bits(&self) -> u64 {
        match self {
            Self::Small(small) => u64::from(64 - small.leading_zeros()),
            Self::Big(big) => big.bits(),
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        matches!(self, Self::Small(0))
    }

    pub(crate) fn is_even(&self) -> bool {
        match self {
            Self::Small(small) => small % 2 == 0,
            Self::Big(big) => !big.bit(0),
        }
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(sum) = a.checked_add(*b)
        {
            return Self::Small(sum);
        }
        Self::from_big(self.to_big() + other.to_big())
    }

    pub(crate) fn times(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(product) = a.checked_mul(*b)
        {
            return Self::Small(product);
        }
        Self::from_big(self.to_big() * other.to_big())
    }

    /// Returns `self - other`, or 0 if that would be negative.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other) {
            return Self::Small(a.saturating_sub(*b));
        }
        let (a, b) = (self.to_big(), other.to_big());
        if a <= b {
            return Self::from_big(BigUint::zero());
        }
        Self::from_big(a - b)
    }

    /// Returns the nearest double; ties go to the even one.
    pub(crate) fn to_double(&self) -> f64 {
        match self {
            // Conversion rounds to the nearest, ties to even.
            #[allow(clippy::cast_precision_loss)]
            Self::Small(small) => *small as f64,
            Self::Big(big) => big.to_f64().unwrap_or(f64::INFINITY),
        }
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small(small) => small.fmt(f),
            Self::Big(big) => big.fmt(f),
        }
    }
}

/// An unbounded integer. Zero is never negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    negative: bool,
    magnitude: Natural,
}

impl Integer {
    pub(crate) fn new(negative: bool, magnitude: Natural) -> Self {
        Self {
            negative: negative && !magnitude.is_zero(),
            magnitude,
        }
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(crate) fn magnitude(&self) -> &Natural {
        &self.magnitude
    }

    pub(crate) fn negate(&self) -> Self {
        Self::new(!self.negative, self.magnitude.clone())
    }

    pub(crate) fn clamp(&self) -> Natural {
        if self.negative {
            return Natural::ZERO;
        }
        self.magnitude.clone()
    }

    pub(crate) fn to_double(&self) -> f64 {
        let magnitude = self.magnitude.to_double();
        if self.negative { -magnitude } else { magnitude }
    }

    pub(crate) fn to_i128(&self) -> Option<i128> {
        let magnitude = i128::from(self.magnitude.to_u64()?);
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

/// Shows the sign always, as Dhall writes integers.
impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { '-' } else { '+' };
        write!(f, "{sign}{}", self.magnitude)
    }
}

/// Returns a double as Dhall writes it: the shortest digits that read back as
/// the same number; plain from 0.1 up to 10 million, else with an exponent.
pub(crate) fn show_double(double: f64) -> String {
    if double.is_nan() {
        return "NaN".to_owned();
    }
    if double.is_infinite() {
        let text = if double > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        return text.to_owned();
    }
    let magnitude = double.abs();
    if magnitude == 0.0 || (0.1..1e7).contains(&magnitude) {
        return format!("{double:?}");
    }
    let text = format!("{double:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

/// Returns whether two doubles are the same value to Dhall: `NaN` is itself,
/// and the two zeros differ.
pub(crate) fn same_double(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn natural(text: &str) -> Natural {
        Natural::parse(text.as_bytes(), 10).expect("digits")
    }

    #[test]
    fn arithmetic_does_not_wrap() {
        let max = natural("18446744073709551615");
        assert_eq!(max, Natural::Small(u64::MAX));
        let sum = max.plus(&Natural::ONE);
        assert_eq!(sum.to_string(), "18446744073709551616");
        assert_eq!(sum.minus(&Natural::ONE), max);
        assert_eq!(
            max.times(&max).to_string(),
            "340282366920938463426481119284349108225"
        );
        assert_eq!(max.minus(&sum), Natural::ZERO);
        assert!(sum.is_even() && !max.is_even());
    }

    #[test]
    fn integers_have_one_zero() {
        assert_eq!(Integer::new(true, Natural::ZERO).to_string(), "+0");
        assert_eq!(Integer::new(true, natural("7")).negate().to_string(), "+7");
        assert_eq!(Integer::new(true, natural("7")).clamp(), Natural::ZERO);
    }

    #[test]
    fn big_numbers_round_to_even() {
        assert_eq!(
            natural("9007199254740993").to_double(),
            9_007_199_254_740_992.0
        );
        assert_eq!(
            natural("36893488147419111425").to_double(),
            3.689_348_814_741_911e19
        );
        assert_eq!(natural(&"9".repeat(400)).to_double(), f64::INFINITY);
    }

    #[test]
    fn doubles_are_shown_as_the_standard_does() {
        let shown = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (0.01, "1.0e-2"),
            (1e7, "1.0e7"),
            (1234567.5, "1234567.5"),
            (1.5e-9, "1.5e-9"),
            (f64::INFINITY, "Infinity"),
        ];
        for (double, text) in shown {
            assert_eq!(show_double(double), text);
        }
    }
}
