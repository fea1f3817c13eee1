//! What git tells a `pre-receive` hook: `<old> <new> <ref>`, one line per ref.

use std::collections::BTreeSet;

use straylight_odb::ObjectId;

/// One ref that a push wants to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What the pusher believes it is; `None` when it does not exist.
    pub old: Option<ObjectId>,
    /// What it is to be; `None` deletes it.
    pub new: Option<ObjectId>,
    /// The full name.
    pub name: String,
}

/// A line that git would not have written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the hook's input is not `<old> <new> <ref>`: {reason}")]
pub struct ParseUpdateError {
    line: usize,
    reason: &'static str,
}

/// Parses everything that git wrote to the hook's standard input.
///
/// # Errors
/// [`ParseUpdateError`] for the first line of another shape, and for a ref that
/// occurs twice: whoever writes such lines is not git.
pub fn parse_updates(input: &[u8]) -> Result<Vec<Update>, ParseUpdateError> {
    let wrong = |line, reason| ParseUpdateError { line, reason };
    let text = std::str::from_utf8(input).map_err(|_| wrong(1, "it is not UTF-8"))?;
    let mut names = BTreeSet::new();
    let mut updates = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let line = line.strip_suffix('\n');
        let line = line.ok_or_else(|| wrong(number, "it is cut short"))?;
        let update = parse(line).map_err(|reason| wrong(number, reason))?;
        if !names.insert(update.name.clone()) {
            return Err(wrong(number, "the ref occurs twice"));
        }
        updates.push(update);
    }
    Ok(updates)
}

fn parse(line: &str) -> Result<Update, &'static str> {
    let mut words = line.split(' ');
    let (Some(old), Some(new), Some(name), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("it has not three words");
    };
    let component = |part: &str| !matches!(part, "" | "." | "..");
    if !name.starts_with("refs/") || !name.split('/').all(component) {
        return Err("the name of the ref is not one");
    }
    if name.contains(char::is_control) {
        return Err("the name of the ref has a control character");
    }
    Ok(Update {
        old: id(old)?,
        new: id(new)?,
        name: name.to_owned(),
    })
}

/// Forty zeros stand for no object.
fn id(text: &str) -> Result<Option<ObjectId>, &'static str> {
    let id: ObjectId = text.parse().map_err(|_| "an object id is 40 hex digits")?;
    Ok((id.as_raw() != &[0; 20]).then_some(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZERO: &str = "0000000000000000000000000000000000000000";
    const ONE: &str = "1111111111111111111111111111111111111111";

    #[test]
    fn reads_creation_change_and_deletion() {
        let input = format!("{ZERO} {ONE} refs/heads/a\n{ONE} {ZERO} refs/heads/b\n");
        let updates = parse_updates(input.as_bytes()).unwrap();
        let one = Some(ObjectId::from_raw([0x11; 20]));
        let parts: Vec<_> = updates
            .iter()
            .map(|update| (update.old, update.new, update.name.as_str()))
            .collect();
        assert_eq!(
            parts,
            [(None, one, "refs/heads/a"), (one, None, "refs/heads/b")]
        );
        assert!(parse_updates(b"").unwrap().is_empty());
    }

    #[test]
    fn refuses_every_other_shape() {
        for input in [
            format!("{ZERO} {ONE} refs/heads/a"),
            format!("{ZERO} {ONE} refs/heads/a \n"),
            format!("{ZERO} {ONE}  refs/heads/a\n"),
            format!("{ZERO}\t{ONE} refs/heads/a\n"),
            format!("{ZERO} {ONE} refs/heads/a\r\n"),
            format!("{ZERO} {ONE} HEAD\n"),
            format!("{ZERO} {ONE} refs/../config\n"),
            format!("{ZERO} {ONE} refs//a\n"),
            format!("{ZERO} {} refs/heads/a\n", &ONE[1..]),
            format!("{ZERO} {} refs/heads/a\n", ONE.replace('1', "A")),
            format!("{ZERO} {ONE} refs/heads/a\n\n"),
            format!("{ZERO} {ONE} refs/heads/a\n{ZERO} {ZERO} refs/heads/a\n"),
        ] {
            assert!(parse_updates(input.as_bytes()).is_err(), "{input:?}");
        }
        assert!(parse_updates(b"\xff\n").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(input in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse_updates(&input);
        }
    }
}
