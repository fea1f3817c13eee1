//! What an evaluation may use: steps, memory, and stack.
//!
//! Every Dhall program ends, but not every one ends soon: a few nested folds
//! outlast the sun. An evaluation therefore counts its steps and the memory
//! that it holds, and gives up with a clear error. Recursion runs on a thread
//! with a large stack whose remaining room is measured, so that depth is an
//! error too and never an overflow.

use std::cell::Cell;

use crate::memory;

/// What an evaluation may use before it is given up.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Evaluator, Limits, Location, MemoryImporter};
///
/// let limits = Limits {
///     steps: 100_000,
///     ..Limits::default()
/// };
/// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new())).with_limits(limits);
/// let text = r#"
///     let grow = \(n : Natural) -> Natural/fold n Text (\(t : Text) -> t ++ Natural/show n) ""
///     in  Text/show (grow 1000000)
/// "#;
/// let error = evaluator
///     .evaluate(&Location::File("grow.dhall".to_owned()), text)
///     .expect_err("a million steps and more");
/// assert_eq!(error.message(), "this takes too long to evaluate");
/// assert_eq!(error.line(), 2, "where it was spent");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many reductions, comparisons and nodes of a result.
    pub steps: u64,
    /// About how many bytes the program, its values and its normal form may
    /// hold at once; one text or list a quarter of it. The process needs up to
    /// half as much again, and the stack.
    pub memory: usize,
    /// How many bits a number may have.
    pub bits: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 50_000_000,
            memory: 1 << 30,
            bits: 1 << 20,
        }
    }
}

/// Why an evaluation was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The program nests too deeply for the stack.
    #[error("this nests too deeply")]
    TooDeep,
    /// The program takes more steps than it may.
    #[error("this takes too long to evaluate")]
    TooLong,
    /// A text, a list or a number is larger than it may be.
    #[error("this makes a value that is too large")]
    TooLarge,
    /// All that the program holds is more than it may be.
    #[error("this needs more memory than it may have")]
    OutOfMemory,
    /// A pinned import, which was said to have been checked before, is not
    /// well typed. An evaluation that finds this out begins again.
    #[error("something that is imported is not well typed, and was noted to be")]
    IllTyped,
    /// The operating system did not give a thread.
    #[error("cannot start a thread to evaluate on")]
    NoThread,
}

/// Counts what one evaluation uses. Belongs to one thread.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<u64>,
    pub(crate) limits: Limits,
    /// The lowest address that a checked call may reach, of the thread that
    /// made this.
    floor: usize,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            steps: Cell::new(limits.steps),
            limits,
            floor: FLOOR.get(),
        }
    }

    /// Counts one step of a recursive walk, and looks at the stack.
    pub(crate) fn step(&self) -> Result<(), Stop> {
        self.spend(1)?;
        if stack_address() < self.floor {
            return Err(Stop::TooDeep);
        }
        if memory::held() > CEILING.get() {
            return Err(Stop::OutOfMemory);
        }
        Ok(())
    }

    /// Counts several steps.
    pub(crate) fn spend(&self, steps: u64) -> Result<(), Stop> {
        let left = self.steps.get().checked_sub(steps).ok_or(Stop::TooLong)?;
        self.steps.set(left);
        Ok(())
    }

    /// Checks the size of a text or a list, in bytes. Either can be joined
    /// from parts that are held once, and is copied when it is looked at.
    pub(crate) fn size(&self, bytes: usize) -> Result<(), Stop> {
        if bytes > self.limits.memory / 4 {
            return Err(Stop::TooLarge);
        }
        Ok(())
    }

    /// Fails if there is no room for so many bytes, which are needed at once.
    pub(crate) fn room(&self, bytes: usize) -> Result<(), Stop> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if memory::held().saturating_add(bytes) > CEILING.get() {
            return Err(Stop::OutOfMemory);
        }
        Ok(())
    }

    /// Checks the size of a number.
    pub(crate) fn bits(&self, bits: u64) -> Result<(), Stop> {
        if bits > self.limits.bits {
            return Err(Stop::TooLarge);
        }
        Ok(())
    }
}

/// The stack that an evaluation has, in bytes. Only what is used becomes real memory.
pub const STACK_SIZE: usize = 256 << 20;

/// What is left for calls that don't look at the stack themselves.
const RESERVE: usize = 1 << 20;

thread_local! {
    /// The lowest address that a checked call may reach, if this thread was
    /// made for evaluations; 0 if not.
    static LOWEST: Cell<usize> = const { Cell::new(0) };
    /// The same while something is evaluated; 0 otherwise.
    static FLOOR: Cell<usize> = const { Cell::new(0) };
    /// The most that this thread may hold.
    static CEILING: Cell<i64> = const { Cell::new(i64::MAX) };
}

/// Lets evaluations run on the calling thread. Otherwise each starts a thread
/// of its own, for the large stack: half of the time of a small text. For the
/// threads of a host that evaluates many.
///
/// The thread must have been started with a stack of [`STACK_SIZE`] bytes, and
/// this must be the first thing that it does: an evaluation that nests deeply
/// aborts the process when the stack is smaller.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Evaluator, Location, MemoryImporter};
///
/// let thread = std::thread::Builder::new().stack_size(straylight_dhall::STACK_SIZE);
/// let worker = thread.spawn(|| {
///     straylight_dhall::evaluate_on_this_thread();
///     let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
///     let here = Location::Input("sum".to_owned());
///     evaluator.evaluate_as::<u64>(&here, "1 + 1")
/// })?;
/// assert_eq!(worker.join().expect("no panic")?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate_on_this_thread() {
    LOWEST.set(stack_address().saturating_sub(STACK_SIZE - RESERVE).max(1));
}

/// Runs `work` on a thread with a large stack and no more memory than
/// `limits` say, or here if this is one.
pub(crate) fn with_stack<R: Send>(
    limits: Limits,
    work: impl FnOnce() -> R + Send,
) -> Result<R, Stop> {
    if FLOOR.get() != 0 {
        return Ok(work());
    }
    if LOWEST.get() != 0 {
        return Ok(limited(limits, work));
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("dhall".to_owned())
            .stack_size(STACK_SIZE);
        let handle = thread
            .spawn_scoped(scope, || {
                evaluate_on_this_thread();
                limited(limits, work)
            })
            .map_err(|_| Stop::NoThread)?;
        match handle.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Runs `work` within limits, on a thread that was made for it.
fn limited<R>(limits: Limits, work: impl FnOnce() -> R) -> R {
    /// Ends the limits, also of work that panics.
    struct Limited;

    impl Drop for Limited {
        fn drop(&mut self) {
            FLOOR.set(0);
            CEILING.set(i64::MAX);
        }
    }

    let memory = i64::try_from(limits.memory).unwrap_or(i64::MAX);
    CEILING.set(memory::held().saturating_add(memory));
    FLOOR.set(LOWEST.get());
    let _limited = Limited;
    work()
}

/// Fails when little stack is left, or no memory.
pub(crate) fn check_stack() -> Result<(), Stop> {
    if stack_address() < FLOOR.get() {
        return Err(Stop::TooDeep);
    }
    if memory::held() > CEILING.get() {
        return Err(Stop::OutOfMemory);
    }
    Ok(())
}

#[inline]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dive(depth: u64) -> Result<u64, Stop> {
        check_stack()?;
        let below = std::hint::black_box(dive(std::hint::black_box(depth + 1)))?;
        Ok(below + 1)
    }

    #[test]
    fn depth_is_an_error() {
        assert_eq!(
            with_stack(Limits::default(), || dive(0)),
            Ok(Err(Stop::TooDeep))
        );
    }

    #[test]
    fn a_thread_that_was_made_for_it_is_used_again() {
        let thread = std::thread::Builder::new().stack_size(STACK_SIZE);
        let work = || {
            let here = std::thread::current().id();
            let same = || with_stack(Limits::default(), || std::thread::current().id() == here);
            assert_eq!(same(), Ok(false));
            evaluate_on_this_thread();
            assert_eq!(same(), Ok(true));
            let panic = || with_stack(Limits::default(), || panic!("boom"));
            assert!(std::panic::catch_unwind(panic).is_err());
            // What a thread holds from before does not count, and its stack is as large.
            memory::hold(1 << 40);
            let deep = with_stack(Limits::default(), || (memory::held(), dive(0)));
            assert_eq!(deep, Ok((1 << 40, Err(Stop::TooDeep))));
            assert_eq!((FLOOR.get(), CEILING.get()), (0, i64::MAX));
        };
        thread
            .spawn(work)
            .expect("a thread")
            .join()
            .expect("no overflow");
    }

    #[test]
    fn a_panic_passes_through() {
        let result = std::panic::catch_unwind(|| with_stack(Limits::default(), || panic!("boom")));
        assert!(result.is_err());
    }

    #[test]
    fn steps_run_out() {
        let budget = Budget::new(Limits {
            steps: 2,
            ..Limits::default()
        });
        assert_eq!(budget.step(), Ok(()));
        assert_eq!(budget.spend(1), Ok(()));
        assert_eq!(budget.step(), Err(Stop::TooLong));
    }
}
