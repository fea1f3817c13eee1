//! One request and its answer.

use std::io::{self, Read as _, Write};
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::{HeaderMap, LOCATION, ORIGIN};
use ureq::http::{StatusCode, response::Parts};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, Proxy};

use crate::import::ImportError;

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);

/// What a client is made from.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) largest: u64,
    /// Whether the environment may name a proxy.
    pub(super) has_proxy: bool,
}

/// What a host says.
pub(super) enum Answer {
    /// What was asked for, to be read.
    Content {
        body: Body,
        headers: Vec<(String, String)>,
    },
    /// It is at another URL, which may be relative.
    Elsewhere(String),
    /// There is no text.
    Status(StatusCode),
}

#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    largest: u64,
    /// Whether any authority is trusted.
    has_roots: bool,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Self {
        // What cannot be read of the system's certificates is not trusted.
        let found = rustls_native_certs::load_native_certs().certs;
        let roots = found
            .iter()
            .map(|root| Certificate::from_der(root).to_owned());
        let roots: Vec<_> = roots.collect();
        let proxy = settings.has_proxy.then(Proxy::try_from_env).flatten();
        let has_roots = !roots.is_empty();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .timeout_connect(Some(CONNECT.min(settings.timeout)))
            .timeout_resolve(Some(CONNECT.min(settings.timeout)))
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("straylight-dhall/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: Agent::new_with_config(config),
            largest: settings.largest,
            has_roots,
        }
    }

    #[cfg(test)]
    pub(super) fn with_agent(agent: Agent, settings: &Settings) -> Self {
        Self {
            agent,
            largest: settings.largest,
            has_roots: true,
        }
    }

    pub(super) fn get(
        &self,
        url: &str,
        headers: &[(String, String)],
        origin: Option<&str>,
    ) -> Result<Answer, ImportError> {
        let fail = |error| self.failed(url, &error);
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let names_origin = |(name, _): &(String, String)| name.eq_ignore_ascii_case("origin");
        if let Some(origin) = origin.filter(|_| !headers.iter().any(names_origin)) {
            request = request.header(ORIGIN, origin);
        }
        let (parts, body) = request.call().map_err(fail)?.into_parts();
        match (parts.status, redirected(&parts)) {
            (_, Some(to)) => Ok(Answer::Elsewhere(to)),
            (status, None) if status.is_success() => Ok(Answer::Content {
                body,
                headers: texts(&parts.headers),
            }),
            (status, None) => Ok(Answer::Status(status)),
        }
    }

    /// Reads the answer of `url`.
    pub(super) fn read(&self, url: &str, mut body: Body) -> Result<Vec<u8>, ImportError> {
        let read = body.with_config().limit(self.largest).read_to_vec();
        read.map_err(|error| self.failed(url, &error))
    }

    /// Writes the answer of `url` to `to` as it comes, and returns its length.
    pub(super) fn copy(
        &self,
        url: &str,
        mut body: Body,
        to: &mut dyn Write,
    ) -> Result<u64, ImportError> {
        let mut from = body.with_config().limit(self.largest).reader();
        let mut buffer = vec![0; 1 << 16];
        let mut length = 0;
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => return Ok(length),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failed(url, &ureq::Error::from(error))),
            };
            to.write_all(&buffer[..read])
                .map_err(|error| ImportError::Unreadable {
                    message: format!("cannot keep what `{url}` has: {error}"),
                    hint: "make room, and try again".to_owned(),
                })?;
            length += read as u64;
        }
    }

    fn failed(&self, url: &str, error: &ureq::Error) -> ImportError {
        use ureq::Error;
        let message = format!("cannot fetch `{url}`: {error}");
        match error {
            Error::BodyExceedsLimit(_) => ImportError::Refused {
                message: format!("`{url}` is too large"),
                hint: format!("an import has at most {} bytes", self.largest),
            },
            error if is_of_tls(error) => ImportError::Unreadable {
                message,
                hint: self.tls_hint(),
            },
            Error::HostNotFound | Error::Io(_) | Error::ConnectionFailed => {
                unreachable(message, "check the host's name, and the network")
            }
            Error::Timeout(_) => unreachable(message, "try again, or ask whether the host is well"),
            Error::Protocol(_) | Error::LargeResponseHeader(..) => {
                unreachable(message, "this host does not speak HTTP as it should")
            }
            _ => ImportError::Unreadable {
                message,
                hint: "check the URL, the headers, and the proxy of the environment".to_owned(),
            },
        }
    }

    fn tls_hint(&self) -> String {
        if self.has_roots {
            return "check the host's certificate; `SSL_CERT_FILE` names authorities that the \
                    system does not know"
                .to_owned();
        }
        "this system trusts no certificate authority: install its `ca-certificates`, or set \
         `SSL_CERT_FILE`"
            .to_owned()
    }
}

fn unreachable(message: String, hint: &str) -> ImportError {
    ImportError::Unreachable {
        message,
        hint: hint.to_owned(),
    }
}

/// Returns whether a host was reached that does not prove who it is.
fn is_of_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => true,
        ureq::Error::Io(error) => is_rustls(error),
        _ => false,
    }
}

fn is_rustls(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
}

/// Returns where an answer sends the request.
fn redirected(parts: &Parts) -> Option<String> {
    let is_redirect = matches!(
        parts.status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let to = parts.headers.get(LOCATION).filter(|_| is_redirect)?;
    Some(String::from_utf8_lossy(to.as_bytes()).into_owned())
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect()
}
