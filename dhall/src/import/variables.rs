//! Imports from the environment.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use crate::import::importer::{ImportError, Importer};
use crate::location::Location;

/// Reads `env:NAME` from environment variables, and nothing else.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Evaluator, Location, Variables};
///
/// let variables = Variables::new(|name| (name == "ANSWER").then(|| "42".into()));
/// let evaluator = Evaluator::new(Arc::new(variables));
/// let here = Location::Input("example".to_owned());
/// assert_eq!(evaluator.evaluate(&here, "env:ANSWER + 1")?.value.to_string(), "43");
/// assert_eq!(evaluator.evaluate(&here, "env:OTHER ? 1")?.value.to_string(), "1");
/// # Ok::<(), straylight_dhall::Error>(())
/// ```
pub struct Variables<F>(F);

impl<F: Fn(&str) -> Option<OsString> + Send + Sync> Variables<F> {
    /// Returns an importer of the variables that `variable` knows, for example
    /// `|name| std::env::var_os(name)`.
    #[must_use]
    pub fn new(variable: F) -> Self {
        Self(variable)
    }
}

impl<F> fmt::Debug for Variables<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

impl<F: Fn(&str) -> Option<OsString> + Send + Sync> Importer for Variables<F> {
    fn read(
        &self,
        location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let Location::Env(name) = location else {
            return Ok(None);
        };
        let value = (self.0)(name);
        Ok(value.map(|value| value.into_encoded_bytes().into()))
    }
}
