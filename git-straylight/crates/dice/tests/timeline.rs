//! Random graphs and random timelines of edits, against a naive evaluator.
//!
//! A sheet of formulas over cells. Formulas are leaves of the graph too, so
//! that edits change who depends on whom; they may form cycles.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use proptest::prelude::*;
use straylight_dice::{Context, Data, Engine, EngineError, Key};

const SIZE: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Ref {
    Cell(usize),
    Sum(usize),
}

/// How a formula asks for what it refers to, and what it makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Formula {
    AtOnce(Vec<Ref>),
    OneByOne(Vec<Ref>),
    Choice(Ref, Ref, Ref),
    Interleaved(Ref, Ref, Ref),
    Parity(Ref),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Cell(usize);
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Program(usize);
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sum(usize);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cell {}", self.0)
    }
}
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {}", self.0)
    }
}
impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Key for Cell {
    type Value = i64;
    async fn compute(&self, _: &Context) -> i64 {
        unreachable!("cells are set")
    }
    fn unchanged(old: &i64, new: &i64) -> bool {
        old == new
    }
}

impl Key for Program {
    type Value = Arc<Formula>;
    async fn compute(&self, _: &Context) -> Arc<Formula> {
        unreachable!("programs are set")
    }
    fn unchanged(old: &Arc<Formula>, new: &Arc<Formula>) -> bool {
        old == new
    }
}

/// The successful computations of the current revision.
#[derive(Default)]
struct Log(Mutex<Vec<(usize, i64)>>);

async fn ask(ctx: &Context, reference: Ref) -> Result<i64, EngineError> {
    match reference {
        Ref::Cell(index) => ctx.compute(&Cell(index)).await,
        Ref::Sum(index) => ctx.compute(&Sum(index)).await?,
    }
}

async fn evaluate(ctx: &Context, index: usize) -> Result<i64, EngineError> {
    let program = ctx.compute(&Program(index)).await?;
    match &*program {
        Formula::AtOnce(references) => {
            let sums = references.iter().filter_map(|reference| match reference {
                Ref::Sum(index) => Some(Sum(*index)),
                Ref::Cell(_) => None,
            });
            let sums: Vec<Sum> = sums.collect();
            let mut total = 0_i64;
            for value in ctx.try_join(&sums).await? {
                total = total.wrapping_add(value?);
            }
            for reference in references {
                if let Ref::Cell(index) = reference {
                    total = total.wrapping_add(ctx.compute(&Cell(*index)).await?);
                }
            }
            Ok(total)
        }
        Formula::OneByOne(references) => {
            let mut total = 0_i64;
            for reference in references {
                total = total
                    .wrapping_mul(3)
                    .wrapping_add(ask(ctx, *reference).await?);
            }
            Ok(total)
        }
        Formula::Choice(condition, yes, no) => {
            let positive = ask(ctx, *condition).await? > 0;
            ask(ctx, if positive { *yes } else { *no }).await
        }
        Formula::Interleaved(a, b, c) => {
            let first = async {
                match ask(ctx, *a).await? {
                    0 => Ok(0),
                    a => Ok(ask(ctx, *b).await?.wrapping_add(a)),
                }
            };
            let (first, second) = futures::join!(first, ask(ctx, *c));
            Ok(first?.wrapping_sub(second?))
        }
        Formula::Parity(reference) => Ok(ask(ctx, *reference).await?.rem_euclid(2)),
    }
}

impl Key for Sum {
    type Value = Result<i64, EngineError>;
    async fn compute(&self, ctx: &Context) -> Self::Value {
        tokio::task::yield_now().await;
        let value = evaluate(ctx, self.0).await;
        if let Ok(value) = value {
            ctx.data::<Log>().0.lock().unwrap().push((self.0, value));
        }
        value
    }
    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        old == new
    }
}

/// The sheet as it is, and what an ideal engine would know of the past.
#[derive(Default)]
struct Model {
    cells: Vec<i64>,
    programs: Vec<Formula>,
    revision: u64,
    cell_changed: BTreeMap<usize, u64>,
    program_changed: BTreeMap<usize, u64>,
    sum_changed: BTreeMap<usize, u64>,
    records: BTreeMap<usize, Record>,
}

struct Record {
    value: i64,
    asked: BTreeSet<Ref>,
    verified: u64,
    forced: bool,
}

impl Model {
    fn value(&self, of: Ref, above: &mut Vec<usize>, asked: &mut BTreeSet<Ref>) -> Option<i64> {
        asked.insert(of);
        match of {
            Ref::Cell(index) => Some(self.cells[index]),
            Ref::Sum(index) => self.sum(index, above).map(|(value, _)| value),
        }
    }

    /// The value of a formula and what it asks for; `None` if a cycle is below.
    fn sum(&self, index: usize, above: &mut Vec<usize>) -> Option<(i64, BTreeSet<Ref>)> {
        if above.contains(&index) {
            return None;
        }
        above.push(index);
        let mut asked = BTreeSet::new();
        let value = self.apply(index, above, &mut asked);
        above.pop();
        Some((value?, asked))
    }

    fn apply(
        &self,
        index: usize,
        above: &mut Vec<usize>,
        asked: &mut BTreeSet<Ref>,
    ) -> Option<i64> {
        let mut get = |reference: &Ref| self.value(*reference, above, asked);
        match &self.programs[index] {
            Formula::AtOnce(references) => references.iter().try_fold(0_i64, |total, reference| {
                Some(total.wrapping_add(get(reference)?))
            }),
            Formula::OneByOne(references) => {
                references.iter().try_fold(0_i64, |total, reference| {
                    Some(total.wrapping_mul(3).wrapping_add(get(reference)?))
                })
            }
            Formula::Choice(condition, yes, no) => match get(condition)? {
                1.. => get(yes),
                _ => get(no),
            },
            Formula::Interleaved(a, b, c) => {
                let first = match get(a)? {
                    0 => 0,
                    a => get(b)?.wrapping_add(a),
                };
                Some(first.wrapping_sub(get(c)?))
            }
            Formula::Parity(reference) => Some(get(reference)?.rem_euclid(2)),
        }
    }

    fn changed_after(&self, reference: Ref, revision: u64) -> bool {
        let changed = match reference {
            Ref::Cell(index) => self.cell_changed.get(&index),
            Ref::Sum(index) => self.sum_changed.get(&index),
        };
        changed.is_some_and(|changed| *changed > revision)
    }

    /// Checks that everything in `log` had to be computed, and learns from it.
    fn learn(&mut self, log: &[(usize, i64)]) {
        let distinct: BTreeSet<usize> = log.iter().map(|entry| entry.0).collect();
        assert_eq!(distinct.len(), log.len(), "computed twice in one revision");
        for (index, value) in log {
            let old = self.records.get(index);
            if old.is_none_or(|old| old.value != *value) {
                self.sum_changed.insert(*index, self.revision);
            }
        }
        for (index, value) in log {
            if let Some(old) = self.records.get(index) {
                let program = self.program_changed.get(index).copied().unwrap_or(0);
                let needed = old.forced
                    || program > old.verified
                    || old
                        .asked
                        .iter()
                        .any(|r| self.changed_after(*r, old.verified));
                assert!(needed, "formula {index} did not have to be computed");
            }
            let (expected, asked) = self.sum(*index, &mut Vec::new()).expect("it has a value");
            assert_eq!(*value, expected);
            let record = Record {
                value: *value,
                asked,
                verified: self.revision,
                forced: false,
            };
            self.records.insert(*index, record);
        }
    }

    fn verified(&mut self, index: usize) {
        let record = self.records.get_mut(&index).expect("was asked for");
        record.verified = self.revision;
        for reference in record.asked.clone() {
            if let Ref::Sum(index) = reference {
                self.verified(index);
            }
        }
    }

    /// Returns whether each member refers to the next.
    fn is_cycle(&self, path: &[String]) -> bool {
        let path: Vec<usize> = path.iter().map(|name| name.parse().unwrap()).collect();
        path.first() == path.last()
            && path.len() > 1
            && path.windows(2).all(|pair| {
                let next = Ref::Sum(pair[1]);
                match &self.programs[pair[0]] {
                    Formula::AtOnce(list) | Formula::OneByOne(list) => list.contains(&next),
                    Formula::Choice(a, b, c) | Formula::Interleaved(a, b, c) => {
                        [*a, *b, *c].contains(&next)
                    }
                    Formula::Parity(a) => *a == next,
                }
            })
    }
}

#[derive(Debug, Clone)]
enum Edit {
    Cell(usize, i64),
    Program(usize, Formula),
    Invalidate(usize),
}

type Step = (Vec<Edit>, Vec<usize>);

fn reference(cyclic: bool, below: usize) -> impl Strategy<Value = Ref> {
    let limit = if cyclic { SIZE } else { below };
    prop_oneof![
        (0..SIZE).prop_map(Ref::Cell),
        (0..limit.max(1)).prop_map(move |index| if limit == 0 {
            Ref::Cell(index)
        } else {
            Ref::Sum(index)
        }),
    ]
}

fn formula(cyclic: bool, below: usize) -> impl Strategy<Value = Formula> {
    let one = move || reference(cyclic, below);
    let list = move || prop::collection::vec(one(), 0..4);
    prop_oneof![
        list().prop_map(Formula::AtOnce),
        list().prop_map(Formula::OneByOne),
        (one(), one(), one()).prop_map(|(a, b, c)| Formula::Choice(a, b, c)),
        (one(), one(), one()).prop_map(|(a, b, c)| Formula::Interleaved(a, b, c)),
        one().prop_map(Formula::Parity),
    ]
}

fn edit(cyclic: bool) -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0..SIZE, -2..3_i64).prop_map(|(index, value)| Edit::Cell(index, value)),
        2 => (0..SIZE).prop_flat_map(move |index| {
            formula(cyclic, index).prop_map(move |formula| Edit::Program(index, formula))
        }),
        1 => (0..SIZE).prop_map(Edit::Invalidate),
    ]
}

fn sheet(cyclic: bool) -> impl Strategy<Value = Vec<Formula>> {
    (0..SIZE)
        .map(|index| formula(cyclic, index))
        .collect::<Vec<_>>()
}

fn steps(cyclic: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop::collection::vec(edit(cyclic), 0..5),
        prop::collection::vec(0..SIZE, 1..5),
    );
    prop::collection::vec(step, 1..12)
}

fn apply(engine: &Engine, model: &mut Model, edits: Vec<Edit>) {
    model.revision += 1;
    let mut transaction = engine.update();
    for edit in edits {
        transaction = match edit {
            Edit::Cell(index, value) => {
                if model.cells[index] != value {
                    model.cell_changed.insert(index, model.revision);
                }
                model.cells[index] = value;
                transaction.set(Cell(index), value)
            }
            Edit::Program(index, formula) => {
                if model.programs[index] != formula {
                    model.program_changed.insert(index, model.revision);
                }
                model.programs[index] = formula.clone();
                transaction.set(Program(index), Arc::new(formula))
            }
            Edit::Invalidate(index) => {
                if let Some(record) = model.records.get_mut(&index) {
                    record.forced = true;
                }
                transaction.invalidate(Sum(index))
            }
        };
    }
    transaction.commit();
}

async fn play(programs: Vec<Formula>, steps: Vec<Step>) {
    let engine = Engine::new(Data::new().with(Log::default()));
    let mut model = Model {
        cells: vec![0; SIZE],
        programs: programs.clone(),
        ..Model::default()
    };
    let mut transaction = engine.update();
    for (index, program) in programs.into_iter().enumerate() {
        transaction = transaction
            .set(Cell(index), 0)
            .set(Program(index), Arc::new(program));
    }
    transaction.commit();

    let mut total = 0;
    for (edits, wanted) in steps {
        apply(&engine, &mut model, edits);
        let keys: Vec<Sum> = wanted.iter().map(|index| Sum(*index)).collect();
        let answers = join_all(keys.iter().map(|key| engine.compute(key))).await;
        let log = std::mem::take(&mut *engine.data::<Log>().unwrap().0.lock().unwrap());
        total += log.len() as u64;
        model.learn(&log);
        for (index, answer) in wanted.into_iter().zip(answers) {
            match (model.sum(index, &mut Vec::new()), answer) {
                (Some((expected, _)), Ok(Ok(value))) => {
                    assert_eq!(value, expected);
                    model.verified(index);
                }
                (None, Err(EngineError::Cycle(path))) => {
                    assert!(model.is_cycle(&path), "{path:?}");
                }
                (expected, answer) => panic!("formula {index}: {answer:?}, not {expected:?}"),
            }
        }
    }
    assert_eq!(engine.counters().computed, total);
}

fn run(threads: usize, programs: Vec<Formula>, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let play = tokio::time::timeout(Duration::from_secs(60), play(programs, steps));
        play.await.expect("no deadlock");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn values_are_right_and_nothing_is_computed_in_vain(
        programs in sheet(false), steps in steps(false), threads in 1..4_usize,
    ) {
        run(threads, programs, steps);
    }

    #[test]
    fn cycles_are_found_and_everything_else_has_its_value(
        programs in sheet(true), steps in steps(true), threads in 1..4_usize,
    ) {
        run(threads, programs, steps);
    }
}
