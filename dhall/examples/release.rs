//! Releases the typed library: `cargo run -p straylight-dhall --example release`.
//!
//! Evaluates each source, and adds the binary form of what is new to
//! `released/`, a line to `released/index`, and an entry to the table that
//! `library.rs` embeds. Nothing that was released is ever changed or removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use straylight_dhall::{Evaluator, ImportError, Importer, Location};

/// The sources: their path below the crate, without `/v1.dhall`.
const SOURCES: &[&str] = &[
    "coeffects",
    "targets",
    "dice",
    "toolchains",
    "rules/command",
    "rules/c",
    "rules/rust",
];

/// Reads the files of the crate.
struct Files(PathBuf);

impl Importer for Files {
    fn read(
        &self,
        location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let Location::File(path) = location else {
            return Err(ImportError::Refused {
                message: format!("the library must not import `{location}`"),
                hint: "import a file beside it".to_owned(),
            });
        };
        Ok(fs::read(self.0.join(path)).ok().map(Into::into))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let evaluator = Evaluator::new(Arc::new(Files(root.clone())));
    let index_path = root.join("released/index");
    let mut index = fs::read_to_string(&index_path).unwrap_or_default();
    for source in SOURCES {
        let path = format!("{source}/v1.dhall");
        let text = fs::read_to_string(root.join(&path))?;
        let evaluated = evaluator
            .evaluate(&Location::File(path.clone()), &text)
            .map_err(|error| error.render(false))?;
        let sha256 = data_encoding::HEXLOWER.encode(&evaluated.value.hash()?);
        let url = format!("https://straylight.cx/{path}");
        let entry = format!("{url} {sha256}");
        let newest = index
            .lines()
            .rev()
            .find(|line| line.starts_with(&format!("{url} ")));
        if newest == Some(entry.as_str()) {
            continue;
        }
        let binary = root.join(format!("released/{sha256}.dhallb"));
        if !binary.exists() {
            fs::write(binary, evaluated.value.encode()?)?;
        }
        index.push_str(&entry);
        index.push('\n');
    }
    fs::write(&index_path, &index)?;
    fs::write(root.join("src/library/released.rs"), table(&index))?;
    Ok(())
}

/// Returns the table of the releases in `index`, as Rust.
fn table(index: &str) -> String {
    let mut table = String::from(
        "// Written by `cargo run -p straylight-dhall --example release`.\n\n\
         /// Every release, in order.\nconst RELEASED: &[Released] = &[\n",
    );
    for line in index.lines() {
        let Some((url, sha256)) = line.split_once(' ') else {
            continue;
        };
        let file = Path::new("../../released").join(format!("{sha256}.dhallb"));
        table.push_str(&format!(
            "    Released {{\n        url: {url:?},\n        sha256: {sha256:?},\n        \
             bytes: include_bytes!(\n            {:?}\n        ),\n    }},\n",
            file.display().to_string()
        ));
    }
    table.push_str("];\n");
    table
}
