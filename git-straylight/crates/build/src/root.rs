//! What is wanted of a target: the results of some of its steps.

use std::sync::Arc;

use futures::future::join_all;
use minicbor::{Decode, Encode};
use straylight_dice::Context;
use straylight_exec::trace::TraceContent;
use straylight_odb::{Digest, LocalStore, Sha256, layout};

use crate::analyse::{Analysed, Declared};
use crate::build::Wanted;
use crate::error::{BuildError, BuildResult};
use crate::keys::{ActionKey, RootKey, Step, flatten};
use crate::perform::{self, ActionResult};
use crate::session::Session;

/// A target that has what is wanted of it.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) kind: String,
    /// The sha256 of its normalised declaration.
    pub(crate) spec: Sha256,
    /// Its outputs, as people ask for them.
    pub(crate) outputs: Vec<RootOutput>,
    /// The trace of its test, if that was wanted.
    pub(crate) test: Option<Sha256>,
    /// Whether any of the steps ran in this process.
    pub(crate) executed: bool,
}

/// An output that people ask for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct RootOutput {
    #[n(0)]
    pub(crate) name: String,
    /// `<package>/<target>/…`
    #[n(1)]
    pub(crate) path: String,
    #[n(2)]
    pub(crate) content: TraceContent,
}

/// Computes what is wanted; `None` if the target has none of it.
pub(crate) async fn compute(ctx: &Context, key: &RootKey) -> BuildResult<Option<Root>> {
    let analysed = flatten(ctx.compute(&key.target).await)?;
    let declared = &analysed.declared;
    if key.wanted == Wanted::Tests && declared.target.test.is_none() {
        return Ok(None);
    }
    keep_spec(&ctx.data::<Arc<Session>>().services.store, declared)?;
    let steps = steps(&analysed, key.wanted);
    let results = join_all(steps.iter().map(|step| ctx.compute(step))).await;
    let results = perform::all(results.into_iter().map(flatten))?;
    Ok(Some(Root {
        kind: declared.target.kind.clone(),
        spec: declared.spec,
        outputs: outputs(&analysed, &results),
        test: results
            .iter()
            .find(|result| result.key.step == Step::Test)
            .map(|result| result.trace),
        executed: results.iter().any(|result| result.executed),
    }))
}

fn keep_spec(store: &LocalStore, declared: &Declared) -> BuildResult<()> {
    let key = layout::spec(declared.spec);
    if store
        .read_record(&key)
        .map_err(BuildError::Store)?
        .is_some()
    {
        return Ok(());
    }
    let Some(bytes) = &declared.spec_bytes else {
        // Only an evaluation has it; the build starts over.
        return Err(Arc::new(BuildError::Lost(Digest::new(declared.spec, 0))));
    };
    Ok(store.write_record(&key, bytes).map_err(BuildError::Store)?)
}

/// Returns the steps that make what is wanted, each once.
pub(crate) fn steps(analysed: &Analysed, wanted: Wanted) -> Vec<ActionKey> {
    let declared = &analysed.declared;
    let named = &declared.target.outputs;
    let mut steps: Vec<Step> = if wanted == Wanted::Tests {
        vec![Step::Test]
    } else if named.is_empty() {
        (0..declared.target.actions.len())
            .map(Step::Action)
            .collect()
    } else {
        let makers = named
            .iter()
            .filter_map(|named| declared.producer(&named.path));
        makers.map(|(index, _)| Step::Action(index)).collect()
    };
    steps.sort();
    steps.dedup();
    let key = |step| ActionKey {
        label: declared.label.clone(),
        configuration: declared.configuration,
        step,
    };
    steps.into_iter().map(key).collect()
}

/// Finds the outputs that people ask for among the results of the steps.
fn outputs(analysed: &Analysed, results: &[Arc<ActionResult>]) -> Vec<RootOutput> {
    let declared = &analysed.declared;
    let mut outputs = Vec::new();
    for named in &declared.target.outputs {
        let staged = declared.staged(&named.path);
        let Some(output) = results.iter().find_map(|result| result.output(&staged)) else {
            // A test has run, and its program is not among the results.
            continue;
        };
        outputs.push(RootOutput {
            name: named.name.clone(),
            path: staged.strip_prefix("out/").unwrap_or(&staged).to_owned(),
            content: output.content.clone(),
        });
    }
    outputs
}
