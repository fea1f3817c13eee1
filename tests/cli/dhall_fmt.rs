//! Formatting files in place, and in a pipe.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::cli::dhall::{dhall, piped};
use crate::support::{TestEnvironment, outcome, says};

const UNTIDY: &str = "let x=0x10 -- sixteen\nin {x ,y=[1,2]}";
const TIDY: &str = "let x = 0x10 -- sixteen\n\nin  { x, y = [ 1, 2 ] }\n";

/// Writes a file where the command runs, and returns its path.
fn write(environment: &TestEnvironment, name: &str, text: &str) -> PathBuf {
    let path = environment.root().join("dhall").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn files_are_formatted_in_place_and_once() {
    let environment = TestEnvironment::new();
    let (a, b) = (
        write(&environment, "a.dhall", UNTIDY),
        write(&environment, "b/b.dhall", TIDY),
    );
    fs::set_permissions(&a, fs::Permissions::from_mode(0o751)).unwrap();
    let written = fs::metadata(&b).unwrap().modified().unwrap();
    let check = || {
        let arguments = ["fmt", "--check", "a.dhall", "b/b.dhall"];
        outcome(&mut dhall(&environment, &arguments))
    };
    let run = check().code(1);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("", "a.dhall is not formatted\n")
    );
    assert_eq!(fs::read_to_string(&a).unwrap(), UNTIDY);

    let run = outcome(&mut dhall(&environment, &["fmt", "a.dhall", "b/b.dhall"])).success();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_eq!(fs::read_to_string(&a).unwrap(), TIDY);
    assert_eq!(
        fs::metadata(&a).unwrap().permissions().mode() & 0o777,
        0o751
    );
    // What is formatted is not touched.
    assert_eq!(fs::metadata(&b).unwrap().modified().unwrap(), written);
    let run = check().success();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let left = fs::read_dir(a.parent().unwrap()).unwrap().count();
    assert_eq!(left, 2, "a temporary file stays");
}

#[test]
fn a_pipe_is_formatted() {
    let environment = TestEnvironment::new();
    for arguments in [vec!["fmt"], vec!["fmt", "-"]] {
        let (bytes, run) = piped(&mut dhall(&environment, &arguments), UNTIDY.as_bytes());
        assert_eq!(run.success().stderr, "");
        assert_eq!(bytes, TIDY.as_bytes());
    }
    let check = |text: &str| {
        piped(
            &mut dhall(&environment, &["fmt", "--check"]),
            text.as_bytes(),
        )
        .1
    };
    let run = check(UNTIDY).code(1);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("", "(stdin) is not formatted\n")
    );
    check(TIDY).success();
    let (bytes, run) = piped(&mut dhall(&environment, &["fmt"]), b"{ a =\n  1 +\n}");
    says(&run.code(2).stderr, &["(stdin):3:1"]);
    assert!(bytes.is_empty());
}

#[test]
fn one_wrong_file_does_not_keep_the_others() {
    let environment = TestEnvironment::new();
    let wrong = write(&environment, "wrong.dhall", "{ a =\n  1 +\n}");
    let good = write(&environment, "good.dhall", UNTIDY);
    let run = outcome(&mut dhall(
        &environment,
        &["fmt", "wrong.dhall", "good.dhall"],
    ))
    .code(2);
    says(&run.stderr, &["wrong.dhall:3:1", "expected an expression"]);
    assert_eq!(fs::read_to_string(&wrong).unwrap(), "{ a =\n  1 +\n}");
    assert_eq!(fs::read_to_string(&good).unwrap(), TIDY);
    let arguments = ["fmt", "--check", "none.dhall", "wrong.dhall", "good.dhall"];
    let run = outcome(&mut dhall(&environment, &arguments)).code(3);
    says(
        &run.stderr,
        &["cannot read `none.dhall`", "wrong.dhall:3:1"],
    );
}

#[test]
fn what_is_no_file_or_cannot_be_written_is_told() {
    let environment = TestEnvironment::new();
    let file = write(&environment, "folder/a.dhall", UNTIDY);
    let run = outcome(&mut dhall(&environment, &["fmt", "folder"])).code(2);
    says(&run.stderr, &["`folder` is a folder", "git ls-files"]);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let run = outcome(&mut dhall(&environment, &["fmt", "folder/a.dhall"])).code(6);
    says(&run.stderr, &["cannot write `folder/a.dhall`: "]);
    assert_eq!(fs::read_to_string(&file).unwrap(), UNTIDY);
    outcome(&mut dhall(
        &environment,
        &["fmt", "--check", "folder/a.dhall"],
    ))
    .code(1);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let link = environment.root().join("dhall/link.dhall");
    symlink("folder/a.dhall", &link).unwrap();
    outcome(&mut dhall(&environment, &["fmt", "link.dhall"])).success();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), TIDY);

    fs::remove_file(&file).unwrap();
    let run = outcome(&mut dhall(&environment, &["fmt", "link.dhall"])).code(3);
    says(&run.stderr, &["cannot read `link.dhall`"]);
}
