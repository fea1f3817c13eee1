//! Copies a compiler, or the tools of a shell, into the store as one tree.
//!
//! The tree has the paths of the machine (`/usr/bin/gcc`, …), symbolic links
//! as they are, the dynamic loader and every shared library that is needed; a
//! sandbox uses it as its root file system and sees nothing else. What belongs
//! to the compiler is what its packages own, not the folders they share with
//! others: installing something unrelated must not change the tree.
//!
//! Two captures of an unchanged machine give the same digest.
//!
//! # Limits
//! Packages are asked for with `dpkg`. Elsewhere the folders in which the
//! compiler looks for headers and libraries are taken whole.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use straylight_odb::{Digest, LocalStore};

use crate::merkle::{InputTree, Node, TreeError};

/// A captured compiler. Paths are those inside the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The root of the tree.
    pub digest: Digest,
    /// The compiler's version, like `12.2.0`.
    pub version: String,
    /// The machine it compiles for, like `x86_64-linux-gnu`.
    pub machine: String,
    /// The C compiler.
    pub cc: String,
    /// The C++ compiler, if there is one.
    pub cxx: Option<String>,
    /// The archiver.
    pub ar: String,
    /// How many files the tree has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Captured tools of a POSIX shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedPosix {
    /// The root of the tree.
    pub digest: Digest,
    /// The shell.
    pub sh: String,
    /// How many files the tree has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Where to look for what is captured.
#[derive(Debug, Clone, Default)]
pub struct CaptureOptions {
    /// The compiler, if not the first `gcc` on the search path.
    pub cc: Option<PathBuf>,
    /// The search path, if not `PATH`.
    pub path: Option<OsString>,
}

/// A tool that cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It is not on this machine.
    #[error("`{program}` was not found on the search path; install it ({cure})")]
    NotFound {
        /// What was looked for.
        program: String,
        /// What to install.
        cure: &'static str,
    },
    /// It is not what was expected, or does not work.
    #[error("`{program}` failed: {reason}")]
    Failed {
        /// What was run.
        program: String,
        /// What it said.
        reason: String,
    },
    /// A file could not be read.
    #[error("cannot read `{path}`: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The tree could not be put together or stored.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Programs that stand in front of a compiler under its name.
const WRAPPERS: [&str; 4] = ["ccache", "distcc", "icecc", "sccache"];

/// What the compiler runs, and what lies beside it for those who build.
const TOOLS: [&str; 22] = [
    "addr2line",
    "ar",
    "as",
    "c++filt",
    "cpp",
    "dwp",
    "elfedit",
    "gcc-ar",
    "gcc-nm",
    "gcc-ranlib",
    "gcov",
    "ld",
    "ld.bfd",
    "ld.gold",
    "nm",
    "objcopy",
    "objdump",
    "ranlib",
    "readelf",
    "size",
    "strings",
    "strip",
];

/// Programs of the compiler's own, by the names it knows them by.
const PRIVATE_PROGRAMS: [&str; 8] = [
    "cc1",
    "cc1plus",
    "collect2",
    "lto1",
    "lto-wrapper",
    "as",
    "ld",
    "ar",
];

/// Files that linking needs, each of which may belong to another package.
const LINK_FILES: [&str; 16] = [
    "crt1.o",
    "Scrt1.o",
    "crtbegin.o",
    "libgcc.a",
    "libgcc_s.so.1",
    "libc.so",
    "libc.so.6",
    "libc_nonshared.a",
    "libm.so",
    "libm.so.6",
    "libmvec.so.1",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libstdc++.so",
    "libstdc++.so.6",
];

/// A header of each package that has some.
const HEADERS: [&str; 3] = ["stdio.h", "linux/types.h", "asm/types.h"];

/// What packages own that no compilation reads.
const UNREAD: [&str; 7] = [
    "/usr/share/bug/",
    "/usr/share/doc/",
    "/usr/share/info/",
    "/usr/share/lintian/",
    "/usr/share/locale/",
    "/usr/share/man/",
    "/etc/",
];

/// Captures gcc: the compiler, its linker and archiver, libc and the kernel's
/// headers; with the C++ compiler of the same version, if there is one.
///
/// # Errors
/// [`CaptureError`].
pub fn capture_gcc(store: &LocalStore, options: &CaptureOptions) -> Result<Captured, CaptureError> {
    let search = search_path(options);
    let cc = match &options.cc {
        Some(cc) => cc.clone(),
        None => find_compiler("gcc", &search).ok_or_else(|| CaptureError::NotFound {
            program: "gcc".to_owned(),
            cure: "Debian: `apt-get install gcc libc6-dev`",
        })?,
    };
    let version = ask(&cc, &["-dumpfullversion"])?;
    let cxx = sibling(&cc, "g++", &search)
        .filter(|cxx| ask(cxx, &["-dumpfullversion"]).is_ok_and(|found| found == version));
    let ar = sibling(&cc, "ar", &search).ok_or_else(|| CaptureError::NotFound {
        program: "ar".to_owned(),
        cure: "Debian: `apt-get install binutils`",
    })?;

    let mut closure = Closure::default();
    let seeds = compiler_seeds(&cc, cxx.as_deref())?;
    match owned_by_packages(&seeds)? {
        Some(files) => files
            .iter()
            .try_for_each(|file| closure.add_if_there(file))?,
        None => add_search_folders(&mut closure, &cc, cxx.as_deref())?,
    }
    for program in seeds.iter().chain([&cc, &ar]).chain(&cxx) {
        closure.add(program)?;
    }
    for tool in TOOLS {
        if let Some(tool) = sibling(&cc, tool, &search) {
            closure.add(&tool)?;
        }
    }
    closure.add_libraries()?;
    let stored = closure.store(store)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Ok(Captured {
        digest: stored.digest,
        version,
        machine: ask(&cc, &["-dumpmachine"])?,
        cc: text(&cc),
        cxx: cxx.as_deref().map(text),
        ar: text(&ar),
        files: stored.files,
        bytes: stored.bytes,
    })
}

const POSIX_TOOLS: [&str; 83] = [
    "[",
    "awk",
    "b2sum",
    "base32",
    "base64",
    "basename",
    "cat",
    "chmod",
    "cksum",
    "cmp",
    "comm",
    "cp",
    "csplit",
    "cut",
    "date",
    "dd",
    "diff",
    "diff3",
    "dirname",
    "du",
    "echo",
    "egrep",
    "env",
    "expand",
    "expr",
    "factor",
    "false",
    "fgrep",
    "find",
    "fmt",
    "fold",
    "grep",
    "head",
    "id",
    "install",
    "join",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "nl",
    "nproc",
    "numfmt",
    "od",
    "paste",
    "patch",
    "pr",
    "printenv",
    "printf",
    "ptx",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sdiff",
    "sed",
    "seq",
    "sh",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shuf",
    "sleep",
    "sort",
    "split",
    "stat",
    "sum",
    "tac",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "truncate",
    "tsort",
    "uniq",
    "wc",
    "xargs",
];

/// Captures a shell and the usual tools beside it.
///
/// Tools that the machine lacks are left out; the shell must be there.
///
/// # Errors
/// [`CaptureError`].
pub fn capture_posix(
    store: &LocalStore,
    options: &CaptureOptions,
) -> Result<CapturedPosix, CaptureError> {
    let search = search_path(options);
    let sh = find("sh", &search).ok_or_else(|| CaptureError::NotFound {
        program: "sh".to_owned(),
        cure: "Debian: `apt-get install dash`",
    })?;
    let mut closure = Closure::default();
    closure.add(&sh)?;
    for tool in POSIX_TOOLS {
        if let Some(tool) = find(tool, &search) {
            closure.add(&tool)?;
        }
    }
    closure.add_libraries()?;
    let stored = closure.store(store)?;
    Ok(CapturedPosix {
        digest: stored.digest,
        sh: sh.to_string_lossy().into_owned(),
        files: stored.files,
        bytes: stored.bytes,
    })
}

/// Folders to look for programs in, absolute.
fn search_path(options: &CaptureOptions) -> Vec<PathBuf> {
    let path = options.path.clone().or_else(|| std::env::var_os("PATH"));
    std::env::split_paths(&path.unwrap_or_default())
        .filter(|folder| folder.is_absolute())
        .collect()
}

fn find(program: &str, search: &[PathBuf]) -> Option<PathBuf> {
    search
        .iter()
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Finds a compiler, and looks through the wrappers that bear its name.
fn find_compiler(program: &str, search: &[PathBuf]) -> Option<PathBuf> {
    let is_wrapper = |path: &Path| {
        let real = fs::canonicalize(path).unwrap_or_default();
        let name = real.file_name().and_then(OsStr::to_str).unwrap_or_default();
        WRAPPERS.contains(&name)
    };
    search
        .iter()
        .map(|folder| folder.join(program))
        .find(|path| is_program(path) && !is_wrapper(path))
}

/// Finds a program beside the compiler, or else on the search path.
fn sibling(cc: &Path, program: &str, search: &[PathBuf]) -> Option<PathBuf> {
    let beside = cc.with_file_name(program);
    if is_program(&beside) {
        return Some(beside);
    }
    find_compiler(program, search)
}

/// Runs a program, and returns what it says, without the end of the line.
fn ask(program: &Path, arguments: &[&str]) -> Result<String, CaptureError> {
    let failed = |reason: String| CaptureError::Failed {
        program: program.display().to_string(),
        reason,
    };
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

/// Returns files of the compiler, one at least of each package that it needs.
fn compiler_seeds(cc: &Path, cxx: Option<&Path>) -> Result<Vec<PathBuf>, CaptureError> {
    let mut seeds = vec![cc.to_owned()];
    seeds.extend(cxx.map(Path::to_owned));
    for program in PRIVATE_PROGRAMS {
        seeds.push(ask(cc, &[&format!("-print-prog-name={program}")])?.into());
    }
    for file in LINK_FILES {
        seeds.push(ask(cc, &[&format!("-print-file-name={file}")])?.into());
    }
    for header in HEADERS {
        seeds.extend(header_path(cc, "c", header)?);
    }
    if let Some(cxx) = cxx {
        seeds.extend(header_path(cxx, "c++", "iostream")?);
    }
    // The compiler answers with the bare name when it has no such file.
    seeds.retain(|seed| seed.is_absolute() && seed.exists());
    Ok(seeds)
}

/// Returns where the compiler finds a header.
fn header_path(cc: &Path, language: &str, header: &str) -> Result<Option<PathBuf>, CaptureError> {
    let code = format!("#include <{header}>\n");
    let output = feed(cc, &["-E", "-x", language, "-"], &code)?;
    let text = String::from_utf8_lossy(&output);
    let named = text
        .lines()
        .filter_map(|line| line.strip_prefix("# ")?.split('"').nth(1));
    let suffix = format!("/{header}");
    Ok(named
        .map(PathBuf::from)
        .find(|path| path.is_absolute() && path.to_string_lossy().ends_with(&suffix)))
}

/// Runs a program on a text, and returns its output whatever its status.
fn feed(program: &Path, arguments: &[&str], text: &str) -> Result<Vec<u8>, CaptureError> {
    let run = || {
        let mut child = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(text.as_bytes())?;
        }
        Ok::<_, io::Error>(child.wait_with_output()?.stdout)
    };
    run().map_err(|error| CaptureError::Failed {
        program: program.display().to_string(),
        reason: error.to_string(),
    })
}

/// Returns every file of the packages that own `seeds`, and of the packages'
/// compilers and libraries; `None` where there is no `dpkg`.
fn owned_by_packages(seeds: &[PathBuf]) -> Result<Option<Vec<PathBuf>>, CaptureError> {
    let mut paths = BTreeSet::new();
    for seed in seeds {
        // A package knows a file by the path it was installed under, which on
        // a machine with merged folders may be either of two.
        let real = fs::canonicalize(seed).unwrap_or_else(|_| seed.clone());
        let unmerged = real
            .strip_prefix("/usr")
            .map(|rest| Path::new("/").join(rest));
        paths.extend(unmerged);
        paths.insert(real);
    }
    let Ok(output) = Command::new("dpkg-query").arg("-S").args(&paths).output() else {
        return Ok(None);
    };
    // `package, another package: path`
    let text = String::from_utf8_lossy(&output.stdout);
    let owners = text.lines().filter_map(|line| line.split_once(": "));
    let mut packages: BTreeSet<&str> = owners.flat_map(|(names, _)| names.split(", ")).collect();
    // The run-time library is the machine's; only what is needed of it comes
    // along, by name.
    packages.retain(|package| !package.starts_with("libc6:") && *package != "libc6");
    if packages.is_empty() {
        return Ok(None);
    }
    let mut command = Command::new("dpkg-query");
    let listed = command.arg("-L").args(&packages).output();
    let listed = listed.map_err(|error| CaptureError::Failed {
        program: "dpkg-query".to_owned(),
        reason: error.to_string(),
    })?;
    let text = String::from_utf8_lossy(&listed.stdout);
    let files = text.lines().filter(|line| {
        line.starts_with('/') && !UNREAD.iter().any(|prefix| line.starts_with(prefix))
    });
    Ok(Some(files.map(PathBuf::from).collect()))
}

/// Adds the folders in which the compiler looks for headers and libraries.
fn add_search_folders(
    closure: &mut Closure,
    cc: &Path,
    cxx: Option<&Path>,
) -> Result<(), CaptureError> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for (compiler, language) in std::iter::once((cc, "c")).chain(cxx.map(|cxx| (cxx, "c++"))) {
        let output = Command::new(compiler)
            .args(["-E", "-Wp,-v", "-x", language, "/dev/null"])
            .env("LC_ALL", "C")
            .output()
            .map_err(|source| CaptureError::Io {
                path: compiler.to_owned(),
                source,
            })?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = text.lines().filter_map(|line| line.strip_prefix(' '));
        folders.extend(lines.map(|line| PathBuf::from(line.trim())));
    }
    let searched = ask(cc, &["-print-search-dirs"])?;
    let private = searched
        .lines()
        .filter_map(|line| line.strip_prefix("install: "));
    folders.extend(private.map(PathBuf::from));
    for file in ["crt1.o", "libc.so"] {
        let file = PathBuf::from(ask(cc, &[&format!("-print-file-name={file}")])?);
        folders.extend(
            file.parent()
                .filter(|_| file.is_absolute())
                .map(Path::to_owned),
        );
    }
    for folder in folders {
        if folder.is_absolute() && folder.is_dir() {
            closure.add_folder(&folder)?;
        }
    }
    Ok(())
}

/// What goes into a tree: files, and the links that lead to them.
#[derive(Debug, Default)]
struct Closure {
    files: BTreeSet<PathBuf>,
    links: BTreeSet<PathBuf>,
}

struct Stored {
    digest: Digest,
    files: u64,
    bytes: u64,
}

impl Closure {
    /// Adds a file, and every symbolic link on the way to it, wherever in its
    /// path that is: the tree resolves the path as the machine does.
    fn add(&mut self, path: &Path) -> Result<(), CaptureError> {
        let read = |path: &Path, source| CaptureError::Io {
            path: path.to_owned(),
            source,
        };
        let mut pending: Vec<OsString> = names(path);
        let mut at = PathBuf::from("/");
        let mut budget = 64;
        while let Some(name) = pending.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(name);
            let metadata = fs::symlink_metadata(&at).map_err(|error| read(&at, error))?;
            if !metadata.is_symlink() {
                continue;
            }
            budget -= 1;
            if budget == 0 {
                return Err(read(path, io::Error::from_raw_os_error(libc::ELOOP)));
            }
            let target = fs::read_link(&at).map_err(|error| read(&at, error))?;
            self.links.insert(at.clone());
            at.pop();
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            pending.extend(names(&target));
        }
        let metadata = fs::symlink_metadata(&at).map_err(|error| read(&at, error))?;
        if metadata.is_file() {
            self.files.insert(at);
        }
        Ok(())
    }

    /// Adds a path that a package claims to own: it may be gone, a folder, or
    /// a link to something that is not installed.
    fn add_if_there(&mut self, path: &Path) -> Result<(), CaptureError> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) if path.exists() => self.add(path),
            _ => Ok(()),
        }
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), CaptureError> {
        let read = |source| CaptureError::Io {
            path: folder.to_owned(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.add_folder(&path)?,
                _ => self.add_if_there(&path)?,
            }
        }
        Ok(())
    }

    /// Adds the loader and the shared libraries of every program and library.
    fn add_libraries(&mut self) -> Result<(), CaptureError> {
        let dynamic: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|f| is_loadable(f))
            .cloned()
            .collect();
        for path in dynamic {
            // It fails for a static program, which needs nothing.
            let Ok(output) = Command::new("ldd").arg(&path).env("LC_ALL", "C").output() else {
                continue;
            };
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                let library = line.split_whitespace().find(|word| word.starts_with('/'));
                if let Some(library) = library.filter(|word| !word.ends_with(':')) {
                    self.add(Path::new(library))?;
                }
            }
        }
        Ok(())
    }

    fn store(&self, store: &LocalStore) -> Result<Stored, CaptureError> {
        let mut tree = InputTree::new();
        let mut bytes = 0;
        for path in &self.links {
            let target = fs::read_link(path).map_err(|source| CaptureError::Io {
                path: path.clone(),
                source,
            })?;
            let target = utf8(&target)?.to_owned();
            tree.insert(inside(path)?, Node::Symlink { target })?;
        }
        for path in &self.files {
            let node = crate::merkle::hash_node(store, path)?;
            if let Node::File { digest, .. } = &node {
                bytes += digest.size();
            }
            tree.insert(inside(path)?, node)?;
        }
        Ok(Stored {
            digest: tree.write(store)?,
            files: self.files.len() as u64,
            bytes,
        })
    }
}

/// Returns the names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path
        .components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        });
    names.collect()
}

fn utf8(path: &Path) -> Result<&str, CaptureError> {
    path.to_str().ok_or_else(|| {
        CaptureError::Tree(TreeError::Unsupported {
            path: path.to_owned(),
            reason: "its name is not UTF-8",
        })
    })
}

/// Returns the path of a file of the machine in the tree.
fn inside(path: &Path) -> Result<&str, CaptureError> {
    Ok(utf8(path)?.trim_start_matches('/'))
}

/// Returns whether a file is an ELF program or shared library.
fn is_loadable(path: &Path) -> bool {
    let mut head = [0; 18];
    let read = fs::File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut head));
    // Its type, in the machine's byte order: 2 is a program, 3 is shared.
    read.is_ok()
        && head.starts_with(b"\x7fELF")
        && matches!(u16::from_ne_bytes([head[16], head[17]]), 2 | 3)
}
