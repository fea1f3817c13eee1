//! Where a text comes from, and how an import is relative to that.

use std::fmt;

use crate::scope::Name;
use crate::syntax::{Prefix, Remote, Target};

/// Where a Dhall text comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A file of the tree: its path relative to the tree's root, with `/`
    /// between the components and without `.`; `..` only in front, for a path
    /// that leaves the tree.
    File(String),
    /// A URL.
    Remote(String),
    /// An environment variable, by its name.
    Env(String),
    /// A file by its absolute path, with the leading `/`.
    Absolute(String),
    /// A file below the user's home: its path, without the leading `~/`.
    Home(String),
    /// `missing`: nothing is ever there.
    Missing,
    /// A text that is not in a file, by a name to show. Its imports are
    /// relative to the tree's root.
    Input(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Absolute(path) => f.write_str(path),
            Self::Remote(url) => f.write_str(url),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Home(path) => write!(f, "~/{path}"),
            Self::Missing => f.write_str("missing"),
            Self::Input(name) => f.write_str(name),
        }
    }
}

impl Remote {
    /// Returns the URL as it is written.
    pub(crate) fn to_url(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let mut url = format!("{scheme}://{}", self.authority);
        for component in &self.path {
            url.push('/');
            url.push_str(component);
        }
        if let Some(query) = &self.query {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

/// A URL taken apart: `https://host`, its path without the first `/`, its query.
struct Url<'a> {
    origin: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

fn split_url(url: &str) -> Url<'_> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..]
        .find('/')
        .map_or(url.len(), |at| authority + at);
    let (origin, rest) = url.split_at(end);
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    Url {
        origin,
        path: path.strip_prefix('/').unwrap_or(path),
        query,
    }
}

impl Location {
    /// Returns the location of a file by its path, absolute or relative to the
    /// tree's root, with `/` between the components.
    ///
    /// ```
    /// use straylight_dhall::Location;
    ///
    /// assert_eq!(Location::path("./a/../b"), Location::File("b".to_owned()));
    /// assert_eq!(Location::path("/a/b"), Location::Absolute("/a/b".to_owned()));
    /// ```
    #[must_use]
    pub fn path(path: &str) -> Self {
        match path.strip_prefix('/') {
            Some(below) => Self::Absolute(format!("/{}", canonical(below.split('/')))),
            None => Self::File(canonical(path.split('/'))),
        }
    }

    /// Returns where `target`, an import in a text from here, points. The
    /// result is canonical.
    pub(crate) fn chain(&self, target: &Target) -> Self {
        match target {
            Target::Missing => Self::Missing,
            Target::Env(name) => Self::Env(name.to_string()),
            Target::Remote(remote) => canonical_url(&remote.to_url()),
            Target::Local(Prefix::Absolute, path) => {
                Self::Absolute(format!("/{}", canonical(names(path))))
            }
            Target::Local(Prefix::Home, path) => Self::Home(canonical(names(path))),
            Target::Local(prefix, path) => self.relative(*prefix == Prefix::Parent, path),
        }
    }

    fn relative(&self, parent: bool, path: &[Name]) -> Self {
        let up = parent.then_some("..");
        let path = up.into_iter().chain(names(path));
        match self {
            Self::Remote(url) => {
                let url = split_url(url);
                let path = canonical(folder(url.path).chain(path));
                Self::Remote(format!("{}/{path}", url.origin))
            }
            Self::Absolute(file) => {
                let file = file.strip_prefix('/').unwrap_or(file);
                Self::Absolute(format!("/{}", canonical(folder(file).chain(path))))
            }
            Self::Home(file) => Self::Home(canonical(folder(file).chain(path))),
            Self::File(file) => Self::File(canonical(folder(file).chain(path))),
            Self::Env(_) | Self::Missing | Self::Input(_) => Self::File(canonical(path)),
        }
    }

    /// Returns whether what is there is the same for everyone.
    pub(crate) fn is_transparent(&self) -> bool {
        matches!(self, Self::Remote(_) | Self::Missing)
    }

    /// Returns the scheme and the host of a URL, with the port if it is
    /// written: `https://example.com`. Never the user's name or password.
    pub(crate) fn origin(&self) -> Option<String> {
        let (scheme, host) = self.scheme_and_host()?;
        Some(format!("{scheme}://{host}"))
    }

    /// Returns the host and the port of a URL: `example.com:443`.
    pub(crate) fn host_and_port(&self) -> Option<String> {
        let (scheme, host) = self.scheme_and_host()?;
        // The colons of an IPv6 address are between brackets.
        let name = host.rfind(']').map_or(0, |at| at + 1);
        let default = if scheme == "https" { "443" } else { "80" };
        Some(match host[name..].split_once(':') {
            Some((_, "")) => format!("{host}{default}"),
            Some(_) => host.to_owned(),
            None => format!("{host}:{default}"),
        })
    }

    fn scheme_and_host(&self) -> Option<(&str, &str)> {
        let Self::Remote(url) = self else {
            return None;
        };
        let (scheme, authority) = split_url(url).origin.split_once("://")?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
        Some((scheme, host))
    }

    /// Returns the location as `as Location` shows it: alternative, text.
    pub(crate) fn describe(&self) -> (&'static str, Option<String>) {
        match self {
            Self::File(path) | Self::Input(path) if path.starts_with("../") => {
                ("Local", Some(path.clone()))
            }
            Self::File(path) | Self::Input(path) => ("Local", Some(format!("./{path}"))),
            Self::Absolute(path) => ("Local", Some(path.clone())),
            Self::Home(_) => ("Local", Some(self.to_string())),
            Self::Remote(url) => ("Remote", Some(url.clone())),
            Self::Env(name) => ("Environment", Some(name.clone())),
            Self::Missing => ("Missing", None),
        }
    }
}

fn names(path: &[Name]) -> impl Iterator<Item = &str> {
    path.iter().map(AsRef::as_ref)
}

/// Returns all components but the last.
fn folder(path: &str) -> impl Iterator<Item = &str> {
    let folder = path.rsplit_once('/').map(|(folder, _)| folder);
    folder.into_iter().flat_map(|folder| folder.split('/'))
}

fn canonical_url(url: &str) -> Location {
    let url = split_url(url);
    let query = url
        .query
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    Location::Remote(format!(
        "{}/{}{query}",
        url.origin,
        canonical(url.path.split('/'))
    ))
}

/// Resolves `.` and `..` in the folders of a path; the file stays as it is.
fn canonical<'a>(path: impl Iterator<Item = &'a str>) -> String {
    let mut components: Vec<&str> = path.collect();
    let file = components.pop();
    let mut canonical: Vec<&str> = Vec::with_capacity(components.len());
    for component in components {
        match component {
            "." => {}
            ".." if canonical.last().is_some_and(|last| *last != "..") => {
                canonical.pop();
            }
            component => canonical.push(component),
        }
    }
    canonical.extend(file);
    canonical.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(prefix: Prefix, path: &str) -> Target {
        Target::Local(prefix, path.split('/').map(Name::from).collect())
    }

    #[test]
    fn relative_imports_are_relative_to_their_file() {
        let file = Location::File("a/b/c.dhall".to_owned());
        let cases = [
            (local(Prefix::Here, "d.dhall"), "a/b/d.dhall"),
            (local(Prefix::Here, "./x/../d.dhall"), "a/b/d.dhall"),
            (local(Prefix::Parent, "d.dhall"), "a/d.dhall"),
            (local(Prefix::Parent, "../../d.dhall"), "../d.dhall"),
        ];
        for (target, expected) in cases {
            assert_eq!(file.chain(&target), Location::File(expected.to_owned()));
        }
        let url = Location::Remote("https://example.com/a/b?token".to_owned());
        let target = local(Prefix::Parent, "c/d");
        let expected = Location::Remote("https://example.com/c/d".to_owned());
        assert_eq!(url.chain(&target), expected);
    }

    #[test]
    fn absolute_imports_are_not_relative() {
        let url = Location::Remote("https://example.com/a".to_owned());
        let target = local(Prefix::Absolute, "etc/./x/../d");
        assert_eq!(url.chain(&target), Location::Absolute("/etc/d".to_owned()));
        let target = local(Prefix::Home, "x");
        assert_eq!(url.chain(&target).to_string(), "~/x");
    }

    #[test]
    fn origins_have_no_secrets_and_hosts_have_ports() {
        let cases = [
            (
                "https://example.com/a/b",
                "https://example.com",
                "example.com:443",
            ),
            (
                "http://example.com/",
                "http://example.com",
                "example.com:80",
            ),
            ("https://u:p@a.b:8/x@y:9", "https://a.b:8", "a.b:8"),
            ("https://[::1]/x", "https://[::1]", "[::1]:443"),
            ("https://[::1]:80/x", "https://[::1]:80", "[::1]:80"),
        ];
        for (url, origin, host) in cases {
            let url = Location::Remote(url.to_owned());
            assert_eq!(url.origin().as_deref(), Some(origin));
            assert_eq!(url.host_and_port().as_deref(), Some(host));
        }
        assert_eq!(Location::Env("X".to_owned()).origin(), None);
    }
}
