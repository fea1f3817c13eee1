//! Headers of requests, and the origins that answers allow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::{
    Chain, Error, Evaluator, ImportError, Importer, Location, MemoryImporter, Request, Response,
};

/// Hosts whose texts are given; remembers what each request sent.
#[derive(Default)]
struct Hosts {
    texts: HashMap<Location, String>,
    allowed: HashMap<Location, Vec<&'static str>>,
    sent: Mutex<Vec<String>>,
    user_table: bool,
}

impl Hosts {
    fn new(texts: &[(&str, &str)]) -> Self {
        let mut hosts = Self::default();
        for (at, text) in texts {
            hosts.texts.insert(location(at), (*text).to_owned());
        }
        hosts
    }

    fn allow(mut self, at: &str, origins: &[&'static str]) -> Self {
        self.allowed.insert(location(at), origins.to_vec());
        self
    }

    fn with_user_table(mut self, table: &str) -> Self {
        self.user_table = true;
        self.texts.insert(location("env:HEADERS"), table.to_owned());
        self
    }

    /// Evaluates a local text; returns its value, and what was sent where.
    fn evaluate(self, text: &str) -> (Result<String, Error>, Vec<String>) {
        let hosts = Arc::new(self);
        let evaluator = Evaluator::new(Arc::clone(&hosts) as Arc<dyn Importer>);
        let evaluated = evaluator.evaluate(&location("main.dhall"), text);
        let sent = hosts.sent.lock().expect("no panic").clone();
        (evaluated.map(|it| it.value.to_string()), sent)
    }
}

fn location(at: &str) -> Location {
    match at.strip_prefix("env:") {
        Some(name) => Location::Env(name.to_owned()),
        None if at.starts_with("https://") => Location::Remote(at.to_owned()),
        None => Location::File(at.to_owned()),
    }
}

impl Importer for Hosts {
    fn read(
        &self,
        location: &Location,
        _: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let text = self.texts.get(location);
        Ok(text.map(|text| text.as_bytes().into()))
    }

    fn fetch(&self, request: &Request<'_>) -> Result<Option<Response>, ImportError> {
        if let Location::Remote(url) = request.location {
            let headers = request.headers.iter();
            let headers: Vec<_> = headers.map(|(n, v)| format!("{n}={v}")).collect();
            let origin = request.origin.unwrap_or("-");
            let line = format!("{url} [{}] {origin}", headers.join(" "));
            self.sent.lock().expect("no panic").push(line);
        }
        let allowed = self.allowed.get(request.location).into_iter().flatten();
        let headers = allowed.map(|o| ("ACCESS-control-Allow-Origin".to_owned(), (*o).to_owned()));
        Ok(self.read(request.location, None)?.map(|bytes| Response {
            bytes,
            headers: headers.collect(),
            origin: None,
        }))
    }

    fn origin_headers(&self) -> Vec<Location> {
        let tables = ["env:UNSET", "env:HEADERS"].map(location);
        tables.into_iter().filter(|_| self.user_table).collect()
    }
}

const A: &str = "https://a.example/x/lib";
const B: &str = "https://b.example/lib";

#[test]
fn headers_are_evaluated_with_their_imports() {
    for text in [
        format!("{A} using ./headers.dhall"),
        format!("{A} using (toMap {{ Token = \"s\" ++ \"1\" }})"),
        format!("{A} using [ {{ header = \"Token\", value = \"s1\" }} ]"),
    ] {
        let hosts = Hosts::new(&[(A, "1"), ("headers.dhall", "toMap { Token = \"s1\" }")]);
        let (value, sent) = hosts.evaluate(&text);
        assert_eq!(value.expect("a value"), "1");
        assert_eq!(sent, [format!("{A} [Token=s1] -")]);
    }
    let (value, sent) = Hosts::new(&[(A, "1")]).evaluate(&format!(
        "{A} using (toMap {{=}} : List {{ mapKey : Text, mapValue : Text }})"
    ));
    assert_eq!(
        (value.expect("a value").as_str(), sent[0].as_str()),
        ("1", "https://a.example/x/lib [] -")
    );
}

#[test]
fn what_is_no_header_is_refused_before_it_is_sent() {
    let cases = [
        ("1", "these are not headers"),
        ("(toMap { Token = 1 })", "these are not headers"),
        (
            "[ { name = \"Token\", value = \"\" } ]",
            "these are not headers",
        ),
        ("(toMap { Token = x })", "`x` is not in scope"),
        (
            "[ { header = \"A\", value = \"1\\r\\nEvil: 2\" } ]",
            "control character",
        ),
        (
            "[ { header = \"A: 1\\nB\", value = \"\" } ]",
            "no name of a header",
        ),
        ("[ { header = \"\", value = \"\" } ]", "no name of a header"),
        ("./absent.dhall", "`absent.dhall` is not there"),
    ];
    for (headers, expected) in cases {
        let text = format!("let x = \"t\" in {A} using {headers}");
        let (value, sent) = Hosts::new(&[(A, "1")]).evaluate(&text);
        let message = value.expect_err(headers).to_string();
        assert!(message.contains(expected), "{message}");
        assert!(sent.is_empty(), "{sent:?}");
    }
}

#[test]
fn relative_imports_send_the_headers_of_their_text() {
    let texts = [
        (
            A,
            "./a + ../b + https://a.example/c + https://b.example/lib",
        ),
        ("https://a.example/x/a", "1"),
        ("https://a.example/b", "./x/a"),
        ("https://a.example/c", "1"),
        (B, "1"),
    ];
    let text = format!("{A} using (toMap {{ X = \"1\" }})");
    let (value, sent) = Hosts::new(&texts).allow(B, &["*"]).evaluate(&text);
    assert_eq!(value.expect("a value"), "4");
    assert_eq!(
        sent,
        [
            "https://a.example/x/lib [X=1] -",
            "https://a.example/x/a [X=1] https://a.example",
            "https://a.example/b [X=1] https://a.example",
            "https://a.example/c [] https://a.example",
            "https://b.example/lib [] https://a.example",
        ]
    );
}

#[test]
fn headers_are_part_of_what_an_import_is() {
    let one = format!("{A} using (toMap {{ X = \"1\" }})");
    let two = format!("{A} using (toMap {{ X = \"2\" }})");
    let (value, sent) = Hosts::new(&[(A, "1")]).evaluate(&format!("{one} + {two} + {one} + {A}"));
    assert_eq!((value.expect("a value").as_str(), sent.len()), ("4", 3));
    let (value, _) = Hosts::new(&[(A, "./lib")]).evaluate(&one);
    let message = value.expect_err("a cycle").to_string();
    assert!(message.contains("imports itself"), "{message}");
}

#[test]
fn the_users_headers_win_for_their_host() {
    let table = "toMap { `a.example:443` = toMap { token = \"user\" }, `b.example:443` = toMap { No = \"1\" } }";
    let hosts = Hosts::new(&[(A, "./y"), ("https://a.example/x/y", "1")]).with_user_table(table);
    let text = format!("{A} using (toMap {{ Token = \"inline\", X = \"1\" }})");
    let (value, sent) = hosts.evaluate(&text);
    assert_eq!(value.expect("a value"), "1");
    assert_eq!(sent[0], "https://a.example/x/lib [X=1 token=user] -");
    assert_eq!(
        sent[1],
        "https://a.example/x/y [X=1 token=user] https://a.example"
    );
    for (table, expected) in [
        (B, "imports itself"),
        ("toMap { a = 1 }", "is not a table of headers"),
        (
            "toMap { `a.example:443` = toMap { A = \"\\n\" } }",
            "control character",
        ),
    ] {
        let (value, sent) = Hosts::new(&[(A, "1")]).with_user_table(table).evaluate(A);
        let message = value.expect_err(table).to_string();
        assert!(message.contains(expected) && sent.is_empty(), "{message}");
    }
}

#[test]
fn the_users_headers_are_among_what_a_result_depends_on() {
    let texts = [(A, "1"), ("x", "\"1\"")];
    let hosts = Hosts::new(&texts).with_user_table("toMap { b = toMap { X = ./x } }");
    let evaluated = Evaluator::new(Arc::new(hosts))
        .evaluate(&location("main.dhall"), A)
        .expect("a value");
    let found: Vec<_> = evaluated
        .imports
        .iter()
        .map(|i| (i.location.to_string(), i.found))
        .collect();
    let expected = [
        ("x", true),
        (A, true),
        ("env:HEADERS", true),
        ("env:UNSET", false),
    ];
    assert_eq!(found, expected.map(|(at, found)| (at.to_owned(), found)));
}

#[test]
fn another_origin_must_allow_an_import() {
    let cases: [(&[&'static str], bool); 8] = [
        (&["*"], true),
        (&["https://a.example"], true),
        (&[], false),
        (&[""], false),
        (&["null"], false),
        (&["http://a.example"], false),
        (&["https://a.example", "https://a.example"], false),
        (&["https://a.example/"], false),
    ];
    for (allowed, works) in cases {
        let texts = [(A, B), (B, "1")];
        let (value, _) = Hosts::new(&texts).allow(B, allowed).evaluate(A);
        assert_eq!(value.is_ok(), works, "{allowed:?}");
        // It is asked again of what a local text was allowed to see.
        let (value, sent) = Hosts::new(&texts)
            .allow(B, allowed)
            .evaluate(&format!("{B} + {A}"));
        assert_eq!((value.is_ok(), sent.len()), (works, 2), "{allowed:?}");
        // An alternative does not hide it, and bytes are no way around it.
        let texts = [(A, "(https://b.example/lib as Text) ? \"\""), (B, "1")];
        let (value, _) = Hosts::new(&texts).allow(B, allowed).evaluate(A);
        assert_eq!(value.is_ok(), works, "{allowed:?}");
    }
}

#[test]
fn what_needs_no_host_needs_no_leave() {
    let value = "\\(x : Bool) -> x";
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    let value = evaluator
        .evaluate(&location("x"), value)
        .expect("a value")
        .value;
    let hash = data_encoding::HEXLOWER.encode(&value.hash().expect("a hash"));
    let evaluate = |response: Response| {
        let mut importer = MemoryImporter::new();
        importer.insert(location(A), format!("{B} sha256:{hash}"));
        importer.insert_response(location(B), response);
        // In a chain, as hosts use importers.
        let chain = Chain(vec![Arc::new(MemoryImporter::new()), Arc::new(importer)]);
        let evaluated = Evaluator::new(Arc::new(chain)).evaluate(&location("main.dhall"), A);
        evaluated.map(|it| it.value.to_string())
    };
    let response = |bytes: &[u8], headers: &[(&str, &str)]| Response {
        bytes: bytes.into(),
        headers: headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        origin: None,
    };
    // The binary form is what its hash says, whoever has it; a source is read.
    let binary = value.encode().expect("bytes");
    evaluate(response(&binary, &[])).expect("known by its hash");
    let source = b"\\(y : Bool) -> y";
    let error = evaluate(response(source, &[])).expect_err("not allowed");
    assert!(error.to_string().contains("does not allow"), "{error}");
    assert!(
        error
            .details()
            .any(|note| note.contains("has no `Access-Control-Allow-Origin`"))
    );
    evaluate(response(source, &[("Access-Control-Allow-Origin", "*")])).expect("allowed");
}
