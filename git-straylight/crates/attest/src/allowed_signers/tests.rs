use super::*;
use crate::dsse::Signer as _;
use crate::ssh::{FileSigner, generate};
use crate::sshsig;
use crate::testing::{Scratch, feed};
use proptest::prelude::*;
use std::ffi::OsStr;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

fn parse(text: &str) -> Result<AllowedSigners, AllowedSignersError> {
    AllowedSigners::parse(text, "allowed")
}

fn at(text: &str) -> Moment {
    Moment::At(text.parse().unwrap())
}

#[test]
fn reads_every_part_of_a_line() {
    let text = format!(
        "# who may sign\n\n\t \nme@example.org,*@example.com {KEY} my laptop\n  \"a b\" \
         NAMESPACES=\"git,attest@*\",valid-after=\"20260102Z\",valid-before=\"20270304050607Z\"\t{KEY}\n\
         x namespaces=git {KEY}\n"
    );
    let signers = parse(&text).unwrap();
    let [plain, full, bare] = signers.entries() else {
        panic!("{signers:?}")
    };
    assert_eq!(plain.principals.as_str(), "me@example.org,*@example.com");
    assert_eq!((plain.line, full.line), (4, 5));
    assert_eq!((&plain.namespaces, plain.valid_after), (&None, None));
    assert_eq!(full.principals.as_str(), "a b");
    assert_eq!(full.namespaces, Some(PatternList::new("git,attest@*")));
    assert_eq!(full.valid_after, "2026-01-02T00:00:00Z".parse().ok());
    assert_eq!(full.valid_before, "2027-03-04T05:06:07Z".parse().ok());
    assert_eq!(bare.namespaces, Some(PatternList::new("git")));
    assert_eq!(signers.keys(), [&plain.key], "one key on three lines");
    assert!(parse("").unwrap().entries().is_empty());
}

#[test]
fn other_key_types_are_skipped() {
    let text = format!("me ssh-rsa AAAA\nme sk-ssh-ed25519@openssh.com AAAA c\nme {KEY}\n");
    assert_eq!(parse(&text).unwrap().entries().len(), 1);
}

#[test]
fn a_bad_line_names_its_place_and_the_cure() {
    let key = KEY;
    for (line, expected) in [
        (
            format!("me cert-authority {key}"),
            "allowed:2:4: `cert-authority` is not supported",
        ),
        (
            format!("é colour=red {key}"),
            "allowed:2:3: `colour` is neither",
        ),
        (
            format!("me namespaces=\"git {key}"),
            "allowed:2:15: a quote is never closed",
        ),
        (
            format!("\"me {key}"),
            "allowed:2:1: a quote is never closed",
        ),
        (
            format!("\"\" {key}"),
            "allowed:2:1: the principals are empty",
        ),
        (
            format!("me namespaces=\"\" {key}"),
            "allowed:2:4: `namespaces` needs a value",
        ),
        (
            format!("me namespaces {key}"),
            "allowed:2:4: `namespaces` needs a value",
        ),
        (
            format!("me namespaces=a,namespaces=b {key}"),
            "allowed:2:17: `namespaces` is given twice",
        ),
        (
            format!("me valid-after=\"20260101\" {key}"),
            "allowed:2:4: `valid-after` is `20260101`",
        ),
        (
            format!("me valid-after=\"20261301Z\" {key}"),
            "allowed:2:4: `valid-after` is `20261301Z`",
        ),
        (
            format!("me valid-after=\"2026+101Z\" {key}"),
            "allowed:2:4: `valid-after`",
        ),
        (
            format!("me valid-after=20260101Z,valid-before=20260101Z {key}"),
            "allowed:2:4: the key is never valid",
        ),
        ("me".to_owned(), "allowed:2:3: "),
        ("me ssh-ed25519".to_owned(), "allowed:2:4: "),
        ("me ssh-ed25519 AAAA".to_owned(), "allowed:2:4: "),
        (
            "me ssh-rsa !".to_owned(),
            "allowed:2:4: the key is not base64",
        ),
        (format!("me namespaces=git, {key}"), "allowed:2:19: "),
    ] {
        let error = parse(&format!("# first\n{line}\n"))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

#[test]
fn judges_namespace_and_time() {
    let text = format!(
        "me namespaces=\"git\",valid-after=\"20260101Z\",valid-before=\"20270101Z\" {KEY}\n"
    );
    let signers = parse(&text).unwrap();
    let key = PublicKey::from_openssh(KEY).unwrap();
    let entry = &signers.entries()[0];
    let judge = |namespace: &str, moment| signers.judge(&key, namespace, moment);
    let start = at("2026-01-01T00:00:00Z");
    let end = at("2027-01-01T00:00:00Z");
    assert_eq!(judge("git", start), Standing::Trusted(entry));
    assert_eq!(judge("git", end), Standing::Trusted(entry));
    assert_eq!(
        judge("git", at("2025-12-31T23:59:59Z")),
        Standing::NotYetValid(entry)
    );
    assert_eq!(
        judge("git", at("2027-01-01T00:00:01Z")),
        Standing::Expired(entry)
    );
    assert_eq!(judge("git", Moment::Ever), Standing::Trusted(entry));
    assert_eq!(judge("file", start), Standing::WrongNamespace(entry));
    let scratch = Scratch::new();
    let other = generate(&scratch.path("other"), "").unwrap();
    let standing = signers.judge(other.public_key(), "git", start);
    assert_eq!(standing, Standing::Unknown);

    // A second, wider line for the same key is enough.
    let wider = parse(&format!("{text}me {KEY}\n")).unwrap();
    assert_eq!(
        wider.judge(&key, "file", end),
        Standing::Trusted(&wider.entries()[1])
    );
}

/// Asks the real `ssh-keygen` whether it accepts a signature.
fn ssh_keygen_accepts(scratch: &Scratch, allowed: &str, armored: &str, when: &str) -> bool {
    let allowed = scratch.write("allowed", allowed);
    let signature = scratch.write("sig", armored);
    let time = format!("verify-time={when}");
    let fixed = [
        "-Y",
        "verify",
        "-I",
        "me@example.org",
        "-n",
        "git",
        "-O",
        &time,
        "-f",
    ];
    let mut arguments: Vec<&OsStr> = fixed.iter().map(OsStr::new).collect();
    arguments.extend([allowed.as_os_str(), OsStr::new("-s"), signature.as_os_str()]);
    feed("ssh-keygen", arguments, b"message").status.success()
}

#[test]
fn ssh_keygen_judges_the_same() {
    let scratch = Scratch::new();
    let signer: FileSigner = generate(&scratch.path("key"), "").unwrap();
    let key = signer.public_key().to_openssh();
    let armored = sshsig::sign(&signer, "git", b"message").unwrap();
    for options in [
        "",
        "namespaces=\"git\" ",
        "namespaces=\"file,g?t\" ",
        "namespaces=\"*,!git\" ",
        "namespaces=\"file\" ",
        "valid-after=\"20260101Z\" ",
        "valid-before=\"202601010000Z\" ",
        "valid-before=\"20251231235959Z\" ",
        "valid-after=\"20260101000001Z\" ",
        "Namespaces=\"git\",valid-after=\"20250101Z\",valid-before=\"20270101Z\" ",
    ] {
        let line = format!("me@example.org {options}{key}\n");
        let signers = parse(&line).unwrap();
        let standing = signers.judge(signer.public_key(), "git", at("2026-01-01T00:00:00Z"));
        let theirs = ssh_keygen_accepts(&scratch, &line, &armored, "20260101000000Z");
        assert_eq!(
            matches!(standing, Standing::Trusted(_)),
            theirs,
            "{options}"
        );
    }
}

proptest! {
    #[test]
    fn never_panics(text in "[ -~\té\n]{0,120}") {
        let _ = parse(&text);
    }

    #[test]
    fn never_panics_near_a_real_line(
        name in "[a-zA-Z0-9,*!?@\" ]{0,12}",
        options in "[a-z\\-=\",Z0-9 é]{0,40}",
        cut in 0_usize..90,
    ) {
        let line = format!("{name} {options} {KEY}");
        let cut = (0..=line.len().saturating_sub(cut)).rev().find(|&at| line.is_char_boundary(at));
        let _ = parse(&line[..cut.unwrap_or(0)]);
    }

    #[test]
    fn what_was_written_is_what_is_read(
        principals in "[a-z@.*,]{1,12}",
        namespaces in "[a-z@.*,]{1,12}",
        year in 1990_i16..2100, day in 1_i8..29,
    ) {
        let line = format!(
            "{principals} namespaces=\"{namespaces}\",valid-after=\"{year:04}06{day:02}1530Z\" {KEY}"
        );
        let signers = parse(&line).unwrap();
        let entry = &signers.entries()[0];
        prop_assert_eq!(entry.principals.as_str(), principals);
        prop_assert_eq!(entry.namespaces.clone(), Some(PatternList::new(&namespaces)));
        let expected: Timestamp = format!("{year:04}-06-{day:02}T15:30:00Z").parse().unwrap();
        prop_assert_eq!(entry.valid_after, Some(expected));
    }
}
