//! Captures of the machine that runs the tests. The oracle is the toolchain
//! itself: it has to work in a root folder that holds the tree and no more.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use straylight_odb::LocalStore;
use tempfile::TempDir;

use super::c::CCompiler;
use super::*;
use crate::merkle::{Node, walk};

mod compilers;

/// A store, and folders that a captured tree is unpacked into.
struct Bench {
    folder: TempDir,
    store: LocalStore,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    fn gcc(&self, path: &str) -> Result<CapturedC, CaptureError> {
        self.capture(path, Wanted::Gcc, Listing::Best)
    }

    fn capture(
        &self,
        path: &str,
        wanted: Wanted<'_>,
        listing: Listing,
    ) -> Result<CapturedC, CaptureError> {
        c::capture(&Host::with_path(path), wanted, listing, &self.store)
    }

    /// Makes the folder `name` with an executable `program` of this text.
    fn script(&self, name: &str, program: &str, text: &str) -> String {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join(program);
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        folder.to_str().unwrap().to_owned()
    }

    /// Makes the folder `name` with the `program` that this C compiles to.
    fn program(&self, name: &str, program: &str, text: &str) -> String {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let source = self.folder.path().join("main.c");
        fs::write(&source, text).unwrap();
        let mut gcc = Command::new("/usr/bin/gcc");
        gcc.arg(&source).arg("-o").arg(folder.join(program));
        assert!(gcc.status().unwrap().success());
        folder.to_str().unwrap().to_owned()
    }

    fn nodes(&self, root: &Digest) -> BTreeMap<String, Node> {
        let mut nodes = BTreeMap::new();
        walk::<TreeError>(&self.store, root, &mut |path, node| {
            nodes.insert(path.to_owned(), node.clone());
            Ok(())
        })
        .unwrap();
        nodes
    }

    fn unpack(&self, root: &Digest) -> Root {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        for (path, node) in self.nodes(root) {
            let path = folder.path().join(path);
            match node {
                Node::File { digest, executable } => {
                    assert!(self.store.link(&digest, executable, &path).unwrap());
                }
                Node::Directory { .. } | Node::EmptyDir => fs::create_dir(path).unwrap(),
                Node::Symlink { target } => symlink(target, path).unwrap(),
            }
        }
        Root { folder }
    }
}

/// A captured tree as a root file system.
struct Root {
    folder: TempDir,
}

impl Root {
    fn write(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join(path), text).unwrap();
    }

    /// Runs a program inside, with a `PATH` and nothing else.
    fn try_run(&self, arguments: &[&str]) -> Output {
        Command::new("/usr/bin/unshare")
            .args(["--user", "--map-root-user", "/usr/sbin/chroot"])
            .arg(self.folder.path())
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}

const MAIN_C: &str = r#"
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <linux/version.h>

static void *work(void *number) { *(double *)number = cos(*(double *)number); return 0; }

int main(int count, char **arguments) {
    (void)arguments;
    double number = count - 1;
    pthread_t thread;
    if (pthread_create(&thread, 0, work, &number) || pthread_join(thread, 0)) return 1;
    return printf("%.1f %d\n", number, LINUX_VERSION_CODE > 0) < 0;
}
"#;

const MAIN_CC: &str = r#"
#include <iostream>
#include <string>
#include <vector>

int main() {
    std::vector<std::string> words{"straight", "light"};
    try { words.at(2); } catch (const std::exception &) { words.push_back("!"); }
    for (const auto &word : words) std::cout << word;
    std::cout << std::endl;
}
"#;

/// Compiles, links and runs C and C++ with nothing but the tree, which is gcc's
/// or clang's.
fn compiles(root: &Root, gcc: &CapturedC) {
    root.write("build/main.c", MAIN_C);
    let cc: &str = &gcc.cc;
    let c = [
        "/build/main.c",
        "-Wall",
        "-Werror",
        "-o",
        "/build/main",
        "-lm",
    ];
    for flags in [
        &["-pthread"][..],
        &["-O2"],
        &["-static"],
        &["-flto", "-O2"],
        &["-g", "-no-pie"],
    ] {
        root.run(&[&[cc], &c[..], flags].concat());
        assert_eq!(root.run(&["/build/main"]), "1.0 1\n", "{flags:?}");
    }
    root.write("build/bad.c", "int main(void) { return undeclared; }");
    let bad = root.try_run(&[cc, "-c", "/build/bad.c", "-o", "/build/bad.o"]);
    assert!(!bad.status.success());
    assert!(String::from_utf8_lossy(&bad.stderr).contains("undeclared"));
    compiles_cxx(root, gcc);
}

fn compiles_cxx(root: &Root, gcc: &CapturedC) {
    root.write("build/main.cc", MAIN_CC);
    let cxx: &str = gcc.cxx.as_ref().unwrap();
    for flags in [&["-O2"][..], &["-static"], &["-std=c++20", "-flto"]] {
        root.run(&[&[cxx, "/build/main.cc", "-o", "/build/words"], flags].concat());
        assert_eq!(root.run(&["/build/words"]), "straightlight!\n", "{flags:?}");
    }
}

/// Runs the tools by the names that a makefile uses.
fn assembles(root: &Root, gcc: &CapturedC) {
    root.write("build/answer.c", "int answer(void) { return 42; }");
    root.write(
        "build/use.c",
        "int answer(void); int main(void) { return answer() - 42; }",
    );
    root.run(&["cc", "-S", "/build/answer.c", "-o", "/build/answer.s"]);
    root.run(&["cc", "-c", "/build/answer.s", "-o", "/build/answer.o"]);
    root.write("build/data.s", ".data\n.globl data\ndata: .long 1\n");
    root.run(&["as", "/build/data.s", "-o", "/build/data.o"]);
    assert!(root.run(&["nm", "/build/data.o"]).contains(" D data"));
    root.run(&[&gcc.ar, "rcsD", "/build/libanswer.a", "/build/answer.o"]);
    assert_eq!(root.run(&["ar", "t", "/build/libanswer.a"]), "answer.o\n");
    root.run(&[
        "cc",
        "/build/use.c",
        "-L/build",
        "-lanswer",
        "-o",
        "/build/use",
    ]);
    root.run(&["/build/use"]);
    root.run(&["ld", "-r", "/build/answer.o", "-o", "/build/again.o"]);
    assert!(root.run(&["nm", "/build/again.o"]).contains(" T answer"));
}

/// What only gcc brings along: a preprocessor, and sanitizers.
fn preprocesses(root: &Root) {
    let lines = root.run(&["cpp", "-P", "/build/answer.c"]);
    assert_eq!(lines.lines().count(), 1);
    let sanitize = ["/build/main.c", "-fsanitize=undefined", "-lm", "-o"];
    root.run(&[&["gcc"], &sanitize[..], &["/build/main"]].concat());
    assert_eq!(root.run(&["/build/main"]), "1.0 1\n");
}

#[test]
fn a_captured_gcc_works_alone() {
    let bench = Bench::new();
    let gcc = bench.gcc(posix::STANDARD).unwrap();
    let root = bench.unpack(&gcc.digest);
    let told = root.run(&["gcc", "-dumpfullversion"]);
    assert_eq!(told.trim(), gcc.version);
    compiles(&root, &gcc);
    assembles(&root, &gcc);
    preprocesses(&root);
}

#[test]
fn a_gcc_without_packages_works_alone() {
    let bench = Bench::new();
    let gcc = bench.capture(posix::STANDARD, Wanted::Gcc, Listing::Compiler);
    let gcc = gcc.unwrap();
    let root = bench.unpack(&gcc.digest);
    compiles(&root, &gcc);
    assembles(&root, &gcc);
    preprocesses(&root);
}

/// A wrapper that was installed as a copy, with nothing in its name to tell.
const COPIED_WRAPPER: &str = r#"
#include <unistd.h>
int main(int count, char **arguments) {
    (void)count;
    arguments[0] = "cc";
    return execvp("cc", arguments);
}
"#;

#[test]
fn a_capture_is_the_same_again_and_through_wrappers() {
    let bench = Bench::new();
    let gcc = bench.gcc(posix::STANDARD).unwrap();
    let other = Bench::new();
    assert_eq!(other.gcc(posix::STANDARD).unwrap(), gcc);

    let script = bench.script(
        "script",
        "gcc",
        "#!/bin/sh\nexec ccache /usr/bin/gcc \"$@\"\n",
    );
    let ccache = bench.script("bin", "ccache", "#!/bin/sh\nexit 1\n");
    let masked = bench.folder.path().join("masked");
    fs::create_dir(&masked).unwrap();
    symlink(format!("{ccache}/ccache"), masked.join("gcc")).unwrap();
    let masked = masked.to_str().unwrap();
    let copied = &bench.program("copied", "gcc", COPIED_WRAPPER);
    for before in [&script, masked, copied, "/usr/lib/ccache", "relative", ""] {
        let path = format!("{before}:/usr/bin:/bin");
        let found = CCompiler::find(&Host::with_path(&path), Wanted::Gcc).unwrap();
        assert_eq!(found.cc.to_str(), Some(gcc.cc.as_str()), "{before}");
    }
    let path = format!("{script}:{masked}:{copied}:/bin:/usr/bin");
    assert_eq!(bench.gcc(&path).unwrap(), gcc);
    // Wrappers alone are no compiler.
    for path in [&script, masked, copied] {
        let error = bench.gcc(path).unwrap_err();
        assert!(matches!(&error, CaptureError::NotFound { program, .. } if program == "gcc"));
    }
}

#[test]
fn a_capture_holds_the_compiler_and_nothing_beside_it() {
    let bench = Bench::new();
    let gcc = bench.gcc(posix::STANDARD).unwrap();
    let nodes = bench.nodes(&gcc.digest);
    let files = nodes
        .values()
        .filter(|node| matches!(node, Node::File { .. }));
    assert_eq!(files.count(), gcc.files);
    for path in [&gcc.cc, &gcc.ar, gcc.cxx.as_ref().unwrap()] {
        let node = nodes.get(path.trim_start_matches('/'));
        assert!(
            matches!(
                node,
                Some(Node::File {
                    executable: true,
                    ..
                })
            ),
            "{path}"
        );
    }
    for folder in ["build", "dev", "proc", "tmp"] {
        let node = nodes.get(folder).unwrap();
        assert_eq!(
            *node,
            Node::Directory {
                digest: Digest::of(b"")
            }
        );
    }
    for path in nodes.keys() {
        let left_out = ["etc", "var", "usr/share", "home", "root", "usr/local"];
        assert!(
            !left_out
                .iter()
                .any(|folder| Path::new(path).starts_with(folder)),
            "{path}"
        );
    }
    if let Some(packages) = dpkg::Packages::read().unwrap() {
        assert_owners(&packages, &nodes);
    }
}

#[test]
fn what_lies_beside_the_compiler_is_not_captured() {
    let bench = Bench::new();
    let gcc = bench.gcc(posix::STANDARD).unwrap();
    let nodes = bench.nodes(&gcc.digest);
    // The machine has more headers, programs and libraries than the tree.
    for folder in ["usr/include", "usr/bin", "usr/lib"] {
        let foreign = fs::read_dir(Path::new("/").join(folder))
            .unwrap()
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                !nodes.contains_key(&format!("{folder}/{}", name.to_str().unwrap()))
            });
        assert!(foreign.count() > 0, "{folder}");
    }
    assert!(!nodes.contains_key("usr/bin/git"));
    assert!(Path::new("/usr/bin/git").exists());
}

/// Every file belongs to a package, and what is for developers to one of the
/// compiler or of the C library.
fn assert_owners(packages: &dpkg::Packages, nodes: &BTreeMap<String, Node>) {
    let is_file = |node: &Node| matches!(node, Node::File { .. });
    let files = nodes.iter().filter(|(_, node)| is_file(node));
    let paths: Vec<_> = files.map(|(path, _)| Path::new("/").join(path)).collect();
    let owners = packages.owners(&paths).unwrap();
    let owned = packages.files(&owners).unwrap();
    let owned: HashSet<_> = owned.iter().filter_map(|p| p.canonicalize().ok()).collect();
    for path in &paths {
        assert!(owned.contains(path), "{}", path.display());
    }
    let allowed = [
        "libc6-dev",
        "linux-libc-dev",
        "libcrypt-dev",
        "libstdc++-",
        "libgcc-",
        "libc-dev-bin",
        "libclang-common-",
        "libobjc-",
    ];
    for package in owners.iter().filter(|name| name.contains("-dev")) {
        assert!(
            allowed.iter().any(|name| package.starts_with(name)),
            "{package}"
        );
    }
    let headers = paths.iter().filter(|path| path.starts_with("/usr/include"));
    let headers: Vec<_> = headers.cloned().collect();
    assert!(headers.len() > 1000);
    for package in packages.owners(&headers).unwrap() {
        assert!(package.contains("-dev"), "{package}");
    }
}

#[test]
fn no_gcc_is_not_found_with_a_cure() {
    let bench = Bench::new();
    for path in ["", "/absent", bench.folder.path().to_str().unwrap()] {
        let error = bench.gcc(path).unwrap_err();
        assert!(matches!(&error, CaptureError::NotFound { program, .. } if program == "gcc"));
        let hint = error.hint().unwrap();
        assert!(hint.contains("install") && hint.contains("gcc"), "{hint}");
    }
}

/// A program that answers gcc's questions, and has nothing but a first pass.
const BARE_GCC: &str = r#"
#include <stdio.h>
#include <string.h>
int main(int count, char **arguments) {
    char *asked = count > 1 ? strchr(arguments[1], '=') : 0;
    puts(!asked ? "" : !strcmp(asked, "=cc1") ? "/bin/sh" : asked + 1);
    return 0;
}
"#;

#[test]
fn a_gcc_without_a_c_library_is_told_so() {
    let bench = Bench::new();
    let bin = bench.program("bare", "gcc", BARE_GCC);
    let error = bench.gcc(&bin).unwrap_err();
    assert!(matches!(&error, CaptureError::NotFound { program, .. } if program == "crt1.o"));
    assert!(error.hint().is_some());
}

#[test]
fn a_captured_shell_works_alone() {
    let bench = Bench::new();
    let captured = capture_posix(&bench.store).unwrap();
    assert_eq!(capture_posix(&Bench::new().store).unwrap(), captured);
    let root = bench.unpack(&captured.digest);
    root.write(
        "build/script",
        r#"set -eu
cd /build
mkdir -p tree/a tree/b
printf 'one\ntwo\nthree\n' > tree/a/words
printf '%s\n' drei zwei eins > tree/b/words
find tree -name words | sort | xargs cat | sed 's/^t/T/' | grep -v drei > all
awk '{ total += length($0) } END { print NR, total }' all
tar -czf tree.tar.gz tree && rm -r tree && tar -xzf tree.tar.gz
cmp tree/a/words tree/a/words && ! diff tree/a/words tree/b/words > difference
sort -r all | head -n 1 | tr a-z A-Z
gunzip -c tree.tar.gz | wc -c | test "$(cat)" -gt 1000
printf 'ä\n' | LC_ALL=C.UTF-8 grep -c '^.$'
"#,
    );
    let output = root.run(&[&captured.shell, "/build/script"]);
    assert_eq!(output, "5 19\nZWEI\n1\n");
    let failed = root.try_run(&[&captured.shell, "-c", "false | true; exit 3"]);
    assert_eq!(failed.status.code(), Some(3));
    let nodes = bench.nodes(&captured.digest);
    assert!(!nodes.contains_key("usr/bin/git") && !nodes.contains_key("etc"));
    assert!(!captured.version.is_empty());
}

#[test]
fn no_awk_is_not_found_with_a_cure() {
    let bench = Bench::new();
    let path = bench.script("bin", "sh", "#!/bin/false\n");
    let error = posix::capture(&Host::with_path(path), &bench.store).unwrap_err();
    assert!(matches!(&error, CaptureError::NotFound { program, .. } if program == "awk"));
    assert!(error.hint().unwrap().contains("awk"));
}
