//! Bytes to expressions.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::binary::{major, tag};
use crate::builtin::{Builtin, Const};
use crate::limits::check_stack;
use crate::number::{Integer, Natural};
use crate::scope::{Name, Scope, underscore};
use crate::syntax::{
    Binding, Expr, Import, Kind, Mode, Op, Prefix, Remote, Span, Step, Target, Var,
};
use crate::temporal::{Date, Time, TimeZone};

/// Why bytes are not an expression, and where.
#[derive(Debug, thiserror::Error)]
#[error("byte {at}: {message}")]
pub(crate) struct DecodeProblem {
    at: usize,
    message: &'static str,
}

type Decoded<T> = Result<T, DecodeProblem>;

/// Decodes the binary form of one expression.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<Expr> {
    let mut decoder = Decoder {
        bytes,
        at: 0,
        scope: Scope::default(),
        closed: FxHashMap::default(),
        names: FxHashSet::default(),
    };
    let expression = decoder.expression()?;
    if decoder.at != bytes.len() {
        return decoder.fail("there are bytes after the expression");
    }
    Ok(expression)
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    scope: Scope,
    /// Closed expressions by their bytes: a normal form repeats its types, and
    /// what is one node is checked and evaluated once.
    closed: FxHashMap<&'a [u8], Expr>,
    names: FxHashSet<Name>,
}

/// The longest expression, in bytes, that is shared.
const SHARED: usize = 8192;

/// How many elements of an array or a map are left; `None` if a mark ends it.
type Left = Option<u64>;

/// What an array begins with.
enum First {
    Tag(u64),
    Name(Name),
}

impl<'a> Decoder<'a> {
    fn fail<T>(&self, message: &'static str) -> Decoded<T> {
        Err(DecodeProblem {
            at: self.at,
            message,
        })
    }

    fn peek(&self) -> Decoded<u8> {
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None => self.fail("the bytes end too early"),
        }
    }

    fn take(&mut self, length: u64) -> Decoded<&'a [u8]> {
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

    fn number(&mut self, length: u64) -> Decoded<u64> {
        let bytes = self.take(length)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Reads the beginning of an item: its major type and its argument, which
    /// is `None` for one of indefinite length.
    fn head(&mut self) -> Decoded<(u8, Option<u64>)> {
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
    fn skip_self_description(&mut self) {
        while self.bytes[self.at..].starts_with(&[0xd9, 0xd9, 0xf7]) {
            self.at += 3;
        }
    }

    fn eat_null(&mut self) -> bool {
        let null = self.bytes.get(self.at) == Some(&0xf6);
        self.at += usize::from(null);
        null
    }

    /// Returns whether there is another element, and counts it.
    fn more(&mut self, left: &mut Left) -> Decoded<bool> {
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

    fn next(&mut self, left: &mut Left) -> Decoded<()> {
        if self.more(left)? {
            return Ok(());
        }
        self.fail("an array is too short")
    }

    fn end(&mut self, left: &mut Left) -> Decoded<()> {
        if self.more(left)? {
            return self.fail("an array is too long");
        }
        Ok(())
    }

    fn string(&mut self, kind: u8, expected: &'static str) -> Decoded<Cow<'a, [u8]>> {
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
    fn chunks(&mut self, kind: u8, expected: &'static str) -> Decoded<Vec<u8>> {
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

    fn text(&mut self) -> Decoded<Name> {
        let bytes = self.string(major::TEXT, "expected a text")?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(self.intern(text)),
            Err(_) => self.fail("a text is not UTF-8"),
        }
    }

    fn intern(&mut self, text: &str) -> Name {
        if let Some(known) = self.names.get(text) {
            return Name::clone(known);
        }
        let name = Name::from(text);
        self.names.insert(Name::clone(&name));
        name
    }

    fn unsigned(&mut self) -> Decoded<u64> {
        match self.integer()? {
            number if !number.is_negative() => match number.magnitude().to_u64() {
                Some(small) => Ok(small),
                None => self.fail("a number is too large"),
            },
            _ => self.fail("a number is negative"),
        }
    }

    fn small(&mut self) -> Decoded<u8> {
        match u8::try_from(self.unsigned()?) {
            Ok(small) => Ok(small),
            Err(_) => self.fail("a number is too large"),
        }
    }

    fn integer(&mut self) -> Decoded<Integer> {
        let (major, argument) = self.head()?;
        Ok(match (major, argument) {
            (major::UNSIGNED, Some(n)) => Integer::new(false, Natural::Small(n)),
            (major::NEGATIVE, Some(n)) => Integer::new(true, Natural::Small(n).plus(&Natural::ONE)),
            (major::TAG, Some(2)) => Integer::new(false, self.big()?),
            (major::TAG, Some(3)) => Integer::new(true, self.big()?.plus(&Natural::ONE)),
            _ => return self.fail("expected a number"),
        })
    }

    fn big(&mut self) -> Decoded<Natural> {
        let bytes = self.string(major::BYTES, "expected the bytes of a number")?;
        Ok(Natural::from_bytes(&bytes))
    }

    fn boolean(&mut self) -> Decoded<bool> {
        match self.head()? {
            (major::SIMPLE, Some(20)) => Ok(false),
            (major::SIMPLE, Some(21)) => Ok(true),
            _ => self.fail("expected a boolean"),
        }
    }

    fn expression(&mut self) -> Decoded<Expr> {
        if check_stack().is_err() {
            return self.fail("this nests too deeply");
        }
        self.skip_self_description();
        let start = self.at;
        let kind = match self.peek()? >> 5 {
            major::UNSIGNED | major::TAG => {
                let index = self.unsigned()?;
                self.variable(underscore(), index)
            }
            major::TEXT => self.named()?,
            major::SIMPLE => self.simple()?,
            major::ARRAY => {
                let (_, mut left) = self.head()?;
                self.array(&mut left)?
            }
            _ => return self.fail("this is not an expression"),
        };
        Ok(self.share(start, Expr::made(kind)))
    }

    /// Returns the node that was already made of the same bytes, if any.
    fn share(&mut self, start: usize, expression: Expr) -> Expr {
        let bytes = &self.bytes[start..self.at];
        if !expression.is_closed() || bytes.len() > SHARED {
            return expression;
        }
        self.closed.entry(bytes).or_insert(expression).clone()
    }

    fn variable(&self, name: Name, index: u64) -> Kind {
        Kind::Var(Var::resolve(name, index, &self.scope))
    }

    fn named(&mut self) -> Decoded<Kind> {
        let name = self.text()?;
        Ok(match &*name {
            "Type" => Kind::Const(Const::Type),
            "Kind" => Kind::Const(Const::Kind),
            "Sort" => Kind::Const(Const::Sort),
            name => match Builtin::from_name(name) {
                Some(builtin) => Kind::Builtin(builtin),
                None => return self.fail("this is not the name of a builtin"),
            },
        })
    }

    fn simple(&mut self) -> Decoded<Kind> {
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

    fn first(&mut self) -> Decoded<First> {
        if self.peek()? >> 5 == major::TEXT {
            return self.text().map(First::Name);
        }
        self.unsigned().map(First::Tag)
    }

    fn array(&mut self, left: &mut Left) -> Decoded<Kind> {
        self.next(left)?;
        let tag = match self.first()? {
            First::Tag(tag) => tag,
            First::Name(name) if &*name == "_" => {
                return self.fail("a variable named `_` is a plain number");
            }
            First::Name(name) => {
                self.next(left)?;
                let index = self.unsigned()?;
                self.end(left)?;
                return Ok(self.variable(name, index));
            }
        };
        let kind = match tag {
            tag::APPLY => self.application(left)?,
            tag::LAMBDA => {
                let (name, domain, body) = self.binder(left)?;
                Kind::Lambda(name, domain, body)
            }
            tag::PI => {
                let (name, domain, body) = self.binder(left)?;
                Kind::Pi(name, domain, body)
            }
            tag::OPERATOR => self.operator(left)?,
            tag::LIST => self.list(left)?,
            tag::EMPTY_LIST => Kind::EmptyList(self.part(left)?),
            tag::SOME => {
                self.next(left)?;
                if !self.eat_null() {
                    return self.fail("expected null");
                }
                Kind::Some(self.part(left)?)
            }
            tag::MERGE => Kind::Merge(self.part(left)?, self.part(left)?, self.rest(left)?),
            tag::TO_MAP => Kind::ToMap(self.part(left)?, self.rest(left)?),
            tag::SHOW_CONSTRUCTOR => Kind::ShowConstructor(self.part(left)?),
            tag::IF => Kind::If(self.part(left)?, self.part(left)?, self.part(left)?),
            tag::ASSERT => Kind::Assert(self.part(left)?),
            tag::ANNOTATION => Kind::Annot(self.part(left)?, self.part(left)?),
            tag::LET => self.lets(left)?,
            tag::RECORD_TYPE => Kind::RecordType(self.fields(left)?),
            tag::RECORD => Kind::Record(self.fields(left)?),
            tag::UNION => self.union(left)?,
            tag::FIELD => {
                let record = self.part(left)?;
                self.next(left)?;
                Kind::Field(record, self.text()?, Span::NONE)
            }
            tag::PROJECT => self.projection(left)?,
            tag::WITH => self.with(left)?,
            tag::IMPORT => self.import(left)?,
            other => self.literal(other, left)?,
        };
        self.end(left)?;
        Ok(kind)
    }

    fn part(&mut self, left: &mut Left) -> Decoded<Expr> {
        self.next(left)?;
        self.expression()
    }

    /// The last element, if there is one.
    fn rest(&mut self, left: &mut Left) -> Decoded<Option<Expr>> {
        if !self.more(left)? {
            return Ok(None);
        }
        self.expression().map(Some)
    }

    fn application(&mut self, left: &mut Left) -> Decoded<Kind> {
        let function = self.part(left)?;
        let mut arguments = vec![self.part(left)?];
        while let Some(argument) = self.rest(left)? {
            arguments.push(argument);
        }
        // A function that is itself an application is one longer application.
        Ok(match function.kind() {
            Kind::App(head, first) => {
                let mut all = first.clone();
                all.append(&mut arguments);
                Kind::App(head.clone(), all)
            }
            _ => Kind::App(function, arguments),
        })
    }

    fn binder(&mut self, left: &mut Left) -> Decoded<(Name, Expr, Expr)> {
        self.next(left)?;
        // Three parts have a name; with an open end, the name is what tells.
        let named = match left {
            Some(count) => *count == 2,
            None => self.is_name()?,
        };
        let name = if named {
            let name = self.text()?;
            self.next(left)?;
            name
        } else {
            underscore()
        };
        if named && &*name == "_" {
            return self.fail("a binder named `_` has no name");
        }
        let domain = self.expression()?;
        self.next(left)?;
        self.scope.push(&name);
        let body = self.expression();
        self.scope.pop();
        Ok((name, domain, body?))
    }

    /// Returns whether a text that is not the name of a builtin is next.
    fn is_name(&mut self) -> Decoded<bool> {
        let at = self.at;
        let name = self.peek()? >> 5 == major::TEXT && {
            let text = self.text()?;
            Builtin::from_name(&text).is_none() && !matches!(&*text, "Type" | "Kind" | "Sort")
        };
        self.at = at;
        Ok(name)
    }

    /// A chain is grouped to the left; it is read without recursion.
    fn operator(&mut self, left: &mut Left) -> Decoded<Kind> {
        self.next(left)?;
        let code = self.unsigned()?;
        if code == tag::COMPLETE {
            return Ok(Kind::Complete(self.part(left)?, self.part(left)?));
        }
        let op = usize::try_from(code)
            .ok()
            .and_then(|code| Op::ALL.get(code));
        let Some(op) = op else {
            return self.fail("there is no such operator");
        };
        self.next(left)?;
        let same = [0x84, 0x03, u8::try_from(code).unwrap_or(u8::MAX)];
        let mut inner = 0_u64;
        while self.bytes[self.at..].starts_with(&same) {
            self.at += same.len();
            inner += 1;
        }
        let mut operands = vec![self.expression()?];
        for _ in 0..inner {
            operands.push(self.expression()?);
        }
        operands.push(self.part(left)?);
        Ok(Kind::Op(*op, operands))
    }

    fn list(&mut self, left: &mut Left) -> Decoded<Kind> {
        self.next(left)?;
        if !self.eat_null() {
            let list = Expr::made(Kind::Builtin(Builtin::List));
            let ty = Expr::apply(list, vec![self.expression()?], Span::NONE);
            return Ok(Kind::EmptyList(ty));
        }
        let mut items = Vec::new();
        while let Some(item) = self.rest(left)? {
            items.push(item);
        }
        if items.is_empty() {
            return self.fail("an empty list needs a type");
        }
        Ok(Kind::List(items))
    }

    fn lets(&mut self, left: &mut Left) -> Decoded<Kind> {
        let mut bindings = Vec::new();
        let body = self.let_chain(left, &mut bindings);
        for _ in &bindings {
            self.scope.pop();
        }
        let body = body?;
        if bindings.is_empty() {
            return self.fail("a `let` binds nothing");
        }
        Ok(Kind::Let(bindings, body))
    }

    fn let_chain(&mut self, left: &mut Left, bindings: &mut Vec<Binding>) -> Decoded<Expr> {
        loop {
            self.next(left)?;
            let body = match left {
                Some(count) => *count == 0,
                None => !self.is_name()?,
            };
            if body {
                return self.expression();
            }
            let name = self.text()?;
            self.next(left)?;
            let annotation = match self.eat_null() {
                true => None,
                false => Some(self.expression()?),
            };
            let value = self.part(left)?;
            self.scope.push(&name);
            bindings.push(Binding {
                name,
                annotation,
                value,
                name_span: Span::NONE,
            });
        }
    }

    fn map(&mut self, left: &mut Left) -> Decoded<Left> {
        self.next(left)?;
        match self.head()? {
            (major::MAP, length) => Ok(length),
            _ => self.fail("expected a map"),
        }
    }

    fn fields(&mut self, left: &mut Left) -> Decoded<Vec<(Name, Expr)>> {
        let mut entries = self.map(left)?;
        let mut fields = Vec::new();
        while self.more(&mut entries)? {
            fields.push((self.text()?, self.expression()?));
        }
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(fields)
    }

    fn union(&mut self, left: &mut Left) -> Decoded<Kind> {
        let mut entries = self.map(left)?;
        let mut alternatives = Vec::new();
        while self.more(&mut entries)? {
            let name = self.text()?;
            let ty = match self.eat_null() {
                true => None,
                false => Some(self.expression()?),
            };
            alternatives.push((name, ty));
        }
        alternatives.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Kind::Union(alternatives))
    }

    fn projection(&mut self, left: &mut Left) -> Decoded<Kind> {
        let record = self.part(left)?;
        let mut names = Vec::new();
        while self.more(left)? {
            if names.is_empty() && self.peek()? >> 5 == major::ARRAY {
                let (_, mut inner) = self.head()?;
                let ty = self.part(&mut inner)?;
                self.end(&mut inner)?;
                return Ok(Kind::ProjectType(record, ty));
            }
            names.push(self.text()?);
        }
        Ok(Kind::Project(record, names))
    }

    fn with(&mut self, left: &mut Left) -> Decoded<Kind> {
        let record = self.part(left)?;
        self.next(left)?;
        let (major, mut steps) = self.head()?;
        if major != major::ARRAY {
            return self.fail("expected a path");
        }
        let mut path = Vec::new();
        while self.more(&mut steps)? {
            if self.peek()? >> 5 == major::TEXT {
                path.push(Step::Label(self.text()?));
            } else if self.unsigned()? == 0 {
                path.push(Step::Optional);
            } else {
                return self.fail("this is not a component of a path");
            }
        }
        if path.is_empty() {
            return self.fail("a path is empty");
        }
        Ok(Kind::With(record, path, self.part(left)?))
    }

    fn literal(&mut self, tag: u64, left: &mut Left) -> Decoded<Kind> {
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

    fn text_literal(&mut self, left: &mut Left) -> Decoded<Kind> {
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

    fn time(&mut self, left: &mut Left) -> Decoded<Kind> {
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

    fn import(&mut self, left: &mut Left) -> Decoded<Kind> {
        self.next(left)?;
        let hash = match self.eat_null() {
            true => None,
            false => {
                let multihash = self.string(major::BYTES, "expected a hash")?;
                let sha256 = multihash.strip_prefix(&[0x12, 0x20]);
                match sha256.and_then(|hash| <[u8; 32]>::try_from(hash).ok()) {
                    Some(hash) => Some(hash),
                    None => return self.fail("this is not a sha256"),
                }
            }
        };
        self.next(left)?;
        let mode = match self.unsigned()? {
            0 => Mode::Code,
            1 => Mode::Text,
            2 => Mode::Location,
            3 => Mode::Bytes,
            _ => return self.fail("there is no such way to import"),
        };
        self.next(left)?;
        let scheme = self.unsigned()?;
        let target = match scheme {
            0 | 1 => Target::Remote(Box::new(self.remote(scheme == 1, left)?)),
            2 => Target::Local(Prefix::Absolute, self.path(left)?),
            3 => Target::Local(Prefix::Here, self.path(left)?),
            4 => Target::Local(Prefix::Parent, self.path(left)?),
            5 => Target::Local(Prefix::Home, self.path(left)?),
            6 => {
                self.next(left)?;
                Target::Env(self.text()?)
            }
            7 => Target::Missing,
            _ => return self.fail("there is no such kind of import"),
        };
        Ok(Kind::Import(Box::new(Import { target, mode, hash })))
    }

    fn path(&mut self, left: &mut Left) -> Decoded<Vec<Name>> {
        let mut path = Vec::new();
        while self.more(left)? {
            path.push(self.text()?);
        }
        if path.is_empty() {
            return self.fail("a path is empty");
        }
        Ok(path)
    }

    fn remote(&mut self, https: bool, left: &mut Left) -> Decoded<Remote> {
        self.next(left)?;
        let headers = match self.eat_null() {
            true => None,
            false => Some(self.expression()?),
        };
        self.next(left)?;
        let authority = self.text()?;
        let mut path = Vec::new();
        let mut query = None;
        let mut ended = false;
        while self.more(left)? {
            if ended {
                return self.fail("a URL is too long");
            }
            ended = self.eat_null();
            if !ended {
                path.push(self.text()?);
            }
        }
        if !ended {
            query = path.pop();
        }
        if path.is_empty() {
            return self.fail("a URL has no path");
        }
        Ok(Remote {
            https,
            authority,
            path,
            query,
            headers,
        })
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
