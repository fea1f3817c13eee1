//! Changes a list literal where it is written: what is not changed stays as it
//! is, comments and layout included.

use std::collections::{BTreeMap, HashSet};

use straylight_dhall::{TextItem, TextList, text_lists};

use crate::commands::quoted;

/// Returns `text` with items taken out of its list number `index`, and others
/// put into it; `None` if there is no such list any more.
///
/// New items are sorted in if the list is, else they come last. Unless
/// `keeps_first`, one may become the first.
pub(super) fn edit(
    text: &str,
    index: usize,
    remove: &[&str],
    add: &[&str],
    keeps_first: bool,
) -> Option<String> {
    let mut text = text.to_owned();
    if !remove.is_empty() {
        let list = text_lists(&text).into_iter().nth(index)?;
        text = without(&text, &list, remove);
    }
    if !add.is_empty() {
        let list = text_lists(&text).into_iter().nth(index)?;
        text = with(&text, &list, add, keeps_first);
    }
    Some(text)
}

/// Returns `text` with a field for a list behind the field of list `index`.
pub(super) fn add_field(text: &str, index: usize, name: &str, items: &[&str]) -> Option<String> {
    let list = text_lists(text).into_iter().nth(index)?;
    let source = Source(text);
    let (start, end) = list.span;
    let before = &text[source.line_start(start)..start];
    let indent: String = before.chars().take_while(|c| c.is_whitespace()).collect();
    let separator = match before.trim_start().starts_with(',') {
        true => format!("\n{indent}"),
        false => String::new(),
    };
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    let field = format!("{separator}, {name} = [ {} ]", items.join(", "));
    Some(format!("{}{field}{}", &text[..end], &text[end..]))
}

/// The longest line that a list is written on.
const WIDTH: usize = 80;

/// A text, and its lines.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl<'a> Source<'a> {
    fn line_start(self, at: usize) -> usize {
        self.0[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn line_end(self, at: usize) -> usize {
        self.0[at..].find('\n').map_or(self.0.len(), |end| at + end)
    }

    /// What stands before `at` on its line.
    fn before(self, at: usize) -> &'a str {
        &self.0[self.line_start(at)..at]
    }

    /// What stands behind `at` on its line.
    fn behind(self, at: usize) -> &'a str {
        &self.0[at..self.line_end(at)]
    }

    fn column(self, at: usize) -> String {
        " ".repeat(self.before(at).chars().count())
    }
}

/// Ranges of a text and what replaces them.
#[derive(Default)]
struct Edits(Vec<(usize, usize, String)>);

impl Edits {
    fn replace(&mut self, start: usize, end: usize, with: impl Into<String>) {
        self.0.push((start, end, with.into()));
    }

    fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at, at, text);
    }

    fn apply(mut self, text: &str) -> String {
        // Stable: what was inserted first at a place stays first.
        self.0.sort_by_key(|(start, ..)| *start);
        let (mut result, mut at) = (String::with_capacity(text.len()), 0);
        for (start, end, with) in self.0 {
            result.push_str(&text[at..start]);
            result.push_str(&with);
            at = end;
        }
        result.push_str(&text[at..]);
        result
    }
}

/// Whether `rest` of a line has no more than a comment.
fn is_blank(rest: &str) -> bool {
    let rest = rest.trim();
    rest.is_empty() || rest.starts_with("--")
}

fn has_comment(text: &str) -> bool {
    text.contains("--") || text.contains("{-")
}

fn without(text: &str, list: &TextList, remove: &[&str]) -> String {
    let source = Source(text);
    let items = &list.items;
    let remove: HashSet<&str> = remove.iter().copied().collect();
    let is_removed = |index: usize| {
        let text = items[index].text.as_deref();
        text.is_some_and(|text| remove.contains(text))
    };
    let mut edits = Edits::default();
    if (0..items.len()).all(is_removed) {
        let empty = match list.is_whole {
            true => "[] : List Text",
            false => "([] : List Text)",
        };
        edits.replace(list.span.0, list.span.1, empty);
        return edits.apply(text);
    }
    let mut first = 0;
    while first < items.len() {
        if !is_removed(first) {
            first += 1;
            continue;
        }
        let mut last = first;
        while last + 1 < items.len() && is_removed(last + 1) {
            last += 1;
        }
        let (start, end) = removed_range(source, items, first, last);
        edits.replace(start, end, "");
        first = last + 1;
    }
    edits.apply(text)
}

/// Returns the bytes that go with a run of items. A comma that is left over
/// before the first item or behind the last is one that Dhall allows.
fn removed_range(
    source: Source<'_>,
    items: &[TextItem],
    first: usize,
    last: usize,
) -> (usize, usize) {
    let (start, end) = (items[first].span.0, items[last].span.1);
    let before = source.before(start).trim();
    let behind = source.behind(end).trim_start();
    let behind = behind.strip_prefix(',').unwrap_or(behind);
    if matches!(before, "" | ",") && is_blank(behind) {
        let line_end = source.line_end(end);
        return (source.line_start(start), source.0.len().min(line_end + 1));
    }
    match items.get(last + 1) {
        Some(next) => {
            let next = next.span.0;
            let line_end = source.line_end(end).min(next);
            match has_comment(&source.0[line_end..next]) {
                // It is about what follows.
                true => (start, line_end),
                false => (start, next),
            }
        }
        None => (items[first - 1].span.1, end),
    }
}

/// How the items of a list are laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    OneLine,
    /// A line for each, with the comma in front of it.
    CommaFirst,
    /// A line for each, with the comma behind it.
    CommaLast,
}

fn style(source: Source<'_>, list: &TextList) -> Style {
    let (start, end) = list.span;
    if !source.0[start..end].contains('\n') {
        return Style::OneLine;
    }
    let starts = list.items.iter().map(|item| item.span.0);
    match starts.map(|start| source.before(start).trim()).next_back() {
        Some("") => Style::CommaLast,
        _ => Style::CommaFirst,
    }
}

fn with(text: &str, list: &TextList, add: &[&str], keeps_first: bool) -> String {
    let source = Source(text);
    if list.items.is_empty() {
        let mut edits = Edits::default();
        let items: Vec<String> = add.iter().map(|item| quoted(item)).collect();
        edits.replace(list.span.0, list.span.1, literal(source, list, &items));
        return edits.apply(text);
    }
    let sorted = sorted(&list.items, keeps_first);
    let mut after = After::new();
    for item in add {
        let behind = match &sorted {
            Some((skipped, known)) => {
                (skipped + known.partition_point(|known| known < item)).checked_sub(1)
            }
            None => Some(list.items.len() - 1),
        };
        after.entry(behind).or_default().push(quoted(item));
    }
    match style(source, list) {
        Style::OneLine => one_line(source, list, &after),
        style => lines(source, list, &after, style),
    }
}

/// New items by the item behind which they go; `None` is before all.
type After = BTreeMap<Option<usize>, Vec<String>>;

/// Returns the texts among which new ones are sorted, and how many come before
/// them; `None` if they are in an order of their own.
fn sorted(items: &[TextItem], keeps_first: bool) -> Option<(usize, Vec<&str>)> {
    let skipped = usize::from(keeps_first);
    let known: Option<Vec<&str>> = items[skipped..]
        .iter()
        .map(|item| item.text.as_deref())
        .collect();
    let known = known.filter(|known| known.is_sorted())?;
    Some((skipped, known))
}

/// Returns a whole list, on one line if it fits.
fn literal(source: Source<'_>, list: &TextList, items: &[String]) -> String {
    let line = format!("[ {} ]", items.join(", "));
    let indent = source.column(list.span.0);
    if indent.len() + line.chars().count() <= WIDTH {
        return line;
    }
    format!("[ {}\n{indent}]", items.join(&format!("\n{indent}, ")))
}

fn one_line(source: Source<'_>, list: &TextList, after: &After) -> String {
    let (start, end) = list.span;
    let mut edits = Edits::default();
    let mut all: Vec<String> = Vec::new();
    if let Some(items) = after.get(&None) {
        all.extend_from_slice(items);
        edits.insert(list.items[0].span.0, format!("{}, ", items.join(", ")));
    }
    for (index, item) in list.items.iter().enumerate() {
        let (from, to) = item.span;
        all.push(source.0[from..to].to_owned());
        if let Some(items) = after.get(&Some(index)) {
            all.extend_from_slice(items);
            edits.insert(to, format!(", {}", items.join(", ")));
        }
    }
    let added: usize = edits
        .0
        .iter()
        .map(|(_, _, text)| text.chars().count())
        .sum();
    let line = source.before(end).chars().count();
    // A line that was too long before is as its author wants it.
    let grows = line <= WIDTH && line + added > WIDTH;
    if grows && !has_comment(&source.0[start..end]) {
        let mut whole = Edits::default();
        whole.replace(start, end, literal(source, list, &all));
        return whole.apply(source.0);
    }
    edits.apply(source.0)
}

fn lines(source: Source<'_>, list: &TextList, after: &After, style: Style) -> String {
    let mut edits = Edits::default();
    for (place, items) in after {
        let Some(index) = place else {
            let at = list.items[0].span.0;
            let separator = match style {
                Style::CommaLast => format!(",\n{}", source.column(at)),
                _ => format!("\n{}, ", source.column(list.span.0)),
            };
            let text = items.join(&separator);
            edits.insert(at, format!("{text}{separator}"));
            continue;
        };
        let (start, end) = list.items[*index].span;
        match style {
            Style::CommaLast => behind_comma_last(source, start, end, items, &mut edits),
            _ => {
                let is_first = *index == 0;
                let bracket = list.span.0;
                behind_comma_first(source, (start, end), is_first, bracket, items, &mut edits);
            }
        }
    }
    edits.apply(source.0)
}

fn behind_comma_first(
    source: Source<'_>,
    (start, end): (usize, usize),
    is_first: bool,
    bracket: usize,
    items: &[String],
    edits: &mut Edits,
) {
    let before = source.before(start);
    let has_line = is_first || before.trim() == ",";
    let rest = source.behind(end);
    let at = match rest.trim_start().starts_with(']') {
        true => end,
        false => source.line_end(end),
    };
    if !has_line || !(at == end || is_blank(rest)) {
        edits.insert(end, format!(", {}", items.join(", ")));
        return;
    }
    let indent = match is_first {
        true => source.column(bracket),
        false => before[..before.find(',').unwrap_or(0)].to_owned(),
    };
    let new = items.iter().map(|item| format!("\n{indent}, {item}"));
    edits.insert(at, new.collect::<String>());
}

fn behind_comma_last(
    source: Source<'_>,
    start: usize,
    end: usize,
    items: &[String],
    edits: &mut Edits,
) {
    let indent = source.before(start);
    let rest = source.behind(end).trim_start();
    let behind_comma = rest.strip_prefix(',');
    if !indent.trim().is_empty() || !is_blank(behind_comma.unwrap_or(rest)) {
        edits.insert(end, format!(", {}", items.join(", ")));
        return;
    }
    let at = source.line_end(end);
    if behind_comma.is_some() {
        let new = items.iter().map(|item| format!("\n{indent}{item},"));
        edits.insert(at, new.collect::<String>());
    } else {
        edits.insert(end, ",");
        let new = items.join(&format!(",\n{indent}"));
        edits.insert(at, format!("\n{indent}{new}"));
    }
}

#[cfg(test)]
mod tests;
