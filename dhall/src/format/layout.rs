//! Forms that do not fit on a line, each as `dhall format` breaks it.

use crate::format::WIDTH;
use crate::format::printer::{Gap, Printer};
use crate::format::tree::{Element, Item};
use crate::limits::Stop;
use crate::parse::Form;

/// What most tokens are separated by.
pub(super) const SPACE: Gap = Gap::Spaces(1);

/// What `in`, `then` and `else` are followed by.
const TWO_SPACES: Gap = Gap::Spaces(2);

/// A new line; comments are indented like it.
pub(super) fn line(indent: usize) -> Gap {
    Gap::Line {
        indent,
        comments: indent,
    }
}

impl Printer<'_, '_> {
    /// Writes a form on several lines. It begins where the line is.
    pub(super) fn broken(&mut self, node: usize) -> Result<(), Stop> {
        let tree = self.tree;
        let elements = tree.elements(node);
        match tree.form(node) {
            Form::Let => self.lets(node),
            Form::Binding => self.binding(elements),
            Form::Lambda | Form::Pi => self.arrows(node),
            Form::Binder => self.binder(elements),
            Form::If => self.conditional(elements),
            Form::Operators => self.operators(elements),
            Form::Application => {
                let base = self.base();
                self.application(elements, base)
            }
            Form::Annotation | Form::Assert => self.annotation(elements),
            Form::With => self.with(node),
            Form::Field => self.field(elements),
            Form::List | Form::Record | Form::Union | Form::Labels | Form::Parentheses => {
                self.list(node)
            }
            Form::Completion => {
                let base = self.base();
                self.completion(node, base)
            }
            Form::Import => self.import(elements),
            Form::Text => self.text(elements),
            _ => self.sequence(node),
        }
    }

    /// Writes the elements one after the other, on as many lines as they need.
    pub(super) fn sequence(&mut self, node: usize) -> Result<(), Stop> {
        let elements = self.tree.elements(node);
        let widths = elements.iter().map(|element| self.tree.width(element.item));
        let mut after = widths.fold(0, usize::saturating_add);
        for (at, element) in elements.iter().enumerate() {
            if at > 0 {
                self.gap(element, Gap::Spaces(self.tree.spaces(node, at)));
            }
            let width = self.tree.width(element.item);
            after = after.saturating_sub(width);
            // What has several lines by itself decides nothing.
            self.item(element.item, after.min(WIDTH / 2))?;
        }
        Ok(())
    }

    /// `let`s and what they are for. A `let` behind an `in` has its own layout.
    fn lets(&mut self, node: usize) -> Result<(), Stop> {
        let elements = self.tree.elements(node);
        let mut base = self.base();
        let mut behind_in = false;
        for (at, element) in elements.iter().enumerate() {
            if behind_in {
                self.gap(element, TWO_SPACES);
                if self.fits_from(node, at) {
                    self.flat_from(node, at);
                    return Ok(());
                }
                base = self.base();
            } else if at > 0 {
                self.gap(element, Gap::Paragraph(base));
            }
            self.item(element.item, 0)?;
            behind_in = self.tree.token(element.item) == "in" && !behind_in;
        }
        Ok(())
    }

    /// `let x = value`, `let x : T = value`.
    fn binding(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let base = self.base();
        let annotated = elements.len() > 4;
        for (at, element) in elements.iter().enumerate() {
            let gap = match at {
                0 => Gap::Spaces(0),
                2 | 4 if annotated => line(base + 4),
                3 if !annotated => Gap::Below(base + 6),
                _ => SPACE,
            };
            self.gap(element, gap);
            self.item(element.item, 0)?;
        }
        Ok(())
    }

    /// Functions and function types: one line for each argument.
    fn arrows(&mut self, node: usize) -> Result<(), Stop> {
        let tree = self.tree;
        let base = self.base();
        let form = tree.form(node);
        let mut node = node;
        while let [argument, arrow, result] = tree.elements(node) {
            let width = tree.width(arrow.item).saturating_add(1);
            self.item(argument.item, width)?;
            self.gap(arrow, SPACE);
            self.item(arrow.item, 0)?;
            match result.item {
                Item::Form(next) if tree.form(next) == form => {
                    self.gap(result, line(base));
                    node = next;
                }
                last => {
                    self.gap(result, line(base + 2));
                    return self.item(last, 0);
                }
            }
        }
        Ok(())
    }

    /// `λ ( x`, `: T` and `)` on lines of their own.
    fn binder(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let mut inner = 0;
        for (at, element) in elements.iter().enumerate() {
            let gap = match at {
                0 => Gap::Spaces(0),
                3 | 5 => line(inner),
                _ => SPACE,
            };
            self.gap(element, gap);
            if at == 1 {
                inner = self.base();
            }
            self.item(element.item, 0)?;
        }
        Ok(())
    }

    fn conditional(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let tree = self.tree;
        let base = self.base();
        let mut padding = 4;
        let mut elements = elements;
        while let [first, condition, then, yes, or, no] = elements {
            self.item(first.item, 0)?;
            self.gap(condition, Gap::Spaces(padding));
            self.item(condition.item, 0)?;
            self.gap(then, line(base));
            self.item(then.item, 0)?;
            self.gap(yes, TWO_SPACES);
            self.item(yes.item, 0)?;
            self.gap(or, line(base));
            self.item(or.item, 0)?;
            self.gap(no, TWO_SPACES);
            match tree.as_form(no.item) {
                Some((Form::If, next)) => elements = next,
                _ => return self.item(no.item, 0),
            }
            padding = 1;
        }
        Ok(())
    }

    /// One operand on each line, all of them aligned.
    fn operators(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let base = self.base();
        // Operators are followed by one space, longer ones by two.
        let padding = usize::from(self.tree.width(elements[1].item) > 1);
        for (at, element) in elements.iter().enumerate() {
            if at == 0 {
                self.spaces(2 + 2 * padding);
            } else if at % 2 == 1 {
                self.gap(element, line(base));
            } else {
                self.gap(element, Gap::Spaces(1 + padding));
            }
            self.item(element.item, 0)?;
        }
        Ok(())
    }

    /// The function, and one argument on each line.
    fn application(&mut self, elements: &[Element], base: usize) -> Result<(), Stop> {
        for (at, element) in elements.iter().enumerate() {
            if at > 0 {
                self.gap(element, Gap::Argument(base + 2));
            }
            match self.tree.as_form(element.item) {
                // `merge a b` applied to more.
                Some((Form::Application, inner)) if at == 0 => self.application(inner, base)?,
                _ => self.item(element.item, 0)?,
            }
        }
        Ok(())
    }

    /// `a : T`, `assert : T`; also `merge a b : T`, whose type is not indented.
    fn annotation(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let base = self.base();
        let [value, colon, ty] = elements else {
            return Ok(());
        };
        let merges = match self.tree.as_form(value.item) {
            Some((Form::Application, [first, ..])) => {
                matches!(self.tree.token(first.item), "merge" | "toMap")
            }
            _ => false,
        };
        if !merges {
            self.spaces(2);
        }
        self.item(value.item, 0)?;
        self.gap(colon, line(base));
        self.item(colon.item, 0)?;
        self.gap(ty, SPACE);
        self.item(ty.item, 0)
    }

    /// The target and its headers, and its hash on a line of its own.
    fn import(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let base = self.base();
        for (at, element) in elements.iter().enumerate() {
            let token = self.tree.token(element.item);
            if token.starts_with("sha256:") {
                self.gap(element, line(base + 2));
            } else if at > 0 {
                self.gap(element, SPACE);
            }
            self.item(element.item, 0)?;
        }
        Ok(())
    }
}
