//! Expressions: what binds, and what is looser than every operator.

use crate::parse::{Form, Parsed, Parser};
use crate::problem::Problem;
use crate::scope::Name;
use crate::syntax::{Binding, Expr, Kind, Step};

/// What an operator expression turned out to be: some forms may be followed by
/// an annotation or by `with`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An import, a primitive, or one with selectors.
    Simple,
    /// Exactly `merge a b`.
    Merge,
    /// Exactly `toMap a`.
    ToMap,
    /// Anything else.
    Compound,
}

impl Parser<'_> {
    /// Parses an expression that begins here; no white space is skipped after it.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.enter()?;
        let start = self.mark();
        if self.eat("\\") || self.eat("λ") {
            return self.binder(start, Form::Lambda, Kind::Lambda);
        }
        if self.eat("∀") {
            return self.binder(start, Form::Pi, Kind::Pi);
        }
        match self.word() {
            "forall" => {
                self.advance(6);
                self.binder(start, Form::Pi, Kind::Pi)
            }
            "if" => self.conditional(start),
            "let" => self.lets(start),
            "assert" => {
                self.advance(6);
                let ty = self.annotation()?;
                self.note(Form::Assert, start);
                Ok(Expr::new(Kind::Assert(ty), self.span_from(start)))
            }
            _ if self.peek() == b'[' && self.at_empty_list()? => self.empty_list(start),
            _ => self.operator_or_more(start),
        }
    }

    /// `(x : A) -> b`, after the symbol.
    fn binder(
        &mut self,
        start: u32,
        form: Form,
        make: fn(Name, Expr, Expr) -> Kind,
    ) -> Parsed<Expr> {
        self.whitespace()?;
        self.expect("(", "`(`")?;
        self.whitespace()?;
        let name = self.binder_label()?;
        let domain = self.annotation()?;
        self.whitespace()?;
        self.expect(")", "`)`")?;
        self.note(Form::Binder, start);
        self.whitespace()?;
        if !self.arrow() {
            return Err(self.unexpected("`→` or `->`"));
        }
        self.whitespace()?;
        let body = self.under(&name, Self::expression)?;
        self.note(form, start);
        Ok(Expr::new(make(name, domain, body), self.span_from(start)))
    }

    /// Parses with one more name bound.
    fn under<T>(&mut self, name: &Name, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.scope.push(name);
        let parsed = parse(self);
        self.scope.pop();
        parsed
    }

    fn arrow(&mut self) -> bool {
        self.eat("->") || self.eat("→")
    }

    /// `: T`, with the white space that must follow the colon.
    fn annotation(&mut self) -> Parsed<Expr> {
        self.whitespace()?;
        self.expect(":", "`:` and a type")?;
        self.some_whitespace("the type")?;
        self.expression()
    }

    fn conditional(&mut self, start: u32) -> Parsed<Expr> {
        self.advance(2);
        self.some_whitespace("the condition")?;
        let condition = self.expression()?;
        let then = self.branch("then")?;
        let otherwise = self.branch("else")?;
        let kind = Kind::If(condition, then, otherwise);
        self.note(Form::If, start);
        Ok(Expr::new(kind, self.span_from(start)))
    }

    fn branch(&mut self, keyword: &str) -> Parsed<Expr> {
        self.whitespace()?;
        if !self.keyword(keyword) {
            return Err(self.unexpected(&format!("`{keyword}`")));
        }
        self.some_whitespace("the expression")?;
        self.expression()
    }

    /// A chain of `let`s, with or without `in` between them, is one node.
    fn lets(&mut self, start: u32) -> Parsed<Expr> {
        let mut bindings = Vec::new();
        let body = self.let_chain(&mut bindings);
        for _ in &bindings {
            self.scope.pop();
        }
        let kind = Kind::Let(bindings, body?);
        self.note(Form::Let, start);
        Ok(Expr::new(kind, self.span_from(start)))
    }

    /// Pushes onto the scope as many names as it adds to `bindings`.
    fn let_chain(&mut self, bindings: &mut Vec<Binding>) -> Parsed<Expr> {
        loop {
            let start = self.mark();
            if self.keyword("let") {
                let binding = self.binding()?;
                self.note(Form::Binding, start);
                self.scope.push(&binding.name);
                bindings.push(binding);
                continue;
            }
            if !self.keyword("in") {
                return Err(self
                    .unexpected("`in` or another `let`")
                    .hint("a `let` needs `in` and the expression that uses it"));
            }
            self.some_whitespace("the expression")?;
            if self.word() != "let" {
                return self.expression();
            }
        }
    }

    fn binding(&mut self) -> Parsed<Binding> {
        self.some_whitespace("the name")?;
        let start = self.mark();
        let name = self.binder_label()?;
        let name_span = self.span_from(start);
        self.whitespace()?;
        let annotation = match self.peek() {
            b':' => Some(self.annotation()?),
            _ => None,
        };
        self.whitespace()?;
        self.expect("=", "`=`")?;
        self.whitespace()?;
        let value = self.expression()?;
        self.some_whitespace("`in` or another `let`")?;
        Ok(Binding {
            name,
            annotation,
            value,
            name_span,
        })
    }

    /// Returns whether `[ ]`, perhaps with a comma in it, is next.
    fn at_empty_list(&mut self) -> Parsed<bool> {
        let (position, end) = (self.position, self.end);
        self.advance(1);
        self.whitespace()?;
        if self.eat(",") {
            self.whitespace()?;
        }
        let empty = self.peek() == b']';
        (self.position, self.end) = (position, end);
        Ok(empty)
    }

    fn empty_list(&mut self, start: u32) -> Parsed<Expr> {
        self.advance(1);
        self.whitespace()?;
        if self.eat(",") {
            self.whitespace()?;
        }
        self.expect("]", "`]`")?;
        self.whitespace()?;
        if self.peek() != b':' {
            return Err(self
                .unexpected("the type of the empty list")
                .hint("write `[] : List T`, in parentheses if it is an argument"));
        }
        let ty = self.annotation()?;
        self.note(Form::EmptyList, start);
        Ok(Expr::new(Kind::EmptyList(ty), self.span_from(start)))
    }

    /// An operator expression, and what may follow one.
    fn operator_or_more(&mut self, start: u32) -> Parsed<Expr> {
        let (expression, shape) = self.operators(1)?;
        let (position, end) = (self.position, self.end);
        let spaced = self.whitespace()?;
        if self.arrow() {
            self.whitespace()?;
            let name = self.intern("_");
            let codomain = self.under(&name, Self::expression)?;
            let kind = Kind::Pi(name, expression, codomain);
            self.note(Form::Pi, start);
            return Ok(Expr::new(kind, self.span_from(start)));
        }
        if spaced && self.word() == "with" {
            return self.with_clauses(start, expression, shape);
        }
        if self.peek() == b':' && self.peek_at(1) != b':' {
            return self.annotated(start, expression, shape);
        }
        (self.position, self.end) = (position, end);
        Ok(expression)
    }

    fn annotated(&mut self, start: u32, expression: Expr, shape: Shape) -> Parsed<Expr> {
        let ty = self.annotation()?;
        self.note(Form::Annotation, start);
        let kind = match (shape, expression.kind()) {
            (Shape::Merge, Kind::Merge(handlers, union, None)) => {
                Kind::Merge(handlers.clone(), union.clone(), Some(ty))
            }
            (Shape::ToMap, Kind::ToMap(record, None)) => Kind::ToMap(record.clone(), Some(ty)),
            _ => Kind::Annot(expression, ty),
        };
        Ok(Expr::new(kind, self.span_from(start)))
    }

    fn with_clauses(&mut self, start: u32, record: Expr, shape: Shape) -> Parsed<Expr> {
        if shape != Shape::Simple {
            return Err(
                Problem::new(record.span(), "`with` needs parentheses around this")
                    .hint("write `(…) with a.b = c`"),
            );
        }
        let mut expression = record;
        loop {
            let (position, end) = (self.position, self.end);
            let spaced = self.whitespace()?;
            if !(spaced && self.keyword("with")) {
                (self.position, self.end) = (position, end);
                return Ok(expression);
            }
            self.some_whitespace("the field")?;
            let path = self.with_path()?;
            self.whitespace()?;
            self.expect("=", "`=`")?;
            self.whitespace()?;
            let (value, _) = self.operators(1)?;
            let kind = Kind::With(expression, path, value);
            self.note(Form::With, start);
            expression = Expr::new(kind, self.span_from(start));
        }
    }

    fn with_path(&mut self) -> Parsed<Vec<Step>> {
        let mut path = Vec::new();
        let start = self.mark();
        loop {
            path.push(if self.eat("?") {
                Step::Optional
            } else {
                Step::Label(self.any_label_or_some("a field or `?`")?)
            });
            let (position, end) = (self.position, self.end);
            self.whitespace()?;
            if !self.eat(".") {
                (self.position, self.end) = (position, end);
                self.note(Form::Path, start);
                return Ok(path);
            }
            self.whitespace()?;
        }
    }
}
