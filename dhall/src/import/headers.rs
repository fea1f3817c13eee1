//! What is said to hosts and by them: request headers, and which origins an
//! answer allows.
//!
//! Headers come from `using`, from the text that imports (a relative import of
//! a remote text sends what that text was asked for with), and from the user's
//! table of headers by host, which wins. Only the first two belong to the
//! identity of an import.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use crate::builtin::Builtin;
use crate::environment::Env;
use crate::evaluate::{Evaluated, Machine};
use crate::import::resolve::{Failure, Resolver, Source};
use crate::import::{Import, Response};
use crate::location::Location;
use crate::problem::Problem;
use crate::syntax::{self, Expr, Mode, Prefix, Span, Target};
use crate::typecheck;
use crate::value::Val;

/// Names and values, in the order in which they are sent.
pub(crate) type Headers = Arc<[(String, String)]>;

static NONE: LazyLock<Headers> = LazyLock::new(|| Arc::from([]));

/// The user's headers for one host, and what the table that has them imports.
#[derive(Default)]
pub(super) struct UserHeaders {
    pub(super) headers: Vec<(String, String)>,
    pub(super) imports: BTreeSet<Import>,
}

/// Returns no headers.
pub(super) fn no_headers() -> Headers {
    Arc::clone(&NONE)
}

/// What a host said about who may see a text of its own.
pub(crate) struct Told {
    /// Its origin, if it is not the one that was asked.
    origin: Option<String>,
    /// The values of `Access-Control-Allow-Origin`.
    allowed: Vec<String>,
}

impl Told {
    pub(super) fn new(response: &Response) -> Self {
        let is_allowed = |name: &str| name.eq_ignore_ascii_case("access-control-allow-origin");
        let headers = response.headers.iter();
        let allowed = headers.filter(|(name, _)| is_allowed(name));
        Self {
            origin: response.origin.clone(),
            allowed: allowed.map(|(_, value)| value.clone()).collect(),
        }
    }
}

impl Resolver<'_> {
    /// Returns the headers that an import asks for, without the user's.
    pub(super) fn inline_headers(
        &mut self,
        source: &mut Source<'_>,
        import: &syntax::Import,
        location: &Location,
    ) -> Result<Headers, Failure> {
        match (&import.target, location) {
            (Target::Remote(remote), _) => match &remote.headers {
                Some(headers) => self.using(source, headers),
                None => Ok(no_headers()),
            },
            (Target::Local(Prefix::Here | Prefix::Parent, _), Location::Remote(_)) => {
                Ok(Arc::clone(&source.headers))
            }
            _ => Ok(no_headers()),
        }
    }

    /// Evaluates what follows `using`, with nothing in scope.
    fn using(&mut self, source: &mut Source<'_>, headers: &Expr) -> Result<Headers, Failure> {
        let span = headers.span();
        let resolved = self.resolve(source, headers)?;
        let machine = self.machine;
        let ty = typecheck::infer(machine, &resolved).map_err(|problem| source.wrong(problem))?;
        let stopped = |stop| source.wrong(Problem::stopped(span, stop));
        let element = header_type(machine, &ty).map_err(stopped)?;
        if !element {
            let problem = Problem::new(span, "these are not headers");
            return Err(source.wrong(problem.hint(
                "headers are a `List { mapKey : Text, mapValue : Text }`, \
                 for example `toMap { Accept = \"text/plain\" }`",
            )));
        }
        let value = machine.eval(&resolved, &Env::default());
        let headers = value.and_then(|value| texts(machine, &value));
        let headers = headers.map_err(stopped)?;
        check_headers(&headers).map_err(|message| source.wrong(Problem::new(span, message)))?;
        Ok(headers.into())
    }

    /// Returns the user's headers for the host of `location`, and what they
    /// depend on.
    pub(super) fn origin_headers(
        &mut self,
        source: &Source<'_>,
        location: &Location,
        span: Span,
    ) -> Result<UserHeaders, Failure> {
        let mut user = UserHeaders::default();
        let Some(host) = location.host_and_port() else {
            return Ok(user);
        };
        let import = syntax::Import {
            target: Target::Missing,
            mode: Mode::Code,
            hash: None,
        };
        for table in self.importer.origin_headers() {
            let mut reader = Source::new(source.location, source.text, no_headers());
            let found = self.find(&mut reader, &import, &table, span);
            user.imports.append(&mut reader.imports);
            let loaded = match found {
                Err(Failure::Absent(..)) => continue,
                found => found?,
            };
            user.imports.extend(loaded.imports.iter().cloned());
            let (ty, value) = (&loaded.embedded.ty, &loaded.embedded.value);
            let headers = host_headers(self.machine, ty, value, &host);
            let headers = headers.map_err(|stop| source.wrong(Problem::stopped(span, stop)))?;
            let wrong = |message: String| source.wrong(Problem::new(span, message));
            user.headers =
                headers.ok_or_else(|| wrong(format!("`{table}` is not a table of headers")))?;
            check_headers(&user.headers)
                .map_err(|message| wrong(format!("`{table}`: {message}")))?;
            break;
        }
        Ok(user)
    }

    /// Fails when a text at `source` must not see what another host said.
    pub(super) fn check_origin(
        source: &Source<'_>,
        location: &Location,
        told: Option<&Told>,
        span: Span,
    ) -> Result<(), Failure> {
        let (Some(parent), Some(asked), Some(Told { origin, allowed })) =
            (source.location.origin(), location.origin(), told)
        else {
            return Ok(());
        };
        let child = origin.as_ref().unwrap_or(&asked);
        if parent == *child || matches!(allowed.as_slice(), [one] if one == "*" || *one == parent) {
            return Ok(());
        }
        let message = format!("`{child}` does not allow `{parent}` to import `{location}`");
        let said = match allowed.as_slice() {
            [] => "its answer has no `Access-Control-Allow-Origin`".to_owned(),
            allowed => format!(
                "its answer has `Access-Control-Allow-Origin: {}`",
                allowed.join(", ")
            ),
        };
        Err(source.wrong(
            Problem::new(span, message)
                .note(said)
                .hint("copy the text beside yours, or ask its host to allow the import"),
        ))
    }
}

/// Returns inline headers, with the user's instead of those of the same name.
pub(super) fn merged(user: Vec<(String, String)>, inline: &Headers) -> Headers {
    if user.is_empty() {
        return Arc::clone(inline);
    }
    let is_set = |name: &str| user.iter().any(|(set, _)| set.eq_ignore_ascii_case(name));
    let mut headers: Vec<_> = inline
        .iter()
        .filter(|(name, _)| !is_set(name))
        .cloned()
        .collect();
    headers.extend(user);
    headers.into()
}

/// Returns the type of the values if `ty` is a list of names and values.
fn value_type(machine: &Machine, ty: &Val) -> Evaluated<Option<Val>> {
    let Some(element) = ty.applied(Builtin::List) else {
        return Ok(None);
    };
    let Val::RecordType(fields) = machine.force(element)? else {
        return Ok(None);
    };
    let [(name, key), (value_name, value)] = fields.as_slice() else {
        return Ok(None);
    };
    let names = (name.as_ref(), value_name.as_ref());
    if !matches!(names, ("mapKey", "mapValue") | ("header", "value")) {
        return Ok(None);
    }
    let is_text = matches!(machine.force(key)?, Val::Builtin(Builtin::Text));
    is_text.then(|| machine.force(value)).transpose()
}

fn header_type(machine: &Machine, ty: &Val) -> Evaluated<bool> {
    let value = value_type(machine, ty)?;
    Ok(matches!(value, Some(Val::Builtin(Builtin::Text))))
}

/// Returns the headers for `host`, or `None` if this is no table of headers.
fn host_headers(
    machine: &Machine,
    ty: &Val,
    table: &Val,
    host: &str,
) -> Evaluated<Option<Vec<(String, String)>>> {
    let headers = value_type(machine, ty)?;
    let is_table = match &headers {
        Some(headers) => header_type(machine, headers)?,
        None => false,
    };
    if !is_table {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (name, headers) in pairs(machine, table)? {
        if name.eq_ignore_ascii_case(host) {
            found.extend(texts(machine, &headers)?);
        }
    }
    Ok(Some(found))
}

fn texts(machine: &Machine, value: &Val) -> Evaluated<Vec<(String, String)>> {
    let pairs = pairs(machine, value)?.into_iter();
    Ok(pairs.map(|(name, value)| (name, text(&value))).collect())
}

/// Returns the names and the values of a list whose type was checked.
fn pairs(machine: &Machine, value: &Val) -> Evaluated<Vec<(String, Val)>> {
    let Val::List(list) = value else {
        return Ok(Vec::new());
    };
    let mut pairs = Vec::with_capacity(list.length());
    for item in list.iter() {
        if let Val::Record(fields) = machine.force(item)?
            && let [(_, name), (_, value)] = fields.as_slice()
        {
            pairs.push((text(&machine.force(name)?), machine.force(value)?));
        }
    }
    Ok(pairs)
}

/// Returns a text; nothing is in scope, so that it is a literal.
fn text(value: &Val) -> String {
    let Val::Text(text) = value else {
        return String::new();
    };
    text.to_literal()
        .map(|text| text.to_string())
        .unwrap_or_default()
}

/// Refuses what would end a header, or the headers, early.
fn check_headers(headers: &[(String, String)]) -> Result<(), String> {
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let in_value = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(in_name) {
            return Err(format!("`{}` is no name of a header", name.escape_debug()));
        }
        if !value.bytes().all(in_value) {
            return Err(format!(
                "the header `{name}` has a control character in its value"
            ));
        }
    }
    Ok(())
}
