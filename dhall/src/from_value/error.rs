//! What is wrong with a value that does not become Rust, and where in it.

use std::fmt;

use serde::de;

use crate::difference::Part;
use crate::scope::Name;

/// Why a value does not fit a Rust type, and where in the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Outermost component last, while the error travels up.
    path: Vec<Component>,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Component {
    Field(String),
    Index(usize),
}

impl DecodeError {
    /// Returns an error about a value itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
        }
    }

    pub(super) fn below(mut self, component: Component) -> Self {
        self.path.push(component);
        self
    }

    /// Returns the path to the place, such as `actions[2].outputs`; empty for
    /// the value itself.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for component in self.path.iter().rev() {
            match component {
                Component::Field(name) if path.is_empty() => path.push_str(name),
                Component::Field(name) => path.extend([".", name]),
                Component::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }

    /// Returns the way to the place, outermost part first.
    pub(crate) fn way(&self) -> impl Iterator<Item = Part> {
        self.path.iter().rev().map(|component| match component {
            Component::Field(name) => Part::Field(Name::from(name.as_str())),
            Component::Index(index) => Part::Item(*index),
        })
    }

    /// Returns what does not fit, without where.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "`{}`: {}", self.path(), self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
