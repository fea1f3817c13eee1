//! The forms of a text as a tree that forgets nothing but white space.
//!
//! Every comment belongs to exactly one place: before an element of the
//! innermost form that has a token on either side of it.

use std::ops::Range;

use crate::format::lexer::{Comment, Lexeme, Lexer};
use crate::format::spelling::{self, Spelling};
use crate::limits::{Budget, Limits, Stop};
use crate::parse::{Form, Mark};

/// The width of what does not fit on any line.
pub(super) const ENDLESS: usize = usize::MAX;

/// How many elements are added before the room for them is looked at.
const STRIDE: usize = 1 << 16;

/// The forms of one text.
pub(super) struct Tree<'a> {
    pub(super) text: &'a str,
    pub(super) spelling: Spelling,
    nodes: Vec<Node>,
    elements: Vec<Element>,
    comments: Vec<Comment<'a>>,
    budget: Budget,
}

struct Node {
    form: Form,
    elements: Range<usize>,
    width: usize,
}

/// A part of a form, and the comments before it.
#[derive(Clone, Debug)]
pub(super) struct Element {
    before: Range<usize>,
    pub(super) item: Item,
}

/// A token by its bytes, or a form by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Token(usize, usize),
    Form(usize),
}

impl<'a> Tree<'a> {
    /// Returns the tree of a text by the marks that the parser left.
    ///
    /// # Errors
    /// [`Stop::OutOfMemory`] when there is no room for it.
    pub(super) fn new(text: &'a str, marks: &[Mark]) -> Result<Self, Stop> {
        let mut tree = Self {
            text,
            spelling: Spelling::Ascii,
            nodes: Vec::new(),
            elements: Vec::new(),
            comments: Vec::new(),
            budget: Budget::new(Limits::default()),
        };
        let mut open: Vec<(Item, Range<usize>)> = Vec::new();
        for mark in marks {
            let range = mark.start as usize..mark.end as usize;
            if mark.form == Form::Leaf {
                open.push((Item::Token(range.start, range.end), range));
                continue;
            }
            let inside = |(_, part): &&(Item, Range<usize>)| part.start >= range.start;
            let parts = open.iter().rev().take_while(inside).count();
            let parts = open.split_off(open.len() - parts);
            let item = tree.add(mark.form, range.clone(), parts)?;
            open.push((item, range));
        }
        for node in 0..tree.nodes.len() {
            tree.nodes[node].width = tree.measure(node);
        }
        Ok(tree)
    }

    /// Fails if there is no room for what is there and `row`.
    fn room(&self, row: &[Element]) -> Result<(), Stop> {
        let elements = (self.elements.len() + row.len()) * size_of::<Element>();
        let nodes = self.nodes.len() * size_of::<Node>();
        let comments = self.comments.len() * size_of::<Comment<'_>>();
        self.budget.room(elements + nodes + comments)
    }

    /// Returns the number of the form of the whole text.
    pub(super) fn root(&self) -> usize {
        self.nodes.len() - 1
    }

    pub(super) fn form(&self, node: usize) -> Form {
        self.nodes[node].form
    }

    pub(super) fn elements(&self, node: usize) -> &[Element] {
        &self.elements[self.nodes[node].elements.clone()]
    }

    pub(super) fn comments(&self, element: &Element) -> &[Comment<'a>] {
        &self.comments[element.before.clone()]
    }

    /// Returns all comments in the order of the text.
    pub(super) fn all_comments(mut self) -> Vec<Comment<'a>> {
        self.comments.sort_by_key(|comment| comment.start);
        self.comments
    }

    /// Returns a token as it is to be spelled; nothing for a form.
    pub(super) fn token(&self, item: Item) -> &'a str {
        match item {
            Item::Token(start, end) => self.spelling.spell(&self.text[start..end]),
            Item::Form(_) => "",
        }
    }

    /// Returns the form and the elements of an item that is one.
    pub(super) fn as_form(&self, item: Item) -> Option<(Form, &[Element])> {
        match item {
            Item::Token(..) => None,
            Item::Form(node) => Some((self.form(node), self.elements(node))),
        }
    }

    #[cfg(test)]
    pub(super) fn token_ends(&self) -> Vec<usize> {
        let end = |element: &Element| match element.item {
            Item::Token(_, end) => Some(end),
            Item::Form(_) => None,
        };
        self.elements.iter().filter_map(end).collect()
    }

    fn add(
        &mut self,
        form: Form,
        range: Range<usize>,
        parts: Vec<(Item, Range<usize>)>,
    ) -> Result<Item, Stop> {
        let mut row = Vec::with_capacity(2 * parts.len() + 1);
        let mut at = range.start;
        let mut first = self.comments.len();
        for (item, part) in parts {
            first = self.lex(at..part.start, first, &mut row)?;
            let before = first..self.comments.len();
            row.push(Element { before, item });
            first = self.comments.len();
            at = part.end;
        }
        first = self.lex(at..range.end, first, &mut row)?;
        if form == Form::File {
            // The end of the text, for the comments before it.
            let before = first..self.comments.len();
            let item = Item::Token(range.end, range.end);
            row.push(Element { before, item });
        }
        self.keep_with_items(form, &mut row);
        self.drop_separators(form, &mut row);
        for at in 0..row.len() {
            if let Some(inner) = self.without_parentheses(form, at, &row) {
                row[at].item = inner;
            }
        }
        let start = self.elements.len();
        self.elements.append(&mut row);
        self.nodes.push(Node {
            form,
            elements: start..self.elements.len(),
            width: ENDLESS,
        });
        if self.nodes.len().is_multiple_of(STRIDE) {
            self.room(&row)?;
        }
        Ok(Item::Form(self.nodes.len() - 1))
    }

    /// Adds the tokens of a range. `first` is the first comment that belongs
    /// to the next element; returns the one after the last token.
    fn lex(
        &mut self,
        range: Range<usize>,
        mut first: usize,
        row: &mut Vec<Element>,
    ) -> Result<usize, Stop> {
        for lexeme in Lexer::new(self.text, range) {
            match lexeme {
                Lexeme::Comment(comment) => self.comments.push(comment),
                Lexeme::Token(token) => {
                    if spelling::is_unicode(&self.text[token.clone()]) {
                        self.spelling = Spelling::Unicode;
                    }
                    let before = first..self.comments.len();
                    first = self.comments.len();
                    let item = Item::Token(token.start, token.end);
                    row.push(Element { before, item });
                }
            }
            if (row.len() + self.comments.len()).is_multiple_of(STRIDE) {
                self.room(row)?;
            }
        }
        Ok(first)
    }

    /// Moves comments behind a separator that ends a line before it, to the item
    /// that they are about: separators will begin lines.
    fn keep_with_items(&self, form: Form, row: &mut [Element]) {
        for at in 1..row.len() {
            let Item::Token(start, _) = row[at - 1].item else {
                continue;
            };
            let line = self.text[..start].trim_end_matches([' ', '\t']);
            if !self.is_separator(form, row[at - 1].item) || line.ends_with('\n') {
                continue;
            }
            let comments = self.comments(&row[at]);
            let beside = comments.iter().take_while(|comment| !comment.own_line);
            let beside = beside.count();
            if comments[..beside].last().is_some_and(|last| last.ends_line) {
                row[at].before.start += beside;
                row[at - 1].before.end += beside;
            }
        }
    }

    fn is_separator(&self, form: Form, item: Item) -> bool {
        matches!(
            (form, self.token(item)),
            (
                Form::List | Form::EmptyList | Form::Record | Form::Labels,
                ","
            ) | (Form::Union, "|")
        )
    }

    /// Drops the separators before the first and after the last item. Their
    /// comments go to the next element.
    fn drop_separators(&self, form: Form, row: &mut Vec<Element>) {
        let last = row.len() - 1;
        let needless =
            |at: usize| (at == 1 || at + 1 == last) && self.is_separator(form, row[at].item);
        let needless: Vec<bool> = (0..row.len()).map(needless).collect();
        for at in 0..last {
            if needless[at] {
                row[at + 1].before.start = row[at].before.start;
            }
        }
        let mut needless = needless.into_iter();
        row.retain(|_| !needless.next().unwrap_or(false));
    }

    /// Returns what is between the parentheses of an element that needs none.
    /// Those that show how operators group stay, also where the reader might
    /// know.
    fn without_parentheses(&self, form: Form, at: usize, row: &[Element]) -> Option<Item> {
        let (Form::Parentheses, [_, inner, close]) = self.as_form(row[at].item)? else {
            return None;
        };
        if !inner.before.is_empty() || !close.before.is_empty() {
            return None;
        }
        let last = at + 1 == row.len();
        let delimited = match form {
            Form::File
            | Form::Parentheses
            | Form::List
            | Form::EmptyList
            | Form::Field
            | Form::Binder
            | Form::Binding
            | Form::Let
            | Form::If
            | Form::Assert
            | Form::Text => true,
            Form::Lambda | Form::Pi | Form::Annotation => last,
            _ => false,
        };
        let primitive = match self.as_form(inner.item) {
            None => true,
            Some((Form::Import | Form::Completion, _)) => matches!(
                form,
                Form::Application | Form::Operators | Form::Annotation | Form::With | Form::Pi
            ),
            Some((inner, _)) => matches!(
                inner,
                Form::List
                    | Form::Record
                    | Form::Union
                    | Form::Text
                    | Form::Selection
                    | Form::Parentheses
            ),
        };
        // Those of `.(T)` are needed; what selects from a selection would be one
        // with it, and laid out otherwise.
        let selects = form == Form::Selection
            && (at > 0 || matches!(self.as_form(inner.item), Some((Form::Selection, _))));
        (delimited || primitive && !selects).then_some(inner.item)
    }

    /// Returns how wide an item is on one line, if it may be on one.
    pub(super) fn width(&self, item: Item) -> usize {
        match item {
            Item::Form(node) => self.nodes[node].width,
            Item::Token(..) => {
                let token = self.token(item);
                if token.contains('\n') {
                    return ENDLESS;
                }
                token.chars().count()
            }
        }
    }

    /// Returns the width of a form whose parts have theirs.
    fn measure(&self, node: usize) -> usize {
        let elements = self.elements(node);
        // A `let` with a type always has it on a line of its own.
        if self.form(node) == Form::Binding && elements.len() > 4 {
            return ENDLESS;
        }
        let mut width = 0_usize;
        for (at, element) in elements.iter().enumerate() {
            let gap = match at {
                0 => 0,
                _ => self.gap_width(node, at),
            };
            width = width
                .saturating_add(gap)
                .saturating_add(self.width(element.item));
        }
        width
    }

    pub(super) fn gap_width(&self, node: usize, at: usize) -> usize {
        let comments = self.comments(&self.elements(node)[at]);
        if comments.iter().any(Comment::is_hard) {
            return ENDLESS;
        }
        let widths = comments.iter().map(|comment| comment.text.chars().count());
        let spaces = match comments.len() {
            0 => self.spaces(node, at),
            comments => comments + 1,
        };
        widths.sum::<usize>() + spaces
    }

    /// Returns how many spaces are before an element that is on the line of the
    /// one before.
    pub(super) fn spaces(&self, node: usize, at: usize) -> usize {
        let elements = self.elements(node);
        let left = self.token(elements[at - 1].item);
        let right = self.token(elements[at].item);
        let (first, last) = (at == 1, at + 1 == elements.len());
        let spaced = match self.form(node) {
            Form::Path | Form::Selection | Form::Completion | Form::Text => false,
            Form::Parentheses => !first && !last,
            Form::Binder => left == "forall" || !first && left != "(" && !last,
            Form::EmptyList => right != "]",
            Form::List | Form::Record | Form::Union | Form::Labels => {
                let empty = elements.len() == 2 || left == "=" || right == "=";
                right != "," && !empty
            }
            _ => true,
        };
        usize::from(spaced)
    }
}
