//! What is different between two actions.

use std::collections::{BTreeMap, BTreeSet};

use straylight_exec::Node;
use straylight_exec::action::{ROOT_PROPERTY, WORKING_DIRECTORY};
use straylight_exec::merkle::{self, TreeError};
use straylight_exec::reapi::{self, Action, Command};
use straylight_odb::{ContentStore, Digest, StoreError};

use crate::label::Label;

/// What makes one action another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It was never built here.
    New,
    /// What it was is no longer in the store.
    Forgotten,
    /// It is what it was; its result is no longer in the store.
    LostResult,
    /// It reads what another step is to make.
    Waits {
        /// That step's target.
        label: Label,
        /// That step.
        step: String,
    },
    /// An input is another one.
    File(FileChange),
    /// The command line is another one.
    Arguments {
        /// What it was.
        before: Vec<String>,
        /// What it is.
        now: Vec<String>,
    },
    /// A variable of the environment is another one.
    Variable {
        /// Its name.
        name: String,
        /// What it was.
        before: Option<String>,
        /// What it is.
        now: Option<String>,
    },
    /// The file system of the command is another one.
    Toolchain {
        /// `<sha256>/<size>`
        before: Option<String>,
        /// `<sha256>/<size>`
        now: Option<String>,
    },
    /// Other outputs are declared.
    Outputs,
    /// How long it may take, or what else it needs.
    Limits,
}

/// An input that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Where the command sees it; a source's path in the repository.
    pub path: String,
    /// The target and the step that make it; a source has none.
    pub maker: Option<(Label, String)>,
    /// `sha256:…`, where a link leads, or that it is a folder; `None` if there
    /// was nothing.
    pub before: Option<String>,
    /// The same now.
    pub now: Option<String>,
}

/// An action with its command.
struct Request {
    action: Action,
    command: Command,
}

impl Request {
    /// Reads an action; `None` if the store has not all of it.
    fn read(store: &dyn ContentStore, digest: &Digest) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = store.read(digest)? else {
            return Ok(None);
        };
        let Ok(action) = reapi::decode::<Action>(&bytes) else {
            return Ok(None);
        };
        let Some(command) = digest_of(action.command_digest.as_ref()) else {
            return Ok(None);
        };
        let bytes = store.read(&command)?;
        let command = bytes.and_then(|bytes| reapi::decode::<Command>(&bytes).ok());
        Ok(command.map(|command| Self { action, command }))
    }

    fn toolchain(&self) -> Option<&str> {
        let platform = self.command.platform.as_ref()?;
        let mut properties = platform.properties.iter();
        let root = properties.find(|property| property.name == ROOT_PROPERTY)?;
        Some(&root.value)
    }

    fn variables(&self) -> BTreeMap<&str, &str> {
        let variables = self.command.environment_variables.iter();
        variables
            .map(|variable| (variable.name.as_str(), variable.value.as_str()))
            .collect()
    }
}

fn digest_of(digest: Option<&reapi::Digest>) -> Option<Digest> {
    Digest::try_from(digest?).ok()
}

/// Returns what is different: files first, sorted by path.
pub(super) fn compare(
    store: &dyn ContentStore,
    before: &Digest,
    now: &Digest,
) -> Result<Vec<Cause>, StoreError> {
    let (Some(before), Some(now)) = (Request::read(store, before)?, Request::read(store, now)?)
    else {
        return Ok(vec![Cause::Forgotten]);
    };
    let roots = [&before, &now].map(|request| digest_of(request.action.input_root_digest.as_ref()));
    let files = match trees(store, roots) {
        Ok(files) => files,
        Err(TreeError::Store(error)) => return Err(error),
        Err(_) => return Ok(vec![Cause::Forgotten]),
    };
    let mut causes: Vec<Cause> = files.into_iter().map(Cause::File).collect();
    if before.command.arguments != now.command.arguments {
        causes.push(Cause::Arguments {
            before: before.command.arguments.clone(),
            now: now.command.arguments.clone(),
        });
    }
    let (old, new) = (before.variables(), now.variables());
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for name in names {
        let [before, now] = [&old, &new].map(|all| all.get(name).map(|&text| text.to_owned()));
        if before != now {
            let name = name.to_owned();
            causes.push(Cause::Variable { name, before, now });
        }
    }
    let [old, new] = [&before, &now].map(|request| request.toolchain().map(str::to_owned));
    if old != new {
        causes.push(Cause::Toolchain {
            before: old,
            now: new,
        });
    }
    if before.command.output_paths != now.command.output_paths {
        causes.push(Cause::Outputs);
    }
    if causes.is_empty() {
        causes.push(Cause::Limits);
    }
    Ok(causes)
}

/// Returns the files that differ between two trees, sorted by path. Folders
/// that are equal are not opened.
fn trees(
    store: &dyn ContentStore,
    roots: [Option<Digest>; 2],
) -> Result<Vec<FileChange>, TreeError> {
    let mut changes = Vec::new();
    let mut open = vec![(String::new(), roots)];
    while let Some((above, folders)) = open.pop() {
        let [mut before, mut now] = [folder(store, folders[0])?, folder(store, folders[1])?];
        let names: BTreeSet<String> = before.keys().chain(now.keys()).cloned().collect();
        for name in names {
            let nodes = [before.remove(&name), now.remove(&name)];
            if nodes[0] == nodes[1] {
                continue;
            }
            let path = if above.is_empty() {
                name
            } else {
                format!("{above}/{name}")
            };
            let below = nodes.each_ref().map(|node| match node {
                Some(Node::Directory { digest }) => Some(*digest),
                _ => None,
            });
            let [before, now] = nodes.map(|node| node.as_ref().and_then(shown));
            if before.is_some() || now.is_some() {
                let inside = path.strip_prefix(WORKING_DIRECTORY);
                let inside = inside.and_then(|path| path.strip_prefix('/'));
                changes.push(FileChange {
                    path: inside.unwrap_or(&path).to_owned(),
                    maker: None,
                    before,
                    now,
                });
            }
            if below.iter().any(Option::is_some) {
                open.push((path, below));
            }
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

fn folder(
    store: &dyn ContentStore,
    digest: Option<Digest>,
) -> Result<BTreeMap<String, Node>, TreeError> {
    // The empty folder need not be stored.
    match digest.filter(|digest| digest.size() > 0) {
        Some(digest) => Ok(merkle::read_folder(store, &digest)?.into_iter().collect()),
        None => Ok(BTreeMap::new()),
    }
}

/// Returns what lies at a path; folders are told by what is in them.
fn shown(node: &Node) -> Option<String> {
    match node {
        Node::File { digest, executable } => {
            let end = if *executable { " (executable)" } else { "" };
            Some(format!("sha256:{}{end}", digest.sha256()))
        }
        Node::Symlink { target } => Some(format!("-> {target}")),
        Node::Directory { .. } | Node::EmptyDir => None,
    }
}
