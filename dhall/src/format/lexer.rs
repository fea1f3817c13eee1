//! The tokens and the comments between the parts of a form.
//!
//! Texts, numbers, names and imports are leaves that the parser has found;
//! what is left between them is punctuation, keywords, labels, and comments.

use std::ops::Range;

/// A comment, and how it lies between its neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comment<'a> {
    /// The byte at which it begins.
    pub(super) start: usize,
    /// Without white space at its end.
    pub(super) text: &'a str,
    /// Whether it is the first on its line.
    pub(super) own_line: bool,
    /// Whether it is the last on its line, and so stays.
    pub(super) ends_line: bool,
    pub(super) blank_before: bool,
    pub(super) blank_after: bool,
}

impl Comment<'_> {
    /// Returns whether what it is part of cannot be on one line: because of
    /// its own lines, or because nothing may follow it, which a `--` demands
    /// and the author of a block may have wished.
    pub(super) fn is_hard(&self) -> bool {
        self.ends_line || self.text.contains('\n')
    }

    /// Returns its lines without the white space around them: what a formatter
    /// must keep.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim)
    }
}

/// What lies between the parts of a form.
pub(super) enum Lexeme<'a> {
    Comment(Comment<'a>),
    Token(Range<usize>),
}

/// Symbols of more than one byte, those that begin another behind it.
const SYMBOLS: &[&str] = &[
    "//\\\\", "===", "->", "==", "!=", "||", "&&", "++", "//", "/\\", "::",
];

/// Reads a range of a text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    position: usize,
    end: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, range: Range<usize>) -> Self {
        Self {
            text,
            position: range.start,
            end: range.end,
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.position..self.end]
    }

    /// Returns the number of line breaks before the next token or comment, and
    /// where that is.
    fn blank(&self, from: usize) -> (usize, usize) {
        let white = self.text.as_bytes()[from..]
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        let (mut lines, mut length) = (0, 0);
        for byte in white {
            lines += usize::from(*byte == b'\n');
            length += 1;
        }
        (lines, from + length)
    }

    fn comment(&mut self, length: usize, lines_before: usize) -> Lexeme<'a> {
        let start = self.position;
        self.position += length;
        let text = self.text[start..self.position].trim_end();
        let (lines, next) = self.blank(self.position);
        Lexeme::Comment(Comment {
            start,
            text,
            own_line: lines_before > 0 || start == 0,
            ends_line: lines > 0 || next == self.text.len(),
            blank_before: lines_before > 1,
            blank_after: lines > 1,
        })
    }

    fn token_length(&self) -> usize {
        let rest = self.rest();
        if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            return symbol.len();
        }
        if let Some(quoted) = rest.strip_prefix('`') {
            return quoted.find('`').map_or(rest.len(), |end| end + 2);
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_');
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return rest.bytes().take_while(|byte| word(byte)).count();
        }
        first
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Lexeme<'a>;

    fn next(&mut self) -> Option<Lexeme<'a>> {
        let (lines, next) = self.blank(self.position);
        self.position = next.min(self.end);
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        // Lines that tell a kernel who reads the file are like comments.
        if rest.starts_with("--") || rest.starts_with("#!") {
            let length = rest.find('\n').unwrap_or(rest.len());
            return Some(self.comment(length, lines));
        }
        if rest.starts_with("{-") {
            return Some(self.comment(block_length(rest), lines));
        }
        let start = self.position;
        self.position += self.token_length();
        Some(Lexeme::Token(start..self.position))
    }
}

/// Returns the length of the nested comment that a text begins with.
fn block_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"{-" => depth += 1,
            b"-}" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}
