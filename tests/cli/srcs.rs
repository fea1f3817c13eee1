//! `git straylight srcs`: lists of files that follow their folders.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::support::{Outcome, Repo, TestEnvironment, import, says};

/// A library, a program and a test in `//lib`, laid out by hand.
fn build_file() -> String {
    format!(
        r#"{{- What this is. -}}
let C = {}
let toolchains = ../toolchains.dhall
in  {{ lib =
        C.library
          C.Library::{{
          , name = "lib"
          , toolchain = toolchains.gcc
          , srcs =
            [ "b.c" -- the b
            -- about d
            , "d.c"
            ]
          , hdrs = [ "b.h" ]
          }}
    , lib_test =
        C.test C.Test::{{ name = "lib_test", toolchain = toolchains.gcc, srcs = [ "b_test.c" ], deps = [ ":lib" ] }}
    }}
"#,
        import("rules/c/v1.dhall")
    )
}

fn repository(environment: &TestEnvironment) -> Repo<'_> {
    let test = "#include \"b.h\"\nint main(void) { return b(); }\n";
    environment.repository(
        "lists",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            (".gitignore", "*.gen.c\n"),
            ("lib/BUILD.dhall", &build_file()),
            ("lib/b.c", "int b(void) { return 0; }\n"),
            ("lib/b.h", "int b(void);\n"),
            ("lib/d.c", "int d(void) { return 0; }\n"),
            ("lib/b_test.c", test),
            ("lib/README.md", "\n"),
        ],
    )
}

fn text(repo: &Repo<'_>) -> String {
    String::from_utf8(repo.read("lib/BUILD.dhall")).unwrap()
}

#[test]
fn new_and_missing_files_are_proposed_and_written() {
    let environment = TestEnvironment::new();
    let repo = repository(&environment);
    let clean = repo.straylight(&["srcs", "//lib", "--check"]).success();
    assert_eq!(clean.stdout, "");

    for file in ["lib/c.c", "lib/e.c", "lib/sub/f.c", "lib/x.gen.c"] {
        repo.write(file, "typedef int nothing;\n");
    }
    repo.write("lib/e_test.c", "typedef int nothing;\n");
    repo.write("lib/e.h", "");
    repo.write("lib/inner/g.c", "");
    repo.write("lib/inner/BUILD.dhall", "{=}\n");
    fs::remove_file(repo.path.join("lib/d.c")).unwrap();
    let expected = "+ c.c  //lib:lib\n+ e.c  //lib:lib\n+ e.h  //lib:lib\n\
                    + e_test.c  //lib:lib_test\n+ sub/f.c  //lib:lib\n- d.c  //lib:lib\n";
    let check = repo.straylight(&["srcs", "//lib", "--check"]).code(1);
    assert_eq!(check.stdout, expected);
    says(
        &check.stderr,
        &[
            "Found 5 new files not in `lib/BUILD.dhall`",
            "lists 1 file that",
        ],
    );
    // Without a terminal nothing is asked, and nothing done.
    let told = repo.straylight(&["-C", "lib", "srcs"]).code(1);
    assert_eq!(told.stdout, expected);
    says(&told.stderr, &["git straylight srcs --yes"]);
    assert_eq!(text(&repo), build_file());
    let unlisted = repo
        .straylight(&["srcs", "//lib", "--check", "--unlisted"])
        .code(1);
    says(&unlisted.stdout, &["? README.md  //lib\n"]);

    let done = repo.straylight(&["srcs", "//lib", "--yes"]).success();
    assert_eq!(done.stdout, expected);
    says(&done.stderr, &["wrote `lib/BUILD.dhall`"]);
    let wanted = build_file()
        .replace(
            "            [ \"b.c\" -- the b\n            -- about d\n            , \"d.c\"\n",
            "            [ \"b.c\" -- the b\n            , \"c.c\"\n            , \"e.c\"\n            , \"sub/f.c\"\n            -- about d\n",
        )
        .replace("[ \"b.h\" ]", "[ \"b.h\", \"e.h\" ]")
        .replace("[ \"b_test.c\" ]", "[ \"b_test.c\", \"e_test.c\" ]");
    assert_eq!(text(&repo), wanted);
    repo.straylight(&["srcs", "--check", "//lib"]).success();
    repo.straylight(&["test", "//lib:lib_test"]).success();
}

#[test]
fn the_root_of_a_crate_stays_the_first_source() {
    let environment = TestEnvironment::new();
    let rust = format!(
        "let Rust = {}\nlet toolchains = ./toolchains.dhall\nin {{ it = Rust.library Rust.Library::{{ name = \"it\", toolchain = toolchains.rustc, srcs = [ \"src/lib.rs\" ] }} }}\n",
        import("rules/rust/v1.dhall")
    );
    let repo = environment.repository(
        "crate",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("BUILD.dhall", &rust),
            ("src/lib.rs", "pub mod area;\n"),
            ("src/area.rs", ""),
        ],
    );
    repo.straylight(&["srcs", "--yes"]).success();
    says(
        &String::from_utf8(repo.read("BUILD.dhall")).unwrap(),
        &["srcs = [ \"src/lib.rs\", \"src/area.rs\" ]"],
    );
    repo.straylight(&["build"]).success();
}

#[test]
fn what_fits_twice_is_asked_for_by_label() {
    let environment = TestEnvironment::new();
    let rule = |name: &str, source: &str| {
        format!(
            "{name} = C.library C.Library::{{ name = \"{name}\", toolchain = toolchains.gcc, srcs = [ \"{source}\" ] }}"
        )
    };
    let file = format!(
        "let C = {}\nlet toolchains = ./toolchains.dhall\nin {{ {}, {} }}\n",
        import("rules/c/v1.dhall"),
        rule("a", "one.c"),
        rule("b", "two.c"),
    );
    let repo = environment.repository(
        "two",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("BUILD.dhall", &file),
            ("one.c", ""),
            ("two.c", ""),
            ("three.c", ""),
            ("own.h", ""),
        ],
    );
    let run = repo.straylight(&["srcs", "--yes"]).code(1);
    assert_eq!(run.stdout, "");
    says(&run.stderr, &["`three.c` may belong to `//:a` or `//:b`"]);
    assert_eq!(repo.read("BUILD.dhall"), file.as_bytes());
    // A target that has no headers yet gets the field.
    repo.straylight(&["srcs", ":b", "--yes"]).success();
    says(
        &String::from_utf8(repo.read("BUILD.dhall")).unwrap(),
        &["srcs = [ \"two.c\", \"three.c\" ], hdrs = [ \"own.h\" ] }"],
    );
    repo.straylight(&["srcs", "--check"]).success();
}

#[test]
fn a_list_that_is_computed_is_left_alone() {
    let environment = TestEnvironment::new();
    let file = format!(
        "let C = {}\nlet toolchains = ./toolchains.dhall\nlet file = \\(name : Text) -> \"${{name}}.c\"\n\
         in {{ a = C.library C.Library::{{ name = \"a\", toolchain = toolchains.gcc, srcs = [ file \"one\", file \"two\" ] }} }}\n",
        import("rules/c/v1.dhall"),
    );
    let repo = environment.repository(
        "computed",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("BUILD.dhall", &file),
            ("one.c", ""),
            ("three.c", ""),
        ],
    );
    let check = repo.straylight(&["srcs", "--check"]).code(1);
    assert_eq!(check.stdout, "+ three.c  //:a\n- two.c  //:a\n");
    let run = repo.straylight(&["srcs", "--yes"]).code(2);
    says(
        &run.stderr,
        &["`BUILD.dhall` is not changed", "change it by hand"],
    );
    assert_eq!(repo.read("BUILD.dhall"), file.as_bytes());
}

/// Runs `srcs` on a terminal, and types `input`.
fn on_terminal(repo: &Repo<'_>, input: &str, editor: &str) -> Outcome {
    let program = env!("CARGO_BIN_EXE_git-straylight");
    let mut child = repo
        .environment
        .command("script")
        .args(["-qec", &format!("{program} srcs //lib"), "/dev/null"])
        .env("GIT_EDITOR", editor)
        .env("TERM", "dumb")
        .current_dir(&repo.path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Outcome {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap(),
    }
}

#[test]
fn a_terminal_is_asked() {
    let environment = TestEnvironment::new();
    let repo = repository(&environment);
    for file in ["lib/c.c", "lib/e.c"] {
        repo.write(file, "typedef int nothing;\n");
    }
    let no = on_terminal(&repo, "n\n", "false").code(1);
    says(&no.stdout, &["Add them? [y/n/edit]"]);
    assert_eq!(text(&repo), build_file());

    // The editor takes the first line out.
    let edited = on_terminal(&repo, "edit\n", "sed -i 1d").code(1);
    says(&edited.stdout, &["wrote `lib/BUILD.dhall`"]);
    let now = text(&repo);
    assert!(now.contains("\"e.c\"") && !now.contains("\"c.c\""), "{now}");

    let failed = on_terminal(&repo, "edit\n", "false").code(6);
    says(&failed.stdout, &["cannot open an editor"]);
    let invented = on_terminal(&repo, "edit\n", "sed -i '1s/c.c/z.c/'").code(2);
    says(&invented.stdout, &["is not one of the proposed changes"]);
    assert_eq!(text(&repo), now);

    on_terminal(&repo, "y\n", "false").code(0);
    assert!(text(&repo).contains(", \"c.c\"\n"));
    repo.straylight(&["srcs", "--check", "//lib"]).success();
}
