//! `git straylight build`, `run`, `test` and `targets` on small repositories.

use std::fs;

use crate::support::{Repo, TestEnvironment, import, timeless};

const GREETING_C: &str = "#include \"greeting.h\"\n\n/* Says hello. */\nconst char *greeting(void) { return \"hello\"; }\n";
const GREETING_H: &str = "const char *greeting(void);\n";
const HELLO_C: &str = "#include <stdio.h>\n#include \"greeting.h\"\n\nint main(void) { puts(greeting()); return 0; }\n";

fn imports() -> String {
    format!(
        "let C = {}\nlet Command = {}\nlet Dice = {}\nlet toolchains = ../toolchains.dhall\n",
        import("rules/c/v1.dhall"),
        import("rules/command/v1.dhall"),
        import("dice/v1.dhall"),
    )
}

/// A library `//greeting` and a program `//hello`.
pub fn hello(environment: &TestEnvironment) -> Repo<'_> {
    let greeting = format!(
        "{}in {{ greeting = C.library C.Library::{{ name = \"greeting\", toolchain = toolchains.gcc, srcs = [ \"greeting.c\" ], hdrs = [ \"greeting.h\" ] }} }}\n",
        imports()
    );
    let hello = format!(
        "{}in {{ hello = C.binary C.Binary::{{ name = \"hello\", toolchain = toolchains.gcc, srcs = [ \"hello.c\" ], deps = [ \"//greeting\" ] }} }}\n",
        imports()
    );
    environment.repository(
        "hello",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("greeting/greeting.c", GREETING_C),
            ("greeting/greeting.h", GREETING_H),
            ("greeting/BUILD.dhall", &greeting),
            ("hello/hello.c", HELLO_C),
            ("hello/BUILD.dhall", &hello),
        ],
    )
}

/// A package `//it` with these rules; `shell` is a command's arguments.
pub fn package<'a>(environment: &'a TestEnvironment, rules: &str) -> Repo<'a> {
    let text = format!(
        "{}let shell = Command.shell toolchains.posix\nin {{ {rules} }}\n",
        imports()
    );
    environment.repository(
        "package",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("it/BUILD.dhall", &text),
        ],
    )
}

#[test]
fn builds_what_changed_and_stops_where_bytes_are_equal() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let first = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(timeless(&first.stderr), "4 actions run");
    assert!(
        first
            .stdout
            .starts_with("//hello:hello  straylight-out/hello/hello/hello  ca://sha256:"),
        "{}",
        first.stdout
    );
    let ran = repo.run("straylight-out/hello/hello/hello", &[]).success();
    assert_eq!(ran.stdout, "hello\n");
    assert_eq!(
        repo.git(["status", "--porcelain"]),
        "",
        "outputs are ignored"
    );

    let again = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(
        timeless(&again.stderr),
        "nothing to do: 4 actions up to date"
    );

    // A comment changes one object file's inputs and none of its bytes.
    repo.write(
        "greeting/greeting.c",
        &GREETING_C.replace("Says", "Says again"),
    );
    let comment = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(timeless(&comment.stderr), "1 action run, 3 reused");
    assert_eq!(comment.stdout, first.stdout);

    repo.write(
        "greeting/greeting.c",
        &GREETING_C.replace("hello", "good day"),
    );
    let changed = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(timeless(&changed.stderr), "3 actions run, 1 reused");
    let ran = repo.straylight(&["run", "//hello"]).success();
    assert_eq!(ran.stdout, "good day\n");
}

#[test]
fn builds_a_commit_from_its_objects() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let first = repo.git(["rev-parse", "HEAD"]);
    repo.write(
        "greeting/greeting.c",
        &GREETING_C.replace("hello", "good day"),
    );
    repo.commit("second");
    fs::remove_dir_all(repo.path.join("greeting")).unwrap();
    repo.write("toolchains.dhall", "broken");

    let tree = repo.git(["rev-parse", "HEAD~1^{tree}"]);
    let built = repo
        .straylight(&["build", "--at", &first, "//hello"])
        .success();
    let place = format!("straylight-out/at/{tree}/hello/hello/hello");
    let line = format!("//hello:hello  {place}  ca://sha256:");
    assert!(built.stdout.starts_with(&line), "{}", built.stdout);
    assert_eq!(
        repo.run(&repo.path.join(place).to_string_lossy(), &[])
            .success()
            .stdout,
        "hello\n"
    );
    let ran = repo
        .straylight(&["run", "--at", "HEAD", "//hello"])
        .success();
    assert_eq!(ran.stdout, "good day\n");
    repo.straylight(&["build", "--at", "no-such-revision", "//hello"])
        .code(3);
}

#[test]
fn an_undeclared_header_is_not_there() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    repo.write("hello/secret.h", "#define SECRET 1\n");
    repo.write(
        "hello/hello.c",
        "#include \"secret.h\"\nint main(void) { return 0; }\n",
    );
    repo.git(["add", "-A"]);
    let failed = repo.straylight(&["build", "//hello"]).code(1);
    assert!(
        failed.stderr.contains("secret.h: No such file"),
        "{}",
        failed.stderr
    );
    assert!(
        failed
            .stderr
            .contains("`c_compile hello.c.o` failed with exit code 1"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_command_that_fails_may_lack_what_is_in_no_list() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let hint = "hint: `hello/more.c` is in no list; `git straylight srcs` proposes it";
    repo.write(
        "hello/hello.c",
        "int more(void);\nint main(void) { return more(); }\n",
    );
    let run = repo.straylight(&["build", "//hello"]).code(1);
    assert!(!run.stderr.contains("hint"), "{}", run.stderr);
    repo.write("hello/more.c", "int more(void) { return 0; }\n");
    let run = repo.straylight(&["build", "//hello"]).code(1);
    let told: Vec<&str> = run.stderr.lines().rev().collect();
    assert_eq!(told[1], hint, "{}", run.stderr);
    repo.straylight(&["srcs", "--yes"]).success();
    repo.straylight(&["build", "//hello"]).success();
    // What is built of a commit has nothing to do with the work tree.
    repo.git(["add", "hello/hello.c"]);
    repo.git(["commit", "-q", "-m", "half"]);
    let run = repo
        .straylight(&["build", "//hello", "--at", "HEAD"])
        .code(1);
    assert!(!run.stderr.contains("no list"), "{}", run.stderr);
}

#[test]
fn a_program_runs_with_arguments_from_files() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"flags = Command.command Command.Command::{ name = "flags", root = Some toolchains.posix.artifact, arguments = shell "printf 'one\\ntwo words\\n' > \"$1\"" [ Command.out "f" ], outputs = [ "f" ] },
           it =
             { name = "it"
             , platforms = [] : List (../targets.dhall).Triple
             , build =
                 \(_ : Dice.Configuration) ->
                   Dice.Target::{
                   , name = "it"
                   , kind = "script"
                   , run = Some
                     { arguments =
                       [ Dice.literal "/usr/bin/printf"
                       , Dice.literal "[%s]"
                       , Dice.Argument.FromFile (Dice.Source.Output { target = ":flags", output = "f" })
                       , Dice.Argument.FromFile (Dice.Source.File "own")
                       ]
                     }
                   }
             }"#,
    );
    repo.write("targets.dhall", &import("targets/v1.dhall"));
    repo.write("it/own", "its own\n");
    repo.git(["add", "-A"]);
    let run = repo.straylight(&["run", "//it", "--", "last"]).success();
    assert_eq!(run.stdout, "[one][two words][its own][last]");
}

#[test]
fn the_network_is_not_there() {
    let environment = TestEnvironment::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let repo = package(
        &environment,
        r#"it = C.binary C.Binary::{ name = "it", toolchain = toolchains.gcc, srcs = [ "connect.c" ] },
           out = Command.command Command.Command::{ name = "out", arguments = [ Command.tool ":it", Command.out "reached" ], outputs = [ "reached" ], root = Some toolchains.posix.artifact }"#,
    );
    repo.write(
        "it/connect.c",
        &format!(
            "#include <arpa/inet.h>\n#include <stdio.h>\n#include <sys/socket.h>\n\
             int main(int argc, char **argv) {{\n\
             \x20 struct sockaddr_in to = {{ .sin_family = AF_INET, .sin_port = htons({port}), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }};\n\
             \x20 int s = socket(AF_INET, SOCK_STREAM, 0);\n\
             \x20 if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to)) {{ perror(\"connect\"); return 7; }}\n\
             \x20 FILE *f = fopen(argv[argc - 1], \"w\"); return f == NULL;\n}}\n"
        ),
    );
    repo.git(["add", "-A"]);
    let failed = repo.straylight(&["build", "//it:out"]).code(1);
    assert!(
        failed.stderr.contains("connect: Network is unreachable"),
        "{}",
        failed.stderr
    );
    assert!(
        failed.stderr.contains("failed with exit code 7"),
        "{}",
        failed.stderr
    );
}

#[test]
fn an_action_makes_what_it_declares_and_nothing_else() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"less = Command.command Command.Command::{ name = "less", root = Some toolchains.posix.artifact, arguments = shell "true" [ Command.out "a" ], outputs = [ "a" ] },
           more = Command.command Command.Command::{ name = "more", root = Some toolchains.posix.artifact, arguments = shell "echo > \"$1\"; echo > \"$1.bak\"" [ Command.out "a" ], outputs = [ "a" ] },
           slow = Command.command Command.Command::{ name = "folder", root = Some toolchains.posix.artifact, arguments = shell "mkdir -p \"$1/b\"; echo x > \"$1/b/c\"" [ Command.out "f" ], folders = [ "f" ] }"#,
    );
    let less = repo.straylight(&["build", "//it:less"]).code(1);
    assert!(
        less.stderr.contains("did not make `out/it/less/a`"),
        "{}",
        less.stderr
    );
    let more = repo.straylight(&["build", "//it:more"]).code(1);
    assert!(
        more.stderr
            .contains("made `out/it/more/a.bak`, which it does not declare"),
        "{}",
        more.stderr
    );
    repo.straylight(&["build", "//it:folder"]).success();
    assert_eq!(repo.read("straylight-out/it/folder/f/b/c"), b"x\n");
}

#[test]
fn lists_targets_and_finds_them_from_a_folder() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let all = repo.straylight(&["targets"]).success();
    assert_eq!(all.stdout, "//greeting:greeting\n//hello:hello\n");
    let below = repo.straylight(&["-C", "hello", "targets"]).success();
    assert_eq!(below.stdout, "//hello:hello\n");
    let built = repo
        .straylight(&["-C", "hello", "build", ":hello"])
        .success();
    assert!(
        built
            .stdout
            .starts_with("//hello:hello  straylight-out/hello/hello/hello"),
        "{}",
        built.stdout
    );
}

#[test]
fn prints_json_for_machines() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let built = repo.straylight(&["build", "--json", "//hello"]).success();
    let value: serde_json::Value = serde_json::from_str(&built.stdout).unwrap();
    assert_eq!(value["executed"], 4);
    assert_eq!(value["targets"][0]["label"], "//hello:hello");
    let output = &value["targets"][0]["outputs"][0];
    let bytes = repo.read(output["path"].as_str().unwrap());
    let sha256 = straylight_odb::Sha256::of(&bytes).to_string();
    assert_eq!(output["sha256"], sha256.as_str());
    assert_eq!(output["size"], bytes.len());
}

#[test]
fn a_lost_or_damaged_blob_is_made_again() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let first = repo.straylight(&["build", "//hello"]).success();
    let blobs = environment.cache().join("cas");
    let digest = first.stdout.split("sha256:").nth(1).unwrap().trim();

    // Damaged: other bytes under the same name. The stored file is replaced,
    // as other tests may share it.
    fs::remove_file(blobs.join(digest)).unwrap();
    fs::write(blobs.join(digest), b"damaged").unwrap();
    fs::remove_dir_all(repo.path.join("straylight-out")).unwrap();
    let healed = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(healed.stdout, first.stdout);
    assert_eq!(
        repo.run("straylight-out/hello/hello/hello", &[])
            .success()
            .stdout,
        "hello\n"
    );

    // Everything is gone that is not the toolchain's: sources and results.
    let toolchain: std::collections::HashSet<_> = {
        let other = TestEnvironment::new();
        other.toolchains();
        let names = fs::read_dir(other.cache().join("cas")).unwrap();
        names.map(|entry| entry.unwrap().file_name()).collect()
    };
    for entry in fs::read_dir(&blobs).unwrap() {
        let entry = entry.unwrap();
        if !toolchain.contains(&entry.file_name()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let _ = fs::remove_dir_all(environment.cache().join("executable"));
    fs::remove_dir_all(repo.path.join("straylight-out")).unwrap();
    let healed = repo.straylight(&["build", "//hello"]).success();
    assert_eq!(healed.stdout, first.stdout);
}

#[test]
fn two_builds_at_once_are_both_right() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let other = environment.root().join("other");
    repo.git(["clone", "-q", ".", other.to_str().unwrap()]);
    let start = |folder: &std::path::Path| {
        environment
            .command(env!("CARGO_BIN_EXE_git-straylight"))
            .args(["build", "//..."])
            .current_dir(folder)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running = [start(&repo.path), start(&repo.path), start(&other)];
    let outputs = running.map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stdout, outputs[0].stdout);
    }
    assert_eq!(
        repo.run("straylight-out/hello/hello/hello", &[])
            .success()
            .stdout,
        "hello\n"
    );
}

#[test]
fn results_without_isolation_are_kept_apart() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{ name = "it", arguments = shell "echo made > \"$1\"" [ Command.out "a" ], outputs = [ "a" ] }"#,
    );
    let loose = repo
        .straylight(&["build", "//it", "--isolation", "none"])
        .success();
    assert_eq!(timeless(&loose.stderr), "1 action run");
    assert_eq!(repo.read("straylight-out/it/it/a"), b"made\n");
    // Without a file system of its own there is no shell in the sandbox.
    let strict = repo.straylight(&["build", "//it"]).code(1);
    assert!(strict.stderr.contains("/bin/sh"), "{}", strict.stderr);
    let again = repo
        .straylight(&["build", "//it", "--isolation", "none"])
        .success();
    assert_eq!(
        timeless(&again.stderr),
        "nothing to do: 1 action up to date"
    );
}

#[test]
fn a_pinned_import_comes_from_the_cache_that_dhall_shares() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{ name = "it", arguments = shell "true" ([] : List Dice.Argument) }"#,
    );
    let text = String::from_utf8(repo.read("it/BUILD.dhall")).unwrap();
    // The library's own file, as somebody else would publish it.
    let library = import("rules/command/v1.dhall");
    let hash = library.split("sha256:").nth(1).unwrap();
    let other = format!("https://example.com/rules.dhall sha256:{hash}");
    repo.write(
        "it/BUILD.dhall",
        &text
            .replace(&library, &other)
            .replace("it = Other.rule", ""),
    );
    let missing = repo.straylight(&["targets", "//it/..."]).code(6);
    assert!(
        missing
            .stderr
            .contains("neither in the library nor in the local cache"),
        "{}",
        missing.stderr
    );
    let cache = environment.root().join("cache/dhall");
    fs::create_dir_all(&cache).unwrap();
    let released = crate::support::workspace().join(format!("dhall/released/{hash}.dhallb"));
    fs::copy(released, cache.join(format!("1220{hash}"))).unwrap();
    let found = repo.straylight(&["targets", "//it/..."]).success();
    assert_eq!(found.stdout, "//it:it\n");
}

#[test]
fn a_failed_command_is_shown_before_what_it_printed() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{
           , name = "it"
           , root = Some toolchains.posix.artifact
           , env = [ { mapKey = "WHOM", mapValue = "it's me" }, { mapKey = "TZ", mapValue = "UTC" } ]
           , arguments = shell "echo to $WHOM; echo no >&2; exit 4" [ Command.out "a" ]
           , outputs = [ "a" ]
           }"#,
    );
    let failed = repo.straylight(&["build", "//it"]).code(1);
    let lines: Vec<&str> = failed.stderr.lines().collect();
    let command = lines[1].strip_prefix("$ ").unwrap();
    assert_eq!(
        [lines[0], lines[2], lines[3]],
        [
            "error: //it:it: `command` failed with exit code 4",
            "to it's me",
            "no"
        ]
    );
    // What everybody finds in the environment is not repeated.
    assert!(!command.contains("TZ"), "{command}");
    // Pasted into a shell, it does what it did.
    let pasted = repo.run("sh", &["-c", command]).code(4);
    assert_eq!((&*pasted.stdout, &*pasted.stderr), ("to it's me\n", "no\n"));
}
