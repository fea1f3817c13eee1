//! `git straylight init`: from sources to a program.

use crate::support::{TestEnvironment, says};

const MAIN_C: &str = "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include \"shape.h\"\n\n\
    int main(int argc, char **argv) {\n  printf(\"%.1f\\n\", sqrt(area(atof(argv[argc - 1]))));\n  return 0;\n}\n";

#[test]
fn a_c_project_builds_after_two_commands() {
    let environment = TestEnvironment::new();
    let repo = environment.repository(
        "my tool",
        &[
            (
                "src/table.c",
                "#ifdef MAKE_TABLE\nint main(void) { return 1; }\n#endif\n",
            ),
            ("src/main.c", MAIN_C),
            (
                "src/shape.c",
                "#include \"shape.h\"\ndouble area(double side) { return side * side; }\n",
            ),
            ("include/shape.h", "double area(double side);\n"),
            ("src/shape_test.c", "int main(void) { return 1; }\n"),
            ("tests/all.c", "int main(void) { return 1; }\n"),
            ("README", "A tool.\n"),
        ],
    );
    // Captures this machine's compiler.
    let made = repo.straylight(&["init"]).success();
    says(
        &made.stderr,
        &["wrote `toolchains.dhall`", "wrote `BUILD.dhall`"],
    );
    let last = made.stderr.lines().last().unwrap();
    let next = last.strip_prefix("now run: git straylight ").unwrap();
    assert_eq!(next, "build //:my_tool");
    let words: Vec<&str> = next.split(' ').collect();
    repo.straylight(&words).success();
    let ran = repo
        .straylight(&["run", "//:my_tool", "--", "-3"])
        .success();
    assert_eq!(ran.stdout, "3.0\n");
    let text = String::from_utf8(repo.read("BUILD.dhall")).unwrap();
    says(
        &text,
        &[
            "in  { my_tool =\n        C.binary\n          C.Binary::{\n          , name = \"my_tool\"\n",
            "          , srcs = [ \"src/main.c\", \"src/shape.c\", \"src/table.c\" ]\n",
            "include/shape.h",
        ],
    );
    assert!(!text.contains("test"), "{text}");
    // The lists are as the folder is.
    repo.straylight(&["srcs", "--check"]).success();

    let again = repo.straylight(&["init"]).code(2);
    says(
        &again.stderr,
        &["`BUILD.dhall` is there already", "git straylight srcs"],
    );
    assert_eq!(String::from_utf8(repo.read("BUILD.dhall")).unwrap(), text);
}

#[test]
fn several_programs_share_a_library() {
    let environment = TestEnvironment::new();
    let program = |answer: &str| {
        format!(
            "#include <stdio.h>\n#include \"say.h\"\nint main() {{ return say(\"{answer}\"); }}\n"
        )
    };
    let repo = environment.repository(
        "two",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("tools/one.c", &program("one")),
            ("tools/other.cc", "#include <iostream>\nint main() { std::cout << \"other\\n\"; }\n"),
            ("tools/lib/say.c", "#include <stdio.h>\n#include \"say.h\"\nint say(const char *what) { return puts(what) < 0; }\n"),
            ("tools/lib/say.h", "int say(const char *what);\n"),
        ],
    );
    let made = repo.straylight(&["-C", "tools", "init"]).success();
    says(
        &made.stderr,
        &[
            "pins `gcc` already",
            "now run: git straylight build //tools:one",
        ],
    );
    let targets = repo.straylight(&["targets"]).success();
    assert_eq!(
        targets.stdout,
        "//tools:one\n//tools:other\n//tools:tools\n"
    );
    assert_eq!(
        repo.straylight(&["run", "//tools:one"]).success().stdout,
        "one\n"
    );
    assert_eq!(
        repo.straylight(&["run", "//tools:other"]).success().stdout,
        "other\n"
    );
}

#[test]
fn a_rust_crate_builds_after_two_commands() {
    let environment = TestEnvironment::new();
    let repo = environment.repository(
        "crate",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            (
                "Cargo.toml",
                "[package]\nname = \"count-up\"\nversion = \"1.2.3\"\nedition = \"2021\"\n\n[dependencies]\nlog = { version = \"1\", optional = true }\n[features]\ndefault = [\"from-two\"]\nfrom-two = []\n",
            ),
            (
                "src/main.rs",
                "mod show;\nfn main() { show::all(count_up::numbers(3)); println!(\"{}\", env!(\"CARGO_PKG_VERSION\")); }\n",
            ),
            ("src/show.rs", "pub fn all(numbers: Vec<u32>) { for n in numbers { println!(\"{n}\"); } }\n"),
            (
                "src/lib.rs",
                "//! Counts.\nmod numbers;\npub use numbers::numbers;\npub const HELP: &str = include_str!(\"../help.txt\");\n",
            ),
            ("src/numbers/mod.rs", "mod first;\npub fn numbers(n: u32) -> Vec<u32> { (first::FIRST..=n).collect() }\n"),
            ("src/numbers/first.rs", "#[cfg(feature = \"from-two\")]\npub const FIRST: u32 = 2;\n"),
            ("help.txt", "help\n"),
        ],
    );
    let made = repo.straylight(&["init"]).success();
    says(&made.stderr, &["now run: git straylight build //:count-up"]);
    repo.straylight(&["build", "//:count-up"]).success();
    let ran = repo.straylight(&["run", "//:count-up"]).success();
    assert_eq!(ran.stdout, "2\n3\n1.2.3\n");
}

#[test]
fn what_it_does_not_know_it_says() {
    let environment = TestEnvironment::new();
    let repo = environment.repository("empty", &[("README", "")]);
    let run = repo.straylight(&["init"]).code(3);
    says(
        &run.stdout,
        &["C.binary", "srcs = [ \"hello.c\" ]", "sha256:"],
    );
    says(&run.stderr, &["nothing in `//`", "Cargo.toml", "*.c"]);
    assert!(!repo.path.join("BUILD.dhall").exists());
    assert!(!repo.path.join("toolchains.dhall").exists());

    let repo = environment.repository(
        "needy",
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"x\"\n[dependencies]\nserde = \"1\"\n",
            ),
            ("src/lib.rs", ""),
        ],
    );
    let run = repo.straylight(&["init"]).code(2);
    says(&run.stderr, &["depends on `serde`"]);

    let repo = environment.repository("pinned", &[("a.c", ""), ("toolchains.dhall", "{=}")]);
    let run = repo.straylight(&["init"]).code(2);
    says(
        &run.stderr,
        &["pins no `gcc`", "git straylight toolchain capture gcc"],
    );
    assert_eq!(repo.read("toolchains.dhall"), b"{=}");
    assert!(!repo.path.join("BUILD.dhall").exists());
}
