//! Expressions as they are written, before anything is imported or evaluated.

use std::fmt;
use std::sync::Arc;

use crate::binary;
use crate::error::Error;
use crate::limits::{Limits, with_stack};
use crate::location::Location;
use crate::parse;
use crate::print;
use crate::problem::Problem;
use crate::syntax::{Expr, Span};

/// An expression as it is written: imports are not resolved, nothing is checked
/// or evaluated. What only spells differently is the same: comments, the way a
/// number is written, `{ x }` for `{ x = x }`.
///
/// `Display` writes it as source, and a comment where there is no room for that;
/// [`Expression::to_text`] fails then.
///
/// ```
/// use straylight_dhall::{Expression, Location};
///
/// let here = Location::Input("example".to_owned());
/// let expression = Expression::parse(&here, "let x = 0x10 in [ x, ./more.dhall ]")?;
/// let again = Expression::decode(&here, &expression.encode()?)?;
/// assert_eq!(again.to_string(), "let x = 16 in [ x, ./more.dhall ]");
/// # Ok::<(), straylight_dhall::Error>(())
/// ```
#[derive(Clone)]
pub struct Expression {
    expression: Expr,
}

impl Expression {
    pub(crate) fn from_tree(expression: Expr) -> Self {
        Self { expression }
    }

    pub(crate) fn into_tree(self) -> Expr {
        self.expression
    }

    /// Parses a source text, which comes from `location`.
    ///
    /// # Errors
    /// [`Error`] when it does not parse.
    pub fn parse(location: &Location, text: &str) -> Result<Self, Error> {
        let parsed = in_depth(location, || Ok(parse::parse(text)))?;
        let expression =
            parsed.map_err(|problem| Error::new(location, &Arc::from(text), problem))?;
        Ok(Self { expression })
    }

    /// Decodes a binary form, which comes from `location`.
    ///
    /// # Errors
    /// [`Error`] when it is not the binary form of an expression.
    pub fn decode(location: &Location, bytes: &[u8]) -> Result<Self, Error> {
        let decoded = in_depth(location, || Ok(binary::decode(bytes)))?;
        let expression = decoded.map_err(|error| {
            let message = format!("this is not Dhall in binary form: {error}");
            Error::general(location, Problem::new(Span::NONE, message))
        })?;
        Ok(Self { expression })
    }

    /// Returns the binary form.
    ///
    /// # Errors
    /// [`Error`] when the expression is nested too deeply.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        in_depth(&nowhere(), || binary::encode(&self.expression))
    }

    /// Returns the expression as source, without a line break at the end.
    ///
    /// # Errors
    /// [`Error`] when the expression is nested too deeply.
    pub fn to_text(&self) -> Result<String, Error> {
        in_depth(&nowhere(), || Ok(print::print(&self.expression)))
    }
}

/// Returns where an expression is that may come from anywhere.
fn nowhere() -> Location {
    Location::Input("(expression)".to_owned())
}

fn in_depth<R: Send>(
    location: &Location,
    work: impl FnOnce() -> Result<R, crate::limits::Stop> + Send,
) -> Result<R, Error> {
    with_stack(Limits::default(), work)
        .and_then(|result| result)
        .map_err(|stop| Error::general(location, Problem::stopped(Span::NONE, stop)))
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_text() {
            Ok(text) => f.write_str(&text),
            Err(error) => write!(f, "{{- {} -}}", error.message()),
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the bytes that come from `location` as a source text.
///
/// # Errors
/// [`Error`] when they are not UTF-8, with the place of the first wrong byte.
///
/// ```
/// use straylight_dhall::{Location, source_text};
///
/// let here = Location::File("latin.dhall".to_owned());
/// let error = source_text(&here, b"-- caf\xe9\n1").expect_err("not UTF-8");
/// assert_eq!(error.to_string(), "latin.dhall:1:7: this is not UTF-8: the byte 0xe9");
/// ```
pub fn source_text<'a>(location: &Location, bytes: &'a [u8]) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let wrong = bytes.get(at).copied().unwrap_or_default();
        // Up to the wrong byte, offsets are those of the bytes.
        let shown = String::from_utf8_lossy(bytes);
        let start = u32::try_from(at).unwrap_or(u32::MAX);
        let end = start.saturating_add(char::REPLACEMENT_CHARACTER.len_utf8() as u32);
        let problem = Problem::new(
            Span {
                start,
                end,
                ..Span::NONE
            },
            format!("this is not UTF-8: the byte 0x{wrong:02x}"),
        );
        let problem = problem.hint("Dhall files are UTF-8: convert the file, as with `iconv`");
        Error::new(location, &Arc::from(shown), problem)
    })
}
