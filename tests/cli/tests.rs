//! `git straylight test`.

use std::fs;

use serde_json::Value;

use crate::support::{Repo, TestEnvironment, import, says, timeless};

/// A package `//it` with these tests, each of one source.
fn tests<'a>(environment: &'a TestEnvironment, sources: &[(&str, &str)]) -> Repo<'a> {
    let test = |(name, _): &(&str, &str)| {
        format!(
            "{name} = C.test C.Test::{{ name = \"{name}\", toolchain = toolchains.gcc, srcs = [ \"{name}.c\" ] }}"
        )
    };
    let rules: Vec<String> = sources.iter().map(test).collect();
    let build = format!(
        "let C = {}\nlet toolchains = ../toolchains.dhall\nin {{ {} }}\n",
        import("rules/c/v1.dhall"),
        rules.join(", ")
    );
    let repo = environment.repository(
        "tests",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("it/BUILD.dhall", &build),
        ],
    );
    for (name, text) in sources {
        repo.write(&format!("it/{name}.c"), text);
    }
    repo.commit("tests");
    repo
}

const GOOD: &str = "int main(void) { return 0; }\n";
const ODD: &str = "int main(void) { return nothing; }\n";

#[test]
fn all_tests_run_and_machines_can_read_what_became_of_them() {
    let environment = TestEnvironment::new();
    let bad = "#include <stdio.h>\nint main(void) { puts(\"<1> & more\"); fputs(\"oh\\n\", stderr); return 3; }\n";
    let repo = tests(&environment, &[("bad", bad), ("good", GOOD), ("odd", ODD)]);
    // One fails, one does not compile; the rest runs all the same.
    let arguments = [
        "test",
        "//it/...",
        "-k",
        "-j",
        "1",
        "--junit",
        "results.xml",
    ];
    let ran = repo.straylight(&arguments).code(1);
    says(&ran.stdout, &["passed //it:good", "failed //it:bad"]);
    let results = String::from_utf8(repo.read("results.xml")).unwrap();
    says(
        &results,
        &[
            "<testsuites tests=\"3\" failures=\"1\" errors=\"1\"",
            "<testsuite name=\"//it\" tests=\"3\"",
            "<testcase classname=\"//it\" name=\"bad\"",
            "<failure message=\"failed with exit code 3\"/>",
            "<system-out>&lt;1&gt; &amp; more\n</system-out>",
            "<system-err>oh\n</system-err>",
            "name=\"good\"",
            "name=\"odd\"",
            "<error message=\"//it:odd: `c_compile odd.c.o` failed",
        ],
    );
    assert!(
        !results.contains("name=\"good\" time=\"0.000\""),
        "{results}"
    );

    fs::remove_file(repo.path.join("it/odd.c")).unwrap();
    let known = repo.straylight(&["test", "//it:good"]).success();
    assert_eq!(known.stdout, "passed //it:good (known)\n");
    let again = repo
        .straylight(&["test", "//it:good", "--no-cache"])
        .success();
    assert_eq!(again.stdout, "passed //it:good\n");
    assert_eq!(timeless(&again.stderr), "1 action run, 2 reused");
    let known = repo.straylight(&["test", "//it:good"]).success();
    assert_eq!(known.stdout, "passed //it:good (known)\n");
}

#[test]
fn results_are_also_json() {
    let environment = TestEnvironment::new();
    let bad = "#include <stdio.h>\nint main(void) { puts(\"<1>\"); fputs(\"oh\\n\", stderr); return 3; }\n";
    let repo = tests(&environment, &[("bad", bad), ("good", GOOD), ("odd", ODD)]);
    let test = |arguments: &[&str], code: i32| -> Value {
        let all = [&["test", "--json"], arguments].concat();
        serde_json::from_str(&repo.straylight(&all).code(code).stdout).unwrap()
    };
    let results = test(&["//it/...", "-k"], 1);
    let cases = results["tests"].as_array().unwrap();
    let outcomes = cases.iter().map(|case| {
        let text = |name: &str| case[name].as_str().unwrap();
        (text("label"), text("outcome"))
    });
    assert_eq!(
        outcomes.collect::<Vec<_>>(),
        [
            ("//it:bad", "failed"),
            ("//it:good", "passed"),
            ("//it:odd", "error")
        ]
    );
    assert_eq!(cases[0]["reason"], "failed with exit code 3");
    assert_eq!(
        (&cases[0]["stdout"], &cases[0]["stderr"]),
        (&"<1>\n".into(), &"oh\n".into())
    );
    assert!(cases[1]["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(cases[1]["cached"], false);
    let failures = results["failures"].as_array().unwrap();
    let odd = failures
        .iter()
        .find(|failure| failure["label"] == "//it:odd");
    let odd = odd.unwrap();
    assert_eq!(odd["step"], "c_compile odd.c.o");
    assert!(
        odd["command"]
            .as_array()
            .unwrap()
            .contains(&"it/odd.c".into())
    );
    says(odd["stderr"].as_str().unwrap(), &["nothing", "undeclared"]);

    // The record of the run is kept, and named by who asks later.
    let good = test(&["//it:good"], 0)["tests"][0].clone();
    assert_eq!(good["cached"], true);
    assert_eq!(good["seconds"], Value::Null);
    assert_eq!(good["trace"], cases[1]["trace"]);
    let trace = format!("traces/{}.cbor", good["trace"].as_str().unwrap());
    assert!(environment.cache().join(trace).is_file());

    // A run that ends like the last one is a run all the same.
    repo.write(
        "it/good.c",
        "#include <stdio.h>\nint main(void) { return puts(\"x\") < 0; }\n",
    );
    let again = test(&["//it:good"], 0)["tests"][0].clone();
    assert_eq!(again["cached"], false);
    assert_ne!(again["trace"], good["trace"]);
}
