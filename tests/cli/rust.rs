//! Rust crates: libraries, a procedural macro, a program, tests.

use std::fs;

use crate::support::{Repo, TestEnvironment, import, says};

const BUILD: &str = r#"
let toolchain = toolchains.rustc

let crate = Rust.Library::{ name = "", toolchain, srcs = [] : List Text }

in  { shape = Rust.library (crate // { name = "shape", srcs = [ "shape/lib.rs", "shape/area.rs" ] })
    , double-macro = Rust.proc_macro (crate // { name = "double-macro", srcs = [ "macro.rs" ], edition = Rust.Edition.E2021 })
    , render = Rust.library (crate // { name = "render", srcs = [ "render.rs" ], deps = [ ":shape", ":double-macro" ], features = [ "loud" ] })
    , power = C.library C.Library::{ name = "power", toolchain, srcs = [ "power.c" ] }
    , show = Rust.binary (crate // { name = "show", srcs = [ "main.rs" ], deps = [ ":render", ":power" ] })
    , shape_test =
        Rust.test
          Rust.Test::{ name = "shape_test", crate = Some "shape", toolchain, srcs = [ "shape/lib.rs", "shape/area.rs" ] }
    }
"#;

const FILES: [(&str, &str); 7] = [
    (
        "shapes/shape/lib.rs",
        "mod area;\npub use area::area;\npub struct Square(pub u64);\n\
         #[test]\nfn squares() { assert_eq!(area(&Square(3)), 9); }\n",
    ),
    (
        "shapes/shape/area.rs",
        "use crate::Square;\npub fn area(s: &Square) -> u64 { s.0 * s.0 }\n",
    ),
    (
        "shapes/macro.rs",
        "use proc_macro::TokenStream;\n#[proc_macro]\n\
         pub fn double(item: TokenStream) -> TokenStream { format!(\"2 * ({item})\").parse().unwrap() }\n",
    ),
    (
        "shapes/render.rs",
        "use shape::{Square, area};\npub fn render(n: u64) -> String {\n\
         let mark = if cfg!(feature = \"loud\") { \"!\" } else { \"\" };\n\
         format!(\"{}{mark}\", double_macro::double!(area(&Square(n)))) }\n",
    ),
    ("shapes/power.c", "int power(int a) { return a * a * a; }\n"),
    (
        "shapes/main.rs",
        "unsafe extern \"C\" { fn power(a: i32) -> i32; }\n\
         fn main() { println!(\"{} {}\", render::render(3), unsafe { power(3) }); }\n",
    ),
    ("shapes/notes.txt", "not a source\n"),
];

/// A repository with the crates and a captured compiler.
fn crates<'a>(environment: &'a TestEnvironment, name: &str) -> Repo<'a> {
    let repo = environment.repository(name, &[("toolchains.dhall", &environment.toolchains())]);
    let imports = format!(
        "let Rust = {}\nlet C = {}\nlet toolchains = ../toolchains.dhall\n",
        import("rules/rust/v1.dhall"),
        import("rules/c/v1.dhall")
    );
    repo.write("shapes/BUILD.dhall", &format!("{imports}{BUILD}"));
    for (path, text) in FILES {
        repo.write(path, text);
    }
    repo.commit("crates");
    repo
}

#[test]
fn crates_are_built_run_and_tested() {
    let environment = TestEnvironment::new();
    let repo = crates(&environment, "one");
    let run = repo.straylight(&["run", "//shapes:show"]).success();
    assert_eq!(run.stdout, "18! 27\n");
    let first = repo.straylight(&["build", "//shapes/..."]).success();
    says(
        &first.stdout,
        &["shapes/show/show", "shapes/double-macro/libdouble_macro.so"],
    );
    let test = repo.straylight(&["test", "//shapes/..."]).success();
    says(&test.stdout, &["//shapes:shape_test"]);
    // Elsewhere, with nothing built: the same bytes.
    let other = crates(&environment, "elsewhere/two");
    for name in ["claims", "traces"] {
        std::fs::remove_dir_all(environment.cache().join(name)).unwrap();
    }
    let second = other.straylight(&["build", "//shapes/..."]).success();
    assert_eq!(second.stdout, first.stdout);
}

/// Libraries are compiled when there is the metadata of what they name, and not
/// its code. `base` fails after it has published its metadata, in the code of a
/// function that nobody else asks for.
const PIPELINE: &str = r#"
let crate = Rust.Library::{ name = "", toolchain = toolchains.rustc, srcs = [] : List Text }

in  { base = Rust.library (crate // { name = "base", srcs = [ "base.rs" ] })
    , mid = Rust.library (crate // { name = "mid", srcs = [ "mid.rs" ], deps = [ ":base" ] })
    , top = Rust.binary (crate // { name = "top", srcs = [ "top.rs" ], deps = [ ":mid" ] })
    }
"#;

#[test]
fn a_library_waits_for_metadata_and_a_program_for_code() {
    let environment = TestEnvironment::new();
    let repo = crates(&environment, "one");
    let imports = format!(
        "let Rust = {}\nlet toolchains = ../toolchains.dhall\n",
        import("rules/rust/v1.dhall")
    );
    repo.write("line/BUILD.dhall", &format!("{imports}{PIPELINE}"));
    let base = |count: u32| {
        format!(
            "pub fn count<const N: u32>() -> u32 {{ const {{ assert!(N < 3) }}; N }}\n\
             #[inline(never)]\npub fn two() -> u32 {{ count::<{count}>() }}\n"
        )
    };
    repo.write("line/base.rs", &base(2));
    repo.write("line/mid.rs", "pub fn four() -> u32 { 2 * base::two() }\n");
    repo.write(
        "line/top.rs",
        "fn main() { println!(\"{}\", mid::four()); }\n",
    );
    let run = repo.straylight(&["run", "//line:top"]).success();
    assert_eq!(run.stdout, "4\n");
    // What is asked for is the library.
    let built = repo.straylight(&["build", "//line:mid"]).success();
    assert!(
        built
            .stdout
            .starts_with("//line:mid  straylight-out/line/mid/libmid.rlib  ca://")
    );
    assert_eq!(built.stdout.lines().count(), 1, "{}", built.stdout);

    repo.write("line/mid.rs", "pub fn four() -> u32 { base::to() }\n");
    let failed = repo.straylight(&["build", "//line:mid"]).code(1);
    says(
        &failed.stderr,
        &[" --extern=base=out/line/base/libbase.rmeta ", "cannot find"],
    );
    repo.write("line/mid.rs", "pub fn four() -> u32 { 2 * base::two() }\n");
    repo.write("line/top.rs", "fn main() { mid::for_() }\n");
    let failed = repo.straylight(&["build", "//line:top"]).code(1);
    says(&failed.stderr, &[" --extern=mid=out/line/mid/libmid.rlib "]);
    repo.write(
        "line/top.rs",
        "fn main() { println!(\"{}\", mid::four()); }\n",
    );

    repo.write("line/base.rs", &base(5));
    let failed = repo.straylight(&["build", "//line:top", "-k"]).code(1);
    says(&failed.stderr, &["//line:base", "N < 3", "base.rs"]);
    assert!(!failed.stderr.contains("//line:mid`"), "{}", failed.stderr);
    // And what was made of it on the way is not believed.
    repo.write("line/base.rs", &base(2).replace("N }", "N + 1 }"));
    let run = repo.straylight(&["run", "//line:top"]).success();
    assert_eq!(run.stdout, "6\n");
}

/// A crate as the registry has it: an archive, pinned by the hash of its bytes.
#[test]
fn a_crate_is_a_pinned_archive() {
    let environment = TestEnvironment::new();
    let repo = crates(&environment, "one");
    // Its root has a module in another file, and the archive a folder around both.
    let package = environment.root().join("packed/twice-1.2.0/src");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("lib.rs"), "mod by;\npub use by::twice;\n").unwrap();
    fs::write(
        package.join("by.rs"),
        "pub fn twice(n: u64) -> u64 { 2 * n }\n",
    )
    .unwrap();
    let pack = environment
        .command("tar")
        .args(["-C", "packed", "-czf", "twice-1.2.0.crate", "twice-1.2.0"])
        .status();
    assert!(pack.unwrap().success());
    let archive = environment.root().join("twice-1.2.0.crate");
    let pinned = repo
        .straylight(&["pin", archive.to_str().unwrap()])
        .success();
    fs::remove_file(&archive).unwrap();
    let build = format!(
        r#"let Rust = {}
let Command = {}
let Dice = {}
let toolchains = ../toolchains.dhall
let crate = Rust.Library::{{ name = "", toolchain = toolchains.rustc, srcs = [] : List Text }}
let unpack = "mkdir \"$2\"; tar -xzf \"$1\" -C \"$2\" --strip-components=1"

in  {{ twice_src =
        Command.command
          Command.Command::{{
          , name = "twice_src"
          , root = Some toolchains.posix.artifact
          , arguments =
              Command.shell
                toolchains.posix
                unpack
                [ Dice.Argument.Pieces [ Dice.Piece.Source ({}) ], Command.out "crate" ]
          , folders = [ "crate" ]
          }}
    , twice =
        Rust.library
          (     crate
            //  {{ name = "twice"
                , version = "1.2.0"
                , crate_root = Some (Dice.Source.Output {{ target = ":twice_src", output = "crate/src/lib.rs" }})
                }}
          )
    , four = Rust.binary (crate // {{ name = "four", srcs = [ "four.rs" ], deps = [ ":twice" ] }})
    , none = Rust.library (crate // {{ name = "none" }})
    }}
"#,
        import("rules/rust/v1.dhall"),
        import("rules/command/v1.dhall"),
        import("dice/v1.dhall"),
        pinned.stdout.trim()
    );
    repo.write("pinned/BUILD.dhall", &build);
    repo.write(
        "pinned/four.rs",
        "fn main() { println!(\"{}\", twice::twice(2)); }\n",
    );
    let run = repo.straylight(&["run", "//pinned:four"]).success();
    assert_eq!(run.stdout, "4\n");
    // An editor reads the unpacked files.
    repo.straylight(&["ide", "//pinned:four"]).success();
    let project = repo.read("rust-project.json");
    let project: serde_json::Value = serde_json::from_slice(&project).unwrap();
    let root = "straylight-out/pinned/twice_src/crate/src/lib.rs";
    let known = project["crates"].as_array().unwrap().iter();
    let roots: Vec<_> = known
        .map(|known| known["root_module"].as_str().unwrap())
        .collect();
    let unpacked = repo.path.join(root);
    assert!(roots.contains(&unpacked.to_str().unwrap()), "{roots:?}");
    assert!(unpacked.exists());
    let refused = repo.straylight(&["build", "//pinned:none"]).code(2);
    says(&refused.stderr, &["it has no sources", "`crate_root`"]);
}

#[test]
fn a_crate_sees_its_own_sources_and_dependencies_only() {
    let environment = TestEnvironment::new();
    let repo = crates(&environment, "repo");
    let main = "fn main() { println!(\"{}\", include_str!(\"notes.txt\")); }\n";
    repo.write("shapes/main.rs", main);
    let run = repo.straylight(&["build", "//shapes:show"]).code(1);
    says(&run.stderr, &["notes.txt", "No such file"]);
    // What a dependency depends on is linked, and not named.
    repo.write(
        "shapes/main.rs",
        "fn main() { shape::area(&shape::Square(1)); }\n",
    );
    let run = repo.straylight(&["build", "//shapes:show"]).code(1);
    says(&run.stderr, &["shape"]);
}

#[test]
fn a_machine_that_the_toolchain_knows_nothing_of_is_refused() {
    let environment = TestEnvironment::new();
    let repo = crates(&environment, "repo");
    let other = [
        "build",
        "//shapes:shape",
        "--target",
        "riscv64-unknown-linux-gnu",
    ];
    let run = repo.straylight(&other).code(2);
    says(
        &run.stderr,
        &[
            "its toolchain makes programs for",
            "and not for `riscv64-unknown-linux-gnu`",
        ],
    );
}

#[test]
fn a_toolchain_without_a_rust_compiler_is_refused() {
    let environment = TestEnvironment::new();
    let repo = crates(&environment, "repo");
    let text = String::from_utf8(repo.read("shapes/BUILD.dhall")).unwrap();
    repo.write(
        "shapes/BUILD.dhall",
        &text.replace("toolchains.rustc", "toolchains.gcc"),
    );
    let run = repo.straylight(&["build", "//shapes:shape"]).code(2);
    says(
        &run.stderr,
        &["has no Rust compiler", "toolchain capture rustc"],
    );
}
