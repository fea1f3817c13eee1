//! One run of one key: checks what is remembered of it, or computes it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt as _;

use crate::erased::{AnyKey, Value};
use crate::graph::{Dated, Remembered};
use crate::requests::{Answer, Need, Run, Shared};
use crate::{Context, EngineError};

/// Brings `run.node` up to date and answers those who wait for it.
pub(crate) async fn run(shared: Arc<Shared>, run: Run) {
    let _last_word = LastWord {
        shared: &shared,
        run,
    };
    let (key, remembered) = {
        let state = shared.lock();
        let key = Arc::clone(state.graph.keys.key(run.node));
        (key, state.graph.remembered(run.node).cloned())
    };
    match remembered {
        Some(clean) if !clean.suspect => revive(&shared, run, key.as_ref(), clean).await,
        Some(suspect) if !suspect.forced => match is_still_right(&shared, run, &suspect).await {
            Ok(true) => {
                shared.count_reused();
                shared.finish(run, |graph, _| {
                    let dated = graph.confirm(run.node, run.revision, &shared.data);
                    dated.ok_or(EngineError::Cancelled)
                });
            }
            Ok(false) => compute(&shared, run, key.as_ref(), Some(suspect)).await,
            Err(error) => shared.finish(run, |_, _| Err(error)),
        },
        remembered => compute(&shared, run, key.as_ref(), remembered).await,
    }
}

/// Gives a clean result its value: from the image, or else by computing it.
async fn revive(shared: &Arc<Shared>, run: Run, key: &dyn AnyKey, clean: Remembered) {
    let stored = {
        let state = shared.lock();
        let restored = state.graph.restored.as_ref();
        restored.and_then(|restored| restored.stored(clean.image?))
    };
    if let Some((codec, stored)) = stored {
        let ctx = Context::new(Arc::clone(shared), run);
        let restored = AssertUnwindSafe(codec.restore(key.as_any(), &stored, &ctx));
        let restored = restored.catch_unwind().await;
        if let (_, Some(failure)) = ctx.into_record() {
            return shared.finish(run, |_, _| Err(failure));
        }
        // What cannot be read, and a reader that panics, is no value.
        if let Ok(Some(value)) = restored {
            return shared.finish(run, |graph, _| {
                let dated = graph.fill(run.node, value);
                dated.ok_or(EngineError::Cancelled)
            });
        }
    }
    compute(shared, run, key, Some(clean)).await;
}

/// Returns whether no recorded dependency has changed, group by group.
///
/// A group is brought up to date only when nothing before it has changed:
/// else the key might not ask for it any more. Its members run in parallel,
/// as they did when the key asked for them.
async fn is_still_right(
    shared: &Arc<Shared>,
    run: Run,
    remembered: &Remembered,
) -> Result<bool, EngineError> {
    let mut index = 0;
    loop {
        let Some(answers) = next_open_group(shared, run, remembered, &mut index) else {
            return Ok(true);
        };
        let mut changed = false;
        for answer in answers {
            changed |= answer.get().await?.changed_at > remembered.verified_at;
        }
        if changed {
            return Ok(false);
        }
    }
}

/// Returns the answers of the next group that is not clean and unchanged.
fn next_open_group(
    shared: &Arc<Shared>,
    run: Run,
    remembered: &Remembered,
    index: &mut usize,
) -> Option<Vec<Answer>> {
    let mut state = shared.lock();
    while let Some(group) = remembered.dependencies.group(*index) {
        *index += 1;
        let settled = group.iter().all(|node| {
            state.graph.seek(*node, &shared.data);
            let clean = state.graph.clean(*node);
            clean.is_some_and(|dated| dated.changed_at <= remembered.verified_at)
        });
        if !settled {
            let ask = |node: &_| shared.request(&mut state, *node, Need::Date, Some(run));
            return Some(group.iter().map(ask).collect());
        }
    }
    None
}

async fn compute(shared: &Arc<Shared>, run: Run, key: &dyn AnyKey, remembered: Option<Remembered>) {
    let ctx = Context::new(Arc::clone(shared), run);
    let computed = AssertUnwindSafe(async {
        let value = key.compute(&ctx).await;
        let same = |old: &Remembered| shared.lock().graph.is_unchanged(key, old, &value);
        let unchanged = remembered.as_ref().is_some_and(same);
        (value, unchanged)
    });
    let computed = computed.catch_unwind().await;
    let (dependencies, failure) = ctx.into_record();
    let computed = match (failure, computed) {
        (Some(failure), _) => Err(failure),
        (None, Ok(computed)) => Ok(computed),
        (None, Err(panic)) => Err(EngineError::Panicked {
            key: key.name(),
            message: panic_message(panic.as_ref()),
        }),
    };
    shared.finish(run, |graph, counter| {
        let (value, unchanged) = computed?;
        counter.fetch_add(1, Ordering::Relaxed);
        let dated = date(value, unchanged, run, remembered.as_ref());
        graph.remember(run.node, dated.clone(), dependencies, run.revision);
        Ok(dated)
    });
}

/// Decides when a value changed. An unchanged one takes the new value's place
/// with the old one's date: they are equal for those who depend on it.
fn date(value: Value, unchanged: bool, run: Run, old: Option<&Remembered>) -> Dated {
    let changed_at = match old {
        Some(old) if unchanged => old.dated.changed_at,
        _ => run.revision,
    };
    Dated {
        value: Some(value),
        changed_at,
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned())
}

/// Tells those who wait that nothing will come, when a task is dropped before
/// its end: its runtime was shut down.
struct LastWord<'a> {
    shared: &'a Shared,
    run: Run,
}

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        // Does nothing for a task that has ended or was stopped.
        self.shared
            .finish(self.run, |_, _| Err(EngineError::Cancelled));
    }
}
