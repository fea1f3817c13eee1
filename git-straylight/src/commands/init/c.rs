//! Finds C and C++ programs and libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::render::{Language, list, text};
use super::scan;
use super::{Project, Target};
use crate::commands::srcs::proposal::class;
use crate::error::{CommandError, Result};

const C: [&str; 1] = ["c"];
const CXX: [&str; 4] = ["cc", "cpp", "cxx", "C"];
const HEADERS: [&str; 5] = ["h", "hh", "hpp", "hxx", "inc"];

/// Headers of the system whose functions are in a library of their own.
const LIBRARIES: [(&str, &str); 5] = [
    ("math.h", "m"),
    ("tgmath.h", "m"),
    ("complex.h", "m"),
    ("pthread.h", "pthread"),
    ("dlfcn.h", "dl"),
];

/// The sources of a project, looked at.
struct Sources {
    /// Compiled by themselves; whether they define `main`.
    units: BTreeMap<String, bool>,
    headers: BTreeSet<String>,
    /// Folders that `#include` is looked up in.
    includes: BTreeSet<String>,
    libraries: BTreeSet<&'static str>,
}

/// Returns what the C and C++ files of the folder are; `None` without any.
pub(super) fn detect(
    folder: &Path,
    files: &BTreeSet<String>,
    name: &str,
) -> Result<Option<Project>> {
    let sources = Sources::read(folder, files)?;
    let mains = sources.units.iter().filter(|(_, is_main)| **is_main);
    let mains: Vec<&str> = mains.map(|(path, _)| path.as_str()).collect();
    let rest = sources.units.iter().filter(|(_, is_main)| !**is_main);
    let rest: Vec<&str> = rest.map(|(path, _)| path.as_str()).collect();
    let all: Vec<&str> = sources.units.keys().map(String::as_str).collect();
    let targets = match (&mains[..], &rest[..]) {
        ([], []) => return Ok(None),
        ([], rest) => vec![sources.target("library", name, rest, &[])],
        ([_], _) => vec![sources.target("binary", name, &all, &[])],
        (mains, rest) => {
            let mut targets = Vec::new();
            let mut names: BTreeSet<String> = BTreeSet::from([name.to_owned()]);
            let library = format!(":{name}");
            let deps: Vec<&str> = match rest {
                [] => Vec::new(),
                _ => vec![&library],
            };
            if !rest.is_empty() {
                targets.push(sources.target("library", name, rest, &[]));
            }
            for main in mains {
                let name = unique(main, &mut names);
                targets.push(sources.target("binary", &name, &[main], &deps));
            }
            targets
        }
    };
    Ok(Some(Project {
        language: Language::C,
        targets,
    }))
}

/// Returns the name of the program that a file is, which no other has.
fn unique(path: &str, names: &mut BTreeSet<String>) -> String {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let short = stem.rsplit('/').next().unwrap_or(stem).to_owned();
    let candidates = [
        short,
        stem.replace('/', "_"),
        format!("{}_main", stem.replace('/', "_")),
    ];
    let free = candidates.iter().find(|name| !names.contains(*name));
    let name = free.unwrap_or(&candidates[2]).clone();
    names.insert(name.clone());
    name
}

impl Sources {
    fn read(folder: &Path, files: &BTreeSet<String>) -> Result<Self> {
        let mut sources = Self {
            units: BTreeMap::new(),
            headers: BTreeSet::new(),
            includes: BTreeSet::from([String::new()]),
            libraries: BTreeSet::new(),
        };
        let mut included = BTreeSet::new();
        for path in files {
            let ending = class(path).map_or("", |(ending, _)| ending);
            let is_unit = C.contains(&ending) || CXX.contains(&ending);
            let is_header = HEADERS.contains(&ending);
            if !(is_unit || is_header) {
                continue;
            }
            let on_disk = folder.join(path);
            let bytes = std::fs::read(&on_disk).map_err(CommandError::io("read", &on_disk))?;
            let text = String::from_utf8_lossy(&bytes);
            if is_unit {
                sources
                    .units
                    .insert(path.clone(), scan::defines_main(&text));
            } else {
                sources.headers.insert(path.clone());
            }
            if CXX.contains(&ending) {
                sources.libraries.insert("stdc++");
            }
            for (name, is_quoted) in scan::includes(&text) {
                sources.include(path, &name, is_quoted, files, &mut included);
            }
        }
        // Included sources are no units of their own.
        for path in included {
            if sources.units.remove(&path).is_some() || !sources.headers.contains(&path) {
                sources.headers.insert(path);
            }
        }
        Ok(sources)
    }

    /// Notes where an included file is found.
    fn include(
        &mut self,
        from: &str,
        name: &str,
        is_quoted: bool,
        files: &BTreeSet<String>,
        included: &mut BTreeSet<String>,
    ) {
        let beside = scan::join(scan::folder(from), name);
        if let Some(path) = beside.filter(|path| is_quoted && files.contains(path)) {
            included.insert(path);
            return;
        }
        let known = self
            .includes
            .iter()
            .find_map(|folder| scan::join(folder, name).filter(|path| files.contains(path)));
        if let Some(path) = known {
            included.insert(path);
            return;
        }
        let library = LIBRARIES.iter().find(|(header, _)| *header == name);
        if let Some((_, library)) = library.filter(|_| !is_quoted) {
            self.libraries.insert(library);
            return;
        }
        let end = format!("/{name}");
        let elsewhere = files.iter().find_map(|path| {
            let folder = path.strip_suffix(&end)?;
            Some((folder, path))
        });
        if let Some((folder, path)) = elsewhere {
            self.includes.insert(folder.to_owned());
            included.insert(path.clone());
        }
    }

    fn target(&self, rule: &'static str, name: &str, units: &[&str], deps: &[&str]) -> Target {
        let is_program = rule == "binary";
        let mut fields = vec![
            ("rule", rule.to_owned()),
            ("name", text(name)),
            ("srcs", list(units)),
        ];
        // Who depends on the library sees its headers.
        if !self.headers.is_empty() && deps.is_empty() {
            let headers: Vec<&str> = self.headers.iter().map(String::as_str).collect();
            fields.push(("hdrs", list(&headers)));
        }
        if self.includes.len() > 1 {
            let includes: Vec<&str> = self.includes.iter().map(String::as_str).collect();
            fields.push(("includes", list(&includes)));
        }
        if !deps.is_empty() {
            fields.push(("deps", list(deps)));
        }
        if !self.libraries.is_empty() {
            let libraries: Vec<&str> = self.libraries.iter().copied().collect();
            fields.push(("libraries", list(&libraries)));
        }
        Target {
            name: name.to_owned(),
            is_program,
            fields,
        }
    }
}
