//! Real input: Rust programs and the crates below them, as the registry has them. Some
//! are procedural macros; some include code that their build scripts write.

use crate::support::{TestEnvironment, import, says};

const RECORDS: &str = r#"{"level":"warn"}
{"level":"error","times":3}
{"level":"info","of":{"more":[1,2.5,"\u00e9"]}}
{"level":"warn"}
"#;

#[test]
fn a_program_of_many_crates_is_built_and_works() {
    let environment = TestEnvironment::new();
    let repo = environment.fixture("rust", "crates");
    let build = ["build", "//tally", "--mode", "debug", "-v"];
    let built = repo.straylight(&build).success();
    // The crates, the program, two build scripts, and what these make.
    says(
        &built.stderr,
        &["serde_core_out", "libsyn.rlib", "29 actions run"],
    );

    let records = environment.root().join("records.json");
    std::fs::write(&records, RECORDS).unwrap();
    let records = records.to_str().unwrap();
    let tally = |arguments: &[&str]| repo.run("straylight-out/tally/tally/tally", arguments);
    let counted = tally(&[records]).success();
    assert_eq!(
        counted.stdout,
        "{\"levels\":{\"error\":3,\"info\":1,\"warn\":2}}\n"
    );
    let counted = tally(&["--least", "2", records]).success();
    assert_eq!(counted.stdout, "{\"levels\":{\"error\":3,\"warn\":2}}\n");
    assert_eq!(tally(&["--version"]).success().stdout, "tally 0.1.0\n");
    let told = tally(&["--lest", "2"]).code(2).stderr;
    says(
        &told,
        &[
            "unexpected argument '--lest'",
            "a similar argument exists: '--least'",
        ],
    );

    // An edit of the program compiles the program.
    let main = String::from_utf8(repo.read("tally/main.rs")).unwrap();
    repo.write("tally/main.rs", &main.replace("\"{}\"", "\"tally: {}\""));
    let built = repo.straylight(&build).success();
    says(&built.stderr, &["1 action run"]);
    let counted = tally(&["--least", "3", records]).success();
    assert_eq!(counted.stdout, "tally: {\"levels\":{\"error\":3}}\n");
}

/// This project's evaluator of Dhall, built by this project.
#[test]
fn the_evaluator_builds_itself() {
    let environment = TestEnvironment::new();
    let repo = environment.fixture("rust", "crates");
    repo.straylight(&["build", "//evaluate", "--mode", "debug"])
        .success();
    let evaluate = |text: &str| {
        let file = environment.root().join("program.dhall");
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        repo.run("straylight-out/evaluate/evaluate/evaluate", &[file])
    };
    // With the library that is embedded in it, whose hash this program knows.
    let targets = import("targets/v1.dhall");
    let program = format!(
        "let Targets = {targets}\nin  {{ two = 1 + 1, same = Targets.equal Targets.x86_64_linux Targets.x86_64_linux }}\n"
    );
    let told = evaluate(&program).success();
    assert_eq!(told.stdout, "{ same = True, two = 2 }\n");
    let told = evaluate("1 + True\n").code(1).stderr;
    says(&told, &["program.dhall:1:5", "True"]);
}
