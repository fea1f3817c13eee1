//! Dates, times and time zones: data without arithmetic.

use std::fmt;

use crate::number::Natural;

/// A day of the Gregorian calendar, years 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: u16,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

impl Date {
    /// Returns the day, if the calendar has it.
    pub(crate) fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let date = Self { year, month, day };
        (year <= 9999 && (1..=days).contains(&day)).then_some(date)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A time of day. Its seconds are `mantissa / 10^precision`: every digit that
/// was written is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) mantissa: Natural,
    pub(crate) precision: u32,
}

impl Time {
    /// Returns the time whose seconds have these decimal digits, of which the
    /// last `precision` are the fraction. `None` if there is no such time.
    pub(crate) fn new(hour: u8, minute: u8, digits: &[u8], precision: u32) -> Option<Self> {
        let whole = digits.len().checked_sub(precision as usize)?;
        let seconds = match &digits[..whole] {
            [] => 0,
            whole => Natural::parse(whole, 10)?.to_u64()?,
        };
        if hour > 23 || minute > 59 || seconds > 59 {
            return None;
        }
        Some(Self {
            hour,
            minute,
            mantissa: Natural::parse(digits, 10)?,
            precision,
        })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = self.precision as usize;
        let digits = format!(
            "{:0>width$}",
            self.mantissa.to_string(),
            width = precision + 2
        );
        let (whole, fraction) = digits.split_at(digits.len() - precision);
        write!(f, "{:02}:{:02}:{whole}", self.hour, self.minute)?;
        if fraction.is_empty() {
            return Ok(());
        }
        write!(f, ".{fraction}")
    }
}

/// An offset from UTC. `-00:00` and `+00:00` are two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeZone {
    pub(crate) negative: bool,
    pub(crate) hours: u8,
    pub(crate) minutes: u8,
}

impl TimeZone {
    /// Returns the offset, if it is less than a day.
    pub(crate) fn new(negative: bool, hours: u8, minutes: u8) -> Option<Self> {
        let zone = Self {
            negative,
            hours,
            minutes,
        };
        (hours <= 23 && minutes <= 59).then_some(zone)
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", self.hours, self.minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_has_leap_years() {
        assert!(Date::new(2000, 2, 29).is_some());
        assert!(Date::new(2024, 2, 29).is_some());
        for (year, month, day) in [
            (1900, 2, 29),
            (2023, 2, 29),
            (2023, 4, 31),
            (2023, 13, 1),
            (2023, 1, 0),
        ] {
            assert_eq!(Date::new(year, month, day), None, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn times_keep_their_digits() {
        let time = Time::new(9, 0, b"00098765432109876543210", 21).expect("valid");
        assert_eq!(time.to_string(), "09:00:00.098765432109876543210");
        assert_eq!(Time::new(0, 0, b"60", 0), None);
        assert_eq!(Time::new(24, 0, b"00", 0), None);
    }
}
