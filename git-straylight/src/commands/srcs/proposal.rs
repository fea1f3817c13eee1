//! What is to be changed in a package's lists of files: a comparison of what
//! its rules list with what lies in its folder. Knows no language: a new file
//! belongs where files of its kind are listed already.

use std::collections::{BTreeMap, BTreeSet};

use straylight_build::Label;
use straylight_build::target::{Argument, Piece, Source, Target};
use straylight_dhall::{TextItem, TextList, text_lists, text_literals};

/// Whether a file is added to a list or taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Add,
    Remove,
}

/// Where a change is to be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In a list of the file, by its number.
    List { index: usize, keeps_first: bool },
    /// In a new field, behind the one with a list.
    Field { after: usize, name: &'static str },
    /// Nowhere: the list is computed.
    Nowhere,
}

/// One proposed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: Kind,
    /// Relative to the package.
    pub(super) path: String,
    pub(super) label: Label,
    pub(super) place: Place,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = match self.kind {
            Kind::Add => '+',
            Kind::Remove => '-',
        };
        write!(f, "{sign} {}  {}", self.path, self.label)
    }
}

/// What a package's rules say of its files.
pub(super) struct Package<'a> {
    /// The text of the `BUILD.dhall`.
    pub(super) text: &'a str,
    /// Its targets, some perhaps for several platforms.
    pub(super) targets: &'a [(Label, Target)],
    /// The target that was asked for; else all are.
    pub(super) only: Option<&'a Label>,
    /// The files of the folder that no other package has, relative to it.
    pub(super) present: &'a BTreeSet<String>,
}

/// Proposed changes, and what could not be decided.
#[derive(Debug, Default)]
pub(super) struct Proposal {
    pub(super) changes: Vec<Change>,
    /// New files that fit into several lists, with the targets of these.
    pub(super) undecided: Vec<(String, Vec<Label>)>,
    /// Files of the folder that no target lists.
    pub(super) unlisted: Vec<String>,
}

/// The files of one kind: those with the same ending, and tests, examples and
/// the like apart.
pub(crate) type Class<'a> = (&'a str, bool);

/// Headers, and what they belong to. Where no list has any, they go to `hdrs`.
const HEADERS: [&str; 5] = ["h", "hh", "hpp", "hxx", "inc"];
const WITH_HEADERS: [&str; 5] = ["c", "cc", "cpp", "cxx", "C"];

/// Folders whose files are not what a project is made of.
const ASIDE: [&str; 12] = [
    "bench",
    "benches",
    "benchmarks",
    "doc",
    "docs",
    "example",
    "examples",
    "fuzz",
    "target",
    "test",
    "testing",
    "tests",
];

/// Returns the kind of a file; `None` for one without an ending.
pub(crate) fn class(path: &str) -> Option<Class<'_>> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, ending) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
    let is_test = stem.starts_with("test_")
        || ["_test", "_tests", "-test", ".test"]
            .iter()
            .any(|end| stem.ends_with(end));
    let mut folders = folder(path).split('/');
    Some((
        ending,
        is_test || folders.any(|folder| ASIDE.contains(&folder)),
    ))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Package<'_> {
    /// Compares what is listed with what is there.
    pub(super) fn propose(&self) -> Proposal {
        let files = self.files();
        let lists = self.owned_lists(&files);
        let mut others = Others::default();
        let mut proposal = Proposal::default();
        let listed: BTreeSet<&str> = files.values().flatten().copied().collect();
        for path in self.present.iter().map(String::as_str) {
            let is_dhall = path
                .rsplit('/')
                .next()
                .is_some_and(|name| name.ends_with(".dhall"));
            if listed.contains(path) || is_dhall {
                continue;
            }
            let before = proposal.changes.len() + proposal.undecided.len();
            let other = |class: Class<'_>| others.place(self, class, &files, &lists);
            self.add(path, &lists, other, &mut proposal);
            if proposal.changes.len() + proposal.undecided.len() == before {
                proposal.unlisted.push(path.to_owned());
            }
        }
        for (label, paths) in &files {
            for path in paths.iter().filter(|path| !self.present.contains(**path)) {
                self.remove(path, label, &lists, &mut proposal);
            }
        }
        let key = |change: &Change| (change.kind, change.path.clone(), change.place.clone());
        proposal.changes.sort_by_cached_key(key);
        // Two targets may share one list.
        proposal
            .changes
            .dedup_by(|a, b| key(a) == key(b) && a.place != Place::Nowhere);
        proposal
    }

    /// Returns what each target lists, for any of its platforms.
    fn files(&self) -> BTreeMap<&Label, BTreeSet<&str>> {
        let mut files: BTreeMap<&Label, BTreeSet<&str>> = BTreeMap::new();
        for (label, target) in self.targets {
            files.entry(label).or_default().extend(target.files());
        }
        files
    }

    fn is_asked(&self, label: &Label) -> bool {
        self.only.is_none_or(|only| only == label)
    }

    /// Returns the lists of the file that list files of targets.
    fn owned_lists<'a>(&'a self, files: &BTreeMap<&'a Label, BTreeSet<&str>>) -> Vec<Owned<'a>> {
        let mut owned = Vec::new();
        for (index, list) in text_lists(self.text).into_iter().enumerate() {
            let texts = list.items.iter().filter_map(|item| item.text.clone());
            let texts: Vec<String> = texts.collect();
            let has = |files: &BTreeSet<&str>| texts.iter().any(|text| files.contains(&**text));
            let named = list.text("name");
            let of_name = files
                .keys()
                .copied()
                .find(|label| named == Some(label.name()));
            let owners: Vec<&Label> = match of_name {
                Some(label) => vec![label],
                None => {
                    let owners = files.iter().filter(|(_, files)| has(files));
                    owners.map(|(label, _)| *label).collect()
                }
            };
            let kept = texts.into_iter();
            let files: BTreeSet<String> = kept
                .filter(|text| owners.iter().any(|owner| files[owner].contains(&**text)))
                .collect();
            let class_of = |file: &String| class(file).map(|(end, aside)| (end.to_owned(), aside));
            let beside = |file: &String| Some((folder(file).to_owned(), class_of(file)?));
            owned.push(Owned {
                index,
                keeps_first: self.keeps_first(&list, &owners),
                list,
                owners,
                classes: files.iter().filter_map(class_of).collect(),
                folders: files.iter().filter_map(beside).collect(),
                files,
            });
        }
        owned
    }

    /// Proposes a list for a new file; `other` finds another place for its kind.
    fn add(
        &self,
        path: &str,
        lists: &[Owned<'_>],
        other: impl FnOnce(Class<'_>) -> Option<(Label, Place)>,
        proposal: &mut Proposal,
    ) {
        let Some(class) = class(path) else {
            return;
        };
        let fitting = lists.iter().filter(|list| {
            list.owners.iter().any(|owner| self.is_asked(owner)) && list.has_class(class)
        });
        let mut fitting: Vec<&Owned<'_>> = fitting.collect();
        let beside = |list: &&Owned<'_>| list.has_beside(path, class);
        if fitting.len() > 1 && fitting.iter().any(beside) {
            fitting.retain(|list| beside(list));
        }
        let place = match fitting[..] {
            [] => other(class),
            [list] => list.owners.first().map(|owner| {
                let place = Place::List {
                    index: list.index,
                    keeps_first: list.keeps_first,
                };
                ((*owner).clone(), place)
            }),
            [..] => {
                let owners = fitting.iter().flat_map(|list| &list.owners);
                let owners: BTreeSet<&Label> = owners.copied().collect();
                let owners = owners.into_iter().cloned().collect();
                proposal.undecided.push((path.to_owned(), owners));
                return;
            }
        };
        proposal.changes.extend(place.map(|(label, place)| Change {
            kind: Kind::Add,
            path: path.to_owned(),
            label,
            place,
        }));
    }

    /// Finds the target of a file whose kind is in no list: one that computes
    /// its lists, or one that has no header yet.
    fn other_place(
        &self,
        class: Class<'_>,
        files: &BTreeMap<&Label, BTreeSet<&str>>,
        lists: &[Owned<'_>],
        literals: &BTreeSet<String>,
    ) -> Option<(Label, Place)> {
        let mut asked = files.iter().filter(|(label, _)| self.is_asked(label));
        let computed = asked.find(|(_, files)| {
            let mut alike = files.iter().filter(|file| self::class(file) == Some(class));
            alike.clone().next().is_some() && alike.all(|file| !literals.contains(*file))
        });
        if let Some((label, _)) = computed {
            return Some(((*label).clone(), Place::Nowhere));
        }
        if !HEADERS.contains(&class.0) {
            return None;
        }
        let mut with_headers = lists.iter().filter(|list| {
            list.owners.iter().any(|owner| self.is_asked(owner))
                && list.list.text("name").is_some()
                && WITH_HEADERS
                    .iter()
                    .any(|ending| list.has_class((ending, false)))
        });
        let list = with_headers
            .next()
            .filter(|_| with_headers.next().is_none())?;
        let label = list.owners.first()?;
        let mut siblings = lists.iter().filter(|other| other.owners == list.owners);
        let empty = siblings.find(|other| other.list.field == "hdrs");
        let place = match empty {
            Some(empty) => Place::List {
                index: empty.index,
                keeps_first: false,
            },
            None => Place::Field {
                after: list.index,
                name: "hdrs",
            },
        };
        Some(((*label).clone(), place))
    }

    fn remove(&self, path: &str, label: &Label, lists: &[Owned<'_>], proposal: &mut Proposal) {
        if !self.is_asked(label) {
            return;
        }
        let holders = lists
            .iter()
            .filter(|list| list.owners.contains(&label) && list.files.contains(path));
        let mut places: Vec<Place> = holders
            .map(|list| Place::List {
                index: list.index,
                keeps_first: false,
            })
            .collect();
        if places.is_empty() {
            places.push(Place::Nowhere);
        }
        let changes = places.into_iter().map(|place| Change {
            kind: Kind::Remove,
            path: path.to_owned(),
            label: label.clone(),
            place,
        });
        proposal.changes.extend(changes);
    }

    /// Returns whether the first item of a list means more than the others: it
    /// alone, or it and no other, is named in a command.
    fn keeps_first(&self, list: &TextList, owners: &[&Label]) -> bool {
        let of_owner = |(label, _): &&(Label, Target)| owners.contains(&label);
        let targets = self.targets.iter().filter(of_owner);
        let named: BTreeSet<&str> = targets.flat_map(|(_, target)| named(target)).collect();
        let is_named = |item: &TextItem| {
            let text = item.text.as_deref();
            text.is_some_and(|text| named.contains(text))
        };
        match &list.items[..] {
            [] => false,
            [only] => is_named(only),
            [first, rest @ ..] => is_named(first) && rest.iter().any(|item| !is_named(item)),
        }
    }
}

/// The places of files whose kind is in no list, by their kind.
#[derive(Default)]
struct Others {
    /// All texts of the file, when somebody asked for them.
    literals: Option<BTreeSet<String>>,
    known: BTreeMap<(String, bool), Option<(Label, Place)>>,
}

impl Others {
    fn place(
        &mut self,
        package: &Package<'_>,
        class: Class<'_>,
        files: &BTreeMap<&Label, BTreeSet<&str>>,
        lists: &[Owned<'_>],
    ) -> Option<(Label, Place)> {
        let literals = self.literals.get_or_insert_with(|| {
            let literals = text_literals(package.text).into_iter();
            literals.map(|(_, text)| text).collect()
        });
        let known = self.known.entry((class.0.to_owned(), class.1));
        let find = || package.other_place(class, files, lists, literals);
        known.or_insert_with(find).clone()
    }
}

/// A list of the file, and whose files it has.
struct Owned<'a> {
    index: usize,
    list: TextList,
    owners: Vec<&'a Label>,
    /// Whether its first item must stay the first.
    keeps_first: bool,
    files: BTreeSet<String>,
    /// The kinds of these, and in which folders.
    classes: BTreeSet<(String, bool)>,
    folders: BTreeSet<(String, (String, bool))>,
}

impl Owned<'_> {
    fn has_class(&self, (ending, is_aside): Class<'_>) -> bool {
        self.classes.contains(&(ending.to_owned(), is_aside))
    }

    fn has_beside(&self, path: &str, (ending, is_aside): Class<'_>) -> bool {
        let class = (ending.to_owned(), is_aside);
        self.folders.contains(&(folder(path).to_owned(), class))
    }
}

/// Returns the files that a target's commands name.
fn named(target: &Target) -> impl Iterator<Item = &str> {
    let arguments = target.actions.iter().flat_map(|action| &action.arguments);
    let pieces = arguments.flat_map(|argument| match argument {
        Argument::Pieces(pieces) => &pieces[..],
        Argument::Each { .. } | Argument::FromFile(_) => &[],
    });
    pieces.filter_map(|piece| match piece {
        Piece::Source(Source::File(path)) => Some(path.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_files_of_their_own_kind() {
        assert_eq!(class("a/b.c"), Some(("c", false)));
        assert_eq!(class("a/b_test.c"), Some(("c", true)));
        assert_eq!(class("test_b.py"), Some(("py", true)));
        assert_eq!(class("tests/all.c"), Some(("c", true)));
        assert_eq!(class("latest/all.c"), Some(("c", false)));
        assert_eq!(class("Makefile"), None);
        assert_eq!(class("a.b/.hidden"), None);
    }
}
