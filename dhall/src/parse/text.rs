//! Text literals.

use crate::parse::{Form, Parsed, Parser};
use crate::problem::Problem;
use crate::scope::Name;
use crate::syntax::{Expr, Kind, Span};

/// The pieces of a literal while it is read.
#[derive(Default)]
struct Chunks {
    chunks: Vec<(String, Expr)>,
    last: String,
    /// Where what lies between two interpolations began.
    start: u32,
}

impl Chunks {
    fn new(start: u32) -> Self {
        Self {
            start,
            ..Self::default()
        }
    }

    fn interpolate(&mut self, expression: Expr) {
        let text = std::mem::take(&mut self.last);
        self.chunks.push((text, expression));
    }

    fn finish(self) -> Kind {
        let chunks = self.chunks.into_iter();
        let chunks = chunks.map(|(text, expression)| (Name::from(text), expression));
        Kind::Text(chunks.collect(), self.last.into())
    }
}

impl Parser<'_> {
    pub(super) fn double_quoted(&mut self, start: u32) -> Parsed<Expr> {
        let mut chunks = Chunks::new(start);
        self.advance(1);
        loop {
            let plain =
                self.until(|byte| matches!(byte, b'"' | b'\\' | b'$' | b'\n' | b'\r' | b'\t'));
            chunks.last.push_str(plain);
            match self.peek() {
                b'"' => {
                    self.advance(1);
                    self.note(Form::Leaf, chunks.start);
                    self.note(Form::Text, start);
                    return Ok(Expr::new(chunks.finish(), self.span_from(start)));
                }
                b'\\' => chunks.last.push(self.escape()?),
                b'$' if self.peek_at(1) == b'{' => self.interpolation(&mut chunks)?,
                b'$' => {
                    chunks.last.push('$');
                    self.advance(1);
                }
                _ => return Err(self.unfinished(start)),
            }
        }
    }

    /// A text ended at the end of its line, or of the file.
    fn unfinished(&self, start: u32) -> Box<Problem> {
        let open = Span {
            start,
            end: start + 1,
            ..Span::NONE
        };
        let tab = self.peek() == b'\t';
        let message = if tab {
            "a tab in a text is written `\\t`"
        } else {
            "this text has no end"
        };
        Problem::new(self.here(), message)
            .context(open, "the text begins here")
            .hint("close it with `\"`; for several lines, use `''`")
    }

    /// Consumes bytes up to one that `stop` accepts.
    fn until(&mut self, stop: impl Fn(u8) -> bool) -> &str {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|byte| stop(*byte));
        let start = self.position;
        self.advance(length.unwrap_or(rest.len()));
        &self.text[start..self.position]
    }

    fn interpolation(&mut self, chunks: &mut Chunks) -> Parsed<()> {
        self.advance(2);
        self.note(Form::Leaf, chunks.start);
        self.whitespace()?;
        let expression = self.expression()?;
        self.whitespace()?;
        chunks.start = self.mark();
        self.expect("}", "`}`")?;
        chunks.interpolate(expression);
        Ok(())
    }

    fn escape(&mut self) -> Parsed<char> {
        let start = self.mark();
        let escaped = match self.peek_at(1) {
            c @ (b'"' | b'$' | b'\\' | b'/') => char::from(c),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(start),
            _ => {
                let problem = Problem::new(self.here(), "there is no such escape");
                return Err(problem.hint(
                    r#"write `\\` for a backslash; the others are `\" \$ \/ \b \f \n \r \t \u`"#,
                ));
            }
        };
        self.advance(2);
        Ok(escaped)
    }

    fn unicode_escape(&mut self, start: u32) -> Parsed<char> {
        self.advance(2);
        let braced = self.eat("{");
        let digits = if braced {
            self.until(|byte| !byte.is_ascii_hexdigit()).to_owned()
        } else {
            let end = (self.position + 4).min(self.bytes.len());
            let digits = self.text.get(self.position..end).unwrap_or("").to_owned();
            self.advance(digits.len());
            digits
        };
        let closed = !braced || self.eat("}");
        let span = self.span_from(start);
        // More than eight digits can only be zeros and a code point.
        let significant = digits.trim_start_matches('0');
        let hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = if significant.is_empty() {
            Some(0)
        } else {
            u32::from_str_radix(significant, 16).ok()
        };
        code.filter(|code| {
            closed && hex && (braced || digits.len() == 4) && code & 0xfffe != 0xfffe
        })
        .and_then(char::from_u32)
        .ok_or_else(|| {
            Problem::new(span, "this is not the escape of a character")
                .hint(r"write four digits, `\u00e9`, or braces, `\u{1f600}`")
        })
    }

    pub(super) fn single_quoted(&mut self, start: u32) -> Parsed<Expr> {
        self.advance(2);
        if !(self.eat("\n") || self.eat("\r\n")) {
            return Err(self
                .unexpected("the end of the line")
                .hint("a text between `''` begins on the next line"));
        }
        let mut chunks = Chunks::new(start);
        loop {
            let plain = self.until(|byte| matches!(byte, b'\'' | b'$' | b'\r'));
            chunks.last.push_str(plain);
            if self.eat("''${") {
                chunks.last.push_str("${");
            } else if self.eat("'''") {
                chunks.last.push_str("''");
            } else if self.eat("''") {
                self.note(Form::Leaf, chunks.start);
                self.note(Form::Text, start);
                strip_indentation(&mut chunks);
                return Ok(Expr::new(chunks.finish(), self.span_from(start)));
            } else if self.at("${") {
                self.interpolation(&mut chunks)?;
            } else if self.eat("\r\n") {
                chunks.last.push('\n');
            } else if let c @ (b'\'' | b'$') = self.peek() {
                chunks.last.push(char::from(c));
                self.advance(1);
            } else {
                let open = Span {
                    start,
                    end: start + 2,
                    ..Span::NONE
                };
                return Err(Problem::new(open, "this text has no end")
                    .label("the text begins here")
                    .hint("close it with `''`"));
            }
        }
    }
}

/// Removes the white space that all lines begin with. Empty lines don't count,
/// except the last one.
fn strip_indentation(chunks: &mut Chunks) {
    let texts = chunks.chunks.iter().map(|(text, _)| text.as_str());
    let indentation = common_indentation(texts.chain([chunks.last.as_str()])).len();
    let mut line_start = true;
    for (text, _) in &mut chunks.chunks {
        *text = strip(text, indentation, line_start);
        line_start = false;
    }
    chunks.last = strip(&chunks.last, indentation, line_start);
}

/// Returns the longest white space that all lines which count begin with, of
/// what lies between the interpolations of a text.
pub(crate) fn common_indentation<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut common: Option<String> = None;
    let mut line_start = true;
    for text in texts {
        let lines = text.split('\n').count();
        for (at, line) in text.split('\n').enumerate() {
            // The end of a piece is an interpolation or the end of the text,
            // and so never an empty line.
            let counts = at + 1 == lines || !line.is_empty();
            if counts && (at > 0 || line_start) {
                shorten(&mut common, line);
            }
        }
        line_start = false;
    }
    common.unwrap_or_default()
}

/// Shortens `common` to what `line` begins with, too.
fn shorten(common: &mut Option<String>, line: &str) {
    let indentation = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
    let length = match common.as_deref() {
        None => indentation.count(),
        Some(known) => known
            .bytes()
            .zip(indentation)
            .take_while(|(a, b)| a == b)
            .count(),
    };
    // Only one-byte characters were counted.
    *common = Some(line[..length].to_owned());
}

/// Removes `indentation` bytes at the start of each line of `text`.
fn strip(text: &str, indentation: usize, line_start: bool) -> String {
    let mut stripped = String::with_capacity(text.len());
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            stripped.push('\n');
        }
        let begins_line = at > 0 || line_start;
        stripped.push_str(if begins_line {
            line.get(indentation..).unwrap_or_default()
        } else {
            line
        });
    }
    stripped
}
