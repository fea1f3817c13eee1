//! The Rust side of `dice/v1.dhall`: what a rule says of one target.
//!
//! Decoding is structural, so that a repository pinned to an older or newer
//! release of the library still builds: fields that are absent take their
//! defaults, and unions may have fewer alternatives than here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A tree of files in the store, by its root directory node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Artifact {
    /// 64 lower-case hex digits.
    pub sha256: String,
    /// Of the root directory node, in bytes.
    pub size: u64,
}

/// Bytes that an action reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Source {
    /// A file of the repository, relative to the package.
    File(String),
    /// An output of another target.
    Output {
        /// The label of that target.
        target: String,
        /// The name or the path of the output.
        output: String,
    },
    /// Bytes by hash.
    Pinned(Pinned),
}

/// Bytes by hash, wherever they come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Pinned {
    /// Where actions see the file, below the target's output folder.
    pub path: String,
    /// 64 lower-case hex digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// Where the bytes were first found. Never fetched by a build.
    #[serde(default)]
    pub urls: Vec<String>,
}

/// A folder as an action sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Folder {
    /// Below the package's sources; empty is the package itself.
    Package(String),
    /// The root of the repository.
    Root,
    /// Where the outputs of the target with this label lie.
    Outputs(String),
}

/// How far a set is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Reach {
    /// What direct dependencies contribute themselves.
    Direct,
    /// What they contribute and what they inherit.
    Transitive,
}

/// In which order a set is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Order {
    /// Dependencies first.
    Postorder,
    /// Dependents first, in the order of a depth-first walk.
    Preorder,
    /// Every dependent before each of its dependencies.
    Topological,
}

/// A named set of the reading target's dependencies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct SetRef {
    /// The set's name, such as `c.include`.
    pub set: String,
    /// How far it is read.
    pub reach: Reach,
    /// In which order.
    pub order: Order,
}

/// A part of one argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Piece {
    /// This text.
    Literal(String),
    /// The path of an input.
    Source(Source),
    /// The path of a folder.
    Folder(Folder),
    /// The path of an output of this target.
    Out(String),
    /// The program of another target, built for the host.
    Tool(String),
}

/// One argument, or several made from a set or a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Argument {
    /// The pieces, joined.
    Pieces(Vec<Piece>),
    /// One argument for each item of a set.
    Each {
        /// The set.
        of: SetRef,
        /// Put before each item, in the same argument.
        #[serde(default)]
        prefix: String,
    },
    /// One argument for each line of a file that another action made.
    FromFile(Source),
}

/// Something that an action makes, below the target's output folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Output {
    /// A file.
    File(String),
    /// A folder with whatever the action puts there.
    Folder(String),
    /// A file that is complete before the action ends, as soon as it was moved
    /// to its path.
    Early(String),
}

impl Output {
    /// Returns the path, below the target's output folder.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::File(path) | Self::Folder(path) | Self::Early(path) => path,
        }
    }
}

/// What a target hands on to those who depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Contribution {
    /// The name of the set.
    pub set: String,
    /// One argument each, as pieces.
    #[serde(default)]
    pub items: Vec<Vec<Piece>>,
    /// What must be there for who reads the set.
    #[serde(default)]
    pub inputs: Vec<Source>,
}

/// What an action needs beyond its inputs; see `coeffects/v1.dhall`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Coeffect {
    /// A host by name.
    Network {
        /// The host.
        host: String,
        /// Answered from records, or live.
        network: Network,
    },
    /// A path outside the inputs.
    Filesystem {
        /// An absolute path prefix.
        path: String,
        /// Read or write.
        access: Access,
    },
    /// A credential.
    Auth {
        /// Its name.
        name: String,
        /// The host that gets it.
        host: String,
    },
    /// A device node.
    Device(String),
    /// The real time.
    Clock,
    /// Real random numbers.
    Randomness,
    /// A sandbox of a named kind.
    Sandbox(String),
}

impl Coeffect {
    /// Returns the need as text; see [`straylight_exec::coeffects`].
    #[must_use]
    pub fn need(&self) -> String {
        match self {
            Self::Network { host, network } => match network {
                Network::Replayed => format!("network:replayed:{host}"),
                Network::Live => format!("network:live:{host}"),
            },
            Self::Filesystem { path, access } => match access {
                Access::Read => format!("filesystem:read:{path}"),
                Access::Write => format!("filesystem:write:{path}"),
            },
            Self::Auth { name, host } => format!("auth:{name}@{host}"),
            Self::Device(path) => format!("device:{path}"),
            Self::Clock => "clock".to_owned(),
            Self::Randomness => "randomness".to_owned(),
            Self::Sandbox(kind) => format!("sandbox:{kind}"),
        }
    }
}

/// How far the network is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Network {
    /// Answers from records are enough.
    Replayed,
    /// The host itself.
    Live,
}

/// How a path is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and written.
    Write,
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its name.
    pub map_key: String,
    /// Its value.
    pub map_value: String,
}

/// One command: what it reads, runs and makes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Action {
    /// What kind of step, such as `c_compile`.
    pub category: String,
    /// Which step of its kind, such as the object's name.
    #[serde(default)]
    pub identifier: String,
    /// The file system of the command; none is an empty one.
    #[serde(default)]
    pub root: Option<Artifact>,
    /// The program and its arguments.
    pub arguments: Vec<Argument>,
    /// Inputs that no argument names.
    #[serde(default)]
    pub inputs: Vec<Source>,
    /// All that the command makes.
    pub outputs: Vec<Output>,
    /// Beside the fixed environment.
    #[serde(default)]
    pub env: Vec<Variable>,
    /// Files that say more of the environment, a `NAME=value` on each line; `env`
    /// has the last word.
    #[serde(default)]
    pub env_files: Vec<Source>,
    /// Where the compiler lists what it read, as a makefile; below the target's
    /// output folder.
    #[serde(default)]
    pub dep_file: Option<String>,
    /// Beyond the inputs.
    #[serde(default)]
    pub requires: Vec<Coeffect>,
    /// How long it may take.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// The source that an editor shows as this command does.
    #[serde(default)]
    pub compiles: Option<Source>,
}

/// What an editor knows of a Rust crate. It names those of the target's `deps`
/// that are crates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Crate {
    /// As in `extern crate`.
    pub name: String,
    /// Its first source.
    pub root: Source,
    /// Such as `2024`.
    pub edition: String,
    /// As after `--cfg`.
    #[serde(default)]
    pub cfg: Vec<String>,
    /// What `env!` sees.
    #[serde(default)]
    pub env: Vec<Variable>,
    /// The output that compilers load, if it is a procedural macro.
    #[serde(default)]
    pub proc_macro: Option<String>,
    /// The crates that it knows by other names than their own.
    #[serde(default)]
    pub aliases: Vec<Alias>,
    /// Whether others wrote it: an editor reads it, and does not check it.
    #[serde(default)]
    pub vendored: bool,
}

/// A crate by another name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Alias {
    /// As in `extern crate`.
    pub name: String,
    /// What is linked.
    #[serde(rename = "crate")]
    pub library: Source,
}

/// An output that people ask for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct NamedOutput {
    /// Its name.
    pub name: String,
    /// Its path below the target's output folder.
    pub path: String,
}

/// How to run a target's program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Run {
    /// The program and its arguments.
    pub arguments: Vec<Argument>,
}

/// A run whose exit status is the result.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Test {
    /// The program and its arguments.
    pub arguments: Vec<Argument>,
    /// The file system of the test.
    #[serde(default)]
    pub root: Option<Artifact>,
    /// Beside the fixed environment.
    #[serde(default)]
    pub env: Vec<Variable>,
    /// How long it may take.
    #[serde(default = "five_minutes")]
    pub timeout_seconds: u64,
}

const fn five_minutes() -> u64 {
    300
}

/// What a rule says in one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Target {
    /// Its name in the package.
    pub name: String,
    /// What it is, such as `c_library`.
    #[serde(default)]
    pub kind: String,
    /// Labels whose sets it inherits.
    #[serde(default)]
    pub deps: Vec<String>,
    /// The steps.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// What people ask for.
    #[serde(default)]
    pub outputs: Vec<NamedOutput>,
    /// What it hands on.
    #[serde(default)]
    pub sets: Vec<Contribution>,
    /// What a run or a test reads.
    #[serde(default)]
    pub data: Vec<Source>,
    /// How to run it.
    #[serde(default)]
    pub run: Option<Run>,
    /// How to test it.
    #[serde(default)]
    pub test: Option<Test>,
    /// What an editor knows of it.
    #[serde(default, rename = "crate")]
    pub rust_crate: Option<Crate>,
    /// Shown, and no reason to stop.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Shown, and nothing is built.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// A label that a target mentions, as it is written there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mention {
    /// The label.
    pub(crate) text: String,
    /// Whether it is a tool: built for the host.
    pub(crate) tool: bool,
}

impl Mention {
    /// Returns the mention of a target in the same configuration.
    pub(crate) fn target(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            tool: false,
        }
    }

    /// Returns the mention of a tool.
    pub(crate) fn tool(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            tool: true,
        }
    }
}

impl Action {
    /// Returns the path of everything that the command makes, below the
    /// target's output folder; the compiler's list is the last.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let outputs = self.outputs.iter().map(Output::path);
        let list = self.dep_file.as_deref();
        outputs.chain(list.filter(|list| !self.outputs.iter().any(|out| out.path() == *list)))
    }

    /// Returns the sources that no argument names.
    fn unnamed(&self) -> impl Iterator<Item = &Source> {
        self.inputs.iter().chain(&self.env_files)
    }

    /// Returns the outputs that are complete before the command ends.
    pub(crate) fn early(&self) -> impl Iterator<Item = &str> {
        let outputs = self.outputs.iter();
        outputs.filter_map(|output| match output {
            Output::Early(path) => Some(path.as_str()),
            Output::File(_) | Output::Folder(_) => None,
        })
    }

    /// Returns what people call the step: `c_compile lapi.c.o`.
    #[must_use]
    pub fn step(&self) -> String {
        format!("{} {}", self.category, self.identifier)
            .trim()
            .to_owned()
    }
}

impl Target {
    /// Returns every file of the repository that the target reads, relative to
    /// its package; sorted, each once.
    #[must_use]
    pub fn files<'a>(&'a self) -> BTreeSet<&'a str> {
        let arguments = (self.actions.iter().flat_map(|action| &action.arguments))
            .chain(self.run.iter().flat_map(|run| &run.arguments))
            .chain(self.test.iter().flat_map(|test| &test.arguments));
        let named = arguments.flat_map(|argument| match argument {
            Argument::Pieces(pieces) => pieces.iter().filter_map(Piece::source).collect(),
            Argument::FromFile(source) => vec![source],
            Argument::Each { .. } => Vec::new(),
        });
        let items = self.sets.iter().flat_map(|set| set.items.iter().flatten());
        let sources = (self.actions.iter().flat_map(Action::unnamed))
            .chain(self.sets.iter().flat_map(|set| &set.inputs))
            .chain(&self.data)
            .chain(items.filter_map(Piece::source))
            .chain(named);
        let file = |source: &'a Source| match source {
            Source::File(path) => Some(path.as_str()),
            Source::Output { .. } | Source::Pinned(_) => None,
        };
        sources.filter_map(file).collect()
    }

    /// Returns every label that the target mentions, in the order in which
    /// they are written.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        let mut mentions: Vec<Mention> = self.deps.iter().map(|dep| Mention::target(dep)).collect();
        let arguments = (self.actions.iter().flat_map(|action| &action.arguments))
            .chain(self.run.iter().flat_map(|run| &run.arguments))
            .chain(self.test.iter().flat_map(|test| &test.arguments));
        for argument in arguments {
            match argument {
                Argument::Pieces(pieces) => {
                    for piece in pieces {
                        piece.mention(&mut mentions);
                    }
                }
                Argument::FromFile(source) => source.mention(&mut mentions),
                Argument::Each { .. } => {}
            }
        }
        let sources = (self.actions.iter().flat_map(Action::unnamed))
            .chain(self.sets.iter().flat_map(|set| &set.inputs))
            .chain(&self.data);
        sources.for_each(|source| source.mention(&mut mentions));
        let items = self.sets.iter().flat_map(|set| set.items.iter().flatten());
        items.for_each(|piece| piece.mention(&mut mentions));
        mentions
    }
}

impl Source {
    fn mention(&self, mentions: &mut Vec<Mention>) {
        if let Self::Output { target, .. } = self {
            mentions.push(Mention::target(target));
        }
    }
}

impl Piece {
    fn source(&self) -> Option<&Source> {
        match self {
            Self::Source(source) => Some(source),
            _ => None,
        }
    }

    fn mention(&self, mentions: &mut Vec<Mention>) {
        match self {
            Self::Source(source) => source.mention(mentions),
            Self::Folder(Folder::Outputs(label)) => mentions.push(Mention::target(label)),
            Self::Tool(label) => mentions.push(Mention::tool(label)),
            Self::Literal(_) | Self::Folder(_) | Self::Out(_) => {}
        }
    }
}
