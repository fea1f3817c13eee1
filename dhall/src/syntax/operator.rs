//! The binary operators.

/// The binary operators, in the order of their codes in the binary format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Equal,
    NotEqual,
    Plus,
    Times,
    TextAppend,
    ListAppend,
    Combine,
    Prefer,
    CombineTypes,
    ImportAlt,
    Equivalent,
}

impl Op {
    pub(crate) const ALL: [Self; 13] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::NotEqual,
        Self::Plus,
        Self::Times,
        Self::TextAppend,
        Self::ListAppend,
        Self::Combine,
        Self::Prefer,
        Self::CombineTypes,
        Self::ImportAlt,
        Self::Equivalent,
    ];

    /// Returns how tightly it binds; 1 is loosest.
    pub(crate) fn precedence(self) -> u8 {
        match self {
            Self::Equivalent => 1,
            Self::ImportAlt => 2,
            Self::Or => 3,
            Self::Plus => 4,
            Self::TextAppend => 5,
            Self::ListAppend => 6,
            Self::And => 7,
            Self::Combine => 8,
            Self::Prefer => 9,
            Self::CombineTypes => 10,
            Self::Times => 11,
            Self::Equal => 12,
            Self::NotEqual => 13,
        }
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Plus => "+",
            Self::Times => "*",
            Self::TextAppend => "++",
            Self::ListAppend => "#",
            Self::Combine => "∧",
            Self::Prefer => "⫽",
            Self::CombineTypes => "⩓",
            Self::ImportAlt => "?",
            Self::Equivalent => "≡",
        }
    }
}
