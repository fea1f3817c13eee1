//! Expressions to bytes.

use crate::binary::{major, tag};
use crate::builtin::Builtin;
use crate::limits::{Stop, check_stack};
use crate::number::{Integer, Natural};
use crate::scope::Name;
use crate::syntax::{Binding, Expr, Import, Kind, Mode, Op, Prefix, Remote, Step, Target, Var};
use crate::temporal::{Date, Time, TimeZone};

/// Returns the binary form of an expression.
pub(crate) fn encode(expression: &Expr) -> Result<Vec<u8>, Stop> {
    let mut encoder = Encoder { out: Vec::new() };
    encoder.expression(expression)?;
    Ok(encoder.out)
}

struct Encoder {
    out: Vec<u8>,
}

type Encoded = Result<(), Stop>;

impl Encoder {
    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let bytes = value.to_be_bytes();
        match value {
            // The value fits where the length of a longer one would stand.
            0..=23 => self.out.push(major | bytes[7]),
            24..=0xff => self.out.extend([major | 24, bytes[7]]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend(&bytes[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend(&bytes[4..]);
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend(bytes);
            }
        }
    }

    fn unsigned(&mut self, value: u64) {
        self.head(major::UNSIGNED, value);
    }

    fn text(&mut self, text: &str) {
        self.head(major::TEXT, text.len() as u64);
        self.out.extend(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.head(major::BYTES, bytes.len() as u64);
        self.out.extend(bytes);
    }

    fn null(&mut self) {
        self.out.push(0xf6);
    }

    fn boolean(&mut self, value: bool) {
        self.out.push(if value { 0xf5 } else { 0xf4 });
    }

    /// The beginning of an array of `length` elements after its tag.
    fn array(&mut self, tag: u64, length: usize) {
        self.head(major::ARRAY, length as u64 + 1);
        self.unsigned(tag);
    }

    fn natural(&mut self, number: &Natural) {
        match number.to_u64() {
            Some(small) => self.unsigned(small),
            None => {
                self.head(major::TAG, 2);
                self.bytes(&number.to_bytes());
            }
        }
    }

    fn integer(&mut self, number: &Integer) {
        if !number.is_negative() {
            return self.natural(number.magnitude());
        }
        // CBOR stores -1 - n.
        let stored = number.magnitude().minus(&Natural::ONE);
        match stored.to_u64() {
            Some(small) => self.head(major::NEGATIVE, small),
            None => {
                self.head(major::TAG, 3);
                self.bytes(&stored.to_bytes());
            }
        }
    }

    fn double(&mut self, double: f64) {
        if double.is_nan() {
            return self.out.extend([0xf9, 0x7e, 0x00]);
        }
        // The conversion is checked to be exact.
        #[allow(clippy::cast_possible_truncation)]
        let single = double as f32;
        if f64::from(single).to_bits() != double.to_bits() {
            self.out.push(0xfb);
            self.out.extend(double.to_bits().to_be_bytes());
        } else if let Some(half) = to_half(single) {
            self.out.push(0xf9);
            self.out.extend(half.to_be_bytes());
        } else {
            self.out.push(0xfa);
            self.out.extend(single.to_bits().to_be_bytes());
        }
    }

    fn all(&mut self, expressions: &[Expr]) -> Encoded {
        expressions
            .iter()
            .try_for_each(|part| self.expression(part))
    }

    fn option(&mut self, expression: Option<&Expr>) -> Encoded {
        match expression {
            Some(expression) => self.expression(expression),
            None => {
                self.null();
                Ok(())
            }
        }
    }

    fn expression(&mut self, expression: &Expr) -> Encoded {
        check_stack()?;
        match expression.kind() {
            Kind::Var(var) => self.variable(var),
            Kind::App(function, arguments) => {
                self.array(tag::APPLY, arguments.len() + 1);
                self.expression(function)?;
                self.all(arguments)?;
            }
            Kind::Lambda(name, domain, body) => self.binder(tag::LAMBDA, name, domain, body)?,
            Kind::Pi(name, domain, body) => self.binder(tag::PI, name, domain, body)?,
            Kind::Op(op, operands) => self.chain(*op, operands)?,
            Kind::List(items) => {
                self.array(tag::LIST, items.len() + 1);
                self.null();
                self.all(items)?;
            }
            Kind::EmptyList(ty) => match ty.kind() {
                Kind::App(function, arguments)
                    if arguments.len() == 1
                        && matches!(function.kind(), Kind::Builtin(Builtin::List)) =>
                {
                    self.array(tag::LIST, 1);
                    self.all(arguments)?;
                }
                _ => self.tagged(tag::EMPTY_LIST, &[ty])?,
            },
            Kind::Some(inner) => {
                self.array(tag::SOME, 2);
                self.null();
                self.expression(inner)?;
            }
            Kind::Merge(a, b, None) => self.tagged(tag::MERGE, &[a, b])?,
            Kind::Merge(a, b, Some(ty)) => self.tagged(tag::MERGE, &[a, b, ty])?,
            Kind::ToMap(record, None) => self.tagged(tag::TO_MAP, &[record])?,
            Kind::ToMap(record, Some(ty)) => self.tagged(tag::TO_MAP, &[record, ty])?,
            Kind::ShowConstructor(union) => self.tagged(tag::SHOW_CONSTRUCTOR, &[union])?,
            Kind::RecordType(fields) => self.fields(tag::RECORD_TYPE, fields)?,
            Kind::Record(fields) => self.fields(tag::RECORD, fields)?,
            Kind::Union(alternatives) => {
                self.array(tag::UNION, 1);
                self.head(major::MAP, alternatives.len() as u64);
                for (name, ty) in alternatives {
                    self.text(name);
                    self.option(ty.as_ref())?;
                }
            }
            Kind::Field(record, name, _) => {
                self.array(tag::FIELD, 2);
                self.expression(record)?;
                self.text(name);
            }
            _ => self.form(expression)?,
        }
        Ok(())
    }

    fn tagged(&mut self, tag: u64, parts: &[&Expr]) -> Encoded {
        self.array(tag, parts.len());
        parts.iter().try_for_each(|part| self.expression(part))
    }

    fn form(&mut self, expression: &Expr) -> Encoded {
        match expression.kind() {
            Kind::Project(record, names) => {
                self.array(tag::PROJECT, names.len() + 1);
                self.expression(record)?;
                names.iter().for_each(|name| self.text(name));
            }
            Kind::ProjectType(record, ty) => {
                self.array(tag::PROJECT, 2);
                self.expression(record)?;
                self.head(major::ARRAY, 1);
                self.expression(ty)?;
            }
            Kind::Complete(schema, record) => {
                self.array(tag::OPERATOR, 3);
                self.unsigned(tag::COMPLETE);
                self.expression(schema)?;
                self.expression(record)?;
            }
            Kind::If(a, b, c) => self.tagged(tag::IF, &[a, b, c])?,
            Kind::Assert(ty) => self.tagged(tag::ASSERT, &[ty])?,
            Kind::Annot(inner, ty) => self.tagged(tag::ANNOTATION, &[inner, ty])?,
            Kind::Let(bindings, body) => self.lets(bindings, body)?,
            Kind::With(record, path, value) => {
                self.array(tag::WITH, 3);
                self.expression(record)?;
                self.head(major::ARRAY, path.len() as u64);
                for step in path {
                    match step {
                        Step::Label(name) => self.text(name),
                        Step::Optional => self.unsigned(0),
                    }
                }
                self.expression(value)?;
            }
            Kind::Text(chunks, last) => {
                self.array(tag::TEXT, chunks.len() * 2 + 1);
                for (before, chunk) in chunks {
                    self.text(before);
                    self.expression(chunk)?;
                }
                self.text(last);
            }
            Kind::Import(import) => self.import(import)?,
            kind => self.literal(kind),
        }
        Ok(())
    }

    fn literal(&mut self, kind: &Kind) {
        match kind {
            Kind::Const(known) => self.text(known.name()),
            Kind::Builtin(builtin) => self.text(builtin.name()),
            Kind::Bool(value) => self.boolean(*value),
            Kind::Natural(number) => {
                self.array(tag::NATURAL, 1);
                self.natural(number);
            }
            Kind::Integer(number) => {
                self.array(tag::INTEGER, 1);
                self.integer(number);
            }
            Kind::Double(double) => self.double(*double),
            Kind::Bytes(bytes) => {
                self.array(tag::BYTES, 1);
                self.bytes(bytes);
            }
            Kind::Date(date) => self.date(*date),
            Kind::Time(time) => self.time(time),
            Kind::TimeZone(zone) => self.time_zone(*zone),
            // A resolved import has no binary form; normal forms have none.
            _ => self.null(),
        }
    }

    fn variable(&mut self, var: &Var) {
        if &*var.name != "_" {
            self.head(major::ARRAY, 2);
            self.text(&var.name);
        }
        self.unsigned(var.index);
    }

    fn binder(&mut self, tag: u64, name: &Name, domain: &Expr, body: &Expr) -> Encoded {
        let named = &**name != "_";
        self.array(tag, if named { 3 } else { 2 });
        if named {
            self.text(name);
        }
        self.expression(domain)?;
        self.expression(body)
    }

    /// A chain is grouped to the left: all heads come first.
    fn chain(&mut self, op: Op, operands: &[Expr]) -> Encoded {
        let code = Op::ALL.iter().position(|known| *known == op);
        for _ in 1..operands.len() {
            self.array(tag::OPERATOR, 3);
            self.unsigned(code.unwrap_or_default() as u64);
        }
        self.all(operands)
    }

    fn fields(&mut self, tag: u64, fields: &[(Name, Expr)]) -> Encoded {
        self.array(tag, 1);
        self.head(major::MAP, fields.len() as u64);
        for (name, value) in fields {
            self.text(name);
            self.expression(value)?;
        }
        Ok(())
    }

    /// Adjacent `let`s are one array, however they were written.
    fn lets(&mut self, bindings: &[Binding], body: &Expr) -> Encoded {
        let mut chain = vec![bindings];
        let mut body = body;
        while let Kind::Let(more, inner) = body.kind() {
            chain.push(more);
            body = inner;
        }
        let count: usize = chain.iter().map(|bindings| bindings.len()).sum();
        self.array(tag::LET, count * 3 + 1);
        for binding in chain.into_iter().flatten() {
            self.text(&binding.name);
            self.option(binding.annotation.as_ref())?;
            self.expression(&binding.value)?;
        }
        self.expression(body)
    }

    fn date(&mut self, date: Date) {
        self.array(tag::DATE, 3);
        self.unsigned(date.year.into());
        self.unsigned(date.month.into());
        self.unsigned(date.day.into());
    }

    fn time(&mut self, time: &Time) {
        self.array(tag::TIME, 3);
        self.unsigned(time.hour.into());
        self.unsigned(time.minute.into());
        // A decimal fraction: [exponent, mantissa].
        self.head(major::TAG, 4);
        self.head(major::ARRAY, 2);
        match time.precision {
            0 => self.unsigned(0),
            precision => self.head(major::NEGATIVE, u64::from(precision) - 1),
        }
        self.natural(&time.mantissa);
    }

    fn time_zone(&mut self, zone: TimeZone) {
        self.array(tag::TIME_ZONE, 3);
        self.boolean(!zone.negative);
        self.unsigned(zone.hours.into());
        self.unsigned(zone.minutes.into());
    }

    fn import(&mut self, import: &Import) -> Encoded {
        let length = match &import.target {
            Target::Missing => 0,
            Target::Env(_) => 1,
            Target::Local(_, path) => path.len(),
            Target::Remote(remote) => remote.path.len() + 3,
        };
        self.array(tag::IMPORT, length + 3);
        match &import.hash {
            None => self.null(),
            Some(hash) => {
                let multihash = [&[0x12, 0x20], &hash[..]].concat();
                self.bytes(&multihash);
            }
        }
        self.unsigned(match import.mode {
            Mode::Code => 0,
            Mode::Text => 1,
            Mode::Location => 2,
            Mode::Bytes => 3,
        });
        match &import.target {
            Target::Missing => self.unsigned(7),
            Target::Env(name) => {
                self.unsigned(6);
                self.text(name);
            }
            Target::Local(prefix, path) => {
                self.unsigned(match prefix {
                    Prefix::Absolute => 2,
                    Prefix::Here => 3,
                    Prefix::Parent => 4,
                    Prefix::Home => 5,
                });
                path.iter().for_each(|component| self.text(component));
            }
            Target::Remote(remote) => self.remote(remote)?,
        }
        Ok(())
    }

    fn remote(&mut self, remote: &Remote) -> Encoded {
        self.unsigned(remote.https.into());
        self.option(remote.headers.as_ref())?;
        self.text(&remote.authority);
        remote
            .path
            .iter()
            .for_each(|component| self.text(component));
        match &remote.query {
            Some(query) => self.text(query),
            None => self.null(),
        }
        Ok(())
    }
}

/// Returns the half-precision form of a number, if that is exact.
fn to_half(single: f32) -> Option<u16> {
    let bits = single.to_bits();
    let sign = u16::try_from(bits >> 16 & 0x8000).ok()?;
    let exponent = i32::try_from(bits >> 23 & 0xff).ok()? - 127;
    let mantissa = bits & 0x7f_ffff;
    let magnitude = match exponent {
        128 if mantissa == 0 => 0x7c00,
        -127 if mantissa == 0 => 0,
        -14..=15 if mantissa.trailing_zeros() >= 13 => {
            let exponent = u32::try_from(exponent + 15).ok()?;
            exponent << 10 | mantissa >> 13
        }
        // Below the normal range the leading one is written out.
        -24..=-15 => {
            let whole = mantissa | 0x80_0000;
            let shift = u32::try_from(-exponent - 1).ok()?;
            if whole.trailing_zeros() < shift {
                return None;
            }
            whole >> shift
        }
        _ => return None,
    };
    Some(sign | u16::try_from(magnitude).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact_or_nothing() {
        let known = [
            (0.0, Some(0x0000)),
            (-0.0, Some(0x8000)),
            (1.0, Some(0x3c00)),
            (1.5, Some(0x3e00)),
            (65504.0, Some(0x7bff)),
            (f32::INFINITY, Some(0x7c00)),
            (5.960_464_5e-8, Some(0x0001)),
            (6.103_515_6e-5, Some(0x0400)),
            (-4.0, Some(0xc400)),
            (65505.0, None),
            (100_000.0, None),
            (0.1, None),
            (2.980_232_2e-8, None),
        ];
        for (single, half) in known {
            assert_eq!(to_half(single), half, "{single}");
        }
    }
}
