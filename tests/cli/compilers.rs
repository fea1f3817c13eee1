//! Compilers besides the machine's gcc: clang, and a gcc for another machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::{Outcome, Repo, TestEnvironment, import, says};

const AARCH64: &str = "aarch64-unknown-linux-gnu";

const GREET_C: &str = r#"
#include "greet.h"
#include <stdio.h>
int greet(const char *whom) { return printf("hello %s from " COMPILER "\n", whom) < 0; }
#ifdef __clang__
const char *compiler = "clang";
#else
const char *compiler = "gcc";
#endif
"#;

const GREET_H: &str = "extern const char *compiler;\nint greet(const char *whom);\n";

const HELLO_C: &str = r#"
#include "greet.h"
int twice(int);
int main(void) { return greet(compiler) || twice(21) != 42; }
"#;

/// Assembly for two machines, chosen by the preprocessor from a header.
const TWICE_S: &str = r#"
#include "arch.h"
.text
.globl twice
.type twice, %function
twice:
#ifdef IS_ARM
    add w0, w0, w0
    ret
#else
    leal (%rdi,%rdi), %eax
    ret
#endif
.size twice, .-twice
.section .note.GNU-stack,"",%progbits
"#;

const ARCH_H: &str = "#if defined(__aarch64__)\n#define IS_ARM\n#endif\n";

/// A program of a library in C and in assembly, built with `toolchain`.
fn hello<'a>(environment: &'a TestEnvironment, toolchain: &str, more: &str) -> Repo<'a> {
    let build = format!(
        "let C = {}\n\
         let toolchains = ./toolchains.dhall\n\
         in  {{ greet = C.library C.Library::{{ name = \"greet\", toolchain = toolchains.{toolchain}{more}\n\
             , srcs = [ \"greet.c\", \"twice.S\" ], hdrs = [ \"greet.h\" ], private_hdrs = [ \"arch.h\" ]\n\
             , defines = [ {{ name = \"COMPILER\", value = Some \"\\\"{toolchain}\\\"\" }} ] }}\n\
           , hello = C.binary C.Binary::{{ name = \"hello\", toolchain = toolchains.{toolchain}{more}\n\
             , srcs = [ \"hello.c\" ], deps = [ \":greet\" ]\n\
             , flags = [ C.Flag.LTO C.LTOMode.Thin ] }}\n\
           }}\n",
        import("rules/c/v1.dhall")
    );
    environment.repository(
        toolchain,
        &[
            ("BUILD.dhall", &build),
            ("greet.c", GREET_C),
            ("greet.h", GREET_H),
            ("hello.c", HELLO_C),
            ("twice.S", TWICE_S),
            ("arch.h", ARCH_H),
        ],
    )
}

fn capture(repo: &Repo<'_>, what: &[&str]) -> Outcome {
    let capture = [&["toolchain", "capture"], what].concat();
    repo.straylight(&capture).success()
}

/// Builds a program; returns the machine that it is for: `e_machine` of its ELF
/// header.
fn machine(repo: &Repo<'_>, arguments: &[&str]) -> u16 {
    let build = [&["build", "//:hello"], arguments].concat();
    let built = repo.straylight(&build).success().stdout;
    let path = built.split("  ").nth(1).unwrap();
    let header = repo.read(path);
    assert_eq!(&header[..4], b"\x7fELF", "{built}");
    u16::from_le_bytes([header[18], header[19]])
}

#[test]
fn clang_builds_c_and_assembly() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment, "clang", "");
    let captured = capture(&repo, &["clang"]);
    says(&captured.stdout, &["clang ", "  ca://sha256:"]);
    repo.straylight(&["build", "//..."]).success();
    let ran = repo.straylight(&["run", "//:hello"]).success();
    assert_eq!(ran.stdout, "hello clang from clang\n");

    // Assembly is built again when a header changes that it reads.
    repo.write("arch.h", &format!("{ARCH_H}/* no more */\n"));
    let built = repo.straylight(&["build", "//:hello", "-v"]).success();
    says(&built.stderr, &["twice.S.o"]);
    assert!(!built.stderr.contains("greet.c.o"), "{}", built.stderr);
}

#[test]
fn gcc_builds_for_another_machine() {
    let environment = TestEnvironment::new();
    let crossing = ", crossing = [ toolchains.gcc_aarch64_linux ]";
    let repo = hello(&environment, "gcc", crossing);
    repo.write("toolchains.dhall", &environment.toolchains());
    let captured = capture(&repo, &["gcc", "--target", AARCH64]);
    says(&captured.stdout, &["gcc_aarch64_linux "]);

    assert_ne!(machine(&repo, &[]), 183);
    let ran = repo.straylight(&["run", "//:hello"]).success();
    assert_eq!(ran.stdout, "hello gcc from gcc\n");
    assert_eq!(machine(&repo, &["--target", AARCH64]), 183);

    // The other machine is a target's own.
    let build = String::from_utf8(repo.read("BUILD.dhall")).unwrap();
    let targets = import("targets/v1.dhall");
    let own = format!(", platforms = [ ({targets}).aarch64_linux ], srcs = [ \"hello.c\" ]");
    repo.write(
        "BUILD.dhall",
        &build.replace(", srcs = [ \"hello.c\" ]", &own),
    );
    assert_eq!(machine(&repo, &[]), 183);
}

#[test]
fn a_machine_without_a_toolchain_is_a_problem_of_the_target() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment, "gcc", "");
    repo.write("toolchains.dhall", &environment.toolchains());
    let failed = repo
        .straylight(&["build", "//:hello", "--target", AARCH64])
        .code(2);
    says(
        &failed.stderr,
        &[AARCH64, "x86_64-unknown-linux-gnu", "`crossing`"],
    );
    for (target, what, said) in [
        (AARCH64, "clang", "only `gcc`"),
        ("wasm32-wasi", "gcc", "no machine that gcc is captured for"),
    ] {
        let failed = repo
            .straylight(&["toolchain", "capture", what, "--target", target])
            .code(2);
        says(&failed.stderr, &[said]);
    }
}

#[test]
fn captures_are_told_apart_and_found_again() {
    let environment = TestEnvironment::new();
    let repo = environment.repository("r", &[("toolchains.dhall", &environment.toolchains())]);
    capture(&repo, &["clang"]);
    capture(&repo, &["gcc", "--target", AARCH64]);
    repo.commit("more compilers");
    let list = repo.straylight(&["toolchain", "list"]).success().stdout;
    let names = list.lines().map(|line| line.split(' ').next().unwrap());
    let names: Vec<&str> = names.collect();
    assert_eq!(
        names,
        ["clang", "gcc", "gcc_aarch64_linux", "posix", "rustc"]
    );
    let shown = repo.straylight(&["toolchain", "show", "clang"]).success();
    says(&shown.stdout, &["name      clang\n", "in the cache"]);
    let diff = repo
        .straylight(&["toolchain", "diff", "gcc", "clang"])
        .code(1);
    says(&diff.stdout, &["/bin/clang\n", "/cc1\n"]);
    assert!(!diff.stdout.contains("/stdio.h"), "{}", diff.stdout);

    for (name, recipe) in [
        ("clang", "clang"),
        (
            "gcc_aarch64_linux",
            "gcc --target aarch64-unknown-linux-gnu",
        ),
    ] {
        let line = list.lines().find(|line| line.starts_with(name)).unwrap();
        let (_, hash) = line.split_once("sha256:").unwrap();
        let hash = hash.split(' ').next().unwrap();
        fs::remove_file(environment.cache().join("cas").join(hash)).unwrap();
        let told = repo.straylight(&["toolchain", "list"]).success();
        let cure = format!("`git straylight toolchain capture {recipe}` captures");
        says(
            &told.stderr,
            &["it was captured here, on ", "it was pinned by Test", &cure],
        );
        capture(&repo, &recipe.split(' ').collect::<Vec<_>>());
        let again = repo.straylight(&["toolchain", "list"]).success();
        assert_eq!((again.stdout, again.stderr), (list.clone(), String::new()));
    }
}

#[test]
fn init_takes_clang_where_there_is_no_gcc() {
    let environment = TestEnvironment::new();
    let main = "#include <stdio.h>\nint main(void) { return puts(\"hi\") < 0; }\n";
    let repo = environment.repository("hi", &[("main.c", main)]);
    // The programs of this machine, but for gcc under all of its names.
    let bin = environment.root().join("bin");
    fs::create_dir(&bin).unwrap();
    for entry in fs::read_dir("/usr/bin").unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if !name.to_string_lossy().contains("gcc") {
            symlink(entry.path(), bin.join(name)).unwrap();
        }
    }
    let mut init = environment.command(env!("CARGO_BIN_EXE_git-straylight"));
    let init: &mut Command = init.arg("init").env("PATH", &bin).current_dir(&repo.path);
    let told = crate::support::outcome(init).success();
    says(&told.stdout, &["clang "]);
    let build = String::from_utf8(repo.read("BUILD.dhall")).unwrap();
    says(&build, &["toolchain = toolchains.clang\n"]);
    repo.git(["add", "main.c"]);
    let ran = repo.straylight(&["run", "//:hi"]).success();
    assert_eq!(ran.stdout, "hi\n");

    // What is pinned is taken, although gcc is here.
    fs::remove_file(repo.path.join("BUILD.dhall")).unwrap();
    let again = repo.straylight(&["init"]).success();
    says(&again.stderr, &["pins `clang` already"]);
}
