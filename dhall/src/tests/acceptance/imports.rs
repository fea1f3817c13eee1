//! The cases of imports, in two ways.
//!
//! Those that name real hosts are answered as those hosts answer. With the
//! feature `http`, all are run a second time through the importer that fetches:
//! a server on the loopback is every host, with TLS. Only two things are not
//! those of the real ones: the addresses of the names, and the authority that
//! the certificates are from. No case is left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{Case, must_fail, run_by, same};
use crate::error::Error;
use crate::evaluator::Evaluator;
use crate::from_value::from_value;
#[cfg(feature = "http")]
use crate::import::Chain;
use crate::import::{Importer, MemoryImporter};
use crate::tests::hosts::SuiteImporter;
#[cfg(feature = "http")]
use crate::tests::hosts::{HOSTS, Hosts};
#[cfg(feature = "http")]
use crate::tests::http::Web;
#[cfg(feature = "http")]
use crate::tests::server::{Received, Reply};

/// What is wrong with the cases that speak to hosts: they must not fail only
/// because nobody answers.
const REASONS: &[(&str, &str)] = &[
    ("unit/cors/Empty", "does not allow"),
    ("unit/cors/NoCORS", "does not allow"),
    ("unit/cors/Null", "does not allow"),
    ("unit/cors/OnlyOther", "does not allow"),
    ("unit/cors/OnlySelf", "does not allow"),
    ("unit/cors/TwoHops", "does not allow"),
    ("unit/404", "is not there"),
    ("unit/EnvFromRemote", "must not import"),
    ("customHeadersUsingBoundVariable", "`x` is not in scope"),
    ("originHeadersFromRemote", "imports itself"),
];

/// Returns the environment variables that a case sets, in a file beside it.
fn environment(root: &Path, case: &Case) -> Result<Vec<(String, String)>, Error> {
    let file = case.input.file_name().and_then(|name| name.to_str());
    let stem = file.unwrap_or_default().trim_end_matches(".dhall");
    let stem = stem.strip_suffix('A').unwrap_or(stem);
    let Ok(text) = fs::read_to_string(case.input.with_file_name(format!("{stem}ENV.dhall"))) else {
        return Ok(Vec::new());
    };
    let evaluator = Evaluator::new(Arc::new(SuiteImporter::new(root)));
    let variables = evaluator.evaluate(&case.location(), &text)?.value;
    let variables: Vec<BTreeMap<String, String>> = from_value(&variables).expect("a map of texts");
    let pair = |variable: &BTreeMap<String, String>| {
        (variable["mapKey"].clone(), variable["mapValue"].clone())
    };
    Ok(variables.iter().map(pair).collect())
}

/// Makes an importer that has the environment variables of a case.
type Importers<'a> = dyn Fn(Vec<(String, String)>) -> Arc<dyn Importer> + 'a;

/// Evaluates a case whose imports were written into it first. What is printed
/// imports nothing: nothing is there to import.
fn resolved(importer: Arc<dyn Importer>, case: &Case) -> Result<Vec<u8>, Error> {
    let resolver = Evaluator::new(importer);
    let resolved = resolver.resolve(&case.location(), &case.text())?;
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    let text = resolved.expression.to_text()?;
    let evaluated = evaluator.evaluate(&case.location(), &text)?;
    evaluated.value.encode()
}

/// Runs the cases of imports, with the hosts in memory.
pub(super) fn in_memory(root: &Path) -> Vec<String> {
    imports_by("", root, &|variables| {
        Arc::new(SuiteImporter::new(root).with_environment(variables))
    })
}

fn imports_by(way: &str, root: &Path, importers: &Importers<'_>) -> Vec<String> {
    let importer = |case: &Case| Ok(importers(environment(root, case)?));
    let evaluate = |case: &Case, path: &Path| -> Result<Vec<u8>, Error> {
        let evaluator = Evaluator::new(importer(case)?);
        let text = fs::read_to_string(path).unwrap_or_default();
        evaluator.evaluate(&case.location(), &text)?.value.encode()
    };
    let shown = |error: Error| error.render(false);
    let mut unexpected = run_by(way, root, "import/success", "A.dhall", |case| {
        let found = evaluate(case, &case.input).map_err(shown)?;
        let expected = evaluate(case, &case.sibling("B.dhall")).map_err(shown)?;
        same(&expected, &found)?;
        let resolved = importer(case).and_then(|importer| resolved(importer, case));
        same(&expected, &resolved.map_err(shown)?)
    });
    unexpected.extend(run_by(way, root, "import/failure", ".dhall", |case| {
        let reason = REASONS.iter().find(|(name, _)| *name == case.name);
        match (evaluate(case, &case.input), reason) {
            (Err(error), Some((_, reason))) if !error.message().contains(reason) => {
                Err(format!("it fails otherwise: {error}"))
            }
            (result, _) => must_fail(result),
        }
    }));
    unexpected
}

/// Runs them again, with each host asked by HTTP.
#[cfg(feature = "http")]
pub(super) fn by_http(root: &Path) -> Vec<String> {
    let hosts = Hosts::new(root);
    let web = Web::start(HOSTS, move |url, received| {
        let Some((text, allowed)) = hosts.answer(url, &received.headers) else {
            return Reply::status("404 Not Found");
        };
        let reply = Reply::ok(text);
        match allowed {
            Some(origin) => reply.with("Access-Control-Allow-Origin", origin),
            None => reply,
        }
    });
    let mut unexpected = imports_by(" by HTTP", root, &|variables| {
        let files = SuiteImporter::new(root).with_environment(variables);
        let importers: [Arc<dyn Importer>; 2] =
            [Arc::new(files.without_hosts()), Arc::new(web.importer())];
        Arc::new(Chain(importers.into()))
    });
    let received = web.received();
    for host in HOSTS {
        let to_host = |it: &&Received| it.header("Host") == Some(host);
        let requests = received.iter().filter(to_host).count();
        println!("import by HTTP: {requests} requests to {host}");
        if requests == 0 {
            unexpected.push(format!("nobody asked {host} by HTTP"));
        }
    }
    unexpected
}

/// Without the feature there is nobody to ask.
#[cfg(not(feature = "http"))]
pub(super) fn by_http(_: &Path) -> Vec<String> {
    println!("import by HTTP: not run, the feature `http` is off");
    Vec::new()
}
