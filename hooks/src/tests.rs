//! The gate, with a real bare repository and real pushes. The hook program is
//! this test binary: see [`the_gate_program`].

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use jiff::Timestamp;
use straylight_attest::dsse::{IN_TOTO, Signer};
use straylight_attest::log::{self, LOG_REF};
use straylight_attest::notes::{self, NOTES_REF};
use straylight_attest::record;
use straylight_attest::signed_commit::Author;
use straylight_attest::ssh::{FileSigner, generate};
use straylight_attest::statement::{Named, Source, builder_id};
use straylight_attest::{Envelope, Statement};
use straylight_odb::fixture::GitFixture;
use straylight_odb::{ObjectId, Repository, Sha256};

use crate::{GateConfig, Update, install, parse_updates, pre_receive};

const ROLE: &str = "STRAYLIGHT_TEST_GATE";
const MAIN: &str = "main";

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// A server with the gate, and a client with a key that it allows.
struct Setup {
    server: GitFixture,
    client: GitFixture,
    repository: Repository,
    signer: FileSigner,
}

impl Setup {
    fn new() -> Self {
        let setup = Self::without_signers();
        setup.allow(&setup.line(""));
        setup
    }

    fn without_signers() -> Self {
        let server = GitFixture::init(&["--bare"]);
        let client = GitFixture::new();
        client.git(&["remote", "add", "origin", server.path().to_str().unwrap()]);
        let signer = generate(&client.folder().join("key"), "").unwrap();
        client.write("main.c", "int main(void) { return 0; }\n");
        client.commit("first");
        let repository = Repository::discover(client.path()).unwrap();
        let hooked = Repository::discover(server.path()).unwrap();
        install(&hooked, &program(&server)).unwrap();
        Self {
            server,
            client,
            repository,
            signer,
        }
    }

    /// A line of the allowed signers for the client's key.
    fn line(&self, options: &str) -> String {
        let key = self.signer.public_key().to_openssh();
        format!("ada@example.org {options}{key}\n")
    }

    fn allow(&self, lines: &str) {
        let path = self.server.folder().join("allowed_signers");
        std::fs::write(&path, lines).unwrap();
        let path = path.to_str().unwrap();
        self.server
            .git(&["config", "straylight.allowedSignersFile", path]);
    }

    fn head(&self) -> ObjectId {
        self.client.git(&["rev-parse", "HEAD"]).parse().unwrap()
    }

    fn commit(&self, message: &str) -> ObjectId {
        self.client.commit(message).parse().unwrap()
    }

    fn envelope(&self, label: &str, signer: &dyn Signer) -> Envelope {
        let commit = self.repository.read_commit(self.head()).unwrap();
        let statement = statement(label, commit.id, commit.tree);
        Envelope::sign(IN_TOTO, &statement.to_bytes(), signer).unwrap()
    }

    fn record(&self, envelopes: &[Envelope]) -> record::Recorded {
        let Self {
            repository, signer, ..
        } = self;
        record::record(repository, signer, &author(), now(), envelopes).unwrap()
    }

    /// Attests `HEAD`, as `git straylight attest` does.
    fn attest(&self) -> record::Recorded {
        self.record(&[self.envelope("//app:app", &self.signer)])
    }

    /// Pushes; returns what git said, as an error when it was refused.
    fn push(&self, refs: &[&str]) -> Result<String, String> {
        let mut arguments = vec!["push", "--atomic", "origin"];
        arguments.extend(refs);
        let output = self.client.try_git(&arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            Ok(text)
        } else {
            Err(text)
        }
    }

    fn push_all(&self) -> Result<String, String> {
        self.push(&[MAIN, LOG_REF, NOTES_REF])
    }

    /// Asserts that the push is refused for `reason`, and that nothing moved.
    #[track_caller]
    fn refused(&self, refs: &[&str], reason: &str) {
        let before = self.server.git(&["for-each-ref"]);
        let said = self.push(refs).expect_err("the push must be refused");
        assert!(said.contains("pre-receive hook declined"), "{said}");
        assert!(said.contains(reason), "{reason}: {said}");
        assert_eq!(self.server.git(&["for-each-ref"]), before);
    }

    fn set_client_ref(&self, name: &str, id: ObjectId) {
        self.client.git(&["update-ref", name, &id.to_string()]);
    }

    fn stranger(&self) -> FileSigner {
        generate(&self.client.folder().join("stranger"), "").unwrap()
    }
}

fn author() -> Author {
    Author {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    }
}

fn statement(label: &str, commit: ObjectId, tree: ObjectId) -> Statement {
    let sha256 = Sha256::of(label.as_bytes());
    Statement {
        subjects: vec![Named {
            name: "app".to_owned(),
            sha256,
        }],
        label: label.to_owned(),
        configuration: BTreeMap::new(),
        internal: BTreeMap::new(),
        source: Source {
            repository: None,
            commit,
            tree,
            root: sha256,
        },
        toolchains: Vec::new(),
        builder: builder_id("namespace"),
        invocation: "1".to_owned(),
        started: now(),
        finished: now(),
        spec: sha256,
        trace: sha256,
        actions: sha256,
        proof: None,
    }
}

/// Writes the program that the hook runs: this binary, in another role.
fn program(server: &GitFixture) -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    let path = server.folder().join("program");
    let script = format!(
        "#!/bin/sh\n[ \"$*\" = 'hook pre-receive' ] || exit 99\n{ROLE}=1 exec '{}' --exact \
         tests::the_gate_program --nocapture\n",
        binary.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What the command line does for `hook pre-receive`. As a test of its own, it
/// pushes once.
#[test]
fn the_gate_program() {
    if std::env::var_os(ROLE).is_none() {
        let setup = Setup::new();
        setup.refused(&[MAIN], "has no attestation");
        return;
    }
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).unwrap();
    let updates = parse_updates(&input).unwrap();
    let repository = Repository::from_environment().unwrap();
    let config = GateConfig::read(&repository).unwrap();
    let verdict = pre_receive(&repository, &updates, &config, now()).unwrap();
    for refusal in &verdict.refusals {
        eprintln!("{refusal}");
    }
    for (name, verdicts) in &verdict.verified {
        eprintln!("{name}: {}", verdicts[0].assurance);
    }
    std::process::exit(i32::from(!verdict.is_accepted()));
}

#[test]
fn a_push_is_refused_without_and_accepted_with_its_attestation() {
    let setup = Setup::new();
    setup.refused(
        &[MAIN],
        &format!(
            "refs/heads/main: commit {} has no attestation",
            setup.head()
        ),
    );
    setup.refused(
        &[MAIN],
        "git straylight attest //... && git push --atomic origin main refs/straylight/log \
         refs/notes/straylight",
    );
    let recorded = setup.attest();
    setup.refused(&[MAIN], "has no attestation");
    let said = setup.push_all().unwrap();
    assert!(
        said.contains("refs/heads/main: signed and logged"),
        "{said}"
    );
    for (name, id) in [
        ("main", setup.head()),
        (LOG_REF, recorded.log),
        (NOTES_REF, recorded.notes),
    ] {
        assert_eq!(setup.server.git(&["rev-parse", name]), id.to_string());
    }
    // The next commit is as unattested as the first one was.
    setup.commit("second");
    setup.refused(&[MAIN], "has no attestation");
    // Its attestation may also come before it.
    setup.attest();
    setup.push(&[LOG_REF, NOTES_REF]).unwrap();
    setup.push(&[MAIN]).unwrap();
    // Another branch at an attested commit needs nothing more.
    setup
        .server
        .git(&["config", "--add", "straylight.protect", "refs/heads/*"]);
    setup.push(&["main:refs/heads/release/1"]).unwrap();
}

#[test]
fn other_refs_pass_and_protected_ones_stay() {
    let setup = Setup::new();
    setup
        .push(&["main:refs/heads/topic", "main:refs/tags/v1"])
        .unwrap();
    setup.push(&[":refs/heads/topic"]).unwrap();
    setup.attest();
    setup.push_all().unwrap();
    setup.refused(&[":refs/heads/main"], "may not be deleted");
    setup.refused(&[&format!(":{LOG_REF}")], "the log may not be deleted");
    setup.refused(&[&format!(":{NOTES_REF}")], "the notes may not be deleted");

    setup.client.git(&[
        "commit",
        "--quiet",
        "--amend",
        "--allow-empty",
        "-m",
        "rewritten",
    ]);
    setup.attest();
    setup.refused(&["+main", LOG_REF, NOTES_REF], "does not continue");
}

#[test]
fn patterns_choose_what_is_protected() {
    let setup = Setup::new();
    for pattern in ["refs/heads/release/*", "refs/tags/v*"] {
        setup
            .server
            .git(&["config", "--add", "straylight.protect", pattern]);
    }
    setup.push(&[MAIN]).unwrap();
    for name in [
        "refs/heads/release/1",
        "refs/heads/release/a/b",
        "refs/tags/v1",
    ] {
        setup.refused(&[&format!("main:{name}")], "has no attestation");
    }
    setup.client.git(&["tag", "-a", "v2", "-m", "annotated"]);
    setup.refused(&["v2"], "has no attestation");
    setup.attest();
    setup.push(&["v2", LOG_REF, NOTES_REF]).unwrap();
    setup.refused(&["main^{tree}:refs/tags/v3"], "is no commit");
}

#[test]
fn a_symbolic_ref_is_no_way_around() {
    let setup = Setup::new();
    setup.attest();
    setup.push_all().unwrap();
    for (alias, target) in [
        ("refs/heads/alias", "refs/heads/main"),
        ("refs/heads/log", LOG_REF),
    ] {
        setup.server.git(&["symbolic-ref", alias, target]);
    }
    setup.commit("second");
    setup.refused(&["main:refs/heads/alias"], "has no attestation");
    setup.refused(&["+main:refs/heads/log"], "another name of the log");
}

#[test]
fn without_allowed_signers_nothing_protected_is_accepted() {
    let setup = Setup::without_signers();
    setup.attest();
    let all = [MAIN, LOG_REF, NOTES_REF];
    setup.refused(&all, "straylight.allowedSignersFile");
    setup.push(&["main:refs/heads/topic"]).unwrap();
    setup.refused(&[LOG_REF, NOTES_REF], "straylight.allowedSignersFile");
    setup
        .server
        .git(&["config", "straylight.allowedSignersFile", "absent"]);
    setup.refused(&all, "absent");
    setup.allow("ada@example.org colour=red ssh-ed25519 AAAA\n");
    setup.refused(&all, "allowed_signers:1:17: `colour`");
    setup.allow("");
    setup.refused(&all, "not among the allowed signers");
}

#[test]
fn required_targets_and_builders() {
    let setup = Setup::new();
    setup
        .server
        .git(&["config", "--add", "straylight.require", "//app:app"]);
    setup
        .server
        .git(&["config", "--add", "straylight.require", "//lib:lib"]);
    setup.attest();
    setup.refused(
        &[MAIN, LOG_REF, NOTES_REF],
        "no valid attestation of `//lib:lib`",
    );
    setup.record(&[setup.envelope("//lib:lib", &setup.signer)]);
    setup
        .server
        .git(&["config", "straylight.builder", &builder_id("microvm")]);
    setup.refused(
        &[MAIN, LOG_REF, NOTES_REF],
        "not among the trusted builders",
    );
    setup
        .server
        .git(&["config", "straylight.builder", &builder_id("namespace")]);
    setup.push_all().unwrap();
}

#[test]
fn signers_are_judged_at_the_push() {
    let all = [MAIN, LOG_REF, NOTES_REF];
    let setup = Setup::new();
    setup.attest();
    setup.allow(&setup.line("valid-before=\"20260101Z\" "));
    setup.refused(&all, "has expired");
    setup.allow(&setup.line("valid-after=\"20270101Z\" "));
    setup.refused(&all, "is not valid yet");
    setup.allow(&setup.line("namespaces=\"git\" "));
    setup.refused(&all, "may not sign for this purpose");
    setup.allow(&setup.line("").replace("ada@", "eve@"));
    setup.push_all().expect("any principal may sign");
}

#[test]
fn strangers_publish_and_vouch_for_nothing() {
    let all = [MAIN, LOG_REF, NOTES_REF];
    let setup = Setup::new();
    let stranger = setup.stranger();
    setup.record(&[setup.envelope("//app:app", &stranger)]);
    setup.refused(&all, "no trusted key signed");

    let setup = Setup::new();
    let stranger = setup.stranger();
    let mine = [setup.envelope("//app:app", &setup.signer)];
    record::record(&setup.repository, &stranger, &author(), now(), &mine).unwrap();
    setup.refused(&all, "not among the allowed signers");
}

#[test]
fn a_forged_or_rewritten_log_is_refused() {
    let setup = Setup::new();
    let first = setup.attest();
    setup.push_all().unwrap();
    setup.commit("second");
    let second = setup.attest();
    let all = [MAIN, LOG_REF, NOTES_REF];

    let raw = setup.repository.read_commit(second.log).unwrap().raw;
    let kind = straylight_odb::repo::ObjectKind::Commit;
    let forged = String::from_utf8(raw)
        .unwrap()
        .replacen("attest //", "retest //", 1);
    let forged = setup
        .repository
        .write_object(kind, forged.as_bytes())
        .unwrap();
    setup.set_client_ref(LOG_REF, forged);
    setup.refused(&all, "does not verify");

    // A log of its own, which does not continue the server's.
    let envelope = [setup.envelope("//app:app", &setup.signer)];
    let Setup {
        repository, signer, ..
    } = &setup;
    let fresh = log::append(repository, signer, &author(), now(), None, &envelope).unwrap();
    setup.set_client_ref(LOG_REF, fresh);
    let forced = [MAIN, "+refs/straylight/log", NOTES_REF];
    setup.refused(&forced, "history was rewritten or has forked");
    setup.set_client_ref(LOG_REF, first.log);
    setup.refused(&all, "is not what the log gives");

    setup.set_client_ref(LOG_REF, second.log);
    setup.push_all().unwrap();
    setup.set_client_ref(LOG_REF, first.log);
    setup.refused(
        &["+refs/straylight/log"],
        "history was rewritten or has forked",
    );
}

#[test]
fn notes_show_exactly_the_log() {
    let setup = Setup::new();
    let recorded = setup.attest();
    let head = setup.head();
    let all = [MAIN, LOG_REF, NOTES_REF];
    setup.refused(&[LOG_REF], "is not what the log gives");
    setup.refused(&[NOTES_REF], "is not what the log gives");

    let mine = setup.envelope("//app:app", &setup.signer);
    let unlogged = setup.envelope("//lib:lib", &setup.signer);
    let shown = |lines: &[&str], commit: ObjectId| {
        let note = setup.client.folder().join("note");
        std::fs::write(&note, lines.join("\n")).unwrap();
        let (note, commit) = (note.to_str().unwrap(), commit.to_string());
        setup
            .client
            .git(&["update-ref", NOTES_REF, &recorded.notes.to_string()]);
        let add = [
            "notes",
            "--ref=straylight",
            "add",
            "-f",
            "-F",
            note,
            &commit,
        ];
        setup.client.git(&add);
    };
    let line = mine.as_line();
    shown(&[line, unlogged.as_line()], head);
    setup.refused(&all, "is not what the log gives");
    shown(&[unlogged.as_line()], head);
    setup.refused(&all, "is not what the log gives");
    shown(&[&line.replace("SHA256:", "SHA255:")], head);
    setup.refused(&all, "is not what the log gives");
    shown(&["not an envelope"], head);
    setup.refused(&all, "is not an attestation");
    let other = setup.commit("second");
    shown(&[line], other);
    setup.refused(
        &["HEAD^:refs/heads/main", LOG_REF, NOTES_REF],
        "is not what the log gives",
    );
    // An attestation of the first commit says nothing of the second.
    setup.set_client_ref(NOTES_REF, recorded.notes);
    setup.refused(&all, "has no attestation");
    setup
        .push(&["HEAD^:refs/heads/main", LOG_REF, NOTES_REF])
        .unwrap();
}

#[test]
fn notes_that_were_wrong_before_can_be_made_right() {
    let setup = Setup::new();
    let recorded = setup.attest();
    setup.push_all().unwrap();
    // Damage that did not come through the gate.
    let head = setup.head().to_string();
    setup.server.git(&[
        "notes",
        "--ref=straylight",
        "add",
        "-f",
        "-m",
        "damage",
        &head,
    ]);
    setup.commit("second");
    let Setup {
        repository, signer, ..
    } = &setup;
    let again = [setup.envelope("//app:app", signer)];
    let log = log::append(
        repository,
        signer,
        &author(),
        now(),
        Some(recorded.log),
        &again,
    );
    let rebuilt = record::rebuild(repository, signer, &author(), now(), log.unwrap()).unwrap();
    let shown = notes::read(repository, rebuilt.notes, setup.head()).unwrap();
    assert_eq!(shown, again.into());
    setup
        .push(&[MAIN, LOG_REF, &format!("+{NOTES_REF}")])
        .unwrap();
}

#[test]
fn a_ref_that_moved_since_the_push_began_is_refused() {
    let setup = Setup::new();
    let recorded = setup.attest();
    setup.push_all().unwrap();
    let server = Repository::discover(setup.server.path()).unwrap();
    let config = GateConfig::read(&server).unwrap();
    let judge = |old: Option<ObjectId>, new: ObjectId, name: &str| {
        let name = name.to_owned();
        let updates = [Update {
            old,
            new: Some(new),
            name,
        }];
        pre_receive(&server, &updates, &config, now()).unwrap()
    };
    for (name, tip) in [("refs/heads/main", setup.head()), (LOG_REF, recorded.log)] {
        assert!(judge(Some(tip), tip, name).is_accepted());
        for old in [None, Some(ObjectId::from_raw([7; 20]))] {
            let verdict = judge(old, tip, name);
            let [refusal] = verdict.refusals.as_slice() else {
                panic!("{verdict:?}");
            };
            assert!(refusal.problem.contains("has moved"), "{refusal}");
        }
    }
}
