//! Common bad input: what, where, what to do next, and a stable exit code.

use crate::cli::build::{hello, package};
use crate::support::{TestEnvironment, outcome, says};

#[test]
fn no_repository() {
    let environment = TestEnvironment::new();
    let run = outcome(
        environment
            .command(env!("CARGO_BIN_EXE_git-straylight"))
            .args(["build", "//x"]),
    );
    says(
        &run.code(3).stderr,
        &["is not in a git repository", "git init"],
    );
}

#[test]
fn no_build_file_and_no_target() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let run = repo.straylight(&["build", "//nowhere"]).code(3);
    says(
        &run.stderr,
        &["no package `//nowhere`", "nowhere/BUILD.dhall", "hint"],
    );
    let run = repo.straylight(&["build", "//hello:helo"]).code(3);
    says(
        &run.stderr,
        &["no target `//hello:helo`", "did you mean `hello`?"],
    );
    let run = repo.straylight(&["build", "hello"]).code(2);
    says(&run.stderr, &["`hello` is not a label", "//folder:name"]);
    let run = repo.straylight(&["build", "//toolchains/..."]).code(3);
    says(&run.stderr, &["no targets in or below `//toolchains`"]);
}

#[test]
fn a_dependency_that_does_not_exist() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let text = String::from_utf8(repo.read("hello/BUILD.dhall")).unwrap();
    repo.write(
        "hello/BUILD.dhall",
        &text.replace("//greeting", "//greting"),
    );
    let run = repo.straylight(&["build", "//hello"]).code(3);
    says(
        &run.stderr,
        &["no package `//greting`", "--> hello/BUILD.dhall:5:"],
    );
    repo.write(
        "hello/BUILD.dhall",
        &text.replace("//greeting", "//greeting:greetin"),
    );
    let run = repo.straylight(&["build", "//hello"]).code(3);
    says(
        &run.stderr,
        &[
            "no target `//greeting:greetin`",
            "--> hello/BUILD.dhall:5:",
            "did you mean `greeting`?",
        ],
    );
}

#[test]
fn a_type_error() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let text = String::from_utf8(repo.read("hello/BUILD.dhall")).unwrap();
    repo.write(
        "hello/BUILD.dhall",
        &text.replace("[ \"hello.c\" ]", "\"hello.c\""),
    );
    let run = repo.straylight(&["build", "//hello"]).code(2);
    says(&run.stderr, &["hello/BUILD.dhall:5:", "List Text", "Text"]);
    repo.write("hello/BUILD.dhall", &text.replace("in {", "in { ("));
    let run = repo.straylight(&["build", "//hello"]).code(2);
    says(&run.stderr, &["hello/BUILD.dhall:5:"]);
}

#[test]
fn imports_that_are_not_hermetic() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    for (import, message) in [
        ("env:HOME as Text", "does not read the environment"),
        ("/etc/passwd as Text", "outside the repository"),
        ("~/x.dhall", "outside the repository"),
        (
            "https://straylight.cx/dice/v1.dhall",
            "not pinned by its hash",
        ),
        ("../greeting/BUILD.dhall", "is a package, not a library"),
    ] {
        repo.write("bad/BUILD.dhall", &format!("let x = {import}\nin {{=}}\n"));
        let run = repo.straylight(&["build", "//bad:x"]).code(2);
        says(&run.stderr, &[message, "bad/BUILD.dhall:1:9"]);
    }
}

#[test]
fn sources_that_are_missing_or_untracked() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    std::fs::rename(
        repo.path.join("hello/hello.c"),
        repo.path.join("hello/helo.c"),
    )
    .unwrap();
    let run = repo.straylight(&["build", "//hello"]).code(3);
    says(
        &run.stderr,
        &[
            "no file `hello/hello.c`",
            "did you mean `hello/helo.c`?",
            "--> hello/BUILD.dhall:5:",
            "git restore",
        ],
    );
    let text = String::from_utf8(repo.read("hello/BUILD.dhall")).unwrap();
    repo.write("hello/BUILD.dhall", &text.replace("hello.c", "helo.c"));
    let run = repo.straylight(&["build", "//hello"]).success();
    says(
        &run.stderr,
        &[
            "warning",
            "`hello/helo.c` is not tracked",
            "git add",
            "--> hello/BUILD.dhall:5:",
        ],
    );
    let run = repo
        .straylight(&["build", "--at", "HEAD", "//hello"])
        .success();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    repo.git(["add", "hello/BUILD.dhall"]);
    repo.git(["rm", "-q", "--cached", "hello/hello.c"]);
    repo.git(["commit", "-q", "-m", "forgot a file"]);
    let run = repo
        .straylight(&["build", "--at", "HEAD", "//hello"])
        .code(3);
    says(
        &run.stderr,
        &["no file `hello/helo.c`", "in the work tree only", "git add"],
    );
}

#[test]
fn a_cycle() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"a = C.library C.Library::{ name = "a", toolchain = toolchains.gcc, deps = [ ":b" ] },
           b = C.library C.Library::{ name = "b", toolchain = toolchains.gcc, deps = [ "//it:a" ] },
           c = C.library C.Library::{ name = "c", toolchain = toolchains.gcc, deps = [ ":c" ] }"#,
    );
    let run = repo.straylight(&["build", "//it:a"]).code(2);
    says(&run.stderr, &["//it:a → //it:b → //it:a", "hint"]);
    let run = repo.straylight(&["build", "//it:c"]).code(2);
    says(&run.stderr, &["//it:c → //it:c"]);
}

#[test]
fn conflicting_flags_and_raw_ones() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"a = C.library C.Library::{ name = "a", toolchain = toolchains.gcc, flags = [ C.Flag.OptLevel C.OptLevel.O2, C.Flag.OptLevel C.OptLevel.O0 ] },
           b = C.library C.Library::{ name = "b", toolchain = toolchains.gcc, srcs = [ "b.c" ], flags = [ C.Flag.Raw "-fwrapv" ] },
           c = C.library C.Library::{ name = "c", toolchain = toolchains.gcc // { linker = Some toolchains.posix.artifact }, srcs = [ "b.c" ] },
           d = C.library C.Library::{ name = "d", toolchain = toolchains.gcc // { flags = [ C.Flag.Warn C.Warn.All ] }, srcs = [ "d.c" ], flags = [ C.Flag.OptLevel C.OptLevel.O1, C.Flag.Warn C.Warn.All, C.Flag.OptLevel C.OptLevel.O1 ] }"#,
    );
    let run = repo.straylight(&["build", "//it:a"]).code(2);
    says(
        &run.stderr,
        &["`//it:a` cannot be built", "-O2", "-O0", "it/BUILD.dhall"],
    );
    repo.write("it/b.c", "int b;\n");
    repo.git(["add", "-A"]);
    let run = repo.straylight(&["build", "//it:b"]).success();
    says(&run.stderr, &["warning", "-fwrapv"]);
    // Commands see one tree: a part of its own would be ignored.
    let run = repo.straylight(&["build", "//it:c"]).code(2);
    says(
        &run.stderr,
        &["`//it:c` cannot be built", "has a linker of its own"],
    );
    // What is said twice is said once.
    repo.write("it/d.c", "#error stop\n");
    repo.git(["add", "-A"]);
    let run = repo.straylight(&["build", "//it:d"]).code(1);
    let command = run.stderr.lines().find(|line| line.starts_with("$ "));
    let words: Vec<&str> = command.unwrap().split(' ').collect();
    let count = |word: &str| words.iter().filter(|found| **found == word).count();
    assert_eq!((count("-Wall"), count("-O1")), (1, 1), "{words:?}");
}

#[test]
fn many_untracked_sources_are_one_warning() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = C.library C.Library::{ name = "it", toolchain = toolchains.gcc, srcs = [ "a.c", "b.c", "c.c", "d.c", "e e.c" ] }"#,
    );
    for name in ["a", "b", "c", "d", "e e"] {
        let function = name.replace(' ', "_");
        repo.write(&format!("it/{name}.c"), &format!("int {function};\n"));
    }
    // The second time, nothing is looked at.
    for _ in 0..2 {
        let run = repo.straylight(&["build", "//it"]).success();
        let told: Vec<&str> = run.stderr.lines().collect();
        let [warning, first, _, third, more, _] = told[..] else {
            panic!("{told:?}")
        };
        says(warning, &["warning: 5 sources are not tracked", "git add"]);
        says(first, &["--> it/BUILD.dhall:6:", ": `it/a.c`"]);
        says(third, &["`it/c.c`"]);
        assert_eq!(more, "  and 2 more");
    }
    repo.git(["add", "it/a.c", "it/b.c", "it/c.c", "it/d.c"]);
    let run = repo.straylight(&["build", "//it"]).success();
    says(
        &run.stderr,
        &["`it/e e.c` is not tracked: `git add 'it/e e.c'`"],
    );
}

#[test]
fn a_revision_that_is_not_there() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    for (revision, reason) in [
        ("nope", "`nope`: Reference \"nope\" could not be found\n"),
        ("HEAD~9", "has 0 ancestors"),
        ("HEAD:nope", "Could not find path \"nope\""),
    ] {
        let run = repo.straylight(&["build", "--at", revision]).code(3);
        says(
            &run.stderr,
            &["unknown revision", reason, "git log --oneline --all"],
        );
    }
}

#[test]
fn what_the_sandbox_does_not_grant() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{ name = "it", arguments = [ Dice.literal "/bin/true" ], requires = [ Dice.Coeffect.Device "/dev/kvm" ], outputs = [ "x" ] }"#,
    );
    let run = repo.straylight(&["build", "//it"]).code(2);
    says(
        &run.stderr,
        &[
            "`//it:it`",
            "needs device:/dev/kvm, which its sandbox does not grant",
            "it/BUILD.dhall",
            "--isolation none",
        ],
    );
    repo.write(
        "it/BUILD.dhall",
        &String::from_utf8(repo.read("it/BUILD.dhall")).unwrap().replace(
            "Dice.Coeffect.Device \"/dev/kvm\"",
            "Dice.Coeffect.Network { host = \"a.example\", network = < Replayed | Live >.Live }",
        ),
    );
    let run = repo.straylight(&["build", "//it"]).code(2);
    says(
        &run.stderr,
        &["needs network:live:a.example", "git straylight pin URL"],
    );
}

#[test]
fn the_time_is_a_need_that_is_granted_and_recorded() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{ name = "it", root = Some toolchains.posix.artifact, arguments = shell "date > \"$1\"" [ Command.out "x" ], requires = [ Dice.Coeffect.Clock ], outputs = [ "x" ] }"#,
    );
    repo.straylight(&["build", "//it"]).success();
    let traces = std::fs::read_dir(environment.cache().join("traces")).unwrap();
    let traces = traces.map(|trace| std::fs::read(trace.unwrap().path()).unwrap());
    let declares = |trace: &Vec<u8>| trace.windows(5).any(|word| word == b"clock");
    assert_eq!(traces.filter(declares).count(), 1);
}

#[test]
fn a_toolchain_that_is_not_here() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    std::fs::remove_dir_all(environment.cache()).unwrap();
    let run = repo.straylight(&["build", "//hello"]).code(3);
    says(&run.stderr, &["needs the toolchain", "toolchain capture"]);
}

#[test]
fn no_namespaces() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    // A user namespace that may not have another one in it.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let run = outcome(
        environment
            .command("unshare")
            .args(["-Ur", "sh", "-c", script, "sh"])
            .args([env!("CARGO_BIN_EXE_git-straylight"), "build", "//hello"])
            .current_dir(&repo.path),
    );
    says(
        &run.code(6).stderr,
        &["namespaces", "max_user_namespaces", "--isolation none"],
    );
}

#[test]
fn usage() {
    let environment = TestEnvironment::new();
    let repo = environment.repository("empty", &[]);
    let run = repo.straylight(&["biuld"]).code(2);
    says(&run.stderr, &["biuld", "build"]);
    let run = repo.straylight(&["build", "--target", "toaster"]).code(2);
    says(&run.stderr, &["toaster", "arch-vendor-os-abi"]);
}
