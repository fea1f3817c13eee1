//! Finds the machine's gcc and everything that belongs to it.
//!
//! Where dpkg knows the compiler, its closure is the files of the packages
//! that hold its parts. Elsewhere it is what gcc itself names: its own
//! folders, the folders of its include list, and each part by its file name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use straylight_odb::LocalStore;

use super::closure::{Closure, Stored};
use super::dpkg::Packages;
use super::host::{Host, ask, tell};
use super::libraries::add_libraries;
use super::{CaptureError, CapturedGcc, elf};

/// Programs that call a compiler and are not one.
const WRAPPERS: [&str; 6] = [
    "ccache", "distcc", "sccache", "icecc", "icecream", "colorgcc",
];

/// The parts of gcc that are found with `-print-prog-name`.
const PROGRAMS: [&str; 6] = [
    "cc1",
    "cc1plus",
    "collect2",
    "lto1",
    "lto-wrapper",
    "g++-mapper-server",
];

/// The tools that gcc, or who archives its objects, runs by name.
const TOOLS: [&str; 9] = [
    "ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "strip",
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

/// Headers whose packages are the C library's and the kernel's.
const HEADERS: [&str; 2] = ["stdio.h", "linux/errno.h"];

/// A compiler on the machine, seen through links and wrappers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gcc {
    /// The real path of the C compiler.
    pub(super) cc: PathBuf,
    /// The real path of the C++ compiler of the same build.
    pub(super) cxx: Option<PathBuf>,
    /// The real path of the archiver.
    pub(super) ar: PathBuf,
    /// By the names that gcc and makefiles use.
    tools: Vec<(&'static str, PathBuf)>,
}

/// Where the list of the compiler's files comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// The package database if it knows the compiler, else gcc.
    Best,
    /// gcc, whatever else the machine knows.
    #[cfg(test)]
    Gcc,
}

/// Captures the compiler that `host` has.
///
/// # Errors
/// [`CaptureError`].
pub(super) fn capture(
    host: &Host,
    listing: Listing,
    store: &LocalStore,
) -> Result<CapturedGcc, CaptureError> {
    let gcc = Gcc::find(host)?;
    let mut closure = Closure::new("/");
    gcc.add_listed(&mut closure, listing)?;
    add_libraries(&mut closure)?;
    gcc.captured(closure.store(store)?)
}

impl Gcc {
    /// Finds the first `gcc` on `PATH` that is one, and its tools.
    ///
    /// # Errors
    /// [`CaptureError::NotFound`] for the compiler, the C library or binutils.
    pub(super) fn find(host: &Host) -> Result<Self, CaptureError> {
        let cc = Self::find_compiler(host)?;
        let cxx = match sibling(&cc, "g++") {
            Some(cxx) => real_compiler(&cxx, "cc1plus")?,
            None => None,
        };
        let mut gcc = Self {
            cc,
            cxx,
            ar: PathBuf::new(),
            tools: Vec::new(),
        };
        // Debian's gcc only recommends a C library to compile against.
        if gcc.part("file-name", "crt1.o")?.is_none() {
            return Err(not_found("crt1.o", Host::cure_for_libc()));
        }
        for name in TOOLS {
            let real = gcc.find_tool(host, name)?;
            let real = real.ok_or_else(|| not_found(name, Host::cure("binutils")))?;
            if name == "ar" {
                gcc.ar.clone_from(&real);
            }
            gcc.tools.push((name, real));
        }
        Ok(gcc)
    }

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
    pub(super) fn captured(&self, stored: Stored) -> Result<CapturedGcc, CaptureError> {
        let version = tell(&self.cc, &["-dumpfullversion"])?.trim().to_owned();
        Ok(CapturedGcc {
            digest: stored.digest,
            version,
            cc: text(&self.cc)?,
            cxx: self.cxx.as_deref().map(text).transpose()?,
            ar: text(&self.ar)?,
            files: stored.files,
            bytes: stored.bytes,
        })
    }

    fn find_compiler(host: &Host) -> Result<PathBuf, CaptureError> {
        for candidate in host.programs("gcc") {
            if let Some(real) = real_compiler(&candidate, "cc1")? {
                return Ok(real);
            }
        }
        Err(not_found("gcc", Host::cure("gcc")))
    }

    /// Prefers the tool that gcc was built with, then the one beside gcc.
    fn find_tool(&self, host: &Host, tool: &str) -> Result<Option<PathBuf>, CaptureError> {
        let told = PathBuf::from(tell(&self.cc, &[format!("-print-prog-name={tool}")])?.trim());
        let beside = self.cc.parent().map(|folder| folder.join(tool));
        let candidates = [told].into_iter().chain(beside).chain(host.programs(tool));
        let mut real = candidates
            .filter(|candidate| candidate.is_absolute())
            .filter_map(|candidate| candidate.canonicalize().ok());
        Ok(real.find(|real| is_elf_program(real)))
    }

    /// Asks gcc for the path of one of its programs or files.
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
            Listing::Gcc => None,
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
        parts.extend(self.tools.iter().map(|(_, real)| real.clone()));
        for name in PROGRAMS {
            parts.extend(self.part("prog-name", name)?);
        }
        for name in LANDMARKS {
            parts.extend(self.part("file-name", name)?);
        }
        for folder in self.include_folders(&self.cc, "c")? {
            parts.extend(HEADERS.map(|header| folder.join(header)));
        }
        let parts: Vec<PathBuf> = parts.iter().filter_map(|p| p.canonicalize().ok()).collect();
        let owners = packages.owners(&parts)?;
        packages.files(&packages.closure(&owners)).map(Some)
    }

    /// Adds what gcc names: whole folders where only it uses them.
    fn add_folders(&self, closure: &mut Closure) -> Result<(), CaptureError> {
        let mut folders = BTreeSet::new();
        for name in PROGRAMS {
            folders.extend(self.part("prog-name", name)?.and_then(parent));
        }
        folders.extend(self.part("file-name", "libgcc.a")?.and_then(parent));
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
        let cpp = sibling(&self.cc, "cpp").and_then(|cpp| cpp.canonicalize().ok());
        let cpp = cpp.filter(|cpp| is_elf_program(cpp));
        for (tool, real) in &self.tools {
            closure.require(real)?;
            // gcc looks for its tools under their plain names.
            closure.name(&folder.join(tool), real)?;
        }
        for (names, real) in [
            (&["gcc", "cc"][..], Some(&self.cc)),
            (&["g++", "c++"], self.cxx.as_ref()),
            (&["cpp"], cpp.as_ref()),
        ] {
            if let Some(real) = real {
                closure.require(real)?;
                for name in names {
                    closure.name(&folder.join(name), real)?;
                }
            }
        }
        self.add_plugin(closure)
    }

    /// Adds the link through which `ar` and `nm` read objects of `-flto`, if
    /// it leads to this compiler and not to another one of the machine.
    fn add_plugin(&self, closure: &mut Closure) -> Result<(), CaptureError> {
        let link = Path::new("/usr/lib/bfd-plugins/liblto_plugin.so");
        let own = self.part("file-name", "liblto_plugin.so")?;
        let own = own.and_then(|own| own.canonicalize().ok());
        if own.is_some() && link.canonicalize().ok() == own {
            closure.add(link)?;
        }
        Ok(())
    }

    /// Returns the folders of the `#include <…>` list of `compiler`.
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
        Ok(list.map(|line| PathBuf::from(line.trim())).collect())
    }
}

fn not_found(program: &str, cure: String) -> CaptureError {
    CaptureError::NotFound {
        program: program.to_owned(),
        cure,
    }
}

/// Follows `candidate` to a compiler that has the pass `pass`; `None` if it is
/// a wrapper, a script, or another compiler under this name.
fn real_compiler(candidate: &Path, pass: &str) -> Result<Option<PathBuf>, CaptureError> {
    let Ok(real) = candidate.canonicalize() else {
        return Ok(None);
    };
    let name = real.file_name().unwrap_or_default();
    if WRAPPERS.iter().any(|wrapper| name == *wrapper) || !is_elf_program(&real) {
        return Ok(None);
    }
    let answer = ask(&real, &[format!("-print-prog-name={pass}")])?;
    let pass = Path::new(answer.stdout.trim());
    Ok((answer.success && pass.is_absolute() && pass.exists()).then_some(real))
}

fn is_elf_program(path: &Path) -> bool {
    elf::read(path).is_ok_and(|elf| elf.is_some())
}

/// Returns the program of the same build: `…-gcc-12` has `…-g++-12` beside it.
fn sibling(cc: &Path, program: &str) -> Option<PathBuf> {
    let name = cc.file_name()?.to_str()?;
    let (before, after) = name.rsplit_once("gcc")?;
    Some(cc.with_file_name(format!("{before}{program}{after}")))
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
