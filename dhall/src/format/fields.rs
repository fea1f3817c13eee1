//! Records, unions and lists, and the values of fields.

use crate::format::layout::{SPACE, line};
use crate::format::printer::{Gap, Printer};
use crate::format::tree::{ENDLESS, Element, Item};
use crate::limits::Stop;
use crate::parse::Form;

impl Printer<'_, '_> {
    /// A record, and one update on each line.
    pub(super) fn with(&mut self, node: usize) -> Result<(), Stop> {
        let tree = self.tree;
        let base = self.base();
        let mut updates = vec![tree.elements(node)];
        let mut record = &updates[0][0];
        while let Some((Form::With, inner)) = tree.as_form(record.item) {
            updates.push(inner);
            record = &inner[0];
        }
        self.item(record.item, 0)?;
        for update in updates.iter().rev() {
            let [_, with, path, equals, value] = update else {
                continue;
            };
            self.gap(with, line(base + 2));
            self.item(with.item, 0)?;
            self.gap(path, SPACE);
            self.item(path.item, 0)?;
            self.gap(equals, SPACE);
            self.item(equals.item, 0)?;
            self.value(value, base + 4)?;
        }
        Ok(())
    }

    pub(super) fn field(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let base = self.base();
        self.item(elements[0].item, 0)?;
        if let [_, separator, value] = elements {
            self.gap(separator, SPACE);
            self.item(separator.item, 0)?;
            self.value(value, base)?;
        }
        Ok(())
    }

    /// The value of a field whose name is at `base`: behind the name if it
    /// fits, else below it. What has braces of its own is aligned with the name,
    /// and what completes a record begins on the line of the name.
    fn value(&mut self, value: &Element, base: usize) -> Result<(), Stop> {
        let tree = self.tree;
        if !tree.comments(value).is_empty() {
            self.gap(value, Gap::Below(base + 2));
            return self.item(value.item, 0);
        }
        if tree.width(value.item) != ENDLESS && self.fits(value.item, 1) {
            self.spaces(1);
            return self.item(value.item, 0);
        }
        if let Some((Form::Application, [keyword, argument])) = tree.as_form(value.item)
            && matches!(
                tree.token(keyword.item),
                "Some" | "toMap" | "showConstructor"
            )
            && tree.comments(argument).is_empty()
        {
            self.spaces(1);
            self.item(keyword.item, 0)?;
            if tree.token(keyword.item) == "Some" || self.is_completion(argument.item) {
                return self.hang(argument, base);
            }
            self.gap(argument, line(base + 2));
            return self.item(argument.item, 0);
        }
        self.hang(value, base)
    }

    fn hang(&mut self, value: &Element, base: usize) -> Result<(), Stop> {
        if let Item::Form(node) = value.item
            && self.is_completion(value.item)
        {
            self.spaces(1);
            return self.completion(node, base);
        }
        let indent = if self.has_braces(value.item) { 0 } else { 2 };
        self.gap(value, line(base + indent));
        self.item(value.item, 0)
    }

    fn is_completion(&self, item: Item) -> bool {
        matches!(self.tree.as_form(item), Some((Form::Completion, _)))
    }

    /// Returns whether an item is a list or the value of a record.
    fn has_braces(&self, item: Item) -> bool {
        match self.tree.as_form(item) {
            Some((Form::List, _)) => true,
            Some((Form::Record, elements)) => self.is_value(elements),
            _ => false,
        }
    }

    /// Returns whether the elements of a record are not those of a type.
    fn is_value(&self, elements: &[Element]) -> bool {
        let first = elements.get(1).map(|element| element.item);
        match first.and_then(|item| self.tree.as_form(item)) {
            Some((Form::Field, [_, separator, _])) => self.tree.token(separator.item) == "=",
            Some((Form::Field, _)) => true,
            _ => elements.len() == 3,
        }
    }

    /// Each item on lines of its own, with what opens or separates in front.
    pub(super) fn list(&mut self, node: usize) -> Result<(), Stop> {
        let tree = self.tree;
        let elements = tree.elements(node);
        // `{=}` is no better on several lines.
        if elements.len() < 4 && tree.width(Item::Form(node)) <= 3 {
            self.flat(node);
            return Ok(());
        }
        let indent = self.base();
        let comments = indent + 2;
        for (at, element) in elements.iter().enumerate() {
            if at % 2 == 1 && at + 1 < elements.len() {
                self.gap(element, SPACE);
            } else if at > 0 {
                self.gap(element, Gap::Line { indent, comments });
            }
            self.item(element.item, 0)?;
        }
        Ok(())
    }

    /// `T::{`, its fields on lines that begin with a comma at `base`, and `}`.
    pub(super) fn completion(&mut self, node: usize, base: usize) -> Result<(), Stop> {
        let tree = self.tree;
        let [schema, colons, record] = tree.elements(node) else {
            return self.sequence(node);
        };
        let (open, fields) = match tree.as_form(record.item) {
            Some((Form::Record, all @ [open, fields @ ..]))
                if self.is_value(all) && tree.token(fields[0].item) != "=" =>
            {
                (open, fields)
            }
            _ => return self.sequence(node),
        };
        self.item(schema.item, 0)?;
        self.gap(colons, Gap::Spaces(0));
        self.item(colons.item, 0)?;
        self.gap(record, Gap::Spaces(0));
        self.item(open.item, 0)?;
        self.line(base);
        self.put(",");
        let (indent, comments) = (base, base + 2);
        for (at, element) in fields.iter().enumerate() {
            if at % 2 == 0 {
                self.gap(element, SPACE);
            } else {
                self.gap(element, Gap::Line { indent, comments });
            }
            self.item(element.item, 0)?;
        }
        Ok(())
    }
}
