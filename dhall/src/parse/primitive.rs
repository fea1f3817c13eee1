//! Primitive expressions and their selectors.

use crate::builtin::{self, Builtin, Const};
use crate::number::Natural;
use crate::parse::{Form, Parsed, Parser};
use crate::problem::Problem;
use crate::scope::Name;
use crate::syntax::{Expr, Kind, Span, Var, VarTarget};

impl Parser<'_> {
    /// Returns whether an argument of a function can begin here.
    pub(super) fn at_import_expression(&self) -> bool {
        match self.peek() {
            b'(' | b'{' | b'[' | b'<' | b'"' | b'`' | b'0'..=b'9' => true,
            b'\'' => self.peek_at(1) == b'\'',
            b'+' => self.peek_at(1).is_ascii_digit(),
            b'-' => self.peek_at(1).is_ascii_digit() || self.at("-Infinity"),
            b'.' | b'~' | b'/' => self.at_import(),
            _ => {
                let word = self.word();
                let value = matches!(word, "missing" | "Infinity" | "NaN");
                !word.is_empty() && (value || !builtin::is_keyword(word))
            }
        }
    }

    /// A primitive expression followed by any number of `.field`, `.{…}`, `.(T)`.
    pub(super) fn selectors(&mut self) -> Parsed<Expr> {
        let start = self.mark();
        let mut expression = self.primitive()?;
        let mut selected = false;
        loop {
            let (position, end) = (self.position, self.end);
            self.whitespace()?;
            // `./` and `../` are the beginnings of paths.
            if self.peek() != b'.' || matches!(self.peek_at(1), b'/' | b'.') {
                (self.position, self.end) = (position, end);
                if selected {
                    self.note(Form::Selection, start);
                }
                return Ok(expression);
            }
            self.advance(1);
            self.whitespace()?;
            expression = self.selector(expression, start)?;
            selected = true;
        }
    }

    fn selector(&mut self, expression: Expr, start: u32) -> Parsed<Expr> {
        let kind = match self.peek() {
            b'{' => Kind::Project(expression, self.projection_labels()?),
            b'(' => Kind::ProjectType(expression, self.parenthesized()?),
            _ => {
                let label_start = self.mark();
                let label = self.any_label("a field")?;
                Kind::Field(expression, label, self.span_from(label_start))
            }
        };
        Ok(Expr::new(kind, self.span_from(start)))
    }

    fn parenthesized(&mut self) -> Parsed<Expr> {
        let start = self.mark();
        self.advance(1);
        self.whitespace()?;
        let inner = self.expression()?;
        self.whitespace()?;
        self.expect(")", "`)`")?;
        self.note(Form::Parentheses, start);
        Ok(inner)
    }

    fn projection_labels(&mut self) -> Parsed<Vec<Name>> {
        let start = self.mark();
        self.advance(1);
        self.whitespace()?;
        let mut labels = Vec::new();
        if self.eat(",") {
            self.whitespace()?;
        }
        while !self.eat("}") {
            labels.push(self.any_label_or_some("a field or `}`")?);
            self.whitespace()?;
            if self.eat(",") {
                self.whitespace()?;
            } else if self.peek() != b'}' {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        self.note(Form::Labels, start);
        Ok(labels)
    }

    fn primitive(&mut self) -> Parsed<Expr> {
        self.enter()?;
        let start = self.mark();
        match self.peek() {
            b'(' => self.parenthesized(),
            b'{' => self.record(start),
            b'<' => self.union(start),
            b'[' => self.list(start),
            b'"' => self.double_quoted(start),
            b'\'' if self.peek_at(1) == b'\'' => self.single_quoted(start),
            b'0'..=b'9' => self.number_leaf(start),
            b'+' | b'-' if self.at_import_expression() => self.number_leaf(start),
            b'`' => {
                let name = self.quoted_label()?;
                self.variable(name, start)
            }
            _ => self.identifier(start),
        }
    }

    fn number_leaf(&mut self, start: u32) -> Parsed<Expr> {
        let number = self.number(start)?;
        self.note(Form::Leaf, start);
        Ok(number)
    }

    fn list(&mut self, start: u32) -> Parsed<Expr> {
        self.advance(1);
        self.whitespace()?;
        if self.eat(",") {
            self.whitespace()?;
        }
        if self.peek() == b']' {
            return Err(Problem::new(self.here(), "this empty list has no type")
                .hint("write `[] : List T`, in parentheses where it is part of an expression"));
        }
        let mut items = Vec::new();
        loop {
            items.push(self.expression()?);
            self.whitespace()?;
            if self.eat(",") {
                self.whitespace()?;
            } else if self.peek() != b']' {
                return Err(self.unexpected("`,` or `]`"));
            }
            if self.eat("]") {
                self.note(Form::List, start);
                return Ok(Expr::new(Kind::List(items), self.span_from(start)));
            }
        }
    }

    fn identifier(&mut self, start: u32) -> Parsed<Expr> {
        let word = self.word();
        if word.is_empty() {
            return Err(self.unexpected("an expression"));
        }
        let kind = match reserved_value(word) {
            Some(kind) => kind,
            None if builtin::is_keyword(word) => return Err(self.unexpected("an expression")),
            None => {
                self.advance(word.len());
                let name = self.intern(word);
                return self.variable(name, start);
            }
        };
        self.advance(word.len());
        self.note(Form::Leaf, start);
        Ok(Expr::new(kind, self.span_from(start)))
    }

    /// A variable whose name has been read, and its index.
    fn variable(&mut self, name: Name, start: u32) -> Parsed<Expr> {
        let (position, end) = (self.position, self.end);
        self.whitespace()?;
        let mut index = 0;
        if self.eat("@") {
            self.whitespace()?;
            let at = self.mark();
            let natural = self.natural_literal()?;
            index = natural.as_ref().and_then(Natural::to_u64).ok_or_else(|| {
                Problem::new(self.span_from(at), "this is not the index of a variable")
            })?;
            self.note(Form::Selection, start);
        } else {
            (self.position, self.end) = (position, end);
            self.note(Form::Leaf, start);
        }
        let span = self.span_from(start);
        Ok(self.variable_node(name, index, span))
    }

    /// Returns a variable, resolved where the parser is.
    pub(super) fn variable_node(&self, name: Name, index: u64, span: Span) -> Expr {
        Expr::new(Kind::Var(Var::resolve(name, index, &self.scope)), span)
    }
}

impl Var {
    /// Resolves `name@index` in `scope`.
    pub(crate) fn resolve(name: Name, index: u64, scope: &crate::scope::Scope) -> Self {
        let target = match scope.level(&name, index) {
            Some(level) => VarTarget::Bound(scope.depth() - 1 - level),
            None => VarTarget::Free(index - scope.count(&name)),
        };
        Self {
            name,
            index,
            target,
        }
    }
}

/// Returns the value of a word that is not a variable.
fn reserved_value(word: &str) -> Option<Kind> {
    Some(match word {
        "True" => Kind::Bool(true),
        "False" => Kind::Bool(false),
        "Type" => Kind::Const(Const::Type),
        "Kind" => Kind::Const(Const::Kind),
        "Sort" => Kind::Const(Const::Sort),
        "NaN" => Kind::Double(f64::NAN),
        "Infinity" => Kind::Double(f64::INFINITY),
        _ => Kind::Builtin(Builtin::from_name(word)?),
    })
}
