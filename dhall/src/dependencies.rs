//! What texts import: lists and graphs for build tools and for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::error::Error;
use crate::evaluator::on_stack;
use crate::limits::Limits;
use crate::location::Location;
use crate::parse;
use crate::syntax::{Expr, Import, Kind, Mode, Span, Target};

/// An import of a text.
///
/// `Display` writes the location, and behind it `sha256:…` if it is pinned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// Where it is.
    pub location: Location,
    /// The semantic hash that it is pinned to.
    pub sha256: Option<[u8; 32]>,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location)?;
        if let Some(hash) = &self.sha256 {
            write!(f, " sha256:{}", data_encoding::HEXLOWER.encode(hash))?;
        }
        Ok(())
    }
}

/// Returns what `text`, which comes from `location`, imports itself, each once
/// and in the order of the source. Nothing is read: of alternatives, all are
/// listed. Imports `as Location` and `missing` read nothing, and are not.
///
/// # Errors
/// [`Error`] when the text does not parse.
///
/// ```
/// use straylight_dhall::{Location, dependencies};
///
/// let here = Location::File("a/main.dhall".to_owned());
/// let found = dependencies(&here, "{ x = ./x.dhall, y = ../y.dhall ? env:Y, z = ./x.dhall }")?;
/// let found: Vec<_> = found.iter().map(ToString::to_string).collect();
/// assert_eq!(found, ["a/x.dhall", "y.dhall", "env:Y"]);
/// # Ok::<(), straylight_dhall::Error>(())
/// ```
pub fn dependencies(location: &Location, text: &str) -> Result<Vec<Dependency>, Error> {
    on_stack(Limits::default(), location, || {
        let wrong = |problem| Error::new(location, &text.into(), problem);
        let expression = parse::parse(text).map_err(wrong)?;
        let mut seen = BTreeSet::new();
        let read = imports(&expression).into_iter().filter(|(_, import)| {
            import.mode != Mode::Location && !matches!(import.target, Target::Missing)
        });
        let dependency = |(_, import): (Span, &Import)| Dependency {
            location: location.chain(&import.target),
            sha256: import.hash,
        };
        let each = read.map(dependency);
        Ok(each.filter(|each| seen.insert(each.clone())).collect())
    })
}

/// Returns the imports of an expression in the order in which they begin.
fn imports(expression: &Expr) -> Vec<(Span, &Import)> {
    let (mut found, mut rest) = (Vec::new(), vec![expression]);
    while let Some(expression) = rest.pop() {
        if let Kind::Import(import) = expression.kind() {
            found.push((expression.span(), &**import));
        }
        expression.kind().children(&mut |child| {
            if child.imports() {
                rest.push(child);
            }
        });
    }
    found.sort_by_key(|(span, _)| span.start);
    found
}

/// Which text imports what, directly and indirectly, of what was read.
///
/// What is imported by its hash and comes from a cache has no texts behind it.
/// `Display` writes the graph in the language of Graphviz.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    root: Location,
    edges: BTreeMap<Location, BTreeSet<Dependency>>,
}

impl Graph {
    /// Returns the part of a graph that `root` leads to.
    pub(crate) fn new(
        root: &Location,
        all: impl IntoIterator<Item = (Location, Dependency)>,
    ) -> Self {
        let mut imports: BTreeMap<Location, BTreeSet<Dependency>> = BTreeMap::new();
        for (from, to) in all {
            imports.entry(from).or_default().insert(to);
        }
        let (mut edges, mut rest) = (BTreeMap::new(), vec![root.clone()]);
        // Who is taken out is not met again.
        while let Some(next) = rest.pop() {
            if let Some(found) = imports.remove(&next) {
                rest.extend(found.iter().map(|to| to.location.clone()));
                edges.insert(next, found);
            }
        }
        let root = root.clone();
        Self { root, edges }
    }

    /// Returns the text that all of it is about.
    #[must_use]
    pub fn root(&self) -> &Location {
        &self.root
    }

    /// Returns all that is imported, each once, sorted.
    #[must_use]
    pub fn dependencies(&self) -> Vec<Dependency> {
        let all: BTreeSet<_> = self.edges.values().flatten().cloned().collect();
        all.into_iter().collect()
    }

    /// Returns who imports what, sorted.
    pub fn edges(&self) -> impl Iterator<Item = (&Location, &Dependency)> {
        let edges = self.edges.iter();
        edges.flat_map(|(from, all)| all.iter().map(move |to| (from, to)))
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "digraph {{")?;
        writeln!(f, "  {} [shape=box];", quoted(&self.root))?;
        for (from, to) in self.edges() {
            let style = match to.sha256 {
                Some(_) => " [label=\"sha256\"]",
                None => "",
            };
            writeln!(f, "  {} -> {}{style};", quoted(from), quoted(&to.location))?;
        }
        write!(f, "}}")
    }
}

/// Returns a name between quotes, as Graphviz reads it.
fn quoted(location: &Location) -> String {
    let name = location.to_string();
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
