//! Finds a C compiler of the machine and everything that belongs to it: gcc,
//! clang, or a gcc for another machine.
//!
//! Where dpkg knows the compiler, its closure is the files of the packages
//! that hold its parts. Elsewhere it is what the compiler itself names: its own
//! folders, the folders of its include list, and each part by its file name.
//!
//! clang has no start files and no C++ library: it uses gcc's, and so has those
//! in its tree, but no gcc.

mod find;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use straylight_odb::LocalStore;

use super::closure::{Closure, Stored};
use super::dpkg::Packages;
use super::elf::{self, Kind};
use super::host::{Host, ask, tell};
use super::libraries::add_libraries;
use super::{CaptureError, CapturedC};
pub(super) use find::Wanted;
use find::{Tool, is_elf_program};

/// The parts of gcc that are found with `-print-prog-name`.
const PROGRAMS: [&str; 6] = [
    "cc1",
    "cc1plus",
    "collect2",
    "lto1",
    "lto-wrapper",
    "g++-mapper-server",
];

/// Files whose packages are the compiler's runtime, the C library with its
/// headers, and the C++ library; they are found with `-print-file-name`.
const LANDMARKS: [&str; 6] = [
    "crt1.o",
    "libgcc.a",
    "libgcc_s.so.1",
    "libcrypt.so",
    "libstdc++.so",
    "libstdc++.so.6",
];

/// What a program may link with besides, where packages do not say.
const LIBRARIES: [&str; 19] = [
    "anl", "asan", "atomic", "c", "crypt", "dl", "gcc_s", "gomp", "itm", "lsan", "m", "mvec",
    "pthread", "quadmath", "resolv", "rt", "tsan", "ubsan", "util",
];

/// Start files and parts of libraries that no library name leads to.
const OBJECTS: [&str; 12] = [
    "Mcrt1.o",
    "Scrt1.o",
    "crt1.o",
    "crti.o",
    "crtn.o",
    "gcrt1.o",
    "grcrt1.o",
    "rcrt1.o",
    "libc_nonshared.a",
    "libstdc++.a",
    "libstdc++.so",
    "libstdc++.so.6",
];

/// Headers whose packages are the compiler's, the C library's and the kernel's.
const HEADERS: [&str; 3] = ["stddef.h", C_LIBRARY_HEADER, "linux/errno.h"];

/// Lies in the last folder that a compiler for another machine may read: behind
/// it come headers of this one.
const C_LIBRARY_HEADER: &str = "stdio.h";

/// Whose compiler it is: what it is called, and how it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Gcc,
    Clang,
}

impl Family {
    fn program(self) -> &'static str {
        match self {
            Self::Gcc => "gcc",
            Self::Clang => "clang",
        }
    }
}

/// A compiler on the machine, seen through links and wrappers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CCompiler {
    family: Family,
    /// What the names of its programs begin with: `aarch64-linux-gnu-`; nothing
    /// if it is for this machine.
    prefix: String,
    /// The real path of the C compiler.
    pub(super) cc: PathBuf,
    /// The path of the C++ compiler of the same build.
    pub(super) cxx: Option<PathBuf>,
    /// The path of the archiver.
    pub(super) ar: PathBuf,
    tools: Vec<Tool>,
}

/// Where the list of the compiler's files comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// The package database if it knows the compiler, else the compiler.
    Best,
    /// The compiler, whatever else the machine knows.
    #[cfg(test)]
    Compiler,
}

/// Captures the compiler that `host` has.
///
/// # Errors
/// [`CaptureError`].
pub(super) fn capture(
    host: &Host,
    wanted: Wanted<'_>,
    listing: Listing,
    store: &LocalStore,
) -> Result<CapturedC, CaptureError> {
    let compiler = CCompiler::find(host, wanted)?;
    let mut closure = Closure::new("/");
    compiler.add_listed(&mut closure, listing)?;
    add_libraries(&mut closure, compiler.own_kind()?)?;
    compiler.captured(closure.store(store)?)
}

impl CCompiler {
    /// Adds everything that belongs to the compiler, but the libraries of its
    /// programs.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub(super) fn add(&self, closure: &mut Closure) -> Result<(), CaptureError> {
        self.add_listed(closure, Listing::Best)
    }

    fn add_listed(&self, closure: &mut Closure, listing: Listing) -> Result<(), CaptureError> {
        self.add_files(closure, listing)?;
        self.add_essentials(closure)?;
        closure.add_locale()
    }

    /// Returns what is known of the compiler in the tree that was stored.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub(super) fn captured(&self, stored: Stored) -> Result<CapturedC, CaptureError> {
        let question = match self.family {
            Family::Gcc => "-dumpfullversion",
            Family::Clang => "-dumpversion",
        };
        let version = tell(&self.cc, &[question])?;
        Ok(CapturedC {
            digest: stored.digest,
            version: version.trim().to_owned(),
            cc: text(&self.cc)?,
            cxx: self.cxx.as_deref().map(text).transpose()?,
            ar: text(&self.ar)?,
            files: stored.files,
            bytes: stored.bytes,
        })
    }

    /// Returns the machine that the programs of the tree are for, where that is
    /// not the one that the compiler makes programs for.
    fn own_kind(&self) -> Result<Option<Kind>, CaptureError> {
        let failed = |source| CaptureError::io("read", &self.cc, source);
        if self.prefix.is_empty() {
            return Ok(None);
        }
        Ok(elf::read(&self.cc).map_err(failed)?.map(|elf| elf.kind))
    }

    /// Returns the name that a program has which goes by `name` for this machine.
    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Asks the compiler for the path of one of its programs or files.
    fn part(&self, question: &str, name: &str) -> Result<Option<PathBuf>, CaptureError> {
        let answer = tell(&self.cc, &[format!("-print-{question}={name}")])?;
        let path = Path::new(answer.trim_end_matches('\n'));
        // What it does not have, it answers with the bare name.
        Ok(path.is_absolute().then(|| path.to_owned()))
    }

    /// Adds what belongs to the compiler, as far as `listing` knows it.
    fn add_files(&self, closure: &mut Closure, listing: Listing) -> Result<(), CaptureError> {
        let files = match listing {
            Listing::Best => self.package_files()?,
            #[cfg(test)]
            Listing::Compiler => None,
        };
        let Some(files) = files else {
            return self.add_folders(closure);
        };
        for file in files {
            closure.add(&file)?;
        }
        Ok(())
    }

    /// Returns the files of the compiler's packages; `None` when the package
    /// database does not know this compiler.
    fn package_files(&self) -> Result<Option<Vec<PathBuf>>, CaptureError> {
        let Some(packages) = Packages::read()? else {
            return Ok(None);
        };
        if packages.owners(std::slice::from_ref(&self.cc))?.is_empty() {
            return Ok(None);
        }
        let mut parts = vec![self.cc.clone()];
        parts.extend(self.cxx.clone());
        parts.extend(self.tools.iter().map(|tool| tool.real.clone()));
        for name in PROGRAMS {
            parts.extend(self.part("prog-name", name)?);
        }
        for name in LANDMARKS {
            parts.extend(self.part("file-name", name)?);
        }
        let folders = self.include_folders(&self.cc, "c")?;
        for header in HEADERS {
            let mut paths = folders.iter().map(|folder| folder.join(header));
            parts.extend(paths.find(|path| path.exists()));
        }
        let parts: Vec<PathBuf> = parts.iter().filter_map(|p| p.canonicalize().ok()).collect();
        let owners = packages.owners(&parts)?;
        packages.files(&packages.closure(&owners)).map(Some)
    }

    /// Adds what the compiler names: whole folders where only it uses them.
    fn add_folders(&self, closure: &mut Closure) -> Result<(), CaptureError> {
        let mut folders = BTreeSet::new();
        for name in PROGRAMS {
            folders.extend(self.part("prog-name", name)?.and_then(parent));
        }
        folders.extend(self.part("file-name", "libgcc.a")?.and_then(parent));
        if self.family == Family::Clang {
            folders.insert(tell(&self.cc, &["-print-resource-dir"])?.trim().into());
        }
        folders.extend(self.include_folders(&self.cc, "c")?);
        if let Some(cxx) = &self.cxx {
            folders.extend(self.include_folders(cxx, "c++")?);
        }
        for folder in &folders {
            closure.add_folder(folder)?;
        }
        for name in OBJECTS {
            self.add_part(closure, name)?;
        }
        for name in LIBRARIES {
            for extension in ["so", "a"] {
                self.add_part(closure, &format!("lib{name}.{extension}"))?;
            }
        }
        Ok(())
    }

    /// Adds a file to link with; a linker script brings the files it names.
    fn add_part(&self, closure: &mut Closure, name: &str) -> Result<(), CaptureError> {
        let Some(path) = self.part("file-name", name)? else {
            return Ok(());
        };
        let Some(real) = closure.add(&path)? else {
            return Ok(());
        };
        for word in linker_script(&real)? {
            if word.starts_with('/') {
                closure.add(Path::new(&word))?;
            } else if let Some(path) = self.part("file-name", &word)? {
                closure.add(&path)?;
            }
        }
        Ok(())
    }

    /// Adds the programs themselves and the names they are called by.
    fn add_essentials(&self, closure: &mut Closure) -> Result<(), CaptureError> {
        let folder = Path::new("/usr/bin");
        closure.require(&self.cc)?;
        for tool in &self.tools {
            closure.require(&tool.real)?;
            // gcc looks for its tools under their plain names, one for another
            // machine in a folder of its own.
            closure.name(&folder.join(self.named(tool.name)), &tool.real)?;
            if let Some(told) = tool.told.as_ref().filter(|_| !self.prefix.is_empty()) {
                closure.require(told)?;
            }
        }
        closure.require(&self.ar)?;
        for (names, program) in self.names() {
            closure.require(&program)?;
            for name in names {
                closure.name(&folder.join(self.named(name)), &program)?;
            }
        }
        if let Some(linker) = self.beside("ld.lld") {
            closure.add(&linker)?;
        }
        self.add_plugin(closure)
    }

    /// Returns the programs with the names that people call them by.
    fn names(&self) -> Vec<(&'static [&'static str], PathBuf)> {
        let cpp = self.sibling("cpp").and_then(|cpp| cpp.canonicalize().ok());
        let cpp = cpp.filter(|cpp| self.family == Family::Gcc && is_elf_program(cpp));
        let (cc, cxx): (&[&str], &[&str]) = match self.family {
            Family::Gcc => (&["gcc", "cc"], &["g++", "c++"]),
            Family::Clang => (&["clang", "cc"], &["clang++", "c++"]),
        };
        let programs = [
            (cc, Some(self.cc.clone())),
            (cxx, self.cxx.clone()),
            (&["cpp"], cpp),
        ];
        let known = |(names, program): (_, Option<PathBuf>)| Some((names, program?));
        programs.into_iter().filter_map(known).collect()
    }

    /// Adds the link through which `ar` and `nm` read objects of `-flto`, if
    /// it leads to this compiler and not to another one of the machine.
    fn add_plugin(&self, closure: &mut Closure) -> Result<(), CaptureError> {
        if self.family == Family::Clang {
            // The system's linker loads it from here.
            let own = self.cc.parent().and_then(Path::parent);
            let own = own.map(|folder| folder.join("lib/LLVMgold.so"));
            return own.map_or(Ok(()), |own| closure.add(&own).map(drop));
        }
        let link = Path::new("/usr/lib/bfd-plugins/liblto_plugin.so");
        let own = self.part("file-name", "liblto_plugin.so")?;
        let own = own.and_then(|own| own.canonicalize().ok());
        if own.is_some() && link.canonicalize().ok() == own {
            closure.add(link)?;
        }
        Ok(())
    }

    /// Returns the folders of the `#include <…>` list of `compiler`, as far as
    /// the C library's.
    fn include_folders(
        &self,
        compiler: &Path,
        language: &str,
    ) -> Result<Vec<PathBuf>, CaptureError> {
        let answer = ask(compiler, &["-E", "-v", "-x", language, "/dev/null"])?;
        let lines = answer.stderr.lines();
        let list = lines
            .skip_while(|line| !line.starts_with("#include <...>"))
            .skip(1)
            .take_while(|line| !line.starts_with("End of search list"));
        let mut folders: Vec<_> = list.map(|line| PathBuf::from(line.trim())).collect();
        let mut last = folders
            .iter()
            .map(|folder| folder.join(C_LIBRARY_HEADER).exists());
        if let Some(last) = last.position(|is_last| is_last) {
            folders.truncate(last + 1);
        }
        Ok(folders)
    }
}

fn parent(path: PathBuf) -> Option<PathBuf> {
    path.parent().map(Path::to_owned)
}

/// Returns the files that a linker script names; none if it is not a script.
fn linker_script(path: &Path) -> Result<Vec<String>, CaptureError> {
    /// A script is a few lines; a library of this size is none.
    const LIMIT: u64 = 16 << 10;
    let failed = |source| CaptureError::io("read", path, source);
    if path.metadata().map_err(failed)?.len() > LIMIT {
        return Ok(Vec::new());
    }
    let Ok(text) = String::from_utf8(std::fs::read(path).map_err(failed)?) else {
        return Ok(Vec::new());
    };
    let words = text.split(|c: char| c.is_whitespace() || "()".contains(c));
    let is_file = |word: &&str| word.contains(".so") || word.ends_with(".a");
    Ok(words.filter(is_file).map(str::to_owned).collect())
}

/// A path of the tree; those that are not UTF-8 are in none.
fn text(path: &Path) -> Result<String, CaptureError> {
    let missing = || CaptureError::Missing {
        path: path.to_owned(),
    };
    path.to_str().map(str::to_owned).ok_or_else(missing)
}
