//! The toolchains that a repository pins, and their trees in the cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use straylight_build::target::Artifact;
use straylight_dhall::{Evaluator, Location, Value, from_value};
use straylight_exec::merkle;
use straylight_exec::{Node, TreeError};
use straylight_odb::{ContentStore as _, Digest, LocalStore, Sha256, layout};

use super::capture::{Compiler, Toolchain, Userland};
use super::origin::Origin;
use crate::error::{CommandError, Result};
use crate::setup::{Workspace, pinned_imports};
use crate::ui;

/// A toolchain of a `toolchains.dhall`.
pub(super) struct Pin {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) digest: Digest,
    /// The arguments of `capture` that make one like it, if any do.
    recipe: Option<String>,
}

impl Pin {
    /// Returns whether the cache has all of its tree.
    pub(super) fn is_whole(&self, store: &LocalStore) -> Result<bool> {
        Ok(Presence::of(store, &self.digest)? == Presence::Whole)
    }
}

/// What the cache has of a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Whole,
    /// So many of its files or folders are missing.
    Damaged(usize),
    Absent,
}

impl Presence {
    pub(super) fn of(store: &LocalStore, root: &Digest) -> Result<Self> {
        if !store.contains(root)? {
            return Ok(Self::Absent);
        }
        let mut missing = 0;
        let walked = merkle::walk(store, root, &mut |_, node| {
            if let Node::File { digest, .. } = node {
                missing += usize::from(!store.contains(digest).map_err(TreeError::Store)?);
            }
            Ok::<_, TreeError>(())
        });
        match walked {
            Ok(()) if missing == 0 => Ok(Self::Whole),
            Ok(()) => Ok(Self::Damaged(missing)),
            Err(TreeError::MissingBlob(_)) => Ok(Self::Damaged(missing + 1)),
            Err(error) => Err(CommandError::environment(error)),
        }
    }
}

impl std::fmt::Display for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole => f.write_str("in the cache"),
            Self::Damaged(missing) => write!(f, "not whole: {missing} missing"),
            Self::Absent => f.write_str("not in the cache"),
        }
    }
}

/// Returns the file that pins the toolchains of the repository.
pub(super) fn file(workspace: &Workspace, given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(path) => Ok(path.to_owned()),
        None => Ok(workspace
            .repository
            .require_work_tree()?
            .join("toolchains.dhall")),
    }
}

/// Reads what the file at `path` pins; fields that are no toolchain are not
/// among it.
pub(super) fn read(path: &Path) -> Result<Vec<Pin>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CommandError::io("read", path)(error)
            .hint("`git straylight toolchain capture gcc` captures a compiler and pins it there")
    })?;
    let location = Location::Input(path.display().to_string());
    let evaluated = Evaluator::new(pinned_imports()).evaluate(&location, &text)?;
    let fields = evaluated.value.fields().unwrap_or_default();
    let mut pins = Vec::new();
    for (name, value) in fields {
        let Some((version, artifact, recipe)) = decode(&value) else {
            continue;
        };
        let digest = digest(&artifact).ok_or_else(|| {
            CommandError::usage(format!(
                "`{name}` of `{}` has the sha256 `{}`, which is none",
                path.display(),
                artifact.sha256
            ))
        })?;
        pins.push(Pin {
            name,
            version,
            digest,
            recipe,
        });
    }
    Ok(pins)
}

/// A toolchain of a compiler that is pinned, and that nothing here captures.
#[derive(Deserialize)]
struct Foreign {
    compiler: ForeignCompiler,
}

#[derive(Deserialize)]
enum ForeignCompiler {
    #[serde(rename = "GHC")]
    Ghc(Tree),
    Lean(Tree),
}

#[derive(Deserialize)]
struct Tree {
    version: String,
    artifact: Artifact,
}

fn decode(value: &Value) -> Option<(String, Artifact, Option<String>)> {
    if let Ok(foreign) = from_value::<Foreign>(value) {
        let (ForeignCompiler::Ghc(tree) | ForeignCompiler::Lean(tree)) = foreign.compiler;
        return Some((tree.version, tree.artifact, None));
    }
    if let Ok(toolchain) = from_value::<Toolchain>(value) {
        let recipe = Some(toolchain.recipe());
        return Some(match toolchain.compiler {
            Compiler::Gcc(c) | Compiler::Clang(c) => (c.version, c.artifact, recipe),
            Compiler::Rustc(rust) => (rust.version, rust.artifact, recipe),
        });
    }
    let userland: Userland = from_value(value).ok()?;
    let recipe = Some("posix".to_owned());
    Some((userland.version, userland.artifact, recipe))
}

fn digest(artifact: &Artifact) -> Option<Digest> {
    let sha256 = artifact.sha256.parse().ok()?;
    Some(Digest::new(sha256, artifact.size))
}

/// Returns the root of the tree that `name` means: a name in the file, or a
/// sha256 of a tree in the cache.
pub(super) fn find(workspace: &Workspace, file: &Path, name: &str) -> Result<Pin> {
    let hex = name.strip_prefix("ca://").unwrap_or(name);
    if let Ok(sha256) = hex.strip_prefix("sha256:").unwrap_or(hex).parse::<Sha256>() {
        return by_hash(&workspace.store, name, sha256);
    }
    let pins = read(file)?;
    let known: Vec<String> = pins.iter().map(|pin| format!("`{}`", pin.name)).collect();
    let mut found = pins.into_iter().filter(|pin| pin.name == name);
    found.next().ok_or_else(|| {
        CommandError::missing(format!("`{}` pins no `{name}`", file.display())).hint(format!(
            "it pins {}; a tree of the cache is named by its sha256",
            match known.is_empty() {
                true => "nothing".to_owned(),
                false => known.join(", "),
            }
        ))
    })
}

fn by_hash(store: &LocalStore, name: &str, sha256: Sha256) -> Result<Pin> {
    let path = store.root().join(layout::blob(sha256));
    let size = std::fs::metadata(&path).map_err(|_| {
        CommandError::missing(format!("the cache has no tree `{}`", sha256.to_ca_uri()))
            .hint("`git straylight toolchain list` says which there are")
    })?;
    let origin = Origin::find(store, sha256)?;
    let what = origin.as_ref().map_or(name, |origin| &origin.what);
    Ok(Pin {
        name: what.to_owned(),
        recipe: Some(what.to_owned()),
        version: origin.map(|origin| origin.version).unwrap_or_default(),
        digest: Digest::new(sha256, size.len()),
    })
}

/// Returns everything in a tree but its folders, by path.
pub(super) fn files(store: &LocalStore, pin: &Pin) -> Result<BTreeMap<String, Node>> {
    let mut nodes = BTreeMap::new();
    let walked = merkle::walk(store, &pin.digest, &mut |path, node| {
        if !matches!(node, Node::Directory { .. }) {
            nodes.insert(path.to_owned(), node.clone());
        }
        Ok::<_, TreeError>(())
    });
    walked.map_err(|error| match error {
        TreeError::MissingBlob(_) => {
            CommandError::missing(format!("the cache does not have all of `{}`", pin.name))
                .hint("`git straylight toolchain list` says where it was last seen")
        }
        error => CommandError::usage(error),
    })?;
    Ok(nodes)
}

/// Tells where a tree was last seen that is not here, and how to have one.
pub(super) fn tell_missing(workspace: &Workspace, file: &Path, pin: &Pin) -> Result<()> {
    let sha256 = pin.digest.sha256();
    ui::warning(format_args!(
        "`{}` (`{}`) is not in the cache of this machine",
        pin.name,
        sha256.to_ca_uri()
    ));
    if let Some(origin) = Origin::find(&workspace.store, sha256)? {
        let system = origin.system.as_deref().unwrap_or("this system");
        ui::message(format_args!(
            "  it was captured here, on {system}, at {}",
            origin.captured
        ));
    }
    let root = workspace.repository.require_work_tree()?;
    if let Some(path) = file.strip_prefix(root).ok().and_then(Path::to_str)
        && let Some(mention) = workspace
            .repository
            .last_to_write(&sha256.to_string(), path)?
    {
        ui::message(format_args!(
            "  it was pinned by {} on {}, in commit {}",
            mention.author, mention.day, mention.commit
        ));
    }
    if let Some(remote) = workspace.remote() {
        match remote.has(&pin.digest) {
            Ok(true) => {
                let url = remote.url();
                ui::message(format_args!("  {url} has it: a build takes it from there"));
                return Ok(());
            }
            Ok(false) => ui::message(format_args!("  {} does not have it", remote.url())),
            Err(error) => ui::message(format_args!("  {error}")),
        }
    }
    ui::message(match &pin.recipe {
        Some(recipe) => format!(
            "  `git straylight toolchain capture {recipe}` captures what this machine has: the \
             same tree where the same packages are installed"
        ),
        None => "  `git straylight toolchain upload` puts it into a bucket, where it is".to_owned(),
    });
    Ok(())
}
