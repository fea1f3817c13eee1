//! Symbols can be spelled in ASCII or in Unicode.

/// The symbols, in both spellings.
const SYMBOLS: &[(&str, &str)] = &[
    ("λ", "\\"),
    ("∀", "forall"),
    ("→", "->"),
    ("≡", "==="),
    ("∧", "/\\"),
    ("⫽", "//"),
    ("⩓", "//\\\\"),
];

/// How the symbols of a text are spelled: in Unicode if one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    Ascii,
    Unicode,
}

/// Returns whether a token is a symbol in Unicode.
pub(super) fn is_unicode(token: &str) -> bool {
    SYMBOLS.iter().any(|(unicode, _)| *unicode == token)
}

impl Spelling {
    /// Returns a token in this spelling.
    pub(super) fn spell(self, token: &str) -> &str {
        match self {
            Self::Ascii => token,
            Self::Unicode => {
                let symbol = SYMBOLS.iter().find(|(_, ascii)| *ascii == token);
                symbol.map_or(token, |(unicode, _)| unicode)
            }
        }
    }
}
