//! The whole way: from labels to outputs in the user's hands.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use straylight_dhall::{Evaluator, Importer};
use straylight_dice::{Data, Engine};
use straylight_odb::StoreError;

use crate::action_graph::{self, ActionGraph};
use crate::analyse;
use crate::configuration::{Configuration, Mode, Triple};
use crate::editor::{self, Editing};
use crate::error::{BuildError, BuildResult};
use crate::files::Files;
use crate::goal;
use crate::import::TreeImporter;
use crate::keys::{
    ActionKey, GoalKey, NamesKey, PackageKey, PlatformsKey, RootKey, RunLinesKey, SelectionKey,
    TargetKey, flatten,
};
use crate::label::{Label, PackagePath, Reference};
use crate::lower;
use crate::materialize::Materializer;
use crate::perform;
use crate::persist;
use crate::report::{Built, BuiltOutput, Report};
use crate::root::{self, Root};
use crate::session::{Services, Session};
use crate::state;
use crate::target::Target;
use crate::target_graph::{self, TargetGraph};
use crate::why::{self, Explanation, history};

/// How a build goes about its work.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many commands run at once; at least one.
    pub jobs: usize,
    /// Whether independent work goes on after a failure.
    pub keep_going: bool,
    /// Whether tests run though their results are known. The builder then keeps
    /// no graph.
    pub reruns_tests: bool,
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
            reruns_tests: false,
            target: None,
            mode: Mode::default(),
        }
    }
}

/// What of the targets is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Their outputs.
    Outputs,
    /// Their programs, ready to run.
    Programs,
    /// The results of their tests; other targets are left out.
    Tests,
}

/// Where a builder keeps what it knows for the next process.
#[derive(Clone, Debug)]
pub struct GraphFile {
    /// The file.
    pub path: PathBuf,
    /// Stands for all that results depend on besides the sources: the program,
    /// the store, the isolation.
    pub context: [u8; 32],
}

/// Builds targets of one source tree.
pub struct Builder {
    services: Services,
    options: Options,
    files: Arc<Files>,
    evaluator: Arc<Evaluator>,
    runtime: tokio::runtime::Runtime,
    graph: Option<GraphFile>,
    attempt: Mutex<Option<Attempt>>,
}

/// An engine and the session that its computations work in.
#[derive(Clone)]
struct Attempt {
    engine: Engine,
    session: Arc<Session>,
}

impl Attempt {
    /// Returns how many results were used without computing them.
    fn reused(&self) -> usize {
        let confirmed = self.engine.confirmed::<ActionKey>();
        let confirmed = usize::try_from(confirmed).unwrap_or(usize::MAX);
        self.session.reused.load(Ordering::Relaxed) + confirmed
    }
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
        let files = Arc::new(Files::new(Arc::clone(&services.tree)));
        let importer = TreeImporter::new(Arc::clone(&files), pinned);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_stack_size(straylight_dhall::STACK_SIZE)
            .on_thread_start(straylight_dhall::evaluate_on_this_thread)
            .build()
            .map_err(|error| BuildError::Internal(format!("cannot start threads: {error}")))?;
        Ok(Self {
            services,
            options,
            files,
            evaluator: Arc::new(Evaluator::new(Arc::new(importer))),
            runtime,
            graph: None,
            attempt: Mutex::new(None),
        })
    }

    /// Makes the builder, unless it runs tests again, go on from what an earlier
    /// process knew, and keep what it learns in the same file. Only for trees
    /// that give signatures.
    #[must_use]
    pub fn with_graph(mut self, graph: GraphFile) -> Self {
        self.graph = Some(graph).filter(|_| !self.options.reruns_tests);
        self
    }

    /// Writes what was learned to the file of the graph, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Io`] when it cannot be written; the old file stays.
    pub fn save(&self) -> Result<(), StoreError> {
        let (Some(graph), Some(attempt)) = (&self.graph, &*self.last_attempt()) else {
            return Ok(());
        };
        let counters = attempt.engine.counters();
        if counters.computed + counters.reused == 0 {
            return Ok(());
        }
        let computed = attempt.session.computed();
        history::keep(&graph.path, &attempt.engine, &computed)?;
        state::write_whole(&graph.path, |file| {
            attempt
                .engine
                .save(io::BufWriter::new(file), &graph.context)
        })
    }

    /// Returns the labels that `references` mean, sorted, each once.
    ///
    /// # Errors
    /// [`BuildError`] when a package or a target does not exist.
    pub fn select(&self, references: &[Reference]) -> BuildResult<Vec<Label>> {
        let engine = self.first_attempt().engine;
        let keys: Vec<SelectionKey> = references.iter().cloned().map(SelectionKey).collect();
        let selected = join_all(keys.iter().map(|key| engine.compute(key)));
        let selected: BuildResult<Vec<_>> =
            (self.runtime.block_on(selected).into_iter().map(flatten)).collect();
        Ok(goal::labels(&selected?))
    }

    /// Returns what an earlier process made of `references`, if nothing has
    /// changed since then; puts what was asked for into the user's hands.
    #[must_use]
    pub fn unchanged(
        &self,
        references: &[Reference],
        wanted: Wanted,
        materializer: Option<&Materializer>,
    ) -> Option<Report> {
        self.graph.as_ref()?;
        let attempt = self.first_attempt();
        let goal = self.goal(references, wanted);
        let reached = attempt.engine.current(&goal)?;
        let mut report = Report {
            reused: attempt.reused(),
            ..Report::default()
        };
        // Most of what is in memory, and of no use any more.
        drop((attempt, self.last_attempt().take()));
        let reached = reached.value()?.ok()?;
        report.built.reserve_exact(reached.len());
        for (target, root) in &*reached {
            // What the store has lost is made again, by a build.
            report.built.push(built(target, root, materializer).ok()?);
        }
        Some(report)
    }

    /// Notes that `references` have what is wanted of them, for `unchanged` in
    /// the next process.
    pub fn reached(&self, references: &[Reference], wanted: Wanted) {
        if self.graph.is_some() {
            let (engine, goal) = (self.first_attempt().engine, self.goal(references, wanted));
            // An error was told by the build, or nothing is noted.
            drop(self.runtime.block_on(engine.compute(&goal)));
        }
    }

    fn goal(&self, references: &[Reference], wanted: Wanted) -> GoalKey {
        GoalKey::new(references, wanted, self.options.target, self.options.mode)
    }

    /// Returns what the rules of a package say, each for its own platforms or
    /// this machine: data, whether or not it could be built. Dependencies are
    /// not looked at.
    ///
    /// # Errors
    /// [`BuildError`] when the package does not exist, or a rule is no rule.
    pub fn declared(&self, package: &PackagePath) -> BuildResult<Vec<(Label, Target)>> {
        let engine = self.first_attempt().engine;
        self.runtime.block_on(async {
            let names = flatten(engine.compute(&NamesKey(package.clone())).await)?;
            let mut declared = Vec::new();
            for label in names.labels()? {
                let platforms = engine.compute(&PlatformsKey(label.clone())).await;
                let platforms = flatten(platforms)?;
                for configuration in goal::configurations(None, &platforms, self.options.mode) {
                    let target = says(&engine, &label, configuration).await?;
                    declared.push((label.clone(), target));
                }
            }
            Ok(declared)
        })
    }

    /// Returns the targets that `references` mean and all that they depend on.
    /// Nothing runs; packages that are not among them are not evaluated.
    ///
    /// # Errors
    /// [`BuildError`] when a target does not exist or is not well formed.
    pub fn graph(&self, references: &[Reference]) -> BuildResult<TargetGraph> {
        let mut selections = Vec::new();
        for reference in references {
            let labels = self.select(std::slice::from_ref(reference))?;
            selections.push((reference.clone(), labels));
        }
        let engine = self.first_attempt().engine;
        let labels = selections.iter().flat_map(|(_, labels)| labels);
        self.runtime.block_on(async {
            let roots = self.all_targets(&engine, labels).await?;
            target_graph::load(&engine, selections.clone(), roots).await
        })
    }

    /// Returns the steps that make the outputs of `labels`, and all the steps
    /// that these read something of. Nothing runs.
    ///
    /// # Errors
    /// [`BuildError`] when a target does not exist or is not well formed.
    pub fn actions(&self, labels: &[Label]) -> BuildResult<ActionGraph> {
        let engine = self.first_attempt().engine;
        self.runtime.block_on(async {
            let roots = self.all_targets(&engine, labels).await?;
            action_graph::load(&engine, &roots).await
        })
    }

    /// Returns what editors want to know of `labels` and all below them. Nothing runs.
    ///
    /// # Errors
    /// [`BuildError`] when a target does not exist or is not well formed.
    pub fn editing(&self, labels: &[Label], materializer: &Materializer) -> BuildResult<Editing> {
        let engine = self.first_attempt().engine;
        self.runtime.block_on(async {
            let roots = self.all_targets(&engine, labels).await?;
            editor::load(&engine, &roots, materializer).await
        })
    }

    /// Explains what a build of `labels` would run, and what the last one did.
    /// Only for a builder without an executor, whose graph is not saved.
    ///
    /// # Errors
    /// [`BuildError`] when a target does not exist, is not well formed, or has
    /// sources that cannot be read.
    pub fn why(&self, labels: &[Label]) -> BuildResult<Explanation> {
        let Attempt { engine, session } = self.first_attempt();
        let past = why::past(self.graph.as_ref().map(|graph| graph.path.as_path()));
        self.runtime.block_on(async {
            let roots = self.all_targets(&engine, labels).await?;
            why::explain(&engine, &session, &roots, &past).await
        })
    }

    /// Returns the targets in each configuration that they are wanted for.
    async fn all_targets(
        &self,
        engine: &Engine,
        labels: impl IntoIterator<Item = &Label>,
    ) -> BuildResult<Vec<TargetKey>> {
        let targets = labels.into_iter().map(|label| self.targets(engine, label));
        let targets: BuildResult<Vec<_>> = join_all(targets).await.into_iter().collect();
        Ok(targets?.concat())
    }

    fn last_attempt(&self) -> std::sync::MutexGuard<'_, Option<Attempt>> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the engine that selects targets, and builds them first.
    fn first_attempt(&self) -> Attempt {
        let mut attempt = self.last_attempt();
        attempt
            .get_or_insert_with(|| self.new_attempt(false))
            .clone()
    }

    /// Starts over: from the graph of an earlier process, or from nothing if
    /// what the store says is not to be trusted.
    fn new_attempt(&self, distrusts_store: bool) -> Attempt {
        let mut session = Session::new(
            self.services.clone(),
            Arc::clone(&self.files),
            Arc::clone(&self.evaluator),
            &self.options,
        );
        session.distrusts_store = distrusts_store;
        // What is attested of a commit is that each of its actions ran, as it is.
        session.narrows = self.graph.is_some();
        let session = Arc::new(session);
        let data = || Data::new().with(Arc::clone(&session));
        let resumed = self.graph.as_ref().map(|graph| {
            let image = File::open(&graph.path).ok().filter(|_| !distrusts_store);
            Engine::resume(data(), persist::codecs(), image, &graph.context)
                // A graph that cannot be read is one that is not there.
                .or_else(|_| Engine::resume(data(), persist::codecs(), None, &graph.context))
        });
        let engine = match resumed {
            Some(Ok(engine)) => engine,
            Some(Err(_)) | None => Engine::new(data()),
        };
        Attempt { engine, session }
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
        let mut attempt = self.first_attempt();
        for _ in 0..TRIES {
            let next = self.attempt(&attempt, labels, wanted, materializer);
            let mut next = self.runtime.block_on(next);
            next.executed = report.executed + attempt.session.executed.load(Ordering::Relaxed);
            next.reused = attempt.reused();
            report = next;
            let lost = |error: &Arc<BuildError>| matches!(**error, BuildError::Lost(_));
            if !report.failures.iter().any(lost) {
                break;
            }
            attempt = self.new_attempt(true);
            *self.last_attempt() = Some(attempt.clone());
        }
        report
    }

    async fn attempt(
        &self,
        Attempt { engine, session }: &Attempt,
        labels: &[Label],
        wanted: Wanted,
        materializer: Option<&Materializer>,
    ) -> Report {
        let mut report = Report::default();
        let targets = join_all(labels.iter().map(|label| self.targets(engine, label))).await;
        let mut roots = Vec::new();
        for result in targets {
            match result {
                Ok(targets) => roots.extend(targets),
                Err(error) => report.fail(error),
            }
        }
        let stopped = !report.failures.is_empty() && !self.options.keep_going;
        if !stopped {
            let builds = roots
                .into_iter()
                .map(|target| self.target(engine, RootKey { target, wanted }, materializer));
            for result in join_all(builds).await {
                match result {
                    Ok(Some(built)) => report.built.push(built),
                    Ok(None) => {}
                    Err(error) => report.fail(error),
                }
            }
        }
        for error in session.runs.settle().await {
            report.fail(error);
        }
        report.forget_consequences();
        report
    }

    /// Returns the target in each configuration that it is wanted for.
    async fn targets(&self, engine: &Engine, label: &Label) -> BuildResult<Vec<TargetKey>> {
        let platforms = match self.options.target {
            Some(_) => Arc::default(),
            None => flatten(engine.compute(&PlatformsKey(label.clone())).await)?,
        };
        let configurations =
            goal::configurations(self.options.target, &platforms, self.options.mode);
        let keys = configurations.map(|configuration| TargetKey {
            label: label.clone(),
            configuration,
        });
        let mut targets = Vec::new();
        for key in keys {
            // Nothing runs before all targets are understood.
            if let Some(analysed) = engine.verify(&key).await.transpose() {
                flatten(analysed)?;
            }
            targets.push(key);
        }
        Ok(targets)
    }

    async fn target(
        &self,
        engine: &Engine,
        key: RootKey,
        materializer: Option<&Materializer>,
    ) -> BuildResult<Option<Built>> {
        let Some(root) = flatten(engine.compute(&key).await)? else {
            return Ok(None);
        };
        let mut built = built(&key.target, &root, materializer)?;
        if self.graph.is_none() {
            let analysed = flatten(engine.compute(&key.target).await)?;
            let steps = root::steps(&analysed, key.wanted);
            let results = join_all(steps.iter().map(|step| engine.compute(step))).await;
            built.actions = Some(perform::all(results.into_iter().map(flatten))?);
        }
        if let Some(materializer) = materializer.filter(|_| key.wanted == Wanted::Programs) {
            built.program = self.program(engine, &key.target, materializer).await?;
        }
        Ok(Some(built))
    }

    /// Puts what a program reads beside it, and returns its command line.
    async fn program(
        &self,
        engine: &Engine,
        target: &TargetKey,
        materializer: &Materializer,
    ) -> BuildResult<Option<Vec<String>>> {
        let analysed = flatten(engine.compute(target).await)?;
        let lines = flatten(engine.compute(&RunLinesKey(target.clone())).await)?;
        let Some(program) = lower::lower_run(&analysed, materializer, (*lines).clone())? else {
            return Ok(None);
        };
        for (path, input) in program.inputs {
            let Some(key) = input.maker() else {
                continue;
            };
            let result = flatten(engine.compute(key).await)?;
            if let Some(output) = result.output(&path) {
                let below = path.strip_prefix("out/").unwrap_or(&path);
                materializer.put(&placed(&key.configuration, below), &output.content)?;
            }
        }
        Ok(Some(program.arguments))
    }
}

/// Returns what a rule says. A target that an earlier process understood was kept,
/// so that its package is not evaluated.
async fn says(engine: &Engine, label: &Label, configuration: Configuration) -> BuildResult<Target> {
    let key = TargetKey {
        label: label.clone(),
        configuration,
    };
    if engine.recorded(&key).is_some()
        && let Ok(analysed) = flatten(engine.compute(&key).await)
    {
        return Ok(analysed.declared.target.clone());
    }
    let package = PackageKey(label.package().clone());
    let package = flatten(engine.compute(&package).await)?;
    analyse::decode(&package, label, configuration)
}

/// Returns a target with what is wanted of it, and puts that in its place.
fn built(
    target: &TargetKey,
    root: &Root,
    materializer: Option<&Materializer>,
) -> BuildResult<Built> {
    let outputs = root.outputs.iter().map(|output| {
        let mut place = None;
        if let Some(materializer) = materializer {
            let path = placed(&target.configuration, &output.path);
            materializer.put(&path, &output.content)?;
            place = Some(materializer.place(&path));
        }
        Ok(BuiltOutput {
            name: output.name.clone(),
            path: output.path.clone(),
            content: output.content.clone(),
            place,
        })
    });
    Ok(Built {
        label: target.label.clone(),
        configuration: target.configuration,
        kind: root.kind.clone(),
        spec: root.spec,
        outputs: outputs.collect::<BuildResult<_>>()?,
        program: None,
        executed: root.executed,
        test: root.test,
        actions: None,
    })
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
