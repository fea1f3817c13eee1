//! `git straylight clean`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use straylight_build::materialize::OUTPUT_FOLDER;
use straylight_odb::layout;

use crate::error::{CommandError, Result};
use crate::setup::Workspace;
use crate::ui;

/// Remove this work tree's outputs, and what is remembered of it
///
/// That is `straylight-out/`, the folder `straylight` of the git directory, and
/// kept sandboxes. No build needs it. Results stay in the cache, which all your
/// clones share.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Say what would be removed, and remove nothing.
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let root = workspace.repository.require_work_tree()?;
    let folders = [
        root.join(OUTPUT_FOLDER),
        workspace.repository.git_dir().join("straylight"),
        (workspace.store.root()).join(layout::kept(workspace.id())),
    ];
    let mut found = false;
    for folder in &folders {
        let shown = folder.strip_prefix(root).unwrap_or(folder).display();
        let Some(content) = Content::of(folder).map_err(CommandError::io("read", folder))? else {
            continue;
        };
        found = true;
        if !args.dry_run {
            remove(folder).map_err(CommandError::io("remove", folder))?;
        }
        ui::result(format_args!("{shown}  {content}"));
    }
    ui::message(match (found, args.dry_run) {
        (false, _) => "nothing to remove",
        (true, false) => "removed; `git straylight cache gc` makes room in the cache itself",
        (true, true) => "nothing was removed",
    });
    Ok(ExitCode::SUCCESS)
}

/// What lies at a path.
enum Content {
    Link,
    File,
    Folder { files: usize, bytes: u64 },
}

impl Content {
    /// Looks at `path`, and never through a link.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if metadata.is_symlink() {
            return Ok(Some(Self::Link));
        }
        if !metadata.is_dir() {
            return Ok(Some(Self::File));
        }
        let (mut files, mut bytes) = (0, 0);
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            // What cannot be looked into is removed, or says why it is not.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    files += 1;
                    bytes += metadata.len();
                }
            }
        }
        Ok(Some(Self::Folder { files, bytes }))
    }
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Link => f.write_str("a link; what it leads to stays"),
            Self::File => f.write_str("a file"),
            Self::Folder { files, bytes } => {
                let size = ui::size(*bytes);
                write!(f, "{}, {size}", ui::count(*files, "file"))
            }
        }
    }
}

/// Removes what lies at `path`. Links are removed, and never followed.
fn remove(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // An output may be a folder that nobody writes to.
            make_writable(path)?;
            fs::remove_dir_all(path)
        }
        result => result,
    }
}

fn make_writable(root: &Path) -> io::Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}
