//! Freezing: imports are pinned by the hash of what they are now.
//!
//! Only the hashes are written into the source; its comments and its layout
//! stay as they are.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, line_and_column};
use crate::evaluate::Machine;
use crate::evaluator::{Evaluator, on_stack};
use crate::import::Resolver;
use crate::library;
use crate::limits::Limits;
use crate::location::Location;
use crate::parse;
use crate::problem::Problem;
use crate::syntax::{Expr, Import, Kind, Mode, Op, Span, Target};

/// How long a line may be, in characters, that a hash is appended to.
const WIDTH: usize = 100;

/// What [`Evaluator::freeze`] pins. By default, remote imports without a hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreezeOptions {
    /// Also files and environment variables.
    pub all: bool,
    /// Also what has another hash by now.
    pub update: bool,
}

/// A source whose imports are pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// The source with the hashes.
    pub text: String,
    /// What was pinned, in the order of the source.
    pub pins: Vec<Pin>,
}

/// An import that was pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What is imported.
    pub location: Location,
    /// The line of the import, counted from 1.
    pub line: usize,
    /// The column of the import in characters, counted from 1.
    pub column: usize,
    /// The semantic hash.
    pub sha256: [u8; 32],
    /// The hash that it had.
    pub previous: Option<[u8; 32]>,
}

/// An import of a source that can be pinned.
struct Site {
    import: Import,
    span: Span,
    /// Whether `?` has another side for it.
    has_alternative: bool,
}

/// What replaces a part of a source.
type Edit = (Range<usize>, String);

impl Site {
    /// Adds the edits that write a hash.
    fn write(
        &self,
        text: &str,
        hash: &[u8; 32],
        edits: &mut Vec<Edit>,
    ) -> Result<(), Box<Problem>> {
        let place = place(text, self.span)?;
        let mut written = String::new();
        if place.is_empty() {
            // Bare headers are an import that would take the hash for its own.
            if let Some(headers) = self.bare_headers(place.start) {
                edits.push((headers..headers, "(".to_owned()));
                written.push(')');
            }
            written.push_str(&gap(text, self.span, place.start));
        }
        let digits = data_encoding::HEXLOWER.encode(hash);
        written.push_str(&format!("sha256:{digits}"));
        edits.push((place, written));
        Ok(())
    }

    /// Returns where headers without parentheses begin that end at `end`.
    fn bare_headers(&self, end: usize) -> Option<usize> {
        let Target::Remote(remote) = &self.import.target else {
            return None;
        };
        let headers = remote.headers.as_ref()?;
        let is_import = matches!(headers.kind(), Kind::Import(_));
        let span = headers.span();
        (is_import && span.end as usize == end).then_some(span.start as usize)
    }
}

fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    // Those of one place stay in their order.
    edits.sort_by_key(|(range, _)| range.start);
    let mut edited = String::with_capacity(text.len() + 80 * edits.len());
    let mut written = 0;
    for (range, replacement) in edits {
        edited.push_str(&text[written..range.start]);
        edited.push_str(&replacement);
        written = range.end;
    }
    edited.push_str(&text[written..]);
    edited
}

impl Evaluator {
    /// Pins the imports of `text`, which comes from `location`, by the hash of
    /// what they are now, and offers their binary forms to the caches.
    ///
    /// An import that is pinned already is checked and stays, unless
    /// [`FreezeOptions::update`] asks for what it is now. A URL of the embedded
    /// library gets the hash of its newest release. `missing`, imports `as
    /// Location` and alternatives that are not there stay without a hash.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, FreezeOptions, Location, MemoryImporter, unpinned};
    ///
    /// let lib = Location::File("lib.dhall".to_owned());
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new().with(lib, "1 + 1")));
    /// let here = Location::File("main.dhall".to_owned());
    /// let options = FreezeOptions {
    ///     all: true,
    ///     ..FreezeOptions::default()
    /// };
    /// let frozen = evaluator.freeze(&here, "./lib.dhall -- two", options)?;
    /// assert!(frozen.text.starts_with("./lib.dhall sha256:"));
    /// assert!(frozen.text.ends_with(" -- two"));
    /// assert_eq!(frozen.pins[0].sha256, evaluator.evaluate(&here, "2")?.value.hash()?);
    /// assert!(unpinned(&here, &frozen.text, options)?.is_empty());
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`] when the text does not parse, or when an import cannot be
    /// imported or does not have its hash.
    pub fn freeze(
        &self,
        location: &Location,
        text: &str,
        options: FreezeOptions,
    ) -> Result<Frozen, Error> {
        let source: Arc<str> = Arc::from(text);
        let wrong = |problem| Error::new(location, &source, problem);
        on_stack(self.limits, location, || {
            let machine = Machine::new(self.limits);
            let mut resolver = Resolver::new(&machine, &*self.importer, &self.cache);
            let (mut edits, mut pins) = (Vec::new(), Vec::new());
            for site in sites(text, options.all).map_err(wrong)? {
                let found = pin(&mut resolver, location, &source, &site, options.update)?;
                let Some(hash) = found.filter(|hash| site.import.hash != Some(*hash)) else {
                    continue;
                };
                site.write(text, &hash, &mut edits).map_err(wrong)?;
                let (line, column) = line_and_column(text, site.span.start as usize);
                pins.push(Pin {
                    location: location.chain(&site.import.target),
                    line,
                    column,
                    sha256: hash,
                    previous: site.import.hash,
                });
            }
            let text = edited(text, edits);
            Ok(Frozen { text, pins })
        })
    }
}

/// Returns the imports of a source that have no hash and could have one: where
/// they point, their line, and their column. Nothing is imported.
///
/// # Errors
/// [`Error`] when the text does not parse.
pub fn unpinned(
    location: &Location,
    text: &str,
    options: FreezeOptions,
) -> Result<Vec<(Location, usize, usize)>, Error> {
    on_stack(Limits::default(), location, || {
        let sites = sites(text, options.all);
        let sites = sites.map_err(|problem| Error::new(location, &Arc::from(text), problem))?;
        let open = sites.iter().filter(|site| site.import.hash.is_none());
        let place = |site: &Site| {
            let (line, column) = line_and_column(text, site.span.start as usize);
            (location.chain(&site.import.target), line, column)
        };
        Ok(open.map(place).collect())
    })
}

/// Returns the imports that a hash makes sense for, in the order of the source.
fn sites(text: &str, all: bool) -> Result<Vec<Site>, Box<Problem>> {
    let expression = parse::parse(text)?;
    let mut sites = Vec::new();
    let mut rest: Vec<(&Expr, bool)> = vec![(&expression, false)];
    while let Some((expression, has_alternative)) = rest.pop() {
        if let Kind::Import(import) = expression.kind()
            && import.mode != Mode::Location
            && (all && !matches!(import.target, Target::Missing)
                || matches!(import.target, Target::Remote(_)))
        {
            sites.push(Site {
                import: Import::clone(import),
                span: expression.span(),
                has_alternative,
            });
        }
        let is_choice = matches!(expression.kind(), Kind::Op(Op::ImportAlt, _));
        let below = has_alternative || is_choice;
        expression.kind().children(&mut |child| {
            if child.imports() {
                rest.push((child, below));
            }
        });
    }
    // Headers are imported in an import: their hashes lie before its own.
    sites.sort_by_key(|site| (site.span.end, Reverse(site.span.start)));
    Ok(sites)
}

/// Returns the hash that an import has, or is to have; `None` for an
/// alternative that is not there.
fn pin(
    resolver: &mut Resolver<'_>,
    location: &Location,
    text: &Arc<str>,
    site: &Site,
    update: bool,
) -> Result<Option<[u8; 32]>, Error> {
    let mut import = site.import.clone();
    if update || import.hash.is_none() {
        import.hash = released(&location.chain(&import.target));
        if import.hash.is_some()
            && let Ok(hash) = resolver.pin(location, text, &import, site.span)?
        {
            return Ok(Some(hash));
        }
        import.hash = None;
    }
    match resolver.pin(location, text, &import, site.span)? {
        Ok(hash) => Ok(Some(hash)),
        Err(_) if site.has_alternative => Ok(None),
        Err(absent) => Err(absent),
    }
}

/// Returns the hash of the newest release of the embedded library.
fn released(location: &Location) -> Option<[u8; 32]> {
    let Location::Remote(url) = location else {
        return None;
    };
    let digits = library::latest(url)?.sha256.as_bytes();
    data_encoding::HEXLOWER.decode(digits).ok()?.try_into().ok()
}

/// Returns where the hash of an import is, or an empty range where it belongs.
fn place(text: &str, span: Span) -> Result<Range<usize>, Box<Problem>> {
    let start = span.start as usize;
    let place = parse::hash_place(&text[start..span.end as usize])?;
    Ok(start + place.start..start + place.end)
}

/// Returns the white space before a new hash: a line of its own if it is long.
fn gap(text: &str, span: Span, at: usize) -> String {
    let (line, column) = line_and_column(text, span.start as usize);
    let (end_line, end) = line_and_column(text, at);
    if line == end_line && end + "sha256:".len() + 64 <= WIDTH {
        return " ".to_owned();
    }
    format!("\n{}", " ".repeat(column + 1))
}
