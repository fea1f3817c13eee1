//! Resolution: every import of an expression becomes its value.
//!
//! Each text is parsed, resolved, checked and evaluated by itself, with
//! nothing in scope; what imports it sees its value and its type. Results are
//! kept by location, kind of import and hash, so that a library which many
//! texts import is read, checked and evaluated once.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::binary;
use crate::dependencies::Dependency;
use crate::environment::Env;
use crate::error::Error;
use crate::evaluate::Machine;
use crate::import::cache::{Cache, Claim, Loader};
use crate::import::headers::{Headers, Told, no_headers};
use crate::import::importer::sha256;
use crate::import::load::{imported, location_value, not_given};
use crate::import::{Import, Importer};
use crate::location::Location;
use crate::parse;
use crate::problem::Problem;
use crate::quote::Quoter;
use crate::syntax::{self, Embedded, Expr, Kind, Mode, Op, Span};
use crate::typecheck;
use crate::value::Val;

/// A text that was imported.
pub(crate) struct Loaded {
    pub(crate) embedded: Arc<Embedded>,
    /// Everything that it depends on, itself not included.
    pub(crate) imports: BTreeSet<Import>,
    /// The whole of its text, if it has one.
    pub(crate) span: Span,
    /// What its host said; `None` if no host was asked.
    pub(super) told: Option<Told>,
}

/// Why an import has no value.
pub(super) enum Failure {
    /// Something is not there: `?` may take its other side. That depends on
    /// what was imported until then.
    Absent(Error, BTreeSet<Import>),
    /// Something is wrong.
    Wrong(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Absent(error, _) | Self::Wrong(error) => error,
        }
    }

    pub(super) fn map(self, change: impl FnOnce(Error) -> Error) -> Self {
        match self {
            Self::Absent(error, imports) => Self::Absent(change(error), imports),
            Self::Wrong(error) => Self::Wrong(change(error)),
        }
    }
}

/// Resolves the imports of one evaluation.
pub(crate) struct Resolver<'a> {
    pub(super) machine: &'a Machine,
    pub(super) importer: &'a dyn Importer,
    cache: &'a Cache,
    loader: Loader,
    /// The texts that are being resolved, with the headers that they were
    /// asked for with; outermost first.
    active: Vec<(Location, Headers)>,
    /// What is kept to write down what was resolved, if that is asked for.
    trail: Option<Trail>,
    /// Whether what the importer says was checked is checked only as far as it
    /// is looked at.
    pub(super) believing: bool,
}

/// Which text imports what, of the imports that were there.
pub(crate) type Trail = BTreeSet<(Location, Dependency)>;

/// The text whose imports are being resolved.
pub(super) struct Source<'a> {
    pub(super) location: &'a Location,
    pub(super) text: &'a Arc<str>,
    /// What it was asked for with, and what its relative imports are.
    pub(super) headers: Headers,
    pub(super) imports: BTreeSet<Import>,
}

impl<'a> Source<'a> {
    pub(super) fn new(location: &'a Location, text: &'a Arc<str>, headers: Headers) -> Self {
        Self {
            location,
            text,
            headers,
            imports: BTreeSet::new(),
        }
    }

    pub(super) fn error(&self, problem: Box<Problem>) -> Error {
        Error::new(self.location, self.text, problem)
    }

    pub(super) fn wrong(&self, problem: Box<Problem>) -> Failure {
        Failure::Wrong(self.error(problem))
    }
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(machine: &'a Machine, importer: &'a dyn Importer, cache: &'a Cache) -> Self {
        Self {
            machine,
            importer,
            cache,
            loader: Loader::new(),
            active: Vec::new(),
            trail: None,
            believing: false,
        }
    }

    /// Makes imports that were checked before be checked only as far as they
    /// are looked at. If the machine [is deceived](Machine::is_deceived) then,
    /// neither the result nor the cache may be used.
    pub(crate) fn believing(mut self) -> Self {
        self.believing = true;
        self
    }

    /// Returns what it evaluates with.
    pub(crate) fn machine(&self) -> &'a Machine {
        self.machine
    }

    /// Keeps the trees of what is imported, and who imports it. The cache must
    /// not be one of evaluations, which keep no trees.
    pub(crate) fn keeping(mut self) -> Self {
        self.trail = Some(Trail::new());
        self
    }

    /// Returns who imports what, as far as it was kept.
    pub(crate) fn into_trail(self) -> Trail {
        self.trail.unwrap_or_default()
    }

    fn follow(&mut self, from: &Location, import: &Import) {
        if let Some(trail) = &mut self.trail {
            let dependency = Dependency {
                location: import.location.clone(),
                sha256: import.sha256,
            };
            trail.insert((from.clone(), dependency));
        }
    }

    /// Parses, resolves, checks and evaluates the text at `location`.
    pub(crate) fn load(&mut self, location: &Location, text: &Arc<str>) -> Result<Loaded, Error> {
        self.load_text(location, text, no_headers())
            .map_err(Failure::into_error)
    }

    /// Returns the hash of what an import in this text is, and offers its
    /// binary form to caches. An inner error is that nothing is there.
    pub(crate) fn pin(
        &mut self,
        location: &Location,
        text: &Arc<str>,
        import: &syntax::Import,
        span: Span,
    ) -> Result<Result<[u8; 32], Error>, Error> {
        let mut source = Source::new(location, text, no_headers());
        let target = location.chain(&import.target);
        self.active.push((location.clone(), no_headers()));
        let found = self.find(&mut source, import, &target, span);
        self.active.pop();
        let loaded = match found {
            Ok(loaded) => loaded,
            Err(Failure::Absent(error, _)) => return Ok(Err(error)),
            Err(Failure::Wrong(error)) => return Err(error),
        };
        let form = normal_form(self.machine, &loaded.embedded.value)
            .map_err(|stop| source.error(Problem::stopped(span, stop)))?;
        let hash = sha256(&form);
        self.importer.store(&hash, &form);
        Ok(Ok(hash))
    }

    /// Parses a text and resolves its imports.
    pub(crate) fn resolve_text(
        &mut self,
        location: &Location,
        text: &Arc<str>,
    ) -> Result<Expr, Error> {
        self.parse_and_resolve(&mut Source::new(location, text, no_headers()))
            .map_err(Failure::into_error)
    }

    fn parse_and_resolve(&mut self, source: &mut Source<'_>) -> Result<Expr, Failure> {
        let expression = parse::parse(source.text).map_err(|problem| source.wrong(problem))?;
        let active = (source.location.clone(), Arc::clone(&source.headers));
        self.active.push(active);
        let resolved = self.resolve(source, &expression);
        self.active.pop();
        resolved
    }

    pub(super) fn load_text(
        &mut self,
        location: &Location,
        text: &Arc<str>,
        headers: Headers,
    ) -> Result<Loaded, Failure> {
        let mut source = Source::new(location, text, headers);
        let expression = self.parse_and_resolve(&mut source)?;
        let mut embedded = self
            .evaluate(&expression)
            .map_err(|problem| source.wrong(problem))?;
        embedded.text = self.trail.is_some().then(|| expression.clone());
        Ok(Loaded {
            embedded: Arc::new(embedded),
            imports: source.imports,
            span: expression.span(),
            told: None,
        })
    }

    pub(super) fn evaluate(&self, expression: &Expr) -> Result<Embedded, Box<Problem>> {
        let ty = typecheck::infer(self.machine, expression)?;
        self.machine.begin();
        let value = self.machine.eval(expression, &Env::default());
        let value = value.map_err(|stop| {
            let span = self.machine.stopped_at(expression.span());
            Problem::stopped(span, stop)
        })?;
        let text = None;
        Ok(Embedded { value, ty, text })
    }

    /// Replaces the imports in an expression.
    pub(super) fn resolve(
        &mut self,
        source: &mut Source<'_>,
        expression: &Expr,
    ) -> Result<Expr, Failure> {
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
                Err(Failure::Absent(error, _)) => absent = Some(error),
                other => return other,
            }
        }
        Err(match absent {
            Some(error) => Failure::Absent(error, source.imports.clone()),
            None => source.wrong(Problem::new(Span::NONE, "`?` needs alternatives")),
        })
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
            check_import(source, &location, span)?;
            let loaded = self.find(source, import, &location, span)?;
            source.imports.extend(loaded.imports.iter().cloned());
            Arc::clone(&loaded.embedded)
        };
        Ok(Expr::new(Kind::Embed(embedded), span))
    }

    /// Finds an import among those known, or reads it.
    pub(super) fn find(
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
        let cache = self.cache;
        let pinned = import.hash.is_some();
        let mut headers = no_headers();
        if !pinned {
            headers = self.inline_headers(source, import, location)?;
            self.check_cycle(source, import, location, &headers, span)?;
        }
        let key = (
            location.clone(),
            import.mode,
            import.hash,
            Arc::clone(&headers),
        );
        let _loading = match cache.claim(&key, self.loader) {
            Claim::Known(loaded) => {
                Self::check_origin(source, location, loaded.told.as_ref(), span)?;
                self.follow(source.location, &record);
                source.imports.insert(record);
                return Ok(loaded);
            }
            Claim::Load(loading) => loading,
        };
        if pinned {
            // What is pinned needs no headers if it is known.
            if let Some(loaded) = self.find_binary(source, import, location, span)? {
                cache.insert(&key, &loaded);
                self.follow(source.location, &record);
                source.imports.insert(record);
                return Ok(loaded);
            }
            headers = self.inline_headers(source, import, location)?;
            self.check_cycle(source, import, location, &headers, span)?;
        }
        let found = self.fetch(source, import, location, headers, span);
        record.found = !matches!(found, Ok(Err(_)));
        source.imports.insert(record.clone());
        match found {
            Ok(Ok(loaded)) => {
                self.follow(source.location, &record);
                let loaded = Arc::new(loaded);
                cache.insert(&key, &loaded);
                Ok(loaded)
            }
            Ok(Err(error)) => Err(Failure::Absent(error, source.imports.clone())),
            Err(Failure::Absent(error, inner)) => {
                source.imports.extend(inner);
                Err(Failure::Absent(error, source.imports.clone()))
            }
            Err(wrong) => Err(wrong),
        }
    }

    /// Finds a pinned import in caches of binary forms.
    fn find_binary(
        &mut self,
        source: &Source<'_>,
        import: &syntax::Import,
        location: &Location,
        span: Span,
    ) -> Result<Option<Arc<Loaded>>, Failure> {
        let Some(hash) = import.hash else {
            return Ok(None);
        };
        let cached = self.importer.cached(&hash);
        let cached = cached.map_err(|error| source.wrong(not_given(&error, span)))?;
        // A cache is not trusted: what does not have the hash is not there.
        let Some(bytes) = cached.filter(|bytes| sha256(bytes) == hash) else {
            return Ok(None);
        };
        let loaded = self.load_binary(location, &bytes, &hash);
        let loaded = loaded.map_err(|failure| imported(failure, source, span))?;
        Ok(Some(Arc::new(loaded)))
    }

    fn check_cycle(
        &self,
        source: &Source<'_>,
        import: &syntax::Import,
        location: &Location,
        headers: &Headers,
        span: Span,
    ) -> Result<(), Failure> {
        let is_this = |(at, with): &(Location, Headers)| at == location && with == headers;
        if import.mode != Mode::Code || !self.active.iter().any(is_this) {
            return Ok(());
        }
        let message = format!("`{location}` imports itself");
        let cycle = self.active.iter().skip_while(|active| !is_this(active));
        let cycle = cycle.map(|(location, _)| location).chain([location]);
        let cycle: Vec<_> = cycle.map(Location::to_string).collect();
        Err(source.wrong(
            Problem::new(span, message)
                .label("this closes a cycle of imports")
                .note(cycle.join(" → ")),
        ))
    }
}

/// Refuses what depends on the machine where everyone must see the same.
fn check_import(source: &Source<'_>, location: &Location, span: Span) -> Result<(), Failure> {
    if matches!(source.location, Location::Remote(_)) && !location.is_transparent() {
        let message = format!("a remote text must not import `{location}`");
        return Err(source.wrong(
            Problem::new(span, message)
                .hint("what is imported from a URL can only import from URLs"),
        ));
    }
    Ok(())
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
