//! The one kind of error that users see: what is wrong, where, and what to do.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::location::Location;
use crate::problem::{ErrorKind, Problem};
use crate::syntax::Span;

/// The most of a source that a message shows, in bytes.
const SHOWN: usize = 4096;

/// What is wrong with a Dhall program.
///
/// `Display` is one line: `file:line:column: message`. [`Error::render`] adds
/// the place in the source, what differs, the imports that led there, and how
/// to cure it.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Evaluator, Location, MemoryImporter};
///
/// let lib = Location::File("lib.dhall".to_owned());
/// let importer = MemoryImporter::new().with(lib.clone(), "let name = 1\nin  { name = nmae }");
/// let error = Evaluator::new(Arc::new(importer))
///     .evaluate(&Location::File("main.dhall".to_owned()), "./lib.dhall")
///     .expect_err("a misspelled name");
/// assert_eq!(error.to_string(), "lib.dhall:2:14: `nmae` is not in scope");
/// assert_eq!((error.location(), error.line(), error.column()), (&lib, 2, 14));
/// assert_eq!(error.hint(), Some("did you mean `name`?"));
/// let [(importing, 1, 1)] = error.import_chain() else {
///     panic!("one text imports it");
/// };
/// assert_eq!(importing.to_string(), "main.dhall");
/// assert!(error.render(false).contains("imported from main.dhall:1:1"));
/// ```
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    location: Location,
    source: Arc<str>,
    problem: Problem,
    /// The imports that led here, innermost first.
    chain: Vec<(Location, usize, usize)>,
}

impl Error {
    #[allow(clippy::boxed_local)] // Problems travel in boxes.
    pub(crate) fn new(location: &Location, source: &Arc<str>, problem: Box<Problem>) -> Self {
        Self(Box::new(Inner {
            location: location.clone(),
            source: Arc::clone(source),
            problem: *problem,
            chain: Vec::new(),
        }))
    }

    /// Returns an error that is about no place of a source.
    pub(crate) fn general(location: &Location, problem: Box<Problem>) -> Self {
        Self::new(location, &Arc::from(""), problem)
    }

    /// Adds where the text that this error is in was imported.
    pub(crate) fn imported_from(mut self, location: &Location, source: &str, span: Span) -> Self {
        let (line, column) = line_and_column(source, span.start as usize);
        self.0.chain.push((location.clone(), line, column));
        self
    }

    /// Returns what kind of thing is wrong.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{ErrorKind, Evaluator, Location, MemoryImporter};
    ///
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let kind = |text| {
    ///     let evaluated = evaluator.evaluate(&Location::Input("example".to_owned()), text);
    ///     evaluated.expect_err("something is wrong").kind()
    /// };
    /// assert_eq!(kind("1 + True"), ErrorKind::Wrong);
    /// assert_eq!(kind("./lib.dhall ? missing"), ErrorKind::Absent);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.problem.kind
    }

    /// Returns where the text is that is wrong.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.0.location
    }

    pub(crate) fn source(&self) -> &str {
        &self.0.source
    }

    pub(crate) fn span(&self) -> Span {
        self.0.problem.span
    }

    /// Returns the line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        line_and_column(&self.0.source, self.0.problem.span.start as usize).0
    }

    /// Returns the column in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        line_and_column(&self.0.source, self.0.problem.span.start as usize).1
    }

    /// Returns what is wrong, without where.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.problem.message
    }

    /// Returns what is said about the place, and about parts of it.
    pub fn details(&self) -> impl Iterator<Item = &str> {
        let label = std::iter::once(self.0.problem.label.as_str());
        let notes = self.0.problem.notes.iter().map(String::as_str);
        label.filter(|label| !label.is_empty()).chain(notes)
    }

    /// Returns what to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.problem.hint.as_deref()
    }

    /// Returns the imports that led to the text, innermost first: the location
    /// of each importing text, the line and the column of the import.
    #[must_use]
    pub fn import_chain(&self) -> &[(Location, usize, usize)] {
        &self.0.chain
    }

    /// Returns the message for a person: with the source, with colours if asked.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let window = Window::new(&self.0.source, &self.0.problem);
        let path = self.0.location.to_string();
        let title = Level::ERROR.primary_title(self.message());
        let mut group = Group::with_title(title);
        if self.0.source.is_empty() {
            let label = &self.0.problem.label;
            let note = if label.is_empty() {
                "in"
            } else {
                label.as_str()
            };
            group = group.element(Level::NOTE.message(format!("{note}: {path}")));
        } else {
            group = group.element(self.snippet(&window, &path));
            if !window.is_of_lines {
                // The snippet counts columns from where it begins.
                let at = format!("at {path}:{}:{}", self.line(), self.column());
                group = group.element(Level::NOTE.message(at));
            }
        }
        for note in &self.0.problem.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        for (location, line, column) in &self.0.chain {
            let from = format!("imported from {location}:{line}:{column}");
            group = group.element(Level::NOTE.message(from));
        }
        if let Some(hint) = self.hint() {
            group = group.element(Level::HELP.message(hint));
        }
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&[group])
    }

    fn snippet<'a>(
        &'a self,
        window: &Window<'a>,
        path: &str,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let problem = &self.0.problem;
        let mut primary = AnnotationKind::Primary.span(window.range(problem.span));
        if !problem.label.is_empty() {
            primary = primary.label(problem.label.as_str());
        }
        let context = problem
            .context
            .iter()
            .filter(|(span, _)| window.contains(*span));
        let context = context.map(|(span, label)| {
            AnnotationKind::Context
                .span(window.range(*span))
                .label(label.as_str())
        });
        Snippet::source(window.text)
            .line_start(window.line)
            .path(path.to_owned())
            .annotation(primary)
            .annotations(context)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.0.location)?;
        if !self.0.source.is_empty() {
            write!(f, "{}:{}:", self.line(), self.column())?;
        }
        write!(f, " {}", self.message())
    }
}

impl std::error::Error for Error {}

/// The part of a source that a message shows.
struct Window<'a> {
    text: &'a str,
    start: usize,
    /// The number of its first line.
    line: usize,
    /// Whether its first line is a whole one.
    is_of_lines: bool,
}

impl<'a> Window<'a> {
    fn new(source: &'a str, problem: &Problem) -> Self {
        let (at, end) = (problem.span.start as usize, problem.span.end as usize);
        let near = |span: &&Span| (span.start as usize).abs_diff(at) <= SHOWN / 2;
        let spans: Vec<_> = problem
            .context
            .iter()
            .map(|(span, _)| span)
            .filter(near)
            .collect();
        let first = spans
            .iter()
            .map(|span| span.start as usize)
            .fold(at, usize::min);
        let last = spans
            .iter()
            .map(|span| span.end as usize)
            .fold(end, usize::max);
        let start = line_start(source, first).max(first.saturating_sub(SHOWN / 2));
        let start = boundary(source, start);
        let stop = last.min(start + SHOWN).max(first.min(source.len()));
        let stop = boundary(source, stop);
        let rest = &source[stop..];
        let line_end = rest.find('\n').unwrap_or(rest.len()).min(SHOWN / 2);
        Self {
            text: &source[start..boundary(source, stop + line_end)],
            start,
            line: line_and_column(source, start).0,
            is_of_lines: start == line_start(source, start),
        }
    }

    fn contains(&self, span: Span) -> bool {
        let range = self.start..self.start + self.text.len();
        range.contains(&(span.start as usize))
    }

    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let clamp = |at: u32| {
            (at as usize)
                .saturating_sub(self.start)
                .min(self.text.len())
        };
        let start = boundary(self.text, clamp(span.start));
        start..boundary(self.text, clamp(span.end)).max(start)
    }
}

/// Returns the closest boundary of a character that is not behind `at`.
fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

fn line_start(text: &str, at: usize) -> usize {
    let at = boundary(text, at);
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Returns the line and the column, in characters, both counted from 1.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let at = boundary(text, at);
    let start = line_start(text, at);
    let line = text.as_bytes()[..start]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    (line + 1, text[start..at].chars().count() + 1)
}
