//! Text to syntax tree.
//!
//! A recursive-descent parser over bytes. It looks ahead where the grammar
//! asks for backtracking, and never re-reads more than one token or one run of
//! white space, so it is linear in its input. Operators are parsed by
//! precedence, one call for each nesting, not one for each level.
//!
//! Names are resolved while parsing; see [`crate::syntax`].

mod expression;
mod form;
mod import;
mod literal;
mod operator;
mod primitive;
mod record;
mod text;

pub(crate) use form::{Form, Mark, parse_marked};
pub(crate) use import::hash_place;
use rustc_hash::FxHashSet;
pub(crate) use text::common_indentation;

use crate::builtin;
use crate::limits;
use crate::problem::Problem;
use crate::scope::{Name, Scope};
use crate::syntax::{Expr, Source, Span};

/// The result of parsing something.
type Parsed<T> = Result<T, Box<Problem>>;

/// Parses a complete source text. Call it where the stack is large.
pub(crate) fn parse(text: &str) -> Parsed<Expr> {
    Parser::new(text)?.file()
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    source: Source,
    position: usize,
    /// Where the last token ended: white space lies between it and `position`.
    end: usize,
    scope: Scope,
    names: FxHashSet<Name>,
    /// The forms of the text, if they are asked for.
    marks: Option<Vec<Mark>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        if u32::try_from(text.len()).is_err() {
            return Err(Problem::new(Span::NONE, "the file is larger than 4 GiB"));
        }
        check_characters(text)?;
        Ok(Self {
            text,
            bytes: text.as_bytes(),
            source: Source::new(),
            position: 0,
            end: 0,
            scope: Scope::default(),
            names: FxHashSet::default(),
            marks: None,
        })
    }

    fn file(&mut self) -> Parsed<Expr> {
        self.shebangs();
        self.whitespace()?;
        let expression = self.expression()?;
        self.whitespace()?;
        if self.position < self.bytes.len() {
            return Err(self.unexpected("the end of the file"));
        }
        Ok(expression)
    }

    fn peek(&self) -> u8 {
        self.peek_at(0)
    }

    /// Returns the byte `ahead` of here; 0, which no source has, at the end.
    fn peek_at(&self, ahead: usize) -> u8 {
        self.bytes.get(self.position + ahead).copied().unwrap_or(0)
    }

    fn at(&self, token: &str) -> bool {
        self.bytes[self.position..].starts_with(token.as_bytes())
    }

    fn advance(&mut self, bytes: usize) {
        self.position += bytes;
        self.end = self.position;
    }

    /// Consumes `token` if it is next.
    fn eat(&mut self, token: &str) -> bool {
        let found = self.at(token);
        if found {
            self.advance(token.len());
        }
        found
    }

    fn expect(&mut self, token: &str, meaning: &str) -> Parsed<()> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.unexpected(meaning))
    }

    fn mark(&self) -> u32 {
        offset(self.position)
    }

    /// Returns the span from `start` to the end of the last token.
    fn span_from(&self, start: u32) -> Span {
        Span {
            start,
            end: offset(self.end).max(start),
            source: self.source,
        }
    }

    fn intern(&mut self, name: &str) -> Name {
        if let Some(known) = self.names.get(name) {
            return Name::clone(known);
        }
        let name = Name::from(name);
        self.names.insert(Name::clone(&name));
        name
    }

    /// Fails when the stack is nearly used up.
    fn enter(&self) -> Parsed<()> {
        limits::check_stack().map_err(|stop| Problem::stopped(self.here(), stop))
    }

    /// Returns the span of the character at the position.
    fn here(&self) -> Span {
        let length = self.text[self.position..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        Span {
            start: self.mark(),
            end: offset(self.position + length),
            source: self.source,
        }
    }

    /// Returns the span of the token at the position, for a message.
    fn token_here(&self) -> Span {
        let word = self.word();
        if word.is_empty() {
            return self.here();
        }
        Span {
            start: self.mark(),
            end: offset(self.position + word.len()),
            source: self.source,
        }
    }

    fn unexpected(&self, expected: &str) -> Box<Problem> {
        let span = self.token_here();
        let found = &self.text[span.start as usize..span.end as usize];
        let found = match found {
            "" => "the end of the file".to_owned(),
            "\n" | "\r" => "the end of the line".to_owned(),
            found => format!("`{found}`"),
        };
        Problem::new(span, format!("expected {expected}, found {found}"))
            .label(format!("expected {expected}"))
    }

    /// Skips white space and comments. Returns whether there was any since the
    /// last token.
    fn whitespace(&mut self) -> Parsed<bool> {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\n' | b'\r' => self.position += 1,
                b'-' if self.peek_at(1) == b'-' => self.line_comment(),
                b'{' if self.peek_at(1) == b'-' => self.block_comment()?,
                _ => return Ok(self.position > self.end),
            }
        }
    }

    /// Skips white space, of which there must be some.
    fn some_whitespace(&mut self, before: &str) -> Parsed<()> {
        if self.whitespace()? {
            return Ok(());
        }
        Err(self.unexpected(&format!("white space before {before}")))
    }

    fn line_comment(&mut self) {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.position += length.unwrap_or(rest.len());
    }

    fn block_comment(&mut self) -> Parsed<()> {
        let start = Span {
            start: self.mark(),
            end: self.mark() + 2,
            source: self.source,
        };
        let mut depth = 0_usize;
        loop {
            match (self.peek(), self.peek_at(1)) {
                (b'{', b'-') => {
                    depth += 1;
                    self.position += 2;
                }
                (b'-', b'}') => {
                    depth -= 1;
                    self.position += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (0, _) => {
                    return Err(Problem::new(start, "this comment has no end")
                        .label("the comment begins here")
                        .hint("close it with `-}`; comments nest"));
                }
                _ => self.position += 1,
            }
        }
    }

    fn shebangs(&mut self) {
        while self.at("#!") {
            self.line_comment();
            self.position = (self.position + 1).min(self.bytes.len());
        }
        self.end = self.position;
    }

    /// Returns the simple label at the position; empty if there is none.
    fn word(&self) -> &'a str {
        let first = self.peek();
        if !first.is_ascii_alphabetic() && first != b'_' {
            return "";
        }
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|byte| !is_label_byte(*byte));
        let end = self.position + length.unwrap_or(rest.len());
        &self.text[self.position..end]
    }

    /// Consumes a keyword if it is next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.word() == keyword;
        if found {
            self.advance(keyword.len());
        }
        found
    }

    /// Parses a label that may be the name of a builtin, but not a keyword.
    fn any_label(&mut self, what: &str) -> Parsed<Name> {
        self.label(what, |word| !builtin::is_keyword(word))
    }

    fn any_label_or_some(&mut self, what: &str) -> Parsed<Name> {
        self.label(what, |word| word == "Some" || !builtin::is_keyword(word))
    }

    /// Parses a label that a binder may have.
    fn binder_label(&mut self) -> Parsed<Name> {
        self.label("a name", |word| !builtin::is_reserved(word))
    }

    fn label(&mut self, what: &str, allowed: impl Fn(&str) -> bool) -> Parsed<Name> {
        if self.peek() == b'`' {
            return self.quoted_label();
        }
        let word = self.word();
        if word.is_empty() {
            return Err(self.unexpected(what));
        }
        if !allowed(word) {
            let problem = Problem::new(self.token_here(), format!("`{word}` is a reserved name"));
            return Err(problem
                .label(format!("expected {what}"))
                .hint(format!("put it in backticks: `` `{word}` ``")));
        }
        self.advance(word.len());
        Ok(self.intern(word))
    }

    fn quoted_label(&mut self) -> Parsed<Name> {
        let rest = &self.bytes[self.position + 1..];
        let length = rest
            .iter()
            .position(|byte| *byte == b'`' || !(0x20..=0x7e).contains(byte));
        let end = self.position + 1 + length.unwrap_or(rest.len());
        let label = &self.text[self.position + 1..end];
        if self.bytes.get(end) != Some(&b'`') {
            self.position = end;
            return Err(self.unexpected("a closing backtick"));
        }
        self.advance(label.len() + 2);
        Ok(self.intern(label))
    }
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_')
}

/// The length of a source is checked to fit when the parser is made.
fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// What some editors put in front of a file in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Refuses the characters that no place of the grammar allows.
fn check_characters(text: &str) -> Parsed<()> {
    let control = |(at, byte): (usize, &u8)| match byte {
        b'\t' | b'\n' => None,
        b'\r' if text.as_bytes().get(at + 1) == Some(&b'\n') => None,
        0..=0x1f => Some((at, 1)),
        _ => None,
    };
    let noncharacter = |(at, c): (usize, char)| {
        let forbidden = (c as u32) & 0xfffe == 0xfffe;
        forbidden.then_some((at, c.len_utf8()))
    };
    let mut found = text
        .bytes()
        .enumerate()
        .find_map(|(at, b)| control((at, &b)));
    if found.is_none() && !text.is_ascii() {
        found = text.char_indices().find_map(noncharacter);
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        let span = Span {
            start: 0,
            end: offset(BYTE_ORDER_MARK.len_utf8()),
            ..Span::NONE
        };
        return Err(Problem::new(span, "this begins with a byte order mark")
            .hint("save the file as UTF-8 without one: `tail -c +4` cuts it off"));
    }
    let Some((at, length)) = found else {
        return Ok(());
    };
    let span = Span {
        start: offset(at),
        end: offset(at + length),
        ..Span::NONE
    };
    let character = text[at..].chars().next().unwrap_or_default();
    let message = format!("the character U+{:04X} is not allowed", character as u32);
    Err(Problem::new(span, message).hint("remove it, or write it as an escape in a text: `\\u{…}`"))
}
