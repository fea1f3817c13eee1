//! `git straylight pin`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use straylight_build::PackagePath;
use straylight_dhall::{Expression, HttpImporter, ImportError, Location};
use straylight_odb::{Digest, LocalStore, Repository, Sha256};

use super::quoted;
use crate::error::{CommandError, Kind, Result};
use crate::setup::{open_store, remote};
use crate::ui;

/// Keep a file or a download for builds, and print the Dhall that names it
///
/// Builds never use the network: what a rule pins by its sha256 is taken from
/// the cache, and this puts it there, and into the bucket that `git config
/// straylight.bucket` names. Proxies are those of the environment.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file, or an `http` or `https` URL.
    #[arg(value_name = "FILE|URL")]
    from: String,
    /// Where actions see the file [default: the last part of its name].
    #[arg(long)]
    path: Option<String>,
    /// Refuse bytes that do not have this sha256.
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256>,
    /// Refuse a download that is larger, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    max_size: u64,
    /// Give up a download that takes longer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let is_url = ["http://", "https://"]
        .iter()
        .any(|scheme| args.from.starts_with(scheme));
    if is_url && has_password(&args.from) {
        return Err(CommandError::usage(
            "the URL has a user's name in it, which would be written down with it",
        )
        .hint("fetch the file otherwise, and pin that: `git straylight pin FILE`"));
    }
    let path = path(args, is_url)?;
    let store = open_store()?;
    let digest = match is_url {
        true => download(&store, args)?,
        false => copy(&store, args)?,
    };
    ui::result(record(&path, &digest, is_url.then_some(&*args.from))?);
    let size = digest.size();
    ui::message(format_args!("pinned {}", ui::count(size as usize, "byte")));
    // Bytes are pinned anywhere; a repository may know a bucket.
    let repository = Repository::from_environment().ok();
    if let Some(remote) = repository.as_ref().and_then(remote) {
        remote.upload_blob(&store, &digest)?;
        ui::message(format_args!("uploaded to {}", remote.url()));
    }
    Ok(ExitCode::SUCCESS)
}

fn has_password(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = host.find(['/', '?', '#']).unwrap_or(host.len());
    host[..end].contains('@')
}

/// Returns where actions see the file.
fn path(args: &Args, is_url: bool) -> Result<String> {
    let path = match &args.path {
        Some(path) => path.clone(),
        None => {
            let end = match is_url {
                true => args.from.find(['?', '#']).unwrap_or(args.from.len()),
                false => args.from.len(),
            };
            let location = args.from[..end].split_once("://");
            let location = location.map_or(&args.from[..end], |(_, rest)| rest);
            let name = location.rsplit_once('/').map(|(_, name)| name);
            let name = name.or((!is_url).then_some(location)).unwrap_or_default();
            name.to_owned()
        }
    };
    let problem = match PackagePath::new(&path) {
        Ok(_) if !path.is_empty() => return Ok(path),
        Ok(_) => format!("`{}` does not end with the name of a file", args.from),
        Err(_) => format!("`{path}` is not the path of a file below a folder"),
    };
    Err(CommandError::usage(problem).hint("give it one: `--path include/data.h`"))
}

fn copy(store: &LocalStore, args: &Args) -> Result<Digest> {
    let path = Path::new(&args.from);
    let mut file = File::open(path).map_err(CommandError::io("read", path))?;
    let metadata = file.metadata().map_err(CommandError::io("read", path))?;
    if !metadata.is_file() {
        return Err(CommandError::usage(format!(
            "`{}` is not a file",
            args.from
        )));
    }
    let fill = |to: &mut dyn Write| -> Result<()> {
        io::copy(&mut file, to).map_err(CommandError::io("copy", path))?;
        Ok(())
    };
    store.write_accepted(fill, |digest| accept(args, digest))
}

fn download(store: &LocalStore, args: &Args) -> Result<Digest> {
    let client = HttpImporter::new()
        .with_environment_proxy()
        .with_largest(args.max_size.saturating_mul(1 << 20))
        .with_timeout(Duration::from_secs(args.timeout));
    let fill = |to: &mut dyn Write| -> Result<()> {
        let mut counted = Counted::new(to);
        let fetched = client.download(&args.from, &mut counted);
        counted.clear();
        fetched.map(drop).map_err(|error| not_fetched(&error))
    };
    store.write_accepted(fill, |digest| accept(args, digest))
}

fn not_fetched(error: &ImportError) -> CommandError {
    let (kind, hint) = match error {
        ImportError::Refused { .. } => (
            Kind::Usage,
            "name the URL that has the file; `--max-size` allows more bytes",
        ),
        ImportError::Absent { .. } => (Kind::Missing, "check the URL"),
        ImportError::Unreachable { .. } => (
            Kind::Environment,
            "check the URL and the network; a file that was fetched otherwise: `git straylight pin FILE`",
        ),
        ImportError::Unreadable { .. } => (
            Kind::Environment,
            "`SSL_CERT_FILE` names authorities that the system does not know; proxies are those \
             of the environment",
        ),
    };
    CommandError::new(kind, error).hint(hint)
}

/// Takes the bytes that were asked for; any, if none were.
fn accept(args: &Args, digest: &Digest) -> Result<()> {
    match args.sha256 {
        Some(wanted) if wanted != digest.sha256() => Err(CommandError::new(
            Kind::Negative,
            format!(
                "`{}` has the sha256 {}, not {wanted}",
                args.from,
                digest.sha256()
            ),
        )
        .hint("nothing was kept; what is there now is not what was pinned")),
        _ => Ok(()),
    }
}

/// Returns the Dhall that names the bytes.
fn record(path: &str, digest: &Digest, url: Option<&str>) -> Result<Expression> {
    let urls = match url {
        Some(url) => format!("[ {} ]", quoted(url)),
        None => "[] : List Text".to_owned(),
    };
    let text = format!(
        "Dice.Source.Pinned {{ path = {}, sha256 = \"{}\", size = {}, urls = {urls} }}",
        quoted(path),
        digest.sha256(),
        digest.size()
    );
    let location = Location::Input("pin".to_owned());
    Ok(Expression::parse(&location, &text)?)
}

/// Shows on a terminal how much was written.
struct Counted<'a> {
    to: &'a mut dyn Write,
    written: u64,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl<'a> Counted<'a> {
    fn new(to: &'a mut dyn Write) -> Self {
        Self {
            to,
            written: 0,
            shown: None,
            is_terminal: io::stderr().is_terminal(),
        }
    }

    fn show(&mut self) {
        let is_due = self
            .shown
            .is_none_or(|shown| shown.elapsed() > Duration::from_millis(100));
        if self.is_terminal && is_due {
            self.shown = Some(Instant::now());
            let size = ui::size(self.written);
            let _ = write!(io::stderr(), "\r\x1b[2Kfetched {size}");
        }
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.written += written as u64;
        self.show();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
