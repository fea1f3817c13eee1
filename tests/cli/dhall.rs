//! The language by itself: files, pipes, and what is wrong with them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{Outcome, TestEnvironment, outcome, says};

/// Runs `git straylight dhall …` in a folder with `lib.dhall`.
pub fn dhall(environment: &TestEnvironment, arguments: &[&str]) -> Command {
    let folder = environment.root().join("dhall");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = environment.command(env!("CARGO_BIN_EXE_git-straylight"));
    command.arg("dhall").args(arguments).current_dir(folder);
    command
}

/// Runs a command with bytes on its standard input; returns the bytes that it
/// printed with the outcome.
pub fn piped(command: &mut Command, input: &[u8]) -> (Vec<u8>, Outcome) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever refuses its input need not read it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let outcome = Outcome {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code().unwrap(),
    };
    (output.stdout, outcome)
}

fn write(environment: &TestEnvironment, name: &str, content: impl AsRef<[u8]>) {
    let path = environment.root().join("dhall").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_file_and_a_pipe_are_evaluated_checked_and_hashed() {
    let environment = TestEnvironment::new();
    write(&environment, "lib/n.dhall", "../two.dhall + 1");
    write(&environment, "two.dhall", "2");
    write(
        &environment,
        "a.dhall",
        "{ n = ./lib/n.dhall, v = env:V as Text }",
    );
    for (arguments, expected) in [
        (vec!["eval", "a.dhall"], "{ n = 3, v = \"x\" }\n"),
        (vec!["type", "./a.dhall"], "{ n : Natural, v : Text }\n"),
        (
            vec!["eval", "--annotate", "lib/../two.dhall"],
            "2 : Natural\n",
        ),
    ] {
        let run = outcome(dhall(&environment, &arguments).env("V", "x")).success();
        assert_eq!(run.stdout, expected);
        assert_eq!(run.stderr, "");
    }
    let absolute = environment.root().join("dhall/lib/n.dhall");
    let run = outcome(&mut dhall(
        &environment,
        &["eval", absolute.to_str().unwrap()],
    ));
    assert_eq!(run.success().stdout, "3\n");
    for arguments in [vec!["eval"], vec!["eval", "-"]] {
        let (_, run) = piped(&mut dhall(&environment, &arguments), b"./two.dhall * 2");
        assert_eq!(run.success().stdout, "4\n");
    }
    // What every implementation of the language says.
    let (_, run) = piped(&mut dhall(&environment, &["hash"]), b"True && True");
    assert_eq!(
        run.success().stdout,
        "sha256:27abdeddfe8503496adeb623466caa47da5f63abd2bc6fa19f6cfcb73ecfed70\n"
    );
}

#[test]
fn what_is_encoded_decodes_and_is_not_evaluated() {
    let environment = TestEnvironment::new();
    let text = b"let x = 0x10 in [ x, ./not/there.dhall ]";
    let (bytes, run) = piped(&mut dhall(&environment, &["encode"]), text);
    run.success();
    let (_, run) = piped(&mut dhall(&environment, &["decode"]), &bytes);
    assert_eq!(
        run.success().stdout,
        "let x = 16 in [ x, ./not/there.dhall ]\n"
    );
    let (_, run) = piped(
        &mut dhall(&environment, &["decode"]),
        &bytes[..bytes.len() - 1],
    );
    says(
        &run.code(2).stderr,
        &["this is not Dhall in binary form: byte", "(stdin)"],
    );
}

#[test]
fn what_differs_is_told_and_is_the_exit_code() {
    let environment = TestEnvironment::new();
    write(&environment, "a.dhall", "{ n = 1, srcs = [ \"x.c\" ] }");
    write(
        &environment,
        "b.dhall",
        "let n = 2 in { n, srcs = [ \"x.c\" ] }",
    );
    let run = outcome(&mut dhall(&environment, &["diff", "a.dhall", "b.dhall"])).code(1);
    assert_eq!((&*run.stdout, &*run.stderr), (".n\n- 1\n+ 2\n", ""));
    let same = b"{ n = 0 + 1, srcs = [ \"x\" ++ \".c\" ] }";
    let (_, run) = piped(&mut dhall(&environment, &["diff", "a.dhall", "-"]), same);
    assert_eq!(run.success().stdout, "");
    let (_, run) = piped(&mut dhall(&environment, &["diff", "-", "a.dhall"]), b"x");
    says(&run.code(2).stderr, &["(stdin):1:1"]);
    let run = outcome(&mut dhall(&environment, &["diff", "-", "-"])).code(2);
    says(&run.stderr, &["only be one of both"]);
}

#[test]
fn only_the_cache_answers_for_hosts() {
    let environment = TestEnvironment::new();
    let (_, run) = piped(
        &mut dhall(&environment, &["eval"]),
        b"https://dhall.invalid/a",
    );
    says(
        &run.code(2).stderr,
        &[
            "`https://dhall.invalid/a` is not in the cache",
            "(stdin):1:1",
            "dhall freeze",
        ],
    );
}

#[test]
fn input_that_cannot_be_read() {
    let environment = TestEnvironment::new();
    write(&environment, "latin.dhall", b"1 +\n \"\xe9\"");
    for (arguments, code, message) in [
        (["eval", "latin.dhall"], 2, "latin.dhall:2:3"),
        (["type", "none.dhall"], 3, "cannot read `none.dhall`"),
        (["hash", "."], 2, "cannot read `.`: Is a directory"),
        (["decode", "/dev/zero"], 2, "more than 134217728 bytes"),
    ] {
        let run = outcome(&mut dhall(&environment, &arguments)).code(code);
        says(&run.stderr, &[message]);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn the_library_is_listed_and_shown() {
    let environment = TestEnvironment::new();
    let list = outcome(&mut dhall(&environment, &["library", "list"])).success();
    let short = outcome(&mut dhall(&environment, &["library"])).success();
    assert_eq!(list.stdout, short.stdout);
    let (url, _) = list.stdout.lines().next().unwrap().split_once(' ').unwrap();
    let path = url.split_once("straylight.cx/").unwrap().1;
    let by_url = outcome(&mut dhall(&environment, &["library", "show", url])).success();
    let by_path = outcome(&mut dhall(&environment, &["library", "show", path])).success();
    assert_eq!(by_url.stdout, by_path.stdout);
    // What is printed is the file that is listed.
    let (_, run) = piped(
        &mut dhall(&environment, &["hash"]),
        by_url.stdout.as_bytes(),
    );
    says(&list.stdout, &[&format!("{url} {}", run.success().stdout)]);
    let run = outcome(&mut dhall(
        &environment,
        &["library", "show", "rules/fortran/v1.dhall"],
    ));
    says(&run.code(3).stderr, &["not in the library", "library list"]);
}

#[test]
fn a_trace_is_shown_to_who_asks() {
    let environment = TestEnvironment::new();
    write(&environment, "lib.dhall", "{ n =\n    [ 1 + True ] }");
    let text = b"let l = ./lib.dhall\nin  l.n";
    let trace = [
        "error: `+` needs",
        "lib.dhall:2:11",
        "trace, outermost first:\n  lib.dhall:1:1: { n = [ 1 + True ] }\n",
        "\n  lib.dhall:2:5: n = [ 1 + True ]\n  lib.dhall:2:7: 1 + True\n",
        "\n  imported from (stdin):1:9\n",
    ];
    for arguments in [
        ["eval", "--trace"],
        ["--trace", "type"],
        ["resolve", "--trace"],
    ] {
        let (_, run) = piped(&mut dhall(&environment, &arguments), text);
        says(&run.code(2).stderr, &trace);
    }
    let (_, run) = piped(&mut dhall(&environment, &["eval"]), text);
    assert!(!run.code(2).stderr.contains("trace"));
    let (_, run) = piped(&mut dhall(&environment, &["eval", "--trace"]), b"1 + 1");
    assert_eq!(run.success().stdout, "2\n");
}
