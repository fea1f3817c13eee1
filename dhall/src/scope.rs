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
    /// The levels of the binders of each name; `None` while each is named `_`,
    /// as all are in an α-normal form.
    levels: Option<FxHashMap<Name, Vec<u32>>>,
}

impl Scope {
    /// Returns the number of binders: the level that the next one gets.
    pub(crate) fn depth(&self) -> u32 {
        u32::try_from(self.order.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn push(&mut self, name: &Name) {
        let level = self.depth();
        self.order.push(Name::clone(name));
        if self.levels.is_none() && **name == *"_" {
            return;
        }
        let unnamed = || FxHashMap::from_iter([(underscore(), (0..level).collect())]);
        let levels = self.levels.get_or_insert_with(unnamed);
        levels.entry(Name::clone(name)).or_default().push(level);
    }

    /// Forgets the innermost binder.
    pub(crate) fn pop(&mut self) {
        if let Some(name) = self.order.pop()
            && let Some(levels) = self
                .levels
                .as_mut()
                .and_then(|levels| levels.get_mut(&name))
        {
            levels.pop();
        }
    }

    /// Returns how many binders have this name.
    pub(crate) fn count(&self, name: &str) -> u64 {
        match &self.levels {
            Some(levels) => levels.get(name).map_or(0, |levels| levels.len() as u64),
            None if name == "_" => u64::from(self.depth()),
            None => 0,
        }
    }

    /// Returns the level that `name@index` means here.
    pub(crate) fn level(&self, name: &str, index: u64) -> Option<u32> {
        let skipped = usize::try_from(index).ok()?;
        let place = |count: usize| count.checked_sub(skipped)?.checked_sub(1);
        match &self.levels {
            Some(levels) => {
                let levels = levels.get(name)?;
                levels.get(place(levels.len())?).copied()
            }
            None if name == "_" => u32::try_from(place(self.order.len())?).ok(),
            None => None,
        }
    }

    /// Returns the name and the index that mean this level here.
    pub(crate) fn name(&self, level: u32) -> Option<(&Name, u64)> {
        let name = self.order.get(level as usize)?;
        let inner = match &self.levels {
            Some(levels) => {
                let levels = levels.get(name)?;
                levels.len() - 1 - levels.binary_search(&level).ok()?
            }
            None => self.order.len() - 1 - level as usize,
        };
        Some((name, inner as u64))
    }
}

impl<'a> FromIterator<&'a Name> for Scope {
    fn from_iter<T: IntoIterator<Item = &'a Name>>(names: T) -> Self {
        let mut scope = Self::default();
        names.into_iter().for_each(|name| scope.push(name));
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_binders_are_counted() {
        let mut scope = Scope::default();
        let check = |scope: &Scope| {
            assert_eq!(
                (scope.level("_", 0), scope.level("_", 1)),
                (Some(1), Some(0))
            );
            assert_eq!(
                (scope.level("_", 2), scope.level("_", u64::MAX)),
                (None, None)
            );
            assert_eq!(
                (scope.name(0), scope.name(1)),
                (Some((&"_".into(), 1)), Some((&"_".into(), 0)))
            );
            assert_eq!(
                (scope.count("_"), scope.count("x"), scope.level("x", 0)),
                (2, 0, None)
            );
            assert_eq!((scope.depth(), scope.name(2)), (2, None));
        };
        for name in ["_", "_"] {
            scope.push(&name.into());
        }
        check(&scope);
        scope.push(&"x".into());
        assert_eq!(
            (scope.level("_", 1), scope.level("x", 0)),
            (Some(0), Some(2))
        );
        assert_eq!(
            (scope.name(0), scope.name(2)),
            (Some((&"_".into(), 1)), Some((&"x".into(), 0)))
        );
        scope.pop();
        check(&scope);
    }

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
