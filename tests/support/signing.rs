//! Keys, allowed signers, attested repositories, and what other tools say of
//! signatures.

use std::fs;
use std::path::{Path, PathBuf};

use straylight_attest::dsse::IN_TOTO;
use straylight_attest::signed_commit::Author;
use straylight_attest::ssh::FileSigner;
use straylight_attest::{Envelope, Statement};
use straylight_odb::Repository;

use crate::cli::build::hello;
use crate::support::{Repo, TestEnvironment, outcome};

/// Makes a key with the real `ssh-keygen`, and returns the private key's file.
pub fn keygen(environment: &TestEnvironment, name: &str) -> PathBuf {
    let path = environment.root().join(name);
    let mut command = environment.command("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path);
    outcome(&mut command).success();
    path
}

/// Returns the public half of a key, as one line.
pub fn public(key: &Path) -> String {
    let text = fs::read_to_string(key.with_extension("pub")).unwrap();
    text.trim().to_owned()
}

/// Makes the repository believe the owners of these keys and nobody else, and
/// returns the file that says so.
pub fn trust(repo: &Repo<'_>, keys: &[&Path]) -> PathBuf {
    let path = repo.environment.root().join("allowed_signers");
    let lines = keys.iter().map(|key| {
        let name = key.file_stem().unwrap().to_str().unwrap();
        format!("{name}@example.com {}\n", public(key))
    });
    fs::write(&path, lines.collect::<String>()).unwrap();
    let setting = path.to_str().unwrap();
    repo.git(["config", "straylight.allowedSignersFile", setting]);
    path
}

/// The key that signs in [`attested`] repositories.
pub fn signing_key(environment: &TestEnvironment) -> PathBuf {
    environment.root().join("signer")
}

/// The repository `hello` with a key that its owner trusts.
pub fn signed_hello(environment: &TestEnvironment) -> Repo<'_> {
    let repo = hello(environment);
    let key = keygen(environment, "signer");
    trust(&repo, &[&key]);
    repo.git(["config", "user.signingKey", key.to_str().unwrap()]);
    repo
}

/// The same, with `//hello` attested at `HEAD`.
pub fn attested(environment: &TestEnvironment) -> Repo<'_> {
    let repo = signed_hello(environment);
    repo.straylight(&["attest", "//hello"]).success();
    repo
}

/// Returns the only envelope in the note of `HEAD`, as git prints it.
pub fn note(repo: &Repo<'_>) -> Envelope {
    let note = repo.git(["notes", "--ref=straylight", "show", "HEAD"]);
    Envelope::parse(note.as_bytes()).unwrap()
}

/// Returns what the only envelope in the note of `HEAD` says.
pub fn statement(repo: &Repo<'_>) -> Statement {
    Statement::from_bytes(note(repo).payload()).unwrap()
}

/// Replaces the note of `HEAD`, as anybody with a git can.
pub fn replace_note(repo: &Repo<'_>, text: &str) {
    let file = repo.environment.root().join("note");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    repo.git([
        "notes",
        "--ref=straylight",
        "add",
        "-f",
        "--no-stripspace",
        "-F",
        file,
        "HEAD",
    ]);
}

/// Signs a statement with a key that is trusted and logs it, as a liar with
/// the right key can; it becomes the only one in the note of `HEAD`.
pub fn forge(repo: &Repo<'_>, statement: &Statement) {
    let signer = FileSigner::open(&signing_key(repo.environment)).unwrap();
    let envelope = Envelope::sign(IN_TOTO, &statement.to_bytes(), &signer).unwrap();
    let author = Author {
        name: "Liar".to_owned(),
        email: "liar@example.com".to_owned(),
    };
    let repository = Repository::discover(&repo.path).unwrap();
    let envelopes = [envelope];
    let now = jiff::Timestamp::now();
    straylight_attest::record::record(&repository, &signer, &author, now, &envelopes).unwrap();
    replace_note(repo, envelopes[0].as_line());
}

/// Asks `openssl` whether the first signature of an envelope is one of `key`
/// over its payload; `alter` can change the bytes that are signed. Nothing of
/// ours takes part but the export of the key.
pub fn openssl_agrees(
    repo: &Repo<'_>,
    key: &Path,
    line: &str,
    alter: impl FnOnce(&mut Vec<u8>),
) -> bool {
    let envelope: serde_json::Value = serde_json::from_str(line).unwrap();
    let root = repo.environment.root();
    let payload = from_base64(repo, envelope["payload"].as_str().unwrap());
    let signature = from_base64(repo, envelope["signatures"][0]["sig"].as_str().unwrap());
    let payload_type = envelope["payloadType"].as_str().unwrap();
    let mut signed = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    signed.extend(payload);
    alter(&mut signed);
    fs::write(root.join("pae"), signed).unwrap();
    fs::write(root.join("sig"), signature).unwrap();
    let public = key.with_extension("pub");
    let pem = repo.straylight(&["key", "export", "--pem", public.to_str().unwrap()]);
    fs::write(root.join("pem"), pem.success().stdout).unwrap();
    let mut command = repo.environment.command("openssl");
    command.args([
        "pkeyutl", "-verify", "-pubin", "-inkey", "pem", "-rawin", "-in", "pae", "-sigfile", "sig",
    ]);
    let verdict = outcome(&mut command);
    let said = format!("{}{}", verdict.stdout, verdict.stderr);
    assert!(said.contains("Signature Verif"), "{said}");
    verdict.code == 0
}

fn from_base64(repo: &Repo<'_>, text: &str) -> Vec<u8> {
    let file = repo.environment.root().join("base64");
    fs::write(&file, text).unwrap();
    let output = repo
        .environment
        .command("base64")
        .arg("-d")
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}
