//! Finds a Rust crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::render::{Language, list, text};
use super::scan;
use super::{Project, Target};
use crate::error::{CommandError, Result};

/// What `init` reads of a `Cargo.toml`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
    edition: Option<String>,
    /// Those that are not optional.
    dependencies: BTreeSet<String>,
    optional: BTreeSet<String>,
    /// What each feature turns on.
    features: BTreeMap<String, Vec<String>>,
}

impl Manifest {
    fn parse(manifest: &str) -> Self {
        let mut result = Self::default();
        let mut section = "";
        let mut lines = manifest.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if let Some(header) = line.strip_prefix('[') {
                section = header.trim_start_matches('[');
                section = section.split(']').next().unwrap_or(section).trim();
                if let Some(name) = section.strip_prefix("dependencies.") {
                    result.dependencies.insert(name.to_owned());
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let mut value = value.trim().to_owned();
            // A list may go on for some lines.
            while value.starts_with('[') && !value.contains(']') {
                let Some(more) = lines.next() else {
                    break;
                };
                value.push_str(more);
            }
            result.take(section, key.trim(), &value);
        }
        result
    }

    fn take(&mut self, section: &str, key: &str, value: &str) {
        let text = || value.split('"').nth(1).map(str::to_owned);
        let is_optional = |text: &str| text.replace(' ', "").contains("optional=true");
        match (section, key) {
            ("package", "name") => self.name = text(),
            ("package" | "workspace.package", "version") => self.version = text(),
            ("package" | "workspace.package", "edition") => self.edition = text(),
            ("features", name) => {
                let names = value.split('"').skip(1).step_by(2).map(str::to_owned);
                self.features
                    .insert(name.trim_matches('"').to_owned(), names.collect());
            }
            ("dependencies", name) => {
                let name = name.split('.').next().unwrap_or(name).trim_matches('"');
                match is_optional(value) {
                    true => self.optional.insert(name.to_owned()),
                    false => self.dependencies.insert(name.to_owned()),
                };
            }
            (section, "optional") if value.starts_with("true") => {
                if let Some(name) = section.strip_prefix("dependencies.") {
                    self.dependencies.remove(name);
                    self.optional.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Returns the features that are on by default, and the dependencies that
    /// the crate then has.
    fn defaults(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut features = BTreeSet::new();
        let mut dependencies = self.dependencies.clone();
        let mut next = vec!["default"];
        while let Some(name) = next.pop() {
            let dependency = name.strip_prefix("dep:").unwrap_or(name);
            let dependency = dependency.split('/').next().unwrap_or(dependency);
            // `name?/feature` turns nothing on.
            if self.optional.contains(dependency) {
                dependencies.insert(dependency.to_owned());
            } else if let Some(more) = self.features.get(name)
                && features.insert(name.to_owned())
            {
                next.extend(more.iter().map(String::as_str));
            }
        }
        (features, dependencies)
    }
}

/// Returns the crate of the folder; `None` if there is none.
///
/// # Errors
/// When the crate needs what `init` does not describe.
pub(super) fn detect(
    folder: &Path,
    files: &BTreeSet<String>,
    name: Option<&str>,
) -> Result<Option<Project>> {
    let has = |path: &str| files.contains(path);
    if !has("Cargo.toml") || !(has("src/main.rs") || has("src/lib.rs")) {
        return Ok(None);
    }
    let path = folder.join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).map_err(CommandError::io("read", &path))?;
    let manifest = Manifest::parse(&manifest);
    let (features, dependencies) = manifest.defaults();
    refuse_unknown(&dependencies, has("build.rs"))?;
    let crate_name = manifest
        .name
        .clone()
        .unwrap_or_else(|| super::name_of(folder));
    let name = name.unwrap_or(&crate_name);
    let edition = match manifest.edition.as_deref() {
        Some("2024") => "E2024",
        Some("2021") => "E2021",
        Some("2018") => "E2018",
        _ => "E2015",
    };
    let described = |rule: &'static str, target: &str, root: &str, deps: &[&str]| {
        let (sources, asks_package) = sources(folder, files, root)?;
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        let mut fields = vec![
            ("rule", rule.to_owned()),
            ("name", text(target)),
            ("edition", format!("Rust.Edition.{edition}")),
            ("srcs", list(&sources)),
        ];
        if target != crate_name {
            fields.push(("crate", format!("Some {}", text(&crate_name))));
        }
        if !features.is_empty() {
            let features: Vec<&str> = features.iter().map(String::as_str).collect();
            fields.push(("features", list(&features)));
        }
        if !deps.is_empty() {
            fields.push(("deps", list(deps)));
        }
        if asks_package {
            let version = manifest.version.as_deref().unwrap_or("0.0.0");
            fields.push(("version", text(version)));
            fields.push((
                "env",
                format!(
                    "toMap {{ CARGO_PKG_NAME = {}, CARGO_PKG_VERSION = {} }}",
                    text(&crate_name),
                    text(version)
                ),
            ));
        }
        Ok::<_, CommandError>(Target {
            name: target.to_owned(),
            is_program: rule == "binary",
            fields,
        })
    };
    let library = format!("{name}_lib");
    let targets = match (has("src/lib.rs"), has("src/main.rs")) {
        (true, true) => vec![
            described("library", &library, "src/lib.rs", &[])?,
            described("binary", name, "src/main.rs", &[&format!(":{library}")])?,
        ],
        (true, false) => vec![described("library", name, "src/lib.rs", &[])?],
        _ => vec![described("binary", name, "src/main.rs", &[])?],
    };
    Ok(Some(Project {
        language: Language::Rust,
        targets,
    }))
}

fn refuse_unknown(dependencies: &BTreeSet<String>, has_script: bool) -> Result<()> {
    let names: Vec<String> = (dependencies.iter())
        .map(|name| format!("`{name}`"))
        .collect();
    let problem = match (&names[..], has_script) {
        ([], false) => return Ok(()),
        ([], true) => "the crate has a build script, which this does not describe".to_owned(),
        (names, _) => format!(
            "the crate depends on {}, which this does not describe",
            names.join(", ")
        ),
    };
    Err(CommandError::usage(problem).hint(
        "write `BUILD.dhall` by hand: each crate is a target of `rules/rust/v1.dhall`, from \
         sources in the tree",
    ))
}

/// Returns the files of the crate whose root is `root`, that one first, and
/// whether they ask for the package's name or version.
fn sources(folder: &Path, files: &BTreeSet<String>, root: &str) -> Result<(Vec<String>, bool)> {
    let mut found = vec![root.to_owned()];
    let mut asks_package = false;
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if !path.ends_with(".rs") {
            continue;
        }
        let on_disk = folder.join(&path);
        let bytes = std::fs::read(&on_disk).map_err(CommandError::io("read", &on_disk))?;
        let text = String::from_utf8_lossy(&bytes);
        asks_package |= text.contains("CARGO_PKG_");
        let candidates = modules(&path, path == root, &text).into_iter();
        for candidate in candidates.chain(included(&path, &text)) {
            if files.contains(&candidate) && !found.contains(&candidate) {
                found.push(candidate);
            }
        }
    }
    found[1..].sort();
    Ok((found, asks_package))
}

/// Returns where the modules may be that a file declares.
fn modules(path: &str, is_root: bool, text: &str) -> Vec<String> {
    let folder = scan::folder(path);
    let name = path.rsplit('/').next().unwrap_or(path);
    let below = match name.strip_suffix(".rs") {
        Some(stem) if !is_root && stem != "mod" => format!("{folder}/{stem}"),
        _ => folder.to_owned(),
    };
    let code = scan::code(text, false);
    let mut paths = Vec::new();
    for rest in scan::behind(&code, "mod") {
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let (module, rest) = rest.split_at(end.unwrap_or(rest.len()));
        if !module.is_empty() && rest.trim_start().starts_with(';') {
            paths.push(format!("{below}/{module}.rs"));
            paths.push(format!("{below}/{module}/mod.rs"));
        }
    }
    paths
}

/// Returns the files that a file includes.
fn included(path: &str, text: &str) -> Vec<String> {
    let code = scan::code(text, true);
    let mut paths = Vec::new();
    for word in ["include", "include_str", "include_bytes"] {
        for rest in scan::behind(&code, word) {
            let name = rest.trim_start().strip_prefix('!').and_then(|rest| {
                let rest = rest.trim_start().strip_prefix(['(', '[', '{'])?;
                let rest = rest.trim_start().strip_prefix('"')?;
                rest.split_once('"')
            });
            paths.extend(name.and_then(|(name, _)| scan::join(scan::folder(path), name)));
        }
    }
    // `#[path = "…"]` of a module.
    for rest in scan::behind(&code, "path") {
        let name = rest.trim_start().strip_prefix('=').and_then(|rest| {
            let rest = rest.trim_start().strip_prefix('"')?;
            rest.split_once('"')
        });
        paths.extend(name.and_then(|(name, _)| scan::join(scan::folder(path), name)));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_far_as_needed() {
        let manifest = Manifest::parse(
            "[package]\nname = \"a-b\" # x\nedition=\"2021\"\nversion = \"1.2.3\"\n\
             [dev-dependencies]\nx = \"1\"\n[dependencies]\n# y = \"1\"\nserde = { version = \"1\" }\n\
             log.workspace = true\n[dependencies.rand]\nversion = \"1\"\n",
        );
        assert_eq!(manifest.name.as_deref(), Some("a-b"));
        assert_eq!(manifest.edition.as_deref(), Some("2021"));
        assert_eq!(manifest.version.as_deref(), Some("1.2.3"));
        let names: Vec<&String> = manifest.dependencies.iter().collect();
        assert_eq!(names, ["log", "rand", "serde"]);
        let manifest = Manifest::parse(
            "[dependencies]\na = { version = \"1\", optional = true }\n[dependencies.b]\noptional = true\n\
             [features]\ndefault = [\n  \"std\",\n]\nstd = [\"alloc\", \"a?/std\"]\nalloc = []\nmore = [\"dep:a\", \"b/x\"]\n",
        );
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            manifest.defaults(),
            (set(&["alloc", "default", "std"]), set(&[]))
        );
        let more = Manifest {
            features: BTreeMap::from([(
                "default".to_owned(),
                vec!["dep:a".to_owned(), "b/x".to_owned()],
            )]),
            ..manifest
        };
        assert_eq!(more.defaults().1, set(&["a", "b"]));
    }

    #[test]
    fn modules_are_looked_for_where_rustc_does() {
        let text = "mod a;\npub mod b { }\n// mod c;\npub(crate) mod d ;";
        assert_eq!(
            modules("src/main.rs", true, text),
            ["src/a.rs", "src/a/mod.rs", "src/d.rs", "src/d/mod.rs"]
        );
        assert_eq!(modules("src/x.rs", false, "mod a;")[0], "src/x/a.rs");
        assert_eq!(modules("src/x/mod.rs", false, "mod a;")[0], "src/x/a.rs");
        assert_eq!(
            included("src/main.rs", "include_str!(\"../data/x.txt\")"),
            ["data/x.txt"]
        );
        assert_eq!(
            included("src/lib.rs", "#[path = \"imp_std.rs\"]\nmod imp;"),
            ["src/imp_std.rs"]
        );
    }
}
