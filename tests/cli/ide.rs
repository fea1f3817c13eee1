//! What editors are told, and what they and a debugger make of it.

use std::process::Command;

use serde_json::Value;
use straylight_exec::{InputTree, Node, TreeError, merkle};
use straylight_odb::{ContentStore as _, Digest, LocalStore};

use crate::support::{Repo, TestEnvironment, import, outcome, says};

const BUILD: &str = r#"
let c = C.Library::{ name = "", toolchain = toolchains.gcc }

in  { header =
        Command.command
          Command.Command::{
          , name = "header"
          , root = Some toolchains.posix.artifact
          , arguments = Command.shell toolchains.posix "echo '#define ANSWER 42' > \"$1\"" [ Command.out "answer.h" ]
          , outputs = [ "answer.h" ]
          }
    , answer =
        C.library
          (c // { name = "answer"
                , srcs = [ "answer.c" ]
                , hdrs = [ "own.h" ]
                , defines = [ { name = "TWICE", value = Some "2" } ]
                , generated_hdrs = [ Dice.Source.Output { target = ":header", output = "answer.h" } ] })
    , ask = C.binary C.Binary::{ name = "ask", toolchain = toolchains.gcc, srcs = [ "ask.c" ], deps = [ ":answer" ] }
    }
"#;

fn c_repository(environment: &TestEnvironment) -> Repo<'_> {
    let imports = [
        ("C", "rules/c/v1.dhall"),
        ("Command", "rules/command/v1.dhall"),
        ("Dice", "dice/v1.dhall"),
    ]
    .map(|(name, path)| format!("let {name} = {}\n", import(path)));
    let build = format!(
        "{}let toolchains = ../toolchains.dhall\n{BUILD}",
        imports.concat()
    );
    environment.repository(
        "edited",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("it/BUILD.dhall", &build),
            ("it/own.h", "int answer(void);\n"),
            (
                "it/answer.c",
                "#include \"own.h\"\n#include \"answer.h\"\nint answer(void)\n{\n    return ANSWER * TWICE;\n}\n",
            ),
            (
                "it/ask.c",
                "#include <stdio.h>\n#include \"it/own.h\"\nint main(void) { return printf(\"%d\\n\", answer()) < 0; }\n",
            ),
        ],
    )
}

fn json(repo: &Repo<'_>, file: &str) -> Value {
    serde_json::from_slice(&repo.read(file)).unwrap()
}

#[test]
fn clangd_compiles_each_file_as_a_build_does() {
    let environment = TestEnvironment::new();
    let repo = c_repository(&environment);
    let told = repo.straylight(&["ide"]).success();
    assert_eq!(told.stdout, "compile_commands.json  2 commands\n");
    says(
        &told.stderr,
        &["hint: `.gitignore`", "compile_commands.json"],
    );
    let commands = json(&repo, "compile_commands.json");
    let files = commands
        .as_array()
        .unwrap()
        .iter()
        .map(|command| &command["file"]);
    let expected = ["it/answer.c", "it/ask.c"].map(|file| repo.path.join(file));
    assert_eq!(
        files.collect::<Vec<_>>(),
        expected.each_ref().map(|file| file.to_str().unwrap())
    );
    check(&repo, "it/answer.c");
    check(&repo, "it/ask.c");
    // Once it is ignored nothing more is said; what did not change is not written.
    repo.write(".git/info/exclude", "compile_commands.json\n");
    let before = std::fs::metadata(repo.path.join("compile_commands.json")).unwrap();
    let told = repo.straylight(&["ide", "//it:ask"]).success();
    assert!(!told.stderr.contains("hint"), "{}", told.stderr);
    let after = std::fs::metadata(repo.path.join("compile_commands.json")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    let told = repo.straylight(&["ide", "//it:header"]).success();
    assert_eq!(told.stdout, "compile_commands.json  0 commands\n");
}

#[test]
fn a_compiler_that_this_machine_lacks_is_found_in_the_cache() {
    let environment = TestEnvironment::new();
    let repo = c_repository(&environment);
    // Another gcc, as a teammate has it, and a header that only its tree has.
    let store = LocalStore::open(environment.cache()).unwrap();
    let pinned = String::from_utf8(repo.read("toolchains.dhall")).unwrap();
    let list = repo.straylight(&["toolchain", "list", "--json"]).success();
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let gcc = list.as_array().unwrap().iter();
    let gcc = gcc.clone().find(|pin| pin["name"] == "gcc").unwrap();
    let (sha256, size) = (
        gcc["sha256"].as_str().unwrap(),
        gcc["size"].as_u64().unwrap(),
    );
    let mut tree = InputTree::new();
    let file = |text: &str, executable| Node::File {
        digest: store.write(text.as_bytes()).unwrap(),
        executable,
    };
    let cc = pinned.split("cc = \"/").nth(1).unwrap();
    let cc = cc.split('"').next().unwrap();
    let old = Digest::new(sha256.parse().unwrap(), size);
    let walked = merkle::walk(&store, &old, &mut |path, node| match node {
        Node::Directory { .. } => Ok::<_, TreeError>(()),
        _ if path == cc => tree.insert(path, file("another gcc", true)),
        node => tree.insert(path, node.clone()),
    });
    walked.unwrap();
    tree.insert("usr/include/theirs.h", file("#define THEIRS 1\n", false))
        .unwrap();
    let theirs = tree.write(&store).unwrap();
    let pinned = pinned
        .replace(sha256, &theirs.sha256().to_string())
        .replace(
            &format!("size = {size}"),
            &format!("size = {}", theirs.size()),
        );
    repo.write("toolchains.dhall", &pinned);
    repo.write(
        "it/ask.c",
        "#include <stdio.h>\n#include <theirs.h>\nint main(void) { return puts(\"\") + THEIRS; }\n",
    );
    repo.straylight(&["ide", "//it:ask"]).success();
    let commands = json(&repo, "compile_commands.json");
    let commands = commands.as_array().unwrap();
    let asks = |command: &&Value| command["file"].as_str().unwrap().ends_with("ask.c");
    let arguments = &commands.iter().find(asks).unwrap()["arguments"];
    let folder = environment
        .cache()
        .join("toolchains")
        .join(theirs.sha256().to_string());
    let folder = folder.join("tree");
    assert_eq!(arguments[0], folder.join(cc).to_str().unwrap());
    assert_eq!(arguments[1], format!("--sysroot={}", folder.display()));
    check(&repo, "it/ask.c");
}

/// Lets clangd look at a file: it must find no mistake.
#[track_caller]
fn check(repo: &Repo<'_>, file: &str) {
    let checked = Command::new("clangd")
        .arg(format!("--check={}", repo.path.join(file).display()))
        .current_dir(&repo.path)
        .output()
        .expect("clangd runs");
    let told = String::from_utf8_lossy(&checked.stderr);
    assert!(
        checked.status.success() && told.contains("0 errors"),
        "{told}"
    );
    assert!(told.contains("Compile command from CDB"), "{told}");
}

#[test]
fn a_debugger_finds_the_sources() {
    let environment = TestEnvironment::new();
    let repo = c_repository(&environment);
    repo.straylight(&["build", "//it:ask", "--mode", "debug"])
        .success();
    let commands = ["break answer", "run", "list", "info source"];
    let mut gdb = Command::new("gdb");
    gdb.args(["-batch", "-nx"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let gdb = gdb
        .arg("straylight-out/it/ask/ask")
        .current_dir(&repo.path)
        .output()
        .expect("gdb runs");
    let told = String::from_utf8_lossy(&gdb.stdout);
    says(
        &told,
        &["answer () at it/answer.c:5", "return ANSWER * TWICE;"],
    );
    // Nothing in the program says where it was made.
    let program = repo.read("straylight-out/it/ask/ask");
    let says_so = |word: &[u8]| program.windows(word.len()).any(|bytes| bytes == word);
    assert!(says_so(b"it/answer.c") && !says_so(b"/build"));
}

#[test]
fn rust_analyzer_is_told_of_crates() {
    let environment = TestEnvironment::new();
    let imports = format!(
        "let Rust = {}\nlet Command = {}\nlet Dice = {}\nlet toolchains = ../toolchains.dhall\n",
        import("rules/rust/v1.dhall"),
        import("rules/command/v1.dhall"),
        import("dice/v1.dhall"),
    );
    let build = format!(
        r#"{imports}
let shell = Command.shell toolchains.posix

let made = \(target : Text) -> \(output : Text) -> Dice.Source.Output {{ target, output }}

let variable = \(mapKey : Text) -> \(mapValue : Text) -> {{ mapKey, mapValue }}

let crate = Rust.Library::{{ name = "", toolchain = toolchains.rustc, srcs = [] : List Text }}

in  {{ shape = Rust.library (crate // {{ name = "shape", srcs = [ "shape.rs" ], features = [ "round" ], cap_lints = True }})
    , double = Rust.proc_macro (crate // {{ name = "double", srcs = [ "double.rs" ], edition = Rust.Edition.E2021 }})
    , words = Command.command Command.Command::{{ name = "words", root = Some toolchains.posix.artifact, arguments = shell "echo 'pub fn word() -> char {{ 127 as char }}' > $1" [ Command.out "words.rs" ], outputs = [ "words.rs" ] }}
    , show =
        Rust.binary
          (     crate
            //  {{ name = "show"
                , srcs = [ "show.rs" ]
                , generated_srcs = [ made ":words" "words.rs" ]
                , deps = [ ":shape", ":double" ]
                , aliases = [ {{ name = "form", crate = made ":shape" "libshape.rlib" }} ]
                , env =
                  [ variable "KIND" "square"
                  , variable "OUT_DIR" "/build/out/it/words"
                  , variable "HERE" "/build/it"
                  , variable "ELSEWHERE" "/builds"
                  ]
                }}
          )
    }}
"#
    );
    let repo = environment.repository(
        "crates",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("it/BUILD.dhall", &build),
            ("it/shape.rs", "pub fn area() -> u64 { 9 }\n"),
            (
                "it/double.rs",
                "use proc_macro::TokenStream;\n#[proc_macro]\npub fn double(item: TokenStream) -> TokenStream { item }\n",
            ),
            (
                "it/show.rs",
                "include!(concat!(env!(\"OUT_DIR\"), \"/words.rs\"));\n\
                 fn main() { println!(\"{} {} {} {}\", double::double!(shape::area()), form::area(), env!(\"KIND\"), word()); }\n",
            ),
        ],
    );
    let told = repo.straylight(&["ide"]).success();
    assert_eq!(told.stdout, "rust-project.json  3 crates\n");
    let project = json(&repo, "rust-project.json");
    let crates = project["crates"].as_array().unwrap();
    let at = |name: &str| {
        let place = crates
            .iter()
            .position(|known| known["display_name"] == name);
        place.unwrap_or_else(|| panic!("no `{name}`: {project}"))
    };
    let (shape, double, show) = (at("shape"), at("double"), at("show"));
    assert_eq!(
        crates[shape]["cfg"],
        serde_json::json!(["feature=\"round\""])
    );
    assert_eq!(crates[shape]["build"]["target_kind"], "lib");
    assert_eq!(
        crates[show]["root_module"],
        repo.path.join("it/show.rs").to_str().unwrap()
    );
    // What is of the sandbox is told as it lies here, and was made.
    let env = &crates[show]["env"];
    let out = repo.path.join("straylight-out/it/words");
    assert_eq!(env["OUT_DIR"], out.to_str().unwrap());
    assert_eq!(env["HERE"], repo.path.join("it").to_str().unwrap());
    assert_eq!(
        (&env["KIND"], &env["ELSEWHERE"]),
        (&"square".into(), &"/builds".into())
    );
    assert!(out.join("words.rs").exists());
    // What others wrote is read, and not checked.
    assert_eq!(crates[shape]["is_workspace_member"], false);
    assert_eq!(crates[show]["is_workspace_member"], true);
    assert_eq!(crates[show]["build"]["target_kind"], "bin");
    let dependencies = crates[show]["deps"].as_array().unwrap();
    let named = dependencies.iter().map(|dependency| {
        (
            dependency["crate"].as_u64().unwrap() as usize,
            dependency["name"].as_str().unwrap(),
        )
    });
    assert_eq!(
        named.collect::<Vec<_>>(),
        [(shape, "shape"), (double, "double"), (shape, "form")]
    );
    // What the editor's compiler loads was built.
    assert_eq!(crates[double]["is_proc_macro"], true);
    let library = crates[double]["proc_macro_dylib_path"].as_str().unwrap();
    assert!(std::fs::read(library).unwrap().starts_with(b"\x7fELF"));
}

/// The editor itself reads a program of twenty-odd crates, with procedural macros and
/// generated code, and finds nothing that is not there.
#[test]
#[ignore = "needs rust-analyzer, which `tests/soak/run` installs"]
fn rust_analyzer_finds_nothing_amiss() {
    let environment = TestEnvironment::new();
    let repo = environment.fixture("rust", "crates");
    // With the Rust of who runs the tests.
    let home = std::env::var("HOME").unwrap();
    let rustup = std::env::var("RUSTUP_HOME").unwrap_or_else(|_| format!("{home}/.rustup"));
    let mut ide = environment.command(env!("CARGO_BIN_EXE_git-straylight"));
    ide.args(["ide", "//tally", "--mode", "debug"])
        .env("RUSTUP_HOME", &rustup)
        .current_dir(&repo.path);
    let told = outcome(&mut ide).success();
    assert_eq!(told.stdout, "rust-project.json  27 crates\n");
    let project = repo.path.join("rust-project.json");
    let checked = Command::new("rust-analyzer")
        .arg("diagnostics")
        .arg(project)
        .output()
        .expect("`rustup component add rust-analyzer` installs it");
    let said = String::from_utf8_lossy(&checked.stdout);
    says(
        &said,
        &["processing", "tally/main.rs", "diagnostic scan complete"],
    );
    let errors: Vec<&str> = said
        .split("at crate ")
        .filter(|line| line.contains(": Error "))
        .collect();
    assert!(checked.status.success() && errors.is_empty(), "{errors:#?}");
}
