//! `git straylight pin`.

use std::fs;

use crate::cli::build::package;
use crate::support::server::{Reply, Server};
use crate::support::{TestEnvironment, says};

/// A command that copies what is pinned.
pub fn copying(source: &str) -> String {
    format!(
        r#"copy = Command.command Command.Command::{{ name = "copy", root = Some toolchains.posix.artifact, arguments = shell "cat \"$1\" > \"$2\"" [ Dice.Argument.Pieces [ Dice.Piece.Source ({source}) ], Command.out "copied" ], outputs = [ "copied" ] }}"#
    )
}

fn sha256(bytes: &[u8]) -> String {
    straylight_odb::Sha256::of(bytes).to_string()
}

#[test]
fn a_pinned_file_is_there_for_builds() {
    let environment = TestEnvironment::new();
    let bytes = b"these bytes\0and these\n";
    let data = environment.root().join("some data.bin");
    fs::write(&data, bytes).unwrap();
    let hash = sha256(bytes);
    let record = |urls: &str| {
        format!(
            "Dice.Source.Pinned {{ path = \"in/data.bin\", sha256 = \"{hash}\", size = {}, urls = {urls} }}",
            bytes.len()
        )
    };
    // Not there yet: the message says how it gets there.
    let repo = package(
        &environment,
        &copying(&record("[ \"https://example.com/data?a=1&b=2\" ]")),
    );
    let missing = repo.straylight(&["build", "//it:copy"]).code(3);
    says(
        &missing.stderr,
        &[
            &hash,
            "--> it/BUILD.dhall:",
            "git straylight pin 'https://example.com/data?a=1&b=2'",
        ],
    );

    let file = data.to_str().unwrap();
    let pinned = repo
        .straylight(&["pin", file, "--path", "in/data.bin"])
        .success();
    says(&pinned.stderr, &["pinned 22 bytes"]);
    assert!(pinned.stdout.starts_with("Dice.Source.Pinned"));
    // What is printed can be pasted.
    let repo = package(&environment, &copying(&pinned.stdout));
    repo.straylight(&["build", "//it:copy"]).success();
    assert_eq!(repo.read("straylight-out/it/copy/copied"), bytes);
    // The file itself is not needed any more.
    fs::remove_file(&data).unwrap();
    fs::remove_dir_all(repo.path.join("straylight-out")).unwrap();
    repo.straylight(&["build", "//it:copy"]).success();
}

#[test]
fn other_bytes_are_refused() {
    let environment = TestEnvironment::new();
    let repo = environment.repository("empty", &[]);
    repo.write("data", "changed");
    let wanted = sha256(b"data");
    let run = repo
        .straylight(&["pin", "data", "--sha256", &wanted])
        .code(1);
    says(
        &run.stderr,
        &[&sha256(b"changed"), &wanted, "nothing was kept"],
    );
    assert_eq!(run.stdout, "");
    let blobs = environment.cache().join("cas");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 0);
    let good = sha256(b"changed");
    repo.straylight(&["pin", "data", "--sha256", &good])
        .success();

    repo.straylight(&["pin", "absent"]).code(3);
    repo.straylight(&["pin", "."]).code(2);
    repo.straylight(&["pin", "data", "--path", "../data"])
        .code(2);
    repo.straylight(&["pin", "data", "--sha256", "12"]).code(2);
}

#[test]
fn a_url_is_fetched_once_and_built_without_the_network() {
    let environment = TestEnvironment::new();
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 253) as u8).collect();
    let sent = bytes.clone();
    let server = Server::start(move |received| match received.path.as_str() {
        "/moved" => Reply::redirect("/files/data-1.0.bin?x=1"),
        "/files/data-1.0.bin?x=1" => Reply::ok(sent.clone()),
        _ => Reply::status("404 Not Found"),
    });
    let repo = environment.repository("empty", &[]);
    let url = server.url("/files/data-1.0.bin?x=1");
    let pinned = repo.straylight(&["pin", &url]).success();
    says(
        &pinned.stdout,
        &[
            "path = \"data-1.0.bin\"",
            "size = 200000",
            &url,
            &sha256(&bytes),
        ],
    );
    let moved = server.url("/moved");
    repo.straylight(&["pin", &moved, "--sha256", &sha256(&bytes)])
        .success();

    let absent = repo.straylight(&["pin", &server.url("/absent")]).code(3);
    says(&absent.stderr, &["is not there", "404", "hint"]);
    let other = repo
        .straylight(&["pin", &url, "--sha256", &sha256(b"other")])
        .code(1);
    says(&other.stderr, &[&sha256(&bytes)]);
    let large = repo.straylight(&["pin", &url, "--max-size", "0"]).code(2);
    says(&large.stderr, &["is too large", "--max-size"]);
    let nameless = repo.straylight(&["pin", &server.url("/")]).code(2);
    says(&nameless.stderr, &["--path"]);
    let secret = repo
        .straylight(&["pin", "http://me:secret@127.0.0.1:9/x"])
        .code(2);
    says(&secret.stderr, &["a user's name in it"]);
    // Nothing half done stays.
    let left = fs::read_dir(environment.cache().join("cas")).unwrap();
    assert_eq!(left.count(), 1);

    let asked = server.received().len();
    let record = pinned.stdout;
    let repo = package(&environment, &copying(&record));
    repo.straylight(&["build", "//it:copy"]).success();
    assert_eq!(repo.read("straylight-out/it/copy/copied"), bytes);
    assert_eq!(server.received().len(), asked);
}
