//! What the acceptance suite imports: its files, its cache, its home, and the
//! answers of the hosts that it names.
//!
//! Files of the suite's own repository are answered with the suite's files.
//! What else is remote is made here, as those hosts answer it: their texts,
//! what they need of a request, and the origins that they allow. They are asked
//! in memory, or by HTTP on the loopback.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::import::{ImportError, Importer, Request, Response};
use crate::location::Location;

const GITHUB: &str = "https://raw.githubusercontent.com/";
const TEST: &str = "https://test.dhall-lang.org/";

/// Every host that the suite imports from.
#[cfg(feature = "http")]
pub(super) const HOSTS: &[&str] = &[
    "raw.githubusercontent.com",
    "test.dhall-lang.org",
    "httpbin.org",
    "prelude.dhall-lang.org",
];

/// The hosts, and the files that one of them has.
pub(super) struct Hosts {
    root: PathBuf,
    /// How many random texts were given.
    random: AtomicU64,
}

impl Hosts {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            random: AtomicU64::new(0),
        }
    }

    fn file(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(path)).ok()
    }

    /// Answers a request as the host would: the text, and who may see it.
    pub(super) fn answer(
        &self,
        url: &str,
        headers: &[(String, String)],
    ) -> Option<(Vec<u8>, Option<String>)> {
        let anyone = Some("*".to_owned());
        if let Some(path) = url.strip_prefix(GITHUB) {
            return Some((self.github(path)?, anyone));
        }
        let header = |name: &str| {
            let named = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.as_str())
        };
        match url {
            "https://httpbin.org/user-agent" => {
                let agent = header("User-Agent").unwrap_or_default();
                let text = format!("{{\n  \"user-agent\": \"{agent}\"\n}}\n");
                Some((text.into(), anyone))
            }
            "https://prelude.dhall-lang.org/List/length" => {
                let text =
                    "let length : forall (a : Type) -> List a -> Natural = List/length in length";
                Some((text.into(), anyone))
            }
            _ => self.test_host(url.strip_prefix(TEST)?, header("Test").is_some()),
        }
    }

    fn github(&self, path: &str) -> Option<Vec<u8>> {
        // At that commit the file asked for another variable than it does now.
        if path.starts_with("Nadrieril/") && path.ends_with("/asLocation/EnvA.dhall") {
            return Some(b"env:HOME as Location".to_vec());
        }
        let (_, path) = path.split_once("/tests/")?;
        self.file(path)
    }

    fn test_host(&self, path: &str, authorized: bool) -> Option<(Vec<u8>, Option<String>)> {
        let repository =
            format!("{GITHUB}dhall-lang/dhall-lang/5ff7ecd2411894dd9ce307dc23020987361d2d43");
        let hop = |name: &str| format!("{repository}/tests/import/data/cors/{name}.dhall");
        let number = "42".to_owned();
        let (text, origin) = match path {
            "foo" if authorized => ("./bar".to_owned(), None),
            "bar" if authorized => ("True".to_owned(), None),
            "random-string" => {
                let number = self.random.fetch_add(1, Ordering::Relaxed);
                (format!("random {number}"), None)
            }
            "cors/AllowedAll.dhall" => (number, Some("*")),
            "cors/OnlyGithub.dhall" => (number, Some("https://raw.githubusercontent.com")),
            "cors/OnlySelf.dhall" => (number, Some("https://test.dhall-lang.org")),
            "cors/OnlyOther.dhall" => (number, Some("https://example.com")),
            "cors/Empty.dhall" => (number, Some("")),
            "cors/NoCORS.dhall" => (number, None),
            "cors/Null.dhall" => (number, Some("null")),
            "cors/SelfImportAbsolute.dhall" => (format!("{TEST}cors/NoCORS.dhall"), Some("*")),
            "cors/SelfImportRelative.dhall" => ("./NoCORS.dhall".to_owned(), Some("*")),
            "cors/TwoHopsFail.dhall" => (hop("OnlySelf"), Some("*")),
            "cors/TwoHopsSuccess.dhall" => (hop("OnlyGithub"), Some("*")),
            _ => return None,
        };
        Some((text.into(), origin.map(str::to_owned)))
    }
}

/// What is not remote, and the hosts unless somebody else asks them.
pub(super) struct SuiteImporter {
    files: Hosts,
    asks_hosts: bool,
    environment: BTreeMap<String, String>,
}

impl SuiteImporter {
    pub(super) fn new(root: &Path) -> Self {
        let variable = ("DHALL_TEST_VAR".to_owned(), "6 * 7".to_owned());
        Self {
            files: Hosts::new(root),
            asks_hosts: true,
            environment: BTreeMap::from([variable]),
        }
    }

    pub(super) fn with_environment(mut self, variables: Vec<(String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    #[cfg(feature = "http")]
    pub(super) fn without_hosts(mut self) -> Self {
        self.asks_hosts = false;
        self
    }

    fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.files.file(path)
    }
}

impl Importer for SuiteImporter {
    fn read(
        &self,
        location: &Location,
        _sha256: Option<[u8; 32]>,
    ) -> Result<Option<Arc<[u8]>>, ImportError> {
        let bytes = match location {
            Location::File(path) => path
                .strip_prefix("dhall-lang/tests/")
                .and_then(|path| self.file(path)),
            Location::Home(path) => self.file(&format!("import/home/{path}")),
            Location::Env(name) => self.environment.get(name).map(|text| text.clone().into()),
            _ => None,
        };
        Ok(bytes.map(Into::into))
    }

    fn fetch(&self, request: &Request<'_>) -> Result<Option<Response>, ImportError> {
        let Location::Remote(url) = request.location else {
            let bytes = self.read(request.location, request.sha256)?;
            return Ok(bytes.map(Response::from));
        };
        if !self.asks_hosts {
            return Ok(None);
        }
        let answer = self.files.answer(url, request.headers);
        Ok(answer.map(|(text, origin)| Response {
            bytes: text.into(),
            headers: origin
                .map(|origin| ("access-control-allow-origin".to_owned(), origin))
                .into_iter()
                .collect(),
            origin: None,
        }))
    }

    fn cached(&self, sha256: &[u8; 32]) -> Result<Option<Arc<[u8]>>, ImportError> {
        let name = data_encoding::HEXLOWER.encode(sha256);
        let entry = self.file(&format!("import/cache/dhall/1220{name}"));
        Ok(entry.map(Into::into))
    }

    fn origin_headers(&self) -> Vec<Location> {
        vec![Location::Env("DHALL_HEADERS".to_owned())]
    }
}
