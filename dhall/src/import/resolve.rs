//! Resolution: every import of an expression becomes its value.
//!
//! Each text is parsed, resolved, checked and evaluated by itself, with
//! nothing in scope; what imports it sees its value and its type. Results are
//! kept by location, kind of import and hash, so that a library which many
//! texts import is read, checked and evaluated once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::binary;
use crate::builtin::Builtin;
use crate::environment::Env;
use crate::error::Error;
use crate::evaluate::Machine;
use crate::import::importer::sha256;
use crate::import::{Import, Importer};
use crate::location::Location;
use crate::parse;
use crate::problem::Problem;
use crate::quote::Quoter;
use crate::scope::Name;
use crate::shared::Shared;
use crate::syntax::{self, Embedded, Expr, Kind, Mode, Op, Span, Target};
use crate::typecheck;
use crate::value::{Inject, Lazy, Val};

/// A text that was imported.
pub(crate) struct Loaded {
    pub(crate) embedded: Arc<Embedded>,
    /// Everything that it depends on, itself not included.
    pub(crate) imports: BTreeSet<Import>,
}

type Key = (Location, Mode, Option<[u8; 32]>);

/// What was imported so far, by all evaluations.
#[derive(Default)]
pub(crate) struct Cache(Mutex<FxHashMap<Key, Arc<Loaded>>>);

impl Cache {
    fn get(&self, key: &Key) -> Option<Arc<Loaded>> {
        let loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.get(key).cloned()
    }

    fn insert(&self, key: Key, loaded: &Arc<Loaded>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, Arc::clone(loaded));
    }
}

/// Why an import has no value.
enum Failure {
    /// Something is not there: `?` may take its other side.
    Absent(Error),
    /// Something is wrong.
    Wrong(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Absent(error) | Self::Wrong(error) => error,
        }
    }

    fn map(self, change: impl FnOnce(Error) -> Error) -> Self {
        match self {
            Self::Absent(error) => Self::Absent(change(error)),
            Self::Wrong(error) => Self::Wrong(change(error)),
        }
    }
}

/// Resolves the imports of one evaluation.
pub(crate) struct Resolver<'a> {
    machine: &'a Machine,
    importer: &'a dyn Importer,
    cache: &'a Cache,
    /// The texts that are being resolved, outermost first.
    active: Vec<Location>,
}

/// The text whose imports are being resolved.
struct Source<'a> {
    location: &'a Location,
    text: &'a Arc<str>,
    imports: BTreeSet<Import>,
}

impl Source<'_> {
    fn wrong(&self, problem: Box<Problem>) -> Failure {
        Failure::Wrong(Error::new(self.location, self.text, problem))
    }
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(machine: &'a Machine, importer: &'a dyn Importer, cache: &'a Cache) -> Self {
        Self {
            machine,
            importer,
            cache,
            active: Vec::new(),
        }
    }

    /// Parses, resolves, checks and evaluates the text at `location`.
    pub(crate) fn load(&mut self, location: &Location, text: &Arc<str>) -> Result<Loaded, Error> {
        self.load_text(location, text).map_err(Failure::into_error)
    }

    /// Parses a text and resolves its imports.
    #[cfg(test)]
    pub(crate) fn resolve_text(
        &mut self,
        location: &Location,
        text: &Arc<str>,
    ) -> Result<Expr, Error> {
        let mut source = Source {
            location,
            text,
            imports: BTreeSet::new(),
        };
        self.parse_and_resolve(&mut source)
            .map_err(Failure::into_error)
    }

    fn parse_and_resolve(&mut self, source: &mut Source<'_>) -> Result<Expr, Failure> {
        let expression = parse::parse(source.text).map_err(|problem| source.wrong(problem))?;
        self.active.push(source.location.clone());
        let resolved = self.resolve(source, &expression);
        self.active.pop();
        resolved
    }

    fn load_text(&mut self, location: &Location, text: &Arc<str>) -> Result<Loaded, Failure> {
        let mut source = Source {
            location,
            text,
            imports: BTreeSet::new(),
        };
        let expression = self.parse_and_resolve(&mut source)?;
        let embedded = self
            .evaluate(&expression)
            .map_err(|problem| source.wrong(problem))?;
        Ok(Loaded {
            embedded: Arc::new(embedded),
            imports: source.imports,
        })
    }

    fn evaluate(&self, expression: &Expr) -> Result<Embedded, Box<Problem>> {
        let ty = typecheck::infer(self.machine, expression)?;
        let value = self.machine.eval(expression, &Env::default());
        let value = value.map_err(|stop| Problem::stopped(expression.span(), stop))?;
        Ok(Embedded { value, ty })
    }

    /// Replaces the imports in an expression.
    fn resolve(&mut self, source: &mut Source<'_>, expression: &Expr) -> Result<Expr, Failure> {
        if !expression.imports() {
            return Ok(expression.clone());
        }
        crate::limits::check_stack()
            .map_err(|stop| source.wrong(Problem::stopped(expression.span(), stop)))?;
        match expression.kind() {
            Kind::Import(import) => self.import(source, import, expression.span()),
            Kind::Op(Op::ImportAlt, operands) => self.alternatives(source, operands),
            _ => expression.try_map(&mut |part| self.resolve(source, part)),
        }
    }

    /// Returns the first alternative in which everything is there.
    fn alternatives(
        &mut self,
        source: &mut Source<'_>,
        operands: &[Expr],
    ) -> Result<Expr, Failure> {
        let mut absent = None;
        for operand in operands {
            match self.resolve(source, operand) {
                Err(Failure::Absent(error)) => absent = Some(Failure::Absent(error)),
                other => return other,
            }
        }
        Err(absent
            .unwrap_or_else(|| source.wrong(Problem::new(Span::NONE, "`?` needs alternatives"))))
    }

    fn import(
        &mut self,
        source: &mut Source<'_>,
        import: &syntax::Import,
        span: Span,
    ) -> Result<Expr, Failure> {
        let location = source.location.chain(&import.target);
        let embedded = if import.mode == Mode::Location {
            Arc::new(location_value(&location))
        } else {
            self.check_import(source, import, &location, span)?;
            let loaded = self.find(source, import, &location, span)?;
            source.imports.extend(loaded.imports.iter().cloned());
            Arc::clone(&loaded.embedded)
        };
        Ok(Expr::new(Kind::Embed(embedded), span))
    }

    /// Checks what can be known of an import before it is read.
    fn check_import(
        &self,
        source: &Source<'_>,
        import: &syntax::Import,
        location: &Location,
        span: Span,
    ) -> Result<(), Failure> {
        if matches!(source.location, Location::Remote(_)) && !location.is_transparent() {
            let message = format!("a remote text must not import `{location}`");
            return Err(source.wrong(
                Problem::new(span, message)
                    .hint("what is imported from a URL can only import from URLs"),
            ));
        }
        if let Target::Remote(remote) = &import.target
            && remote.headers.is_some()
            && import.hash.is_none()
        {
            let problem = Problem::new(span, "an import with headers is not supported here");
            return Err(source.wrong(problem.hint("pin the import by its hash")));
        }
        if import.mode == Mode::Code && self.active.contains(location) {
            let message = format!("`{location}` imports itself");
            let cycle = self.active.iter().skip_while(|active| *active != location);
            let cycle: Vec<_> = cycle.chain([location]).map(Location::to_string).collect();
            return Err(source.wrong(
                Problem::new(span, message)
                    .label("this closes a cycle of imports")
                    .note(cycle.join(" → ")),
            ));
        }
        Ok(())
    }

    /// Finds an import in the cache, or reads it.
    fn find(
        &mut self,
        source: &mut Source<'_>,
        import: &syntax::Import,
        location: &Location,
        span: Span,
    ) -> Result<Arc<Loaded>, Failure> {
        let mut record = Import {
            location: location.clone(),
            sha256: import.hash,
            found: true,
        };
        let key = (location.clone(), import.mode, import.hash);
        if let Some(loaded) = self.cache.get(&key) {
            source.imports.insert(record);
            return Ok(loaded);
        }
        let Some(bytes) = self.read(source, location, import.hash, span)? else {
            record.found = false;
            source.imports.insert(record);
            return Err(Failure::Absent(absent(source, location, span)));
        };
        source.imports.insert(record);
        let loaded = self
            .load_import(source, import, location, &bytes, span)
            .map_err(|failure| {
                failure.map(|error| error.imported_from(source.location, source.text, span))
            })?;
        // The bytes of a binary form have been compared with the hash already.
        if let Some(expected) = import.hash.filter(|hash| *hash != sha256(&bytes)) {
            self.check_hash(source, &loaded, expected, location, span)?;
        }
        let loaded = Arc::new(loaded);
        self.cache.insert(key, &loaded);
        Ok(loaded)
    }

    fn read(
        &self,
        source: &Source<'_>,
        location: &Location,
        hash: Option<[u8; 32]>,
        span: Span,
    ) -> Result<Option<Arc<[u8]>>, Failure> {
        if *location == Location::Missing && hash.is_none() {
            return Ok(None);
        }
        self.importer.read(location, hash).map_err(|error| {
            let problem = Problem::new(span, error.to_string());
            source.wrong(problem.hint(error.hint()))
        })
    }

    /// Makes a value of the bytes of an import.
    fn load_import(
        &mut self,
        source: &Source<'_>,
        import: &syntax::Import,
        location: &Location,
        bytes: &Arc<[u8]>,
        span: Span,
    ) -> Result<Loaded, Failure> {
        if import.hash == Some(sha256(bytes)) {
            return self.load_binary(location, bytes);
        }
        if import.mode == Mode::Bytes {
            return Ok(plain(Val::Bytes(Arc::clone(bytes)), Builtin::Bytes));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let message = format!("`{location}` is not UTF-8 at byte {}", error.valid_up_to());
            source.wrong(Problem::new(span, message))
        })?;
        if import.mode == Mode::Text {
            return Ok(plain(Val::text(text), Builtin::Text));
        }
        self.load_text(location, &Arc::from(text))
    }

    /// Loads a normal form whose bytes are already known to have its hash.
    fn load_binary(&self, location: &Location, bytes: &[u8]) -> Result<Loaded, Failure> {
        let wrong = |problem| Failure::Wrong(Error::general(location, problem));
        let expression = binary::decode(bytes).map_err(|error| {
            wrong(Problem::new(
                Span::NONE,
                format!("this is not Dhall in binary form: {error}"),
            ))
        })?;
        if expression.imports() {
            let problem = Problem::new(Span::NONE, "a normal form has imports");
            return Err(wrong(problem));
        }
        let embedded = self.evaluate(&expression).map_err(wrong)?;
        Ok(Loaded {
            embedded: Arc::new(embedded),
            imports: BTreeSet::new(),
        })
    }

    fn check_hash(
        &self,
        source: &Source<'_>,
        loaded: &Loaded,
        expected: [u8; 32],
        location: &Location,
        span: Span,
    ) -> Result<(), Failure> {
        let hash = semantic_hash(self.machine, &loaded.embedded.value);
        let found = hash.map_err(|stop| source.wrong(Problem::stopped(span, stop)))?;
        if found == expected {
            return Ok(());
        }
        let hex = |hash: &[u8]| data_encoding::HEXLOWER.encode(hash);
        let message = format!("`{location}` does not have the hash that it is pinned to");
        Err(source.wrong(
            Problem::new(span, message)
                .label("its content has changed, or the pin is wrong")
                .note(format!("expected sha256:{}", hex(&expected)))
                .note(format!("found    sha256:{}", hex(&found)))
                .hint("if the new content is right, pin the hash that was found"),
        ))
    }
}

fn absent(source: &Source<'_>, location: &Location, span: Span) -> Error {
    let message = match location {
        Location::Missing => "`missing` is never there".to_owned(),
        location => format!("`{location}` is not there"),
    };
    let hint = match location {
        Location::File(_) => "check the path: it is relative to the file that imports it",
        Location::Env(_) => "set the variable, or give another value with `?`",
        _ => "check it, or give another value with `?`",
    };
    Error::new(
        source.location,
        source.text,
        Problem::new(span, message).hint(hint),
    )
}

fn plain(value: Val, ty: Builtin) -> Loaded {
    Loaded {
        embedded: Arc::new(Embedded {
            value,
            ty: Val::Builtin(ty),
        }),
        imports: BTreeSet::new(),
    }
}

/// Returns the value of an import `as Location`.
fn location_value(location: &Location) -> Embedded {
    let text = || Some(Lazy::Now(Val::Builtin(Builtin::Text)));
    let union = Shared::new(vec![
        (Name::from("Environment"), text()),
        (Name::from("Local"), text()),
        (Name::from("Missing"), None),
        (Name::from("Remote"), text()),
    ]);
    let (label, payload) = location.describe();
    Embedded {
        value: Val::Inject(Shared::new(Inject {
            union: union.clone(),
            label: Name::from(label),
            payload: payload.map(|text| Lazy::Now(Val::text(text))),
        })),
        ty: Val::Union(union),
    }
}

/// Returns the binary form of the α-β-normal form of a closed value.
pub(crate) fn normal_form(machine: &Machine, value: &Val) -> Result<Vec<u8>, crate::limits::Stop> {
    binary::encode(&Quoter::alpha(machine).quote(value)?)
}

/// Returns the semantic hash of a closed value.
pub(crate) fn semantic_hash(
    machine: &Machine,
    value: &Val,
) -> Result<[u8; 32], crate::limits::Stop> {
    Ok(sha256(&normal_form(machine, value)?))
}
