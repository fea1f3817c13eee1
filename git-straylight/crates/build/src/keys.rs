//! What the engine computes: packages, targets, sources, actions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::join_all;
use straylight_dice::{Context, EngineError, Key};
use straylight_exec::trace::TraceOutput;

use crate::analyse::{Analysed, Declared};
use crate::build::Wanted;
use crate::configuration::{Configuration, Mode, Triple};
use crate::error::{BuildError, BuildResult};
use crate::files::ReadFile;
use crate::goal;
use crate::inputs;
use crate::label::{Label, PackagePath, Reference};
use crate::lower::{self, Lines};
use crate::observer::{Event, Work};
use crate::package::{Names, Package};
use crate::perform::{self, ActionResult};
use crate::root::{self, Root};
use crate::select;
use crate::session::Session;
use crate::target::Mention;
use crate::tree::{Signature, SourceFile, Standing, TreeError};

/// A build file, or one that it imports; absent ones, too.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FileKey(pub(crate) String);

/// The packages in and below a folder.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ListingKey(pub(crate) PackagePath);

/// The targets that a label on the command line means.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SelectionKey(pub(crate) Reference);

/// The names of a package's targets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct NamesKey(pub(crate) PackagePath);

/// The platforms that a target says it is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PlatformsKey(pub(crate) Label);

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

/// A target with what is wanted of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RootKey {
    pub(crate) target: TargetKey,
    pub(crate) wanted: Wanted,
}

/// What the files say whose lines are arguments of a target's `run`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RunLinesKey(pub(crate) TargetKey);

/// What is wanted of all that the references on a command line mean.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct GoalKey {
    pub(crate) references: Vec<Reference>,
    pub(crate) wanted: Wanted,
    /// Instead of what the targets say they are for.
    pub(crate) target: Option<Triple>,
    pub(crate) mode: Mode,
}

/// The result of one step of a target.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ActionKey {
    pub(crate) label: Label,
    pub(crate) configuration: Configuration,
    pub(crate) step: Step,
}

/// The early outputs of a step: known before the step has ended, and worth
/// nothing if it fails.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct EarlyKey(pub(crate) ActionKey);

/// Which step of a target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    /// An action, by its place in the target's list.
    Action(usize),
    /// The run of its test.
    Test,
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ListingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the packages below {}", self.0)
    }
}

impl fmt::Display for SelectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for NamesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for PlatformsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.target, f)
    }
}

impl fmt::Display for RunLinesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for GoalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the command line wants")
    }
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

impl fmt::Display for EarlyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A source file in the store.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: SourceFile,
    pub(crate) standing: Standing,
    pub(crate) signature: Option<Signature>,
    /// Of what decides its standing.
    pub(crate) tracking: Option<Signature>,
}

/// The packages of a folder.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) packages: Vec<PackagePath>,
    pub(crate) signature: Option<Signature>,
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

impl Key for FileKey {
    type Value = Result<Arc<ReadFile>, Arc<TreeError>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let session = ctx.data::<Arc<Session>>();
        session.files.read(&self.0).map_err(Arc::new)
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old.bytes == new.bytes)
    }
}

impl Key for ListingKey {
    type Value = Result<Arc<Listed>, Arc<TreeError>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let session = ctx.data::<Arc<Session>>();
        let (packages, signature) = session.tree.listing(&self.0)?;
        Ok(Arc::new(Listed {
            packages,
            signature,
        }))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old.packages == new.packages)
    }
}

impl Key for SelectionKey {
    type Value = BuildResult<Arc<Vec<Label>>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        select::select(ctx, &self.0).await.map(Arc::new)
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }
}

impl Key for NamesKey {
    type Value = BuildResult<Arc<Names>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let package = flatten(ctx.compute(&PackageKey(self.0.clone())).await)?;
        Ok(Arc::new(package.names()))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }
}

impl Key for PlatformsKey {
    type Value = BuildResult<Arc<Vec<Triple>>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let package = PackageKey(self.0.package().clone());
        let package = flatten(ctx.compute(&package).await)?;
        let rule = package.rule(self.0.name());
        let platforms = rule.map(|rule| rule.platforms.clone());
        Ok(Arc::new(platforms.unwrap_or_default()))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }
}

impl Key for PackageKey {
    type Value = BuildResult<Arc<Package>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let session = ctx.data::<Arc<Session>>();
        let load = || Package::load(&session.files, &session.evaluator, &self.0);
        let package = session.timed(Work::Evaluate(&self.0), load)?;
        let files = package.files().iter().map(|path| FileKey(path.clone()));
        let files: Vec<FileKey> = files.collect();
        for file in ctx.join(&files).await {
            flatten(file.map(|file| file.map_err(|error| Arc::new(BuildError::Tree(error)))))?;
        }
        Ok(Arc::new(package))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old.fingerprint == new.fingerprint)
    }
}

impl Key for RootKey {
    type Value = BuildResult<Option<Arc<Root>>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        Ok(root::compute(ctx, self).await?.map(Arc::new))
    }

    fn unchanged(_old: &Self::Value, _new: &Self::Value) -> bool {
        false
    }
}

impl Key for GoalKey {
    type Value = BuildResult<Arc<Vec<(TargetKey, Arc<Root>)>>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        goal::compute(ctx, self).await.map(Arc::new)
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
        let session = ctx.data::<Arc<Session>>();
        let declare = || Declared::new(&package, self.label.clone(), self.configuration);
        let declared = session.timed(Work::Analyse(&self.label), declare)?;
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
        let analysed = Analysed::new(declared, targets);
        analysed
            .warnings()
            .for_each(|warning| session.warn(&warning));
        Ok(analysed)
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old.fingerprint == new.fingerprint)
    }
}

/// Returns the target that a mention means; `None` if it is the target itself.
async fn mentioned(
    ctx: &Context,
    declared: &Declared,
    mention: &Mention,
) -> BuildResult<Option<Arc<Analysed>>> {
    let place = declared.places.of(&mention.text);
    let at = |error| BuildError::asked_at(error, &place);
    let reference = Reference::parse(&mention.text, declared.label.package()).map_err(|error| {
        Arc::new(BuildError::Label {
            place: Some(place.clone()),
            error,
        })
    })?;
    let label = match reference {
        Reference::Target(label) => label,
        Reference::Package(path) => {
            let names = flatten(ctx.compute(&NamesKey(path)).await).map_err(at)?;
            names.default_target().map_err(at)?
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
    type Value = Result<Arc<Source>, Arc<TreeError>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let session = ctx.data::<Arc<Session>>();
        let tree = &session.tree;
        let signature = tree.file_signature(&self.0);
        let tracking = tree.tracking_signature();
        let store = || tree.store(&self.0, session.distrusts_store);
        Ok(Arc::new(Source {
            file: session.timed(Work::Source(&self.0), store)?,
            standing: tree.standing(&self.0)?,
            signature,
            tracking,
        }))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        let says = |source: &Source| (source.file, source.standing);
        matches!((old, new), (Ok(old), Ok(new)) if says(old) == says(new))
    }
}

impl ActionKey {
    /// Returns the target whose step it is.
    pub(crate) fn target(&self) -> TargetKey {
        TargetKey {
            label: self.label.clone(),
            configuration: self.configuration,
        }
    }
}

impl Key for RunLinesKey {
    type Value = BuildResult<Arc<Lines>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let analysed = flatten(ctx.compute(&self.0).await)?;
        let files = lower::run_files(&analysed)?;
        let said = inputs::lines(ctx, &analysed, files).await?;
        Ok(Arc::new(said.lines))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }
}

impl Key for EarlyKey {
    type Value = BuildResult<Arc<Vec<TraceOutput>>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let analysed = flatten(ctx.compute(&self.0.target()).await)?;
        perform::early(ctx, &analysed, &self.0).await.map(Arc::new)
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }
}

impl Key for ActionKey {
    type Value = BuildResult<Arc<ActionResult>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let session = ctx.data::<Arc<Session>>();
        let label = &self.label;
        session.services.observer.event(Event::Wanted { label });
        let analysed = flatten(ctx.compute(&self.target()).await)?;
        let result = perform::perform(ctx, &analysed, self).await?;
        session.note(self, &result.step, result.action);
        Ok(Arc::new(result))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old.outputs == new.outputs)
    }
}
