//! Writes chosen changes into a `BUILD.dhall`, after the new text has been
//! evaluated and says what was chosen, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use straylight_build::claims::{LocalClaims, SameIsolation};
use straylight_build::state::State;
use straylight_build::target::Target;
use straylight_build::tree::{SourceFile, SourceTree, Standing, TreeError};
use straylight_build::{Label, Options, PackagePath};

use super::layout;
use super::package::Found;
use super::proposal::{Change, Kind, Place};
use crate::commands::write_file;
use crate::error::{CommandError, Result};
use crate::setup::Workspace;

/// Makes the changes, or none of them.
pub(super) fn apply(workspace: &Workspace, package: &Found, changes: &[&Change]) -> Result<()> {
    let file = package.path.build_file();
    if let Some(change) = changes.iter().find(|change| change.place == Place::Nowhere) {
        return Err(CommandError::usage(format!(
            "`{file}` is not changed: it has no list in which `{}` of `{}` could be written",
            change.path, change.label
        ))
        .hint(
            "the list is computed, or the file is named elsewhere: change it by hand; with \
             `edit`, the other changes can be made without it",
        ));
    }
    let refused = |reason: String| {
        CommandError::usage(format!("`{file}` is not changed: {reason}"))
            .hint("change the list by hand")
    };
    let text = new_text(&package.text, changes)
        .ok_or_else(|| refused("its lists are written in a way that is not understood".into()))?;
    let targets = evaluate(workspace, &package.path, &text).map_err(|error| {
        let mut error = error;
        error.hints.insert(
            0,
            format!("`{file}` is not changed: with these changes it would not be right"),
        );
        error
    })?;
    check(&package.targets, &targets, changes).map_err(refused)?;
    let root = workspace.repository.require_work_tree()?;
    let path =
        fs::canonicalize(root.join(&file)).map_err(CommandError::io("read", Path::new(&file)))?;
    let now = fs::read_to_string(&path).map_err(CommandError::io("read", &path))?;
    if now != package.text {
        return Err(refused("somebody else changed it meanwhile".into()));
    }
    write_file(&path, &text)
}

fn new_text(text: &str, changes: &[&Change]) -> Option<String> {
    let mut lists: BTreeMap<usize, (Vec<&str>, Vec<&str>, bool)> = BTreeMap::new();
    let mut fields: BTreeMap<(usize, &str), Vec<&str>> = BTreeMap::new();
    for change in changes {
        match &change.place {
            Place::List { index, keeps_first } => {
                let (remove, add, keeps) = lists.entry(*index).or_default();
                *keeps |= keeps_first;
                match change.kind {
                    Kind::Add => add.push(&change.path),
                    Kind::Remove => remove.push(&change.path),
                }
            }
            Place::Field { after, name } => {
                fields.entry((*after, name)).or_default().push(&change.path);
            }
            Place::Nowhere => return None,
        }
    }
    let mut text = text.to_owned();
    for (index, (remove, add, keeps_first)) in lists {
        text = layout::edit(&text, index, &remove, &add, keeps_first)?;
    }
    // From the last one: a new field is a list more.
    for ((after, name), items) in fields.into_iter().rev() {
        text = layout::add_field(&text, after, name, &items)?;
    }
    Some(text)
}

fn evaluate(
    workspace: &Workspace,
    package: &PackagePath,
    text: &str,
) -> Result<Vec<(Label, Target)>> {
    let tree = Edited {
        tree: workspace.work_tree(&Arc::new(State::forgetful()))?,
        path: package.build_file(),
        text: Arc::from(text.as_bytes()),
    };
    let claims = Arc::new(LocalClaims(Arc::clone(&workspace.store)));
    let belief = Arc::new(SameIsolation(String::new()));
    let builder = workspace.replayer(Arc::new(tree), claims, belief, Options::native())?;
    Ok(builder.declared(package)?)
}

/// Says what is not as it was chosen.
fn check(
    old: &[(Label, Target)],
    new: &[(Label, Target)],
    changes: &[&Change],
) -> std::result::Result<(), String> {
    if old
        .iter()
        .map(|(label, _)| label)
        .ne(new.iter().map(|(label, _)| label))
    {
        return Err("it would have other targets".to_owned());
    }
    let changed: BTreeSet<&str> = changes.iter().map(|change| &*change.path).collect();
    for ((label, old), (_, new)) in old.iter().zip(new) {
        let (old, new) = (old.files(), new.files());
        if let Some(other) = old
            .symmetric_difference(&new)
            .find(|path| !changed.contains(**path))
        {
            return Err(format!("`{label}` would change at `{other}`, too"));
        }
    }
    let mut listed: BTreeMap<&Label, BTreeSet<&str>> = BTreeMap::new();
    for (label, target) in new {
        listed.entry(label).or_default().extend(target.files());
    }
    for change in changes {
        let files = listed.get(&change.label);
        let lists = files.is_some_and(|files| files.contains(&*change.path));
        if lists != (change.kind == Kind::Add) {
            return Err(format!("`{}` would not follow the list", change.label));
        }
    }
    Ok(())
}

/// A tree in which one build file has another text.
#[derive(Debug)]
struct Edited {
    tree: Arc<dyn SourceTree>,
    path: String,
    text: Arc<[u8]>,
}

impl SourceTree for Edited {
    fn read(&self, path: &str) -> std::result::Result<Option<Arc<[u8]>>, TreeError> {
        if path == self.path {
            return Ok(Some(Arc::clone(&self.text)));
        }
        self.tree.read(path)
    }

    fn store(&self, path: &str, fresh: bool) -> std::result::Result<SourceFile, TreeError> {
        self.tree.store(path, fresh)
    }

    fn packages(&self, folder: &PackagePath) -> std::result::Result<Vec<PackagePath>, TreeError> {
        self.tree.packages(folder)
    }

    fn standing(&self, path: &str) -> std::result::Result<Standing, TreeError> {
        self.tree.standing(path)
    }
}
