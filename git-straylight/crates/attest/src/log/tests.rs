use super::*;
use crate::notes::{self, NOTES_REF};
use crate::record::{RecordError, candidates, candidates_for_artifact, rebuild, record};
use crate::ssh::generate;
use crate::testing::{Project, now};
use straylight_odb::repo::{Expected, ObjectKind, RefUpdate};

fn check(project: &Project, tip: ObjectId) -> Result<Vec<Entry>, LogError> {
    let allowed = project.allowed();
    verify(&project.repository, tip, None, &allowed, Moment::At(now()))
}

fn git_verifies(project: &Project, id: ObjectId, allowed: &str) -> bool {
    let allowed = project.scratch.write("allowed", allowed);
    let file = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
    let id = id.to_string();
    let arguments = ["-c", "gpg.format=ssh", "-c", &file, "verify-commit", &id];
    project.fixture.try_git(&arguments).status.success()
}

#[test]
fn git_verifies_the_entries_and_reads_the_notes() {
    let project = Project::new();
    let (app, lib) = (project.envelope("//app:app"), project.envelope("//lib:lib"));
    let first = project.record(std::slice::from_ref(&app));
    let second = project.record(&[lib.clone(), app.clone()]);
    project.fixture.git(&["fsck", "--strict"]);
    for id in [first.log, second.log, first.notes, second.notes] {
        assert!(git_verifies(&project, id, &project.allowed_line()));
        let stranger = generate(&project.scratch.path(&id.to_string()), "").unwrap();
        let line = format!("ada@example.org {}\n", stranger.public_key().to_openssh());
        assert!(!git_verifies(&project, id, &line));
    }
    let entries = check(&project, second.log).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].envelopes, std::slice::from_ref(&app));
    assert_eq!(entries[1].parent, Some(first.log));
    assert!(entries[1].message.contains("attest //lib:lib at "));

    let shown = project.fixture.git(&["notes", "--ref=straylight", "show"]);
    let mut lines = [app.as_line(), lib.as_line()];
    lines.sort_unstable();
    assert_eq!(shown.lines().collect::<Vec<_>>(), lines);
    let read = candidates(&project.repository, project.commit).unwrap();
    assert_eq!(read, [app, lib].into());
    let other = project.fixture.commit("second").parse().unwrap();
    assert!(candidates(&project.repository, other).unwrap().is_empty());
}

#[test]
fn the_author_cannot_break_the_header() {
    let project = Project::new();
    let recorded = project.record(&[project.envelope("//a:a\n\nparent x")]);
    let commit = project.repository.read_commit(recorded.log).unwrap();
    assert_eq!(commit.author.name, "Ada Lovelace");
    assert_eq!(commit.author.email, "ada@example.org");
    assert_eq!(commit.author.seconds, now().as_second());
    assert_eq!(check(&project, recorded.log).unwrap().len(), 1);
}

#[test]
fn only_what_continues_the_known_log_is_read() {
    let project = Project::new();
    let first = project.record(&[project.envelope("//a:a")]).log;
    let second = project.record(&[project.envelope("//b:b")]).log;
    let third = project.record(&[project.envelope("//c:c")]).log;
    let Project {
        repository,
        signer,
        author,
        ..
    } = &project;
    let read_ids = |tip, known| -> Result<Vec<_>, LogError> {
        Ok(read(repository, tip, known)?
            .iter()
            .map(|entry| entry.id)
            .collect())
    };
    assert_eq!(read_ids(third, None).unwrap(), [first, second, third]);
    assert_eq!(read_ids(third, Some(first)).unwrap(), [second, third]);
    assert!(read_ids(third, Some(third)).unwrap().is_empty());
    assert!(matches!(
        read_ids(first, Some(third)),
        Err(LogError::Forked { .. })
    ));
    let envelopes = [project.envelope("//d:d")];
    let fork = append(repository, signer, author, now(), Some(first), &envelopes).unwrap();
    assert!(matches!(
        read_ids(fork, Some(third)),
        Err(LogError::Forked { .. })
    ));
}

/// Writes the commit `raw` again with one text replaced by another.
fn forge(project: &Project, id: ObjectId, from: &str, to: &str) -> ObjectId {
    let raw = project.repository.read_commit(id).unwrap().raw;
    let text = String::from_utf8(raw).unwrap();
    assert!(text.contains(from), "{text}");
    let forged = text.replacen(from, to, 1);
    let repository = &project.repository;
    repository
        .write_object(ObjectKind::Commit, forged.as_bytes())
        .unwrap()
}

#[test]
fn a_tampered_commit_is_refused() {
    let project = Project::new();
    let first = project.record(&[project.envelope("//a:a")]).log;
    let second = project.record(&[project.envelope("//b:b")]).log;
    check(&project, second).unwrap();
    let other_tree = project.repository.read_commit(first).unwrap().tree;
    let tree = project.repository.read_commit(second).unwrap().tree;
    let parent = format!("parent {first}\n");
    // What is signed was changed: stock git refuses it as well.
    for (from, to) in [
        (format!("tree {tree}"), format!("tree {other_tree}")),
        (parent.clone(), String::new()),
        (parent.clone(), format!("parent {second}\n")),
        (parent.clone(), format!("{parent}{parent}")),
        ("ada@example.org".to_owned(), "eve@example.org".to_owned()),
        (
            now().as_second().to_string(),
            (now().as_second() + 1).to_string(),
        ),
        ("attest //b:b".to_owned(), "attest //c:c".to_owned()),
    ] {
        let forged = forge(&project, second, &from, &to);
        let error = check(&project, forged).unwrap_err();
        assert!(
            matches!(error, LogError::Commit(_)),
            "{from} -> {to}: {error}"
        );
        assert!(
            !git_verifies(&project, forged, &project.allowed_line()),
            "{from} -> {to}"
        );
    }
    // Another shape is refused, whatever is signed.
    for (from, to) in [
        ("gpgsig -----", "gpgsig ----"),
        ("\ngpgsig ", "\nencoding UTF-8\ngpgsig "),
        ("\n\nattest", "\nx-more 1\n\nattest"),
    ] {
        let forged = forge(&project, second, from, to);
        let error = check(&project, forged).unwrap_err();
        assert!(
            matches!(error, LogError::Commit(_)),
            "{from} -> {to}: {error}"
        );
    }
}

#[test]
fn an_entry_signed_by_git_is_read_and_a_merge_is_not() {
    let project = Project::new();
    let first = project.record(&[project.envelope("//a:a")]).log.to_string();
    let second = project.record(&[project.envelope("//b:b")]).log.to_string();
    let key = format!("user.signingKey={}", project.scratch.path("key").display());
    let tree = format!("{second}^{{tree}}");
    let commit_tree = |parents: &[&str]| -> ObjectId {
        let fixed = ["-c", "gpg.format=ssh", "-c", &key, "commit-tree", "-S"];
        let mut arguments = fixed.to_vec();
        arguments.extend(parents.iter().flat_map(|parent| ["-p", *parent]));
        arguments.extend(["-m", "by git", &tree]);
        project.fixture.git(&arguments).parse().unwrap()
    };
    let linear = commit_tree(&[&second]);
    assert_eq!(check(&project, linear).unwrap().len(), 3);
    for parents in [[&first, &second], [&second, &first]] {
        let merge = commit_tree(&parents.map(String::as_str));
        let error = check(&project, merge).unwrap_err();
        assert!(error.to_string().contains("linear"), "{error}");
    }
}

/// Signs an entry over a tree of these files, as a hostile but trusted signer.
fn entry_with(project: &Project, files: &[(&str, EntryKind, &[u8])]) -> ObjectId {
    let Project {
        repository,
        signer,
        author,
        ..
    } = project;
    let entries: Vec<_> = files
        .iter()
        .map(|(name, kind, bytes)| TreeEntry {
            name: (*name).to_owned(),
            kind: *kind,
            id: repository.write_blob(bytes).unwrap(),
        })
        .collect();
    let tree = repository.write_tree(&entries).unwrap();
    let draft = Draft {
        tree,
        parent: None,
        author,
        now: now(),
        message: "x",
    };
    signed_commit::write(repository, signer, &draft).unwrap()
}

#[test]
fn an_entry_holds_envelopes_under_their_own_names_and_nothing_else() {
    let project = Project::new();
    let envelope = project.envelope("//a:a");
    let line = envelope.as_line().as_bytes();
    let name = format!("{}.json", envelope.digest());
    let file = EntryKind::File;
    check(&project, entry_with(&project, &[(&name, file, line)])).unwrap();

    let mut flipped = line.to_vec();
    flipped[20] ^= 1;
    let renamed = name.replacen(&name[..1], if name.starts_with('0') { "1" } else { "0" }, 1);
    let junk = b"{}".as_slice();
    let junk_name = format!("{}.json", Sha256::of(junk));
    let wrong: &[&[(&str, EntryKind, &[u8])]] = &[
        &[(&name, file, &flipped)],
        &[(&renamed, file, line)],
        &[(&name.to_uppercase(), file, line)],
        &[(&name, EntryKind::Executable, line)],
        &[(&name, EntryKind::Symlink, line)],
        &[(&name, file, line), ("README", file, b"")],
        &[(&junk_name, file, junk)],
        &[],
    ];
    for (index, files) in wrong.iter().enumerate() {
        let error = check(&project, entry_with(&project, files)).unwrap_err();
        assert!(
            matches!(error, LogError::Damaged { .. }),
            "{index}: {error}"
        );
    }
}

#[test]
fn entries_and_envelopes_need_an_allowed_signer_for_their_purpose() {
    let project = Project::new();
    let Project {
        repository,
        signer,
        author,
        ..
    } = &project;
    let stranger = generate(&project.scratch.path("stranger"), "").unwrap();
    let mine = [project.envelope("//a:a")];
    let theirs = [project.envelope_by(&stranger, "//a:a")];
    let append = |by: &dyn Signer, envelopes: &[Envelope]| {
        append(repository, by, author, now(), None, envelopes).unwrap()
    };
    check(&project, append(signer, &mine)).unwrap();
    for tip in [append(&stranger, &mine), append(signer, &theirs)] {
        let error = check(&project, tip).unwrap_err();
        assert!(matches!(error, LogError::Untrusted { .. }), "{error}");
    }
    let tip = append(signer, &mine);
    let key = signer.public_key().to_openssh();
    let judge = |options: &str, moment| {
        let signers = AllowedSigners::parse(&format!("ada {options} {key}\n"), "a").unwrap();
        verify(repository, tip, None, &signers, moment).map(drop)
    };
    let at = Moment::At(now());
    judge("namespaces=\"git,attest@straylight.cx\"", at).unwrap();
    assert!(judge("namespaces=\"git\"", at).is_err());
    assert!(judge("namespaces=\"attest@straylight.cx\"", at).is_err());
    assert!(judge("valid-before=\"20260101Z\"", at).is_err());
    assert!(judge("valid-after=\"20270101Z\"", at).is_err());
    judge("valid-before=\"20260101Z\"", Moment::Ever).unwrap();
}

#[test]
fn parallel_recorders_lose_no_entry() {
    let project = Project::new();
    let labels: Vec<_> = (0..4).map(|n| format!("//p:{n}")).collect();
    std::thread::scope(|scope| {
        for label in &labels {
            let project = &project;
            scope.spawn(move || project.record(&[project.envelope(label)]));
        }
    });
    let tip = project.repository.read_ref(LOG_REF).unwrap().unwrap();
    let entries = check(&project, tip).unwrap();
    assert_eq!(entries.len(), labels.len());
    let shown = candidates(&project.repository, project.commit).unwrap();
    assert_eq!(shown.len(), labels.len());
}

#[test]
fn the_loser_of_a_push_race_signs_again_on_the_new_tip() {
    let project = Project::new();
    let Project {
        repository,
        signer,
        author,
        ..
    } = &project;
    let [a, b, c] = ["//a:a", "//b:b", "//c:c"].map(|label| project.envelope(label));
    let base = project.record(std::slice::from_ref(&a)).log;
    let append = |parent, envelopes: &[Envelope]| {
        append(repository, signer, author, now(), Some(parent), envelopes).unwrap()
    };
    let theirs = append(base, std::slice::from_ref(&b));
    let ours = append(
        append(base, std::slice::from_ref(&b)),
        std::slice::from_ref(&c),
    );
    let joined = sign_again(repository, signer, author, now(), ours, theirs).unwrap();
    let entries = verify(
        repository,
        joined,
        Some(theirs),
        &project.allowed(),
        Moment::Ever,
    );
    let entries = entries.unwrap();
    assert_eq!(entries.len(), 1, "what they published is not repeated");
    assert_eq!(entries[0].envelopes, std::slice::from_ref(&c));

    let rebuilt = rebuild(repository, signer, author, now(), joined).unwrap();
    assert_eq!(repository.read_ref(LOG_REF).unwrap(), Some(joined));
    assert_eq!(repository.read_ref(NOTES_REF).unwrap(), Some(rebuilt.notes));
    let shown = notes::read(repository, rebuilt.notes, project.commit).unwrap();
    assert_eq!(shown, [a, b, c].into());
}

#[test]
fn nothing_moves_when_nothing_can_be_recorded() {
    let project = Project::new();
    let Project {
        repository,
        signer,
        author,
        ..
    } = &project;
    let error = record(repository, signer, author, now(), &[]).unwrap_err();
    assert!(matches!(error, RecordError::Empty));
    let id = repository.write_blob(b"x").unwrap();
    let update = RefUpdate {
        name: LOG_REF.to_owned(),
        new: Some(id),
        expected: Expected::Absent,
    };
    repository.update_refs(&[update], "test").unwrap();
    assert!(repository.read_ref(NOTES_REF).unwrap().is_none());
}

#[test]
fn attestations_are_found_by_commit_and_by_artifact() {
    let project = Project::new();
    let repository = &project.repository;
    let artifact = Sha256::of(b"artifact");
    let found = || candidates_for_artifact(repository, artifact).unwrap();
    assert!(found().is_empty());
    let (a, b) = (project.envelope("//a:a"), project.envelope("//b:b"));
    let first = project.record(std::slice::from_ref(&a)).log;
    let second = project.record(std::slice::from_ref(&b)).log;
    let both: BTreeSet<_> = [a, b.clone()].into();
    assert_eq!(found(), both);
    let other = candidates_for_artifact(repository, Sha256::of(b"other")).unwrap();
    assert!(other.is_empty());
    // A clone that fetched only the log finds the same.
    project.fixture.git(&["update-ref", "-d", NOTES_REF]);
    assert_eq!(candidates(repository, project.commit).unwrap(), both);
    let absent = candidates(repository, ObjectId::from_raw([9; 20])).unwrap();
    assert!(absent.is_empty());
    // What lies under a forged entry is out of reach.
    let parent = format!("parent {first}\n");
    let forged = forge(&project, second, &parent, "");
    let envelopes = std::slice::from_ref(&b);
    let Project { signer, author, .. } = &project;
    let tip = append(repository, signer, author, now(), Some(forged), envelopes).unwrap();
    project
        .fixture
        .git(&["update-ref", LOG_REF, &tip.to_string()]);
    assert_eq!(found(), [b].into());
}
