//! Numbers, bytes, dates and times.

use crate::limits::Limits;
use crate::number::{Integer, Natural};
use crate::parse::{Parsed, Parser};
use crate::problem::Problem;
use crate::syntax::{Expr, Kind, Span};
use crate::temporal::{Date, Time, TimeZone};

impl Parser<'_> {
    /// A literal that begins with a digit or a sign.
    pub(super) fn number(&mut self, start: u32) -> Parsed<Expr> {
        if let Some(expression) = self.temporal(start)? {
            return Ok(expression);
        }
        if self.at("0x\"") {
            return self.bytes_literal(start);
        }
        let signed = matches!(self.peek(), b'+' | b'-');
        let negative = self.peek() == b'-';
        let kind = if self.at("-Infinity") {
            self.advance(9);
            Kind::Double(f64::NEG_INFINITY)
        } else if let Some(length) = self.double_ahead(usize::from(signed)) {
            self.double(length)?
        } else {
            self.advance(usize::from(signed));
            let natural = self.natural_literal()?;
            let natural = natural.ok_or_else(|| self.unexpected("a number"))?;
            if signed {
                Kind::Integer(Integer::new(negative, natural))
            } else {
                Kind::Natural(natural)
            }
        };
        if self.peek().is_ascii_digit() {
            let problem = Problem::new(self.span_from(start), "a number does not begin with 0");
            return Err(problem.hint("remove the leading zeros"));
        }
        Ok(Expr::new(kind, self.span_from(start)))
    }

    fn digits_at(&self, ahead: usize) -> usize {
        let rest = self.bytes.get(self.position + ahead..).unwrap_or_default();
        let end = rest.iter().position(|byte| !byte.is_ascii_digit());
        end.unwrap_or(rest.len())
    }

    /// Returns the length of the double literal here, if it is one.
    fn double_ahead(&self, sign: usize) -> Option<usize> {
        let mut length = sign + self.digits_at(sign);
        let mut is_double = false;
        if self.peek_at(length) == b'.' && self.peek_at(length + 1).is_ascii_digit() {
            length += 1 + self.digits_at(length + 1);
            is_double = true;
        }
        if matches!(self.peek_at(length), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek_at(length + 1), b'+' | b'-'));
            let digits = self.digits_at(length + 1 + sign);
            if digits > 0 {
                length += 1 + sign + digits;
                is_double = true;
            }
        }
        is_double.then_some(length)
    }

    fn double(&mut self, length: usize) -> Parsed<Kind> {
        let text = &self.text[self.position..self.position + length];
        let start = self.mark();
        self.advance(length);
        match text.parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(Kind::Double(double)),
            _ => Err(Problem::new(
                self.span_from(start),
                "this number is out of the range of a `Double`",
            )),
        }
    }

    /// Parses a natural number; `None` if there is none.
    pub(super) fn natural_literal(&mut self) -> Parsed<Option<Natural>> {
        let (prefix, radix) = match (self.peek(), self.peek_at(1)) {
            (b'0', b'x') => (2, 16),
            (b'0', b'b') => (2, 2),
            _ => (0, 10),
        };
        let rest = &self.bytes[self.position + prefix..];
        let end = rest
            .iter()
            .position(|byte| !char::from(*byte).is_digit(radix));
        let mut digits = &rest[..end.unwrap_or(rest.len())];
        if radix == 10 && digits.first() == Some(&b'0') {
            digits = &digits[..1];
        }
        if digits.is_empty() {
            return Ok(None);
        }
        // A decimal digit is more than 3 bits: checked before the conversion,
        // whose cost grows faster than the number.
        let start = self.mark();
        self.advance(prefix + digits.len());
        if digits.len() as u64 * 3 > Limits::default().bits {
            return Err(Problem::new(
                self.span_from(start),
                "this number is too large",
            ));
        }
        Ok(Natural::parse(digits, radix))
    }

    fn bytes_literal(&mut self, start: u32) -> Parsed<Expr> {
        self.advance(3);
        let rest = &self.bytes[self.position..];
        let end = rest.iter().position(|byte| !byte.is_ascii_hexdigit());
        let digits = &rest[..end.unwrap_or(rest.len())];
        self.advance(digits.len());
        if !self.at("\"") {
            return Err(self.unexpected("a hexadecimal digit or `\"`"));
        }
        self.advance(1);
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits);
        let bytes = bytes.map_err(|_| {
            Problem::new(self.span_from(start), "a byte has two hexadecimal digits")
                .hint("add or remove a digit")
        })?;
        Ok(Expr::new(Kind::Bytes(bytes.into()), self.span_from(start)))
    }

    /// A date, a time, a time zone, or several of them; `None` if none begins here.
    fn temporal(&mut self, start: u32) -> Parsed<Option<Expr>> {
        if matches!(self.peek(), b'+' | b'-') {
            if !self.matches("±00:00") {
                return Ok(None);
            }
            return self.time_zone().map(Some);
        }
        let mut parts = Vec::new();
        let mut timed = self.matches("00:00:00");
        if self.matches("0000-00-00") {
            parts.push(("date", self.date()?));
            if matches!(self.peek(), b'T' | b't') && self.matches("t00:00:00") {
                self.advance(1);
                timed = true;
            }
        }
        if timed {
            parts.push(("time", self.time()?));
            if self.matches("±00:00") {
                parts.push(("timeZone", self.time_zone()?));
            } else if matches!(self.peek(), b'Z' | b'z') {
                let zone = TimeZone::new(false, 0, 0).map(Kind::TimeZone);
                let at = self.here();
                self.advance(1);
                parts.extend(zone.map(|zone| ("timeZone", Expr::new(zone, at))));
            }
        }
        if parts.len() <= 1 {
            return Ok(parts.pop().map(|(_, expression)| expression));
        }
        let fields = parts
            .into_iter()
            .map(|(name, expression)| (self.intern(name), expression))
            .collect();
        Ok(Some(Expr::new(Kind::Record(fields), self.span_from(start))))
    }

    /// Matches a pattern: `0` is a digit, `±` a sign, `t` a separator.
    fn matches(&self, pattern: &str) -> bool {
        pattern.chars().enumerate().all(|(at, expected)| {
            let byte = self.peek_at(at);
            match expected {
                '0' => byte.is_ascii_digit(),
                '±' => matches!(byte, b'+' | b'-'),
                't' => matches!(byte, b'T' | b't'),
                other => char::from(byte) == other,
            }
        })
    }

    /// Reads digits that `matches` has seen.
    fn fixed(&mut self, digits: usize) -> u16 {
        let value = self.bytes[self.position..self.position + digits]
            .iter()
            .fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
        self.advance(digits);
        value
    }

    fn two_digits(&mut self) -> u8 {
        u8::try_from(self.fixed(2)).unwrap_or(u8::MAX)
    }

    fn date(&mut self) -> Parsed<Expr> {
        let start = self.mark();
        let year = self.fixed(4);
        self.advance(1);
        let month = self.two_digits();
        self.advance(1);
        let day = self.two_digits();
        let span = self.span_from(start);
        let date = Date::new(year, month, day).ok_or_else(|| no_such(span, "date"))?;
        Ok(Expr::new(Kind::Date(date), span))
    }

    fn time(&mut self) -> Parsed<Expr> {
        let start = self.mark();
        let hour = self.two_digits();
        self.advance(1);
        let minute = self.two_digits();
        self.advance(1);
        let mut digits = self.bytes[self.position..self.position + 2].to_vec();
        self.advance(2);
        let mut precision = 0;
        if self.peek() == b'.' && self.peek_at(1).is_ascii_digit() {
            precision = self.digits_at(1);
            let fraction = self.position + 1;
            digits.extend_from_slice(&self.bytes[fraction..fraction + precision]);
            self.advance(1 + precision);
        }
        let span = self.span_from(start);
        if digits.len() as u64 * 3 > Limits::default().bits {
            return Err(Problem::new(span, "this time has too many digits"));
        }
        let precision = u32::try_from(precision).unwrap_or(u32::MAX);
        let time = Time::new(hour, minute, &digits, precision);
        let time = time.ok_or_else(|| no_such(span, "time of day"))?;
        Ok(Expr::new(Kind::Time(time), span))
    }

    fn time_zone(&mut self) -> Parsed<Expr> {
        let start = self.mark();
        let negative = self.peek() == b'-';
        self.advance(1);
        let hours = self.two_digits();
        self.advance(1);
        let minutes = self.two_digits();
        let span = self.span_from(start);
        let zone = TimeZone::new(negative, hours, minutes);
        let zone = zone.ok_or_else(|| no_such(span, "time zone"))?;
        Ok(Expr::new(Kind::TimeZone(zone), span))
    }
}

fn no_such(span: Span, what: &str) -> Box<Problem> {
    Problem::new(span, format!("there is no such {what}"))
}
