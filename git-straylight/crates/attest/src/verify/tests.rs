use super::*;
use crate::allowed_signers::AllowedSigners;
use crate::dsse::Signer as _;
use crate::record::candidates;
use crate::ssh::{FileSigner, generate};
use crate::statement::tests::example;
use crate::testing::{Project, now};

const ARTIFACT: &[u8] = b"artifact";

fn question(project: &Project) -> Question {
    Question {
        commit: Some(project.commit),
        label: Some("//app:app".to_owned()),
        artifacts: vec![Artifact {
            name: Some("out/app".to_owned()),
            sha256: Some(Sha256::of(ARTIFACT)),
        }],
        source_root: Some(Sha256::of(b"root")),
        spec: Some(Sha256::of(b"spec")),
        trace: Some(Trace {
            sha256: Sha256::of(b"trace"),
            satisfies_spec: Some(Ok(())),
        }),
    }
}

fn signed(signer: &FileSigner, statement: &Statement) -> Envelope {
    Envelope::sign(IN_TOTO, &statement.to_bytes(), signer).unwrap()
}

fn statement(project: &Project) -> Statement {
    example("//app:app", project.commit, project.tree, ARTIFACT)
}

fn ask(project: &Project, question: &Question, envelopes: &[Envelope]) -> Verdict {
    let allowed = project.allowed();
    let policy = Policy::new(&allowed, now());
    let envelopes = envelopes.iter().cloned().collect();
    verify(&project.repository, &policy, question, &envelopes).unwrap()
}

/// Asserts that `verdict` failed at the check `name`, and only there.
#[track_caller]
fn fails_at(verdict: &Verdict, name: &str, outcome: Outcome) {
    let failed: Vec<_> = verdict
        .checks
        .iter()
        .filter(|check| check.status == Status::Failed)
        .map(|check| check.name)
        .collect();
    assert_eq!(failed, [name], "{:#?}", verdict.checks);
    assert_eq!(verdict.outcome, outcome);
    assert_eq!(verdict.assurance, Assurance::None);
    assert!(!verdict.check(name).unwrap().evidence.is_empty());
}

#[test]
fn everything_that_is_handed_in_is_checked() {
    let project = Project::new();
    let envelope = signed(&project.signer, &statement(&project));
    project.record(std::slice::from_ref(&envelope));
    let found = candidates(&project.repository, project.commit).unwrap();
    let found: Vec<_> = found.into_iter().collect();
    let allowed = project.allowed();
    let policy = Policy {
        principals: vec!["ada@example.org".to_owned()],
        builders: vec![crate::statement::builder_id("namespace")],
        repository: Some("https://example.org/app.git".to_owned()),
        ..Policy::new(&allowed, now())
    };
    let envelopes = found.iter().cloned().collect();
    let verdict = verify(
        &project.repository,
        &policy,
        &question(&project),
        &envelopes,
    )
    .unwrap();
    assert_eq!(verdict.outcome, Outcome::Verified);
    assert_eq!(verdict.assurance, Assurance::Traced);
    assert_eq!(verdict.envelope, Some(envelope.digest()));
    assert_eq!(verdict.outcome.exit_code(), 0);
    let names: Vec<_> = verdict.checks.iter().map(|check| check.name).collect();
    let expected = [
        "signature",
        "operator",
        "statement",
        "builder",
        "repository",
        "commit",
        "tree",
        "source",
        "label",
        "artifact",
        "spec",
        "trace",
        "log",
    ];
    assert_eq!(names, expected);
    let passed = |check: &Check| check.status == Status::Passed;
    assert!(verdict.checks.iter().all(passed), "{verdict:#?}");
}

#[test]
fn what_is_not_handed_in_is_not_claimed() {
    let project = Project::new();
    let envelope = signed(&project.signer, &statement(&project));
    let verdict = ask(
        &project,
        &Question::default(),
        std::slice::from_ref(&envelope),
    );
    assert_eq!(verdict.outcome, Outcome::Verified);
    assert_eq!(verdict.assurance, Assurance::Signed);
    for name in [
        "builder",
        "repository",
        "commit",
        "tree",
        "source",
        "label",
        "artifact",
        "spec",
        "trace",
        "log",
    ] {
        let check = verdict.check(name).unwrap();
        assert_eq!(check.status, Status::NotChecked, "{name}");
    }
    project.record(std::slice::from_ref(&envelope));
    let mut partial = question(&project);
    partial.trace = None;
    let reached =
        |question: &Question| ask(&project, question, std::slice::from_ref(&envelope)).assurance;
    assert_eq!(reached(&partial), Assurance::Rehashed);
    // One of two artifacts is not both.
    partial.artifacts.push(Artifact {
        name: Some("out/app.h".to_owned()),
        sha256: None,
    });
    assert_eq!(reached(&partial), Assurance::Logged);
    partial.artifacts.clear();
    assert_eq!(reached(&partial), Assurance::Logged);
    // A trace that nobody compared with the spec proves nothing.
    let mut uncompared = question(&project);
    uncompared.trace.as_mut().unwrap().satisfies_spec = None;
    assert_eq!(reached(&uncompared), Assurance::Rehashed);
}

#[test]
fn nothing_at_all_is_missing() {
    let project = Project::new();
    let verdict = ask(&project, &question(&project), &[]);
    assert_eq!(verdict.outcome, Outcome::Missing);
    assert_eq!(verdict.outcome.exit_code(), 3);
    assert!(!verdict.is_verified());
}

#[test]
fn another_commit_or_target_is_stale() {
    let project = Project::new();
    project
        .fixture
        .write("main.c", "int main(void) { return 1; }\n");
    let second: ObjectId = project.fixture.commit("second").parse().unwrap();
    let envelope = [signed(&project.signer, &statement(&project))];
    let mut wrong = question(&project);
    wrong.label = Some("//app:other".to_owned());
    let verdict = ask(&project, &wrong, &envelope);
    fails_at(&verdict, checks::LABEL, Outcome::Stale);
    assert_eq!(verdict.outcome.exit_code(), 4);

    let mut later = question(&project);
    later.commit = Some(second);
    let verdict = ask(&project, &later, &envelope);
    assert_eq!(verdict.outcome, Outcome::Stale);
    assert_eq!(verdict.check("commit").unwrap().status, Status::Failed);

    let mut unknown = question(&project);
    unknown.artifacts = vec![Artifact {
        name: None,
        sha256: Some(Sha256::of(b"unknown")),
    }];
    fails_at(
        &ask(&project, &unknown, &envelope),
        checks::ARTIFACT,
        Outcome::Stale,
    );
}

#[test]
fn what_a_trusted_signer_contradicts_is_negative() {
    let project = Project::new();
    let envelope = [signed(&project.signer, &statement(&project))];
    let other = Sha256::of(b"tampered");
    let change = |change: &dyn Fn(&mut Question)| {
        let mut question = question(&project);
        change(&mut question);
        ask(&project, &question, &envelope)
    };
    let verdict = change(&|question| question.artifacts[0].sha256 = Some(other));
    fails_at(&verdict, checks::ARTIFACT, Outcome::Negative);
    assert_eq!(verdict.outcome.exit_code(), 1);
    let verdict = change(&|question| question.source_root = Some(other));
    fails_at(&verdict, checks::SOURCE, Outcome::Negative);
    let verdict = change(&|question| question.spec = Some(other));
    fails_at(&verdict, checks::SPEC, Outcome::Negative);
    let verdict = change(&|question| question.trace.as_mut().unwrap().sha256 = other);
    fails_at(&verdict, checks::TRACE, Outcome::Negative);
    let verdict = change(&|question| {
        question.trace.as_mut().unwrap().satisfies_spec = Some(Err("reads /etc".to_owned()));
    });
    fails_at(&verdict, checks::TRACE, Outcome::Negative);

    // The signer said that the commit has another tree.
    let mut lie = statement(&project);
    lie.source.tree = ObjectId::from_raw([7; 20]);
    let verdict = ask(
        &project,
        &question(&project),
        &[signed(&project.signer, &lie)],
    );
    fails_at(&verdict, checks::TREE, Outcome::Negative);
}

#[test]
fn who_is_not_trusted_is_not_heard() {
    let project = Project::new();
    let stranger = generate(&project.scratch.path("stranger"), "").unwrap();
    let envelope = signed(&stranger, &statement(&project));
    let verdict = ask(&project, &question(&project), &[envelope]);
    fails_at(&verdict, checks::SIGNATURE, Outcome::Untrusted);
    assert_eq!(verdict.outcome.exit_code(), 5);
    assert_eq!(verdict.checks.len(), 1, "nothing else was looked at");

    let mine = signed(&project.signer, &statement(&project));
    let key = project.signer.public_key().to_openssh();
    for options in [
        "valid-before=\"20260101Z\" ",
        "valid-after=\"20270101Z\" ",
        "namespaces=\"git\" ",
    ] {
        let line = format!("ada@example.org {options}{key}\n");
        let allowed = AllowedSigners::parse(&line, "allowed").unwrap();
        let policy = Policy::new(&allowed, now());
        let envelopes = [mine.clone()].into();
        let verdict = verify(
            &project.repository,
            &policy,
            &question(&project),
            &envelopes,
        )
        .unwrap();
        fails_at(&verdict, checks::SIGNATURE, Outcome::Untrusted);
    }
    // Every byte of the line: a change is refused, or is no envelope any more.
    let line = mine.as_line().as_bytes();
    for at in (0..line.len()).step_by(5) {
        let mut changed = line.to_vec();
        changed[at] ^= 1;
        let Ok(twin) = Envelope::parse(&changed) else {
            continue;
        };
        // The key id may be lost without harm, as it is not authenticated.
        let anonymous = twin.claimed_keys().eq([""]) && twin.payload() == mine.payload();
        let verdict = ask(&project, &question(&project), &[twin]);
        assert!(!verdict.is_verified() || anonymous, "byte {at}");
    }
}

#[test]
fn the_policy_chooses_operators_builders_and_the_repository() {
    let project = Project::new();
    let allowed = project.allowed();
    let envelopes = [signed(&project.signer, &statement(&project))].into();
    let verdict = |change: &dyn Fn(&mut Policy<'_>)| {
        let mut policy = Policy::new(&allowed, now());
        change(&mut policy);
        verify(
            &project.repository,
            &policy,
            &question(&project),
            &envelopes,
        )
        .unwrap()
    };
    let ok = verdict(&|policy| policy.principals = vec!["*@example.org".to_owned()]);
    assert!(ok.is_verified());
    let other = verdict(&|policy| policy.principals = vec!["eve@example.org".to_owned()]);
    fails_at(&other, checks::OPERATOR, Outcome::Untrusted);
    let other = verdict(&|policy| policy.builders = vec![crate::statement::builder_id("microvm")]);
    fails_at(&other, checks::BUILDER, Outcome::Untrusted);
    let other = verdict(&|policy| policy.repository = Some("https://example.org/b".to_owned()));
    fails_at(&other, checks::REPOSITORY, Outcome::Stale);
}

#[test]
fn a_broken_log_is_not_trusted() {
    let project = Project::new();
    let envelope = signed(&project.signer, &statement(&project));
    let recorded = project.record(std::slice::from_ref(&envelope));
    let raw = project.repository.read_commit(recorded.log).unwrap().raw;
    let forged = String::from_utf8(raw).unwrap().replace("ada@", "eve@");
    let kind = straylight_odb::repo::ObjectKind::Commit;
    let id = project
        .repository
        .write_object(kind, forged.as_bytes())
        .unwrap();
    project
        .fixture
        .git(&["update-ref", LOG_REF, &id.to_string()]);
    let verdict = ask(&project, &question(&project), &[envelope]);
    fails_at(&verdict, checks::LOG, Outcome::Untrusted);
}

#[test]
fn the_envelope_that_answers_best_is_the_one_reported() {
    let project = Project::new();
    let stranger = generate(&project.scratch.path("stranger"), "").unwrap();
    let good = signed(&project.signer, &statement(&project));
    let mut elsewhere = statement(&project);
    elsewhere.label = "//lib:lib".to_owned();
    let stale = signed(&project.signer, &elsewhere);
    let forged = signed(&stranger, &statement(&project));
    let noise = signed(&stranger, &elsewhere);
    let outcome = |envelopes: &[&Envelope]| {
        let envelopes: Vec<_> = envelopes
            .iter()
            .map(|envelope| (*envelope).clone())
            .collect();
        ask(&project, &question(&project), &envelopes).outcome
    };
    assert_eq!(
        outcome(&[&stale, &forged, &good, &noise]),
        Outcome::Verified
    );
    assert_eq!(outcome(&[&stale, &forged]), Outcome::Untrusted);
    assert_eq!(outcome(&[&stale, &noise]), Outcome::Stale);
}
