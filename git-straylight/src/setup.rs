//! What commands start from: the repository, the cache, a builder.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use straylight_build::cache::{self, WorkTreeRecord};
use straylight_build::claims::{Belief, Claims, LocalClaims, SameIsolation};
use straylight_build::git_tree::GitTree;
use straylight_build::materialize::{Materializer, OUTPUT_FOLDER};
use straylight_build::observer::{Both, Silent};
use straylight_build::state::State;
use straylight_build::tree::SourceTree;
use straylight_build::work_tree::WorkTree;
use straylight_build::{
    Builder, GraphFile, Options, PackagePath, Reference, Report, Services, Wanted,
};
use straylight_dhall::{Chain, DiskCache, EmbeddedLibrary, Importer};
use straylight_exec::{Cancellation, Remote};
use straylight_odb::repo::{Commit, Repository};
use straylight_odb::{LocalStore, Sha256};

use crate::error::{CommandError, Result};
use crate::options::{BuildArgs, HowArgs, WhichArgs};
use crate::profile::Profile;
use crate::progress::Progress;

/// The isolation that builds have unless they are told otherwise.
const NAMESPACES: &str = straylight_exec::Isolation::Namespaces.as_str();

/// The user's repository and the cache.
pub(crate) struct Workspace {
    pub(crate) repository: Arc<Repository>,
    pub(crate) store: Arc<LocalStore>,
}

/// Returns the folder of the cache: `$XDG_CACHE_HOME/straylight`.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    cache
        .or_else(home)
        .map(|cache| cache.join("straylight"))
        .ok_or_else(|| {
            CommandError::environment("neither `XDG_CACHE_HOME` nor `HOME` is set")
                .hint("set `HOME`, so that results have a place")
        })
}

/// Opens the cache.
pub(crate) fn open_store() -> Result<Arc<LocalStore>> {
    Ok(Arc::new(LocalStore::open(cache_folder()?)?))
}

/// Returns the bucket that `straylight.bucket` names in git's configuration: a URL, or
/// the path of a folder, which begins at the root of the repository.
pub(crate) fn remote(repository: &Repository) -> Option<Remote> {
    const KEY: &str = "straylight.bucket";
    let url = repository.config_string(KEY)?;
    if url.contains(':') {
        return Some(Remote::new(url));
    }
    let path = repository.config_path(KEY).ok().flatten();
    let root = repository.work_tree().unwrap_or(repository.git_dir());
    let folder = root.join(path.unwrap_or_else(|| url.into()));
    Some(Remote::new(folder.to_string_lossy()))
}

impl Workspace {
    /// Opens the repository of the current folder, and the cache.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self {
            repository: Arc::new(Repository::from_environment()?),
            store: open_store()?,
        })
    }

    /// Returns what names the work tree in the cache.
    pub(crate) fn id(&self) -> Sha256 {
        cache::id(self.repository.git_dir())
    }

    /// Makes the work tree known to the cache, which keeps what it uses.
    fn register(&self) -> Result<()> {
        let record = WorkTreeRecord {
            git_dir: self.repository.git_dir().to_owned(),
            work_tree: (self.repository.work_tree())
                .unwrap_or(self.repository.git_dir())
                .to_owned(),
        };
        Ok(cache::register(&self.store, &record)?)
    }

    /// Returns the bucket that the repository shares with others, if it is told of
    /// one.
    pub(crate) fn remote(&self) -> Option<Remote> {
        remote(&self.repository)
    }

    /// Returns the package of the current folder, for labels such as `:name`.
    pub(crate) fn package(&self) -> Result<PackagePath> {
        let root = self.repository.require_work_tree()?;
        let here = std::env::current_dir().map_err(CommandError::io("read", Path::new(".")))?;
        let inside = here
            .strip_prefix(root)
            .ok()
            .and_then(|path| path.to_str())
            .unwrap_or_default();
        PackagePath::new(inside).map_err(CommandError::usage)
    }

    /// Reads labels; without any, all targets in and below the current folder.
    pub(crate) fn references(&self, labels: &[String]) -> Result<Vec<Reference>> {
        let package = self.package()?;
        if labels.is_empty() {
            return Ok(vec![Reference::Below(package)]);
        }
        let parse = |text: &String| {
            Reference::parse(text, &package).map_err(|error| {
                CommandError::usage(error)
                    .hint("labels start at the root of the repository: `//folder:name`")
            })
        };
        labels.iter().map(parse).collect()
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::new(State::open(self.repository.git_dir()))
    }

    /// Returns the sources as they are in the work tree.
    pub(crate) fn work_tree(&self, state: &Arc<State>) -> Result<Arc<dyn SourceTree>> {
        Ok(Arc::new(WorkTree::open(
            Arc::clone(&self.repository),
            Arc::clone(&self.store),
            Arc::clone(state),
        )?))
    }

    /// Returns the sources as they are in a commit.
    pub(crate) fn git_tree(&self, commit: &Commit, state: &Arc<State>) -> GitTree {
        GitTree::new(
            Arc::clone(&self.repository),
            commit.tree,
            Arc::clone(&self.store),
            Arc::clone(state),
        )
    }

    /// Returns a builder that looks at targets and runs nothing.
    pub(crate) fn reader(&self, at: Option<&str>) -> Result<Builder> {
        let state = Arc::new(State::forgetful());
        let tree = match at {
            None => self.work_tree(&state)?,
            Some(revision) => Arc::new(self.git_tree(&self.commit(revision)?, &state)),
        };
        let claims = Arc::new(LocalClaims(Arc::clone(&self.store)));
        let belief = Arc::new(SameIsolation(String::new()));
        self.replayer(tree, claims, belief, Options::native())
    }

    /// Returns a reader that goes on from what builds of the work tree know.
    pub(crate) fn inspector(&self, at: Option<&str>) -> Result<Builder> {
        let reader = self.reader(at)?;
        Ok(match at {
            None => reader.with_graph(graph_file(self, NAMESPACES)),
            Some(_) => reader,
        })
    }

    /// Keeps what an inspector learned, for the next command.
    pub(crate) fn keep(&self, inspector: &Builder) {
        // It only saves work: in a checkout that cannot be written, an answer
        // is an answer all the same.
        let _ = inspector.save();
    }

    /// Returns a builder that runs nothing, and knows what builds of the work
    /// tree know. Its graph must not be saved: it is the last build's.
    pub(crate) fn explainer(&self, which: &WhichArgs) -> Result<Builder> {
        let tree = self.work_tree(&self.state())?;
        let claims = Arc::new(LocalClaims(Arc::clone(&self.store)));
        let isolation = which.isolation_name();
        let belief = Arc::new(SameIsolation(isolation.to_owned()));
        let builder = self.replayer(tree, claims, belief, which.options())?;
        Ok(builder.with_graph(graph_file(self, isolation)))
    }

    /// Returns a builder that runs nothing, and takes what actions made from
    /// `claims`.
    pub(crate) fn replayer(
        &self,
        tree: Arc<dyn SourceTree>,
        claims: Arc<dyn Claims>,
        belief: Arc<dyn Belief>,
        options: Options,
    ) -> Result<Builder> {
        let services = Services {
            tree,
            claims,
            store: Arc::clone(&self.store),
            belief,
            executor: None,
            remote: None,
            observer: Arc::new(Silent),
            cancellation: Cancellation::new(),
        };
        Ok(Builder::new(services, options, pinned_imports())?)
    }

    /// Returns the commit that a revision names.
    pub(crate) fn commit(&self, revision: &str) -> Result<Commit> {
        let id = self.repository.resolve(revision)?;
        Ok(self.repository.read_commit(id)?)
    }
}

/// A builder with what it works on.
pub(crate) struct Setup {
    pub(crate) builder: Builder,
    pub(crate) services: Services,
    pub(crate) progress: Arc<Progress>,
    profile: Option<Arc<Profile>>,
    pub(crate) state: Arc<State>,
    /// The commit whose objects are built, if it is not the work tree.
    pub(crate) commit: Option<Commit>,
}

impl Setup {
    /// Prepares a build of the work tree, or of `--at`.
    pub(crate) fn new(workspace: &Workspace, args: &BuildArgs) -> Result<Self> {
        let profile = args.profile.as_deref().map(Profile::new).map(Arc::new);
        if let Some(profile) = &profile {
            profile.phase("open");
        }
        let state = workspace.state();
        match &args.at {
            None => {
                let tree = workspace.work_tree(&state)?;
                Self::with_tree(workspace, (tree, state, None), profile, &args.how)
            }
            Some(revision) => {
                let commit = workspace.commit(revision)?;
                Self::of_commit(workspace, commit, state, profile, &args.how)
            }
        }
    }

    /// Prepares a build of a commit's objects.
    pub(crate) fn of_commit(
        workspace: &Workspace,
        commit: Commit,
        state: Arc<State>,
        profile: Option<Arc<Profile>>,
        how: &HowArgs,
    ) -> Result<Self> {
        let tree = workspace.git_tree(&commit, &state);
        let sources = (Arc::new(tree) as _, state, Some(commit));
        Self::with_tree(workspace, sources, profile, how)
    }

    /// Builds what `references` mean; looks first whether that is done already.
    pub(crate) fn build(
        &self,
        references: &[Reference],
        wanted: Wanted,
        materializer: Option<&Materializer>,
    ) -> Result<Report> {
        self.phase("select");
        let builder = &self.builder;
        if let Some(report) = builder.unchanged(references, wanted, materializer) {
            return Ok(report);
        }
        let labels = builder.select(references)?;
        self.phase("build");
        let report = builder.build(&labels, wanted, materializer);
        if report.failures.is_empty() {
            builder.reached(references, wanted);
        }
        Ok(report)
    }

    fn with_tree(
        workspace: &Workspace,
        (tree, state, commit): (Arc<dyn SourceTree>, Arc<State>, Option<Commit>),
        profile: Option<Arc<Profile>>,
        how: &HowArgs,
    ) -> Result<Self> {
        let executor = how.executor(workspace);
        workspace.register()?;
        let progress = Arc::new(Progress::new(how.verbose, how.keep_going));
        let cancellation = Cancellation::new();
        crate::signals::stop_on_signals(&cancellation, &progress)?;
        let services = Services {
            tree,
            claims: Arc::new(LocalClaims(Arc::clone(&workspace.store))),
            store: Arc::clone(&workspace.store),
            belief: Arc::new(SameIsolation(how.isolation_name().to_owned())),
            executor: Some(Arc::new(executor)),
            remote: workspace.remote().map(Arc::new),
            observer: match &profile {
                None => Arc::clone(&progress) as _,
                Some(profile) => {
                    Arc::new(Both(Arc::clone(&progress) as _, Arc::clone(profile) as _))
                }
            },
            cancellation,
        };
        let mut builder = Builder::new(services.clone(), how.options(), pinned_imports())?;
        // A commit is built from objects alone.
        if commit.is_none() {
            builder = builder.with_graph(graph_file(workspace, how.isolation_name()));
        }
        Ok(Self {
            builder,
            services,
            progress,
            profile,
            state,
            commit,
        })
    }

    /// Notes in the profile, if there is one, what is done next.
    pub(crate) fn phase(&self, name: &'static str) {
        if let Some(profile) = &self.profile {
            profile.phase(name);
        }
    }

    /// Returns where outputs go: `straylight-out`, below it for a commit.
    pub(crate) fn materializer(&self, workspace: &Workspace) -> Result<Materializer> {
        let folder = match &self.commit {
            None => OUTPUT_FOLDER.to_owned(),
            Some(commit) => format!("{OUTPUT_FOLDER}/at/{}", commit.tree),
        };
        Ok(Materializer::new(
            workspace.repository.require_work_tree()?.to_owned(),
            folder,
            Arc::clone(&workspace.store),
            Arc::clone(&self.state),
        ))
    }

    /// Ends a build: what is shown of it goes, the memory stays.
    pub(crate) fn finish(&self, report: &Report) -> Result<()> {
        self.progress.finish();
        self.phase("save");
        self.builder.save()?;
        self.state.save()?;
        match &self.profile {
            Some(profile) => profile.write(report),
            None => Ok(()),
        }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.progress.clear();
    }
}

/// Returns where the graph of a work tree is kept. What is in it holds for this
/// program and this cache only.
fn graph_file(workspace: &Workspace, isolation: &str) -> GraphFile {
    let program = std::env::current_exe().and_then(std::fs::metadata);
    let stamp = program.map(|program| (program.ino(), program.mtime(), program.mtime_nsec()));
    let version = env!("CARGO_PKG_VERSION");
    let store = workspace.store.root().display();
    let says = format!("{version} {stamp:?} {isolation} {store}");
    GraphFile {
        path: (workspace.repository.git_dir())
            .join("straylight")
            .join(format!("graph-{isolation}")),
        context: *Sha256::of(says.as_bytes()).as_raw(),
    }
}

/// Returns what answers pinned imports: the library of this release, then the
/// cache that all implementations of Dhall share. The network never does.
pub(crate) fn pinned_imports() -> Arc<dyn Importer> {
    let mut importers: Vec<Arc<dyn Importer>> = vec![Arc::new(EmbeddedLibrary)];
    if let Some(cache) = DiskCache::of_user(|name| std::env::var_os(name)) {
        importers.push(Arc::new(cache));
    }
    Arc::new(Chain(importers))
}
