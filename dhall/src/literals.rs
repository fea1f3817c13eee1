//! The text literals of a source, to point a later message at one of them.

use crate::error::line_and_column;
use crate::limits::{Limits, with_stack};
use crate::parse;
use crate::syntax::{Expr, Kind};

/// A place in a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The byte at which it begins.
    pub start: usize,
    /// The byte behind its end.
    pub end: usize,
    /// The line of its beginning, counted from 1.
    pub line: usize,
    /// The column of its beginning, in characters, counted from 1.
    pub column: usize,
}

/// Returns every text literal without interpolation, in the order of the
/// source; none if the source does not parse.
///
/// ```
/// let literals = straylight_dhall::text_literals("{ name = \"a\",\n  tags = [ \"b\" ] }");
/// let places: Vec<_> = literals.iter().map(|(span, text)| (span.line, text.as_str())).collect();
/// assert_eq!(places, [(1, "a"), (2, "b")]);
/// ```
#[must_use]
pub fn text_literals(text: &str) -> Vec<(Span, String)> {
    let found = with_stack(Limits::default(), || {
        let expression = parse::parse(text).ok()?;
        let mut literals = Vec::new();
        let mut rest = vec![&expression];
        while let Some(expression) = rest.pop() {
            literals.extend(literal(expression));
            expression.kind().children(&mut |child| rest.push(child));
        }
        literals.sort_by_key(|((start, _), _)| *start);
        Some(literals)
    });
    let Ok(Some(literals)) = found else {
        return Vec::new();
    };
    let (mut line, mut column, mut at) = (1, 1, 0);
    let place = |((start, end), literal): ((usize, usize), String)| {
        // Counting goes on from the last one, so that all take one pass.
        let (lines, characters) = line_and_column(&text[at..], start - at);
        column = if lines == 1 {
            column + characters - 1
        } else {
            characters
        };
        line += lines - 1;
        at = start;
        let span = Span {
            start,
            end,
            line,
            column,
        };
        (span, literal)
    };
    literals.into_iter().map(place).collect()
}

fn literal(expression: &Expr) -> Option<((usize, usize), String)> {
    match expression.kind() {
        Kind::Text(chunks, text) if chunks.is_empty() => {
            let span = expression.span();
            Some(((span.start as usize, span.end as usize), text.to_string()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_found_where_they_are() {
        let source =
            "let x = \"a\" {- é -}\nin  { x = \"b\", y = [ \"c${\"d\"}\" ],\n z = ''\n  e''}";
        let found: Vec<_> = text_literals(source)
            .into_iter()
            .map(|(span, text)| (span.line, span.column, text))
            .collect();
        let expected = [(1, 9, "a"), (2, 11, "b"), (2, 26, "d"), (3, 6, "e")];
        assert_eq!(
            found,
            expected.map(|(line, column, text)| (line, column, text.to_owned()))
        );
        assert_eq!(text_literals("{"), []);
    }
}
