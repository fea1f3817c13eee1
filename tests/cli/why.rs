//! `git straylight why`.

use std::fs;

use straylight_odb::Sha256;

use crate::cli::build::hello;
use crate::support::{Repo, TestEnvironment, says};

fn ask(repo: &Repo<'_>) -> (String, String) {
    let outcome = repo.straylight(&["why", "//hello"]).success();
    (outcome.stdout, outcome.stderr)
}

/// Returns the digest of a file as it is shown.
fn digest(repo: &Repo<'_>, path: &str) -> String {
    format!("sha256:{}", Sha256::of(&repo.read(path)))
}

fn replace(repo: &Repo<'_>, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(repo.read(path)).unwrap();
    assert!(text.contains(from), "{text}");
    repo.write(path, &text.replace(from, to));
}

#[test]
fn a_first_build_has_never_been_before() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let (steps, says_what) = ask(&repo);
    assert_eq!(
        steps,
        "//greeting:greeting: `c_compile greeting.c.o` would run\n  \
         it was never built here\n\
         //greeting:greeting: `c_archive libgreeting.a` may run\n  \
         it reads what `c_compile greeting.c.o` of //greeting:greeting makes\n\
         //hello:hello: `c_compile hello.c.o` would run\n  \
         it was never built here\n\
         //hello:hello: `c_link hello` may run\n  \
         it reads what `c_archive libgreeting.a` of //greeting:greeting makes\n  \
         it reads what `c_compile hello.c.o` of //hello:hello makes\n"
    );
    says(
        &says_what,
        &["2 of 4 steps would run, and 2 if others make other bytes than before"],
    );
    // Asking has changed nothing.
    let build = repo.straylight(&["build", "//hello"]).success();
    says(&build.stderr, &["4 actions run"]);
    let (steps, says_what) = ask(&repo);
    assert_eq!(steps, "");
    says(&says_what, &["nothing would run: 4 steps up to date"]);
}

#[test]
fn a_header_is_named_before_the_build_and_after_it() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.straylight(&["build", "//hello"]).success();
    let old = digest(&repo, "greeting/greeting.h");
    replace(
        &repo,
        "greeting/greeting.h",
        "const char",
        "extern const char",
    );
    let new = digest(&repo, "greeting/greeting.h");
    let cause = format!("  the source `greeting/greeting.h` changed\n    - {old}\n    + {new}\n");
    let (steps, _) = ask(&repo);
    for step in [
        "//greeting:greeting: `c_compile greeting.c.o` would run\n",
        "//hello:hello: `c_compile hello.c.o` would run\n",
    ] {
        says(&steps, &[&format!("{step}{cause}")]);
    }
    // Asking twice is asking once.
    assert_eq!(ask(&repo).0, steps);

    repo.straylight(&["build", "//hello"]).success();
    let (past, says_what) = ask(&repo);
    says(&says_what, &["nothing would run", "the last build"]);
    for step in [
        "//greeting:greeting: `c_compile greeting.c.o` changed\n",
        "//hello:hello: `c_compile hello.c.o` changed\n",
    ] {
        says(&past, &[&format!("{step}{cause}")]);
    }
    assert!(!past.contains("c_link"), "its inputs are the same: {past}");
    // A build in which nothing changes does not make it forget.
    repo.straylight(&["build", "//hello"]).success();
    assert_eq!(ask(&repo).0, past);

    // Back again: the result is known.
    replace(
        &repo,
        "greeting/greeting.h",
        "extern const char",
        "const char",
    );
    let (known, says_what) = ask(&repo);
    says(&known, &["has changed, and its result is known", &old]);
    says(&says_what, &["nothing would run"]);
}

#[test]
fn a_source_is_followed_to_what_is_linked() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.straylight(&["build", "//hello"]).success();
    replace(&repo, "greeting/greeting.c", "\"hello\"", "\"good day\"");
    let (steps, says_what) = ask(&repo);
    says(
        &steps,
        &[
            "the source `greeting/greeting.c` changed",
            "//hello:hello: `c_link hello` may run\n  it reads what `c_archive libgreeting.a` of \
             //greeting:greeting makes\n",
        ],
    );
    assert!(!steps.contains("hello.c.o"), "{steps}");
    says(&says_what, &["1 of 4 steps would run, and 2 if"]);
    repo.straylight(&["build", "//hello"]).success();
    let json = repo.straylight(&["why", "//hello", "--json"]).success();
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(value["would_run"], false);
    let past = value["past"].as_array().unwrap();
    assert_eq!(past.len(), 3);
    assert_eq!(past[0]["causes"][0]["path"], "greeting/greeting.c");
    assert_eq!(past[0]["causes"][0]["label"], serde_json::Value::Null);
    let link = past
        .iter()
        .find(|step| step["step"] == "c_link hello")
        .unwrap();
    let archive = &link["causes"][0];
    assert_eq!(archive["path"], "out/greeting/greeting/libgreeting.a");
    assert_eq!(archive["step"], "c_archive libgreeting.a");
    assert_ne!(archive["before"], archive["now"]);
    assert_ne!(link["before"], link["now"]);
}

#[test]
fn flags_new_sources_and_lost_results_are_told() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.straylight(&["build", "//hello"]).success();
    replace(
        &repo,
        "greeting/BUILD.dhall",
        "srcs = [ \"greeting.c\" ]",
        "srcs = [ \"greeting.c\", \"more.c\" ], defines = [ { name = \"LOUD\", value = None Text } ]",
    );
    repo.write("greeting/more.c", "int more;\n");
    repo.git(["add", "-A"]);
    let outcome = repo.straylight(&["why", "//greeting"]);
    let steps = outcome.success().stdout;
    says(
        &steps,
        &[
            "`c_compile more.c.o` would run\n  it was never built here\n",
            "`c_compile greeting.c.o` would run\n  the command line changed\n",
            "LOUD",
        ],
    );
    repo.straylight(&["build", "//hello"]).success();
    // The archive is in another place of the list, and still the archive.
    let outcome = repo.straylight(&["why", "//greeting"]).success();
    says(
        &outcome.stdout,
        &[
            "`c_archive libgreeting.a` changed\n",
            "`out/greeting/greeting/more.c.o` is new, which `c_compile more.c.o` of",
        ],
    );

    let built = repo.straylight(&["build", "//hello"]).success();
    let sha256 = built.stdout.split("sha256:").nth(1).unwrap().trim();
    fs::remove_file(environment.cache().join("cas").join(sha256)).unwrap();
    let (steps, says_what) = ask(&repo);
    says(
        &steps,
        &["`c_link hello` runs if its result is needed\n  its result is gone from the store\n"],
    );
    says(&says_what, &["nothing would run"]);
    // Without the record of what it was, that is what there is to tell.
    replace(&repo, "hello/hello.c", "return 0", "return 1");
    fs::remove_dir_all(environment.cache().join("cas")).unwrap();
    fs::create_dir(environment.cache().join("cas")).unwrap();
    let (steps, _) = ask(&repo);
    says(&steps, &["what it was is no longer in the store"]);
    repo.straylight(&["why", "//nowhere"]).code(3);
}
