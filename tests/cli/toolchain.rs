//! `git straylight toolchain list`, `show` and `diff`.

use std::fs;

use crate::support::{TestEnvironment, says};

/// Returns the hash that a line of a list names.
fn hash(list: &str, name: &str) -> String {
    let line = list.lines().find(|line| line.starts_with(name)).unwrap();
    let hash = line.split("ca://sha256:").nth(1).unwrap();
    hash.split(' ').next().unwrap().to_owned()
}

#[test]
fn pins_are_listed_and_shown() {
    let environment = TestEnvironment::new();
    let repo = environment.repository("r", &[("toolchains.dhall", &environment.toolchains())]);
    let list = repo.straylight(&["toolchain", "list"]).success();
    let lines: Vec<&str> = list.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", list.stdout);
    assert!(lines.iter().all(|line| line.ends_with("  in the cache")));
    let json = repo.straylight(&["toolchain", "list", "--json"]).success();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json[0]["sha256"], hash(&list.stdout, "gcc").as_str());
    assert_eq!(json[0]["present"], true);

    let shown = repo.straylight(&["toolchain", "show", "gcc"]).success();
    let sha256 = hash(&list.stdout, "gcc");
    says(
        &shown.stdout,
        &[
            "name      gcc\n",
            &sha256,
            "captured  20",
            " files, ",
            " MiB\n",
        ],
    );
    if std::path::Path::new("/usr/bin/dpkg-query").exists() {
        says(&shown.stdout, &["package   gcc-", "package   libc6-dev"]);
    }
    let by_hash = repo.straylight(&["toolchain", "show", &sha256]).success();
    assert_eq!(by_hash.stdout, shown.stdout);
    let files = repo
        .straylight(&["toolchain", "show", "gcc", "--files"])
        .success();
    says(
        &files.stdout,
        &["/usr/include/stdio.h  ca://sha256:", " executable\n"],
    );

    // A compiler that nothing here captures is pinned like any other.
    let other = repo.read("toolchains.dhall");
    let other = String::from_utf8(other).unwrap().replacen(
        "in  {",
        "in  { lean = toolchain (Toolchains.Compiler.Lean { version = \"4.9.0\", artifact, lean = \"/bin/lean\", c })\n    , ",
        1,
    );
    let ours = "let artifact = { sha256 = \"".to_owned()
        + &"1".repeat(64)
        + "\", size = 5 }\n\nlet c = { version = \"18\", artifact, cc = \"/bin/clang\", cxx = None Text, ar = \"/bin/ar\" }\n\n\
           let toolchain = \\(compiler : Toolchains.Compiler) -> { compiler, host = Targets.x86_64_linux, target = Targets.x86_64_linux, flags = [] : List Toolchains.Flag, linker = None Toolchains.Artifact, sysroot = None Toolchains.Artifact }\n\n";
    repo.write(
        "others.dhall",
        &other.replacen("in  {", &format!("{ours}in  {{"), 1),
    );
    let list = ["toolchain", "list", "--file", "others.dhall"];
    let list = repo.straylight(&list).success();
    let lean = list.stdout.lines().find(|line| line.starts_with("lean"));
    assert!(lean.unwrap().starts_with("lean   4.9.0  ca://sha256:1111"));
    says(&list.stderr, &["`lean`", "git straylight toolchain upload"]);

    let run = repo.straylight(&["toolchain", "show", "clang"]).code(3);
    says(&run.stderr, &["pins no `clang`", "`gcc`, `posix`, `rustc`"]);
    fs::remove_file(repo.path.join("toolchains.dhall")).unwrap();
    let run = repo.straylight(&["toolchain", "list"]).code(3);
    says(&run.stderr, &["git straylight toolchain capture gcc"]);
}

#[test]
fn trees_are_compared_file_by_file() {
    let environment = TestEnvironment::new();
    let repo = environment.repository("r", &[("toolchains.dhall", &environment.toolchains())]);
    let same = repo
        .straylight(&["toolchain", "diff", "gcc", "gcc"])
        .success();
    assert_eq!(same.stdout, "");
    // The tree of rustc is that of gcc, and more.
    let list = repo.straylight(&["toolchain", "list"]).success();
    let rustc = hash(&list.stdout, "rustc");
    let differ = repo
        .straylight(&["toolchain", "diff", "gcc", &rustc])
        .code(1);
    says(&differ.stdout, &["+ /opt/rust/bin/rustc\n"]);
    assert!(!differ.stdout.contains("stdio.h"), "{}", differ.stdout);
    let back = repo
        .straylight(&["toolchain", "diff", &format!("ca://sha256:{rustc}"), "gcc"])
        .code(1);
    says(&back.stdout, &["- /opt/rust/bin/rustc\n"]);
    let (added, removed) = (differ.stdout.matches("+ /"), back.stdout.matches("- /"));
    assert_eq!(added.count(), removed.count());
    repo.straylight(&["toolchain", "diff", "gcc", &"0".repeat(64)])
        .code(3);
}

#[test]
fn a_pin_that_is_nowhere_says_where_it_was() {
    let environment = TestEnvironment::new();
    let text = environment.toolchains();
    let repo = environment.repository(
        "r",
        &[
            ("toolchains.dhall", &text),
            ("a.c", "int main(void) { return 0; }\n"),
        ],
    );
    let commit = repo.git(["rev-parse", "--short", "HEAD"]);
    let list = repo.straylight(&["toolchain", "list"]).success();
    let sha256 = hash(&list.stdout, "gcc");
    repo.straylight(&["init"]).success();
    // As on a machine that never had it: the root of the tree is enough.
    fs::remove_file(environment.cache().join("cas").join(&sha256)).unwrap();
    let failed = repo.straylight(&["build"]).code(3);
    says(&failed.stderr, &[&sha256, "git straylight toolchain list"]);
    let list = repo.straylight(&["toolchain", "list"]).success();
    let line = list.stdout.lines().find(|line| line.starts_with("gcc"));
    assert!(line.unwrap().ends_with("  not in the cache"));
    says(
        &list.stderr,
        &[
            "it was captured here, on ",
            &format!("it was pinned by Test on 2023-11-14, in commit {commit}"),
            "git straylight toolchain capture gcc",
        ],
    );
    let show = repo.straylight(&["toolchain", "show", "gcc"]).code(3);
    says(&show.stdout, &["not in the cache", "captured  20"]);
    repo.straylight(&["toolchain", "diff", "gcc", "posix"])
        .code(3);
}
