//! Graphs that outlive their process, against a naive evaluator.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use proptest::prelude::*;
use straylight_dice::{
    Codecs, Context, Current, Data, Engine, EngineError, Fingerprint, Key, Persistent,
};

const SIZE: usize = 8;
const CONTEXT: [u8; 32] = [7; 32];

/// What lies outside: a number in each place, and what is made of them.
#[derive(Debug, Clone)]
struct World {
    numbers: Vec<i64>,
    formulas: Vec<Formula>,
}

/// Refers to formulas before it, and to numbers.
#[derive(Debug, Clone)]
struct Formula {
    formulas: Vec<usize>,
    numbers: Vec<usize>,
    /// Looks at the second half only if the first is positive.
    lazily: bool,
    /// Hides what changed from those above.
    parity: bool,
}

#[derive(Default)]
struct Seen {
    computed: Mutex<Vec<usize>>,
    reminded: Mutex<Vec<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Look(usize);
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sum(usize);

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.0)
    }
}
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "formula {}", self.0)
    }
}

fn world(data: &Data) -> &Arc<World> {
    data.get().expect("the engine has a world")
}

fn number(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}

fn fingerprint(value: i64) -> Fingerprint {
    i128::from(value).to_le_bytes()
}

impl Key for Look {
    type Value = i64;
    async fn compute(&self, ctx: &Context) -> i64 {
        ctx.data::<Arc<World>>().numbers[self.0]
    }
    fn unchanged(old: &i64, new: &i64) -> bool {
        old == new
    }
}

impl Persistent for Look {
    const TAG: u16 = 1;
    const LEAF: bool = true;
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0 as u8);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(usize::from(*bytes.first()?)))
    }
    fn fingerprint(value: &i64) -> Option<Fingerprint> {
        Some(fingerprint(*value))
    }
    fn store(value: &i64) -> Option<Vec<u8>> {
        // One number has no signature that could be trusted.
        (*value != 3).then(|| value.to_le_bytes().to_vec())
    }
    fn read(&self, stored: &[u8]) -> Option<i64> {
        number(stored)
    }
    fn is_current(&self, stored: &[u8], data: &Data) -> bool {
        number(stored) == Some(world(data).numbers[self.0])
    }
}

impl Key for Sum {
    type Value = Result<i64, EngineError>;
    async fn compute(&self, ctx: &Context) -> Self::Value {
        let formula = ctx.data::<Arc<World>>().formulas[self.0].clone();
        let sums: Vec<Sum> = formula.formulas.iter().map(|index| Sum(*index)).collect();
        let mut total = 0_i64;
        for sum in ctx.try_join(&sums).await? {
            total = total.wrapping_mul(3).wrapping_add(sum?);
        }
        if !formula.lazily || total > 0 {
            for index in &formula.numbers {
                total = total.wrapping_add(ctx.compute(&Look(*index)).await?);
            }
        }
        let computed = &ctx.data::<Seen>().computed;
        computed.lock().unwrap().push(self.0);
        Ok(if formula.parity {
            total.rem_euclid(2)
        } else {
            total
        })
    }
    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        old == new
    }
}

impl Persistent for Sum {
    const TAG: u16 = 2;
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0 as u8);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self(usize::from(*bytes.first()?)))
    }
    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        value.as_ref().ok().map(|value| fingerprint(*value))
    }
    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        // Odd values are known by their fingerprints alone.
        let value = value.as_ref().ok().filter(|value| *value % 2 == 0)?;
        Some(value.to_le_bytes().to_vec())
    }
    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        // Of the others, every second one.
        number(stored).filter(|value| value % 4 == 0).map(Ok)
    }
    async fn restore(&self, stored: &[u8], _: &Context) -> Option<Self::Value> {
        number(stored).map(Ok)
    }
    fn reminds(value: &Self::Value) -> bool {
        value.as_ref().is_ok_and(|value| value % 4 == 0)
    }
    fn remind(&self, _: &[u8], data: &Data) {
        let seen: &Seen = data.get().expect("the engine has eyes");
        seen.reminded.lock().unwrap().push(self.0);
    }
}

fn codecs() -> Codecs {
    Codecs::new().with::<Look>().with::<Sum>()
}

fn engine(world: &World, image: Option<File>) -> Engine {
    let data = Data::new()
        .with(Arc::new(world.clone()))
        .with(Seen::default());
    Engine::resume(data, codecs(), image, &CONTEXT).unwrap()
}

fn image(engine: &Engine) -> File {
    let mut file = tempfile::tempfile().unwrap();
    engine.save(&mut file, &CONTEXT).unwrap();
    file.rewind().unwrap();
    file
}

/// The values of all formulas.
fn values(world: &World) -> Vec<i64> {
    let mut values: Vec<i64> = Vec::new();
    for formula in &world.formulas {
        let mut total = 0_i64;
        for index in &formula.formulas {
            total = total.wrapping_mul(3).wrapping_add(values[*index]);
        }
        if !formula.lazily || total > 0 {
            for index in &formula.numbers {
                total = total.wrapping_add(world.numbers[*index]);
            }
        }
        values.push(if formula.parity {
            total.rem_euclid(2)
        } else {
            total
        });
    }
    values
}

/// Every formula below the wanted ones.
fn below(world: &World, wanted: &[usize]) -> Vec<usize> {
    let mut found = [false; SIZE];
    let mut open = wanted.to_vec();
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut found[index], true) {
            open.extend(&world.formulas[index].formulas);
        }
    }
    (0..SIZE).filter(|index| found[*index]).collect()
}

/// One process: what changed in the world before it, and what it is asked for.
type Step = (Vec<(usize, i64)>, Vec<usize>);

/// What formulas refer to, in one process.
struct Process {
    numbers: Vec<i64>,
    sums: Vec<i64>,
}

impl Process {
    /// Returns whether a formula finds here what it finds there.
    fn agrees(&self, other: &Self, formula: &Formula) -> bool {
        let numbers = formula.numbers.iter();
        let sums = formula.formulas.iter();
        numbers
            .map(|at| (self.numbers[*at], other.numbers[*at]))
            .all(|(a, b)| a == b)
            && sums
                .map(|at| (self.sums[*at], other.sums[*at]))
                .all(|(a, b)| a == b)
    }
}

async fn play(mut world: World, steps: Vec<Step>) {
    let mut file = None;
    let mut history: Vec<Process> = Vec::new();
    // In which process a formula was last known to be right.
    let mut verified: BTreeMap<usize, usize> = BTreeMap::new();
    for (edits, wanted) in steps {
        for (index, number) in edits {
            world.numbers[index] = number;
        }
        let engine = engine(&world, file);
        let keys: Vec<Sum> = wanted.iter().map(|index| Sum(*index)).collect();
        let expected = values(&world);
        // Who only looks disturbs nobody, and is told nothing that is not so.
        for key in keys.iter().filter(|key| key.0 % 2 == 0) {
            if let Some(current) = engine.current(key).and_then(Current::value) {
                assert_eq!(current, Ok(expected[key.0]), "{key}");
            }
        }
        let answers = join_all(keys.iter().map(|key| engine.compute(key))).await;
        for (index, answer) in wanted.iter().zip(answers) {
            assert_eq!(answer, Ok(Ok(expected[*index])), "formula {index}");
        }
        let seen: &Seen = engine.data().unwrap();
        let computed = seen.computed.lock().unwrap().clone();
        history.push(Process {
            numbers: world.numbers.clone(),
            sums: expected.clone(),
        });
        let (now, before) = history.split_last().unwrap();
        for index in &computed {
            let formula = &world.formulas[*index];
            let nothing_changed = |since: &usize| {
                let mut since = before[*since..].iter();
                since.all(|process| process.agrees(now, formula))
            };
            // A value that is not in the image is computed when it is needed.
            let is_kept = expected[*index] % 2 == 0;
            let in_vain = is_kept && verified.get(index).is_some_and(nothing_changed);
            assert!(!in_vain, "formula {index} was computed for nothing");
        }
        let reminded = seen.reminded.lock().unwrap().clone();
        for index in below(&world, &wanted) {
            let told = reminded.iter().filter(|told| **told == index).count();
            if expected[index] % 4 == 0 && !computed.contains(&index) {
                assert_eq!(told, 1, "formula {index} is told once");
            }
            verified.insert(index, history.len() - 1);
        }
        file = Some(image(&engine));
    }
}

fn formula(index: usize) -> impl Strategy<Value = Formula> {
    let formulas = prop::collection::vec(0..index.max(1), 0..if index == 0 { 1 } else { 4 });
    let numbers = prop::collection::vec(0..SIZE, 0..3);
    (formulas, numbers, any::<bool>(), any::<bool>()).prop_map(
        |(formulas, numbers, lazily, parity)| Formula {
            formulas,
            numbers,
            lazily,
            parity,
        },
    )
}

fn worlds() -> impl Strategy<Value = World> {
    let formulas = (0..SIZE).map(formula).collect::<Vec<_>>();
    let numbers = prop::collection::vec(-2..5_i64, SIZE);
    (numbers, formulas).prop_map(|(numbers, formulas)| World { numbers, formulas })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn values_are_right_in_every_process_and_nothing_is_computed_in_vain(
        world in worlds(),
        steps in prop::collection::vec(
            (
                prop::collection::vec((0..SIZE, -2..5_i64), 0..3),
                prop::collection::vec(0..SIZE, 1..4),
            ),
            1..10,
        ),
    ) {
        runtime().block_on(play(world, steps));
    }
}

fn small() -> World {
    let formula = |formulas: &[usize], numbers: &[usize]| Formula {
        formulas: formulas.to_vec(),
        numbers: numbers.to_vec(),
        lazily: false,
        parity: false,
    };
    World {
        numbers: vec![2, 4, 6, 8],
        formulas: vec![
            formula(&[], &[0, 1]),
            formula(&[0], &[2]),
            formula(&[1], &[3]),
        ],
    }
}

async fn last(engine: &Engine) -> i64 {
    engine.compute(&Sum(2)).await.unwrap().unwrap()
}

#[test]
fn a_graph_in_which_nothing_changed_computes_nothing() {
    runtime().block_on(async {
        let first = engine(&small(), None);
        let value = last(&first).await;
        assert_eq!(first.counters().computed, 7);
        let second = engine(&small(), Some(image(&first)));
        assert_eq!(last(&second).await, value);
        assert_eq!(second.counters().computed, 0);
        // And so it goes on: an image of an image is as good.
        let third = engine(&small(), Some(image(&second)));
        assert_eq!(last(&third).await, value);
        assert_eq!(third.counters().computed, 0);
    });
}

#[test]
fn what_is_current_is_known_without_a_task() {
    runtime().block_on(async {
        let current = |engine: &Engine, sum| engine.current(&Sum(sum))?.value();
        let first = engine(&small(), None);
        assert_eq!(current(&first, 2), None, "nobody has computed it");
        let value = last(&first).await;
        let mut world = small();
        let second = engine(&world, Some(image(&first)));
        assert_eq!(current(&second, 2), Some(Ok(value)));
        assert_eq!(second.counters(), straylight_dice::Counters::default());
        // Something else is asked for, and only that is looked at.
        world.numbers[3] = 10;
        let third = engine(&world, Some(image(&second)));
        assert_eq!(current(&third, 2), None);
        assert_eq!(current(&third, 1), Some(Ok(2 + 4 + 6)));
        assert_eq!(last(&third).await, value + 2);
        // The engine need not be there any more.
        let kept = third.current(&Sum(2)).unwrap();
        drop(third);
        assert_eq!(kept.value(), Some(Ok(value + 2)));
    });
}

#[test]
fn a_damaged_image_or_one_of_something_else_is_no_image() {
    runtime().block_on(async {
        let first = engine(&small(), None);
        let value = last(&first).await;
        let mut bytes = Vec::new();
        first.save(&mut bytes, &CONTEXT).unwrap();
        for at in 0..bytes.len() {
            for damaged in [bytes[..at].to_vec(), flipped(&bytes, at)] {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&damaged).unwrap();
                file.rewind().unwrap();
                let second = engine(&small(), Some(file));
                assert_eq!(last(&second).await, value, "damaged at {at}");
            }
        }
        let data = Data::new().with(Arc::new(small())).with(Seen::default());
        let image = Some(image(&first));
        let other = Engine::resume(data, codecs(), image, &[8; 32]).unwrap();
        assert_eq!(last(&other).await, value);
        assert_eq!(other.counters().computed, 7);
    });
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x10;
    bytes
}

#[test]
fn transactions_change_what_came_from_an_image() {
    runtime().block_on(async {
        let first = engine(&small(), None);
        last(&first).await;
        let second = engine(&small(), Some(image(&first)));
        last(&second).await;
        second.update().set(Look(0), 100).commit();
        assert_eq!(last(&second).await, 100 + 4 + 6 + 8);
        second.update().invalidate(Sum(0)).commit();
        assert_eq!(last(&second).await, 100 + 4 + 6 + 8);
        let third = engine(&small(), Some(image(&second)));
        assert_eq!(last(&third).await, 2 + 4 + 6 + 8, "the world says 2");
    });
}

#[test]
fn what_nobody_wants_is_forgotten_after_a_while() {
    runtime().block_on(async {
        let mut world = small();
        let mut engine_of = engine(&world, None);
        last(&engine_of).await;
        let mut sizes = Vec::new();
        for round in 0..80 {
            world.numbers[0] = round;
            let next = engine(&world, Some(image(&engine_of)));
            next.compute(&Sum(0)).await.unwrap().unwrap();
            let mut bytes = Vec::new();
            next.save(&mut bytes, &CONTEXT).unwrap();
            sizes.push(bytes.len());
            engine_of = next;
        }
        assert!(sizes[79] < sizes[0], "{sizes:?}");
    });
}

#[test]
fn what_an_image_holds_can_be_listed() {
    runtime().block_on(async {
        let first = engine(&small(), None);
        last(&first).await;
        let mut keys: Vec<usize> = straylight_dice::stored::<Look>(image(&first))
            .unwrap()
            .into_iter()
            .map(|(key, _)| key.0)
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, [0, 1, 2, 3]);
        let mut other = tempfile::tempfile().unwrap();
        other.write_all(b"no image").unwrap();
        other.rewind().unwrap();
        let none = straylight_dice::stored::<Look>(other).unwrap();
        assert!(none.is_empty());
    });
}
