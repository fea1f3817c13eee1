//! Long lists to text, one item after the other.
//!
//! The formatter reads what was printed and lays it out: for all of a long list
//! at once that is much memory, and for plain data on short lines it is needless.
//! A list that does not fit on a line has one item on each, whose layout does not
//! depend on the others. The text is that of the formatter, as a test compares.

use crate::format::{self, WIDTH};
use crate::print::{flat, flat_up_to};
use crate::syntax::{Expr, Kind};

/// What is in front of each item: `[ ` or `, `.
const INDENT: usize = 2;

/// What certainly does not fit on a line, in bytes: a character has up to four.
pub(crate) const LONG: usize = 4 * WIDTH;

/// The most that is written, in bytes.
const MOST: usize = 256 << 20;

/// Returns the text of a list that does not fit on a line; `None` if it may fit,
/// if an item cannot be laid out, or if it is too long. An item is let go before
/// the next one is asked for.
///
/// # Errors
/// The error of an item.
pub(crate) fn print_list<E>(
    mut items: impl Iterator<Item = Result<Expr, E>>,
) -> Result<Option<String>, E> {
    let mut first = Vec::new();
    let mut length = 0;
    while length <= LONG {
        let Some(item) = items.next().transpose()? else {
            return Ok(None);
        };
        length += flat_up_to(&item, LONG).len() + ", ".len();
        first.push(Ok(item));
    }
    print_items(first.into_iter().chain(items))
}

fn print_items<E>(items: impl Iterator<Item = Result<Expr, E>>) -> Result<Option<String>, E> {
    let mut out = String::new();
    for item in items {
        let item = item?;
        out.push_str(if out.is_empty() { "[ " } else { "\n, " });
        let text = flat(&item);
        if is_plain(&item) && fits(&text) {
            out.push_str(&text);
        } else {
            let Some(text) = format::laid_out(&text, INDENT) else {
                return Ok(None);
            };
            out.push_str(&text);
        }
        if out.len() > MOST {
            return Ok(None);
        }
    }
    out.push_str("\n]");
    Ok(Some(out))
}

fn fits(text: &str) -> bool {
    text.chars().count() + INDENT <= WIDTH && !text.contains('\n')
}

/// Returns whether the formatter leaves a value as it is if it fits on a line.
fn is_plain(item: &Expr) -> bool {
    match item.kind() {
        Kind::Bool(_)
        | Kind::Natural(_)
        | Kind::Integer(_)
        | Kind::Double(_)
        | Kind::Builtin(_)
        | Kind::Bytes(_)
        | Kind::Date(_)
        | Kind::Time(_)
        | Kind::TimeZone(_) => true,
        Kind::Text(chunks, _) => chunks.is_empty(),
        Kind::List(items) => items.iter().all(is_plain),
        Kind::Record(fields) => fields.iter().all(|(_, field)| is_plain(field)),
        Kind::Some(inner) | Kind::EmptyList(inner) => is_plain(inner),
        Kind::App(function, arguments) => is_plain(function) && arguments.iter().all(is_plain),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::tests::on_machine;
    use crate::{memory, parse};

    fn items(text: &str) -> Vec<Expr> {
        let parsed = parse::parse(text).expect("it parses");
        match parsed.kind() {
            Kind::List(items) => items.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn few_items_are_there_at_once_and_an_error_ends_the_text() {
        let item = items(r#"[ "0123456789" ]"#).remove(0);
        let short = |count: usize| std::iter::repeat_n(item.clone(), count).map(Ok::<_, &str>);
        assert_eq!(print_list(short(3)), Ok(None), "it may fit on a line");
        let (before, mut most) = (memory::held(), 0);
        let long = (0..10_000).map(|_| {
            most = most.max(memory::held() - before);
            Ok::<_, &str>(Expr::made(Kind::List(vec![item.clone()])))
        });
        let text = print_list(long).expect("no error").expect("a text");
        assert_eq!(text.lines().count(), 10_001);
        assert!((1000..50_000).contains(&most), "{most} bytes");
        let wrong = || std::iter::once(Err("wrong"));
        assert_eq!(print_list(wrong()), Err("wrong"));
        assert_eq!(print_list(short(100).chain(wrong())), Err("wrong"));
    }

    /// Lists, of what is data and what is not, at the widths where lines break.
    #[test]
    fn items_are_laid_out_as_the_formatter_does() {
        let shapes = [
            r#"{ name = "NAME", value = -1.5, tags = [ "a", "é" ], on = True }"#,
            r#"{ name = "NAME", none = None Natural, some = Some [ +1, -2 ] }"#,
            r#"{ empty = [] : List { a : Text }, `let` = {=}, at = 2020-01-01 }"#,
            r#"[ "NAME", "line\nline", "\${x}" ]"#,
            r#"Some (Some { a = Some "NAME", b = [] : List (Optional Text) })"#,
            r#"let x : Text = "NAME" in { x, y = x ++ "${x}!" }"#,
            r#"\(x : Text) -> if True then x else "NAME" ++ x"#,
            r#"< A : Text | B >.A "NAME""#,
            r#"{ a = [ { b = "NAME" }, { b = "é" } ], c.d = 1 }"#,
            r#"(f (g "NAME") { a = 1 } : Text)"#,
        ];
        for shape in shapes {
            for length in (0..90).step_by(3) {
                let name = "n".repeat(length);
                let item = shape.replace("NAME", &name);
                let text = format!("[ {item}, {item} ]");
                on_machine(|_| {
                    let items = items(&text);
                    let list = Expr::made(Kind::List(items.clone()));
                    let whole = format::laid_out(&flat(&list), 0).expect("a layout");
                    if whole.contains('\n') {
                        let printed: Result<_, Infallible> = print_items(items.into_iter().map(Ok));
                        assert_eq!(printed, Ok(Some(whole)));
                    }
                });
            }
        }
    }
}
