//! Labels: names of targets.
//!
//! `//folder:name` is the target `name` of the package in `folder`; `//folder`
//! is the target named like the folder, or the package's only one; `:name` is
//! a target of the package that writes it; `//folder/...` is every target in
//! and below a folder.

use std::fmt;
use std::sync::Arc;

use crate::path;

/// The folder of a package, relative to the root of the repository, with `/`
/// between its parts. The root's own package is the empty path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePath(Arc<str>);

impl PackagePath {
    /// Returns the package in the folder `path`.
    ///
    /// # Errors
    /// [`LabelError`] when `path` is not a normal relative path.
    pub fn new(path: &str) -> Result<Self, LabelError> {
        if !path.is_empty() {
            path::check(path).map_err(|reason| LabelError::new(&format!("//{path}"), reason))?;
        }
        Ok(Self(path.into()))
    }

    /// Returns the folder's path; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path of `file` in this package, from the repository's root.
    #[must_use]
    pub fn join(&self, file: &str) -> String {
        path::join(&self.0, file)
    }

    /// Returns the path of the package's `BUILD.dhall`.
    #[must_use]
    pub fn build_file(&self) -> String {
        self.join(BUILD_FILE)
    }

    /// Returns the last part of the path: the name that `//folder` stands for.
    #[must_use]
    pub fn folder_name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Returns whether this package lies in `folder` or below it.
    #[must_use]
    pub fn is_under(&self, folder: &PackagePath) -> bool {
        folder.0.is_empty()
            || self
                .0
                .strip_prefix(&*folder.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The file that makes a folder a package.
pub const BUILD_FILE: &str = "BUILD.dhall";

impl fmt::Display for PackagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "//{}", self.0)
    }
}

impl fmt::Debug for PackagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The full name of a target. Shown as `//folder:name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    package: PackagePath,
    name: Arc<str>,
}

impl Label {
    /// Returns the label of the target `name` in `package`.
    ///
    /// # Errors
    /// [`LabelError`] when `name` is not a target's name.
    pub fn new(package: PackagePath, name: &str) -> Result<Self, LabelError> {
        check_name(name).map_err(|reason| LabelError::new(&format!("{package}:{name}"), reason))?;
        Ok(Self {
            package,
            name: name.into(),
        })
    }

    /// Returns the target's package.
    #[must_use]
    pub fn package(&self) -> &PackagePath {
        &self.package
    }

    /// Returns the target's name within its package.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the folder of the target's outputs, below `out/` in a sandbox
    /// and below `straylight-out/` in a work tree: `<package>/<name>`.
    #[must_use]
    pub fn output_folder(&self) -> String {
        self.package.join(&self.name)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.package, self.name)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A label as people write it, before the packages are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `//folder:name` or `:name`: one target.
    Target(Label),
    /// `//folder`: the target named like the folder, or the only one.
    Package(PackagePath),
    /// `//folder/...`: every target in and below a folder.
    Below(PackagePath),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(label) => fmt::Display::fmt(label, f),
            Self::Package(path) => fmt::Display::fmt(path, f),
            Self::Below(path) if path.as_str().is_empty() => f.write_str("//..."),
            Self::Below(path) => write!(f, "{path}/..."),
        }
    }
}

impl Reference {
    /// Parses a label written in `package`, or on a command line that stands
    /// in the folder of `package`.
    ///
    /// # Errors
    /// [`LabelError`] that says what is wrong with `text`.
    pub fn parse(text: &str, package: &PackagePath) -> Result<Self, LabelError> {
        let wrong = |reason: &str| LabelError::new(text, reason);
        if let Some(name) = text.strip_prefix(':') {
            return Label::new(package.clone(), name).map(Self::Target);
        }
        let Some(rest) = text.strip_prefix("//") else {
            return Err(wrong(
                "a label is `//folder:name`, `//folder`, `:name` or `//folder/...`",
            ));
        };
        if rest == "..." {
            return Ok(Self::Below(PackagePath::new("")?));
        }
        if let Some(folder) = rest.strip_suffix("/...") {
            return Ok(Self::Below(PackagePath::new(folder)?));
        }
        match rest.split_once(':') {
            Some((folder, name)) => Label::new(PackagePath::new(folder)?, name).map(Self::Target),
            None => Ok(Self::Package(PackagePath::new(rest)?)),
        }
    }
}

/// Target names are single path parts: they become folders of outputs.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name after `:` is empty");
    }
    if name.contains(['/', ':']) {
        return Err("a target's name has no `/` or `:`");
    }
    path::check(name)
}

/// A text that is not a label.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{text}` is not a label: {reason}")]
pub struct LabelError {
    text: String,
    reason: String,
}

impl LabelError {
    fn new(text: &str, reason: &str) -> Self {
        Self {
            text: text.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reference, LabelError> {
        Reference::parse(text, &PackagePath::new("here/it").unwrap())
    }

    fn label(package: &str, name: &str) -> Reference {
        Reference::Target(Label::new(PackagePath::new(package).unwrap(), name).unwrap())
    }

    #[test]
    fn parses_each_form() {
        assert_eq!(parse("//a/b:c").unwrap(), label("a/b", "c"));
        assert_eq!(parse("//:c").unwrap(), label("", "c"));
        assert_eq!(parse(":c").unwrap(), label("here/it", "c"));
        let package = |path| PackagePath::new(path).unwrap();
        assert_eq!(parse("//a/b").unwrap(), Reference::Package(package("a/b")));
        assert_eq!(parse("//").unwrap(), Reference::Package(package("")));
        assert_eq!(parse("//...").unwrap(), Reference::Below(package("")));
        assert_eq!(parse("//a/...").unwrap(), Reference::Below(package("a")));
    }

    #[test]
    fn refuses_what_is_not_a_label() {
        for text in [
            "", "a", "/a", "//a/", "///a", "//a//b", "//a/../b", "//./a", "//a:", ":", ":a/b",
            "//a:b:c", ":..", ":.", "//a\0b", "//a:b\nc", "...", "//a:...", "@x//a",
        ] {
            assert!(parse(text).is_err(), "{text:?} was parsed");
        }
    }

    #[test]
    fn knows_what_lies_below() {
        let package = |path| PackagePath::new(path).unwrap();
        assert!(package("a/b").is_under(&package("a")));
        assert!(package("a").is_under(&package("a")));
        assert!(package("a").is_under(&package("")));
        assert!(!package("ab").is_under(&package("a")));
        assert_eq!(package("a/b").folder_name(), Some("b"));
        assert_eq!(package("").folder_name(), None);
    }
}
