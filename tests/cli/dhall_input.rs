//! Input that is wrong, absent, unreadable or huge: what is said about it, and
//! the exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::cli::dhall::{dhall, piped};
use crate::cli::lua::installed;
use crate::support::server::{Reply, Server};
use crate::support::{Outcome, TestEnvironment, outcome, says};

/// Returns the folder that the commands run in.
fn folder(environment: &TestEnvironment) -> PathBuf {
    let folder = environment.root().join("dhall");
    fs::create_dir_all(folder.join("sub")).unwrap();
    folder
}

fn on_stdin(environment: &TestEnvironment, arguments: &[&str], text: &str) -> Outcome {
    piped(&mut dhall(environment, arguments), text.as_bytes()).1
}

#[test]
fn what_is_not_there() {
    let environment = TestEnvironment::new();
    let folder = folder(&environment);
    fs::write(folder.join("lib.dhall"), "let x = 1\nin  ./none.dhall").unwrap();
    for command in [
        "eval", "type", "hash", "encode", "decode", "freeze", "resolve",
    ] {
        let run = outcome(&mut dhall(&environment, &[command, "none.dhall"])).code(3);
        says(&run.stderr, &["cannot read `none.dhall`: No such file"]);
    }
    let run = outcome(&mut dhall(&environment, &["eval", "lib.dhall/x"])).code(3);
    says(&run.stderr, &["cannot read `lib.dhall/x`: Not a directory"]);
    for (text, message) in [
        ("./none.dhall", "`none.dhall` is not there"),
        ("./lib.dhall/x", "`lib.dhall/x` is not there"),
        ("./sub/none as Bytes", "`sub/none` is not there"),
        ("env:NONE + 1", "`env:NONE` is not there"),
        ("missing", "`missing` is never there"),
        ("./none.dhall ? env:NONE", "`env:NONE` is not there"),
    ] {
        for command in ["eval", "resolve"] {
            let run = on_stdin(&environment, &[command], text).code(3);
            says(&run.stderr, &[message, "(stdin):1:", "help: "]);
            assert_eq!(run.stdout, "");
        }
    }
    // The file that is wrong comes first, and then the way to it.
    let run = on_stdin(&environment, &["type"], "{ a = ./lib.dhall }").code(3);
    says(
        &run.stderr,
        &[
            "`none.dhall` is not there",
            "lib.dhall:2:5",
            "2 | in  ./none.dhall",
            "imported from (stdin):1:7",
        ],
    );
}

#[test]
fn what_this_machine_cannot_read() {
    let environment = TestEnvironment::new();
    let folder = folder(&environment);
    fs::write(folder.join("closed.dhall"), "1").unwrap();
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(folder.join("closed.dhall"), closed).unwrap();
    fs::write(folder.join("imports.dhall"), "./closed.dhall ? 2").unwrap();
    let program = installed(&environment);
    let ordinary = |file| {
        // Nothing is closed to root.
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = environment.command("setpriv");
            let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
            command.args(nobody).arg(&program);
            command
        } else {
            environment.command(&program)
        };
        outcome(command.args(["dhall", "eval", file]).current_dir(&folder))
    };
    let run = ordinary("closed.dhall").code(6);
    says(
        &run.stderr,
        &["cannot read `closed.dhall`: Permission denied"],
    );
    // It is there: its alternative is for what is not.
    let run = ordinary("imports.dhall").code(6);
    says(
        &run.stderr,
        &[
            "cannot read `closed.dhall`: Permission denied",
            "imports.dhall:1:1",
            "its permissions",
        ],
    );
}

#[test]
fn hosts_that_have_it_or_do_not_answer() {
    let environment = TestEnvironment::new();
    let server = Server::start(|received| match received.path.as_str() {
        "/500" => Reply::status("500 Internal Server Error"),
        "/latin" => Reply::ok(b"\"\xe9\"".to_vec()),
        _ => Reply::status("404 Not Found"),
    });
    let hash = "0".repeat(64);
    for (text, code, message) in [
        (server.url("/404"), 3, "404 Not Found"),
        (server.url("/500"), 6, "500 Internal Server Error"),
        (server.url("/latin"), 2, "this is not UTF-8: the byte 0xe9"),
        (
            format!("{} ? missing", server.url("/500")),
            3,
            "never there",
        ),
    ] {
        let run = on_stdin(&environment, &["resolve"], &text).code(code);
        says(&run.stderr, &[message]);
    }
    let url = server.url("/404");
    drop(server);
    let run = on_stdin(&environment, &["resolve"], &url).code(6);
    says(&run.stderr, &["cannot fetch", "the network"]);
    // Without a pin the text is wrong; with one it may be right, elsewhere.
    let asked = on_stdin(&environment, &["eval"], &url).code(2);
    says(&asked.stderr, &["is not in the cache", "pins it"]);
    let pinned = format!("{url} sha256:{hash} ? 1");
    let asked = on_stdin(&environment, &["eval"], &pinned).code(6);
    says(&asked.stderr, &["is not in the cache", "fetches it once"]);
}

#[test]
fn what_is_no_text() {
    let environment = TestEnvironment::new();
    let folder = folder(&environment);
    fs::write(folder.join("latin.dhall"), b"{ a =\n    \"caf\xe9\" }").unwrap();
    fs::write(folder.join("mark.dhall"), "\u{feff}1").unwrap();
    fs::write(folder.join("utf16.dhall"), b"\xff\xfe1\0").unwrap();
    fs::write(folder.join("one.dhall"), "./two.dhall").unwrap();
    fs::write(folder.join("two.dhall"), "1 + ./sub/../one.dhall").unwrap();
    for (name, messages) in [
        (
            "latin.dhall",
            ["not UTF-8: the byte 0xe9", "latin.dhall:2:9"],
        ),
        (
            "utf16.dhall",
            ["not UTF-8: the byte 0xff", "utf16.dhall:1:1"],
        ),
        ("mark.dhall", ["a byte order mark", "mark.dhall:1:1"]),
        (
            "one.dhall",
            [
                "`one.dhall` imports itself",
                "one.dhall → two.dhall → one.dhall",
            ],
        ),
        ("sub", ["cannot read `sub`: ", "s a directory"]),
    ] {
        let direct = outcome(&mut dhall(&environment, &["eval", name])).code(2);
        says(&direct.stderr, &messages);
        let imported = on_stdin(&environment, &["eval"], &format!("./{name} ? 1")).code(2);
        says(&imported.stderr, &messages);
        says(&imported.stderr, &["(stdin):1:1"]);
    }
}

#[test]
fn what_does_not_end_or_is_in_odd_places() {
    let environment = TestEnvironment::new();
    let many = |text: &str| text.repeat(100_000);
    for (text, message) in [
        (many("("), "nests too deeply"),
        (many("[ { a = "), "nests too deeply"),
        (
            "{ a = [ 1, 2".to_owned(),
            "expected `,` or `]`, found the end of the file",
        ),
        ("let x = 1 in\n\n".to_owned(), "found the end of the file"),
        ("\"abc".to_owned(), "(stdin):1:"),
        ("''\nabc".to_owned(), "close it with `''`"),
        ("1 {- {- -}".to_owned(), "(stdin):1:"),
        // A tab is one column, whatever an editor makes of it.
        ("{\ta\t=\t1,\n\t\tb = x }".to_owned(), "(stdin):2:7"),
        ("\"a\tb\nc\"".to_owned(), "(stdin):1:"),
        ("9".repeat(1_000_000), "this number is too large"),
        (format!("1{}.5e400", "0".repeat(400)), "(stdin):1:1"),
        (
            format!("{} + True", "9".repeat(10_000)),
            "at (stdin):1:10004",
        ),
    ] {
        let run = on_stdin(&environment, &["eval"], &text).code(2);
        says(&run.stderr, &[message]);
        assert!(run.stderr.len() < 20_000, "{} bytes", run.stderr.len());
    }
    let fine = on_stdin(&environment, &["eval"], "\t{\ta\t=\t''\n\t\tx''\t}\t").success();
    assert_eq!(fine.stdout, "{ a = \"x\" }\n");
    let fine = on_stdin(
        &environment,
        &["eval"],
        &format!("\"{}\"", "x".repeat(10_000_000)),
    )
    .success();
    assert_eq!(fine.stdout.len(), 10_000_003);
}

#[test]
fn files_of_a_hundred_megabytes() {
    let environment = TestEnvironment::new();
    let folder = folder(&environment);
    let sparse = |name: &str, size: u64| {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_len(size).unwrap();
    };
    sparse("large", 100 << 20);
    sparse("larger", (128 << 20) + 1);
    let run_file = |name| outcome(&mut dhall(&environment, &["eval", name]));
    let direct = run_file("large").code(2);
    says(&direct.stderr, &["the character U+0000", "large:1:1"]);
    assert!(direct.stderr.len() < 20_000);
    says(
        &run_file("larger").code(2).stderr,
        &["`larger` has more than 134217728 bytes"],
    );
    let typed = on_stdin(
        &environment,
        &["type"],
        "{ a = ./large as Text, b = ./large as Bytes }",
    );
    assert_eq!(typed.success().stdout, "{ a : Text, b : Bytes }\n");
    let imported = on_stdin(&environment, &["type"], "./larger as Bytes ? 1").code(2);
    says(
        &imported.stderr,
        &["cannot read `larger`", "at most 134217728 bytes"],
    );
    let bytes = outcome(&mut dhall(&environment, &["decode", "large"])).code(2);
    says(&bytes.stderr, &["this is not Dhall in binary form"]);
}

#[test]
fn binary_forms_that_are_cut_off() {
    let environment = TestEnvironment::new();
    let text = b"let f = \\(x : Text) -> { a = x, b = [ 1, 2 ] } in f \"abc\"";
    let (bytes, run) = piped(&mut dhall(&environment, &["encode"]), text);
    run.success();
    for length in 0..bytes.len() {
        let (_, run) = piped(&mut dhall(&environment, &["decode"]), &bytes[..length]);
        says(
            &run.code(2).stderr,
            &["this is not Dhall in binary form", "(stdin)"],
        );
    }
}

#[test]
fn binary_forms_with_wrong_tags() {
    let environment = TestEnvironment::new();
    let wrong: [(&[u8], &str); 7] = [
        (b"\x82\x18\x63\x01", "there is no such kind of expression"),
        (b"\x82\x20\x01", "a number is negative"),
        (b"\x84\x03\x18\x2a\x01\x02", "there is no such operator"),
        (b"\xc1\x01", "expected a number"),
        (b"\x83\x0f\x01\x02", "an array is too long"),
        (b"\xa1\x61a\x01", "this is not an expression"),
        (b"\x1c", "this is not CBOR"),
    ];
    for (bytes, message) in wrong {
        let (stdout, run) = piped(&mut dhall(&environment, &["decode"]), bytes);
        says(
            &run.code(2).stderr,
            &["this is not Dhall in binary form", message, "(stdin)"],
        );
        assert!(stdout.is_empty());
    }
}

#[test]
fn a_build_says_which_import_is_missing() {
    let environment = TestEnvironment::new();
    let repo = crate::cli::build::hello(&environment);
    repo.write("bad/BUILD.dhall", "let x = ./none.dhall\nin {=}\n");
    let run = repo.straylight(&["build", "//bad:x"]).code(3);
    says(
        &run.stderr,
        &["`bad/none.dhall` is not there", "bad/BUILD.dhall:1:9"],
    );
}

#[test]
fn normal_forms_that_exceed_the_limits_are_no_results() {
    let environment = TestEnvironment::new();
    // The function is a value at once: only its normal form is huge.
    let text = "{ a = 1,\n  f = \\(x : Bool) ->\n    Natural/fold 60 Text (\\(t : Text) -> t ++ t) \"x\" }";
    let folder = folder(&environment);
    fs::write(folder.join("f.dhall"), text).unwrap();
    fs::write(folder.join("one.dhall"), "1").unwrap();
    for arguments in [
        &["eval", "f.dhall"][..],
        &["eval", "--annotate", "f.dhall"],
        &["hash", "f.dhall"],
        &["diff", "one.dhall", "f.dhall"],
    ] {
        let run = outcome(&mut dhall(&environment, arguments)).code(2);
        says(
            &run.stderr,
            &["this makes a value that is too large", "f.dhall:3:"],
        );
        assert_eq!(run.stdout, "");
    }
    let typed = outcome(&mut dhall(&environment, &["type", "f.dhall"])).success();
    assert_eq!(typed.stdout, "{ a : Natural, f : ∀(x : Bool) → Text }\n");
    // It is written down as it is, and not evaluated.
    let resolved = on_stdin(&environment, &["resolve"], "(./f.dhall).a").success();
    says(&resolved.stdout, &["Natural/fold 60"]);
}
