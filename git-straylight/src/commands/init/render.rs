//! The text of a first `BUILD.dhall`.

use std::fmt::Write as _;

use straylight_build::PackagePath;
use straylight_dhall::{Expression, Location, library};

use super::{Project, Target};
use crate::commands::quoted;
use crate::error::{CommandError, Result};

/// What a project is written in; C++ is C here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Rust,
}

impl Language {
    /// The name of its rules, and their URL.
    fn rules(self) -> (&'static str, &'static str) {
        match self {
            Self::C => ("C", "https://straylight.cx/rules/c/v1.dhall"),
            Self::Rust => ("Rust", "https://straylight.cx/rules/rust/v1.dhall"),
        }
    }
}

/// Returns a text as Dhall.
pub(super) fn text(text: &str) -> String {
    quoted(text)
}

/// Returns a list of texts as Dhall.
pub(super) fn list(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[ {} ]", items.join(", "))
}

/// Returns the text of the package's file, laid out as `srcs` keeps it. Its
/// targets are built with the toolchain that is pinned as `compiler`.
pub(super) fn build_file(
    project: &Project,
    package: &PackagePath,
    compiler: &str,
) -> Result<String> {
    let (rules, url) = project.language.rules();
    let released = library::latest(url)
        .ok_or_else(|| CommandError::missing(format!("`{url}` is not in the library")))?;
    let depth = package.as_str().split('/').filter(|part| !part.is_empty());
    let up = match depth.count() {
        0 => "./".to_owned(),
        depth => "../".repeat(depth),
    };
    let mut text = format!(
        "-- Written by `git straylight init`; it is yours now.\n\
         let {rules} =\n      {url}\n        sha256:{}\n\n\
         let toolchains = {up}toolchains.dhall\n\nin",
        released.sha256
    );
    for (index, target) in project.targets.iter().enumerate() {
        text.push_str(if index == 0 { "  { " } else { "    , " });
        write_target(&mut text, rules, compiler, target);
    }
    text.push_str("    }\n");
    // What is written must at least be Dhall.
    Expression::parse(&Location::Input("package".to_owned()), &text)?;
    Ok(text)
}

fn write_target(text: &mut String, rules: &str, compiler: &str, target: &Target) {
    let (rule, fields) = match target.fields.split_first() {
        Some(((_, rule), fields)) => (rule.as_str(), fields),
        None => ("library", &[][..]),
    };
    let ty = match rule {
        "binary" => "Binary",
        _ => "Library",
    };
    let _ = writeln!(
        text,
        "{} =\n        {rules}.{rule}\n          {rules}.{ty}::{{",
        field_name(&target.name)
    );
    let toolchain = ("toolchain", format!("toolchains.{compiler}"));
    // Behind the name, which comes first.
    let (name, rest) = fields.split_at(1.min(fields.len()));
    for (field, value) in name.iter().chain([&toolchain]).chain(rest) {
        let line = format!("          , {field} = {value}");
        // Items have no comma and blank in them that is not written by `list`.
        match value.strip_prefix("[ ").filter(|_| line.len() > 80) {
            Some(items) => {
                let items = items.replace("\", \"", "\"\n            , \"");
                let items = items.trim_end_matches(" ]");
                let _ = writeln!(
                    text,
                    "          , {field} =\n            [ {items}\n            ]"
                );
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text.push_str("          }\n");
}

/// Returns the name of a field as Dhall reads it.
fn field_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let alone = format!("{{ {name} = 1 }}");
    let location = Location::Input("name".to_owned());
    if starts && name.chars().all(plain) && Expression::parse(&location, &alone).is_ok() {
        return name.to_owned();
    }
    format!("`{name}`")
}

/// Returns a package to learn from.
pub(super) fn example() -> Result<String> {
    let fields = [
        ("rule", "binary".to_owned()),
        ("name", text("hello")),
        ("srcs", list(&["hello.c"])),
    ];
    let project = Project {
        language: Language::C,
        targets: vec![Target {
            name: "hello".to_owned(),
            is_program: true,
            fields: fields.into(),
        }],
    };
    let root = PackagePath::new("").map_err(CommandError::usage)?;
    let text = build_file(&project, &root, "gcc")?;
    // It was not written anywhere.
    let (_, text) = text.split_once('\n').unwrap_or(("", &text));
    Ok(format!(
        "-- `BUILD.dhall`; `git straylight toolchain capture gcc` makes `toolchains.dhall`.\n{}",
        text.trim_end()
    ))
}
