//! The tampered twins: whatever is changed after it was signed is refused, by
//! the right exit code, with a message that says what it is.

use std::fs;
use std::path::{Path, PathBuf};

use straylight_attest::Statement;
use straylight_build::record::BuildRecord;
use straylight_odb::{Sha256, layout};

use crate::support::signing::{
    attested, forge, keygen, note, replace_note, signing_key, statement, trust,
};
use crate::support::{Repo, TestEnvironment, says};

const PROGRAM: &str = "straylight-out/hello/hello/hello";

/// Changes the last byte of a stored file. The file is replaced, as others may
/// share it.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Verifies `//hello`; it must end so, and say these things.
#[track_caller]
fn verdict(repo: &Repo<'_>, code: i32, parts: &[&str]) {
    let verdict = repo.straylight(&["verify", "//hello"]).code(code);
    says(&verdict.stdout, parts);
}

fn cached(repo: &Repo<'_>, key: &str) -> PathBuf {
    repo.environment.cache().join(key)
}

/// Returns a text with one letter of the value of `field` changed.
fn altered(line: &str, field: &str) -> String {
    let start = line.find(&format!("\"{field}\":\"")).unwrap() + field.len() + 4 + 20;
    let (before, rest) = line.split_at(start);
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    format!("{before}{other}{}", &rest[1..])
}

#[test]
fn the_artifact_where_a_build_put_it() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    repo.straylight(&["build", "//hello"]).success();
    verdict(&repo, 0, &["artifact   passed"]);
    flip(&repo.path.join(PROGRAM));
    let refused = "refused: the attestation says otherwise";
    verdict(&repo, 1, &["artifact   FAILED", "attested was", refused]);
    let file = repo.straylight(&["verify", PROGRAM]).code(1);
    says(&file.stdout, &["artifact   FAILED", refused]);
    // What was not made because of it is not called missing.
    says(&file.stdout, &["trace      passed", "spec       passed"]);
    repo.straylight(&["build", "//hello"]).success();
    verdict(&repo, 0, &["artifact   passed"]);
}

#[test]
fn the_artifact_in_the_store() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let subject = statement(&repo).subjects[0].sha256;
    let blob = cached(&repo, &layout::blob(subject));
    flip(&blob);
    verdict(&repo, 1, &["artifact   FAILED", "hello/hello/hello"]);
    // Gone is not wrong.
    fs::remove_file(&blob).unwrap();
    verdict(
        &repo,
        0,
        &["artifact   not checked", "verified: signed and logged"],
    );
}

#[test]
fn the_envelope_in_the_note() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let line = note(&repo).as_line().to_owned();
    for field in ["payload", "sig"] {
        replace_note(&repo, &altered(&line, field));
        verdict(&repo, 5, &["signature  FAILED", "refused: nobody"]);
    }
    replace_note(&repo, "{}");
    let refused = repo.straylight(&["verify", "//hello"]).code(5);
    says(
        &refused.stderr,
        &[
            "line 1 of the note of commit",
            "is not an attestation",
            "hint: ",
        ],
    );
    // Beside a false one, the true one still counts.
    replace_note(&repo, &format!("{}\n{line}\n", altered(&line, "sig")));
    verdict(&repo, 0, &["verified: "]);
    repo.git(["notes", "--ref=straylight", "remove", "HEAD"]);
    verdict(&repo, 3, &["refused: no attestation"]);
}

/// Moves the log to a commit that is made like its tip, and not the same.
fn rewrite_log(repo: &Repo<'_>, configuration: &[&str], sign: &[&str]) {
    let tree = repo.git(["rev-parse", "refs/straylight/log^{tree}"]);
    let make = ["commit-tree", "-m", "rewritten", &tree];
    let arguments = [configuration, &make[..1], sign, &make[1..]].concat();
    let made = repo.run("git", &arguments).success();
    repo.git(["update-ref", "refs/straylight/log", made.stdout.trim()]);
}

#[test]
fn an_entry_of_the_log_without_a_signature() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    rewrite_log(&repo, &[], &[]);
    verdict(&repo, 5, &["log        FAILED", "the log is damaged"]);
    // A file anywhere is looked up in the log, and told the same.
    let elsewhere = environment.root().join("elsewhere");
    let subject = statement(&repo).subjects[0].sha256;
    fs::copy(cached(&repo, &layout::blob(subject)), &elsewhere).unwrap();
    let refused = repo.straylight(&["verify", elsewhere.to_str().unwrap()]);
    says(&refused.code(5).stdout, &["the log is damaged"]);
}

#[test]
fn an_entry_of_the_log_by_another_key() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let sign_with = |key: &Path| {
        let key = format!("user.signingKey={}", key.display());
        rewrite_log(&repo, &["-c", "gpg.format=ssh", "-c", &key], &["-S"]);
    };
    sign_with(&signing_key(&environment));
    verdict(&repo, 0, &["log        passed"]);
    sign_with(&keygen(&environment, "other"));
    verdict(&repo, 5, &["log        FAILED", "is not trusted"]);
}

#[test]
fn an_envelope_in_the_log_under_a_wrong_name() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let envelope = note(&repo);
    let changed = environment.root().join("changed");
    fs::write(&changed, altered(envelope.as_line(), "sig")).unwrap();
    let blob = repo.git(["hash-object", "-w", changed.to_str().unwrap()]);
    let info = format!("100644,{blob},{}.json", envelope.digest());
    repo.git(["read-tree", "--empty"]);
    repo.git(["update-index", "--add", "--cacheinfo", &info]);
    let tree = repo.git(["write-tree"]);
    repo.git(["read-tree", "HEAD"]);
    let key = format!("user.signingKey={}", signing_key(&environment).display());
    let ssh = "gpg.format=ssh";
    let entry = repo.git(["-c", ssh, "-c", &key, "commit-tree", "-S", "-m", "x", &tree]);
    repo.git(["update-ref", "refs/straylight/log", &entry]);
    verdict(
        &repo,
        5,
        &["log        FAILED", "not what it is named after"],
    );
}

#[test]
fn the_key_of_the_allowed_signer() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let signers = trust(&repo, &[&signing_key(&environment)]);
    let other = fs::read_to_string(keygen(&environment, "other").with_extension("pub")).unwrap();
    fs::write(signers, format!("signer@example.com {other}")).unwrap();
    verdict(&repo, 5, &["signature  FAILED"]);
}

#[test]
fn a_statement_about_bytes_that_no_action_made() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let mut forged = statement(&repo);
    forged.subjects[0].sha256 = Sha256::of(b"other bytes");
    let blob = cached(&repo, &layout::blob(forged.subjects[0].sha256));
    fs::write(blob, b"other bytes").unwrap();
    forge(&repo, &forged);
    verdict(
        &repo,
        1,
        &[
            "signature  passed",
            "artifact   passed",
            "trace      FAILED",
            "no action made `hello/hello/hello` as it is attested",
        ],
    );
}

#[test]
fn a_statement_that_claims_another_commit() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let mut forged = statement(&repo);
    let text = String::from_utf8(repo.read("greeting/greeting.c")).unwrap();
    repo.write("greeting/greeting.c", &text.replace("hello", "bye"));
    repo.commit("second");
    forged.source.commit = repo.git(["rev-parse", "HEAD"]).parse().unwrap();
    forge(&repo, &forged);
    verdict(&repo, 1, &["tree       FAILED", "source     FAILED"]);

    // The same lie, with a tree and a source root that are right: the actions
    // that were recorded do not follow from these sources.
    repo.straylight(&["attest", "//greeting"]).success();
    let notes = repo.git(["notes", "--ref=straylight", "show", "HEAD"]);
    let envelopes = notes.lines();
    let honest = envelopes
        .map(|line| straylight_attest::Envelope::parse(line.as_bytes()).unwrap())
        .map(|envelope| Statement::from_bytes(envelope.payload()).unwrap())
        .find(|statement| statement.label == "//greeting:greeting")
        .unwrap();
    forged.source = honest.source;
    forge(&repo, &forged);
    verdict(
        &repo,
        1,
        &[
            "source     passed",
            "trace      FAILED",
            "of //greeting:greeting otherwise than is recorded",
        ],
    );
}

#[test]
fn the_record_of_the_build() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let path = cached(&repo, &layout::trace(statement(&repo).trace));
    let whole = fs::read(&path).unwrap();
    flip(&path);
    verdict(&repo, 1, &["trace      FAILED"]);
    fs::write(&path, "").unwrap();
    verdict(&repo, 1, &["trace      FAILED"]);
    fs::remove_file(&path).unwrap();
    verdict(
        &repo,
        0,
        &["trace      not checked", "the trace was not compared"],
    );
    fs::write(&path, whole).unwrap();
    verdict(&repo, 0, &["trace      passed"]);
}

#[test]
fn the_trace_of_one_action() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let record = fs::read(cached(&repo, &layout::trace(statement(&repo).trace))).unwrap();
    let record = BuildRecord::decode(&record).unwrap();
    let path = cached(&repo, &layout::trace(record.actions[0].trace()));
    flip(&path);
    verdict(
        &repo,
        1,
        &["trace      FAILED", "has a trace that was changed"],
    );
    fs::remove_file(&path).unwrap();
    verdict(&repo, 0, &["trace      not checked"]);
}

#[test]
fn the_spec() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let path = cached(&repo, &layout::spec(statement(&repo).spec));
    flip(&path);
    verdict(&repo, 1, &["spec       FAILED"]);
    fs::remove_file(&path).unwrap();
    verdict(&repo, 0, &["spec       not checked"]);
}

/// Replaces bytes by as many others, wherever they are.
fn replaced(bytes: &[u8], from: Sha256, to: Sha256) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    for start in 0..bytes.len().saturating_sub(31) {
        if &bytes[start..start + 32] == from.as_raw() {
            bytes[start..start + 32].copy_from_slice(to.as_raw());
            found += 1;
        }
    }
    assert!(found > 0, "the digest is there");
    bytes
}

/// A record that agrees with itself in every digest, signed by the right key:
/// a compiled file was exchanged, and what was linked was not linked from it.
#[test]
fn a_record_that_does_not_follow_from_the_sources() {
    let environment = TestEnvironment::new();
    let repo = attested(&environment);
    let mut forged = statement(&repo);
    let store = |bytes: &[u8]| {
        let sha256 = Sha256::of(bytes);
        fs::write(cached(&repo, &layout::trace(sha256)), bytes).unwrap();
        sha256
    };
    let bytes = fs::read(cached(&repo, &layout::trace(forged.trace))).unwrap();
    let record = BuildRecord::decode(&bytes).unwrap();
    let compile = record.actions.iter();
    let compile = compile
        .filter(|action| action.label == "//hello:hello")
        .find(|action| action.outputs[0].path.ends_with(".o"))
        .unwrap();
    let trace = fs::read(cached(&repo, &layout::trace(compile.trace()))).unwrap();
    let made = match &compile.outputs[0].content {
        straylight_exec::trace::TraceContent::File { digest, .. } => *digest,
        other => panic!("{other:?}"),
    };
    // Of the same size, so that nothing else of the record changes.
    let mut object = fs::read(cached(&repo, &layout::blob(made.sha256()))).unwrap();
    *object.last_mut().unwrap() ^= 1;
    let exchanged = Sha256::of(&object);
    fs::write(cached(&repo, &layout::blob(exchanged)), object).unwrap();

    let forged_trace = store(&replaced(&trace, made.sha256(), exchanged));
    let bytes = replaced(&bytes, made.sha256(), exchanged);
    let bytes = replaced(&bytes, compile.trace(), forged_trace);
    forged.trace = store(&bytes);
    forged.actions = BuildRecord::decode(&bytes).unwrap().action_table();
    forge(&repo, &forged);
    verdict(
        &repo,
        1,
        &[
            "signature  passed",
            "log        passed",
            "trace      FAILED",
            "of //hello:hello otherwise than is recorded",
        ],
    );
}
