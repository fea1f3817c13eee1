//! The whole room, with sources in memory and an executor that runs nothing:
//! it makes of each action a text that says what the action saw.

mod early;
mod graph;
mod messages;
mod questions;
mod replay;
mod restart;
mod trees;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use straylight_dhall::{EmbeddedLibrary, library};
use straylight_exec::action::BASE_ENVIRONMENT;
use straylight_exec::{
    Cancellation, Description, ExecError, Executor, Isolation, LazyExecutor, Node, Outcome, Output,
    OutputContent, Published, Request, Status, Usage, merkle,
};
use straylight_odb::{ContentStore as _, LocalStore};

use crate::claims::{LocalClaims, SameIsolation};
use crate::observer::{Event, Observer};
use crate::tree::{Signature, SourceFile, SourceTree, Standing, TreeError};
use crate::{Builder, Label, Options, PackagePath, Reference, Report, Services, Wanted};

/// Sources by path.
#[derive(Debug)]
struct MemoryTree {
    files: Mutex<BTreeMap<String, String>>,
    store: Arc<LocalStore>,
    /// What was read: files, sources, and `...` for a listing.
    read: Mutex<Vec<String>>,
}

impl MemoryTree {
    /// The names of all files: what a listing depends on.
    fn names(&self) -> Signature {
        let files = self.files.lock().unwrap();
        files
            .keys()
            .map(|path| format!("{path}\n"))
            .collect::<String>()
            .into_bytes()
    }

    fn note(&self, path: &str) {
        self.read.lock().unwrap().push(path.to_owned());
    }
}

impl SourceTree for MemoryTree {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, TreeError> {
        self.note(path);
        let files = self.files.lock().unwrap();
        Ok(files.get(path).map(|text| text.as_bytes().into()))
    }

    fn store(&self, path: &str, _fresh: bool) -> Result<SourceFile, TreeError> {
        self.note(path);
        let files = self.files.lock().unwrap();
        let text = files.get(path).ok_or_else(|| TreeError::Missing {
            path: path.to_owned(),
            nearest: crate::tree::nearest_name(path, files.keys().cloned()),
            reason: None,
        })?;
        Ok(SourceFile {
            digest: self.store.write(text.as_bytes())?,
            executable: false,
        })
    }

    fn packages(&self, folder: &PackagePath) -> Result<Vec<PackagePath>, TreeError> {
        let files = self.files.lock().unwrap();
        let folders = files.keys().filter_map(|path| match path.rsplit_once('/') {
            Some((folder, "BUILD.dhall")) => PackagePath::new(folder).ok(),
            None if path == "BUILD.dhall" => PackagePath::new("").ok(),
            _ => None,
        });
        let mut packages: Vec<_> = folders.filter(|path| path.is_under(folder)).collect();
        packages.sort();
        Ok(packages)
    }

    fn standing(&self, path: &str) -> Result<Standing, TreeError> {
        Ok(match path.contains("untracked") {
            true => Standing::Untracked,
            false => Standing::Tracked,
        })
    }

    fn file_signature(&self, path: &str) -> Option<Signature> {
        let files = self.files.lock().unwrap();
        Some(format!("{:?}", files.get(path)).into_bytes())
    }

    fn listing(
        &self,
        folder: &PackagePath,
    ) -> Result<(Vec<PackagePath>, Option<Signature>), TreeError> {
        self.note("...");
        Ok((self.packages(folder)?, Some(self.names())))
    }

    fn is_listed_so(&self, signature: &[u8]) -> bool {
        signature == self.names()
    }
}

/// Makes each declared output a text: the command, what is unusual in its
/// environment, and the bytes of every input. An argument `fail` fails; `lose`
/// makes nothing; `mkdir` a folder. An early output says the command alone, and
/// then `until:word` waits for a command that has `word`.
#[derive(Debug)]
struct Scribe {
    store: Arc<LocalStore>,
    ran: Mutex<Vec<Vec<String>>>,
    mood: Mutex<Mood>,
}

/// What an action depends on though its digest does not say so.
#[derive(Debug, Default)]
struct Mood {
    /// Commands with this word fail.
    fails: Option<&'static str>,
    /// Early outputs say this, too.
    says: &'static str,
}

impl Executor for Scribe {
    fn execute(
        &self,
        request: &Request,
        _cancellation: &Cancellation,
        published: Published<'_>,
    ) -> Result<Outcome, ExecError> {
        let arguments = &request.command.arguments;
        self.ran.lock().unwrap().push(arguments.clone());
        let mut text = arguments.join(" ") + "\n";
        let early = self.publish(request, &text, published)?;
        let base = BASE_ENVIRONMENT.map(|(name, _)| name);
        for variable in &request.command.environment_variables {
            if !base.contains(&&*variable.name) {
                text += &format!("{}={}\n", variable.name, variable.value);
            }
        }
        merkle::walk(&*self.store, &request.input_root, &mut |path, node| {
            if let Node::File { digest, .. } = node {
                let bytes = self.store.read(digest)?;
                let bytes = bytes.ok_or(merkle::TreeError::MissingBlob(*digest))?;
                text += &format!("{path}: {}\n", String::from_utf8_lossy(&bytes));
            }
            Ok::<_, merkle::TreeError>(())
        })?;
        let digest = self.store.write(text.as_bytes())?;
        let says = |word: &str| arguments.iter().any(|argument| argument == word);
        let content = if says("mkdir") {
            let mut tree = merkle::InputTree::new();
            let executable = false;
            tree.insert("inside/file", Node::File { digest, executable })?;
            OutputContent::Directory {
                tree: tree.write(&*self.store)?,
            }
        } else {
            OutputContent::File {
                digest,
                executable: false,
            }
        };
        let fails = says("fail") || self.mood.lock().unwrap().fails.is_some_and(says);
        let paths = request.command.output_paths.clone();
        let (made, missing) = if says("lose") {
            (Vec::new(), paths)
        } else {
            (paths, Vec::new())
        };
        let outputs = made.into_iter().map(|path| {
            let early = early.iter().find(|early| early.path == path);
            early.cloned().unwrap_or_else(|| Output {
                content: content.clone(),
                path,
            })
        });
        Ok(Outcome {
            status: Status::Exited(i32::from(fails)),
            stdout: Vec::new(),
            stderr: b"the scribe speaks\n".to_vec(),
            outputs: outputs.collect(),
            undeclared: Vec::new(),
            missing,
            kept: None,
            rejected: Vec::new(),
            usage: Usage::default(),
        })
    }

    fn description(&self) -> Description {
        Description {
            name: "scribe",
            version: "1",
            isolation: Isolation::None,
            enforced: &[],
        }
    }
}

impl Scribe {
    fn publish(
        &self,
        request: &Request,
        text: &str,
        published: Published<'_>,
    ) -> Result<Vec<Output>, ExecError> {
        let mood = self.mood.lock().unwrap().says;
        let mut outputs = Vec::new();
        for path in &request.early {
            let content = OutputContent::File {
                digest: self.store.write(format!("{text}{mood}").as_bytes())?,
                executable: false,
            };
            let path = path.clone();
            outputs.push(Output { path, content });
            published(outputs.last().unwrap());
        }
        let mut words = request.command.arguments.iter();
        if let Some(word) = words.find_map(|word| word.strip_prefix("until:")) {
            let start = std::time::Instant::now();
            let came = |ran: &Vec<Vec<String>>| ran.iter().flatten().any(|other| other == word);
            while !came(&self.ran.lock().unwrap()) {
                assert!(start.elapsed().as_secs() < 60, "`{word}` never came");
                std::thread::yield_now();
            }
        }
        Ok(outputs)
    }
}

/// Keeps the warnings.
#[derive(Debug, Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn event(&self, event: Event<'_>) {
        let told = match event {
            Event::Warning { place, message } => format!("{place}: {message}"),
            Event::Untracked { place, path } => format!("{place}: `{path}` is not tracked"),
            _ => return,
        };
        self.0.lock().unwrap().push(told);
    }
}

/// A repository in memory.
struct World {
    _folder: tempfile::TempDir,
    tree: Arc<MemoryTree>,
    scribe: Arc<Scribe>,
    warnings: Arc<Warnings>,
    services: Services,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::open(folder.path()).unwrap());
        let tree = Arc::new(MemoryTree {
            files: Mutex::default(),
            store: Arc::clone(&store),
            read: Mutex::default(),
        });
        let scribe = Arc::new(Scribe {
            store: Arc::clone(&store),
            ran: Mutex::default(),
            mood: Mutex::default(),
        });
        let warnings = Arc::new(Warnings::default());
        let services = Services {
            tree: Arc::clone(&tree) as _,
            claims: Arc::new(LocalClaims(Arc::clone(&store))),
            store,
            belief: Arc::new(SameIsolation("none".to_owned())),
            executor: Some(Arc::new(LazyExecutor::new({
                let scribe = Arc::clone(&scribe);
                move || Ok(Arc::clone(&scribe) as _)
            }))),
            remote: None,
            observer: Arc::clone(&warnings) as _,
            cancellation: Cancellation::new(),
        };
        let world = Self {
            _folder: folder,
            tree,
            scribe,
            warnings,
            services,
        };
        for (path, text) in files {
            world.write(path, text);
        }
        world
    }

    /// Writes a file; a build file gets the library before its rules.
    fn write(&self, path: &str, text: &str) {
        let text = if path.ends_with("BUILD.dhall") {
            format!("{}{text}", prelude())
        } else {
            text.to_owned()
        };
        self.tree
            .files
            .lock()
            .unwrap()
            .insert(path.to_owned(), text);
    }

    /// The folder of the store.
    fn folder(&self) -> &std::path::Path {
        self.services.store.root()
    }

    fn builder(&self, options: Options) -> Builder {
        Builder::new(self.services.clone(), options, Arc::new(EmbeddedLibrary)).unwrap()
    }

    fn build_with(&self, options: Options, labels: &[&str], wanted: Wanted) -> Report {
        let labels: Vec<Label> = labels.iter().map(|text| label(text)).collect();
        self.builder(options).build(&labels, wanted, None)
    }

    fn build(&self, label: &str) -> Report {
        self.build_with(Options::native(), &[label], Wanted::Outputs)
    }

    /// Builds, and returns the text of the target's only output.
    #[track_caller]
    fn output(&self, label: &str) -> String {
        self.text(&self.build(label))
    }

    /// Returns the text of the only output of what was built.
    #[track_caller]
    fn text(&self, report: &Report) -> String {
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        let outputs = &report.built[0].outputs;
        assert_eq!(outputs.len(), 1, "{outputs:?}");
        let straylight_exec::trace::TraceContent::File { digest, .. } = &outputs[0].content else {
            panic!("{outputs:?}");
        };
        let bytes = self.services.store.read(digest).unwrap().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// Builds, and returns the only failure, as a user reads it.
    #[track_caller]
    fn failure(&self, label: &str) -> String {
        let report = self.build(label);
        assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
        let error = &report.failures[0];
        let place = error.place().map(|place| format!(" --> {place}"));
        let hint = error.hint().map(|hint| format!(" ({hint})"));
        format!(
            "{error}{}{}",
            place.unwrap_or_default(),
            hint.unwrap_or_default()
        )
    }

    fn ran(&self) -> Vec<String> {
        let ran = std::mem::take(&mut *self.scribe.ran.lock().unwrap());
        let mut ran: Vec<String> = ran.iter().map(|arguments| arguments.join(" ")).collect();
        ran.sort();
        ran
    }
}

fn label(text: &str) -> Label {
    let root = PackagePath::new("").unwrap();
    match Reference::parse(text, &root).unwrap() {
        Reference::Target(label) => label,
        reference => panic!("{reference:?} is not one target"),
    }
}

/// What every build file of these tests begins with: 8 lines. `rule` makes a
/// rule of a target's data.
fn prelude() -> String {
    let import = |path: &str| {
        let url = format!("https://straylight.cx/{path}");
        format!("{url} sha256:{}", library::latest(&url).unwrap().sha256)
    };
    format!(
        "let Dice = {}\n\
         let Targets = {}\n\
         let Piece = Dice.Piece let Argument = Dice.Argument let Source = Dice.Source\n\
         let words = \\(piece : Dice.Piece) -> Argument.Pieces [ piece ]\n\
         let rule = \\(target : Dice.Target.Type) -> {{ name = target.name, platforms = [] : List Targets.Triple, build = \\(_ : Dice.Configuration) -> target }}\n\
         let action = \\(out : Text) -> \\(arguments : List Dice.Argument) -> Dice.Action::{{ category = \"make\", identifier = out, arguments = arguments # [ words (Piece.Out out) ], outputs = [ Dice.Output.File out ] }}\n\
         let made = \\(name : Text) -> \\(arguments : List Dice.Argument) -> Dice.Target::{{ name, kind = \"made\", actions = [ action \"o\" arguments ], outputs = [ {{ name = \"o\", path = \"o\" }} ] }}\n\
         let say = Dice.literal\n",
        import("dice/v1.dhall"),
        import("targets/v1.dhall"),
    )
}
