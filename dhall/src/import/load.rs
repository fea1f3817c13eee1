//! From the bytes of an import to its value.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::binary;
use crate::builtin::Builtin;
use crate::error::Error;
use crate::evaluate::Machine;
use crate::expression::source_text;
use crate::import::headers::{Headers, Told, merged};
use crate::import::importer::{ImportError, Request, sha256};
use crate::import::resolve::{Failure, Loaded, Resolver, Source, normal_form};
use crate::location::Location;
use crate::part;
use crate::problem::{ErrorKind, Problem};
use crate::quote::Quoter;
use crate::scope::{Name, Scope};
use crate::shared::Shared;
use crate::syntax::{self, Embedded, Mode, Span};
use crate::value::{Inject, Lazy, Val};

impl Resolver<'_> {
    /// Asks the importer, and makes a value of the answer. An inner error is
    /// that nothing is there.
    pub(super) fn fetch(
        &mut self,
        source: &Source<'_>,
        import: &syntax::Import,
        location: &Location,
        headers: Headers,
        span: Span,
    ) -> Result<Result<Loaded, Error>, Failure> {
        if *location == Location::Missing && import.hash.is_none() {
            return Ok(Err(absent(source, location, span)));
        }
        let user = self.origin_headers(source, location, span)?;
        let origin = source.location.origin();
        let request = Request {
            location,
            sha256: import.hash,
            headers: &merged(user.headers, &headers),
            origin: origin.as_deref(),
        };
        let response = match self.importer.fetch(&request) {
            Ok(Some(response)) => response,
            Ok(None) => return Ok(Err(absent(source, location, span))),
            Err(error) if error.is_absence() => {
                return Ok(Err(source.error(not_given(&error, span))));
            }
            Err(error) => return Err(source.wrong(not_given(&error, span))),
        };
        let bytes = &response.bytes;
        // A binary form that has its hash is known already: no host tells it.
        let binary = import.hash.filter(|hash| *hash == sha256(bytes));
        let is_told = binary.is_none() && matches!(location, Location::Remote(_));
        let told = is_told.then(|| Told::new(&response));
        Self::check_origin(source, location, told.as_ref(), span)?;
        let loaded = match binary {
            Some(hash) => self.load_binary(location, bytes, &hash),
            None => self.load_source(import.mode, location, bytes, headers),
        };
        let mut loaded = loaded.map_err(|failure| imported(failure, source, span))?;
        match (binary, import.hash) {
            (Some(hash), _) => self.importer.store(&hash, bytes),
            (None, Some(hash)) => {
                self.check_hash(source, &loaded, hash, location, span)?;
                loaded.embedded = Arc::new(loaded.embedded.without_text());
            }
            (None, None) => {}
        }
        loaded.imports.extend(user.imports);
        loaded.told = told;
        Ok(Ok(loaded))
    }

    /// Makes a value of the bytes of an import that are not a binary form.
    fn load_source(
        &mut self,
        mode: Mode,
        location: &Location,
        bytes: &Arc<[u8]>,
        headers: Headers,
    ) -> Result<Loaded, Failure> {
        if mode == Mode::Bytes {
            return Ok(plain(Val::Bytes(Arc::clone(bytes)), Builtin::Bytes));
        }
        let text = source_text(location, bytes).map_err(Failure::Wrong)?;
        if mode == Mode::Text {
            return Ok(plain(Val::text(text), Builtin::Text));
        }
        self.load_text(location, &Arc::from(text), headers)
    }

    /// Loads a normal form whose bytes are already known to have its hash.
    pub(super) fn load_binary(
        &self,
        location: &Location,
        bytes: &Arc<[u8]>,
        hash: &[u8; 32],
    ) -> Result<Loaded, Failure> {
        if self.believing
            && let Some(checked) = self.importer.checked(hash)
            && let Some((value, ty)) = part::open(bytes, checked.ty.as_deref())
        {
            return Ok(normal(value, ty));
        }
        let loaded = self.check_binary(location, bytes)?;
        // Not at the cost of this evaluation, which has its limits.
        let machine = Machine::new(self.machine.budget.limits);
        let ty = Quoter::new(&machine, Scope::default()).quote(&loaded.embedded.ty);
        if let Ok(ty) = ty.and_then(|ty| binary::encode(&ty)) {
            self.importer.note_checked(hash, &ty);
        }
        Ok(loaded)
    }

    /// Decodes, checks and evaluates all of a normal form.
    fn check_binary(&self, location: &Location, bytes: &[u8]) -> Result<Loaded, Failure> {
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
        let Embedded { value, ty, .. } = self.evaluate(&expression).map_err(wrong)?;
        Ok(normal(value, ty))
    }

    /// Checks the hash of a value, and offers its binary form to caches.
    fn check_hash(
        &self,
        source: &Source<'_>,
        loaded: &Loaded,
        expected: [u8; 32],
        location: &Location,
        span: Span,
    ) -> Result<(), Failure> {
        let normal_form = normal_form(self.machine, &loaded.embedded.value)
            .map_err(|stop| source.wrong(Problem::stopped(span, stop)))?;
        let found = sha256(&normal_form);
        if found == expected {
            self.importer.store(&expected, &normal_form);
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

/// Returns the failure of an import, with where it was imported.
pub(super) fn imported(failure: Failure, source: &Source<'_>, span: Span) -> Failure {
    failure.map(|error| error.imported_from(source.location, source.text, span))
}

/// Returns what is wrong with an import that the host did not give.
pub(super) fn not_given(error: &ImportError, span: Span) -> Box<Problem> {
    Problem::new(span, error.to_string())
        .kind(error.kind())
        .hint(error.hint())
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
    let problem = Problem::new(span, message).kind(ErrorKind::Absent);
    source.error(problem.hint(hint))
}

fn plain(value: Val, ty: Builtin) -> Loaded {
    normal(value, Val::Builtin(ty))
}

/// Returns what has no text and imports nothing.
fn normal(value: Val, ty: Val) -> Loaded {
    let text = None;
    Loaded {
        embedded: Arc::new(Embedded { value, ty, text }),
        imports: BTreeSet::new(),
        span: Span::NONE,
        told: None,
    }
}

/// Returns the value of an import `as Location`.
pub(super) fn location_value(location: &Location) -> Embedded {
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
        text: None,
    }
}
