//! Imports: paths, URLs and environment variables.

use std::net::Ipv6Addr;
use std::ops::Range;

use crate::parse::{Form, Parsed, Parser};
use crate::problem::Problem;
use crate::scope::Name;
use crate::syntax::{Expr, Import, Kind, Mode, Prefix, Remote, Target};

/// Returns where the hash of an import is, or an empty range where it belongs:
/// behind the target, before `as`. The text is the import and nothing else.
pub(crate) fn hash_place(import: &str) -> Parsed<Range<usize>> {
    let mut parser = Parser::new(import)?;
    parser.target()?;
    let end = parser.end;
    if parser.whitespace()? && parser.at("sha256:") {
        let start = parser.position;
        parser.hash()?;
        return Ok(start..parser.end);
    }
    Ok(end..end)
}

impl Parser<'_> {
    /// Returns whether an import begins here.
    pub(super) fn at_import(&self) -> bool {
        match self.peek() {
            b'.' => self.at("./") || self.at("../"),
            b'~' => self.peek_at(1) == b'/',
            b'/' => is_path_byte(self.peek_at(1)) || self.peek_at(1) == b'"',
            b'h' => self.at("http://") || self.at("https://"),
            b'e' => {
                let next = self.peek_at(4);
                self.at("env:") && (next.is_ascii_alphabetic() || matches!(next, b'_' | b'"'))
            }
            b'm' => self.word() == "missing",
            _ => false,
        }
    }

    pub(super) fn import(&mut self) -> Parsed<Expr> {
        let start = self.mark();
        let target = self.target()?;
        let mut import = Import {
            target,
            mode: Mode::Code,
            hash: None,
        };
        let (position, end) = (self.position, self.end);
        if self.whitespace()? && self.at("sha256:") {
            import.hash = Some(self.hash()?);
        } else {
            (self.position, self.end) = (position, end);
        }
        let (position, end) = (self.position, self.end);
        if self.whitespace()? && self.keyword("as") {
            import.mode = self.mode()?;
        } else {
            (self.position, self.end) = (position, end);
        }
        self.note(Form::Import, start);
        let kind = Kind::Import(Box::new(import));
        Ok(Expr::new(kind, self.span_from(start)))
    }

    fn mode(&mut self) -> Parsed<Mode> {
        self.some_whitespace("`Text`, `Bytes` or `Location`")?;
        let mode = match self.word() {
            "Text" => Mode::Text,
            "Bytes" => Mode::Bytes,
            "Location" => Mode::Location,
            _ => return Err(self.unexpected("`Text`, `Bytes` or `Location`")),
        };
        self.advance(self.word().len());
        Ok(mode)
    }

    fn hash(&mut self) -> Parsed<[u8; 32]> {
        let start = self.mark();
        self.advance(7);
        let rest = &self.bytes[self.position..];
        let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric());
        let digits = &rest[..end.unwrap_or(rest.len())];
        self.advance(digits.len());
        self.note(Form::Leaf, start);
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(digits)
            .ok()
            .and_then(|raw| raw.try_into().ok())
            .ok_or_else(|| {
                Problem::new(self.span_from(start), "a sha256 has 64 hexadecimal digits")
            })
    }

    fn target(&mut self) -> Parsed<Target> {
        if self.at("http://") || self.at("https://") {
            return Ok(Target::Remote(Box::new(self.remote()?)));
        }
        let start = self.mark();
        let target = if self.keyword("missing") {
            Target::Missing
        } else if self.eat("env:") {
            Target::Env(self.environment_variable()?)
        } else {
            self.path()?
        };
        self.note(Form::Leaf, start);
        Ok(target)
    }

    fn path(&mut self) -> Parsed<Target> {
        let prefix = if self.eat("..") {
            Prefix::Parent
        } else if self.eat(".") {
            Prefix::Here
        } else if self.eat("~") {
            Prefix::Home
        } else {
            Prefix::Absolute
        };
        let mut path = Vec::new();
        while self.eat("/") {
            path.push(self.path_component()?);
        }
        Ok(Target::Local(prefix, path))
    }

    fn path_component(&mut self) -> Parsed<Name> {
        let quoted = self.eat("\"");
        let rest = &self.bytes[self.position..];
        let end = if quoted {
            rest.iter()
                .position(|byte| matches!(byte, b'"' | b'/' | b'\n' | b'\r' | b'\t'))
        } else {
            rest.iter().position(|byte| !is_path_byte(*byte))
        };
        let component = &self.text[self.position..self.position + end.unwrap_or(rest.len())];
        if component.is_empty() {
            return Err(self.unexpected("a file or folder name"));
        }
        self.advance(component.len());
        if quoted {
            self.expect("\"", "`\"`")?;
        }
        Ok(self.intern(component))
    }

    fn environment_variable(&mut self) -> Parsed<Name> {
        if self.eat("\"") {
            return self.quoted_variable();
        }
        let rest = &self.bytes[self.position..];
        let end = rest
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        let name = &self.text[self.position..self.position + end.unwrap_or(rest.len())];
        self.advance(name.len());
        Ok(self.intern(name))
    }

    fn quoted_variable(&mut self) -> Parsed<Name> {
        let mut name = String::new();
        loop {
            match self.peek() {
                b'"' if !name.is_empty() => {
                    self.advance(1);
                    return Ok(self.intern(&name));
                }
                b'\\' => {
                    let escaped = match self.peek_at(1) {
                        c @ (b'"' | b'\\') => c,
                        b'a' => 7,
                        b'b' => 8,
                        b'f' => 12,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'v' => 11,
                        _ => return Err(self.unexpected("an escape")),
                    };
                    name.push(char::from(escaped));
                    self.advance(2);
                }
                c @ (0x20..=0x3c | 0x3e..=0x7e) if c != b'"' => {
                    name.push(char::from(c));
                    self.advance(1);
                }
                _ => return Err(self.unexpected("the name of an environment variable")),
            }
        }
    }

    fn remote(&mut self) -> Parsed<Remote> {
        let start = self.mark();
        let https = self.eat("https://");
        if !https {
            self.advance("http://".len());
        }
        let authority = self.authority()?;
        let mut path = Vec::new();
        while self.eat("/") {
            let segment = self.url_characters(is_pchar)?;
            path.push(segment);
        }
        if path.is_empty() {
            path.push(self.intern(""));
        }
        let query = match self.peek() {
            b'?' => {
                self.advance(1);
                Some(self.url_characters(|byte| is_pchar(byte) || matches!(byte, b'/' | b'?'))?)
            }
            _ => None,
        };
        self.note(Form::Leaf, start);
        let headers = self.using()?;
        Ok(Remote {
            https,
            authority,
            path,
            query,
            headers,
        })
    }

    fn using(&mut self) -> Parsed<Option<Expr>> {
        let (position, end) = (self.position, self.end);
        if self.whitespace()? && self.keyword("using") {
            self.some_whitespace("the headers")?;
            return self.import_expression().map(Some);
        }
        (self.position, self.end) = (position, end);
        Ok(None)
    }

    /// Characters of a URL, with percent escapes.
    fn url_characters(&mut self, allowed: impl Fn(u8) -> bool) -> Parsed<Name> {
        let start = self.position;
        loop {
            if self.peek() == b'%' {
                if !(self.peek_at(1).is_ascii_hexdigit() && self.peek_at(2).is_ascii_hexdigit()) {
                    return Err(self.unexpected("two hexadecimal digits after `%`"));
                }
                self.advance(3);
            } else if allowed(self.peek()) {
                self.advance(1);
            } else {
                let text = self.text;
                return Ok(self.intern(&text[start..self.position]));
            }
        }
    }

    fn authority(&mut self) -> Parsed<Name> {
        let start = self.position;
        let mark = self.mark();
        let userinfo = |byte| is_unreserved(byte) || is_sub_delimiter(byte) || byte == b':';
        self.url_characters(userinfo)?;
        if !self.eat("@") {
            self.position = start;
        }
        let host_start = self.position;
        if self.peek() == b'[' {
            let rest = &self.text[self.position..];
            self.advance(rest.find(']').map_or(rest.len(), |at| at + 1));
        } else {
            while self.peek().is_ascii_alphanumeric() || matches!(self.peek(), b'-' | b'.') {
                self.advance(1);
            }
        }
        let host = &self.text[host_start..self.position];
        if !is_host(host) {
            return Err(Problem::new(
                self.span_from(mark),
                "this URL has no valid host",
            ));
        }
        if self.eat(":") {
            while self.peek().is_ascii_digit() {
                self.advance(1);
            }
        }
        let text = self.text;
        Ok(self.intern(&text[start..self.position]))
    }
}

fn is_path_byte(byte: u8) -> bool {
    matches!(byte,
        0x21 | 0x24..=0x27 | 0x2a..=0x2b | 0x2d..=0x2e | 0x30..=0x3b | 0x3d
        | 0x40..=0x5a | 0x5e..=0x7a | 0x7c | 0x7e)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'*' | b'+' | b';' | b'=')
}

fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delimiter(byte) || matches!(byte, b':' | b'@')
}

fn is_host(host: &str) -> bool {
    if let Some(literal) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        return literal.parse::<Ipv6Addr>().is_ok() || is_future_address(literal);
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    host.split('.')
        .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

fn is_future_address(literal: &str) -> bool {
    let parts = literal
        .strip_prefix(['v', 'V'])
        .and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(version, address)| {
        let character = |byte| is_unreserved(byte) || is_sub_delimiter(byte) || byte == b':';
        !version.is_empty()
            && version.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !address.is_empty()
            && address.bytes().all(character)
    })
}
