use super::*;
use crate::testing::Project;

fn view_of(project: &Project, commits: impl IntoIterator<Item = ObjectId>) -> View {
    let envelope = project.envelope("//a:a");
    let one = |commit| (commit, BTreeSet::from([envelope.clone()]));
    commits.into_iter().map(one).collect()
}

fn id(number: u32) -> ObjectId {
    let digest = straylight_odb::Sha256::of(&number.to_be_bytes());
    let raw: [u8; 20] = digest.as_raw()[..20].try_into().unwrap();
    ObjectId::from_raw(raw)
}

/// Makes a commit of a notes tree with stock git.
fn commit(project: &Project, tree: ObjectId) -> ObjectId {
    let id = project
        .fixture
        .git(&["commit-tree", &tree.to_string(), "-m", "notes"]);
    project.fixture.git(&["update-ref", NOTES_REF, &id]);
    id.parse().unwrap()
}

#[test]
fn git_lists_what_was_written_at_every_size() {
    let project = Project::new();
    let mut tree = None;
    // 256 notes are flat, one more splits the folder, and folders are split again.
    for (from, to) in [(0, 1), (1, 256), (256, 257), (257, 900)] {
        let view = view_of(&project, (from..to).map(id));
        let written = write(&project.repository, tree, &view).unwrap();
        tree = Some(written);
        let tip = commit(&project, written);
        let listed = project.fixture.git(&["notes", "--ref=straylight", "list"]);
        assert_eq!(listed.lines().count(), to as usize);
        let expected: BTreeSet<_> = (0..to).map(id).collect();
        let ours: BTreeSet<_> = list(&project.repository, tip)
            .unwrap()
            .into_keys()
            .collect();
        assert_eq!(ours, expected);
        for number in [0, to - 1] {
            let note = read(&project.repository, tip, id(number)).unwrap();
            assert_eq!(note, [project.envelope("//a:a")].into());
        }
        assert!(read(&project.repository, tip, id(to)).unwrap().is_empty());
    }
    let root = project.repository.tree_entries(tree.unwrap()).unwrap();
    assert!(root.iter().all(is_fan));
}

#[test]
fn notes_that_git_fanned_out_are_read_and_replaced() {
    let project = Project::new();
    let envelope = project.envelope("//a:a");
    let blob = project
        .repository
        .write_blob(envelope.as_line().as_bytes())
        .unwrap();
    let hex = project.commit.to_string();
    let path = format!("{}/{}/{}", &hex[..2], &hex[2..4], &hex[4..]);
    let info = format!("100644,{blob},{path}");
    project.fixture.git(&["read-tree", "--empty"]);
    project
        .fixture
        .git(&["update-index", "--add", "--cacheinfo", &info]);
    let readme = format!("100644,{blob},README");
    project
        .fixture
        .git(&["update-index", "--add", "--cacheinfo", &readme]);
    let tree: ObjectId = project.fixture.git(&["write-tree"]).parse().unwrap();
    let tip = commit(&project, tree);
    let read_now = |tip| read(&project.repository, tip, project.commit).unwrap();
    assert_eq!(read_now(tip), [envelope].into());

    let other = project.envelope("//b:b");
    let view = View::from([(project.commit, [other.clone()].into())]);
    let tip = commit(
        &project,
        write(&project.repository, Some(tree), &view).unwrap(),
    );
    assert_eq!(read_now(tip), [other.clone()].into());
    let shown = project
        .fixture
        .git(&["notes", "--ref=straylight", "show", &hex]);
    assert_eq!(shown, other.as_line());
    let kept = project
        .fixture
        .git(&["cat-file", "-t", &format!("{tip}:README")]);
    assert_eq!(kept, "blob", "what is not a note stays");
}

#[test]
fn a_merge_by_git_is_a_union() {
    let project = Project::new();
    let [a, b, c] = ["//a:a", "//b:b", "//c:c"].map(|label| project.envelope(label));
    let write_view = |envelopes: &[&Envelope]| {
        let envelopes = envelopes
            .iter()
            .map(|envelope| (*envelope).clone())
            .collect();
        let view = View::from([(project.commit, envelopes)]);
        commit(&project, write(&project.repository, None, &view).unwrap())
    };
    let theirs = write_view(&[&b, &c]).to_string();
    project
        .fixture
        .git(&["update-ref", "refs/notes/theirs", &theirs]);
    write_view(&[&a, &b]);
    let merge = [
        "notes",
        "--ref=straylight",
        "merge",
        "-q",
        "-s",
        "cat_sort_uniq",
        "theirs",
    ];
    project.fixture.git(&merge);
    let tip = project.repository.read_ref(NOTES_REF).unwrap().unwrap();
    let read = read(&project.repository, tip, project.commit).unwrap();
    assert_eq!(read, [a, b, c].into());
}

#[test]
fn a_changed_line_is_seen() {
    let project = Project::new();
    let tip = project.record(&[project.envelope("//a:a")]).notes;
    let fixture = &project.fixture;
    let line = project.envelope("//a:a").as_line().to_owned();
    fixture.git(&["notes", "--ref=straylight", "add", "-f", "-m", &line[1..]]);
    let changed = project.repository.read_ref(NOTES_REF).unwrap().unwrap();
    let error = read(&project.repository, changed, project.commit).unwrap_err();
    assert!(matches!(error, NotesError::Line { line: 1, .. }), "{error}");
    assert!(read(&project.repository, tip, project.commit).is_ok());
}
