//! `git straylight verify`.

mod evidence;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use straylight_attest::allowed_signers::AllowedSigners;
use straylight_attest::policy::{Outcome, Policy, Status, Verdict};
use straylight_attest::record::{candidates, logged};
use straylight_attest::verify::{Artifact, Question, verify};
use straylight_attest::{Envelope, Statement};
use straylight_build::materialize::OUTPUT_FOLDER;
use straylight_odb::ObjectId;
use straylight_odb::local::hash_file;

use super::attest::short;
use crate::error::{CommandError, Kind, Result};
use crate::setup::Workspace;
use crate::ui;

/// Check attestations
///
/// Nothing is fetched and nothing is built. Each check is printed with what it
/// was made on. Exit codes: 0 verified, 1 contradicted, 3 no attestation, 4
/// about something else, 5 by nobody who is trusted.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A revision, a target (`//folder:name`), or a file.
    #[arg(default_value = "HEAD")]
    what: String,
    /// The commit whose target it is.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    at: String,
    /// Who may sign: a file as `ssh-keygen -Y verify` reads it, from outside
    /// the tree [default: git's `straylight.allowedSignersFile`, then
    /// `gpg.ssh.allowedSignersFile`].
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
    /// Believe only this signer; can be given more than once.
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Vec<String>,
    /// Print hashes in full.
    #[arg(short, long)]
    verbose: bool,
}

/// What was asked: the envelopes that may answer, and what they must say.
struct Case {
    candidates: BTreeSet<Envelope>,
    question: Question,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let signers = allowed_signers(&workspace, args.allowed_signers.as_deref())?;
    let policy = Policy {
        principals: args.principal.clone(),
        repository: workspace.repository.config_string("straylight.repository"),
        ..Policy::new(&signers, Timestamp::now())
    };
    let mut worst = 0;
    for (number, case) in cases(&workspace, args)?.into_iter().enumerate() {
        let verdict = judge(&workspace, &policy, case)?;
        if number > 0 {
            ui::result("");
        }
        show(&verdict, args.verbose);
        worst = worst.max(verdict.outcome.exit_code());
    }
    Ok(ExitCode::from(worst))
}

/// Finds what the argument means: a target, a file, or a revision.
fn cases(workspace: &Workspace, args: &Args) -> Result<Vec<Case>> {
    if args.what.starts_with("//") || args.what.starts_with(':') {
        return target_cases(workspace, args);
    }
    let path = Path::new(&args.what);
    if path.is_file() {
        return Ok(vec![file_case(workspace, args, path)?]);
    }
    let commit = workspace.repository.resolve(&args.what).map_err(|error| {
        CommandError::from(error).hint("name a revision, a target such as `//folder`, or a file")
    })?;
    let commit = workspace.repository.read_commit(commit)?.id;
    commit_cases(workspace, commit)
}

/// One case for each target that is attested at a commit.
fn commit_cases(workspace: &Workspace, commit: ObjectId) -> Result<Vec<Case>> {
    let candidates = candidates(&workspace.repository, commit)?;
    let labels: BTreeSet<Option<String>> = candidates.iter().map(label).collect();
    let case = |label: Option<String>| Case {
        candidates: candidates.clone(),
        question: Question {
            commit: Some(commit),
            label,
            ..Question::default()
        },
    };
    if labels.is_empty() {
        return Ok(vec![case(None)]);
    }
    Ok(labels.into_iter().map(case).collect())
}

fn target_cases(workspace: &Workspace, args: &Args) -> Result<Vec<Case>> {
    let references = workspace.references(std::slice::from_ref(&args.what))?;
    let builder = workspace.reader(Some(&args.at))?;
    let commit = workspace.commit(&args.at)?.id;
    let candidates = candidates(&workspace.repository, commit)?;
    let labels = builder.select(&references)?;
    let case = |label: &straylight_build::Label| Case {
        candidates: candidates.clone(),
        question: Question {
            commit: Some(commit),
            label: Some(label.to_string()),
            ..Question::default()
        },
    };
    Ok(labels.iter().map(case).collect())
}

/// A file: below `straylight-out` it should be what its path says, at this
/// commit; elsewhere, anything that was ever attested.
fn file_case(workspace: &Workspace, args: &Args, path: &Path) -> Result<Case> {
    let sha256 = hash_file(path)?.sha256();
    let full = std::fs::canonicalize(path).map_err(CommandError::io("read", path))?;
    let below = workspace
        .repository
        .work_tree()
        .and_then(|root| std::fs::canonicalize(root).ok())
        .and_then(|root| Some(full.strip_prefix(root.join(OUTPUT_FOLDER)).ok()?.to_owned()));
    let name = below
        .as_deref()
        .and_then(Path::to_str)
        .filter(|name| !name.starts_with("at/"));
    let (commit, candidates) = match name {
        Some(_) => {
            let commit = workspace.commit(&args.at)?.id;
            (Some(commit), candidates(&workspace.repository, commit)?)
        }
        None => (None, logged(&workspace.repository)?),
    };
    Ok(Case {
        candidates,
        question: Question {
            commit,
            artifacts: vec![Artifact {
                name: name.map(str::to_owned),
                sha256: Some(sha256),
            }],
            ..Question::default()
        },
    })
}

/// Verifies in two steps: what a trusted signer says decides which evidence is
/// looked for; then all of it is checked.
fn judge(workspace: &Workspace, policy: &Policy<'_>, case: Case) -> Result<Verdict> {
    let repository = &workspace.repository;
    let first = verify(repository, policy, &case.question, &case.candidates)?;
    let chosen = case
        .candidates
        .into_iter()
        .find(|envelope| Some(envelope.digest()) == first.envelope);
    let (Outcome::Verified | Outcome::Negative, Some(envelope)) = (first.outcome, chosen) else {
        return Ok(first);
    };
    let Ok(statement) = Statement::from_bytes(envelope.payload()) else {
        return Ok(first);
    };
    let question = evidence::gather(workspace, case.question, &statement)?;
    let only = BTreeSet::from([envelope]);
    Ok(verify(repository, policy, &question, &only)?)
}

fn label(envelope: &Envelope) -> Option<String> {
    Some(Statement::from_bytes(envelope.payload()).ok()?.label)
}

/// Reads who may sign, from a file that the verified tree cannot change.
fn allowed_signers(workspace: &Workspace, explicit: Option<&Path>) -> Result<AllowedSigners> {
    let repository = &workspace.repository;
    let path = match explicit {
        Some(path) => Some(path.to_owned()),
        None => match repository.config_path("straylight.allowedSignersFile")? {
            Some(path) => Some(path),
            None => repository.config_path("gpg.ssh.allowedSignersFile")?,
        },
    };
    let Some(path) = path else {
        return Err(
            CommandError::usage("nobody is trusted: there is no file of allowed signers").hint(
                "name one with `--allowed-signers`, or `git config straylight.allowedSignersFile \
                 <file>`; each line is `<principal> <public key>`",
            ),
        );
    };
    refuse_tracked(workspace, &path)?;
    Ok(AllowedSigners::read(&path)?)
}

/// A tree must not say who is believed about it.
fn refuse_tracked(workspace: &Workspace, path: &Path) -> Result<()> {
    let Some(root) = workspace.repository.work_tree() else {
        return Ok(());
    };
    // Neither the file nor a link to it may be in the tree.
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default();
    let link = std::fs::canonicalize(folder).map(|folder| folder.join(name));
    let root = std::fs::canonicalize(root).map_err(CommandError::io("read", root))?;
    for full in [std::fs::canonicalize(path), link].into_iter().flatten() {
        refuse_inside(workspace, &root, &full)?;
    }
    Ok(())
}

fn refuse_inside(workspace: &Workspace, root: &Path, path: &Path) -> Result<()> {
    let inside = path.strip_prefix(root).ok().and_then(Path::to_str);
    match inside {
        Some(inside) if workspace.repository.tracked(inside)? => Err(CommandError::new(
            Kind::Untrusted,
            format!("`{inside}` is part of the tree, which must not say who is believed about it"),
        )
        .hint("keep the allowed signers outside the repository, or untracked in `.git`")),
        _ => Ok(()),
    }
}

fn show(verdict: &Verdict, verbose: bool) {
    for check in &verdict.checks {
        let status = match check.status {
            Status::Passed => ui::styled(ui::GOOD, "passed"),
            Status::Failed => ui::styled(ui::BAD, "FAILED"),
            Status::NotChecked => ui::styled(ui::FAINT, "not checked"),
        };
        // Hashes that differ are shown in full: somebody has to find them.
        let evidence = if verbose || check.status == Status::Failed {
            check.evidence.clone()
        } else {
            abridged(&check.evidence)
        };
        ui::result(format_args!("{:<10} {status}: {evidence}", check.name));
    }
    let conclusion = match verdict.outcome {
        Outcome::Verified => ui::styled(ui::GOOD, format!("verified: {}", verdict.assurance)),
        Outcome::Negative => ui::styled(ui::BAD, "refused: the attestation says otherwise"),
        Outcome::Missing => ui::styled(ui::BAD, "refused: no attestation"),
        Outcome::Stale => ui::styled(ui::BAD, "refused: attested was something else"),
        Outcome::Untrusted => ui::styled(ui::BAD, "refused: nobody who is trusted says so"),
    };
    ui::result(conclusion);
}

/// Returns a text with the ids of objects and the hashes in it cut short, as
/// people quote them.
fn abridged(text: &str) -> String {
    let is_id = |word: &str| {
        matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let cut = words.map(|word| {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let end = &word[bare.len()..];
        let bare = if is_id(bare) { short(bare) } else { bare };
        format!("{bare}{end}")
    });
    cut.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_cut_short_and_nothing_else() {
        let (id, sha256) = ("ab".repeat(20), "0123".repeat(16));
        assert_eq!(abridged(&id), "abababababab");
        assert_eq!(
            abridged(&format!("`out/a` has sha256 {sha256}, at {id}.")),
            "`out/a` has sha256 012301230123, at abababababab."
        );
        let other = format!("`{}` {}0 SHA256:OlR8/x+{}", "ab".repeat(19), id, "é");
        assert_eq!(abridged(&other), other);
    }
}
