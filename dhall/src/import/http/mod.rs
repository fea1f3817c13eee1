//! Imports by HTTP, the feature `http`.
//!
//! Redirects are followed here and not by the client, because headers are
//! secrets of one origin and a text must not come from `http` when `https` was
//! asked. Nothing is kept between requests but connections: no cookies, no
//! cache. The environment is read only where the host says so.

mod client;
mod url;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ureq::Body;
use ureq::http::StatusCode;

use crate::import::files;
use crate::import::http::client::{Answer, Client, Settings};
use crate::import::{ImportError, Importer, Request, Response};
use crate::location::Location;

/// How often an answer may send the request elsewhere.
const REDIRECTS: usize = 10;

/// Fetches remote imports by HTTP/1.1, with TLS for `https`. Answers nothing
/// else: put it last into a [`Chain`](crate::Chain), behind caches.
///
/// - Certificates are checked against the authorities that the system trusts;
///   `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
/// - Up to ten redirects are followed, never from `https` to `http`. The
///   headers of a request are not sent to another scheme, host or port.
/// - Connecting takes at most 10 seconds, an answer 60, and it has at most
///   128 MiB; see [`HttpImporter::with_timeout`] and
///   [`HttpImporter::with_largest`].
/// - `Origin` tells a host which remote text imports, as a browser would.
#[derive(Debug)]
pub struct HttpImporter {
    settings: Settings,
    origin_headers: Vec<Location>,
    client: OnceLock<Client>,
}

impl Default for HttpImporter {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpImporter {
    /// Returns an importer without proxy and without headers of the user.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Settings {
                timeout: Duration::from_secs(60),
                largest: files::LARGEST,
                has_proxy: false,
            },
            origin_headers: Vec::new(),
            client: OnceLock::new(),
        }
    }

    /// Sets how long one answer may take, from its request to its last byte.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets how many bytes an answer may have.
    #[must_use]
    pub fn with_largest(mut self, bytes: u64) -> Self {
        self.settings.largest = bytes;
        self
    }

    /// Uses the proxy that the environment names: `ALL_PROXY`, `HTTPS_PROXY`
    /// or `HTTP_PROXY`, in either case, for all hosts that `NO_PROXY` does not
    /// list.
    #[must_use]
    pub fn with_environment_proxy(mut self) -> Self {
        self.settings.has_proxy = true;
        self
    }

    /// Sends the headers that the user's tables have for a host: that of the
    /// variable `DHALL_HEADERS`, else `$XDG_CONFIG_HOME/dhall/headers.dhall`,
    /// else `~/.config/dhall/headers.dhall`. Another importer of the chain
    /// reads them.
    #[must_use]
    pub fn with_user_headers(mut self, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let folder = folder.filter(|folder| folder.is_absolute());
        let file = match folder.as_ref().and_then(|folder| folder.to_str()) {
            Some(folder) => Location::Absolute(format!("{folder}/dhall/headers.dhall")),
            None => Location::Home(".config/dhall/headers.dhall".to_owned()),
        };
        self.origin_headers = vec![Location::Env("DHALL_HEADERS".to_owned()), file];
        self
    }

    /// Speaks through a client of the test's own.
    #[cfg(test)]
    pub(crate) fn with_agent(self, agent: ureq::Agent) -> Self {
        let client = Client::with_agent(agent, &self.settings);
        Self {
            client: OnceLock::from(client),
            ..self
        }
    }

    /// Writes what `url` has to `to` as it comes, bytes of any kind, and returns
    /// how many there were. Limits, redirects and certificates are those of
    /// imports.
    ///
    /// # Errors
    /// [`ImportError`] when it cannot be had whole; some of it may have been
    /// written then.
    pub fn download(&self, url: &str, to: &mut dyn Write) -> Result<u64, ImportError> {
        let location = Location::Remote(url.to_owned());
        let request = Request {
            location: &location,
            sha256: None,
            headers: &[],
            origin: None,
        };
        let (client, journey, body, _) = self.open(url, &request)?;
        client.copy(&journey.url, body, to)
    }

    /// Follows redirects to an answer, and reads it.
    fn follow(&self, asked: &str, request: &Request<'_>) -> Result<Response, ImportError> {
        let (client, journey, body, headers) = self.open(asked, request)?;
        Ok(Response {
            bytes: client.read(&journey.url, body)?.into(),
            headers,
            origin: journey.origin(),
        })
    }

    /// Follows redirects to an answer.
    fn open<'a>(
        &self,
        asked: &'a str,
        request: &Request<'_>,
    ) -> Result<Opened<'_, 'a>, ImportError> {
        let client = self.client.get_or_init(|| Client::new(&self.settings));
        let mut journey = Journey::new(asked);
        for _ in 0..=REDIRECTS {
            let headers = match journey.left_origin {
                false => request.headers,
                true => &[],
            };
            match client.get(&journey.url, headers, request.origin)? {
                Answer::Content { body, headers } => {
                    return Ok((client, journey, body, headers));
                }
                Answer::Elsewhere(to) => journey.go(&to)?,
                Answer::Status(status) => return Err(journey.refused(status, request)),
            }
        }
        Err(ImportError::Unreadable {
            message: format!("`{asked}` is redirected more than {REDIRECTS} times"),
            hint: "import the URL that has the text".to_owned(),
        })
    }
}

impl Importer for HttpImporter {
    fn read(
        &self,
        location: &Location,
        sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let response = self.fetch(&Request {
            location,
            sha256,
            headers: &[],
            origin: None,
        })?;
        Ok(response.map(|response| response.bytes))
    }

    fn fetch(&self, request: &Request<'_>) -> Result<Option<Response>, ImportError> {
        match request.location {
            Location::Remote(url) => self.follow(url, request).map(Some),
            _ => Ok(None),
        }
    }

    fn origin_headers(&self) -> Vec<Location> {
        self.origin_headers.clone()
    }
}

/// Who answers, from where, what, and with which headers.
type Opened<'c, 'a> = (&'c Client, Journey<'a>, Body, Vec<(String, String)>);

/// A request on its way through redirects.
struct Journey<'a> {
    asked: &'a str,
    /// Where it is now.
    url: String,
    /// Whether it was ever sent to another origin than was asked.
    left_origin: bool,
}

impl<'a> Journey<'a> {
    fn new(asked: &'a str) -> Self {
        Self {
            asked,
            url: asked.to_owned(),
            left_origin: false,
        }
    }

    /// Returns the origin of the answer, if it is not the one that was asked.
    fn origin(&self) -> Option<String> {
        let is_same = url::is_same_origin(self.asked, &self.url);
        let origin = || Location::Remote(self.url.clone()).origin();
        (!is_same).then(origin).flatten()
    }

    fn go(&mut self, to: &str) -> Result<(), ImportError> {
        let Some(next) = url::join(&self.url, to) else {
            return Err(ImportError::Unreadable {
                message: format!(
                    "`{}` is redirected to `{}`, which is no URL of a text",
                    self.url,
                    to.escape_debug()
                ),
                hint: "check the URL, or import the text from where it is now".to_owned(),
            });
        };
        if self.url.starts_with("https://") && !next.starts_with("https://") {
            return Err(ImportError::Refused {
                message: format!("`{}` is redirected to `{next}`, without TLS", self.url),
                hint: "import the text from a host that serves it by `https`".to_owned(),
            });
        }
        self.left_origin |= !url::is_same_origin(self.asked, &next);
        self.url = next;
        Ok(())
    }

    /// Returns the error of an answer that has no text.
    fn refused(&self, status: StatusCode, request: &Request<'_>) -> ImportError {
        let mut message = match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                format!(
                    "`{}` is not there: its host answered `{status}`",
                    self.asked
                )
            }
            status => format!(
                "cannot fetch `{}`: its host answered `{status}`",
                self.asked
            ),
        };
        if self.url != self.asked {
            message.push_str(&format!(", after a redirect to `{}`", self.url));
        }
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
                if self.left_origin && !request.headers.is_empty() =>
            {
                "headers are not sent to another host: import the URL that has the text"
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "if it needs a header, send it with `using`, or from `~/.config/dhall/headers.dhall`"
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                "check the URL, or give another value with `?`"
            }
            status if status.is_server_error() => "try again later",
            _ => "check the URL",
        };
        let hint = hint.to_owned();
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => ImportError::Absent { message, hint },
            _ => ImportError::Unreachable { message, hint },
        }
    }
}
