//! Finds a C compiler that is one, behind links and wrappers, and its tools.

use std::path::{Path, PathBuf};

use super::{CCompiler, Family};
use crate::capture::host::{Host, ask, tell};
use crate::capture::{CaptureError, elf};

/// Programs that call a compiler and are not one.
const WRAPPERS: [&str; 6] = [
    "ccache", "distcc", "sccache", "icecc", "icecream", "colorgcc",
];

/// The tools that a compiler, or who archives its objects, runs by name.
const TOOLS: [&str; 9] = [
    "ar", "as", "ld", "nm", "objcopy", "objdump", "ranlib", "readelf", "strip",
];

/// A compiler to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capture) enum Wanted<'a> {
    /// gcc for this machine.
    Gcc,
    /// clang for this machine.
    Clang,
    /// gcc for another machine, as GNU names it: `aarch64-linux-gnu`.
    CrossGcc(&'a str),
}

/// A tool of a compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    /// The name that the compiler and makefiles use.
    pub(super) name: &'static str,
    /// Its real path.
    pub(super) real: PathBuf,
    /// Where the compiler itself looks for it, if that is not `PATH`.
    pub(super) told: Option<PathBuf>,
}

impl Wanted<'_> {
    fn family(self) -> Family {
        match self {
            Self::Gcc | Self::CrossGcc(_) => Family::Gcc,
            Self::Clang => Family::Clang,
        }
    }

    /// What the names of its programs may begin with. Some systems name the
    /// maker of the machine as well.
    fn prefixes(self) -> Vec<String> {
        match self {
            Self::Gcc | Self::Clang => vec![String::new()],
            Self::CrossGcc(target) => vec![
                format!("{target}-"),
                format!("{}-", target.replacen('-', "-unknown-", 1)),
            ],
        }
    }

    fn cure(self) -> String {
        match self {
            Self::Gcc => Host::cure("gcc"),
            Self::Clang => Host::cure("clang"),
            Self::CrossGcc(target) => Host::cure(&format!("gcc-{target}")),
        }
    }

    fn cure_for_libc(self) -> String {
        match self {
            Self::Gcc | Self::Clang => Host::cure_for_libc(),
            Self::CrossGcc(target) => Host::cure_for_cross_libc(target),
        }
    }
}

impl CCompiler {
    /// Finds the first such compiler on `PATH`, and its tools.
    ///
    /// # Errors
    /// [`CaptureError::NotFound`] for the compiler, the C library or binutils.
    pub(in crate::capture) fn find(host: &Host, wanted: Wanted<'_>) -> Result<Self, CaptureError> {
        let mut compiler = Self::find_alone(host, wanted)?;
        // Debian's compilers only recommend a C library to compile against.
        if compiler.part("file-name", "crt1.o")?.is_none() {
            return Err(not_found("crt1.o", wanted.cure_for_libc()));
        }
        compiler.cxx = compiler.find_cxx()?;
        for name in TOOLS {
            let tool = compiler.find_tool(host, name)?;
            let cure = || Host::cure("binutils");
            let tool = tool.ok_or_else(|| not_found(&compiler.named(name), cure()))?;
            if name == "ar" {
                compiler.ar.clone_from(&tool.real);
            }
            compiler.tools.push(tool);
        }
        if let Some(own) = compiler.beside("llvm-ar") {
            // Only it can list what is in an object of clang's `-flto`.
            compiler.ar = own;
        }
        Ok(compiler)
    }

    fn find_alone(host: &Host, wanted: Wanted<'_>) -> Result<Self, CaptureError> {
        let family = wanted.family();
        let prefixes = wanted.prefixes();
        for prefix in &prefixes {
            for candidate in host.programs(&format!("{prefix}{}", family.program())) {
                if let Some(cc) = real_compiler(&candidate, family, "cc1")? {
                    return Ok(Self {
                        family,
                        prefix: prefix.clone(),
                        cc,
                        cxx: None,
                        ar: PathBuf::new(),
                        tools: Vec::new(),
                    });
                }
            }
        }
        let program = format!("{}{}", prefixes[0], family.program());
        Err(not_found(&program, wanted.cure()))
    }

    /// Returns the C++ compiler of the same build.
    fn find_cxx(&self) -> Result<Option<PathBuf>, CaptureError> {
        match self.family {
            Family::Gcc => match self.sibling("g++") {
                Some(cxx) => real_compiler(&cxx, self.family, "cc1plus"),
                None => Ok(None),
            },
            // One program is both, and its name decides: the name is kept.
            Family::Clang => {
                let cxx = self.sibling("clang++").or_else(|| self.beside("clang++"));
                let library = self.part("file-name", "libstdc++.so")?;
                Ok(cxx.filter(|cxx| library.is_some() && cxx.exists()))
            }
        }
    }

    /// Prefers the tool that the compiler was built with, then the one beside it.
    fn find_tool(&self, host: &Host, name: &'static str) -> Result<Option<Tool>, CaptureError> {
        let told = PathBuf::from(tell(&self.cc, &[format!("-print-prog-name={name}")])?.trim());
        let told = told.is_absolute().then_some(told);
        let prefixed = self.named(name);
        let beside = self.cc.parent().map(|folder| folder.join(&prefixed));
        let candidates = told.clone().into_iter().chain(beside);
        let candidates = candidates.chain(host.programs(&prefixed));
        let mut real = candidates.filter_map(|candidate| candidate.canonicalize().ok());
        let real = real.find(|real| is_elf_program(real));
        Ok(real.map(|real| Tool { name, real, told }))
    }

    /// Returns the program of the same build: `…-gcc-12` has `…-g++-12` beside it.
    pub(super) fn sibling(&self, program: &str) -> Option<PathBuf> {
        let name = self.cc.file_name()?.to_str()?;
        let (before, after) = name.rsplit_once(self.family.program())?;
        Some(self.cc.with_file_name(format!("{before}{program}{after}")))
    }

    /// Returns the real path of a part of clang that lies in its folder.
    pub(super) fn beside(&self, program: &str) -> Option<PathBuf> {
        let path = self.cc.with_file_name(program);
        let is_part = self.family == Family::Clang && is_elf_program(&path);
        is_part.then_some(path)
    }
}

fn not_found(program: &str, cure: String) -> CaptureError {
    CaptureError::NotFound {
        program: program.to_owned(),
        cure,
    }
}

/// Follows `candidate` to a compiler of this family, gcc with the pass `pass`;
/// `None` if it is a wrapper, a script, or another compiler under this name.
fn real_compiler(
    candidate: &Path,
    family: Family,
    pass: &str,
) -> Result<Option<PathBuf>, CaptureError> {
    let Ok(real) = candidate.canonicalize() else {
        return Ok(None);
    };
    let name = real.file_name().unwrap_or_default();
    if WRAPPERS.iter().any(|wrapper| name == *wrapper) || !is_elf_program(&real) {
        return Ok(None);
    }
    let question = match family {
        Family::Gcc => format!("-print-prog-name={pass}"),
        Family::Clang => "-print-resource-dir".to_owned(),
    };
    let answer = ask(&real, &[question])?;
    let part = Path::new(answer.stdout.trim());
    Ok((answer.success && part.is_absolute() && part.exists()).then_some(real))
}

pub(super) fn is_elf_program(path: &Path) -> bool {
    elf::read(path).is_ok_and(|elf| elf.is_some())
}
