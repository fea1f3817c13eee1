//! The tree of a step's inputs: sources, what other steps made, pinned bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use straylight_dice::{Context, EngineError};
use straylight_exec::action::WORKING_DIRECTORY;
use straylight_exec::trace::{TraceContent, TraceOutput};
use straylight_exec::{InputTree, Node};
use straylight_odb::{ContentStore as _, Digest};

use crate::analyse::Analysed;
use crate::error::{BuildError, BuildResult};
use crate::keys::{ActionKey, EarlyKey, Source, SourceKey, flatten};
use crate::lower::{ArgumentFile, Input, Lines};
use crate::perform::{ActionResult, all, exec_error};
use crate::session::{About, Services, Session, Warning};
use crate::tree::{SourceFile, Standing, TreeError};

/// What a step reads.
pub(crate) struct Gathered {
    pub(crate) tree: InputTree,
    /// What lies in the tree, by its path below the working folder.
    pub(crate) nodes: BTreeMap<String, Node>,
    /// The steps that made some of it, and have ended.
    pub(crate) steps: Vec<Arc<ActionResult>>,
    /// Those of which only early outputs are read, and the outputs.
    pub(crate) unended: Vec<(ActionKey, Arc<Vec<TraceOutput>>)>,
    pub(crate) warnings: Vec<Warning>,
}

/// Makes the tree of a step's inputs.
pub(crate) async fn gather(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    inputs: &BTreeMap<String, Input>,
) -> BuildResult<Gathered> {
    let mut sources: Vec<(&str, &str)> = Vec::new();
    let mut made: Vec<(&str, &ActionKey)> = Vec::new();
    let mut early: BTreeSet<EarlyKey> = BTreeSet::new();
    let mut tree = InputTree::new();
    let mut nodes = BTreeMap::new();
    if inputs.is_empty() {
        tree.insert(WORKING_DIRECTORY, Node::EmptyDir)
            .map_err(exec_error)?;
    }
    for (path, input) in inputs {
        match input {
            Input::Source { path, written } => sources.push((path, written)),
            Input::Made(key) => made.push((path, key)),
            Input::Early(key) => {
                made.push((path, key));
                early.insert(EarlyKey(key.clone()));
            }
            Input::Pinned { digest, urls } => {
                nodes.insert(
                    path.clone(),
                    pinned(ctx, analysed, path, digest, urls).await?,
                );
            }
        }
    }
    let source_keys: Vec<SourceKey> = (sources.iter())
        .map(|(path, _)| SourceKey((*path).to_owned()))
        .collect();
    let files = ctx.join(&source_keys);
    let whole = inputs.values().filter_map(|input| match input {
        Input::Made(key) => Some(key.clone()),
        _ => None,
    });
    let whole: BTreeSet<ActionKey> = whole.collect();
    early.retain(|early| !whole.contains(&early.0));
    let results = ctx.join(&whole);
    let published = ctx.join(&early);
    let (files, results, published) = futures::join!(files, results, published);
    let mut warnings = Vec::new();
    for ((path, written), file) in sources.into_iter().zip(files) {
        let source = source(analysed, written, file)?;
        let SourceFile { digest, executable } = source.file;
        nodes.insert(path.to_owned(), Node::File { digest, executable });
        let about = match source.standing {
            Standing::Tracked => continue,
            Standing::Untracked => About::Untracked(path.to_owned()),
            Standing::Converted => About::Converted(path.to_owned()),
        };
        let place = analysed.declared.places.of(written);
        warnings.push(Warning::new(&place, about));
    }
    let session = ctx.data::<Arc<Session>>();
    warnings.iter().for_each(|warning| session.warn(warning));
    let results = all(results.into_iter().map(flatten))?;
    let published = all(published.into_iter().map(flatten))?;
    let steps: BTreeMap<_, _> = whole.into_iter().zip(results).collect();
    let early = early.into_iter().map(|early| early.0).zip(published);
    let unended: BTreeMap<_, _> = early.collect();
    for (path, key) in made {
        let outputs = match steps.get(key) {
            Some(result) => &result.outputs,
            None => &*unended[key],
        };
        let Some(output) = outputs.iter().find(|output| output.path == path) else {
            let problem = format!("the known result of `{key}` lacks `{path}`");
            return Err(Arc::new(BuildError::Internal(problem)));
        };
        nodes.insert(path.to_owned(), node(&output.content));
    }
    for (path, node) in &nodes {
        insert(&mut tree, analysed, path, node.clone())?;
    }
    Ok(Gathered {
        tree,
        nodes,
        steps: steps.into_values().collect(),
        unended: unended.into_iter().collect(),
        warnings,
    })
}

/// What argument files say.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) lines: Lines,
    /// The steps that made some of the files.
    pub(crate) steps: Vec<Arc<ActionResult>>,
    pub(crate) unended: Vec<(ActionKey, Arc<Vec<TraceOutput>>)>,
    pub(crate) warnings: Vec<Warning>,
}

/// Reads files whose lines are arguments.
pub(crate) async fn lines(
    ctx: &Context,
    analysed: &Arc<Analysed>,
    files: Vec<ArgumentFile>,
) -> BuildResult<Said> {
    if files.is_empty() {
        return Ok(Said::default());
    }
    let mut lines = Lines::new();
    let inputs = files.into_iter().map(|file| (file.path, file.input));
    let gathered = gather(ctx, analysed, &inputs.collect()).await?;
    let store = &ctx.data::<Arc<Session>>().services.store;
    for (path, node) in gathered.nodes {
        let malformed = |problem: String| analysed.declared.malformed(&path, problem);
        let Node::File { digest, .. } = node else {
            return Err(malformed(format!("`{path}` is not a file of arguments")));
        };
        let bytes = store.read(&digest).map_err(BuildError::Store)?;
        let bytes = bytes.ok_or_else(|| Arc::new(BuildError::Lost(digest)))?;
        let text = std::str::from_utf8(&bytes)
            .ok()
            .filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| {
            malformed(format!(
                "`{path}` is not text: its lines cannot be arguments"
            ))
        })?;
        let said = text.lines().map(str::to_owned).collect();
        lines.insert(path, said);
    }
    Ok(Said {
        lines,
        steps: gathered.steps,
        unended: gathered.unended,
        warnings: gathered.warnings,
    })
}

fn insert(tree: &mut InputTree, analysed: &Analysed, path: &str, node: Node) -> BuildResult<()> {
    tree.insert(&format!("{WORKING_DIRECTORY}/{path}"), node)
        .map_err(|error| analysed.declared.malformed(path, error.to_string()))
}

fn node(content: &TraceContent) -> Node {
    match content {
        TraceContent::File { digest, executable } => Node::File {
            digest: *digest,
            executable: *executable,
        },
        TraceContent::Directory { tree } => Node::Directory { digest: *tree },
        TraceContent::Symlink { target } => Node::Symlink {
            target: target.clone(),
        },
    }
}

fn source(
    analysed: &Analysed,
    written: &str,
    source: Result<Result<Arc<Source>, Arc<TreeError>>, EngineError>,
) -> BuildResult<Arc<Source>> {
    let unreadable = |error| {
        Arc::new(BuildError::Source {
            label: analysed.declared.label.clone(),
            place: Some(analysed.declared.places.of(written)),
            error,
        })
    };
    flatten(source.map(|source| source.map_err(unreadable)))
}

/// Takes pinned bytes from the bucket, beside the engine's threads.
async fn fetched(services: Services, digest: Digest) -> BuildResult<bool> {
    let fetching = tokio::task::spawn_blocking(move || services.fetch_blob(&digest));
    let fetched = fetching.await;
    fetched.map_err(|error| Arc::new(BuildError::Internal(error.to_string())))?
}

async fn pinned(
    ctx: &Context,
    analysed: &Analysed,
    path: &str,
    digest: &Digest,
    urls: &[String],
) -> BuildResult<Node> {
    let services = &ctx.data::<Arc<Session>>().services;
    let missing = !(services.store.contains(digest)).map_err(BuildError::Store)?;
    if missing && !fetched(services.clone(), *digest).await? {
        let sha256 = digest.sha256().to_string();
        return Err(Arc::new(BuildError::NotPinned {
            place: Some(analysed.declared.places.of(&sha256)),
            path: path.to_owned(),
            sha256,
            urls: urls.to_vec(),
        }));
    }
    Ok(Node::File {
        digest: *digest,
        executable: false,
    })
}
