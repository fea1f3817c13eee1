//! Odd repositories, odd file names, disks that cannot be written: each works, or says
//! what to do, and leaves nothing that a later run stumbles over.

use std::ffi::OsStr;
use std::fs::{self, FileTimes};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::cli::build::package;
use crate::support::{Outcome, Repo, TestEnvironment, outcome, says};

/// A rule that copies the source of this name.
fn copies(source: &str) -> String {
    format!(
        r#"it = Command.command Command.Command::{{ name = "it", root = Some toolchains.posix.artifact, arguments = shell "cat \"$2\" > \"$1\"" [ Command.out "o", Dice.Argument.Pieces [ Dice.Piece.Source (Dice.Source.File {source}) ] ], outputs = [ "o" ] }}"#
    )
}

fn copying<'a>(environment: &'a TestEnvironment, name: &str) -> Repo<'a> {
    let repo = package(environment, &copies(&format!("{name:?}")));
    repo.write(&format!("it/{name}"), "content\n");
    repo.git(["add", "-A"]);
    repo
}

const BUILT: &str = "//it:it  straylight-out/it/it/o  ca://sha256:434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53\n";

/// Runs a script as the owner of a mount namespace; `$0` is the program.
fn with_mounts(repo: &Repo<'_>, script: &str) -> Outcome {
    let environment = repo.environment;
    outcome(
        environment
            .command("unshare")
            .args(["-rm", "sh", "-c", script])
            .arg(env!("CARGO_BIN_EXE_git-straylight"))
            .current_dir(&repo.path),
    )
}

#[test]
fn a_repository_without_a_commit_is_built() {
    let environment = TestEnvironment::new();
    let repo = copying(&environment, "a");
    repo.git(["update-ref", "-d", "HEAD"]);
    assert_eq!(repo.straylight(&["build", "//it"]).success().stdout, BUILT);
    let told = repo
        .straylight(&["build", "//it", "--at", "HEAD"])
        .code(3)
        .stderr;
    says(&told, &["HEAD", "hint"]);
}

#[test]
fn a_bare_repository_says_that_it_has_no_work_tree() {
    let environment = TestEnvironment::new();
    let repo = copying(&environment, "a");
    repo.commit("source");
    let bare = environment.root().join("bare.git");
    repo.git(["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let told = environment
        .open(bare)
        .straylight(&["build", "//it"])
        .code(2)
        .stderr;
    says(&told, &["has no work tree", "run this in a clone"]);
}

#[test]
fn linked_work_trees_and_submodules() {
    let environment = TestEnvironment::new();
    let repo = copying(&environment, "a");
    repo.commit("source");
    let linked = environment.root().join("linked");
    repo.git(["worktree", "add", "-q", linked.to_str().unwrap()]);
    let linked = environment.open(linked);
    assert_eq!(
        linked.straylight(&["build", "//it"]).success().stdout,
        BUILT
    );
    // A submodule is a repository of its own, and no part of this one.
    let outer = environment.repository("outer", &[("readme", "outer\n")]);
    let inner = repo.path.to_str().unwrap();
    outer.git([
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        inner,
        "inner",
    ]);
    let inner = environment.open(outer.path.join("inner"));
    assert_eq!(inner.straylight(&["build", "//it"]).success().stdout, BUILT);
    let told = outer.straylight(&["build", "//inner/it"]).code(2).stderr;
    says(
        &told,
        &[
            "`inner/it/a` lies in the submodule `inner`",
            "hint: build it in `inner`",
        ],
    );
}

#[test]
fn names_of_files_are_bytes() {
    let environment = TestEnvironment::new();
    for name in ["two words", "ä$'\\\"&;", "-o"] {
        let repo = package(
            &environment,
            &copies(&format!("\"{}\"", name.replace('$', "\\$"))),
        );
        let file = name.replace("\\\"", "\"");
        repo.write(&format!("it/{file}"), "content\n");
        repo.git(["add", "-A"]);
        let built = repo.straylight(&["build", "//it"]).success();
        assert_eq!(built.stdout, BUILT, "{name}");
        fs::remove_dir_all(&repo.path).unwrap();
    }
    let repo = package(&environment, &copies("\"a\\nb\""));
    repo.write("it/a\nb", "content\n");
    let told = repo.straylight(&["build", "//it"]).code(2).stderr;
    says(
        &told,
        &[
            "is not a source: the path holds a newline",
            "it/BUILD.dhall:",
        ],
    );
    fs::remove_dir_all(&repo.path).unwrap();
    // What no Dhall text can name lies there, and disturbs nothing.
    let repo = copying(&environment, "a");
    let odd = repo.path.join("it").join(OsStr::from_bytes(b"\xff\xfe"));
    fs::write(odd, "odd\n").unwrap();
    assert_eq!(repo.straylight(&["build", "//it"]).success().stdout, BUILT);
    repo.straylight(&["targets"]).success();
    repo.straylight(&["srcs", "--check"]).success();
}

#[test]
fn sources_that_are_not_the_repositorys() {
    let environment = TestEnvironment::new();
    for (source, place, message) in [
        ("../../outside", None, "`../../outside` is not a source"),
        ("/etc/passwd", None, "`/etc/passwd` is not a source"),
        ("link", Some("/etc/passwd"), "it/link"),
        ("link", Some("../../outside"), "it/link"),
    ] {
        let repo = package(&environment, &copies(&format!("{source:?}")));
        if let Some(place) = place {
            symlink(place, repo.path.join("it/link")).unwrap();
            repo.git(["add", "-A"]);
        }
        let run = repo.straylight(&["build", "//it"]);
        assert_ne!(run.code, 0, "{source}");
        says(&run.stderr, &[message, "it/BUILD.dhall:"]);
        fs::remove_dir_all(&repo.path).unwrap();
    }
}

#[test]
fn what_git_stores_otherwise_is_told_of() {
    let environment = TestEnvironment::new();
    let repo = copying(&environment, "a");
    // A filter that a user has set up, as Git LFS is.
    repo.git(["config", "filter.turn.clean", "tr a-z n-za-m"]);
    repo.git(["config", "filter.turn.smudge", "tr a-z n-za-m"]);
    repo.write(".gitattributes", "it/a filter=turn\n");
    repo.git(["add", "--renormalize", "."]);
    repo.commit("through a filter");
    // Git looks again at what was written in the same moment as its index.
    fs::remove_file(repo.path.join("it/a")).unwrap();
    repo.git(["checkout", "it/a"]);
    let built = repo.straylight(&["build", "//it"]).success();
    assert_eq!(built.stdout, BUILT);
    let told = [
        "warning: git stores `it/a` otherwise than it is here",
        "git check-attr -a it/a",
        "  --> it/BUILD.dhall:",
        "git straylight pin it/a",
    ];
    says(&built.stderr, &told);
    // And that is true.
    repo.straylight(&["build", "//it", "--at", "HEAD"])
        .success();
    let tree = repo.git(["rev-parse", "HEAD^{tree}"]);
    let other = format!("straylight-out/at/{}/it/it/o", tree.trim());
    assert_eq!(repo.read(&other), b"pbagrag\n");
    // It is told as long as it is so.
    says(&repo.straylight(&["build", "//it"]).success().stderr, &told);
    repo.write(".gitattributes", "");
    repo.git(["add", "--renormalize", "."]);
    repo.commit("as it is");
    let built = repo.straylight(&["build", "//it"]).success();
    assert_eq!(built.stdout, BUILT);
    assert!(!built.stderr.contains("warning"), "{}", built.stderr);

    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2\nsize 12345\n";
    repo.write("it/a", pointer);
    repo.commit("a pointer");
    let build: [&[&str]; 2] = [&["build", "//it"], &["build", "//it", "--at", "HEAD"]];
    for build in build {
        let refused = repo.straylight(build).code(2).stderr;
        says(
            &refused,
            &[
                "`it/a` is a Git LFS pointer",
                "--> it/BUILD.dhall:",
                "git lfs pull",
                "git straylight pin",
            ],
        );
    }
}

#[test]
fn a_checkout_that_cannot_be_written_says_so() {
    let environment = TestEnvironment::new();
    let repo = copying(&environment, "a");
    let script = "mount --bind . . && mount -o remount,ro,bind . && cd \"$PWD\" && exec \"$0\" ";
    let told = with_mounts(&repo, &format!("{script} build //it"))
        .code(6)
        .stderr;
    says(
        &told,
        &["Read-only file system", "hint: it is mounted read-only"],
    );
    // Who only looks needs to write nothing.
    let told = with_mounts(&repo, &format!("{script} targets")).success();
    assert_eq!(told.stdout, "//it:it\n");
    assert_eq!(repo.straylight(&["build", "//it"]).success().stdout, BUILT);
}

#[test]
fn a_full_disk_loses_nothing() {
    let environment = TestEnvironment::new();
    let repo = copying(&environment, "a");
    // A cache with room for the toolchain, and then none; and a work tree with none.
    let script = r#"
        set -e
        mkdir "$HOME/small"; mount -t tmpfs -o size=100m none "$HOME/small"
        export XDG_CACHE_HOME="$HOME/small"
        rm toolchains.dhall; "$0" toolchain capture posix >&2
        head -c 200000000 /dev/zero > "$HOME/small/fill" 2>/dev/null || true
        if "$0" build //it; then exit 9; fi
        rm "$HOME/small/fill"
        "$0" build //it
        rm -rf straylight-out; mkdir straylight-out; mount -t tmpfs -o size=64k none straylight-out
        head -c 100000 /dev/zero > straylight-out/fill 2>/dev/null || true
        if "$0" build //it; then exit 9; fi
        rm straylight-out/fill
        "$0" build //it
        "$0" cache fsck >&2
    "#;
    let run = with_mounts(&repo, script).success();
    assert_eq!(run.stdout, [BUILT, BUILT].concat());
    let hint = "hint: the disk is full: nothing is lost; make room and run it again";
    assert_eq!(run.stderr.matches(hint).count(), 2, "{}", run.stderr);
    says(&run.stderr, &["all are what their names say"]);
}

#[test]
fn a_command_that_was_killed_is_told_from_one_that_failed() {
    let environment = TestEnvironment::new();
    let repo = package(
        &environment,
        r#"it = Command.command Command.Command::{ name = "it", root = Some toolchains.posix.artifact, arguments = shell "kill -9 $$" [ Command.out "o" ], outputs = [ "o" ] }"#,
    );
    let told = repo.straylight(&["build", "//it"]).code(1).stderr;
    says(&told, &["was ended by signal 9", "hint: ", "memory"]);
}

#[test]
fn a_clock_that_goes_backwards_hides_no_edit() {
    let environment = TestEnvironment::new();
    let repo = copying(&environment, "a");
    let file = repo.path.join("it/a");
    let set = |time: SystemTime| {
        let file = fs::File::options().write(true).open(&file).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    };
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    set(tomorrow);
    assert_eq!(repo.straylight(&["build", "//it"]).success().stdout, BUILT);
    // As long, and older than what was built.
    fs::write(&file, "CONTENT\n").unwrap();
    set(tomorrow - Duration::from_secs(172_800));
    let edited = repo.straylight(&["build", "//it"]).success().stdout;
    assert_ne!(edited, BUILT);
    // As long, and at the same time: the inode's own time tells.
    fs::write(&file, "content\n").unwrap();
    set(tomorrow - Duration::from_secs(172_800));
    assert_eq!(repo.straylight(&["build", "//it"]).success().stdout, BUILT);
}

#[test]
fn a_package_of_ten_thousand_files() {
    let environment = TestEnvironment::new();
    let names: Vec<String> = (0..10_000).map(|number| format!("f{number}")).collect();
    let sources = names
        .iter()
        .map(|name| format!("Dice.Source.File {name:?}"));
    let sources = sources.collect::<Vec<_>>().join(", ");
    let repo = package(
        &environment,
        &format!(
            r#"it = Command.command Command.Command::{{ name = "it", root = Some toolchains.posix.artifact, arguments = shell "ls it | wc -l > \"$1\"" [ Command.out "o" ], inputs = [ {sources} ], outputs = [ "o" ] }}"#
        ),
    );
    for name in &names {
        fs::write(repo.path.join("it").join(name), name).unwrap();
    }
    repo.git(["add", "-A"]);
    repo.straylight(&["build", "//it"]).success();
    let counted = String::from_utf8(repo.read("straylight-out/it/it/o")).unwrap();
    assert_eq!(counted.trim(), "10000");
    let again = repo.straylight(&["build", "//it"]).success();
    says(&again.stderr, &["nothing to do: 1 action up to date"]);
    // One of them is not there.
    fs::remove_file(repo.path.join("it/f7777")).unwrap();
    let told = repo.straylight(&["build", "//it"]).code(3).stderr;
    says(&told, &["it/f7777", "it/BUILD.dhall:"]);
}
