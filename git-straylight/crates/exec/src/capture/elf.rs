//! What an ELF file asks of the dynamic loader: its interpreter and its
//! shared libraries.
//!
//! Reads the header, the program headers and the dynamic section, both word
//! sizes and both byte orders; never the sections, which a stripped file may
//! lack. A file that is not ELF, or whose tables point outside of it, is
//! `None`: the closure treats it as data.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The loader's view of one ELF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    /// Word size and machine; a program loads libraries of its own kind only.
    pub(super) kind: Kind,
    /// `PT_INTERP`: programs have one, libraries do not (the C library may).
    pub(super) interpreter: Option<String>,
    /// `DT_NEEDED`, in the order of the file.
    pub(super) needed: Vec<String>,
    /// `DT_RUNPATH`, or else `DT_RPATH`, split at colons.
    pub(super) run_path: Vec<String>,
}

/// What must agree between a program and its libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whether addresses have 64 bits.
    pub(super) wide: bool,
    /// `e_machine`.
    pub(super) machine: u16,
}

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// No table that is read here is larger in any real file.
const TABLE_LIMIT: u64 = 16 << 20;

/// Reads `path`; `None` if it is not an ELF program or library.
///
/// # Errors
/// When the file cannot be opened or read.
pub(super) fn read(path: &Path) -> io::Result<Option<Elf>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let reader = Reader {
        file,
        size,
        wide: false,
        big_endian: false,
    };
    match reader.elf() {
        Ok(elf) => Ok(elf),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

struct Reader {
    file: File,
    size: u64,
    wide: bool,
    big_endian: bool,
}

/// The fields of a program header that matter here.
struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

/// Where the fields lie that differ between the word sizes.
struct Layout {
    /// The length of the header.
    header: u64,
    /// In the header: the offset of the program headers, and the size of one;
    /// their number follows.
    table_offset: usize,
    entry_size: usize,
    /// The least size of a program header, and its fields.
    entry: u64,
    offset: usize,
    address: usize,
    size: usize,
}

const WIDE: Layout = Layout {
    header: 64,
    table_offset: 32,
    entry_size: 54,
    entry: 56,
    offset: 8,
    address: 16,
    size: 32,
};

const NARROW: Layout = Layout {
    header: 52,
    table_offset: 28,
    entry_size: 42,
    entry: 32,
    offset: 4,
    address: 8,
    size: 16,
};

impl Reader {
    fn elf(mut self) -> io::Result<Option<Elf>> {
        let ident = self.bytes(0, 20)?;
        if !ident.starts_with(b"\x7fELF") {
            return Ok(None);
        }
        self.wide = ident[4] == 2;
        self.big_endian = ident[5] == 2;
        let machine = self.number(&ident, 18, 2) as u16;
        let segments = self.segments()?;
        let mut elf = Elf {
            kind: Kind {
                wide: self.wide,
                machine,
            },
            interpreter: self.interpreter(&segments)?,
            needed: Vec::new(),
            run_path: Vec::new(),
        };
        let dynamic = segments.iter().find(|segment| segment.kind == PT_DYNAMIC);
        if let Some(dynamic) = dynamic {
            self.dynamic(dynamic, &segments, &mut elf)?;
        }
        // A static program loads nothing; a relocatable object has no segments
        // at all and is data.
        Ok((!segments.is_empty()).then_some(elf))
    }

    fn interpreter(&self, segments: &[Segment]) -> io::Result<Option<String>> {
        let Some(segment) = segments.iter().find(|segment| segment.kind == PT_INTERP) else {
            return Ok(None);
        };
        Ok(string_at(&self.bytes(segment.offset, segment.size)?, 0))
    }

    fn segments(&self) -> io::Result<Vec<Segment>> {
        let layout = if self.wide { &WIDE } else { &NARROW };
        let word = self.word() as usize;
        let header = self.bytes(0, layout.header)?;
        let offset = self.number(&header, layout.table_offset, word);
        let size = self.number(&header, layout.entry_size, 2);
        let count = self.number(&header, layout.entry_size + 2, 2);
        if count == 0 {
            return Ok(Vec::new());
        }
        if size < layout.entry {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let table = self.bytes(offset, size * count)?;
        let segment = |entry: &[u8]| Segment {
            kind: self.number(entry, 0, 4),
            offset: self.number(entry, layout.offset, word),
            address: self.number(entry, layout.address, word),
            size: self.number(entry, layout.size, word),
        };
        Ok(table.chunks_exact(size as usize).map(segment).collect())
    }

    fn dynamic(&self, at: &Segment, segments: &[Segment], elf: &mut Elf) -> io::Result<()> {
        let word = self.word() as usize;
        let table = self.bytes(at.offset, at.size)?;
        let entries: Vec<(u64, u64)> = table
            .chunks_exact(2 * word)
            .map(|entry| (self.number(entry, 0, word), self.number(entry, word, word)))
            .take_while(|(tag, _)| *tag != 0)
            .collect();
        let value = |tag| entries.iter().find(|entry| entry.0 == tag).map(|e| e.1);
        let (Some(address), Some(size)) = (value(DT_STRTAB), value(DT_STRSZ)) else {
            return Ok(());
        };
        let strings = self.bytes(file_offset(segments, address)?, size)?;
        let string = |offset: u64| string_at(&strings, usize::try_from(offset).ok()?);
        let needed = entries.iter().filter(|(tag, _)| *tag == DT_NEEDED);
        elf.needed = needed.filter_map(|(_, offset)| string(*offset)).collect();
        let run_path = value(DT_RUNPATH).or_else(|| value(DT_RPATH));
        if let Some(text) = run_path.and_then(string) {
            elf.run_path = text.split(':').map(str::to_owned).collect();
        }
        Ok(())
    }

    fn word(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    /// Reads a number of `width` bytes; the caller has checked the length.
    fn number(&self, bytes: &[u8], at: usize, width: usize) -> u64 {
        let field = &bytes[at..at + width];
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.big_endian {
            field.iter().fold(0, push)
        } else {
            field.iter().rev().fold(0, push)
        }
    }

    fn bytes(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let end = offset.checked_add(length);
        if length > TABLE_LIMIT || end.is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}

/// The dynamic section speaks of addresses; the file has offsets.
fn file_offset(segments: &[Segment], address: u64) -> io::Result<u64> {
    let load = |segment: &&Segment| {
        segment.kind == PT_LOAD
            && address
                .checked_sub(segment.address)
                .is_some_and(|distance| distance < segment.size)
    };
    let segment = segments.iter().find(load);
    let segment = segment.ok_or(io::ErrorKind::UnexpectedEof)?;
    (address - segment.address)
        .checked_add(segment.offset)
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn string_at(bytes: &[u8], offset: usize) -> Option<String> {
    let tail = bytes.get(offset..)?;
    let end = tail.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(&tail[..end]).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What `readelf` prints between brackets on lines that hold `marker`.
    fn readelf(path: &Path, option: &str, marker: &str) -> Vec<String> {
        let output = Command::new("readelf")
            .args([option, "-W"])
            .arg(path)
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let bracketed = |line: &str| Some(line.split_once(marker)?.1.split(']').next()?.to_owned());
        text.lines().filter_map(bracketed).collect()
    }

    #[test]
    fn agrees_with_readelf() {
        let mut programs = 0;
        for path in [
            "/bin/sh",
            "/usr/bin/ld",
            "/usr/bin/sort",
            "/usr/bin/tar",
            "/usr/bin/git",
        ] {
            let path = std::fs::canonicalize(path).unwrap();
            let elf = read(&path).unwrap().unwrap();
            assert_eq!(elf.needed, readelf(&path, "-d", "Shared library: ["));
            assert!(!elf.needed.is_empty());
            let interpreter = readelf(&path, "-l", "Requesting program interpreter: ");
            assert_eq!(
                elf.interpreter.as_deref(),
                interpreter.first().map(String::as_str)
            );
            programs += usize::from(elf.interpreter.is_some());
        }
        assert_eq!(programs, 5);
    }

    #[test]
    fn reads_run_paths_and_both_kinds_of_static_files() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("main.c");
        std::fs::write(&source, "int main(void) { return 0; }").unwrap();
        let compile = |name: &str, flags: &[&str]| {
            let output = folder.path().join(name);
            let mut gcc = Command::new("/usr/bin/gcc");
            gcc.args(flags).arg(&source).arg("-o").arg(&output);
            assert!(gcc.status().unwrap().success());
            read(&output).unwrap()
        };
        let origin = compile("origin", &["-Wl,-rpath,$ORIGIN/../lib:/opt/lib"]).unwrap();
        assert_eq!(origin.run_path, ["$ORIGIN/../lib", "/opt/lib"]);
        assert!(origin.kind.wide == cfg!(target_pointer_width = "64"));
        let fixed = compile("static", &["-static"]).unwrap();
        assert_eq!(fixed.interpreter, None);
        assert_eq!(fixed.needed, Vec::<String>::new());
        assert_eq!(compile("object", &["-c"]), None);
    }

    #[test]
    fn other_files_are_not_elf() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &[0; 4096]] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap(), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// A damaged header is data or another reading, never a crash.
        #[test]
        fn survives_damage(at in 0usize..4096, byte: u8, length in 0usize..8192) {
            let mut bytes = std::fs::read("/bin/sh").unwrap();
            bytes[at] = byte;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("damaged");
            std::fs::write(&path, &bytes).unwrap();
            prop_assert!(read(&path).is_ok());
            std::fs::write(&path, &bytes[..length]).unwrap();
            prop_assert!(read(&path).is_ok());
        }
    }
}
