//! Operators and application.

use crate::parse::expression::Shape;
use crate::parse::{Form, Parsed, Parser};
use crate::syntax::{Expr, Kind, Op, Span};

impl Parser<'_> {
    /// Parses operators that bind at least as tightly as `loosest`.
    pub(super) fn operators(&mut self, loosest: u8) -> Parsed<(Expr, Shape)> {
        let start = self.mark();
        let (mut left, mut shape) = self.application()?;
        loop {
            let (position, end) = (self.position, self.end);
            self.whitespace()?;
            let Some((op, _)) = self.operator().filter(|(op, _)| op.precedence() >= loosest) else {
                (self.position, self.end) = (position, end);
                return Ok((left, shape));
            };
            left = self.chain(op, left, start)?;
            shape = Shape::Compound;
        }
    }

    /// Parses all operands of one operator; the first operator is next.
    fn chain(&mut self, op: Op, first: Expr, start: u32) -> Parsed<Expr> {
        let mut operands = vec![first];
        loop {
            let (position, end) = (self.position, self.end);
            self.whitespace()?;
            let Some((_, length)) = self.operator().filter(|(next, _)| *next == op) else {
                (self.position, self.end) = (position, end);
                break;
            };
            self.advance(length);
            self.whitespace()?;
            operands.push(self.operators(op.precedence() + 1)?.0);
        }
        self.note(Form::Operators, start);
        Ok(Expr::new(Kind::Op(op, operands), self.span_from(start)))
    }

    /// Returns the operator at the position and its length.
    fn operator(&self) -> Option<(Op, usize)> {
        let spelled = |token: &str| self.at(token).then_some(token.len());
        let any = |tokens: &[&str]| tokens.iter().find_map(|token| spelled(token));
        let with = |op: Op, length: Option<usize>| length.map(|length| (op, length));
        match self.peek() {
            b'=' => with(Op::Equivalent, spelled("===")).or_else(|| with(Op::Equal, spelled("=="))),
            b'!' => with(Op::NotEqual, spelled("!=")),
            b'|' => with(Op::Or, spelled("||")),
            b'&' => with(Op::And, spelled("&&")),
            b'*' => Some((Op::Times, 1)),
            b'#' => Some((Op::ListAppend, 1)),
            b'+' => with(Op::TextAppend, spelled("++"))
                .or_else(|| self.space_follows().then_some((Op::Plus, 1))),
            b'?' => self.space_follows().then_some((Op::ImportAlt, 1)),
            b'/' => with(Op::Combine, spelled("/\\"))
                .or_else(|| with(Op::CombineTypes, spelled("//\\\\")))
                .or_else(|| with(Op::Prefer, spelled("//"))),
            0xe2 => with(Op::Equivalent, any(&["≡"]))
                .or_else(|| with(Op::Combine, any(&["∧"])))
                .or_else(|| with(Op::CombineTypes, any(&["⩓"])))
                .or_else(|| with(Op::Prefer, any(&["⫽"]))),
            _ => None,
        }
    }

    /// Returns whether white space follows the one-byte token here.
    fn space_follows(&self) -> bool {
        let next = (self.peek_at(1), self.peek_at(2));
        matches!(
            next,
            (b' ' | b'\t' | b'\n' | b'\r', _) | (b'-', b'-') | (b'{', b'-')
        )
    }

    fn application(&mut self) -> Parsed<(Expr, Shape)> {
        let start = self.mark();
        let (head, shape) = self.first_application()?;
        let mut arguments = Vec::new();
        loop {
            let (position, end) = (self.position, self.end);
            if !(self.whitespace()? && self.at_import_expression()) {
                (self.position, self.end) = (position, end);
                break;
            }
            arguments.push(self.import_expression()?);
        }
        if arguments.is_empty() {
            return Ok((head, shape));
        }
        let span = self.span_from(start);
        self.note(Form::Application, start);
        Ok((Expr::apply(head, arguments, span), Shape::Compound))
    }

    fn first_application(&mut self) -> Parsed<(Expr, Shape)> {
        let start = self.mark();
        let (kind, shape) = match self.word() {
            "merge" => {
                self.advance(5);
                let handlers = self.argument()?;
                (Kind::Merge(handlers, self.argument()?, None), Shape::Merge)
            }
            "Some" => {
                self.advance(4);
                (Kind::Some(self.argument()?), Shape::Compound)
            }
            "toMap" => {
                self.advance(5);
                (Kind::ToMap(self.argument()?, None), Shape::ToMap)
            }
            "showConstructor" => {
                self.advance(15);
                (Kind::ShowConstructor(self.argument()?), Shape::Compound)
            }
            _ => return Ok((self.import_expression()?, Shape::Simple)),
        };
        self.note(Form::Application, start);
        Ok((Expr::new(kind, self.span_from(start)), shape))
    }

    fn argument(&mut self) -> Parsed<Expr> {
        self.some_whitespace("the argument")?;
        self.import_expression()
    }

    /// An import, or a selector expression with perhaps a completion.
    pub(super) fn import_expression(&mut self) -> Parsed<Expr> {
        let start = self.mark();
        if self.at_import() {
            return self.import();
        }
        let schema = self.selectors()?;
        let (position, end) = (self.position, self.end);
        self.whitespace()?;
        if !self.eat("::") {
            (self.position, self.end) = (position, end);
            return Ok(schema);
        }
        self.whitespace()?;
        let record = self.selectors()?;
        self.note(Form::Completion, start);
        let span: Span = self.span_from(start);
        Ok(Expr::new(Kind::Complete(schema, record), span))
    }
}
