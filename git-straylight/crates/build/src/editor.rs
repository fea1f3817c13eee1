//! What editors want to know of targets: which command compiles a file, and what
//! Rust crates are made of. Rules say it; nothing here knows a language.
//!
//! Paths are absolute, in the work tree; what is made lies in the folder of outputs,
//! once it was built.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use straylight_dice::Engine;
use straylight_odb::Digest;

use crate::analyse::Analysed;
use crate::build::placed;
use crate::error::BuildResult;
use crate::keys::{TargetKey, flatten};
use crate::label::Label;
use crate::lower;
use crate::materialize::Materializer;
use crate::path;
use crate::sets::Node as _;

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
    /// The crates that it names, by their index.
    pub dependencies: Vec<usize>,
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
        if analysed
            .declared
            .target
            .rust_crate
            .as_ref()
            .is_some_and(|known| known.proc_macro.is_some())
        {
            editing.generators.insert(analysed.declared.label.clone());
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

fn crate_of(
    analysed: &Arc<Analysed>,
    materializer: &Materializer,
    crates: &BTreeMap<*const Analysed, usize>,
) -> BuildResult<Option<EditorCrate>> {
    let declared = &analysed.declared;
    let Some(known) = &declared.target.rust_crate else {
        return Ok(None);
    };
    let named = analysed.dependencies().iter().map(Arc::as_ptr);
    let env = known.env.iter();
    Ok(Some(EditorCrate {
        label: declared.label.clone(),
        name: known.name.clone(),
        root: lower::source_on_disk(analysed, &known.root, materializer)?,
        edition: known.edition.clone(),
        cfg: known.cfg.clone(),
        env: env
            .map(|variable| (variable.map_key.clone(), variable.map_value.clone()))
            .collect(),
        dependencies: named
            .filter_map(|named| crates.get(&named).copied())
            .collect(),
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
