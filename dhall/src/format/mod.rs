//! Formatting: a source is laid out anew, and nothing of it is lost.
//!
//! The parser marks where each form begins and ends, and the lexer reads what
//! lies between them: tokens and comments. Together they are a tree that has
//! all of the text but its white space. Each form is then written on one line
//! if it fits, else broken as `dhall format` breaks it; a comment stays between
//! the two tokens that it was between. The layout depends only on the tree, so
//! that what is formatted is not changed again, and takes one pass.
//!
//! What the syntax tree forgets is kept: how numbers, texts and names are
//! spelled, puns, dotted fields, and parentheses that group operators.
//! Parentheses that can never matter go, and so do separators without an item.
//!
//! No layout is trusted: the result is parsed again, and must mean the same and
//! have the same comments.

mod fields;
mod layout;
mod lexer;
mod printer;
mod spelling;
mod text;
mod tree;

use std::sync::Arc;

use crate::binary::encode;
use crate::error::Error;
use crate::format::lexer::Comment;
use crate::format::printer::Printer;
use crate::format::tree::Tree;
use crate::limits::{Limits, Stop, with_stack};
use crate::location::Location;
use crate::parse::{Mark, parse_marked};
use crate::problem::Problem;
use crate::syntax::Span;

/// The width that lines are broken for.
pub(crate) const WIDTH: usize = 80;

/// How far a line is indented at most: what is nested deeper is not, so that the
/// text is never much longer than what it says.
const DEEPEST: usize = 2 * WIDTH;

/// Returns a source with the standard layout, 80 columns wide. Comments stay
/// where they are, and the binary form stays the same. Nothing is imported.
///
/// ```
/// use straylight_dhall::{Location, format};
///
/// let here = Location::Input("example".to_owned());
/// let text = "let x=0x10 -- sixteen\nin {x ,y=[1,2]}";
/// let formatted = "let x = 0x10 -- sixteen\n\nin  { x, y = [ 1, 2 ] }\n";
/// assert_eq!(format(&here, text)?, formatted);
/// # Ok::<(), straylight_dhall::Error>(())
/// ```
///
/// # Errors
/// [`Error`] when the text does not parse, nests too deeply, or is too long.
pub fn format(location: &Location, source: &str) -> Result<String, Error> {
    let formatted = with_stack(Limits::default(), || formatted(source))
        .unwrap_or_else(|stop| Err(Problem::stopped(Span::NONE, stop)));
    formatted.map_err(|problem| Error::new(location, &Arc::from(source), problem))
}

/// Returns a text that was printed with the standard layout, without a line break
/// at the end, as it is where so many columns of its first line are taken; `None`
/// if it nests too deeply or is too long. Call it where the stack is large.
pub(crate) fn laid_out(text: &str, column: usize) -> Option<String> {
    let (_, marks) = parse_marked(text).ok()?;
    let tree = Tree::new(text, &marks).ok()?;
    let mut text = layout(&tree, column).ok()?;
    text.truncate(text.trim_end().len());
    Some(text)
}

fn layout(tree: &Tree<'_>, column: usize) -> Result<String, Stop> {
    let mut printer = Printer::new(tree, column);
    printer.file()?;
    Ok(printer.out)
}

fn formatted(source: &str) -> Result<String, Box<Problem>> {
    let stopped = |stop| Problem::stopped(Span::NONE, stop);
    // Only one tree of either kind is held at a time.
    let (binary, marks) = encoded(source)?;
    let tree = Tree::new(source, &marks).map_err(stopped)?;
    let text = layout(&tree, 0).map_err(stopped)?;
    let comments = tree.all_comments();
    let (again, marks) = encoded(&text).map_err(|problem| unfaithful(&problem.message))?;
    if again != binary {
        return Err(unfaithful("it would mean something else"));
    }
    let tree = Tree::new(&text, &marks).map_err(stopped)?;
    if !same_comments(&comments, &tree.all_comments()) {
        return Err(unfaithful("it would have other comments"));
    }
    Ok(text)
}

/// Returns the binary form of a text, and its marks.
fn encoded(text: &str) -> Result<(Vec<u8>, Vec<Mark>), Box<Problem>> {
    let (expression, marks) = parse_marked(text)?;
    let binary = encode(&expression).map_err(|stop| Problem::stopped(Span::NONE, stop))?;
    Ok((binary, marks))
}

fn same_comments(old: &[Comment<'_>], new: &[Comment<'_>]) -> bool {
    old.len() == new.len()
        && old
            .iter()
            .zip(new)
            .all(|(old, new)| old.lines().eq(new.lines()))
}

/// Returns the problem of a layout that is not that of the source.
fn unfaithful(why: &str) -> Box<Problem> {
    Problem::new(Span::NONE, format!("cannot format this: {why}"))
        .hint("the source is as it was; this is a defect of the formatter, please report it")
}

/// Returns where each token of a text ends, and the ranges of its forms. Call it
/// where the stack is large.
#[cfg(test)]
pub(crate) fn places(text: &str) -> (Vec<usize>, Vec<std::ops::Range<usize>>) {
    let (_, marks) = parse_marked(text).expect("it parses");
    let tree = Tree::new(text, &marks).expect("it is small");
    let range = |mark: &Mark| mark.start as usize..mark.end as usize;
    (tree.token_ends(), marks.iter().map(range).collect())
}
