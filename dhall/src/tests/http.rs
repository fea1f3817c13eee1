//! The importer that fetches, against servers on the loopback.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::import::HttpImporter;
use crate::tests::server::{Received, Reply, Server};
use crate::{
    Chain, Error, ErrorKind, Evaluator, ImportError, Importer, Location, MemoryImporter, Request,
    Response,
};

/// Reaches one server under every name.
struct EveryName(SocketAddr);

impl fmt::Debug for EveryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Resolver for EveryName {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

fn settings() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
}

/// A server with TLS that is every host of the web.
pub(super) struct Web {
    server: Server,
    root: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Web {
    /// Answers from the URL and the headers.
    pub(super) fn start(
        hosts: &[&str],
        answer: impl Fn(&str, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = rcgen::CertifiedIssuer::self_signed(authority, key).expect("a certificate");
        let key = rcgen::KeyPair::generate().expect("a key");
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let leaf = rcgen::CertificateParams::new(hosts).expect("names");
        let leaf = leaf.signed_by(&key, &root).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("a configuration");
        let config = Arc::new(config);
        let server = Server::start_on(
            move |stream| {
                let connection = rustls::ServerConnection::new(Arc::clone(&config));
                let connection = connection.expect("a connection");
                Box::new(rustls::StreamOwned::new(connection, stream))
            },
            move |received| {
                let host = received.header("Host").unwrap_or_default();
                answer(&format!("https://{host}{}", received.path), received)
            },
        );
        Self { server, root }
    }

    /// Returns all that was asked so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// Returns an importer that trusts the server.
    pub(super) fn importer(&self) -> HttpImporter {
        let root = ureq::tls::Certificate::from_der(self.root.der()).to_owned();
        self.importer_trusting(&[root])
    }

    fn importer_trusting(&self, roots: &[ureq::tls::Certificate<'static>]) -> HttpImporter {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ureq::tls::TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(ureq::tls::RootCerts::new_with_certs(roots))
            .build();
        let names = EveryName(self.server.address());
        let config = settings().tls_config(tls).proxy(None).build();
        let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), names);
        HttpImporter::new().with_agent(agent)
    }
}

fn remote(url: impl Into<String>) -> Location {
    Location::Remote(url.into())
}

fn fetch(importer: &HttpImporter, url: &str) -> Result<Response, ImportError> {
    fetch_with(importer, url, &[("Token", "s3cret")])
}

fn fetch_with(
    importer: &HttpImporter,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Response, ImportError> {
    let headers = headers.iter();
    let headers: Vec<_> = headers
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let response = importer.fetch(&Request {
        location: &remote(url),
        sha256: None,
        headers: &headers,
        origin: None,
    })?;
    Ok(response.expect("URLs are its own"))
}

fn evaluate(importer: HttpImporter, text: &str) -> Result<String, Error> {
    let evaluator = Evaluator::new(Arc::new(importer));
    let evaluated = evaluator.evaluate(&Location::File("main.dhall".to_owned()), text)?;
    Ok(evaluated.value.to_string())
}

#[test]
fn texts_are_fetched_with_their_headers() {
    let server = Server::start(|received| match received.path.as_str() {
        "/a/lib.dhall" => Reply::ok("./b.dhall + 1"),
        "/a/b.dhall?x" => Reply::ok("2"),
        _ => Reply::ok("40").with("X-Twice", "1").with("X-Twice", "2"),
    });
    let text = format!(
        "{} using (toMap {{ Token = \"s3cret\" }}) + {} ",
        server.url("/a/lib.dhall"),
        server.url("/a/b.dhall?x"),
    );
    assert_eq!(evaluate(HttpImporter::new(), &text).expect("a value"), "43");
    let received = server.received();
    let paths: Vec<_> = received.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/a/lib.dhall", "/a/b.dhall", "/a/b.dhall?x"]);
    let tokens: Vec<_> = received.iter().map(|it| it.header("Token")).collect();
    assert_eq!(tokens, [Some("s3cret"), Some("s3cret"), None]);
    let origins: Vec<_> = received.iter().map(|it| it.header("Origin")).collect();
    let origin = format!("http://{}", server.address());
    assert_eq!(origins, [None, Some(origin.as_str()), None]);
    let agent = received[0].header("User-Agent").expect("a name");
    assert!(agent.starts_with("straylight-dhall/"), "{agent}");
    let response = fetch(&HttpImporter::new(), &server.url("/")).expect("an answer");
    let twice = response
        .headers
        .iter()
        .filter(|(name, _)| name == "x-twice");
    assert_eq!((twice.count(), response.origin), (2, None));
    // What is not remote is somebody else's.
    let elsewhere = HttpImporter::new().read(&Location::Missing, None);
    assert_eq!(elsewhere, Ok(None));
}

#[test]
fn redirects_are_followed_without_secrets() {
    let other = Server::start(|received| match received.path.as_str() {
        "/closed" => Reply::status("403 Forbidden"),
        _ => Reply::ok("1"),
    });
    let there = other.url("/lib");
    let closed = other.url("/closed");
    let server = Server::start(move |received| match received.path.as_str() {
        "/here" => Reply::redirect("sub/../target?q#part"),
        "/there" => Reply::redirect(there.clone()),
        "/closed" => Reply::redirect(closed.clone()),
        "/loop" => Reply::redirect("/loop"),
        "/nowhere" => Reply::status("301 Moved Permanently"),
        "/file" => Reply::redirect("file:///etc/passwd"),
        _ => Reply::ok("1"),
    });
    let importer = HttpImporter::new();
    let response = fetch(&importer, &server.url("/here")).expect("an answer");
    assert_eq!((&*response.bytes, response.origin), (&b"1"[..], None));
    let last = server.received().pop().expect("a request");
    assert_eq!(
        (last.path.as_str(), last.header("Token")),
        ("/target?q", Some("s3cret"))
    );
    let response = fetch(&importer, &server.url("/there")).expect("an answer");
    let origin = format!("http://{}", other.address());
    assert_eq!(response.origin, Some(origin));
    assert_eq!(other.received()[0].header("Token"), None);
    let cases = [
        ("/loop", "is redirected more than 10 times"),
        ("/nowhere", "its host answered `301 Moved Permanently`"),
        ("/file", "which is no URL of a text"),
        ("/closed", "after a redirect to `http://127.0.0.1"),
    ];
    for (path, expected) in cases {
        let error = fetch(&importer, &server.url(path)).expect_err(path);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = fetch(&importer, &server.url("/closed")).expect_err("forbidden");
    assert!(
        error
            .hint()
            .contains("headers are not sent to another host"),
        "{}",
        error.hint()
    );
    let asked = server
        .received()
        .iter()
        .filter(|it| it.path == "/loop")
        .count();
    assert_eq!(asked, 11);
}

#[test]
fn a_redirect_is_no_way_around_another_hosts_will() {
    let allowing = Server::start(|_| Reply::ok("1").with("Access-Control-Allow-Origin", "*"));
    let silent = Server::start(|_| Reply::ok("1"));
    let (yes, no) = (allowing.url("/"), silent.url("/"));
    let server = Server::start(move |received| match received.path.as_str() {
        "/yes" => Reply::redirect(yes.clone()),
        "/no" => Reply::redirect(no.clone()).with("Access-Control-Allow-Origin", "*"),
        "/lib-yes" => Reply::ok("./yes"),
        _ => Reply::ok("./no ? 2"),
    });
    let value = |path| evaluate(HttpImporter::new(), &server.url(path));
    assert_eq!(value("/lib-yes").expect("a value"), "1");
    // A text of the user may import it, a text of that host may not.
    assert_eq!(value("/no").expect("a value"), "1");
    let error = value("/lib-no").expect_err("not allowed");
    assert!(error.message().contains("does not allow"), "{error}");
    assert!(
        error.message().contains(&silent.address().to_string()),
        "{error}"
    );
}

#[test]
fn what_is_not_there_has_an_alternative() {
    let server = Server::start(|received| match received.path.as_str() {
        "/404" => Reply::status("404 Not Found"),
        "/500" => Reply::status("500 Internal Server Error"),
        _ => Reply::status("401 Unauthorized"),
    });
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}/", free.local_addr().expect("an address"));
    drop(free);
    let cases = [
        (
            server.url("/404"),
            "is not there: its host answered `404 Not Found`",
            "check the URL",
            ErrorKind::Absent,
        ),
        (
            server.url("/500"),
            "its host answered `500 Internal Server Error`",
            "try again later",
            ErrorKind::Unavailable,
        ),
        (
            server.url("/401"),
            "its host answered `401 Unauthorized`",
            "`using`",
            ErrorKind::Unavailable,
        ),
        (
            nobody,
            "cannot fetch `http://127.0.0.1",
            "check the host's name, and the network",
            ErrorKind::Unavailable,
        ),
    ];
    for (url, message, hint, kind) in cases {
        let error = evaluate(HttpImporter::new(), &url).expect_err("nothing");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.message().contains(&url), "{error}");
        assert!(
            error.hint().is_some_and(|it| it.contains(hint)),
            "{:?}",
            error.hint()
        );
        let value = evaluate(HttpImporter::new(), &format!("{url} ? 7"));
        assert_eq!(value.expect("an alternative"), "7");
    }
}

#[test]
fn answers_are_bounded_in_size_and_time() {
    let server = Server::start(|received| Reply {
        has_length: received.path == "/told",
        ..Reply::ok(vec![b'1'; 5000])
    });
    for path in ["/told", "/untold"] {
        let text = format!("{} as Text ? \"\"", server.url(path));
        let error = evaluate(HttpImporter::new().with_largest(4999), &text).expect_err("large");
        assert!(error.message().contains("is too large"), "{error}");
        assert_eq!(error.hint(), Some("an import has at most 4999 bytes"));
        let importer = HttpImporter::new().with_largest(5000);
        let response = fetch(&importer, &server.url(path)).expect("an answer");
        assert_eq!(response.bytes.len(), 5000);
    }
    // A host that accepts and says nothing.
    let (stop, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let silent = Server::start(move |_| {
        let _ = wait.lock().expect("no panic").recv();
        Reply::ok("1")
    });
    let started = Instant::now();
    let importer = HttpImporter::new().with_timeout(Duration::from_millis(200));
    let error = fetch(&importer, &silent.url("/")).expect_err("nothing");
    assert!(matches!(error, ImportError::Unreachable { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    drop(stop);
}

#[test]
fn answers_that_are_not_http_or_not_utf8_are_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let thread = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 1024]);
        stream
            .write_all(b"SSH-2.0-OpenSSH_10.0\r\n")
            .expect("written");
    });
    let error = fetch(&HttpImporter::new(), &url).expect_err("another protocol");
    assert!(error.to_string().contains(&url), "{error}");
    thread.join().expect("served");
    let server = Server::start(|_| Reply::ok(b"\"\xff\"".to_vec()));
    let error = evaluate(HttpImporter::new(), &server.url("/x")).expect_err("no text");
    assert!(error.message().contains("this is not UTF-8"), "{error}");
    let bytes = evaluate(
        HttpImporter::new(),
        &format!("{} as Bytes", server.url("/x")),
    );
    assert_eq!(bytes.expect("bytes"), "0x\"22ff22\"");
}

#[test]
fn hosts_must_prove_who_they_are() {
    let web = Web::start(&["a.example", "b.example"], |url, _| match url {
        "https://a.example/down" => Reply::redirect("http://a.example/x"),
        "https://a.example/over" => Reply::redirect("//b.example/x"),
        url => Reply::ok(format!("\"{url}\"")),
    });
    let value = evaluate(web.importer(), "https://a.example/over");
    assert_eq!(value.expect("a value"), "\"https://b.example/x\"");
    let error = fetch(&web.importer(), "https://a.example/down").expect_err("no TLS");
    assert!(matches!(error, ImportError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("without TLS"), "{error}");
    // Neither a certificate of another name nor of an unknown authority will do.
    let strangers = web.importer_trusting(&[]);
    for (importer, url) in [
        (web.importer(), "https://c.example/"),
        (strangers, "https://a.example/"),
    ] {
        let error = evaluate(importer, &format!("{url} ? 1")).expect_err("no proof");
        assert!(error.message().contains("certificate"), "{error}");
        assert!(error.hint().is_some_and(|it| it.contains("SSL_CERT_FILE")));
    }
}

#[test]
fn the_users_headers_are_where_the_standard_says() {
    let places = |set: Option<&str>| {
        let importer = HttpImporter::new().with_user_headers(|name| {
            assert_eq!(name, "XDG_CONFIG_HOME");
            set.map(Into::into)
        });
        let places: Vec<_> = importer.origin_headers();
        places.iter().map(Location::to_string).collect::<Vec<_>>()
    };
    let home = ["env:DHALL_HEADERS", "~/.config/dhall/headers.dhall"];
    assert_eq!(places(None), home);
    assert_eq!(places(Some("relative")), home);
    assert_eq!(
        places(Some("/c")),
        ["env:DHALL_HEADERS", "/c/dhall/headers.dhall"]
    );
    let server = Server::start(|received| {
        Reply::ok(format!(
            "\"{}\"",
            received.header("Token").unwrap_or("none")
        ))
    });
    let table = format!(
        "toMap {{ `{}` = toMap {{ Token = \"mine\" }} }}",
        server.address()
    );
    let tables = MemoryImporter::new().with(Location::Env("DHALL_HEADERS".to_owned()), table);
    let http = HttpImporter::new().with_user_headers(|_| None);
    let chain = Chain(vec![Arc::new(tables), Arc::new(http)]);
    let evaluated = Evaluator::new(Arc::new(chain))
        .evaluate(&Location::File("main.dhall".to_owned()), &server.url("/"))
        .expect("a value");
    assert_eq!(evaluated.value.to_string(), "\"mine\"");
}

#[test]
fn bytes_of_any_kind_are_downloaded_as_they_come() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = bytes.clone();
    let server = Server::start(move |received| match received.path.as_str() {
        "/moved" => Reply::redirect("/file"),
        "/file" => Reply::ok(sent.clone()),
        _ => Reply::status("404 Not Found"),
    });
    let mut got = Vec::new();
    let length = HttpImporter::new().download(&server.url("/moved"), &mut got);
    assert_eq!(length.unwrap(), 300_000);
    assert_eq!(got, bytes);
    let absent = HttpImporter::new().download(&server.url("/absent"), &mut Vec::new());
    assert!(absent.unwrap_err().to_string().contains("is not there"));
    let small = HttpImporter::new().with_largest(299_999);
    let error = small.download(&server.url("/file"), &mut Vec::new());
    assert!(error.unwrap_err().to_string().ends_with("is too large"));
    // A full disk is told as such.
    let mut full = [0; 1000];
    let error = HttpImporter::new().download(&server.url("/file"), &mut &mut full[..]);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("cannot keep what")
    );
}
