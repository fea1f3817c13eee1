//! What the engine computes: packages, targets, sources, actions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use straylight_dice::{Context, EngineError, Key};

use crate::analyse::{Analysed, Declared};
use crate::configuration::Configuration;
use crate::error::{BuildError, BuildResult};
use crate::label::{Label, PackagePath, Reference};
use crate::package::Package;
use crate::perform::{self, ActionResult};
use crate::session::Session;
use crate::target::Mention;
use crate::tree::{SourceFile, TreeError};

/// The rules of a package.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PackageKey(pub(crate) PackagePath);

/// What a rule says in one configuration, and all it mentions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct TargetKey {
    pub(crate) label: Label,
    pub(crate) configuration: Configuration,
}

/// A source file's bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SourceKey(pub(crate) String);

/// The result of one step of a target.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ActionKey {
    pub(crate) label: Label,
    pub(crate) configuration: Configuration,
    pub(crate) step: Step,
}

/// Which step of a target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    /// An action, by its place in the target's list.
    Action(usize),
    /// The run of its test.
    Test,
}

impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for TargetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.label, f)
    }
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ActionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Step::Action(index) => write!(f, "{} (action {})", self.label, index + 1),
            Step::Test => write!(f, "{} (test)", self.label),
        }
    }
}

/// Turns what stopped the engine into what stopped the build.
pub(crate) fn flatten<T>(result: Result<BuildResult<T>, EngineError>) -> BuildResult<T> {
    match result {
        Ok(result) => result,
        Err(error) => Err(Arc::new(match error {
            EngineError::Cycle(path) => BuildError::Cycle { path },
            EngineError::Cancelled => BuildError::Cancelled,
            error @ EngineError::Panicked { .. } => BuildError::Internal(error.to_string()),
        })),
    }
}

impl Key for PackageKey {
    type Value = BuildResult<Arc<Package>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let session = ctx.data::<Arc<Session>>();
        Package::load(&*session.tree, &session.evaluator, &self.0).map(Arc::new)
    }

    fn unchanged(_old: &Self::Value, _new: &Self::Value) -> bool {
        false
    }
}

impl Key for TargetKey {
    type Value = BuildResult<Arc<Analysed>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let package = PackageKey(self.label.package().clone());
        let package = flatten(ctx.compute(&package).await)?;
        let declared = Declared::new(package, self.label.clone(), self.configuration)?;
        let mut mentions = declared.target.mentions();
        mentions.sort();
        mentions.dedup();
        let found = mentions
            .iter()
            .map(|mention| mentioned(ctx, &declared, mention));
        let found = join_all(found).await;
        let mut targets = BTreeMap::new();
        for (mention, target) in mentions.into_iter().zip(found) {
            if let Some(target) = target? {
                targets.insert(mention, target);
            }
        }
        let session = ctx.data::<Arc<Session>>();
        for warning in &declared.target.warnings {
            session.warn(
                declared.package.place_of(self.label.name()),
                warning.clone(),
            );
        }
        Ok(Analysed::new(declared, targets))
    }

    fn unchanged(_old: &Self::Value, _new: &Self::Value) -> bool {
        false
    }
}

/// Returns the target that a mention means; `None` if it is the target itself.
async fn mentioned(
    ctx: &Context,
    declared: &Declared,
    mention: &Mention,
) -> BuildResult<Option<Arc<Analysed>>> {
    let place = declared.package.place_of(&mention.text);
    let at = |error| BuildError::asked_at(error, &place);
    let reference = Reference::parse(&mention.text, declared.package.path()).map_err(|error| {
        Arc::new(BuildError::Label {
            place: Some(place.clone()),
            error,
        })
    })?;
    let label = match reference {
        Reference::Target(label) => label,
        Reference::Package(path) => {
            let package = flatten(ctx.compute(&PackageKey(path)).await).map_err(at)?;
            package.default_target().map_err(at)?
        }
        Reference::Below(_) => {
            let problem = format!("`{}` is many targets; a dependency is one", mention.text);
            return Err(declared.malformed(&mention.text, problem));
        }
    };
    let configuration = if mention.tool {
        declared.configuration.for_tools()
    } else {
        declared.configuration
    };
    let itself = !declared.target.deps.contains(&mention.text)
        && label == declared.label
        && configuration == declared.configuration;
    if itself {
        return Ok(None);
    }
    let key = TargetKey {
        label,
        configuration,
    };
    flatten(ctx.compute(&key).await).map_err(at).map(Some)
}

impl Key for SourceKey {
    type Value = Result<SourceFile, Arc<TreeError>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let session = ctx.data::<Arc<Session>>();
        session
            .tree
            .store(&self.0, session.distrusts_store)
            .map_err(Arc::new)
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }
}

impl Key for ActionKey {
    type Value = BuildResult<Arc<ActionResult>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let target = TargetKey {
            label: self.label.clone(),
            configuration: self.configuration,
        };
        let analysed = flatten(ctx.compute(&target).await)?;
        perform::perform(ctx, &analysed, self.step)
            .await
            .map(Arc::new)
    }

    fn unchanged(_old: &Self::Value, _new: &Self::Value) -> bool {
        false
    }
}
