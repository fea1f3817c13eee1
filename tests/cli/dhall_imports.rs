//! Remote imports: pinned by `freeze`, from the cache for everything else.

use std::fs;

use crate::cli::dhall::{dhall, piped};
use crate::support::server::{Reply, Server};
use crate::support::{TestEnvironment, outcome, says};

#[test]
fn freeze_fetches_once_and_the_rest_works_without_the_host() {
    let environment = TestEnvironment::new();
    let server = Server::start(|_| Reply::ok("\\(n : Natural) -> n + 1"));
    let url = server.url("/lib.dhall");
    let text = format!("-- mine\n{{ a = ({url}) 1, -- yours\n}}\n");
    let mut eval = dhall(&environment, &["eval", "a.dhall"]);
    let file = environment.root().join("dhall/a.dhall");
    fs::write(&file, &text).unwrap();

    // Without a pin there is nothing to go by, and no command but one asks.
    let run = outcome(&mut eval).code(2);
    says(
        &run.stderr,
        &[&url, "git straylight dhall freeze", "a.dhall:2:8"],
    );
    let run = outcome(&mut dhall(&environment, &["freeze", "--check", "a.dhall"])).code(1);
    says(&run.stderr, &["a.dhall:2:8", &url, "is not pinned"]);
    assert_eq!(server.received().len(), 0);

    let run = outcome(&mut dhall(&environment, &["freeze", "a.dhall"])).success();
    says(&run.stderr, &["a.dhall:2:8", &url, "sha256:"]);
    assert_eq!((run.stdout.as_str(), server.received().len()), ("", 1));
    let frozen = fs::read_to_string(&file).unwrap();
    assert!(
        frozen.starts_with(&format!("-- mine\n{{ a = ({url}\n         sha256:")),
        "{frozen}"
    );
    assert!(frozen.ends_with(") 1, -- yours\n}\n"), "{frozen}");
    drop(server);
    assert_eq!(outcome(&mut eval).success().stdout, "{ a = 2 }\n");
    outcome(&mut dhall(&environment, &["freeze", "--check", "a.dhall"])).success();
    let again = outcome(&mut dhall(&environment, &["freeze", "a.dhall"])).success();
    assert_eq!(
        (again.stderr.as_str(), fs::read_to_string(&file).unwrap()),
        ("", frozen)
    );
}

#[test]
fn freeze_works_in_a_pipe_and_says_what_is_wrong() {
    let environment = TestEnvironment::new();
    let server = Server::start(|received| match received.path.as_str() {
        "/ok" => Reply::ok("1"),
        _ => Reply::status("404 Not Found"),
    });
    let freeze = || dhall(&environment, &["freeze"]);
    let (bytes, _) = piped(&mut freeze(), server.url("/ok").as_bytes());
    let (_, run) = piped(&mut dhall(&environment, &["eval"]), &bytes);
    assert_eq!(run.success().stdout, "1\n");
    let (_, run) = piped(&mut freeze(), server.url("/no").as_bytes());
    says(
        &run.code(3).stderr,
        &["404 Not Found", "(stdin):1:1", "check the URL"],
    );
    let wrong = format!("{} sha256:{}", server.url("/ok"), "0".repeat(64));
    let (bytes, run) = piped(&mut freeze(), wrong.as_bytes());
    says(
        &run.code(2).stderr,
        &["expected sha256:0000", "found    sha256:"],
    );
    assert!(bytes.is_empty());
    let (bytes, _) = piped(
        &mut dhall(&environment, &["freeze", "--update"]),
        wrong.as_bytes(),
    );
    assert!(!String::from_utf8(bytes).unwrap().contains("sha256:0000"));
}

#[test]
fn a_wrong_entry_of_the_cache_is_told_and_made_again() {
    let environment = TestEnvironment::new();
    let server = Server::start(|_| Reply::ok("1"));
    let (frozen, _) = piped(
        &mut dhall(&environment, &["freeze"]),
        server.url("/").as_bytes(),
    );
    let folder = environment.root().join("cache/dhall");
    let entry = fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let bytes = fs::read(&entry).unwrap();
    fs::write(&entry, &bytes[1..]).unwrap();
    let (_, run) = piped(&mut dhall(&environment, &["freeze", "-"]), &frozen);
    says(
        &run.success().stderr,
        &["warning", entry.to_str().unwrap(), "is discarded"],
    );
    assert_eq!(fs::read(&entry).unwrap(), bytes);
    fs::write(&entry, "").unwrap();
    let (_, run) = piped(&mut dhall(&environment, &["eval"]), &frozen);
    says(
        &run.code(6).stderr,
        &["is discarded", "only its host has it"],
    );
}

#[test]
fn what_is_resolved_needs_nothing_else() {
    let environment = TestEnvironment::new();
    let server = Server::start(|_| Reply::ok("\\(n : Natural) -> n + 1"));
    let url = server.url("/lib.dhall");
    let mut resolve = dhall(&environment, &["resolve", "sub/a.dhall"]);
    let folder = environment.root().join("dhall/sub");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("{{ a = {url} ./one.dhall, t = env:NO as Text ? \"-\" }}");
    fs::write(folder.join("a.dhall"), text).unwrap();
    fs::write(folder.join("one.dhall"), "0 + 1").unwrap();
    let option = |option| dhall(&environment, &["resolve", "sub/a.dhall", option]);
    let run = outcome(&mut option("--immediate-dependencies")).success();
    assert_eq!(run.stdout, format!("{url}\nsub/one.dhall\nenv:NO\n"));
    assert_eq!(server.received().len(), 0);
    let resolved = outcome(&mut resolve).success().stdout;
    assert_eq!(
        resolved,
        "{ a = (λ(n : Natural) → n + 1) (0 + 1), t = \"-\" }\n"
    );
    let run = outcome(&mut option("--transitive-dependencies")).success();
    assert_eq!(run.stdout, format!("sub/one.dhall\n{url}\n"));
    let run = outcome(&mut option("--dot")).success();
    says(
        &run.stdout,
        &["digraph {", &format!("\"sub/a.dhall\" -> \"{url}\";")],
    );
    let run = outcome(option("--dot").arg("--immediate-dependencies")).code(2);
    says(&run.stderr, &["cannot be used with"]);
    drop(server);
    let (_, run) = piped(&mut dhall(&environment, &["eval"]), resolved.as_bytes());
    assert_eq!(run.success().stdout, "{ a = 2, t = \"-\" }\n");
}
