//! What is wrong with a Rust value that does not fit a type, and where in it.

use std::fmt;

use serde::ser;

/// Why a Rust value does not fit a Dhall type, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    path: Vec<String>,
    message: String,
}

impl EncodeError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
        }
    }

    pub(super) fn below(mut self, component: impl Into<String>) -> Self {
        self.path.push(component.into());
        self
    }

    /// Returns the path to the place, such as `actions.2.outputs`.
    #[must_use]
    pub fn path(&self) -> String {
        let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
        path.join(".")
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "`{}`: {}", self.path(), self.message)
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
