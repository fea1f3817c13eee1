//! Values of the embedding program that every computation can reach.

use std::any::{Any, TypeId, type_name};
use std::fmt;

use rustc_hash::FxHashMap;

/// One value for each type, fixed when the engine is made.
///
/// It is for services (a store, an executor), not for inputs: the engine does
/// not notice when what lies behind one changes. Inputs are keys.
#[derive(Default)]
pub struct Data {
    values: FxHashMap<TypeId, Box<dyn Any + Send + Sync>>,
    names: Vec<&'static str>,
}

impl Data {
    /// Returns data without values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value; replaces an earlier one of the same type.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        if self
            .values
            .insert(TypeId::of::<T>(), Box::new(value))
            .is_none()
        {
            self.names.push(type_name::<T>());
        }
        self
    }

    /// Returns the value of type `T`, if there is one.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.values.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}
