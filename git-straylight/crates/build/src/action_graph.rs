//! The steps below targets, and which of them reads what another one makes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::future::join_all;
use straylight_dice::Engine;

use crate::analyse::Analysed;
use crate::build::Wanted;
use crate::configuration::Configuration;
use crate::error::BuildResult;
use crate::keys::{ActionKey, Step, TargetKey, flatten};
use crate::label::Label;
use crate::lower;
use crate::root;

/// A step of an [`ActionGraph`].
#[derive(Debug, Clone)]
pub struct ActionNode {
    /// The target that declares it.
    pub label: Label,
    /// What that target is built for.
    pub configuration: Configuration,
    /// Which step: `c_compile lapi.c.o`.
    pub step: String,
    /// The steps whose outputs it reads, by index, sorted.
    pub dependencies: Vec<usize>,
}

/// Steps, sorted by label, configuration and their place in the target.
#[derive(Debug, Default)]
pub struct ActionGraph {
    /// The steps.
    pub nodes: Vec<ActionNode>,
}

/// Steps, with what people call them and what they read.
pub(crate) type Steps = BTreeMap<ActionKey, (String, Vec<ActionKey>)>;

/// Loads the steps that make the outputs of `roots`, and all below them.
pub(crate) async fn load(engine: &Engine, roots: &[TargetKey]) -> BuildResult<ActionGraph> {
    steps(engine, roots).await.map(assemble)
}

/// Returns the steps that make the outputs of `roots`, and all below them.
pub(crate) async fn steps(engine: &Engine, roots: &[TargetKey]) -> BuildResult<Steps> {
    let mut steps = Steps::new();
    for analysed in analysed(engine, roots).await? {
        for step in root::steps(&analysed, Wanted::Outputs) {
            let inputs = inputs(&analysed, &step)?;
            steps.insert(step, inputs);
        }
    }
    let mut wave = missing(&steps, steps.keys());
    while !wave.is_empty() {
        let targets: Vec<TargetKey> = wave.iter().map(ActionKey::target).collect();
        let found = analysed(engine, &targets).await?;
        for (step, analysed) in wave.iter().zip(found) {
            steps.insert(step.clone(), inputs(&analysed, step)?);
        }
        wave = missing(&steps, wave.iter());
    }
    Ok(steps)
}

/// Returns what `of` read that is not known yet, each once.
fn missing<'a>(steps: &Steps, of: impl Iterator<Item = &'a ActionKey>) -> Vec<ActionKey> {
    let below = of
        .filter_map(|step| steps.get(step))
        .flat_map(|(_, below)| below);
    let mut missing: Vec<ActionKey> = below
        .filter(|below| !steps.contains_key(below))
        .cloned()
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

async fn analysed(engine: &Engine, targets: &[TargetKey]) -> BuildResult<Vec<Arc<Analysed>>> {
    let found = join_all(targets.iter().map(|target| engine.compute(target))).await;
    found.into_iter().map(flatten).collect()
}

/// Returns the name of a step, and the steps that it reads something of.
fn inputs(analysed: &Arc<Analysed>, key: &ActionKey) -> BuildResult<(String, Vec<ActionKey>)> {
    // What argument files say changes no input.
    let lowered = lower::lower(analysed, key.step, lower::Lines::new())?;
    let arguments = lower::argument_files(analysed, key.step)?.into_iter();
    let made = lowered
        .inputs
        .into_values()
        .chain(arguments.map(|file| file.input))
        .filter_map(|input| input.maker().cloned());
    let mut made: Vec<ActionKey> = made.collect();
    made.sort();
    made.dedup();
    Ok((name(analysed, key.step), made))
}

/// Returns what people call a step.
pub(crate) fn name(analysed: &Analysed, step: Step) -> String {
    match step {
        Step::Action(index) => analysed.declared.target.actions[index].step(),
        Step::Test => "test".to_owned(),
    }
}

fn assemble(steps: Steps) -> ActionGraph {
    let indices: HashMap<ActionKey, usize> = steps.keys().cloned().zip(0..).collect();
    let nodes = steps.into_iter().map(|(key, (step, inputs))| ActionNode {
        label: key.label,
        configuration: key.configuration,
        step,
        dependencies: inputs.iter().map(|input| indices[input]).collect(),
    });
    ActionGraph {
        nodes: nodes.collect(),
    }
}
