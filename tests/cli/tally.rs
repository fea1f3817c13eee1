//! Real input: a Rust program and the 24 crates below it, as the registry has them.
//! Two are procedural macros; two include code that their build scripts write.

use crate::support::{TestEnvironment, says};

const RECORDS: &str = r#"{"level":"warn"}
{"level":"error","times":3}
{"level":"info","of":{"more":[1,2.5,"\u00e9"]}}
{"level":"warn"}
"#;

#[test]
fn a_program_of_many_crates_is_built_and_works() {
    let environment = TestEnvironment::new();
    let repo = environment.fixture("tally", "tally");
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
