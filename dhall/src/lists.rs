//! The lists of texts that a source writes out, so that a program can propose
//! to change one of them where it is written.

use crate::builtin::Builtin;
use crate::limits::{Limits, with_stack};
use crate::parse;
use crate::scope::Name;
use crate::syntax::{Binding, Expr, Kind, Span};

/// A list literal whose items are texts, in the value of a record's field or of
/// a `let`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextList {
    /// The field, or the variable; of several around it, the innermost.
    pub field: String,
    /// Whether the literal is all that the field is: not an operand, and not
    /// the argument of a function.
    pub is_whole: bool,
    /// The fields of the same record that are texts without interpolation; none
    /// beside a variable.
    pub texts: Vec<(String, String)>,
    /// The bytes of the literal: from `[` to behind `]`, or to behind the
    /// annotation of an empty one.
    pub span: (usize, usize),
    /// The items, in their order.
    pub items: Vec<TextItem>,
}

/// An item of a [`TextList`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextItem {
    /// The bytes of the literal, with its quotation marks.
    pub span: (usize, usize),
    /// The text, if nothing is interpolated.
    pub text: Option<String>,
}

impl TextList {
    /// Returns the text of a field of the same record.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        let mut texts = self.texts.iter();
        let found = texts.find(|(name, _)| name == field);
        found.map(|(_, text)| text.as_str())
    }
}

/// Returns every list literal of texts that is written in a field of a record or
/// in a `let`, in the order of the source; none if the source does not parse.
///
/// ```
/// let source = "{ name = \"a\", srcs = [ \"b.c\", \"c.c\" ] }";
/// let lists = straylight_dhall::text_lists(source);
/// assert_eq!((lists[0].field.as_str(), lists[0].text("name")), ("srcs", Some("a")));
/// let item = &lists[0].items[1];
/// assert_eq!(&source[item.span.0..item.span.1], "\"c.c\"");
/// assert_eq!(item.text.as_deref(), Some("c.c"));
/// ```
#[must_use]
pub fn text_lists(text: &str) -> Vec<TextList> {
    let found = with_stack(Limits::default(), || {
        let expression = parse::parse(text).ok()?;
        let mut search = Search::default();
        search.rest.push((&expression, None));
        while let Some((expression, place)) = search.rest.pop() {
            search.visit(expression, place);
        }
        search.found.sort_by_key(|list| list.span.0);
        Some(search.found)
    });
    found.ok().flatten().unwrap_or_default()
}

/// Where an expression stands: the fields of which record, its own one, and
/// whether it is the whole of it.
type Place<'a> = (&'a [(Name, Expr)], &'a str, bool);

#[derive(Default)]
struct Search<'a> {
    rest: Vec<(&'a Expr, Option<Place<'a>>)>,
    found: Vec<TextList>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, expression: &'a Expr, place: Option<Place<'a>>) {
        if let Kind::Record(fields) = expression.kind() {
            let of_field =
                |(name, value): &'a (Name, Expr)| (value, Some((&fields[..], &**name, true)));
            self.rest.extend(fields.iter().map(of_field));
            return;
        }
        if let Kind::Let(bindings, body) = expression.kind() {
            let of_binding =
                |binding: &'a Binding| (&binding.value, Some((&[][..], &*binding.name, true)));
            self.rest.extend(bindings.iter().map(of_binding));
            self.rest.push((body, place));
            return;
        }
        if let (Some((fields, field, is_whole)), Some(items)) = (place, items(expression)) {
            self.found.push(TextList {
                field: field.to_owned(),
                is_whole,
                texts: texts(fields),
                span: bytes(expression.span()),
                items,
            });
        }
        let is_transparent = matches!(expression.kind(), Kind::Annot(..));
        let inside = place.map(|(fields, field, whole)| (fields, field, whole && is_transparent));
        expression
            .kind()
            .children(&mut |child| self.rest.push((child, inside)));
    }
}

/// Returns the items of a list of texts; `None` for anything else.
fn items(expression: &Expr) -> Option<Vec<TextItem>> {
    match expression.kind() {
        Kind::EmptyList(ty) => is_text(ty).then(Vec::new),
        Kind::List(items) => items.iter().map(item).collect(),
        _ => None,
    }
}

/// The annotation of an empty list is kept as the list's type.
fn is_text(ty: &Expr) -> bool {
    match ty.kind() {
        Kind::App(_, arguments) => {
            matches!(arguments[..], [ref item] if matches!(item.kind(), Kind::Builtin(Builtin::Text)))
        }
        _ => false,
    }
}

fn item(expression: &Expr) -> Option<TextItem> {
    match expression.kind() {
        Kind::Text(chunks, text) => {
            let text = chunks.is_empty().then(|| text.to_string());
            Some(TextItem {
                span: bytes(expression.span()),
                text,
            })
        }
        _ => None,
    }
}

fn texts(fields: &[(Name, Expr)]) -> Vec<(String, String)> {
    let text = |(name, value): &(Name, Expr)| match value.kind() {
        Kind::Text(chunks, text) if chunks.is_empty() => Some((name.to_string(), text.to_string())),
        _ => None,
    };
    fields.iter().filter_map(text).collect()
}

fn bytes(span: Span) -> (usize, usize) {
    (span.start as usize, span.end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_found_with_the_field_that_holds_them() {
        let source = "let e = {- é -} [ \"l\" ]\nin  { a = f { name = \"x\", srcs = [ \"b\", \"c${\"d\"}\" ] }\n\
                      , b = { name = \"y\", srcs = [ \"e\" ] # map [ 1 ] [ \"f\" ], hdrs = [] : List Text }\n\
                      , c = { n = [ { t = [ \"g\" ] } ] } }";
        let found: Vec<_> = text_lists(source)
            .into_iter()
            .map(|list| {
                let (start, end) = list.span;
                let name = list.text("name").map(str::to_owned);
                (name, list.field, list.is_whole, &source[start..end])
            })
            .collect();
        let owned = |name: Option<&str>, field: &str, whole, text| {
            (name.map(str::to_owned), field.to_owned(), whole, text)
        };
        assert_eq!(
            found,
            [
                owned(None, "e", true, "[ \"l\" ]"),
                owned(Some("x"), "srcs", true, "[ \"b\", \"c${\"d\"}\" ]"),
                owned(Some("y"), "srcs", false, "[ \"e\" ]"),
                owned(Some("y"), "srcs", false, "[ \"f\" ]"),
                owned(Some("y"), "hdrs", true, "[] : List Text"),
                owned(None, "t", true, "[ \"g\" ]"),
            ]
        );
        assert_eq!(text_lists("{ a = ["), []);
        assert_eq!(text_lists("[ \"a\" ]"), []);
    }

    #[test]
    fn deep_nesting_is_no_problem() {
        let depth = 3000;
        let source = format!("{}[ \"x\" ]{}", "{ a = ".repeat(depth), " }".repeat(depth));
        assert_eq!(text_lists(&source).len(), 1);
    }
}
