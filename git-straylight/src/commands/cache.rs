//! `git straylight cache`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Subcommand;
use serde_json::json;
use straylight_attest::dsse::Envelope;
use straylight_build::cache::{self, Collection, Limits, Status, WorkTreeRecord};
use straylight_exec::Kept;
use straylight_odb::inventory::Kind as EntryKind;
use straylight_odb::{LocalStore, Repository, Sha256};

use crate::error::{CommandError, Kind, Result};
use crate::setup::open_store;
use crate::ui;

/// The results that all your clones share
///
/// They lie in `$XDG_CACHE_HOME/straylight`. Removing any of it, by whatever
/// means, costs time and nothing else.
#[derive(Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Say what is in the cache
    Status {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read everything, and remove what is damaged
    ///
    /// Prints a line for each damaged file; the next build that needs it makes
    /// it again. Exit code 1 if there was any.
    Fsck {
        /// How many files are read at once [default: the number of processors].
        #[arg(short, long, value_name = "N")]
        jobs: Option<std::num::NonZeroUsize>,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove what nobody needs
    ///
    /// Keeps what the last builds of each work tree used, what the Dhall files
    /// of their branches pin by hash, what attestations name, and what was made
    /// recently. Builds may run meanwhile.
    Gc(GcArgs),
}

#[derive(clap::Args)]
pub(crate) struct GcArgs {
    /// Keep at most this much, the most recent first: `500MiB`, `10GiB`.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    budget: Option<u64>,
    /// Remove results of this age that no work tree uses: `12h`, `30d`.
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "30d")]
    older_than: Duration,
    /// Leave alone what is younger: a build may be about to use it.
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "1h")]
    grace: Duration,
    /// Remove nothing, and say what would be.
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Status { json } => status(*json),
        Command::Fsck { jobs, json } => fsck(jobs.map(usize::from), *json),
        Command::Gc(args) => collect(args),
    }
}

fn status(json: bool) -> Result<ExitCode> {
    let store = open_store()?;
    let status = cache::status(&store)?;
    let limits = Limits {
        budget: None,
        older_than: age("30d").unwrap_or_default(),
        grace: age("1h").unwrap_or_default(),
        now: SystemTime::now(),
    };
    let (work_trees, pins) = roots(&store)?;
    let unused = Collection::plan(&store, &work_trees, pins, &limits)?;
    let Status {
        blobs,
        bytes,
        toolchains,
        specs,
        traces,
        claims,
        attestations,
    } = status;
    if json {
        ui::result(json!({
            "path": store.root(),
            "blobs": blobs, "bytes": bytes, "toolchains": toolchains, "specs": specs,
            "traces": traces, "claims": claims, "attestations": attestations,
            "worktrees": work_trees.len(), "unused": unused.bytes(),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    ui::result(format_args!("{}", store.root().display()));
    ui::result(format_args!("{blobs:>9} blobs, {}", ui::size(bytes)));
    for (count, [one, many], what) in [
        (toolchains, ["toolchain", "toolchains"], " laid out"),
        (claims, ["action", "actions"], " with a known result"),
        (traces, ["trace", "traces"], ""),
        (specs, ["target", "targets"], ""),
        (attestations, ["attestation", "attestations"], ""),
        (
            work_trees.len(),
            ["work tree builds", "work trees build"],
            " with it",
        ),
    ] {
        let noun = if count == 1 { one } else { many };
        ui::result(format_args!("{count:>9} {noun}{what}"));
    }
    let unused = ui::size(unused.bytes());
    ui::message(format_args!(
        "`git straylight cache gc` would free {unused}"
    ));
    Ok(ExitCode::SUCCESS)
}

fn fsck(jobs: Option<usize>, json: bool) -> Result<ExitCode> {
    let store = open_store()?;
    let threads = jobs.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    });
    let checked = cache::check(&store, threads)?;
    if json {
        let damaged = checked.damaged.iter().map(|damaged| {
            json!({
                "key": damaged.key, "reason": damaged.reason, "removed": damaged.removed,
            })
        });
        ui::result(json!({
            "files": checked.files, "bytes": checked.bytes,
            "damaged": damaged.collect::<Vec<_>>(),
        }));
    } else {
        for damaged in &checked.damaged {
            let end = if damaged.removed {
                "removed"
            } else {
                "replaced meanwhile"
            };
            ui::result(format_args!("{}: {}; {end}", damaged.key, damaged.reason));
        }
    }
    let files = ui::count(checked.files, "file");
    let read = format!("{files} read, {}", ui::size(checked.bytes));
    if checked.damaged.is_empty() {
        ui::message(format_args!("{read}: all are what their names say"));
        return Ok(ExitCode::SUCCESS);
    }
    ui::message(format_args!(
        "{read}: {} damaged; what is needed of them is made again",
        checked.damaged.len()
    ));
    Ok(ExitCode::from(Kind::Negative as u8))
}

fn collect(args: &GcArgs) -> Result<ExitCode> {
    let store = open_store()?;
    let Some(lock) = store.lock_collection()? else {
        return Err(
            CommandError::environment("another `git straylight cache gc` is running")
                .hint("wait until it has ended"),
        );
    };
    let (work_trees, pins) = roots(&store)?;
    let limits = Limits {
        budget: args.budget,
        older_than: args.older_than,
        grace: args.grace,
        now: SystemTime::now(),
    };
    let unused = Collection::plan(&store, &work_trees, pins, &limits)?;
    let (files, bytes) = if args.dry_run {
        (unused.files(), unused.bytes())
    } else {
        for gone in work_trees.iter().filter(|tree| !tree.git_dir.is_dir()) {
            Kept::remove_all(&store, cache::id(&gone.git_dir))?;
            cache::forget(&store, gone)?;
        }
        unused.remove(&store, &lock)?
    };
    if args.json {
        ui::result(json!({
            "files": files, "bytes": bytes, "kept": unused.kept, "dry_run": args.dry_run,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let verb = if args.dry_run { "would free" } else { "freed" };
    ui::result(format_args!(
        "{verb} {} in {}; {} stay",
        ui::size(bytes),
        ui::count(files, "file"),
        ui::size(unused.kept)
    ));
    if let Some(budget) = args.budget.filter(|budget| unused.kept > *budget) {
        ui::message(format_args!(
            "more than {} stay: the rest is pinned, or younger than `--grace`",
            ui::size(budget)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the work trees that build with a store, and every hash that their
/// files and the store's attestations name.
fn roots(store: &LocalStore) -> Result<(Vec<WorkTreeRecord>, BTreeSet<Sha256>)> {
    let work_trees = cache::recorded(store)?;
    let mut pins = BTreeSet::new();
    for record in work_trees.iter().filter(|record| record.git_dir.is_dir()) {
        let pinned = Repository::discover(&record.work_tree)
            .and_then(|repository| repository.pinned_hashes());
        match pinned {
            Ok(pinned) => pins.extend(pinned),
            Err(error) => ui::warning(format_args!(
                "what `{}` pins is not known: {error}",
                record.work_tree.display()
            )),
        }
    }
    for entry in store.entries(EntryKind::Attestation)? {
        let path = store.entry_path(entry.kind, entry.sha256);
        let bytes = std::fs::read(path).unwrap_or_default();
        if let Ok(envelope) = Envelope::parse(bytes.trim_ascii_end()) {
            pins.extend(hashes(envelope.payload()));
        }
    }
    Ok((work_trees, pins))
}

/// Returns every sha256 that is written in a text.
fn hashes(text: &[u8]) -> Vec<Sha256> {
    let words = text.split(|byte| !byte.is_ascii_hexdigit());
    let words = words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok());
    words.collect()
}

/// Reads a number with a unit, such as `10GiB`.
fn number(text: &str, units: &[(&str, u64)], example: &str) -> std::result::Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(at.unwrap_or(text.len()));
    let scale = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()));
    let scaled = digits.parse::<u64>().ok().zip(scale);
    scaled
        .and_then(|(number, (_, scale))| number.checked_mul(*scale))
        .ok_or_else(|| {
            let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ").replace(", ,", ",");
            format!("write a number and a unit, as in `{example}` (units: {names})")
        })
}

fn size(text: &str) -> std::result::Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    number(text, &UNITS, "10GiB")
}

fn age(text: &str) -> std::result::Result<Duration, String> {
    const UNITS: [(&str, u64); 5] = [
        ("s", 1),
        ("min", 60),
        ("h", 3_600),
        ("d", 86_400),
        ("w", 604_800),
    ];
    number(text, &UNITS, "30d").map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_and_ages() {
        assert_eq!(size("10GiB"), Ok(10 << 30));
        assert_eq!(size("0B"), Ok(0));
        assert_eq!(size("5mb"), Ok(5_000_000));
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(age("90 min"), Ok(Duration::from_secs(5_400)));
        for wrong in [
            "",
            "GiB",
            "10",
            "-1GiB",
            "1.5GiB",
            "99999999TiB",
            "1 parsec",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "d", "10", "1y", "99999999999999999999s"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
