//! The whole way: from labels to outputs in the user's hands.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::join_all;
use straylight_dhall::{Evaluator, Importer};
use straylight_dice::{Data, Engine};
use straylight_exec::trace::TraceContent;
use straylight_odb::{Sha256, layout};

use crate::analyse::Analysed;
use crate::configuration::{Configuration, Mode, Triple};
use crate::error::{BuildError, BuildResult};
use crate::import::TreeImporter;
use crate::keys::{ActionKey, PackageKey, Step, TargetKey, flatten};
use crate::label::{Label, PackagePath, Reference};
use crate::lower::{self, Input};
use crate::materialize::Materializer;
use crate::perform::{self, ActionResult};
use crate::session::{Services, Session};

/// How a build goes about its work.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many commands run at once; at least one.
    pub jobs: usize,
    /// Whether independent work goes on after a failure.
    pub keep_going: bool,
    /// The platform to build for, instead of each target's own.
    pub target: Option<Triple>,
    /// How to build.
    pub mode: Mode,
}

impl Options {
    /// Returns the options of a build for each target's own platforms, in
    /// release mode.
    #[must_use]
    pub fn native() -> Self {
        Self {
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            keep_going: false,
            target: None,
            mode: Mode::default(),
        }
    }
}

/// What of the targets is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Their outputs.
    Outputs,
    /// Their programs, ready to run.
    Programs,
    /// The results of their tests; other targets are left out.
    Tests,
}

/// Builds targets of one source tree.
pub struct Builder {
    services: Services,
    options: Options,
    evaluator: Arc<Evaluator>,
    runtime: tokio::runtime::Runtime,
}

/// What a build did.
#[derive(Debug, Default)]
pub struct Report {
    /// Targets that have what was wanted, in the order of their labels.
    pub built: Vec<Built>,
    /// Why others have not, each cause once.
    pub failures: Vec<Arc<BuildError>>,
    /// How many commands ran.
    pub executed: usize,
    /// How many known results stood for a run.
    pub reused: usize,
}

/// A target with all its outputs.
#[derive(Debug)]
pub struct Built {
    /// Its name.
    pub label: Label,
    /// What it was built for.
    pub configuration: Configuration,
    /// What it is, such as `c_library`.
    pub kind: String,
    /// The sha256 of its normalised declaration.
    pub spec: Sha256,
    /// What people ask for.
    pub outputs: Vec<BuiltOutput>,
    /// How to run it: the program and its arguments, with absolute paths. Only
    /// when programs were wanted.
    pub program: Option<Vec<String>>,
    /// The steps that made the outputs.
    pub actions: Vec<Arc<ActionResult>>,
}

/// An output that people ask for.
#[derive(Debug, Clone)]
pub struct BuiltOutput {
    /// Its name.
    pub name: String,
    /// Its path below the folder of outputs: `<package>/<target>/…`.
    pub path: String,
    /// What it is.
    pub content: TraceContent,
    /// Where it lies, relative to the work tree, if it was put there.
    pub place: Option<String>,
}

impl Builder {
    /// Returns a builder. `pinned` answers imports that are pinned by a hash.
    ///
    /// # Errors
    /// [`BuildError::Internal`] when the threads cannot be started.
    pub fn new(
        services: Services,
        options: Options,
        pinned: Arc<dyn Importer>,
    ) -> BuildResult<Self> {
        let importer = TreeImporter::new(Arc::clone(&services.tree), pinned);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .build()
            .map_err(|error| BuildError::Internal(format!("cannot start threads: {error}")))?;
        Ok(Self {
            services,
            options,
            evaluator: Arc::new(Evaluator::new(Arc::new(importer))),
            runtime,
        })
    }

    /// Returns the labels that `references` mean, sorted, each once.
    ///
    /// # Errors
    /// [`BuildError`] when a package or a target does not exist.
    pub fn select(&self, references: &[Reference]) -> BuildResult<Vec<Label>> {
        let (engine, _) = self.engine(false);
        let mut labels = Vec::new();
        for reference in references {
            match reference {
                Reference::Target(label) => {
                    let package = self.package(&engine, label.package())?;
                    if package.rule(label.name()).is_none() {
                        return Err(Arc::new(BuildError::NoTarget {
                            label: label.clone(),
                            place: None,
                            known: package.names(),
                        }));
                    }
                    labels.push(label.clone());
                }
                Reference::Package(path) => {
                    labels.push(self.package(&engine, path)?.default_target()?);
                }
                Reference::Below(folder) => labels.extend(self.below(&engine, folder)?),
            }
        }
        labels.sort();
        labels.dedup();
        Ok(labels)
    }

    fn below(&self, engine: &Engine, folder: &PackagePath) -> BuildResult<Vec<Label>> {
        let packages = self
            .services
            .tree
            .packages(folder)
            .map_err(BuildError::Tree)?;
        let mut labels = Vec::new();
        for path in packages {
            let package = self.package(engine, &path)?;
            for name in package.names() {
                labels.push(package.label(&name)?);
            }
        }
        if labels.is_empty() {
            let package = folder.clone();
            return Err(Arc::new(BuildError::NothingBelow { package }));
        }
        Ok(labels)
    }

    fn package(
        &self,
        engine: &Engine,
        path: &PackagePath,
    ) -> BuildResult<Arc<crate::package::Package>> {
        let key = PackageKey(path.clone());
        flatten(self.runtime.block_on(engine.compute(&key)))
    }

    fn engine(&self, distrusts_store: bool) -> (Engine, Arc<Session>) {
        let session = Arc::new(Session::new(
            self.services.clone(),
            Arc::clone(&self.evaluator),
            self.options.jobs,
            self.options.keep_going,
            distrusts_store,
        ));
        let data = Data::new().with(Arc::clone(&session));
        (Engine::new(data), session)
    }

    /// Builds targets, and puts what was asked for into the user's hands.
    ///
    /// Bytes that the store turns out to have lost are made again.
    #[must_use]
    pub fn build(
        &self,
        labels: &[Label],
        wanted: Wanted,
        materializer: Option<&Materializer>,
    ) -> Report {
        // The first try finds that something is lost; the second checks all
        // that the store says it has. More are for stores that go on losing.
        const TRIES: usize = 4;
        let mut report = Report::default();
        for attempt in 0..TRIES {
            let (engine, session) = self.engine(attempt > 0);
            let mut next =
                self.runtime
                    .block_on(self.attempt(&engine, labels, wanted, materializer));
            next.executed = report.executed + session.executed.load(Ordering::Relaxed);
            next.reused = session.reused.load(Ordering::Relaxed);
            report = next;
            let lost = |error: &Arc<BuildError>| matches!(**error, BuildError::Lost(_));
            if !report.failures.iter().any(lost) {
                break;
            }
        }
        report
    }

    async fn attempt(
        &self,
        engine: &Engine,
        labels: &[Label],
        wanted: Wanted,
        materializer: Option<&Materializer>,
    ) -> Report {
        let mut report = Report::default();
        let targets = join_all(labels.iter().map(|label| self.targets(engine, label))).await;
        let mut builds = Vec::new();
        for result in targets {
            match result {
                Ok(targets) => builds.extend(targets),
                Err(error) => report.fail(error),
            }
        }
        let stopped = !report.failures.is_empty() && !self.options.keep_going;
        if !stopped {
            let builds = builds
                .iter()
                .map(|target| self.target(engine, target, wanted, materializer));
            for result in join_all(builds).await {
                match result {
                    Ok(Some(built)) => report.built.push(built),
                    Ok(None) => {}
                    Err(error) => report.fail(error),
                }
            }
        }
        report.forget_consequences();
        report
    }

    /// Returns the target in each configuration that it is wanted for.
    async fn targets(&self, engine: &Engine, label: &Label) -> BuildResult<Vec<Arc<Analysed>>> {
        let package = flatten(engine.compute(&PackageKey(label.package().clone())).await)?;
        let own = package
            .rule(label.name())
            .map(|rule| rule.platforms.clone());
        let mut platforms = match self.options.target {
            Some(target) => vec![target],
            None => own.unwrap_or_default(),
        };
        if platforms.is_empty() {
            platforms.push(Triple::host());
        }
        let keys = platforms.into_iter().map(|target| TargetKey {
            label: label.clone(),
            configuration: Configuration {
                host: Triple::host(),
                target,
                mode: self.options.mode,
            },
        });
        let mut targets = Vec::new();
        for key in keys {
            targets.push(flatten(engine.compute(&key).await)?);
        }
        Ok(targets)
    }

    async fn target(
        &self,
        engine: &Engine,
        target: &Arc<Analysed>,
        wanted: Wanted,
        materializer: Option<&Materializer>,
    ) -> BuildResult<Option<Built>> {
        let declared = &target.declared;
        if wanted == Wanted::Tests && declared.target.test.is_none() {
            return Ok(None);
        }
        let (sha256, bytes) = &declared.spec;
        let key = layout::spec(*sha256);
        let store = &self.services.store;
        if store
            .read_record(&key)
            .map_err(BuildError::Store)?
            .is_none()
        {
            store.write_record(&key, bytes).map_err(BuildError::Store)?;
        }
        let results = self.steps(engine, target, wanted).await?;
        let mut built = Built {
            label: declared.label.clone(),
            configuration: declared.configuration,
            kind: declared.target.kind.clone(),
            spec: *sha256,
            outputs: outputs(target, &results)?,
            program: None,
            actions: results,
        };
        if let Some(materializer) = materializer {
            for output in &mut built.outputs {
                let path = placed(&built.configuration, &output.path);
                materializer.put(&path, &output.content)?;
                output.place = Some(materializer.place(&path));
            }
            if wanted == Wanted::Programs {
                built.program = self.program(engine, target, materializer).await?;
            }
        }
        Ok(Some(built))
    }

    async fn steps(
        &self,
        engine: &Engine,
        target: &Arc<Analysed>,
        wanted: Wanted,
    ) -> BuildResult<Vec<Arc<ActionResult>>> {
        let declared = &target.declared;
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
        let keys: Vec<ActionKey> = steps
            .into_iter()
            .map(|step| ActionKey {
                label: declared.label.clone(),
                configuration: declared.configuration,
                step,
            })
            .collect();
        let results = join_all(keys.iter().map(|key| engine.compute(key))).await;
        perform::all(results.into_iter().map(flatten))
    }

    /// Puts what a program reads beside it, and returns its command line.
    async fn program(
        &self,
        engine: &Engine,
        target: &Arc<Analysed>,
        materializer: &Materializer,
    ) -> BuildResult<Option<Vec<String>>> {
        let Some(program) = lower::lower_run(target, materializer)? else {
            return Ok(None);
        };
        for (path, input) in program.inputs {
            let Input::Made(key) = input else {
                continue;
            };
            let result = flatten(engine.compute(&key).await)?;
            if let Some(output) = result.output(&path) {
                let below = path.strip_prefix("out/").unwrap_or(&path);
                materializer.put(&placed(&key.configuration, below), &output.content)?;
            }
        }
        Ok(Some(program.arguments))
    }
}

/// Returns where an output lies below the folder of outputs. Those for this
/// machine have the short path.
pub(crate) fn placed(configuration: &Configuration, path: &str) -> String {
    if configuration.target == configuration.host {
        path.to_owned()
    } else {
        format!("{}/{path}", configuration.target)
    }
}

/// Finds the outputs that people ask for among the results of the steps.
fn outputs(target: &Arc<Analysed>, results: &[Arc<ActionResult>]) -> BuildResult<Vec<BuiltOutput>> {
    let declared = &target.declared;
    let mut outputs = Vec::new();
    for named in &declared.target.outputs {
        let staged = declared.staged(&named.path);
        let Some(output) = results.iter().find_map(|result| result.output(&staged)) else {
            // A test has run, and its program is not among the results.
            continue;
        };
        outputs.push(BuiltOutput {
            name: named.name.clone(),
            path: staged.strip_prefix("out/").unwrap_or(&staged).to_owned(),
            content: output.content.clone(),
            place: None,
        });
    }
    Ok(outputs)
}

impl Report {
    fn fail(&mut self, error: Arc<BuildError>) {
        self.failures.push(error);
    }

    /// A failure is told once, however many targets it stops; what was not
    /// started because of one is not told at all.
    fn forget_consequences(&mut self) {
        let mut seen = HashSet::new();
        self.failures.retain(|error| {
            seen.insert((error.to_string(), error.place().map(ToString::to_string)))
        });
        let cancelled = |error: &Arc<BuildError>| matches!(**error, BuildError::Cancelled);
        if !self.failures.iter().all(cancelled) {
            self.failures.retain(|error| !cancelled(error));
        }
    }
}
