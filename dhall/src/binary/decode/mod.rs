//! Bytes to expressions.

mod extent;
mod import;
mod item;
mod literal;

use std::collections::hash_map::Entry;
use std::hash::Hasher as _;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use crate::binary::decode::item::Left;
use crate::binary::{major, tag};
use crate::builtin::{Builtin, Const};
use crate::limits::check_stack;
use crate::scope::{Name, Scope, underscore};
use crate::syntax::{Binding, Expr, Kind, Op, Span, Step, Var};

pub(crate) use extent::record_extents;

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
    decode_part(bytes, 0..bytes.len(), &mut Repeated::default())
}

/// Decodes a closed expression that is somewhere in `bytes`. Nodes are shared
/// with what was decoded of the same bytes with the same `repeated`.
pub(crate) fn decode_part(
    bytes: &[u8],
    part: Range<usize>,
    repeated: &mut Repeated,
) -> Decoded<Expr> {
    let mut decoder = Decoder {
        bytes: &bytes[..part.end],
        at: part.start,
        scope: Scope::default(),
        repeated,
    };
    let expression = decoder.expression()?;
    if decoder.at != part.end {
        return decoder.fail("there are bytes after the expression");
    }
    Ok(expression)
}

struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    scope: Scope,
    repeated: &'a mut Repeated,
}

/// What occurs in some bytes, and may occur in them again.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    /// Closed expressions by the hash of their bytes, with where they are: a
    /// normal form repeats its types, and what is one node is checked and
    /// evaluated once.
    closed: FxHashMap<u64, (Range<usize>, Expr)>,
    names: FxHashSet<Name>,
}

/// The longest expression, in bytes, that is shared.
const SHARED: usize = 8192;

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
        let mut hasher = FxHasher::default();
        hasher.write(bytes);
        match self.repeated.closed.entry(hasher.finish()) {
            Entry::Vacant(entry) => {
                entry.insert((start..self.at, expression.clone()));
                expression
            }
            Entry::Occupied(known) => match known.get() {
                (at, known) if self.bytes.get(at.clone()) == Some(bytes) => known.clone(),
                // Two hashes that are equal by chance cost time, and no more.
                _ => expression,
            },
        }
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
}
