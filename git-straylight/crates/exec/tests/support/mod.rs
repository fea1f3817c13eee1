//! What the tests of executors share: a store, toolchains in it, and actions.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use straylight_exec::{
    BuiltAction, Cancellation, Executor, InputTree, NamespaceExecutor, Node, Outcome,
    OutputContent, build_action, capture_gcc, capture_posix, command,
};
use straylight_odb::{ContentStore as _, Digest, LocalStore};

/// A store that all tests of this machine share, so that compilers are
/// captured once. Its name changes with the machine's packages.
pub fn shared_store() -> Arc<LocalStore> {
    let status = fs::metadata("/var/lib/dpkg/status").or_else(|_| fs::metadata("/usr/bin"));
    let stamp = status.map(|status| status.mtime()).unwrap();
    let name = format!("exec-store-{stamp}");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    Arc::new(LocalStore::open(root).unwrap())
}

/// The root of a captured tree; captured by the first who asks.
fn captured(store: &LocalStore, name: &str, capture: impl FnOnce() -> Digest) -> Digest {
    let path = store.root().join(name);
    let gate = fs::File::create(store.root().join(format!("{name}.lock"))).unwrap();
    gate.lock().unwrap();
    if let Ok(text) = fs::read_to_string(&path) {
        return text.parse().unwrap();
    }
    let digest = capture();
    fs::write(&path, digest.to_string()).unwrap();
    digest
}

pub fn gcc(store: &LocalStore) -> Digest {
    captured(store, "gcc", || {
        let captured = capture_gcc(store).unwrap();
        captured.digest
    })
}

pub fn posix(store: &LocalStore) -> Digest {
    captured(store, "posix", || capture_posix(store).unwrap().digest)
}

pub fn executor(store: &Arc<LocalStore>) -> NamespaceExecutor {
    straylight_exec::testing::enable();
    NamespaceExecutor::new(Arc::clone(store)).unwrap()
}

/// A store of the test's own, with the shell in it.
pub struct Private {
    pub folder: tempfile::TempDir,
    pub store: Arc<LocalStore>,
    pub posix: Digest,
}

pub fn private() -> Private {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(folder.path().join("cache")).unwrap());
    let posix = posix(&store);
    Private {
        folder,
        store,
        posix,
    }
}

/// An action in the making.
pub struct Task {
    arguments: Vec<String>,
    tree: InputTree,
    outputs: Vec<String>,
    environment: BTreeMap<String, String>,
    toolchain: Option<Digest>,
    timeout: Option<Duration>,
}

impl Task {
    pub fn new(toolchain: Digest, arguments: &[&str]) -> Self {
        let mut tree = InputTree::new();
        tree.insert("build", Node::EmptyDir).unwrap();
        Self {
            arguments: arguments.iter().map(|&a| a.to_owned()).collect(),
            tree,
            outputs: Vec::new(),
            environment: BTreeMap::new(),
            toolchain: Some(toolchain),
            timeout: None,
        }
    }

    pub fn sh(toolchain: Digest, script: &str) -> Self {
        Self::new(toolchain, &["sh", "-c", script])
    }

    pub fn node(mut self, path: &str, node: Node) -> Self {
        self.tree.insert(&format!("build/{path}"), node).unwrap();
        self
    }

    pub fn file(self, store: &LocalStore, path: &str, text: &str) -> Self {
        let digest = store.write(text.as_bytes()).unwrap();
        let executable = false;
        self.node(path, Node::File { digest, executable })
    }

    pub fn out(mut self, path: &str) -> Self {
        self.outputs.push(path.to_owned());
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn build(self, store: &LocalStore) -> BuiltAction {
        let root = self.tree.write(store).unwrap();
        let command = command(self.arguments, self.environment, self.outputs);
        build_action(command, root, self.toolchain, &[], self.timeout)
    }

    pub fn run(self, store: &LocalStore, executor: &dyn Executor) -> Outcome {
        let action = self.build(store);
        executor
            .execute(&action.request(), &Cancellation::new(), &|_| {})
            .unwrap()
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes of the output `path`.
pub fn output(store: &LocalStore, outcome: &Outcome, path: &str) -> Vec<u8> {
    let output = outcome.outputs.iter().find(|output| output.path == path);
    match &output
        .unwrap_or_else(|| panic!("no `{path}`: {outcome:?}"))
        .content
    {
        OutputContent::File { digest, .. } => store.read(digest).unwrap().unwrap().to_vec(),
        other => panic!("`{path}` is {other:?}"),
    }
}

/// Waits until `ready` returns something; fails after a generous time.
pub fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it never came");
        std::thread::yield_now();
    }
}

/// Waits until some action in `cache` has made the file `name`.
pub fn until_made(cache: &Path, name: &str) -> PathBuf {
    until(|| {
        let sessions = fs::read_dir(cache.join("sandboxes")).ok()?;
        let actions = sessions
            .flatten()
            .filter_map(|s| fs::read_dir(s.path()).ok());
        let mut files = actions
            .flat_map(Iterator::flatten)
            .map(|action| action.path().join("build").join(name));
        files.find(|file| file.exists())
    })
}

/// The processes of this machine that have `marker` in their command line.
pub fn processes(marker: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let line = text(&fs::read(entry.path().join("cmdline")).ok()?);
            let own = entry.file_name().to_str() == Some(&std::process::id().to_string());
            (line.contains(marker) && !own).then_some(line)
        });
    lines.collect()
}
