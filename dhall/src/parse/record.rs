//! Records and unions.

use std::collections::VecDeque;

use crate::parse::{Form, Parsed, Parser};
use crate::scope::Name;
use crate::syntax::{Expr, Kind, Op};

impl Parser<'_> {
    pub(super) fn record(&mut self, start: u32) -> Parsed<Expr> {
        self.advance(1);
        self.whitespace()?;
        if self.eat(",") {
            self.whitespace()?;
        }
        let kind = match self.peek() {
            b'}' => Kind::RecordType(Vec::new()),
            b'=' => {
                self.advance(1);
                self.whitespace()?;
                if self.eat(",") {
                    self.whitespace()?;
                }
                Kind::Record(Vec::new())
            }
            _ => self.fields()?,
        };
        self.expect("}", "`,` or `}`")?;
        self.note(Form::Record, start);
        Ok(Expr::new(kind, self.span_from(start)))
    }

    /// The first entry says whether it is a type or a value.
    fn fields(&mut self) -> Parsed<Kind> {
        let mut entries = Vec::new();
        let mut is_type = None;
        while self.peek() != b'}' {
            let entry_start = self.mark();
            let name = self.any_label_or_some("a field")?;
            let name_span = self.span_from(entry_start);
            self.whitespace()?;
            let of_type = *is_type.get_or_insert(self.peek() == b':');
            let value = match self.peek() {
                _ if of_type => {
                    self.note(Form::Path, entry_start);
                    self.field_type()?
                }
                b'=' | b'.' => self.field_value(entry_start)?,
                // A pun is always a variable, also if its name is that of a builtin.
                _ => {
                    self.note(Form::Path, entry_start);
                    self.variable_node(Name::clone(&name), 0, name_span)
                }
            };
            self.note(Form::Field, entry_start);
            entries.push((name, value));
            self.whitespace()?;
            if self.eat(",") {
                self.whitespace()?;
            } else if self.peek() != b'}' {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(if is_type == Some(true) {
            Kind::RecordType(entries)
        } else {
            Kind::Record(merge_duplicates(entries))
        })
    }

    fn field_type(&mut self) -> Parsed<Expr> {
        self.expect(":", "`:` and the type of the field")?;
        self.some_whitespace("the type")?;
        self.expression()
    }

    /// `.b.c = value`, as nested records.
    fn field_value(&mut self, start: u32) -> Parsed<Expr> {
        let mut path = Vec::new();
        while self.eat(".") {
            self.whitespace()?;
            path.push(self.any_label_or_some("a field")?);
            self.whitespace()?;
        }
        self.note(Form::Path, start);
        self.expect("=", "`=`")?;
        self.whitespace()?;
        let value = self.expression()?;
        let span = value.span();
        Ok(path.into_iter().rev().fold(value, |value, name| {
            Expr::new(Kind::Record(vec![(name, value)]), span)
        }))
    }

    pub(super) fn union(&mut self, start: u32) -> Parsed<Expr> {
        self.advance(1);
        self.whitespace()?;
        if self.eat("|") {
            self.whitespace()?;
        }
        let mut alternatives = Vec::new();
        while !self.eat(">") {
            let entry_start = self.mark();
            let name = self.any_label_or_some("an alternative or `>`")?;
            self.note(Form::Path, entry_start);
            self.whitespace()?;
            let ty = match self.peek() {
                b':' => Some(self.field_type()?),
                _ => None,
            };
            self.note(Form::Field, entry_start);
            alternatives.push((name, ty));
            self.whitespace()?;
            if self.eat("|") {
                self.whitespace()?;
            } else if self.peek() != b'>' {
                return Err(self.unexpected("`|` or `>`"));
            }
        }
        self.note(Form::Union, start);
        alternatives.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Expr::new(Kind::Union(alternatives), self.span_from(start)))
    }
}

/// A field that is given twice is the two values combined.
fn merge_duplicates(entries: Vec<(Name, Expr)>) -> Vec<(Name, Expr)> {
    let mut rest: VecDeque<_> = entries.into();
    let mut merged = Vec::with_capacity(rest.len());
    while let Some((name, value)) = rest.pop_front() {
        let mut values = vec![value];
        while rest.front().is_some_and(|(next, _)| *next == name) {
            values.extend(rest.pop_front().map(|(_, value)| value));
        }
        let value = if values.len() == 1 {
            values.remove(0)
        } else {
            let span = values[0].span();
            Expr::new(Kind::Op(Op::Combine, values), span)
        };
        merged.push((name, value));
    }
    merged
}
