//! An executor that is started when the first command must run: a build that
//! runs nothing needs no sandbox.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::action::Executor;
use crate::error::ExecError;

type Start = dyn Fn() -> Result<Arc<dyn Executor>, ExecError> + Send + Sync;

/// An executor, or the way to start it.
pub struct LazyExecutor {
    start: Box<Start>,
    started: Mutex<Option<Arc<dyn Executor>>>,
}

impl LazyExecutor {
    /// Returns an executor that `start` starts. If that fails, the next command
    /// tries again.
    pub fn new(
        start: impl Fn() -> Result<Arc<dyn Executor>, ExecError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            start: Box::new(start),
            started: Mutex::new(None),
        }
    }

    /// Returns the executor, and starts it if nobody has.
    ///
    /// # Errors
    /// As the executor's own start.
    pub fn get(&self) -> Result<Arc<dyn Executor>, ExecError> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(executor) = &*started {
            return Ok(Arc::clone(executor));
        }
        let executor = (self.start)()?;
        Ok(Arc::clone(started.insert(executor)))
    }
}

impl fmt::Debug for LazyExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_tuple("LazyExecutor").field(&*started).finish()
    }
}
