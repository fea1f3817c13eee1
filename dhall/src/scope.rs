//! The names that are bound at a point of a program.
//!
//! Dhall names a variable by its name and how many binders *of that name* to
//! skip; the evaluator counts all binders. This is where the two meet.

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;

/// A name, shared by everything that mentions it.
pub(crate) type Name = Arc<str>;

/// Returns the name that binders have in an α-normal form.
pub(crate) fn underscore() -> Name {
    static UNDERSCORE: LazyLock<Name> = LazyLock::new(|| Name::from("_"));
    Name::clone(&UNDERSCORE)
}

/// The binders around a point, innermost last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    order: Vec<Name>,
    levels: FxHashMap<Name, Vec<u32>>,
}

impl Scope {
    /// Returns the number of binders: the level that the next one gets.
    pub(crate) fn depth(&self) -> u32 {
        u32::try_from(self.order.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn push(&mut self, name: &Name) {
        let level = self.depth();
        self.order.push(Arc::clone(name));
        self.levels.entry(Arc::clone(name)).or_default().push(level);
    }

    /// Forgets the innermost binder.
    pub(crate) fn pop(&mut self) {
        if let Some(name) = self.order.pop()
            && let Some(levels) = self.levels.get_mut(&name)
        {
            levels.pop();
        }
    }

    /// Returns how many binders have this name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.levels
            .get(name)
            .map_or(0, |levels| levels.len() as u64)
    }

    /// Returns the level that `name@index` means here.
    pub(crate) fn level(&self, name: &str, index: u64) -> Option<u32> {
        let levels = self.levels.get(name)?;
        let skipped = usize::try_from(index).ok()?;
        let at = levels.len().checked_sub(skipped)?.checked_sub(1)?;
        levels.get(at).copied()
    }

    /// Returns the name and the index that mean this level here.
    pub(crate) fn name(&self, level: u32) -> Option<(&Name, u64)> {
        let name = self.order.get(level as usize)?;
        let levels = self.levels.get(name)?;
        let at = levels.binary_search(&level).ok()?;
        Some((name, (levels.len() - 1 - at) as u64))
    }

    /// Returns every name, innermost first, repeated if it is shadowed.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.order.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shadowed_names_are_counted() {
        let mut scope = Scope::default();
        for name in ["x", "y", "x"] {
            scope.push(&name.into());
        }
        assert_eq!(scope.level("x", 0), Some(2));
        assert_eq!(scope.level("x", 1), Some(0));
        assert_eq!(scope.level("x", 2), None);
        assert_eq!(scope.name(0), Some((&"x".into(), 1)));
        assert_eq!(scope.name(1), Some((&"y".into(), 0)));
        scope.pop();
        assert_eq!(scope.level("x", 0), Some(0));
        assert_eq!(scope.count("x"), 1);
    }
}
