//! From a text to an expression.

use super::{Expression, Operator, QueryError};
use crate::error::nearest;
use crate::label::{PackagePath, Reference};

/// How deep parentheses may be nested.
const DEPTH: usize = 128;

const FUNCTIONS: [&str; 7] = [
    "deps", "rdeps", "somepath", "allpaths", "kind", "filter", "set",
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Mark(char),
    End,
}

pub(super) fn parse(text: &str, package: &PackagePath) -> Result<Expression, QueryError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        package,
        depth: 0,
    };
    let expression = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(expression),
        token => Err(parser
            .wrong(format!("{} has no place here", describe(token)))
            .or_hint("operators are `+`, `-` and `^`, with blanks around `-`")),
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, usize)>, QueryError> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        let start = at;
        at += 1;
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' | ')' | ',' | '+' | '-' | '^' => Token::Mark(c),
            '"' | '\'' => {
                let length = characters[at..].iter().position(|end| *end == c);
                let Some(length) = length else {
                    return Err(error(start, format!("the quote `{c}` is not closed")));
                };
                at += length + 1;
                Token::Quoted(characters[start + 1..at - 1].iter().collect())
            }
            c if in_word(c) => {
                let rest = characters[at..].iter().take_while(|c| in_word(**c));
                at += rest.count();
                Token::Word(characters[start..at].iter().collect())
            }
            c => {
                return Err(
                    error(start, format!("`{}` has no place here", c.escape_default()))
                        .or_hint("labels with such characters stand in quotes"),
                );
            }
        };
        tokens.push((token, start));
    }
    tokens.push((Token::End, characters.len()));
    Ok(tokens)
}

/// `…` is how some keyboards write `...`.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || "/.-_:@*$~…".contains(c)
}

fn error(position: usize, message: String) -> QueryError {
    QueryError {
        message,
        position,
        hint: None,
    }
}

impl QueryError {
    fn or_hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Word(word) | Token::Quoted(word) => format!("`{word}`"),
        Token::Mark(mark) => format!("`{mark}`"),
        Token::End => "the end".to_owned(),
    }
}

struct Parser<'a> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    package: &'a PackagePath,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    /// Returns the next token and goes on; the end is never passed.
    fn next(&mut self) -> (Token, usize) {
        let token = self.tokens[self.at].clone();
        if token.0 != Token::End {
            self.at += 1;
        }
        token
    }

    /// An error about the token that comes next.
    fn wrong(&self, message: String) -> QueryError {
        error(self.tokens[self.at].1, message)
    }

    fn expect(&mut self, mark: char) -> Result<(), QueryError> {
        if *self.peek() == Token::Mark(mark) {
            self.at += 1;
            return Ok(());
        }
        let found = describe(self.peek());
        Err(self.wrong(format!("expected `{mark}`, found {found}")))
    }

    fn expression(&mut self) -> Result<Expression, QueryError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong(format!("nested too deeply: more than {DEPTH} parentheses")));
        }
        let first = self.term()?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator() {
            self.at += 1;
            rest.push((operator, self.term()?));
        }
        self.depth -= 1;
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expression::Chain(Box::new(first), rest))
    }

    fn operator(&self) -> Option<Operator> {
        match self.peek() {
            Token::Mark('+') => Some(Operator::Union),
            Token::Mark('-') => Some(Operator::Except),
            Token::Mark('^') => Some(Operator::Intersect),
            Token::Word(word) => match word.as_str() {
                "union" => Some(Operator::Union),
                "except" => Some(Operator::Except),
                "intersect" => Some(Operator::Intersect),
                _ => None,
            },
            _ => None,
        }
    }

    fn term(&mut self) -> Result<Expression, QueryError> {
        let (token, position) = self.next();
        match token {
            Token::Mark('(') => {
                let inner = self.expression()?;
                self.expect(')')?;
                Ok(inner)
            }
            Token::Word(word) if *self.peek() == Token::Mark('(') => {
                self.at += 1;
                let call = self.call(&word, position)?;
                self.expect(')')?;
                Ok(call)
            }
            Token::Word(text) | Token::Quoted(text) => {
                Ok(Expression::Labels(vec![self.label(&text, position)?]))
            }
            token => Err(error(
                position,
                format!("expected a label or a function, found {}", describe(&token)),
            )),
        }
    }

    fn call(&mut self, function: &str, position: usize) -> Result<Expression, QueryError> {
        Ok(match function {
            "deps" => Expression::Deps {
                of: self.argument()?,
                depth: self.limit()?,
            },
            "rdeps" => Expression::Rdeps {
                universe: self.argument()?,
                of: self.second()?,
                depth: self.limit()?,
            },
            "somepath" => Expression::SomePath(self.argument()?, self.second()?),
            "allpaths" => Expression::AllPaths(self.argument()?, self.second()?),
            "kind" => Expression::Kind(self.pattern()?, self.second()?),
            "filter" => Expression::Filter(self.pattern()?, self.second()?),
            "set" => self.set()?,
            _ => {
                let known = FUNCTIONS.map(str::to_owned);
                let hint = match nearest(function, known) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("there are `{}`", FUNCTIONS.join("`, `")),
                };
                return Err(error(position, format!("no function `{function}`")).or_hint(&hint));
            }
        })
    }

    fn argument(&mut self) -> Result<Box<Expression>, QueryError> {
        self.expression().map(Box::new)
    }

    fn second(&mut self) -> Result<Box<Expression>, QueryError> {
        self.expect(',')?;
        self.argument()
    }

    /// `, 3`, if it is there.
    fn limit(&mut self) -> Result<Option<usize>, QueryError> {
        if *self.peek() != Token::Mark(',') {
            return Ok(None);
        }
        self.at += 1;
        let (token, position) = self.next();
        match &token {
            Token::Word(word) => word.parse().ok(),
            _ => None,
        }
        .map(Some)
        .ok_or_else(|| {
            let found = describe(&token);
            error(
                position,
                format!("expected a depth such as `1`, found {found}"),
            )
        })
    }

    fn pattern(&mut self) -> Result<String, QueryError> {
        let (token, position) = self.next();
        match token {
            Token::Word(text) | Token::Quoted(text) => Ok(text),
            token => Err(error(
                position,
                format!(
                    "expected a pattern such as `c_*`, found {}",
                    describe(&token)
                ),
            )),
        }
    }

    fn set(&mut self) -> Result<Expression, QueryError> {
        let mut labels = Vec::new();
        while let Token::Word(_) | Token::Quoted(_) = self.peek() {
            let (Token::Word(text) | Token::Quoted(text), position) = self.next() else {
                break;
            };
            labels.push(self.label(&text, position)?);
        }
        Ok(Expression::Labels(labels))
    }

    fn label(&self, text: &str, position: usize) -> Result<Reference, QueryError> {
        let plain = text.replace('…', "...");
        Reference::parse(&plain, self.package).map_err(|wrong| {
            error(position, wrong.to_string())
                .or_hint("labels start at the root of the repository: `//folder:name`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Expression, QueryError> {
        super::parse(text, &PackagePath::new("here").unwrap())
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, column, part) in [
            ("", 1, "expected a label or a function, found the end"),
            ("deps(//a", 9, "expected `)`, found the end"),
            ("deps(//a, x)", 11, "expected a depth"),
            ("rdeps(//...)", 12, "expected `,`, found `)`"),
            ("//a //b", 5, "`//b` has no place here"),
            ("//a + a", 7, "`a` is not a label"),
            ("dpes(//a)", 1, "no function `dpes`"),
            ("//a & //b", 5, "`&` has no place here"),
            ("kind(\"c, //a)", 6, "the quote `\"` is not closed"),
            ("é + deps()", 1, "`é` is not a label"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.column(), column, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
        let meant = parse("rdep(//..., //a)").unwrap_err();
        assert_eq!(meant.hint(), Some("did you mean `rdeps`?"));
        let unknown = parse("frobnicate(//a)").unwrap_err();
        assert!(unknown.hint().unwrap().contains("`somepath`"));
    }

    #[test]
    fn what_nests_too_deeply_is_an_error_and_long_chains_are_not() {
        let deep = format!("{}//a{}", "(".repeat(10_000), ")".repeat(10_000));
        let error = parse(&deep).unwrap_err();
        assert!(error.message.contains("nested too deeply"), "{error}");
        let long = vec!["//a"; 10_000].join(" + ");
        let Expression::Chain(_, rest) = parse(&long).unwrap() else {
            panic!("no chain");
        };
        assert_eq!(rest.len(), 9_999);
    }

    #[test]
    fn reads_words_quotes_and_both_kinds_of_dots() {
        for text in ["//…", "//...", "\"//...\"", "( //... )"] {
            let Expression::Labels(labels) = parse(text).unwrap() else {
                panic!("{text}");
            };
            let root = PackagePath::new("").unwrap();
            assert_eq!(labels, [Reference::Below(root)], "{text}");
        }
        assert!(parse("set(:a //b/... 'c++')").is_err());
        assert!(parse("set(:a //b/... '//c:c++')").is_ok());
        assert!(parse("//lib-a:x-y - :z").is_ok());
    }
}
