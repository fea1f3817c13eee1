//! `git straylight test`.

use std::fs;

use crate::support::{TestEnvironment, import, says, timeless};

#[test]
fn all_tests_run_and_machines_can_read_what_became_of_them() {
    let environment = TestEnvironment::new();
    let test = |name: &str| {
        format!(
            "{name} = C.test C.Test::{{ name = \"{name}\", toolchain = toolchains.gcc, srcs = [ \"{name}.c\" ] }}"
        )
    };
    let build = format!(
        "let C = {}\nlet toolchains = ../toolchains.dhall\nin {{ {}, {}, {} }}\n",
        import("rules/c/v1.dhall"),
        test("bad"),
        test("good"),
        test("odd")
    );
    let bad = "#include <stdio.h>\nint main(void) { puts(\"<1> & more\"); fputs(\"oh\\n\", stderr); return 3; }\n";
    let repo = environment.repository(
        "tests",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("it/BUILD.dhall", &build),
            ("it/bad.c", bad),
            ("it/good.c", "int main(void) { return 0; }\n"),
            ("it/odd.c", "int main(void) { return nothing; }\n"),
        ],
    );
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
