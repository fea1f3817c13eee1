//! `git straylight dhall freeze`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use straylight_dhall::{FreezeOptions, Pin, unpinned};

use super::session::{Input, Session, Source, replace};
use crate::error::{CommandError, Kind, Result};
use crate::ui;

/// Pin imports by the hash of what they are now
///
/// Remote imports are fetched, and kept in the user's Dhall cache. Only their
/// hashes are written into the files; comments and layout stay.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The files to change [default: standard input to standard output, as `-`].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Pin imports of files and of environment variables, too.
    #[arg(long)]
    all: bool,
    /// Replace the hash of an import that is another now.
    #[arg(long, conflicts_with = "check")]
    update: bool,
    /// Change and fetch nothing; fail if an import is not pinned.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let options = FreezeOptions {
        all: args.all,
        update: args.update,
    };
    let stdin = [PathBuf::from("-")];
    let files: &[PathBuf] = match args.files.as_slice() {
        [] => &stdin,
        files => files,
    };
    let session = Session::online();
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let source = Input::at(file.clone()).source()?;
        if !args.check {
            freeze(&session, file, &source, options)?;
        } else if check(&source, options)? > 0 {
            code = ExitCode::from(Kind::Negative as u8);
        }
    }
    Ok(code)
}

/// Names what is not pinned, and returns how much that is.
fn check(source: &Source, options: FreezeOptions) -> Result<usize> {
    let open = unpinned(&source.location, &source.text, options)?;
    for (import, line, column) in &open {
        let file = &source.location;
        ui::message(format_args!(
            "{file}:{line}:{column}: `{import}` is not pinned"
        ));
    }
    Ok(open.len())
}

fn freeze(session: &Session, file: &Path, source: &Source, options: FreezeOptions) -> Result<()> {
    let frozen = session.freeze(source, options)?;
    for pin in &frozen.pins {
        ui::message(told(source, pin));
    }
    if file == Path::new("-") {
        ui::result_bytes(frozen.text.as_bytes());
    } else if frozen.text != source.text {
        replace(file, frozen.text.as_bytes()).map_err(CommandError::io("write", file))?;
    }
    Ok(())
}

fn told(source: &Source, pin: &Pin) -> String {
    let Pin {
        location,
        line,
        column,
        ..
    } = pin;
    let hex = |hash: &[u8; 32]| {
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let new = hex(&pin.sha256);
    let place = format!("{}:{line}:{column}", source.location);
    match &pin.previous {
        None => format!("{place}: {location} sha256:{new}"),
        Some(old) => format!(
            "{place}: {location} sha256:{new} instead of sha256:{}",
            hex(old)
        ),
    }
}
