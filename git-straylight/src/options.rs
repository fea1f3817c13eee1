//! The options of commands that build.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use straylight_build::{Mode, Options, Triple};
use straylight_exec::{LazyExecutor, NamespaceExecutor, PlainExecutor};

use crate::setup::Workspace;

/// How a command builds.
#[derive(Args, Clone, Debug)]
pub(crate) struct BuildArgs {
    /// Build this revision, from git's objects, without a checkout.
    #[arg(long, value_name = "REV")]
    pub(crate) at: Option<String>,
    /// Write where the time went to this file, which Perfetto opens.
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

impl From<HowArgs> for BuildArgs {
    /// A build of the work tree.
    fn from(how: HowArgs) -> Self {
        Self {
            at: None,
            profile: None,
            how,
        }
    }
}

/// Which build is meant: what its results are told apart by.
#[derive(Args, Clone, Debug)]
pub(crate) struct WhichArgs {
    /// Build for this machine instead of each target's own.
    #[arg(long, value_name = "TRIPLE")]
    target: Option<Triple>,
    /// How programs are made.
    #[arg(long, value_enum, default_value_t = ModeArg::Release)]
    mode: ModeArg,
    /// How commands are kept from what they do not declare. Results that were
    /// made with `none` are used only with `none`.
    #[arg(long, value_enum, default_value_t = Isolation::Namespaces)]
    isolation: Isolation,
}

/// How commands of a build are run.
#[derive(Args, Clone, Debug)]
pub(crate) struct HowArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// How many commands run at once [default: the number of processors].
    #[arg(short, long, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
    /// Go on with what does not depend on a failure.
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// Keep the sandboxes of commands that fail, and say how to enter them.
    #[arg(long)]
    sandbox_debug: bool,
    /// Name every command that ran.
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Set by commands that run tests.
    #[arg(skip)]
    pub(crate) reruns_tests: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum ModeArg {
    Debug,
    Release,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Isolation {
    /// Linux namespaces: declared inputs, no network.
    Namespaces,
    /// None: commands can read all that this user can.
    None,
}

impl WhichArgs {
    pub(crate) fn options(&self) -> Options {
        Options {
            target: self.target,
            mode: match self.mode {
                ModeArg::Debug => Mode::debug,
                ModeArg::Release => Mode::release,
            },
            ..Options::native()
        }
    }

    /// Returns the name that builder ids carry.
    pub(crate) fn isolation_name(&self) -> &'static str {
        match self.isolation {
            Isolation::Namespaces => straylight_exec::Isolation::Namespaces.as_str(),
            Isolation::None => straylight_exec::Isolation::None.as_str(),
        }
    }
}

impl HowArgs {
    pub(crate) fn options(&self) -> Options {
        let options = self.which.options();
        Options {
            jobs: self.jobs.map_or(options.jobs, usize::from),
            keep_going: self.keep_going,
            reruns_tests: self.reruns_tests,
            ..options
        }
    }

    /// Returns the name that builder ids carry.
    pub(crate) fn isolation_name(&self) -> &'static str {
        self.which.isolation_name()
    }

    pub(crate) fn executor(&self, workspace: &Workspace) -> LazyExecutor {
        let store = Arc::clone(&workspace.store);
        let keeps = self.sandbox_debug.then(|| workspace.id());
        let isolation = self.which.isolation;
        LazyExecutor::new(move || {
            let store = Arc::clone(&store);
            Ok(match isolation {
                Isolation::Namespaces => {
                    let executor = NamespaceExecutor::new(store)?;
                    Arc::new(match keeps {
                        Some(group) => executor.keeping_failures(group),
                        None => executor,
                    })
                }
                Isolation::None => {
                    let executor = PlainExecutor::new(store)?;
                    Arc::new(match keeps {
                        Some(group) => executor.keeping_failures(group),
                        None => executor,
                    })
                }
            })
        })
    }
}
