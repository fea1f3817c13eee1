//! What is told of a captured tree. Nothing is decided by it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use straylight_exec::{Remote, capture};
use straylight_odb::{Digest, LocalStore, Sha256, layout};

use crate::error::{CommandError, Result};
use crate::ui;

/// Where a tree was captured. Kept in the cache beside the tree, and longer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    /// What was captured: `gcc`.
    pub(super) what: String,
    pub(super) version: String,
    /// When it was last captured on this machine, in RFC 3339.
    pub(super) captured: String,
    /// What the system calls itself.
    pub(super) system: Option<String>,
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// The system's packages that hold its files, as `name version`.
    pub(super) packages: Vec<String>,
}

impl Origin {
    pub(super) fn new(what: &str, version: &str, files: usize, bytes: u64) -> Self {
        let now = Timestamp::now().as_second();
        let now = Timestamp::from_second(now).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            what: what.to_owned(),
            version: version.to_owned(),
            captured: now.to_string(),
            system: system_name(),
            files,
            bytes,
            packages: Vec::new(),
        }
    }

    /// Keeps it for the tree `digest`, and tells what was captured.
    pub(super) fn keep(mut self, store: &LocalStore, digest: &Digest) -> Result<()> {
        self.packages = capture::packages(store, digest)?;
        let bytes = serde_json::to_vec_pretty(&self)
            .map_err(|error| CommandError::environment(format!("cannot write JSON: {error}")))?;
        store.write_record(&layout::capture(digest.sha256()), &bytes)?;
        let uri = digest.sha256().to_ca_uri();
        ui::result(format_args!("{} {}  {uri}", self.what, self.version));
        ui::message(format_args!("captured {}", self.extent()));
        Ok(())
    }

    /// Tells those who use the bucket what this machine knows of a tree.
    pub(super) fn upload(store: &LocalStore, remote: &Remote, sha256: Sha256) -> Result<()> {
        let key = layout::capture(sha256);
        if let Some(record) = store.read_record(&key)? {
            remote.bucket()?.put_if_absent(&key, &record)?;
        }
        Ok(())
    }

    /// Returns what this machine knows of the tree with this hash. A record
    /// that cannot be read is none.
    pub(super) fn find(store: &LocalStore, sha256: Sha256) -> Result<Option<Self>> {
        let record = store.read_record(&layout::capture(sha256))?;
        Ok(record.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Returns how large the tree is.
    pub(super) fn extent(&self) -> String {
        let size = ui::size(self.bytes);
        format!("{}, {size}", ui::count(self.files, "file"))
    }
}

fn system_name() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let mut lines = text.lines();
    let name = lines.find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}
