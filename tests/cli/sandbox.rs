//! `--sandbox-debug`, and `git straylight sandbox`.

use std::fs;
use std::process::{Command, Stdio};

use crate::cli::build::{hello, package};
use crate::cli::lua::installed;
use crate::support::{Outcome, Repo, TestEnvironment, outcome, says};

/// Builds what fails, and returns the name of the sandbox that was kept.
fn kept(repo: &Repo<'_>, arguments: &[&str]) -> String {
    let arguments = [&["build", "--sandbox-debug"], arguments].concat();
    let failed = repo.straylight(&arguments).code(1);
    let (_, rest) = failed
        .stderr
        .split_once("hint: `git straylight sandbox ")
        .unwrap();
    let (name, _) = rest.split_once("` enters its sandbox").unwrap();
    name.to_owned()
}

/// Runs a script in a sandbox.
fn inside(repo: &Repo<'_>, name: &str, script: &str) -> Outcome {
    repo.straylight(&["sandbox", name, "--", "sh", "-c", script])
}

#[test]
fn a_kept_sandbox_is_as_the_command_left_it() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{
           , name = "it"
           , root = Some toolchains.posix.artifact
           , env = [ { mapKey = "WHOM", mapValue = "me" } ]
           , arguments = shell "echo half > \"$1\"; exit 4" [ Command.out "a" ]
           , inputs = [ Dice.Source.File "in.txt" ]
           , outputs = [ "a" ]
           }"#,
    );
    repo.write("it/in.txt", "input\n");
    repo.write("it/other.txt", "not declared\n");
    let plain = repo.straylight(&["build", "//it"]).code(1);
    assert!(!plain.stderr.contains("git straylight sandbox"));
    assert_eq!(repo.straylight(&["sandbox"]).success().stdout, "");

    let name = kept(&repo, &["//it"]);
    let listed = repo.straylight(&["sandbox"]).success().stdout;
    assert!(listed.starts_with(&format!("{name}  /bin/sh ")), "{listed}");
    let script = "pwd; cat it/in.txt out/it/it/a; echo $WHOM $HOME; find . -type f | sort; \
                  ls /home /etc 2>/dev/null; exit 9";
    let ran = inside(&repo, &name, script).code(9);
    assert_eq!(
        ran.stdout,
        "/build\ninput\nhalf\nme /tmp\n./it/in.txt\n./out/it/it/a\n"
    );
    // Inputs are the store's own bytes.
    let spoiled = inside(&repo, &name, "echo x > it/in.txt").code(2);
    says(&spoiled.stderr, &["in.txt: Read-only file system"]);
    let renamed = inside(&repo, &name, "rm -f it/in.txt").code(1);
    says(&renamed.stderr, &["Read-only file system"]);
    // What is changed stays; a signal is told as a shell tells it.
    inside(&repo, &name, "echo whole > out/it/it/a; kill -TERM $$").code(143);
    let read = repo.straylight(&["sandbox", &name[..6], "--", "cat", "out/it/it/a"]);
    assert_eq!(read.success().stdout, "whole\n");
    let absent = repo.straylight(&["sandbox", &name, "--", "no-such-program"]);
    says(&absent.code(127).stderr, &["cannot run `no-such-program`"]);

    // The same action again is kept in the same place, as it is then.
    assert_eq!(kept(&repo, &["//it"]), name);
    assert_eq!(
        inside(&repo, &name, "cat out/it/it/a").success().stdout,
        "half\n"
    );

    let cleaned = repo.straylight(&["clean"]).success();
    says(&cleaned.stdout, &["/kept/"]);
    let gone = repo.straylight(&["sandbox", &name]).code(3);
    says(&gone.stderr, &["no sandbox", "--sandbox-debug"]);
}

#[test]
fn a_root_without_a_shell_gets_the_machines() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.write(
        "hello/hello.c",
        "#include \"secret.h\"\nint main(void) { return 0; }\n",
    );
    repo.write("hello/secret.h", "");
    let name = kept(&repo, &["//hello"]);
    let command = repo.straylight(&["sandbox"]).success().stdout;
    let (_, command) = command.trim().split_once("  ").unwrap();
    // The machine's utilities are there, and the failed command fails again.
    let script = format!("ls hello greeting; {command}");
    let again = inside(&repo, &name, &script).code(1);
    assert_eq!(again.stdout, "greeting:\ngreeting.h\n\nhello:\nhello.c\n");
    says(&again.stderr, &["secret.h: No such file"]);
    // The command alone, without any shell.
    let words: Vec<&str> = command.split(' ').collect();
    let alone = [&["sandbox", &*name, "--"], &words[..]].concat();
    says(
        &repo.straylight(&alone).code(1).stderr,
        &["secret.h: No such file"],
    );
}

#[test]
fn a_shell_reads_from_a_pipe_and_talks_to_a_terminal() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.write("hello/hello.c", "int main(void) { return nothing; }\n");
    let name = kept(&repo, &["//hello"]);
    let program = env!("CARGO_BIN_EXE_git-straylight");
    let feed = |command: &mut Command, text: &str| {
        let command = command.current_dir(&repo.path);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let mut pipe = environment.command(program);
    let piped = feed(pipe.args(["sandbox", &name]), "ls hello\nexit 5\n");
    assert_eq!(
        (&*piped.stdout, piped.status.code()),
        (&b"hello.c\n"[..], Some(5))
    );

    let mut terminal = environment.command("script");
    let line = format!("{program} sandbox {name}");
    let talked = feed(
        terminal
            .args(["-qec", &line, "/dev/null"])
            .env("SHELL", "/bin/sh"),
        "ls hello\nsh_is_a=group; exit 6\n",
    );
    let shown = String::from_utf8_lossy(&talked.stdout);
    says(&shown, &["sandbox:/build$ ", "hello.c"]);
    assert!(!shown.contains("tty"), "{shown}");
    assert_eq!(talked.status.code(), Some(6), "{shown}");
}

#[test]
fn what_succeeds_is_not_kept() {
    let environment = TestEnvironment::new();
    // An assembler has nothing to list, and may leave its list out.
    let repo = package(
        &environment,
        r#"it = C.library C.Library::{ name = "it", toolchain = toolchains.gcc, srcs = [ "it.s" ] }"#,
    );
    repo.write("it/it.s", ".globl it\nit: .long 1\n");
    repo.straylight(&["build", "//it", "--sandbox-debug"])
        .success();
    assert_eq!(repo.straylight(&["sandbox"]).success().stdout, "");
    let kept = environment.cache().join("kept");
    let left = fs::read_dir(kept).unwrap().flatten().next().unwrap();
    assert_eq!(fs::read_dir(left.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_is_kept_where_there_is_no_sandbox() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{
           , name = "it"
           , root = Some toolchains.posix.artifact
           , env = [ { mapKey = "WHOM", mapValue = "me" } ]
           , arguments = shell "exit 4" [ Command.out "a" ]
           , outputs = [ "a" ]
           }"#,
    );
    let name = kept(&repo, &["//it", "--isolation", "none"]);
    let ran = inside(&repo, &name, "ls; echo $WHOM; exit 3").code(3);
    assert_eq!(ran.stdout, "out\nme\n");
    // Another work tree has its own.
    let other = environment.repository("other", &[]);
    other.straylight(&["sandbox", &name]).code(3);
}

#[test]
fn an_ordinary_user_enters_a_sandbox() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.write("hello/hello.c", "int main(void) { return nothing; }\n");
    let cache = environment.root().join("own");
    fs::create_dir(&cache).unwrap();
    let program = installed(&environment);
    let ordinary = rustix::process::geteuid().as_raw();
    let ordinary = if ordinary == 0 { 65534 } else { ordinary };
    let owned = Command::new("chown")
        .args(["-R", &ordinary.to_string()])
        .args([
            &repo.path,
            &cache,
            &environment.home(),
            &environment.root().join("tmp"),
        ])
        .status();
    assert!(owned.unwrap().success());
    let straylight = |arguments: &[&str]| {
        let command = &mut environment.command("setpriv");
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command
            .arg(&program)
            .args(arguments)
            .env("XDG_CACHE_HOME", &cache)
            .current_dir(&repo.path);
        outcome(command)
    };
    straylight(&["toolchain", "capture", "gcc"]).success();
    straylight(&["build", "//hello", "--sandbox-debug"]).code(1);
    let listed = straylight(&["sandbox"]).success().stdout;
    let (name, _) = listed.split_once("  ").unwrap();
    let ran = straylight(&["sandbox", name, "--", "sh", "-c", "id -u; ls hello"]).success();
    assert_eq!(ran.stdout, "1000\nhello.c\n");
}
