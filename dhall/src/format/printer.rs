//! Writes items, the gaps between them, and the comments in the gaps.

use crate::format::lexer::Comment;
use crate::format::tree::{Element, Item, Tree};
use crate::format::{DEEPEST, WIDTH};
use crate::limits::{Stop, check_stack};

/// What separates an element from the one before, if nobody comments on it.
#[derive(Clone, Copy)]
pub(super) enum Gap {
    /// So many spaces. What follows a comment is aligned with it.
    Spaces(usize),
    /// A new line, indented so far. A comment at the end of the line before
    /// stays there; the others are indented by `comments`.
    Line { indent: usize, comments: usize },
    /// A new line for something that a comment may directly be before.
    Argument(usize),
    /// A new line, and all comments below it.
    Below(usize),
    /// A line that is blank, and a new one.
    Paragraph(usize),
}

/// The most that is written, in bytes. Indentation can be much longer than what
/// is indented.
const MOST: usize = 256 << 20;

/// The text that has been written so far.
pub(super) struct Printer<'t, 'a> {
    pub(super) tree: &'t Tree<'a>,
    pub(super) out: String,
    column: usize,
}

impl<'t, 'a> Printer<'t, 'a> {
    /// Returns a printer that begins in a line at `column`.
    pub(super) fn new(tree: &'t Tree<'a>, column: usize) -> Self {
        Self {
            tree,
            out: String::with_capacity(tree.text.len()),
            column,
        }
    }

    /// Returns where lines that continue what begins here are indented to.
    pub(super) fn base(&self) -> usize {
        self.column.min(DEEPEST)
    }

    /// Writes what has no line breaks.
    pub(super) fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    pub(super) fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
        self.column += count;
    }

    /// Begins a new line.
    pub(super) fn line(&mut self, indent: usize) {
        self.blank_line();
        self.spaces(indent.min(DEEPEST));
    }

    /// Begins a new line of a literal, in which white space counts.
    pub(super) fn verbatim_line(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// Ends this line.
    pub(super) fn blank_line(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self.column = 0;
    }

    /// Writes an item: on this line if it fits, with `after` more columns.
    pub(super) fn item(&mut self, item: Item, after: usize) -> Result<(), Stop> {
        check_stack()?;
        if self.out.len() > MOST {
            return Err(Stop::OutOfMemory);
        }
        match item {
            Item::Token(..) => self.put(self.tree.token(item)),
            Item::Form(node) if !self.fits(item, after) => self.broken(node)?,
            Item::Form(node) => self.flat(node),
        }
        Ok(())
    }

    /// Returns whether an item and `after` more columns fit on this line.
    pub(super) fn fits(&self, item: Item, after: usize) -> bool {
        let width = self.tree.width(item);
        width.saturating_add(self.column).saturating_add(after) <= WIDTH
    }

    /// Returns whether the elements of a form from `first` on fit on this line.
    pub(super) fn fits_from(&self, node: usize, first: usize) -> bool {
        let mut column = self.column;
        for (at, element) in self.tree.elements(node).iter().enumerate().skip(first) {
            let gap = if at > first {
                self.tree.gap_width(node, at)
            } else {
                0
            };
            let width = self.tree.width(element.item);
            column = column.saturating_add(gap).saturating_add(width);
            // Not all of a long row is looked at.
            if column > WIDTH {
                return false;
            }
        }
        true
    }

    /// Writes a form on one line.
    pub(super) fn flat(&mut self, node: usize) {
        self.flat_from(node, 0);
    }

    /// Writes the elements of a form from `first` on on one line.
    pub(super) fn flat_from(&mut self, node: usize, first: usize) {
        for (at, element) in self.tree.elements(node).iter().enumerate().skip(first) {
            if at > first {
                self.gap(element, Gap::Spaces(self.tree.spaces(node, at)));
            }
            match element.item {
                Item::Token(..) => self.put(self.tree.token(element.item)),
                Item::Form(node) => self.flat(node),
            }
        }
    }

    /// Writes what is before an element.
    pub(super) fn gap(&mut self, element: &Element, gap: Gap) {
        let tree = self.tree;
        let comments = tree.comments(element);
        match gap {
            Gap::Spaces(count) if comments.is_empty() => self.spaces(count),
            Gap::Spaces(count) => {
                self.spaces(count.max(1));
                self.each(comments, self.base());
            }
            Gap::Line {
                indent,
                comments: at,
            } => {
                let (trailing, own) = split(comments);
                self.trailing(trailing);
                self.own_lines(own, at, trailing.last());
                self.line(indent);
            }
            Gap::Argument(indent) => {
                let hard = comments.iter().rposition(|comment| comment.ends_line);
                let (before, beside) = comments.split_at(hard.map_or(0, |at| at + 1));
                let (trailing, own) = split(before);
                self.trailing(trailing);
                self.own_lines(own, indent, trailing.last());
                self.line(indent);
                self.each(beside, indent);
            }
            Gap::Below(indent) => {
                self.line(indent);
                self.each(comments, indent);
            }
            Gap::Paragraph(indent) => {
                let (trailing, own) = split(comments);
                self.trailing(trailing);
                self.blank_line();
                self.own_lines(own, indent, None);
                if own.last().is_some_and(|comment| comment.blank_after) {
                    self.blank_line();
                }
                self.line(indent);
            }
        }
    }

    /// Writes comments where the line is at `indent`, and goes on there.
    fn each(&mut self, comments: &[Comment<'a>], indent: usize) {
        for comment in comments {
            self.comment(comment);
            if comment.ends_line {
                self.line(indent);
            } else {
                self.spaces(1);
            }
        }
    }

    fn trailing(&mut self, comments: &[Comment<'a>]) {
        for comment in comments {
            self.spaces(1);
            self.comment(comment);
        }
    }

    /// Writes comments on new lines. Blank lines stay between them, and behind
    /// one that is `before` them.
    fn own_lines(&mut self, comments: &[Comment<'a>], indent: usize, before: Option<&Comment<'a>>) {
        let mut blank = before.is_some_and(|comment| comment.blank_after);
        for comment in comments {
            if blank {
                self.blank_line();
            }
            self.line(indent);
            self.comment(comment);
            blank = comment.blank_after;
        }
    }

    /// Writes a comment. The lines of a block move with its first one.
    fn comment(&mut self, comment: &Comment<'a>) {
        let at = self.base();
        let mut lines = comment.text.lines();
        self.put(lines.next().unwrap_or_default().trim_end());
        let lines: Vec<&str> = lines.collect();
        if lines.is_empty() {
            return;
        }
        let text = self.tree.text;
        let line_start = text[..comment.start].rfind('\n').map_or(0, |at| at + 1);
        let column = text[line_start..comment.start].chars().count();
        let filled = lines.iter().filter(|line| !line.trim().is_empty());
        let shared = filled
            .map(|line| indentation(line))
            .fold(column, usize::min);
        for line in lines {
            self.blank_line();
            let line = line.trim_end();
            if !line.is_empty() {
                self.spaces(at);
                // Only one-byte characters were counted.
                self.put(&line[shared.min(indentation(line))..]);
            }
        }
    }

    /// Writes the comments before the text and the text, and those behind it.
    pub(super) fn file(&mut self) -> Result<(), Stop> {
        let tree = self.tree;
        let [expression, end] = tree.elements(tree.root()) else {
            return Ok(());
        };
        for comment in tree.comments(expression) {
            self.comment(comment);
            self.blank_line();
            if comment.blank_after {
                self.blank_line();
            }
        }
        self.item(expression.item, 0)?;
        let comments = tree.comments(end);
        let (trailing, own) = split(comments);
        self.trailing(trailing);
        if own.first().is_some_and(|comment| comment.blank_before) {
            self.blank_line();
        }
        self.own_lines(own, 0, None);
        self.blank_line();
        Ok(())
    }
}

/// Splits off the comments that are on the line of what is before them.
fn split<'c, 'a>(comments: &'c [Comment<'a>]) -> (&'c [Comment<'a>], &'c [Comment<'a>]) {
    let trailing = comments.iter().take_while(|comment| !comment.own_line);
    comments.split_at(trailing.count())
}

/// Returns how many bytes of white space a line begins with.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
