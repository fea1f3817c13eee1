//! Text literals: their content stays, their indentation follows the layout.

use crate::format::WIDTH;
use crate::format::printer::{Gap, Printer};
use crate::format::tree::{Element, Item};
use crate::limits::Stop;
use crate::parse::common_indentation;

/// The width of an interpolation that stays on its line.
const SHORT: usize = WIDTH / 2;

impl Printer<'_, '_> {
    /// Writes a literal. Of what is interpolated, only what is long is broken:
    /// more lines make a literal harder to read.
    pub(super) fn text(&mut self, elements: &[Element]) -> Result<(), Stop> {
        let indentation = self.indentation(elements);
        let base = self.base();
        for (at, element) in elements.iter().enumerate() {
            if at > 0 {
                self.gap(element, Gap::Spaces(0));
            }
            match (element.item, &indentation) {
                (Item::Token(..), Some((old, new))) => {
                    let lines = self.tree.token(element.item).split('\n');
                    self.piece(lines, old.len(), &new.clone().unwrap_or(" ".repeat(base)));
                }
                (Item::Form(node), _) if self.tree.width(element.item) <= SHORT => self.flat(node),
                _ => self.item(element.item, 0)?,
            }
        }
        Ok(())
    }

    /// Writes a piece of a literal with `new` instead of `old` bytes of
    /// indentation. Its first line begins where the line is.
    fn piece<'l>(&mut self, lines: impl Iterator<Item = &'l str>, old: usize, new: &str) {
        for (at, line) in lines.enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if at == 0 {
                self.put(line);
                continue;
            }
            self.verbatim_line();
            // An empty line has no indentation; all others have at least this.
            if let Some(rest) = line.get(old..).filter(|_| !line.is_empty()) {
                self.put(new);
                self.put(rest);
            }
        }
    }

    /// Returns the indentation of a literal between `''`, and the one that it
    /// keeps; `None` if it may be another. A literal between `"` has neither.
    fn indentation(&self, elements: &[Element]) -> Option<(String, Option<String>)> {
        let pieces = || {
            let tokens = elements
                .iter()
                .filter(|e| matches!(e.item, Item::Token(..)));
            tokens.map(|element| self.tree.token(element.item))
        };
        let first = pieces().next()?;
        let (_, content) = first.split_once('\n').filter(|_| first.starts_with("''"))?;
        let all = || std::iter::once(content).chain(pieces().skip(1));
        // Lines that are blank but for white space, and the last one, count.
        let lines: Vec<String> = all().map(|piece| piece.replace('\r', "")).collect();
        let old = common_indentation(lines.iter().map(String::as_str));
        let only_indentation = lines.iter().any(|piece| {
            let mut lines = piece.split('\n').rev().skip(1);
            lines.any(|line| !line.is_empty() && line == old)
        });
        let keep = self.base() == 0 && only_indentation;
        let new = keep.then(|| old.clone());
        Some((old, new))
    }
}
