//! What a redirect needs to know of URLs (RFC 3986, section 5.2).

use ureq::http::Uri;

/// Returns the URL that `reference`, from an answer of `base`, stands for.
/// `None` if it is not one of `http` or `https`.
pub(super) fn join(base: &str, reference: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let scheme_end = base.find("://")? + 3;
    let authority_end = base[scheme_end..]
        .find(['/', '?'])
        .map_or(base.len(), |at| scheme_end + at);
    let url = if has_scheme(reference) {
        reference.to_owned()
    } else if reference.starts_with("//") {
        format!("{}{reference}", &base[..scheme_end - 2])
    } else {
        let (origin, path) = base.split_at(authority_end);
        let path = path.split('?').next().unwrap_or_default();
        format!("{origin}{}", below(path, reference))
    };
    let uri: Uri = url.parse().ok()?;
    let is_remote = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    (is_remote && has_host).then(|| uri.to_string())
}

fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']);
    end.is_some_and(|end| end > 0 && reference[end..].starts_with(':'))
}

/// Returns the path and the query that a reference without host stands for.
fn below(base: &str, reference: &str) -> String {
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (reference, String::new()),
    };
    let merged = if path.is_empty() {
        base.to_owned()
    } else if path.starts_with('/') {
        path.to_owned()
    } else {
        let folder = base.rfind('/').map_or("", |at| &base[..at]);
        format!("{folder}/{path}")
    };
    format!("{}{query}", without_dots(&merged))
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut components = path.split('/').skip(1).peekable();
    while let Some(component) = components.next() {
        let is_last = components.peek().is_none();
        match component {
            "." => {}
            ".." => {
                kept.pop();
            }
            component => {
                kept.push(component);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Returns whether scheme, host and port are the same.
pub(super) fn is_same_origin(a: &str, b: &str) -> bool {
    origin(a).is_some_and(|a| Some(a) == origin(b))
}

fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_owned();
    let default = if scheme == "https" { 443 } else { 80 };
    let port = uri.port_u16().unwrap_or(default);
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_relative_to_their_answer() {
        let base = "https://a.example:8/x/y/z.dhall?q=1";
        let cases = [
            ("http://b.example/c", "http://b.example/c"),
            ("HTTPS://b.example/c#part", "https://b.example/c"),
            ("//b.example/c?d", "https://b.example/c?d"),
            ("/c/./d/../e", "https://a.example:8/c/e"),
            ("w", "https://a.example:8/x/y/w"),
            ("../w?r=/..", "https://a.example:8/x/w?r=/.."),
            ("../../../../w", "https://a.example:8/w"),
            ("..", "https://a.example:8/x/"),
            ("?r", "https://a.example:8/x/y/z.dhall?r"),
            ("a/b:c", "https://a.example:8/x/y/a/b:c"),
        ];
        for (reference, expected) in cases {
            assert_eq!(
                join(base, reference).as_deref(),
                Some(expected),
                "{reference}"
            );
        }
        assert_eq!(join("http://a", "b").as_deref(), Some("http://a/b"));
        for reference in [
            "file:///etc/passwd",
            "data:,1",
            "http://",
            "https:///x",
            "http://a b/",
        ] {
            assert_eq!(join(base, reference), None, "{reference}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = [
            ("https://a/x", "https://A:443/y?z"),
            ("http://a:80", "http://u:p@a/"),
        ];
        assert!(same.iter().all(|(a, b)| is_same_origin(a, b)));
        let different = [
            ("https://a/", "http://a/"),
            ("https://a/", "https://a:444/"),
            ("https://a/", "https://b/"),
            ("https://a/", "https://a.b/"),
            ("https://a/", "https://a@b/"),
            ("nothing", "nothing"),
        ];
        assert!(different.iter().all(|(a, b)| !is_same_origin(a, b)));
    }
}
