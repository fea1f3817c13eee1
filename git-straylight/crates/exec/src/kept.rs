//! Folders of actions that failed, kept to be looked into.
//!
//! `kept/{group}/{name}/` in the cache, where the group is the caller's (one for
//! each work tree) and the name is the beginning of the action's digest. `build`
//! is the folder as the action left it, its inputs as hard links to blobs;
//! `sandbox.cbor` says what else the command had. A folder is put together in the
//! executor's own and renamed, so nobody sees half of one, and a crash leaves
//! nothing. Who keeps an action again replaces what was kept of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use straylight_odb::{Digest, LocalStore, Sha256, layout};

use crate::action::{Isolation, Outcome, Request, Status, WORKING_DIRECTORY};
use crate::error::ExecError;
use crate::session::remove_tree;
use crate::staging::{Staged, make_folder};

/// The file beside the kept folder.
const RECORD: &str = "sandbox.cbor";

/// How many digits of an action's digest are the name of what is kept of it.
const NAME_LENGTH: usize = 12;

/// What was kept of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The beginning of the action's digest.
    pub name: String,
    path: PathBuf,
    in_cache: String,
    record: Record,
}

/// What a command had besides its folder.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Record {
    /// Whether the folder was seen through namespaces.
    #[n(0)]
    namespaces: bool,
    /// The root of its file system: the sha256 and the size of a folder node.
    #[n(1)]
    toolchain: Option<(ByteArray<32>, u64)>,
    #[n(2)]
    writable: Vec<String>,
    #[n(3)]
    protected: Vec<String>,
    #[n(4)]
    arguments: Vec<String>,
    #[n(5)]
    environment: Vec<(String, String)>,
}

/// Keeps folders for one group.
#[derive(Debug)]
pub(crate) struct Keeper {
    isolation: Isolation,
    cache: PathBuf,
    group: String,
}

impl Keeper {
    pub(crate) fn new(store: &LocalStore, group: Sha256, isolation: Isolation) -> Self {
        Self {
            isolation,
            cache: store.root().to_owned(),
            group: layout::kept(group),
        }
    }

    /// Keeps the folder of an action that did not do what it declares.
    pub(crate) fn keep(
        &self,
        staged: &mut Staged,
        request: &Request,
        outcome: &mut Outcome,
    ) -> Result<(), ExecError> {
        let failed = !outcome.is_success() || !outcome.undeclared.is_empty();
        if !failed || outcome.status == Status::Cancelled {
            return Ok(());
        }
        let record = self.record(staged, request);
        let fresh = staged.path().join("kept");
        make_folder(&fresh)?;
        let file = fresh.join(RECORD);
        let bytes = minicbor::to_vec(&record).expect("a vector accepts all bytes");
        fs::write(&file, bytes).map_err(ExecError::io("write", &file))?;
        fs::rename(staged.build(), fresh.join(WORKING_DIRECTORY))
            .map_err(ExecError::io("keep", staged.build()))?;
        staged.taken();
        let name = request.action.sha256().to_string()[..NAME_LENGTH].to_owned();
        let in_cache = format!("{}/{name}", self.group);
        let path = self.cache.join(&in_cache);
        let group = self.cache.join(&self.group);
        fs::create_dir_all(&group).map_err(ExecError::io("create", &group))?;
        remove_tree(&path).map_err(ExecError::io("remove", &path))?;
        fs::rename(&fresh, &path).map_err(ExecError::io("write", &path))?;
        outcome.kept = Some(Kept {
            name,
            path,
            in_cache,
            record,
        });
        Ok(())
    }

    fn record(&self, staged: &Staged, request: &Request) -> Record {
        let variables = &request.command.environment_variables;
        let environment = variables
            .iter()
            .map(|variable| (variable.name.clone(), variable.value.clone()));
        Record {
            namespaces: self.isolation == Isolation::Namespaces,
            toolchain: request
                .toolchain
                .map(|root| ((*root.sha256().as_raw()).into(), root.size())),
            writable: staged.writable().to_vec(),
            protected: staged.protected(request),
            arguments: request.command.arguments.clone(),
            environment: environment.collect(),
        }
    }
}

impl Kept {
    /// Returns what is kept for a group, sorted by name.
    ///
    /// # Errors
    /// [`ExecError::Io`] when the folder cannot be read.
    pub fn all(store: &LocalStore, group: Sha256) -> Result<Vec<Self>, ExecError> {
        let group = layout::kept(group);
        let folder = store.root().join(&group);
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ExecError::io("read", folder)(error)),
        };
        let names = listing.flatten().map(|entry| entry.file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        // One that goes away meanwhile, or is damaged, is none.
        let kept = names.filter_map(|name| Self::read(&folder, &group, name));
        let mut kept: Vec<Self> = kept.collect();
        kept.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(kept)
    }

    fn read(folder: &Path, group: &str, name: String) -> Option<Self> {
        let path = folder.join(&name);
        let bytes = fs::read(path.join(RECORD)).ok()?;
        Some(Self {
            record: minicbor::decode(&bytes).ok()?,
            in_cache: format!("{group}/{name}"),
            path,
            name,
        })
    }

    /// Returns the command that failed: the program and its arguments.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.record.arguments
    }

    /// Returns the environment that the command had.
    #[must_use]
    pub fn environment(&self) -> &[(String, String)] {
        &self.record.environment
    }

    /// Returns the folder in which the command ran.
    #[must_use]
    pub fn build(&self) -> PathBuf {
        self.path.join(WORKING_DIRECTORY)
    }

    /// Returns what separated the command from the machine.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        if self.record.namespaces {
            Isolation::Namespaces
        } else {
            Isolation::None
        }
    }

    /// The folder in which the command ran, relative to the cache.
    pub(crate) fn build_in_cache(&self) -> String {
        format!("{}/{WORKING_DIRECTORY}", self.in_cache)
    }

    pub(crate) fn toolchain(&self) -> Option<Digest> {
        let (sha256, size) = self.record.toolchain?;
        Some(Digest::new(Sha256::from_raw(sha256.into()), size))
    }

    /// Folders below `build` that can be written.
    pub(crate) fn writable(&self) -> &[String] {
        &self.record.writable
    }

    /// What lies in those and can not.
    pub(crate) fn protected(&self) -> &[String] {
        &self.record.protected
    }

    /// Removes what is kept for a group.
    ///
    /// # Errors
    /// [`ExecError::Io`].
    pub fn remove_all(store: &LocalStore, group: Sha256) -> Result<(), ExecError> {
        let folder = store.root().join(layout::kept(group));
        remove_tree(&folder).map_err(ExecError::io("remove", &folder))
    }

    /// Removes it. What is gone already is no error.
    ///
    /// # Errors
    /// [`ExecError::Io`].
    pub fn remove(&self) -> Result<(), ExecError> {
        remove_tree(&self.path).map_err(ExecError::io("remove", &self.path))
    }
}
