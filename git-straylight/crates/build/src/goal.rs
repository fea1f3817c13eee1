//! What is wanted of everything that the labels on a command line mean.
//!
//! A goal that was reached is one value of the graph: when nothing has changed,
//! the next process looks at that, and at no target by itself.

use std::sync::Arc;

use straylight_dice::Context;

use crate::build::Wanted;
use crate::configuration::{Configuration, Mode, Triple};
use crate::error::BuildResult;
use crate::keys::{GoalKey, PlatformsKey, RootKey, SelectionKey, TargetKey, flatten};
use crate::label::{Label, Reference};
use crate::root::Root;

/// Returns what a target that is for `platforms` is built for; `asked` is what
/// the user wants instead.
pub(crate) fn configurations(
    asked: Option<Triple>,
    platforms: &[Triple],
    mode: Mode,
) -> impl Iterator<Item = Configuration> {
    let host = Triple::host();
    let mut platforms = asked.map_or_else(|| platforms.to_vec(), |asked| vec![asked]);
    if platforms.is_empty() {
        platforms.push(host);
    }
    platforms
        .into_iter()
        .map(move |target| Configuration { host, target, mode })
}

/// Puts the labels of several selections in order, each once.
pub(crate) fn labels<'a>(selections: impl IntoIterator<Item = &'a Arc<Vec<Label>>>) -> Vec<Label> {
    let mut labels: Vec<Label> = selections
        .into_iter()
        .flat_map(|labels| labels.iter().cloned())
        .collect();
    labels.sort();
    labels.dedup();
    labels
}

/// Computes the targets that have what is wanted.
pub(crate) async fn compute(
    ctx: &Context,
    goal: &GoalKey,
) -> BuildResult<Vec<(TargetKey, Arc<Root>)>> {
    let selections: Vec<_> = goal.references.iter().cloned().map(SelectionKey).collect();
    let selected: BuildResult<Vec<_>> =
        (ctx.join(&selections).await.into_iter().map(flatten)).collect();
    let labels = labels(&selected?);
    let platforms: Vec<_> = labels.iter().cloned().map(PlatformsKey).collect();
    let platforms = ctx.join(&platforms).await.into_iter().map(flatten);
    let mut keys = Vec::new();
    for (label, platforms) in labels.into_iter().zip(platforms) {
        for configuration in configurations(goal.target, &platforms?, goal.mode) {
            let label = label.clone();
            let target = TargetKey {
                label,
                configuration,
            };
            let wanted = goal.wanted;
            keys.push(RootKey { target, wanted });
        }
    }
    let roots = ctx.join(&keys).await.into_iter().map(flatten);
    let mut reached = Vec::new();
    for (key, root) in keys.iter().zip(roots) {
        reached.extend(root?.map(|root| (key.target.clone(), root)));
    }
    Ok(reached)
}

impl GoalKey {
    /// Returns the key of what is wanted of `references`.
    pub(crate) fn new(
        references: &[Reference],
        wanted: Wanted,
        target: Option<Triple>,
        mode: Mode,
    ) -> Self {
        Self {
            references: references.to_vec(),
            wanted,
            target,
            mode,
        }
    }
}
