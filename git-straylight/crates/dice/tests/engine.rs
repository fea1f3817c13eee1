//! What the engine promises, one promise at a time.

#![allow(clippy::unwrap_used)]

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use straylight_dice::{Context, Counters, Data, Engine, EngineError, Key};
use tokio::sync::{Barrier, Notify};

/// A key whose behaviour is in its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Named(&'static str);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Default)]
struct World {
    runs: AtomicUsize,
    started: Notify,
    dropped: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Key for Named {
    type Value = Result<usize, EngineError>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let world = ctx.data::<Arc<World>>();
        match self.0 {
            "slow" => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(world.runs.fetch_add(1, Ordering::SeqCst))
            }
            "forever" => {
                let _guard = OnDrop(Arc::clone(&world.dropped));
                world.started.notify_one();
                pending().await
            }
            "above forever" => ctx.compute(&Named("forever")).await?,
            "both" => {
                let barrier = [Named("left"), Named("right")];
                let sides = ctx.try_join(&barrier).await?;
                Ok(sides.into_iter().filter_map(Result::ok).sum())
            }
            "left" | "right" => {
                ctx.data::<Barrier>().wait().await;
                Ok(1)
            }
            "panic" => panic!("on purpose"),
            "above panic" => ctx.compute(&Named("panic")).await?,
            "hides a panic" => Ok(ctx.compute(&Named("panic")).await.map_or(7, |_| 8)),
            "no data" => Ok(ctx.data::<String>().len()),
            "self" => ctx.compute(&Named("self")).await?,
            "a" => ctx.compute(&Named("b")).await?,
            "b" => ctx.try_join(&[Named("slow"), Named("c")]).await?.remove(1),
            "c" => ctx.compute(&Named("a")).await?,
            "above a cycle" => ctx.compute(&Named("c")).await?,
            other => unreachable!("{other} is set"),
        }
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        old == new
    }
}

fn engine() -> (Engine, Arc<World>) {
    let world = Arc::new(World::default());
    let data = Data::new().with(Arc::clone(&world)).with(Barrier::new(2));
    (Engine::new(data), world)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, future).await.expect("no hang")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_is_computed_once_however_many_ask() {
    let (engine, world) = engine();
    let asking = (0..100).map(|_| {
        let engine = engine.clone();
        tokio::spawn(async move { engine.compute(&Named("slow")).await })
    });
    for answer in soon(join_all(asking)).await {
        assert_eq!(answer.unwrap(), Ok(Ok(0)));
    }
    assert_eq!(world.runs.load(Ordering::SeqCst), 1);
    assert_eq!(
        engine.counters(),
        Counters {
            computed: 1,
            reused: 0
        }
    );
}

#[tokio::test]
async fn a_group_runs_in_parallel() {
    // Each of the two waits until both have started.
    let (engine, _) = engine();
    assert_eq!(soon(engine.compute(&Named("both"))).await, Ok(Ok(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_a_cycle_has_no_value_and_says_why() {
    let (engine, _) = engine();
    let cycle = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned());
        Err(EngineError::Cycle(names.collect()))
    };
    let own = soon(engine.compute(&Named("self"))).await;
    assert_eq!(own, cycle(&["self", "self"]));
    for name in ["a", "b", "c", "above a cycle"] {
        let found = soon(engine.compute(&Named(name))).await;
        assert_eq!(found, cycle(&["a", "b", "c", "a"]), "{name}");
    }
    // Asked for from all sides at once, too.
    let keys = [Named("a"), Named("b"), Named("c")];
    for found in soon(join_all(keys.iter().map(|key| engine.compute(key)))).await {
        assert_eq!(found, cycle(&["a", "b", "c", "a"]));
    }
    // Breaking the cycle heals it.
    engine.update().set(Named("c"), Ok(3)).commit();
    assert_eq!(soon(engine.compute(&Named("a"))).await, Ok(Ok(3)));
}

#[tokio::test]
async fn a_panic_is_reported_to_all_above_and_is_not_remembered() {
    let (engine, _) = engine();
    for name in ["panic", "above panic", "hides a panic"] {
        let failure = soon(engine.compute(&Named(name))).await.unwrap_err();
        assert_eq!(
            failure.to_string(),
            "the computation of `panic` panicked: on purpose"
        );
    }
    let failure = soon(engine.compute(&Named("no data"))).await.unwrap_err();
    assert!(
        failure
            .to_string()
            .ends_with("made without a `alloc::string::String`")
    );
    assert_eq!(engine.counters().computed, 0);
    engine.update().set(Named("panic"), Ok(1)).commit();
    assert_eq!(
        soon(engine.compute(&Named("hides a panic"))).await,
        Ok(Ok(8))
    );
}

#[tokio::test]
async fn dropping_the_last_request_stops_the_work() {
    let (engine, world) = engine();
    let first = tokio::spawn({
        let engine = engine.clone();
        async move { engine.compute(&Named("above forever")).await }
    });
    soon(world.started.notified()).await;
    let second = tokio::spawn({
        let engine = engine.clone();
        async move { engine.compute(&Named("forever")).await }
    });
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    soon(world.dropped.notified()).await;
}

#[tokio::test]
async fn cancelling_reaches_everyone_and_later_requests_run() {
    let (engine, world) = engine();
    for _ in 0..3 {
        let asking = tokio::spawn({
            let engine = engine.clone();
            async move { engine.compute(&Named("above forever")).await }
        });
        soon(world.started.notified()).await;
        engine.cancel();
        assert_eq!(soon(asking).await.unwrap(), Err(EngineError::Cancelled));
        soon(world.dropped.notified()).await;
    }
    assert_eq!(soon(engine.compute(&Named("slow"))).await, Ok(Ok(0)));
}

#[tokio::test]
async fn a_transaction_cancels_what_belongs_to_the_old_revision() {
    let (engine, world) = engine();
    let asking = tokio::spawn({
        let engine = engine.clone();
        async move { engine.compute(&Named("above forever")).await }
    });
    soon(world.started.notified()).await;
    engine.update().set(Named("forever"), Ok(5)).commit();
    assert_eq!(soon(asking).await.unwrap(), Err(EngineError::Cancelled));
    let answer = soon(engine.compute(&Named("above forever"))).await;
    assert_eq!(answer, Ok(Ok(5)));
}

#[test]
fn requests_end_when_their_runtime_does() {
    let (engine, world) = engine();
    let working = runtime();
    working.spawn({
        let engine = engine.clone();
        async move { engine.compute(&Named("forever")).await }
    });
    working.block_on(soon(world.started.notified()));
    // The work is owned by one runtime, and awaited on another.
    let asking = runtime();
    let answer = asking.block_on(async move {
        let mut answer = Box::pin(async move { engine.compute(&Named("forever")).await });
        assert!(futures::poll!(&mut answer).is_pending());
        working.shutdown_background();
        soon(answer).await
    });
    assert_eq!(answer, Err(EngineError::Cancelled));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap()
}

/// A chain as long as a real dependency graph is never deep.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Link(u32);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Key for Link {
    type Value = u32;
    async fn compute(&self, ctx: &Context) -> u32 {
        ctx.compute(&Link(self.0 - 1)).await.unwrap_or(0) + 1
    }
    fn unchanged(old: &u32, new: &u32) -> bool {
        old == new
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depth_costs_no_stack_and_a_cut_saves_the_rest() {
    const LENGTH: u32 = 50_000;
    let engine = Engine::new(Data::new());
    engine.update().set(Link(0), 0).commit();
    assert_eq!(soon(engine.compute(&Link(LENGTH))).await, Ok(LENGTH));
    assert_eq!(engine.counters().computed, u64::from(LENGTH));

    // The same value again: nothing is even checked.
    engine.update().set(Link(0), 0).commit();
    assert_eq!(soon(engine.compute(&Link(LENGTH))).await, Ok(LENGTH));
    assert_eq!(engine.counters().reused, 0);

    // One link is computed again to the same value; the others are only checked.
    engine.update().invalidate(Link(1)).commit();
    assert_eq!(soon(engine.compute(&Link(LENGTH))).await, Ok(LENGTH));
    let counters = engine.counters();
    assert_eq!(counters.computed, u64::from(LENGTH) + 1);
    assert_eq!(counters.reused, u64::from(LENGTH) - 1);
}
