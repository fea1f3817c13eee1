//! What is wrong with one source text, before it is known whose text it is.

use crate::limits::Stop;
use crate::syntax::Span;

/// What kind of thing is wrong, by who can do something about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A text is wrong: it does not parse or is not well typed, it imports what
    /// it must not, or what it imports is not what its hash says. Who writes
    /// the text can change that.
    #[default]
    Wrong,
    /// Something that a text imports does not exist.
    Absent,
    /// Something cannot be had here and now: the file cannot be read, the host
    /// does not answer, the machine has no room. The text may be right.
    Unavailable,
    /// The evaluation uses more than its limits allow.
    Exhausted,
}

/// One finding, with the place that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: ErrorKind,
    pub(crate) span: Span,
    pub(crate) message: String,
    /// What is said at the place itself.
    pub(crate) label: String,
    /// Other places that matter.
    pub(crate) context: Vec<(Span, String)>,
    pub(crate) notes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// Why an evaluation was given up, if that is what is wrong.
    pub(crate) stop: Option<Stop>,
}

impl Problem {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            kind: ErrorKind::Wrong,
            span,
            message: message.into(),
            label: String::new(),
            context: Vec::new(),
            notes: Vec::new(),
            hint: None,
            stop: None,
        })
    }

    pub(crate) fn kind(mut self: Box<Self>, kind: ErrorKind) -> Box<Self> {
        self.kind = kind;
        self
    }

    pub(crate) fn label(mut self: Box<Self>, label: impl Into<String>) -> Box<Self> {
        self.label = label.into();
        self
    }

    pub(crate) fn context(mut self: Box<Self>, span: Span, label: impl Into<String>) -> Box<Self> {
        self.context.push((span, label.into()));
        self
    }

    pub(crate) fn note(mut self: Box<Self>, note: impl Into<String>) -> Box<Self> {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn notes(mut self: Box<Self>, notes: impl IntoIterator<Item = String>) -> Box<Self> {
        self.notes.extend(notes);
        self
    }

    pub(crate) fn hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint only if there is one.
    pub(crate) fn maybe_hint(mut self: Box<Self>, hint: Option<String>) -> Box<Self> {
        self.hint = hint.or(self.hint);
        self
    }

    /// Returns the problem of an evaluation that was given up at `span`.
    pub(crate) fn stopped(span: Span, stop: Stop) -> Box<Self> {
        let kind = match stop {
            Stop::NoThread => ErrorKind::Unavailable,
            Stop::IllTyped => ErrorKind::Wrong,
            _ => ErrorKind::Exhausted,
        };
        let mut problem = Self::new(span, stop.to_string()).kind(kind);
        problem.stop = Some(stop);
        match stop {
            Stop::TooDeep => problem.hint("make it less nested: bind parts of it with `let`"),
            Stop::TooLong => {
                problem.hint("look for folds inside folds over large numbers or lists")
            }
            Stop::TooLarge => problem.hint("look for a value that doubles at each step of a fold"),
            Stop::OutOfMemory => problem.hint("keep less: fewer items, or shorter texts"),
            Stop::IllTyped => problem.hint("remove the notes of what was checked from the cache"),
            Stop::NoThread => problem.hint("check the limits on processes and memory"),
        }
    }
}
