//! What editors want to know of targets: which command compiles a file, and what
//! Rust crates are made of. Rules say it; nothing here knows a language.
//!
//! Paths are absolute, in the work tree; what is made lies in the folder of outputs,
//! once it was built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use straylight_dice::Engine;
use straylight_exec::action::WORKING_DIRECTORY;
use straylight_odb::Digest;

use crate::analyse::Analysed;
use crate::build::placed;
use crate::configuration::Configuration;
use crate::error::BuildResult;
use crate::keys::{TargetKey, flatten};
use crate::label::Label;
use crate::lower;
use crate::materialize::Materializer;
use crate::path;
use crate::sets::Node as _;
use crate::target::{Crate, Mention, Source, Variable};

/// The command that compiles a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileCommand {
    /// The file.
    pub file: String,
    /// The program, by its path in the toolchain, and its arguments.
    pub arguments: Vec<String>,
    /// The toolchain, if it has one.
    pub root: Option<Digest>,
}

/// A Rust crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditorCrate {
    /// The target.
    pub label: Label,
    /// As in `extern crate`.
    pub name: String,
    /// Its first source.
    pub root: String,
    /// Such as `2024`.
    pub edition: String,
    /// As after `--cfg`.
    pub cfg: Vec<String>,
    /// What `env!` sees.
    pub env: BTreeMap<String, String>,
    /// The crates that it names: its name for each, and its index.
    pub dependencies: Vec<(String, usize)>,
    /// Whether others wrote it.
    pub vendored: bool,
    /// Set if it is a procedural macro: what compilers load.
    pub proc_macro: Option<String>,
    /// What it is made into.
    pub kind: CrateKind,
}

/// What a crate is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrateKind {
    /// A library, or a procedural macro.
    Library,
    /// A program.
    Binary,
    /// A program that tests.
    Test,
}

/// What editors want to know of some targets and all below them.
#[derive(Debug, Default)]
pub struct Editing {
    /// Sorted by file.
    pub commands: Vec<CompileCommand>,
    /// Sorted by label.
    pub crates: Vec<EditorCrate>,
    /// The targets that must be built for all files to be there.
    pub generators: BTreeSet<Label>,
}

/// Collects what editors want to know of `roots` and all below them.
pub(crate) async fn load(
    engine: &Engine,
    roots: &[TargetKey],
    materializer: &Materializer,
) -> BuildResult<Editing> {
    let found = join_all(roots.iter().map(|root| engine.compute(root))).await;
    let mut pending: Vec<Arc<Analysed>> = Vec::new();
    for root in found {
        pending.push(flatten(root)?);
    }
    let mut all = BTreeMap::new();
    while let Some(analysed) = pending.pop() {
        let declared = &analysed.declared;
        let key = (declared.label.clone(), declared.configuration);
        all.entry(key).or_insert_with(|| {
            pending.extend(analysed.all_mentioned().cloned());
            analysed
        });
    }
    let mut editing = Editing::default();
    let crates: BTreeMap<*const Analysed, usize> = (all.values())
        .filter(|analysed| analysed.declared.target.rust_crate.is_some())
        .map(Arc::as_ptr)
        .zip(0..)
        .collect();
    for analysed in all.values() {
        commands(analysed, materializer, &mut editing)?;
        editing
            .crates
            .extend(crate_of(analysed, materializer, &crates)?);
        if let Some(known) = &analysed.declared.target.rust_crate {
            let own = known.proc_macro.is_some().then_some(analysed);
            let read = sources_of_others(analysed, known);
            let makers = own.into_iter().chain(read);
            let labels = makers.map(|maker| maker.declared.label.clone());
            editing.generators.extend(labels);
        }
    }
    editing.commands.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(editing)
}

fn commands(
    analysed: &Arc<Analysed>,
    materializer: &Materializer,
    editing: &mut Editing,
) -> BuildResult<()> {
    for action in &analysed.declared.target.actions {
        let Some(source) = &action.compiles else {
            continue;
        };
        let shown = lower::lower_shown(analysed, action, source, materializer)?;
        let makers = shown
            .program
            .inputs
            .values()
            .filter_map(lower::Input::maker);
        editing
            .generators
            .extend(makers.map(|key| key.label.clone()));
        editing.commands.push(CompileCommand {
            file: shown.source,
            arguments: shown.program.arguments,
            root: lower::root(&analysed.declared, action.root.as_ref())?,
        });
    }
    Ok(())
}

/// Returns the targets that make sources of a crate.
fn sources_of_others<'a>(
    analysed: &'a Arc<Analysed>,
    known: &'a Crate,
) -> impl Iterator<Item = &'a Arc<Analysed>> {
    let inputs = (analysed.declared.target.actions.iter()).flat_map(|action| &action.inputs);
    let sources = inputs.chain([&known.root]);
    sources.filter_map(|source| maker(analysed, source))
}

/// Returns the target that makes a source, if one does.
fn maker<'a>(analysed: &'a Arc<Analysed>, source: &Source) -> Option<&'a Arc<Analysed>> {
    match source {
        Source::Output { target, .. } => Some(analysed.mentioned(&Mention::target(target))),
        Source::File(_) | Source::Pinned(_) => None,
    }
}

/// Returns where a path of the sandbox lies in the work tree. What is none stays.
fn value_on_disk(
    value: &str,
    configuration: &Configuration,
    materializer: &Materializer,
) -> String {
    let inside = value
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(WORKING_DIRECTORY))
        .and_then(|path| path.strip_prefix('/'));
    match inside.map(|path| path.strip_prefix("out/").ok_or(path)) {
        Some(Ok(made)) => materializer.on_disk(&materializer.place(&placed(configuration, made))),
        Some(Err(source)) => materializer.on_disk(source),
        None => value.to_owned(),
    }
}

fn crate_of(
    analysed: &Arc<Analysed>,
    materializer: &Materializer,
    crates: &BTreeMap<*const Analysed, usize>,
) -> BuildResult<Option<EditorCrate>> {
    let declared = &analysed.declared;
    let Some(known) = &declared.target.rust_crate else {
        return Ok(None);
    };
    let index = |target: &Arc<Analysed>| crates.get(&Arc::as_ptr(target)).copied();
    let own = analysed.dependencies().iter().filter_map(|target| {
        let name = target.declared.target.rust_crate.as_ref()?.name.clone();
        Some((name, index(target)?))
    });
    let aliases = known.aliases.iter().filter_map(|alias| {
        let target = maker(analysed, &alias.library)?;
        Some((alias.name.clone(), index(target)?))
    });
    let variable = |variable: &Variable| {
        let value = &variable.map_value;
        let value = value_on_disk(value, &declared.configuration, materializer);
        (variable.map_key.clone(), value)
    };
    Ok(Some(EditorCrate {
        label: declared.label.clone(),
        name: known.name.clone(),
        root: lower::source_on_disk(analysed, &known.root, materializer)?,
        edition: known.edition.clone(),
        cfg: known.cfg.clone(),
        env: known.env.iter().map(variable).collect(),
        dependencies: own.chain(aliases).collect(),
        vendored: known.vendored,
        proc_macro: known.proc_macro.as_ref().map(|output| {
            let below = path::join(&declared.label.output_folder(), output);
            materializer.on_disk(&materializer.place(&placed(&declared.configuration, &below)))
        }),
        kind: match (&declared.target.test, &declared.target.run) {
            (Some(_), _) => CrateKind::Test,
            (None, Some(_)) => CrateKind::Binary,
            (None, None) => CrateKind::Library,
        },
    }))
}
