//! `git straylight query`.

use crate::cli::build::{hello, package};
use crate::support::{TestEnvironment, says};

#[test]
fn answers_on_stdout_one_label_for_each_line() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let deps = repo.straylight(&["query", "deps(//hello)"]).success();
    assert_eq!(deps.stdout, "//greeting:greeting\n//hello:hello\n");
    assert_eq!(deps.stderr, "");
    let path = repo
        .straylight(&["query", "somepath(//hello, //greeting)"])
        .success();
    assert_eq!(path.stdout, "//hello:hello\n//greeting:greeting\n");
    let kinds = repo
        .straylight(&["query", "kind('c_*', //…)", "--output", "kind"])
        .success();
    assert_eq!(
        kinds.stdout,
        "c_library //greeting:greeting\nc_binary //hello:hello\n"
    );
    // From a folder, and after a build, which knows more.
    repo.straylight(&["build", "//..."]).success();
    let here = repo
        .straylight(&[
            "-C",
            "greeting",
            "query",
            "rdeps(//..., :greeting) - :greeting",
        ])
        .success();
    assert_eq!(here.stdout, "//hello:hello\n");
    // What a question keeps does not make the next build forget.
    let build = repo.straylight(&["build", "//..."]).success();
    says(&build.stderr, &["nothing to do: 4 actions up to date"]);
    let none = repo
        .straylight(&["query", "somepath(//greeting, //hello)"])
        .success();
    assert_eq!(none.stdout, "");
}

#[test]
fn sees_the_work_tree_or_a_revision() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let text = String::from_utf8(repo.read("hello/BUILD.dhall")).unwrap();
    repo.write("hello/BUILD.dhall", &text.replace(r#""//greeting""#, ""));
    let text = String::from_utf8(repo.read("hello/BUILD.dhall")).unwrap();
    repo.write("hello/BUILD.dhall", &text.replace("[  ]", "[] : List Text"));
    let now = repo.straylight(&["query", "deps(//hello)"]).success();
    assert_eq!(now.stdout, "//hello:hello\n");
    let before = repo
        .straylight(&["query", "--at", "HEAD", "deps(//hello)"])
        .success();
    assert_eq!(before.stdout, "//greeting:greeting\n//hello:hello\n");
}

#[test]
fn prints_json_and_dot() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let json = repo
        .straylight(&["query", "--json", "deps(//hello)"])
        .success();
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(value[1]["label"], "//hello:hello");
    assert_eq!(value[1]["kind"], "c_binary");
    assert_eq!(value[1]["deps"][0]["label"], "//greeting:greeting");
    assert_eq!(value[1]["deps"][0]["tool"], false);
    assert_eq!(value[1]["outputs"][0], "hello/hello/hello");
    let dot = repo
        .straylight(&["query", "-o", "dot", "deps(//hello)"])
        .success();
    says(
        &dot.stdout,
        &["digraph", "//hello:hello\\nc_binary", "n1 -> n0;"],
    );
}

#[test]
fn a_mistake_is_shown_where_it_is() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let wrong = repo
        .straylight(&["query", "//hello + dep(//greeting)"])
        .code(2);
    says(
        &wrong.stderr,
        &[
            "the query is not right: column 11: no function `dep`",
            "  //hello + dep(//greeting)\n            ^\n",
            "did you mean `deps`?",
        ],
    );
    assert_eq!(wrong.stdout, "");
    let help = repo.straylight(&["query", "-h"]).success();
    says(&help.stdout, &["rdeps(U, X)", "`^` (`intersect`)"]);
    repo.straylight(&["query", "deps(//nowhere)"]).code(3);
    repo.straylight(&["query", "deps(//hello:helo)"]).code(3);
}

#[test]
fn prints_what_targets_require() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"now = Command.command Command.Command::{ name = "now", arguments = [ Dice.literal "/bin/date" ], requires = [ Dice.Coeffect.Clock ], outputs = [ "now" ] },
           it = Command.command Command.Command::{ name = "it", arguments = [ Dice.literal "/bin/true" ], inputs = [ Dice.Source.Output { target = ":now", output = "now" } ], outputs = [ "x" ] }"#,
    );
    let json = repo
        .straylight(&["query", "--json", "deps(//it)"])
        .success();
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    for target in value.as_array().unwrap() {
        assert_eq!(target["requires"], serde_json::json!(["clock"]), "{target}");
    }
    assert_eq!(value.as_array().unwrap().len(), 2);
}
