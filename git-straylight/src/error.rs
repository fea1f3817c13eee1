//! What ends a command early: a message, hints, and a stable exit code.

use std::fmt;
use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
use std::sync::Arc;

use straylight_attest::allowed_signers::AllowedSignersError;
use straylight_attest::log::LogError;
use straylight_attest::notes::NotesError;
use straylight_attest::record::RecordError;
use straylight_attest::ssh::SshError;
use straylight_build::BuildError;
use straylight_build::tree::TreeError;
use straylight_dhall::ErrorKind;
use straylight_exec::ExecError;
use straylight_exec::capture::CaptureError;
use straylight_exec::remote::RemoteError;
use straylight_hooks::InstallError;
use straylight_odb::StoreError;
use straylight_odb::bucket::BucketError;
use straylight_odb::import::ImportError;
use straylight_odb::libgit2::OpenError;
use straylight_odb::manifest::ManifestError;
use straylight_odb::odb::OdbError;
use straylight_odb::repo::RepoError;
use straylight_serve::ServeError;

/// Why a command did not succeed. The number is the exit code, and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A build, a test or a verification has a negative result.
    Negative = 1,
    /// The command line, or a file of the repository, is not right.
    Usage = 2,
    /// Something that was asked for does not exist.
    Missing = 3,
    /// There is an answer, from somebody who is not believed.
    Untrusted = 5,
    /// This machine cannot do it: no namespaces, no git, a full disk.
    Environment = 6,
    /// The user stopped it.
    Interrupted = 130,
}

/// An error with what a user needs: what, where, and what to do next.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    /// Without a leading `error:`. Empty if everything has been said.
    pub(crate) message: String,
    /// Where it is written, as `file:line:column`.
    pub(crate) place: Option<String>,
    /// Text that was laid out already: a snippet, or what a command printed.
    pub(crate) detail: Option<String>,
    pub(crate) hints: Vec<String>,
    /// What is wrong with a Dhall text, for who asks for more.
    dhall: Option<Box<straylight_dhall::Error>>,
}

pub(crate) type Result<T> = std::result::Result<T, CommandError>;

impl CommandError {
    pub(crate) fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            place: None,
            detail: None,
            hints: Vec::new(),
            dhall: None,
        }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn missing(message: impl fmt::Display) -> Self {
        Self::new(Kind::Missing, message)
    }

    pub(crate) fn environment(message: impl fmt::Display) -> Self {
        Self::new(Kind::Environment, message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the expressions that a mistake in a Dhall text is in.
    #[must_use]
    pub(crate) fn with_trace(mut self) -> Self {
        if let Some(dhall) = &self.dhall {
            let detail = self.detail.get_or_insert_default();
            *detail = format!("{}\n\n{}", detail.trim_end(), dhall.trace());
        }
        self
    }

    /// Returns a closure that wraps an I/O error with what was tried.
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| {
            let kind = match error.kind() {
                NotFound | NotADirectory => Kind::Missing,
                IsADirectory => Kind::Usage,
                _ => Kind::Environment,
            };
            Self::new(kind, format!("cannot {action} `{path}`: {error}"))
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let cure = error.cure();
        let mut result = Self::environment(error);
        result.hints.extend(cure.map(str::to_owned));
        result
    }
}

impl From<RepoError> for CommandError {
    fn from(error: RepoError) -> Self {
        let kind = match &error {
            RepoError::NotFound { .. } | RepoError::UnknownRevision { .. } => Kind::Missing,
            RepoError::NoWorkTree { .. } | RepoError::WrongKind { .. } => Kind::Usage,
            _ => Kind::Environment,
        };
        let is_unknown = matches!(error, RepoError::UnknownRevision { .. });
        let error = Self::new(kind, error);
        if is_unknown {
            return error.hint(
                "`git log --oneline --all` lists commits; `git fetch` gets what others pushed",
            );
        }
        error
    }
}

/// Errors of this machine, or of what it was told to use.
macro_rules! environment {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::environment(error)
            }
        })*
    };
}

environment!(
    straylight_attest::dsse::SignError,
    straylight_attest::signed_commit::SignedCommitError,
);

impl From<ManifestError> for CommandError {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Name { .. } => Self::usage(error),
            ManifestError::Bucket(error) => error.into(),
            error => Self::environment(error),
        }
    }
}

/// What is wrong with a Dhall text: it says where by itself.
impl From<straylight_dhall::Error> for CommandError {
    fn from(error: straylight_dhall::Error) -> Self {
        let mut result = Self::new(dhall_kind(&error), "");
        result.detail = Some(error.render(crate::ui::colored()));
        result.dhall = Some(Box::new(error));
        result
    }
}

fn dhall_kind(error: &straylight_dhall::Error) -> Kind {
    match error.kind() {
        ErrorKind::Wrong | ErrorKind::Exhausted => Kind::Usage,
        ErrorKind::Absent => Kind::Missing,
        ErrorKind::Unavailable => Kind::Environment,
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Repository(error) => error.into(),
            ImportError::Manifest(error) => error.into(),
            ImportError::Bucket(error) => error.into(),
            ImportError::File(error) => error.into(),
            error => Self::environment(error),
        }
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Odb(error) => error.into(),
            error => Self::environment(error),
        }
    }
}

impl From<LogError> for CommandError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Repository(error) => error.into(),
            error => Self::new(Kind::Untrusted, error).hint(
                "`git fetch origin +refs/straylight/*:refs/straylight/*` brings the log of \
                 `origin` back",
            ),
        }
    }
}

impl From<NotesError> for CommandError {
    fn from(error: NotesError) -> Self {
        match error {
            NotesError::Repository(error) => error.into(),
            error => Self::new(Kind::Untrusted, error).hint(
                "notes only show the log: without `refs/notes/straylight`, the log itself is read",
            ),
        }
    }
}

impl From<RecordError> for CommandError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Repository(error) => error.into(),
            RecordError::Log(error) => error.into(),
            RecordError::Notes(error) => error.into(),
            RecordError::Commit(error) => error.into(),
            error => Self::environment(error),
        }
    }
}

impl From<BucketError> for CommandError {
    fn from(error: BucketError) -> Self {
        Self::new(bucket_kind(&error), error)
    }
}

fn bucket_kind(error: &BucketError) -> Kind {
    match error {
        BucketError::NotFound { .. } => Kind::Missing,
        BucketError::Unsupported { .. } => Kind::Usage,
        _ => Kind::Environment,
    }
}

impl From<OdbError> for CommandError {
    fn from(error: OdbError) -> Self {
        match error {
            OdbError::NoRepository { .. } => Self::missing(error),
            OdbError::Manifest(error) => error.into(),
            error => Self::environment(error),
        }
    }
}

impl From<SshError> for CommandError {
    fn from(error: SshError) -> Self {
        match error {
            SshError::NoKey { .. } => {
                Self::missing(error).hint("a key in another place is named with `--key <file>`")
            }
            SshError::Io { ref source, .. } if source.kind() == NotFound => Self::missing(error),
            error => Self::usage(error),
        }
    }
}

impl From<AllowedSignersError> for CommandError {
    fn from(error: AllowedSignersError) -> Self {
        match error {
            AllowedSignersError::Io { ref source, .. } if source.kind() == NotFound => {
                Self::missing(error)
            }
            error => Self::usage(error),
        }
    }
}

impl From<InstallError> for CommandError {
    fn from(error: InstallError) -> Self {
        match error {
            InstallError::Repository(error) => error.into(),
            error => Self::usage(error),
        }
    }
}

impl From<ServeError> for CommandError {
    fn from(error: ServeError) -> Self {
        let kind = match &error {
            ServeError::NoRepository { .. } => Kind::Missing,
            ServeError::Request(_) => Kind::Usage,
            _ => Kind::Environment,
        };
        Self::new(kind, error)
    }
}

impl From<CaptureError> for CommandError {
    fn from(error: CaptureError) -> Self {
        let hint = error.hint();
        let mut result = Self::environment(error);
        result.hints.extend(hint);
        result
    }
}

impl From<ExecError> for CommandError {
    fn from(error: ExecError) -> Self {
        let hints = exec_hints(&error);
        let mut result = Self::environment(error);
        result.hints.extend(hints);
        result
    }
}

/// Says what to do about a sandbox that does not work.
fn exec_hints(error: &ExecError) -> Vec<String> {
    match error {
        ExecError::NamespacesUnavailable { cure, .. } => vec![
            cure.clone(),
            "`--isolation none` builds without a sandbox; its results are kept apart".to_owned(),
        ],
        error => error.cure().map(str::to_owned).into_iter().collect(),
    }
}

impl From<TreeError> for CommandError {
    fn from(error: TreeError) -> Self {
        let hint = error.hint();
        let mut result = match error {
            TreeError::Repository(error) => return error.into(),
            TreeError::Store(error) => return error.into(),
            error => Self::new(tree_kind(&error), error),
        };
        result.hints.extend(hint);
        result
    }
}

impl From<Arc<BuildError>> for CommandError {
    fn from(error: Arc<BuildError>) -> Self {
        let mut result = Self::new(build_kind(&error), &error);
        result.place = error.place().map(ToString::to_string);
        result.hints.extend(error.hint());
        match &*error {
            BuildError::Dhall(dhall) => {
                result.message.clear();
                result.detail = Some(dhall.render(crate::ui::colored()));
            }
            BuildError::Action(failure) => {
                result.detail = Some(crate::ui::action_output(failure));
                result.hints.extend(failure.kept.as_ref().map(|kept| {
                    format!("`git straylight sandbox {}` enters its sandbox", kept.name)
                }));
            }
            BuildError::Exec(exec) => result.hints.extend(exec_hints(exec)),
            BuildError::Store(store) => result.hints.extend(store.cure().map(str::to_owned)),
            _ => {}
        }
        result
    }
}

fn build_kind(error: &BuildError) -> Kind {
    match error {
        BuildError::Action(_) => Kind::Negative,
        BuildError::Cancelled => Kind::Interrupted,
        BuildError::Remote { error, .. } => remote_kind(error),
        BuildError::Exec(_) | BuildError::Store(_) | BuildError::Lost(_) => Kind::Environment,
        error if error.is_missing() => Kind::Missing,
        BuildError::Dhall(error) => dhall_kind(error),
        BuildError::Source { error, .. } => tree_kind(error),
        BuildError::Tree(error) => tree_kind(error),
        _ => Kind::Usage,
    }
}

impl From<RemoteError> for CommandError {
    fn from(error: RemoteError) -> Self {
        let hint = error.cure();
        Self::new(remote_kind(&error), error).hint(hint)
    }
}

fn remote_kind(error: &RemoteError) -> Kind {
    match error {
        RemoteError::Bucket(error) => bucket_kind(error),
        RemoteError::Tree(_) | RemoteError::Incomplete { .. } => Kind::Missing,
        RemoteError::Store(_) => Kind::Environment,
        RemoteError::Corrupt { .. } => Kind::Untrusted,
        RemoteError::Cancelled => Kind::Interrupted,
    }
}

fn tree_kind(error: &TreeError) -> Kind {
    match error {
        TreeError::Missing { .. } => Kind::Missing,
        TreeError::Io { .. } | TreeError::Repository(_) | TreeError::Store(_) => Kind::Environment,
        _ => Kind::Usage,
    }
}
