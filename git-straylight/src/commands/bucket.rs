//! `git straylight bucket`.

use std::process::ExitCode;

use clap::Subcommand;
use straylight_odb::import::{ImportReport, import};
use straylight_odb::{Bucket, Repository};

use crate::error::{CommandError, Result};
use crate::ui;

/// Git in a bucket
#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Put this repository into a bucket
    ///
    /// Packs and refs go there as they are; one manifest makes them visible
    /// together. Done again, it adds what is new.
    Import {
        /// A folder: `file:///path`. It is made if it does not exist.
        url: String,
        /// The repository's name in the bucket [default: the name of its folder].
        #[arg(long)]
        name: Option<String>,
    },
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    let Command::Import { url, name } = command;
    let repository = Repository::from_environment()?;
    let name = match name {
        Some(name) => name.clone(),
        None => default_name(&repository)?,
    };
    let bucket = Bucket::create(url)?;
    let report = import(&repository, &bucket, &name)?;
    ui::result(format_args!("{url}#{name}"));
    ui::message(summary(&report));
    Ok(ExitCode::SUCCESS)
}

fn summary(report: &ImportReport) -> String {
    let refs = ui::count(report.refs, "ref");
    if !report.moved {
        return format!(
            "nothing to import: generation {} has all {refs}",
            report.generation
        );
    }
    let bytes: u64 = report.packs.iter().map(straylight_odb::Digest::size).sum();
    format!(
        "generation {}: {refs}, {} changed, {} of {} added",
        report.generation,
        report.changed_refs,
        ui::count(report.packs.len(), "pack"),
        ui::size(bytes)
    )
}

/// Returns the name of the repository's folder, without `.git`.
fn default_name(repository: &Repository) -> Result<String> {
    let git_dir = std::fs::canonicalize(repository.common_dir())
        .map_err(CommandError::io("read", repository.common_dir()))?;
    let folder = match git_dir.file_name().and_then(|name| name.to_str()) {
        Some(".git") => git_dir.parent().unwrap_or(&git_dir),
        _ => &git_dir,
    };
    let name = folder.file_name().and_then(|name| name.to_str());
    name.map(|name| name.strip_suffix(".git").unwrap_or(name).to_owned())
        .ok_or_else(|| {
            CommandError::usage("the repository's folder has no name for a bucket")
                .hint("give it one with `--name`")
        })
}

/// A repository in a bucket, as people name it: `<bucket url>#<name>`. The name
/// may be left away when the bucket has only one.
pub(crate) fn locate(url: &str) -> Result<(Bucket, String)> {
    let (bucket_url, name) = match url.rsplit_once('#') {
        Some((bucket, name)) => (bucket, Some(name.to_owned())),
        None => (url, None),
    };
    let bucket = Bucket::open(bucket_url)?;
    if let Some(name) = name {
        return Ok((bucket, name));
    }
    let mut names = straylight_odb::manifest::repositories(&bucket)?;
    match names.len() {
        1 => Ok((bucket, names.remove(0))),
        0 => Err(
            CommandError::missing(format!("`{url}` has no repositories"))
                .hint("`git straylight bucket import <url>` puts one there"),
        ),
        _ => Err(
            CommandError::usage(format!("`{url}` has several repositories"))
                .hint(format!("name one: `{url}#{}`", names[0])),
        ),
    }
}
