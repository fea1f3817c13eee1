//! What can go wrong in the engine itself.

/// A key that has no value. A failed computation of the user's is a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Keys that need each other. Each needs the next one; the last is the
    /// first again. Starts with the name that sorts first.
    #[error("a cycle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// The computation was stopped: by [`crate::Engine::cancel`], by a
    /// transaction, or because its runtime was shut down.
    #[error("cancelled")]
    Cancelled,
    /// The computation panicked.
    #[error("the computation of `{key}` panicked: {message}")]
    Panicked {
        /// The key.
        key: String,
        /// The panic's message.
        message: String,
    },
}

impl EngineError {
    /// Makes the error of a cycle from its members, in order, each once.
    ///
    /// Whoever closes a cycle finds it, and that is a matter of timing; people
    /// see it the same way round each time.
    pub(crate) fn cycle(mut names: Vec<String>) -> Self {
        let first = (0..names.len()).min_by_key(|&index| &names[index]);
        names.rotate_left(first.unwrap_or(0));
        names.extend(names.first().cloned());
        Self::Cycle(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_starts_with_its_smallest_name() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let expected = EngineError::Cycle(names("a c b a"));
        for rotation in ["a c b", "c b a", "b a c"] {
            assert_eq!(EngineError::cycle(names(rotation)), expected);
        }
        assert_eq!(expected.to_string(), "a cycle: a -> c -> b -> a");
        assert_eq!(
            EngineError::cycle(names("x")),
            EngineError::Cycle(names("x x"))
        );
    }
}
