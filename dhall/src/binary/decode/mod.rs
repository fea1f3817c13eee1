//! Bytes to expressions.

mod extent;
mod import;
mod item;
mod literal;

use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::binary::decode::item::Left;
use crate::binary::{major, tag};
use crate::builtin::{Builtin, Const};
use crate::limits::check_stack;
use crate::scope::{Name, Scope, underscore};
use crate::syntax::{Binding, Expr, Kind, Op, Span, Step, Var, VarTarget};

pub(crate) use extent::{record_extents, record_type_extents};

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
        whole: bytes,
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
    /// What `repeated` knows places in.
    whole: &'a [u8],
    bytes: &'a [u8],
    at: usize,
    scope: Scope,
    repeated: &'a mut Repeated,
}

/// What occurs in some bytes, and may occur in them again.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    /// Closed expressions by their first bytes, with where they are: a normal
    /// form repeats its types, and what is one node is decoded, checked and
    /// evaluated once. No item of CBOR begins with another: where the bytes of
    /// a known one are, there it is.
    closed: FxHashMap<[u8; PREFIX], Vec<(Range<usize>, Expr)>>,
    names: FxHashSet<Name>,
    leaves: FxHashMap<Leaf, Expr>,
}

/// What has no parts, and occurs everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Leaf {
    Const(Const),
    Builtin(Builtin),
    /// The variable of the binder that has so many others in between, if all of
    /// them are named `_`.
    Variable(u32),
}

/// Shorter expressions are not shared, in bytes.
const PREFIX: usize = 12;

/// How many expressions that begin with the same bytes are known: a list of
/// many records makes as many.
const KNOWN: usize = 8;

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
        Ok(match self.peek()? >> 5 {
            major::UNSIGNED | major::TAG => {
                let index = self.unsigned()?;
                return Ok(self.unnamed(index));
            }
            major::TEXT => {
                let leaf = self.named()?;
                return Ok(self.leaf(leaf));
            }
            major::SIMPLE => Expr::made(self.simple()?),
            major::ARRAY => {
                if let Some(known) = self.known() {
                    return Ok(known);
                }
                let (_, mut left) = self.head()?;
                let expression = Expr::made(self.array(&mut left)?);
                self.remember(start, &expression);
                expression
            }
            _ => return self.fail("this is not an expression"),
        })
    }

    /// Returns the node that was already made of the bytes that are next.
    fn known(&mut self) -> Option<Expr> {
        let next = &self.bytes[self.at..];
        let known = self.repeated.closed.get(next.first_chunk()?)?;
        let is_next = |known: &&(Range<usize>, Expr)| {
            let bytes = self.whole.get(known.0.clone());
            bytes.is_some_and(|bytes| next.starts_with(bytes))
        };
        let (extent, expression) = known.iter().find(is_next)?;
        self.at += extent.len();
        Some(expression.clone())
    }

    /// Remembers the node that was made of the bytes from `start` on.
    fn remember(&mut self, start: usize, expression: &Expr) {
        let Some(prefix) = self.bytes[start..self.at].first_chunk() else {
            return;
        };
        if expression.is_closed() {
            let known = self.repeated.closed.entry(*prefix).or_default();
            if known.len() < KNOWN {
                known.push((start..self.at, expression.clone()));
            }
        }
    }

    fn variable(&self, name: Name, index: u64) -> Kind {
        Kind::Var(Var::resolve(name, index, &self.scope))
    }

    /// Returns the variable `_@index`.
    fn unnamed(&mut self, index: u64) -> Expr {
        let var = Var::resolve(underscore(), index, &self.scope);
        match var.target {
            VarTarget::Bound(between) if u64::from(between) == index => {
                self.leaf(Leaf::Variable(between))
            }
            _ => Expr::made(Kind::Var(var)),
        }
    }

    /// Returns the one node of a leaf.
    fn leaf(&mut self, leaf: Leaf) -> Expr {
        let known = self.repeated.leaves.entry(leaf);
        let made = known.or_insert_with(|| {
            Expr::made(match leaf {
                Leaf::Const(known) => Kind::Const(known),
                Leaf::Builtin(builtin) => Kind::Builtin(builtin),
                Leaf::Variable(between) => Kind::Var(Var {
                    name: underscore(),
                    index: u64::from(between),
                    target: VarTarget::Bound(between),
                }),
            })
        });
        made.clone()
    }

    fn named(&mut self) -> Decoded<Leaf> {
        let name = self.string(major::TEXT, "expected a text")?;
        Ok(match &*name {
            b"Type" => Leaf::Const(Const::Type),
            b"Kind" => Leaf::Const(Const::Kind),
            b"Sort" => Leaf::Const(Const::Sort),
            name => match str::from_utf8(name).ok().and_then(Builtin::from_name) {
                Some(builtin) => Leaf::Builtin(builtin),
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
