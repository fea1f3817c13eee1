//! Patterns as OpenSSH writes them: `*` is any text, `?` any one character, and
//! a comma-separated list may exclude with `!`.

/// Returns whether the whole of `text` matches `pattern`. Takes time linear in
/// each of them, for every pattern.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last `*` stood, and how much of the text it covers so far. A
    // later `*` never has to give back what an earlier one covers.
    let mut star = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((position, covered)) = star else {
                    return false;
                };
                star = Some((position, covered + 1));
                at = position + 1;
                read = covered + 1;
            }
        }
    }
    pattern[at..].iter().all(|&rest| rest == '*')
}

/// A comma-separated list of patterns, `!` excluding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternList(String);

impl PatternList {
    /// Returns the list written as `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns whether some pattern matches `text` and none excludes it.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut found = false;
        for pattern in self.0.split(',') {
            match pattern.strip_prefix('!') {
                Some(excluded) if matches(excluded, text) => return false,
                Some(_) => {}
                None => found |= matches(pattern, text),
            }
        }
        found
    }

    /// Returns the list as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "any/thing"),
            ("a?c", "aéc"),
            ("refs/heads/*", "refs/heads/a/b"),
            ("*@example.org", "me@example.org"),
            ("a*b*c", "a-b-b-c"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("a", "A"),
            ("*@example.org", "me@example.org.evil"),
            ("a*b*c", "a-b-b-"),
            ("refs/heads/*", "refs/heads"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn an_exclusion_wins() {
        let list = PatternList::new("*@example.org,!mallory@*,git");
        assert!(list.matches("me@example.org") && list.matches("git"));
        assert!(!list.matches("mallory@example.org") && !list.matches("me"));
        assert!(!PatternList::new("!me").matches("you"));
        assert!(!PatternList::new("").matches("me"));
    }

    /// The definition, by recursion.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) if naive(rest, text) => true,
            (Some(('*', _)), Some((_, tail))) => naive(pattern, tail),
            (Some((&wanted, rest)), Some((&found, tail))) => {
                (wanted == '?' || wanted == found) && naive(rest, tail)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
        }
    }
}
