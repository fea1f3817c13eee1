//! The allowed-signers file of OpenSSH and git: who may sign, with which key,
//! for what, and when.
//!
//! ```text
//! # principals [options] keytype base64 [comment]
//! me@example.org namespaces="git,attest@straylight.cx",valid-before="20300101Z" ssh-ed25519 AAAA…
//! ```
//!
//! The file comes from outside the tree under verification; whoever can write
//! it decides who is trusted. One bad line makes the whole file unusable, with
//! its line and column: a skipped line could be the one that restricts a key.
//! Keys of types that do not sign here are skipped, as they can vouch for
//! nothing; `cert-authority` lines are an error, because certificates are not
//! supported. A principal is the operator's name: two keys of one principal are
//! one operator.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::pattern::PatternList;
use crate::ssh::{ALGORITHM, PublicKey};

/// The keys that may sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSigners {
    entries: Vec<Entry>,
}

/// One line of the file: a key, whose it is, and what it may sign when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The principals, the names under which the key signs.
    pub principals: PatternList,
    /// The key.
    pub key: PublicKey,
    /// The purposes it may sign for; every one when absent.
    pub namespaces: Option<PatternList>,
    /// The first moment of its validity.
    pub valid_after: Option<Timestamp>,
    /// The last moment of its validity.
    pub valid_before: Option<Timestamp>,
    /// The line in the file, counted from one.
    pub line: usize,
}

/// The moment for which a key is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A point in time, handed in by the caller.
    At(Timestamp),
    /// Any time: for entries that were judged when they were accepted, whose
    /// keys may have expired since.
    Ever,
}

/// What the file says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It may sign for this purpose at this moment.
    Trusted(&'a Entry),
    /// Its validity has ended.
    Expired(&'a Entry),
    /// Its validity has not begun.
    NotYetValid(&'a Entry),
    /// It may sign, but not for this purpose.
    WrongNamespace(&'a Entry),
    /// It is not in the file.
    Unknown,
}

impl AllowedSigners {
    /// Reads and parses the file `path`.
    ///
    /// # Errors
    /// [`AllowedSignersError`].
    pub fn read(path: &Path) -> Result<Self, AllowedSignersError> {
        let text = fs::read_to_string(path).map_err(|source| AllowedSignersError::Io {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Parses the text of a file; `origin` names it in errors.
    ///
    /// # Errors
    /// [`AllowedSignersError::Syntax`] for the first bad line.
    pub fn parse(text: &str, origin: &str) -> Result<Self, AllowedSignersError> {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let mut cursor = Cursor { line, at: 0 };
            let entry = parse_line(&mut cursor, index + 1).map_err(|(at, problem)| {
                AllowedSignersError::Syntax {
                    origin: origin.to_owned(),
                    line: index + 1,
                    column: line[..at].chars().count() + 1,
                    problem,
                }
            })?;
            entries.extend(entry);
        }
        Ok(Self { entries })
    }

    /// Returns the entries, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the keys, each once, whatever they may sign.
    #[must_use]
    pub fn keys(&self) -> Vec<&PublicKey> {
        let mut keys: Vec<&PublicKey> = Vec::new();
        for entry in &self.entries {
            if !keys.contains(&&entry.key) {
                keys.push(&entry.key);
            }
        }
        keys
    }

    /// Returns what the file says of `key` signing for `namespace` at `moment`.
    /// With several lines for a key, one that trusts it is enough.
    #[must_use]
    pub fn judge(&self, key: &PublicKey, namespace: &str, moment: Moment) -> Standing<'_> {
        let mut standing = Standing::Unknown;
        for entry in self.entries.iter().filter(|entry| entry.key == *key) {
            standing = entry.judge(namespace, moment);
            if matches!(standing, Standing::Trusted(_)) {
                break;
            }
        }
        standing
    }
}

impl Entry {
    fn judge(&self, namespace: &str, moment: Moment) -> Standing<'_> {
        if self
            .namespaces
            .as_ref()
            .is_some_and(|list| !list.matches(namespace))
        {
            return Standing::WrongNamespace(self);
        }
        let Moment::At(now) = moment else {
            return Standing::Trusted(self);
        };
        // Both ends belong to the interval, as in OpenSSH.
        if self.valid_after.is_some_and(|start| now < start) {
            Standing::NotYetValid(self)
        } else if self.valid_before.is_some_and(|end| now > end) {
            Standing::Expired(self)
        } else {
            Standing::Trusted(self)
        }
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entry, what) = match self {
            Self::Trusted(entry) => (entry, "is trusted"),
            Self::Expired(entry) => (entry, "has expired"),
            Self::NotYetValid(entry) => (entry, "is not valid yet"),
            Self::WrongNamespace(entry) => (entry, "may not sign for this purpose"),
            Self::Unknown => return f.write_str("the key is not among the allowed signers"),
        };
        write!(f, "the key of `{}` {what}", entry.principals.as_str())
    }
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AllowedSignersError {
    /// The file cannot be read.
    #[error("cannot read the allowed signers `{path}`: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A line is not an entry.
    #[error("{origin}:{line}:{column}: {problem}")]
    Syntax {
        /// The file.
        origin: String,
        /// The line, counted from one.
        line: usize,
        /// The character in the line, counted from one.
        column: usize,
        /// What is wrong, and the cure.
        problem: String,
    },
}

/// A place in a line, in bytes, and what is wrong there.
type Problem = (usize, String);

struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// Takes the text up to a blank or `stop`; quotes keep both inside, and are
    /// dropped.
    fn take(&mut self, stop: &[char]) -> Result<String, Problem> {
        let start = self.at;
        let mut taken = String::new();
        let mut quoted = false;
        for character in self.rest().chars() {
            match character {
                '"' => quoted = !quoted,
                ' ' | '\t' if !quoted => break,
                other if !quoted && stop.contains(&other) => break,
                other => taken.push(other),
            }
            self.at += character.len_utf8();
        }
        if quoted {
            return Err((start, "a quote is never closed".to_owned()));
        }
        Ok(taken)
    }

    fn at_key_type(&self) -> bool {
        ["ssh-", "ecdsa-sha2-", "sk-"]
            .iter()
            .any(|prefix| self.rest().starts_with(prefix))
    }
}

#[derive(Default)]
struct Options {
    namespaces: Option<PatternList>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

/// Returns the entry of a line; none for a comment, a blank line, or a key of a
/// type that does not sign here.
fn parse_line(cursor: &mut Cursor<'_>, line: usize) -> Result<Option<Entry>, Problem> {
    cursor.skip_blanks();
    if cursor.rest().is_empty() || cursor.rest().starts_with('#') {
        return Ok(None);
    }
    let start = cursor.at;
    let principals = cursor.take(&[])?;
    if principals.is_empty() {
        return Err((start, "the principals are empty".to_owned()));
    }
    cursor.skip_blanks();
    let options = if cursor.at_key_type() {
        Options::default()
    } else {
        parse_options(cursor)?
    };
    cursor.skip_blanks();
    let Some(key) = parse_key(cursor)? else {
        return Ok(None);
    };
    Ok(Some(Entry {
        principals: PatternList::new(&principals),
        key,
        namespaces: options.namespaces,
        valid_after: options.valid_after,
        valid_before: options.valid_before,
        line,
    }))
}

fn parse_options(cursor: &mut Cursor<'_>) -> Result<Options, Problem> {
    let mut options = Options::default();
    let start = cursor.at;
    loop {
        let at = cursor.at;
        let name = cursor.take(&['=', ','])?;
        let value = if cursor.rest().starts_with('=') {
            cursor.at += 1;
            Some(cursor.take(&[','])?)
        } else {
            None
        };
        options
            .set(&name.to_ascii_lowercase(), value)
            .map_err(|problem| (at, problem))?;
        if !cursor.rest().starts_with(',') {
            break;
        }
        cursor.at += 1;
    }
    if let (Some(after), Some(before)) = (options.valid_after, options.valid_before)
        && after >= before
    {
        return Err((
            start,
            "the key is never valid: `valid-after` is not before `valid-before`".to_owned(),
        ));
    }
    Ok(options)
}

impl Options {
    fn set(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        let repeated = match name {
            "namespaces" => self
                .namespaces
                .replace(PatternList::new(&required(name, value)?))
                .is_some(),
            "valid-after" => self.valid_after.replace(time(name, value)?).is_some(),
            "valid-before" => self.valid_before.replace(time(name, value)?).is_some(),
            "cert-authority" => {
                return Err(
                    "`cert-authority` is not supported: list the signers' own keys".to_owned(),
                );
            }
            _ => return Err(format!("`{name}` is neither an option nor a key type")),
        };
        if repeated {
            return Err(format!("`{name}` is given twice"));
        }
        Ok(())
    }
}

fn required(name: &str, value: Option<String>) -> Result<String, String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("`{name}` needs a value: `{name}=\"…\"`"))
}

/// Parses `YYYYMMDD[HHMM[SS]]Z`. Without the `Z`, OpenSSH reads the local time
/// of whoever verifies, which would make one file mean different things.
fn time(name: &str, value: Option<String>) -> Result<Timestamp, String> {
    let value = required(name, value)?;
    let wrong = || {
        format!("`{name}` is `{value}`: write a time in UTC as `YYYYMMDDZ` or `YYYYMMDDHHMM[SS]Z`")
    };
    let digits = value.strip_suffix(['Z', 'z']).ok_or_else(wrong)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return Err(wrong());
    }
    let number = |from: usize, to: usize| -> i16 {
        // At most four digits; those that are absent are zero.
        digits
            .get(from..to)
            .map_or(0, |part| part.parse().unwrap_or(-1))
    };
    let small = |from: usize| i8::try_from(number(from, from + 2)).unwrap_or(-1);
    DateTime::new(
        number(0, 4),
        small(4),
        small(6),
        small(8),
        small(10),
        small(12),
        0,
    )
    .and_then(|time| time.to_zoned(TimeZone::UTC))
    .map(|zoned| zoned.timestamp())
    .map_err(|_| wrong())
}

fn parse_key(cursor: &mut Cursor<'_>) -> Result<Option<PublicKey>, Problem> {
    let start = cursor.at;
    if !cursor.at_key_type() {
        return Err((
            start,
            "a key type was expected, such as `ssh-ed25519`".to_owned(),
        ));
    }
    let rest = cursor.rest();
    let mut words = rest.split_ascii_whitespace();
    if words.next() != Some(ALGORITHM) {
        let base64 = words.next().unwrap_or_default();
        return match data_encoding::BASE64.decode(base64.as_bytes()) {
            Ok(blob) if !blob.is_empty() => Ok(None),
            _ => Err((start, "the key is not base64".to_owned())),
        };
    }
    PublicKey::from_openssh(rest)
        .map(Some)
        .map_err(|error| (start, error.to_string()))
}

#[cfg(test)]
mod tests;
