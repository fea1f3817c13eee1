//! What a formatter must know of a text, and the syntax tree forgets: where each
//! form of the grammar begins and ends, parentheses among them.

use crate::parse::{Parsed, Parser};
use crate::syntax::Expr;

/// A form of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The whole text.
    File,
    /// One token, whatever is inside of it.
    Leaf,
    Parentheses,
    List,
    EmptyList,
    /// A record or the type of one.
    Record,
    Union,
    /// The names of a projection, with their braces.
    Labels,
    /// A field or an alternative: its path, and perhaps a value or a type.
    Field,
    /// Labels with dots between them.
    Path,
    Lambda,
    /// A function type, with or without a name.
    Pi,
    /// `λ(x : A)`, `∀(x : A)`.
    Binder,
    Let,
    /// One `let`, without the `in` that may follow.
    Binding,
    If,
    Annotation,
    Assert,
    With,
    /// A chain of one operator.
    Operators,
    Application,
    Completion,
    /// What has selectors, or an index.
    Selection,
    /// A text literal; its leaves are what lies between the interpolations.
    Text,
    Import,
}

/// A form of a text: the range of bytes from its first token to its last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) form: Form,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Parses a complete source text, and returns its forms, parts before the
/// whole. Call it where the stack is large.
pub(crate) fn parse_marked(text: &str) -> Parsed<(Expr, Vec<Mark>)> {
    let mut parser = Parser::new(text)?;
    parser.marks = Some(Vec::new());
    let expression = parser.file()?;
    parser.advance(0);
    parser.note(Form::File, 0);
    Ok((expression, parser.marks.unwrap_or_default()))
}

impl Parser<'_> {
    /// Notes that a form began at `start` and ends with the last token.
    pub(super) fn note(&mut self, form: Form, start: u32) {
        let end = super::offset(self.end);
        if let Some(marks) = &mut self.marks {
            marks.push(Mark { form, start, end });
        }
    }
}
