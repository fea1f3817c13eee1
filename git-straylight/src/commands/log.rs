//! `git straylight log`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use straylight_attest::notes::NOTES_REF;
use straylight_attest::record::candidates;
use straylight_attest::{Envelope, Statement};
use straylight_odb::{PackCache, Repository};

use super::attest::short;
use super::bucket;
use crate::error::{CommandError, Result};
use crate::setup::cache_folder;
use crate::ui;

/// Show history with its attestations
///
/// With `--repo`, reads a repository in a bucket, without a clone. What is
/// shown is what the attestations say; `verify` checks them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where history is followed from.
    #[arg(default_value = "HEAD")]
    revision: String,
    /// Show at most so many commits.
    #[arg(short = 'n', long, default_value_t = 20)]
    max_count: usize,
    /// A repository in a bucket: `file:///bucket#name`
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
}

/// A commit as it is shown.
struct Line {
    id: String,
    time: i64,
    author: String,
    summary: String,
    envelopes: BTreeSet<Envelope>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let lines = match &args.repo {
        Some(url) => in_bucket(url, args)?,
        None => here(args)?,
    };
    for line in &lines {
        show(line);
    }
    Ok(ExitCode::SUCCESS)
}

fn here(args: &Args) -> Result<Vec<Line>> {
    let repository = Repository::from_environment()?;
    let mut lines = Vec::new();
    for id in repository
        .rev_list(&args.revision)?
        .into_iter()
        .take(args.max_count)
    {
        let commit = repository.read_commit(id)?;
        lines.push(Line {
            id: id.to_string(),
            time: commit.author.seconds,
            author: commit.author.name.to_string(),
            summary: summary(&commit.message),
            envelopes: candidates(&repository, id)?,
        });
    }
    Ok(lines)
}

/// Reads through libgit2, whose objects and refs come from the bucket.
fn in_bucket(url: &str, args: &Args) -> Result<Vec<Line>> {
    let (bucket, name) = bucket::locate(url)?;
    let cache = Arc::new(PackCache::open(cache_folder()?)?);
    let repository = straylight_odb::libgit2::open(&bucket, &name, &cache)?;
    let tip = repository
        .revparse_single(&args.revision)
        .and_then(|object| object.peel_to_commit())
        .map_err(|error| match error.code() {
            // Only libgit2 itself has these; a bucket that cannot be read is
            // an error of another kind.
            git2::ErrorCode::NotFound | git2::ErrorCode::InvalidSpec => {
                CommandError::missing(format!("unknown revision `{}`", args.revision))
            }
            _ => unreadable(error),
        })?;
    let mut walk = repository.revwalk().map_err(unreadable)?;
    walk.push(tip.id()).map_err(unreadable)?;
    let mut lines = Vec::new();
    for id in walk.take(args.max_count) {
        let id = id.map_err(unreadable)?;
        let commit = repository.find_commit(id).map_err(unreadable)?;
        let notes = match repository.find_note(Some(NOTES_REF), id) {
            Ok(note) => note.message_bytes().to_vec(),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(error)),
        };
        lines.push(Line {
            id: id.to_string(),
            time: commit.author().when().seconds(),
            author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
            summary: summary(&String::from_utf8_lossy(commit.message_bytes())),
            envelopes: envelopes(&notes),
        });
    }
    Ok(lines)
}

fn unreadable(error: git2::Error) -> CommandError {
    CommandError::environment(format!("cannot read the repository: {}", error.message()))
}

fn envelopes(notes: &[u8]) -> BTreeSet<Envelope> {
    let lines = notes.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| Envelope::parse(line).ok())
        .collect()
}

fn summary(message: &(impl ToString + ?Sized)) -> String {
    message
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn show(line: &Line) {
    let date = jiff::Timestamp::from_second(line.time).map_or_else(
        |_| "?".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    );
    ui::result(format_args!(
        "{} {} {}  {}",
        ui::styled(ui::HIGHLIGHT, short(&line.id)),
        ui::styled(ui::FAINT, date),
        line.summary,
        ui::styled(ui::FAINT, &line.author),
    ));
    for envelope in &line.envelopes {
        let keys: Vec<&str> = envelope.claimed_keys().collect();
        let said = match Statement::from_bytes(envelope.payload()) {
            Ok(statement) => format!(
                "{} ({})",
                statement.label,
                ui::count(statement.subjects.len(), "artifact")
            ),
            Err(error) => error.to_string(),
        };
        ui::result(format_args!("    attests {said} by {}", keys.join(", ")));
    }
}
