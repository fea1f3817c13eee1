//! A package as it is on disk, and what is proposed for it.

use std::collections::BTreeSet;

use straylight_build::label::BUILD_FILE;
use straylight_build::target::Target;
use straylight_build::{Builder, Label, PackagePath};

use super::proposal::{Package, Proposal};
use crate::error::{CommandError, Result};
use crate::setup::Workspace;

/// A package, and what is proposed for it.
pub(super) struct Found {
    pub(super) path: PackagePath,
    /// The text of its `BUILD.dhall` when it was looked at.
    pub(super) text: String,
    pub(super) targets: Vec<(Label, Target)>,
    pub(super) proposal: Proposal,
}

impl Found {
    pub(super) fn of(
        workspace: &Workspace,
        builder: &Builder,
        path: PackagePath,
        only: Option<Label>,
    ) -> Result<Self> {
        let targets = builder.declared(&path)?;
        let root = workspace.repository.require_work_tree()?;
        let file = root.join(path.build_file());
        let text = std::fs::read_to_string(&file).map_err(CommandError::io("read", &file))?;
        let mut present = files_of(workspace, &path)?;
        // A list may name what git ignores; it is there all the same.
        for (_, target) in &targets {
            for listed in target.files() {
                if root.join(path.join(listed)).is_file() {
                    present.insert(listed.to_owned());
                }
            }
        }
        let proposal = Package {
            text: &text,
            targets: &targets,
            only: only.as_ref(),
            present: &present,
        }
        .propose();
        Ok(Self {
            path,
            text,
            targets,
            proposal,
        })
    }
}

/// Returns the files of a package's folder, relative to it, without those of
/// the packages below it.
pub(crate) fn files_of(workspace: &Workspace, path: &PackagePath) -> Result<BTreeSet<String>> {
    let folder = path.as_str();
    let all = workspace.repository.files_below(folder)?;
    let prefix = match folder {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let inside: Vec<&str> = all
        .iter()
        .filter_map(|file| file.strip_prefix(&prefix))
        .collect();
    let packages: BTreeSet<&str> = inside
        .iter()
        .filter_map(|file| file.strip_suffix(BUILD_FILE)?.strip_suffix('/'))
        .collect();
    let is_own = |file: &str| {
        let folders = file.match_indices('/').map(|(end, _)| &file[..end]);
        !folders.into_iter().any(|folder| packages.contains(folder))
    };
    Ok(inside
        .into_iter()
        .filter(|file| is_own(file))
        .map(str::to_owned)
        .collect())
}
