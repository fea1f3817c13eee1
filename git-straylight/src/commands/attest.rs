//! `git straylight attest`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use straylight_attest::dsse::IN_TOTO;
use straylight_attest::record::record;
use straylight_attest::signed_commit::Author;
use straylight_attest::ssh::{self, KeyChoice};
use straylight_attest::statement::{Named, Source, Statement, builder_id};
use straylight_attest::{Envelope, Signer};
use straylight_build::record::BuildRecord;
use straylight_build::state::State;
use straylight_build::{Built, Wanted};
use straylight_exec::trace::TraceContent;
use straylight_odb::repo::Commit;
use straylight_odb::{Repository, Sha256, layout};

use super::conclude;
use crate::error::{CommandError, Result};
use crate::options::HowArgs;
use crate::setup::{Setup, Workspace};
use crate::ui;

/// Sign what a commit builds
///
/// Builds the targets from the commit's objects, and records a signed in-toto
/// statement (SLSA provenance, in a DSSE envelope) for each, in
/// `refs/straylight/log` and `refs/notes/straylight`. Push those with the
/// commit: `git push --atomic origin main refs/straylight/log
/// refs/notes/straylight`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder`, `:name` or `//folder/...`
    #[arg(required = true)]
    labels: Vec<String>,
    /// The commit.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    at: String,
    /// An ed25519 key of OpenSSH [default: git's `user.signingKey`, then
    /// `~/.ssh/id_ed25519`].
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    how: HowArgs,
}

/// What is the same in all statements of one run.
struct Run {
    source: Source,
    isolation: &'static str,
    started: Timestamp,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let started = Timestamp::now();
    let workspace = Workspace::open()?;
    refuse_changes(&workspace, &args.at)?;
    let signer = signer(&workspace.repository, args.key.as_deref())?;
    let commit = workspace.commit(&args.at)?;
    let references = workspace.references(&args.labels)?;
    let setup = Setup::of_commit(
        &workspace,
        commit.clone(),
        Arc::new(State::forgetful()),
        None,
        &args.how,
    )?;
    let labels = setup.builder.select(&references)?;
    let report = setup.builder.build(&labels, Wanted::Outputs, None);
    let code = conclude(&workspace, &setup, &report)?;
    if !report.failures.is_empty() || setup.services.cancellation.is_cancelled() {
        return Ok(code);
    }
    let run = Run {
        source: source(&workspace, &commit)?,
        isolation: args.how.isolation_name(),
        started,
    };
    let mut envelopes = Vec::new();
    for built in &report.built {
        let statement = statement(&workspace, &run, built)?;
        let envelope = Envelope::sign(IN_TOTO, &statement.to_bytes(), &*signer)?;
        let key = layout::attestation(envelope.digest());
        workspace
            .store
            .write_record(&key, envelope.as_line().as_bytes())?;
        told(built, &statement, &envelope);
        envelopes.push(envelope);
    }
    let author = author(&workspace.repository);
    let now = Timestamp::now();
    let recorded = record(&workspace.repository, &*signer, &author, now, &envelopes)?;
    ui::message(format_args!(
        "signed by {}, logged as {}",
        signer.public_key().fingerprint(),
        short(&recorded.log.to_string())
    ));
    Ok(ExitCode::SUCCESS)
}

fn told(built: &Built, statement: &Statement, envelope: &Envelope) {
    ui::result(format_args!(
        "{} at {}  att {}",
        built.label,
        short(&statement.source.commit.to_string()),
        envelope.digest()
    ));
    for subject in &statement.subjects {
        ui::result(format_args!(
            "  {}  {}",
            subject.name,
            subject.sha256.to_ca_uri()
        ));
    }
}

/// Returns the first digits of an object's id, as people quote it.
pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// An attestation is about a commit: what is not in it would not be attested,
/// though whoever signs it sees it.
fn refuse_changes(workspace: &Workspace, at: &str) -> Result<()> {
    if at != "HEAD" || workspace.repository.work_tree().is_none() {
        return Ok(());
    }
    let changed = workspace.repository.dirty_paths()?;
    let Some(first) = changed.first() else {
        return Ok(());
    };
    let more = match changed.len() {
        1 => String::new(),
        paths => format!(" and {} more", paths - 1),
    };
    Err(CommandError::usage(format!(
        "`{first}`{more} changed since the last commit, and an attestation is about a commit"
    ))
    .hint("commit or stash the changes, or name the commit with `--at`"))
}

/// Returns the key that signs.
fn signer(repository: &Repository, explicit: Option<&Path>) -> Result<Box<dyn Signer>> {
    let signing_key = repository.config_string("user.signingKey");
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let agent = std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    Ok(ssh::select(&KeyChoice {
        explicit,
        signing_key: signing_key.as_deref(),
        home: home.as_deref(),
        agent: agent.as_deref(),
    })?)
}

fn author(repository: &Repository) -> Author {
    let configured = |key: &str, variable: &str| {
        std::env::var(variable)
            .ok()
            .or_else(|| repository.config_string(key))
            .unwrap_or_default()
    };
    Author {
        name: configured("user.name", "GIT_COMMITTER_NAME"),
        email: configured("user.email", "GIT_COMMITTER_EMAIL"),
    }
}

fn source(workspace: &Workspace, commit: &Commit) -> Result<Source> {
    Ok(Source {
        repository: workspace.repository.config_string("straylight.repository"),
        commit: commit.id,
        tree: commit.tree,
        root: source_root(workspace, commit)?,
    })
}

/// Returns the sha256 root of a commit's sources, from the blobs' own bytes.
pub(crate) fn source_root(workspace: &Workspace, commit: &Commit) -> Result<Sha256> {
    let tree = workspace.git_tree(commit, &Arc::new(State::forgetful()));
    Ok(tree.root_digest()?.sha256())
}

fn statement(workspace: &Workspace, run: &Run, built: &Built) -> Result<Statement> {
    let record = BuildRecord::of(built).expect("the build of a commit looks at every action");
    let bytes = record.encode();
    let trace = Sha256::of(&bytes);
    workspace
        .store
        .write_record(&layout::trace(trace), &bytes)?;
    let mut subjects: Vec<Named> = built
        .outputs
        .iter()
        .filter_map(|output| {
            let sha256 = match &output.content {
                TraceContent::File { digest, .. } => digest.sha256(),
                TraceContent::Directory { tree } => tree.sha256(),
                TraceContent::Symlink { .. } => return None,
            };
            let name = output.path.clone();
            Some(Named { name, sha256 })
        })
        .collect();
    subjects.sort_by(|a, b| a.name.cmp(&b.name));
    if subjects.is_empty() {
        return Err(CommandError::usage(format!(
            "`{}` has no outputs to attest",
            built.label
        )));
    }
    Ok(Statement {
        subjects,
        label: built.label.to_string(),
        configuration: configuration(built),
        internal: BTreeMap::new(),
        source: run.source.clone(),
        toolchains: toolchains(&record),
        builder: builder_id(run.isolation),
        invocation: format!("{trace}"),
        started: run.started,
        finished: Timestamp::now(),
        spec: built.spec,
        trace,
        actions: record.action_table(),
        proof: None,
    })
}

fn configuration(built: &Built) -> BTreeMap<String, String> {
    let configuration = &built.configuration;
    BTreeMap::from([
        ("host".to_owned(), configuration.host.to_string()),
        ("mode".to_owned(), format!("{:?}", configuration.mode)),
        ("target".to_owned(), configuration.target.to_string()),
    ])
}

fn toolchains(record: &BuildRecord) -> Vec<Named> {
    let digests = record.toolchains().into_iter();
    let parsed = digests.filter_map(|text| text.parse::<straylight_odb::Digest>().ok());
    parsed
        .map(|digest| Named {
            name: digest.sha256().to_ca_uri(),
            sha256: digest.sha256(),
        })
        .collect()
}
