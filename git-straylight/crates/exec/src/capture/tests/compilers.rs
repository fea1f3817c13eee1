//! Captures of clang, and of a gcc for another machine.

use super::*;

const CROSS: Wanted<'_> = Wanted::CrossGcc("aarch64-linux-gnu");

/// The number of the machine that an ELF file is for.
fn machine(root: &Root, path: &str) -> u8 {
    let bytes = fs::read(root.folder.path().join(path)).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF");
    bytes[18]
}

const X86_64: u8 = 62;
const AARCH64: u8 = 183;

#[test]
fn a_captured_clang_works_alone() {
    let bench = Bench::new();
    for listing in [Listing::Best, Listing::Compiler] {
        let clang = bench.capture(posix::STANDARD, Wanted::Clang, listing);
        let clang = clang.unwrap();
        let root = bench.unpack(&clang.digest);
        let told = root.run(&["clang", "--version"]);
        assert!(
            told.contains(&format!("clang version {}", clang.version)),
            "{told}"
        );
        compiles(&root, &clang);
        assembles(&root, &clang);
    }
}

#[test]
fn a_captured_clang_has_no_gcc_and_nothing_beside_it() {
    let bench = Bench::new();
    let clang = bench.capture(posix::STANDARD, Wanted::Clang, Listing::Best);
    let clang = clang.unwrap();
    let again = Bench::new().capture(posix::STANDARD, Wanted::Clang, Listing::Best);
    assert_eq!(again.unwrap(), clang);
    let nodes = bench.nodes(&clang.digest);
    let ends = |end: &str| nodes.keys().any(|path| path.ends_with(end));
    assert!(ends("/crtbegin.o") && ends("/stddef.h") && ends("bin/clang"));
    for absent in ["/cc1", "bin/gcc", "bin/git", "/lto1"] {
        assert!(!ends(absent), "{absent}");
    }
    if let Some(packages) = dpkg::Packages::read().unwrap() {
        assert_owners(&packages, &nodes);
    }
}

/// Compiles and links for the other machine with nothing but the tree.
fn crosses(root: &Root, gcc: &CapturedC) {
    root.write("build/main.c", MAIN_C);
    root.write("build/main.cc", MAIN_CC);
    let cxx: &str = gcc.cxx.as_ref().unwrap();
    let c = [&gcc.cc, "/build/main.c", "-lm", "-o", "/build/main"];
    for flags in [&["-O2"][..], &["-static"], &["-flto", "-O2"]] {
        root.run(&[&c[..], flags].concat());
        assert_eq!(machine(root, "build/main"), AARCH64, "{flags:?}");
    }
    root.run(&[cxx, "/build/main.cc", "-o", "/build/words"]);
    assert_eq!(machine(root, "build/words"), AARCH64);
    root.run(&[&gcc.cc, "-c", "/build/main.c", "-o", "/build/main.o"]);
    root.run(&[&gcc.ar, "rcsD", "/build/libmain.a", "/build/main.o"]);
    // What builds for the machine that one is on must not find it by mistake.
    assert!(!root.try_run(&["cc", "--version"]).status.success());
    root.run(&["aarch64-linux-gnu-ld", "--version"]);
}

#[test]
fn a_gcc_for_another_machine_works_alone() {
    let bench = Bench::new();
    for listing in [Listing::Best, Listing::Compiler] {
        let gcc = bench.capture(posix::STANDARD, CROSS, listing).unwrap();
        let root = bench.unpack(&gcc.digest);
        assert_eq!(machine(&root, gcc.cc.trim_start_matches('/')), X86_64);
        crosses(&root, &gcc);
        let nodes = bench.nodes(&gcc.digest);
        for native in ["usr/include/stdio.h", "usr/include/linux/errno.h"] {
            assert!(!nodes.contains_key(native), "{native}");
        }
    }
}

#[test]
fn a_gcc_for_another_machine_is_the_same_again() {
    let bench = Bench::new();
    let capture = |bench: &Bench| bench.capture(posix::STANDARD, CROSS, Listing::Best);
    let gcc = capture(&bench).unwrap();
    assert_eq!(capture(&Bench::new()).unwrap(), gcc);
    let native = bench.gcc(posix::STANDARD).unwrap();
    assert_ne!(native.digest, gcc.digest);
    let packages = packages(&bench.store, &gcc.digest).unwrap();
    let has = |name: &str| packages.iter().any(|package| package.starts_with(name));
    if Path::new("/usr/bin/dpkg-query").exists() {
        assert!(has("libc6-dev-arm64-cross ") && has("binutils-aarch64-linux-gnu "));
        assert!(!has("libc6-dev ") && !has("libc6-dev:"), "{packages:?}");
    }
}

#[test]
fn a_compiler_that_is_not_there_has_a_cure() {
    let bench = Bench::new();
    for (wanted, name, package) in [
        (Wanted::Clang, "clang", "clang"),
        (CROSS, "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ] {
        let error = bench.capture("/absent", wanted, Listing::Best).unwrap_err();
        assert!(matches!(&error, CaptureError::NotFound { program, .. } if program == name));
        let hint = error.hint().unwrap();
        assert!(hint.contains("install") && hint.contains(package), "{hint}");
    }
    // gcc under another's name is no clang.
    let folder = bench.folder.path().join("other");
    fs::create_dir(&folder).unwrap();
    symlink("/usr/bin/gcc", folder.join("clang")).unwrap();
    let error = bench.capture(folder.to_str().unwrap(), Wanted::Clang, Listing::Best);
    assert!(matches!(error, Err(CaptureError::NotFound { .. })));
}
