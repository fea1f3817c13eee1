//! The seam between what is to be run and who runs it.
//!
//! An action is identified by the digest of its encoded REAPI [`Action`]. The
//! input root holds one folder, [`WORKING_DIRECTORY`], in which the command
//! starts. Isolation is not part of the identity: it must never change what
//! an action makes.

use std::fmt;
use std::time::Duration;

use straylight_odb::Digest;

use crate::cancellation::Cancellation;
use crate::coeffects::{Exposure, Grade, Repeatability, Used};
use crate::error::ExecError;
use crate::kept::Kept;
use crate::reapi::{self, Action, Command, EnvironmentVariable, Platform, Property};

/// The one folder of an input root; in the sandbox it is `/build`.
pub const WORKING_DIRECTORY: &str = "build";

/// The platform property that names the tree which is the root file system.
pub const ROOT_PROPERTY: &str = "chrootRootDigest";

/// The platform property that declares one need; occurs once for each.
pub const COEFFECT_PROPERTY: &str = "coeffect";

/// What every command finds in its environment, unless it says otherwise.
pub const BASE_ENVIRONMENT: [(&str, &str); 5] = [
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/bin:/bin"),
    ("SOURCE_DATE_EPOCH", "315532800"),
    ("TZ", "UTC"),
];

/// Returns a command in its canonical form: the base environment below the
/// given one, sorted; output paths sorted, each once.
///
/// Output paths are relative to the folder in which the command starts. The
/// platform is added by [`build_action`].
#[must_use]
pub fn command(
    arguments: Vec<String>,
    environment: impl IntoIterator<Item = (String, String)>,
    output_paths: impl IntoIterator<Item = String>,
) -> Command {
    let mut variables = std::collections::BTreeMap::new();
    let base = BASE_ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
    variables.extend(base);
    variables.extend(environment);
    let environment_variables = variables
        .into_iter()
        .map(|(name, value)| EnvironmentVariable { name, value });
    let mut output_paths: Vec<String> = output_paths.into_iter().collect();
    output_paths.sort();
    output_paths.dedup();
    Command {
        arguments,
        environment_variables: environment_variables.collect(),
        platform: None,
        working_directory: WORKING_DIRECTORY.to_owned(),
        output_paths,
    }
}

/// An action whose identity is known.
#[derive(Debug, Clone)]
pub struct BuiltAction {
    /// The command, with its platform.
    pub command: Command,
    /// The encoded command, to be stored under `action.command_digest`.
    pub command_bytes: Vec<u8>,
    /// The message.
    pub action: Action,
    /// The encoded message.
    pub bytes: Vec<u8>,
    /// The digest of `bytes`: the identity of the work.
    pub digest: Digest,
    input_root: Digest,
    toolchain: Option<Digest>,
    timeout: Option<Duration>,
}

/// Gives a command its platform, and the whole its identity.
///
/// `toolchain` is the root of the tree that the command sees as its file
/// system; `coeffects` are its declared needs, in any order.
#[must_use]
pub fn build_action(
    mut command: Command,
    input_root: Digest,
    toolchain: Option<Digest>,
    coeffects: &[String],
    timeout: Option<Duration>,
) -> BuiltAction {
    let platform = platform(toolchain, coeffects);
    command.platform.clone_from(&platform);
    let command_bytes = reapi::encode(&command);
    let action = Action {
        command_digest: Some(Digest::of(&command_bytes).into()),
        input_root_digest: Some(input_root.into()),
        timeout: timeout.map(|timeout| reapi::Duration {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(timeout.subsec_nanos()).expect("less than 10^9"),
        }),
        platform,
    };
    let bytes = reapi::encode(&action);
    let digest = Digest::of(&bytes);
    BuiltAction {
        command,
        command_bytes,
        action,
        bytes,
        digest,
        input_root,
        toolchain,
        timeout,
    }
}

fn platform(toolchain: Option<Digest>, coeffects: &[String]) -> Option<Platform> {
    let property = |name: &str, value: String| Property {
        name: name.to_owned(),
        value,
    };
    let needs = coeffects
        .iter()
        .map(|need| property(COEFFECT_PROPERTY, need.clone()));
    let root = toolchain.map(|root| property(ROOT_PROPERTY, root.to_string()));
    let mut properties: Vec<Property> = needs.chain(root).collect();
    properties.sort();
    properties.dedup();
    (!properties.is_empty()).then_some(Platform { properties })
}

impl BuiltAction {
    /// Returns the digest of the command.
    #[must_use]
    pub fn command_digest(&self) -> Digest {
        Digest::of(&self.command_bytes)
    }

    /// Returns what an [`Executor`] needs to run the action.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            action: self.digest,
            command: self.command.clone(),
            input_root: self.input_root,
            toolchain: self.toolchain,
            timeout: self.timeout,
            early: Vec::new(),
        }
    }
}

/// One action to run. Its inputs are in the store.
#[derive(Debug, Clone)]
pub struct Request {
    /// The identity of the work.
    pub action: Digest,
    /// What to run.
    pub command: Command,
    /// The tree with the one folder [`WORKING_DIRECTORY`].
    pub input_root: Digest,
    /// The tree that is the root file system; without one it is empty.
    pub toolchain: Option<Digest>,
    /// After this time the command is killed.
    pub timeout: Option<Duration>,
    /// Those of the output paths that others wait for: such an output is
    /// complete as soon as it was moved to its path. Not part of the identity.
    pub early: Vec<String>,
}

/// Hears of each early output, when it is complete and stored.
pub type Published<'a> = &'a (dyn Fn(&Output) + Sync);

/// Runs actions.
///
/// Calls from several threads run in parallel; an executor holds no limit of
/// its own. A command that fails is an [`Outcome`].
pub trait Executor: Send + Sync + fmt::Debug {
    /// Runs one action, and stores what it made. Early outputs are told to
    /// `published` while it runs; one that is not seen in time is told to nobody.
    ///
    /// Returns when every process of the action is gone. Its folder is removed
    /// soon after, at the latest when the executor is dropped.
    ///
    /// # Errors
    /// [`ExecError`] when the command could not be given what it was promised.
    fn execute(
        &self,
        request: &Request,
        cancellation: &Cancellation,
        published: Published<'_>,
    ) -> Result<Outcome, ExecError>;

    /// Returns what the trace of an action says about who ran it.
    fn description(&self) -> Description;
}

/// Who ran an action, and how well the action was isolated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The executor's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What separated the action from the machine.
    pub isolation: Isolation,
    /// What the executor kept the action from, whatever the action did.
    pub enforced: &'static [&'static str],
}

/// What separates an action from the machine; more is later in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// Nothing but a working folder.
    None,
    /// Linux namespaces.
    Namespaces,
}

impl Isolation {
    /// Returns the name that traces carry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Namespaces => "namespaces",
        }
    }
}

impl Isolation {
    /// Returns at most how much of the world an action is exposed to. Nothing
    /// keeps the time or random numbers from native code.
    #[must_use]
    pub fn exposes(self) -> Grade {
        match self {
            Self::None => Grade::unknown(),
            Self::Namespaces => Grade {
                clock: Used::Yes,
                randomness: Used::Yes,
                exposure: Exposure::Namespaces,
                repeatability: Repeatability::Unknown,
                ..Grade::pure()
            },
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this status; 127 when its program was not found, and
    /// 126 when the program could not be run, as in a shell.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
    /// It was killed when its time was over.
    TimedOut,
    /// It was killed by [`Cancellation::cancel`].
    Cancelled,
}

/// What running a command came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// What it wrote to its standard output: the first and last part of it,
    /// with a line between them that says what was cut.
    pub stdout: Vec<u8>,
    /// The same of its standard error.
    pub stderr: Vec<u8>,
    /// The declared outputs that were made, sorted by path. They are stored.
    pub outputs: Vec<Output>,
    /// Files that were made beside the declared outputs, sorted. They are gone.
    pub undeclared: Vec<String>,
    /// Declared outputs that were not made, sorted.
    pub missing: Vec<String>,
    /// Outputs that exist and cannot be kept, sorted by path.
    pub rejected: Vec<Rejected>,
    /// Where it ran, if the executor keeps that of actions that fail.
    pub kept: Option<Kept>,
    /// What it cost.
    pub usage: Usage,
}

impl Outcome {
    /// Returns the outcome of a command that was cancelled before it started.
    #[must_use]
    pub fn cancelled() -> Self {
        Self {
            status: Status::Cancelled,
            stdout: Vec::new(),
            stderr: Vec::new(),
            outputs: Vec::new(),
            undeclared: Vec::new(),
            missing: Vec::new(),
            rejected: Vec::new(),
            kept: None,
            usage: Usage::default(),
        }
    }

    /// Returns whether the command succeeded and made all of its outputs.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status == Status::Exited(0) && self.missing.is_empty() && self.rejected.is_empty()
    }
}

/// A declared output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// As the command declares it.
    pub path: String,
    /// What was made there.
    pub content: OutputContent,
}

/// What lies at the path of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputContent {
    /// A file.
    File {
        /// Its bytes.
        digest: Digest,
        /// Whether its owner may run it.
        executable: bool,
    },
    /// A folder.
    Directory {
        /// The root of its tree.
        tree: Digest,
    },
    /// A symbolic link to something else below `/build`.
    Symlink {
        /// What it holds.
        target: String,
    },
}

/// An output that was made and that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The output, or what lies in it.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// What a command cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// How long it took to put its inputs in place.
    pub staging: Duration,
    /// From its start to its end.
    pub wall: Duration,
    /// How long it took to store its outputs.
    pub collecting: Duration,
    /// Processor time in user mode, of all processes that were waited for.
    pub user: Duration,
    /// Processor time in the kernel.
    pub sys: Duration,
    /// The largest resident size of one process, in bytes.
    pub max_rss: u64,
}
