//! Actions by what they read, not by what they could have read.
//!
//! A compiler that writes a list of the files that it read (`dep_file`) lets an
//! action stand for others: those with the same command, the same file system
//! and inputs of the same names, in which every file that it read has the same
//! bytes. An edit of a header then runs the compiles that include it, and no
//! others. Inputs that the command line names count as read, and so do folders
//! and links.
//!
//! The names of all inputs matter, since a new file may be found before an old
//! one, and a compiler can ask whether a file is there.
//!
//! `reads/{signer}/{sha256}` has, for a command and the names of its inputs, the
//! sets of files that runs of it read, the newest first: CBOR,
//! `[version, [[path, …], …]]`. Its key is the sha256 of the same without the
//! files; a claim about it is kept under the sha256 of both. Neither is an
//! action: no executor is asked for them, and no attestation names them.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use straylight_exec::action::WORKING_DIRECTORY;
use straylight_exec::{BuiltAction, Node};
use straylight_odb::Digest;

/// Which digests are computed as this version does.
const VERSION: u8 = 1;

/// An input as far as it decides by itself what the action is.
#[derive(Encode)]
enum Seen<'a> {
    /// A file that the command may or may not read.
    #[n(0)]
    Name(#[n(0)] &'a str),
    /// Anything else, with its digest or its target.
    #[n(1)]
    Content(#[n(0)] &'a str, #[n(1)] String),
}

/// What is known of an action before it is known what it reads.
#[derive(Debug)]
pub(crate) struct Reads {
    /// Stands for the command and the names of its inputs.
    pub(crate) digest: Digest,
    /// The files that it may read, and their content, sorted by path.
    files: Vec<(String, String)>,
    /// The compiler's list, as an output of the action.
    dep_file: String,
}

impl Reads {
    /// `inputs` are all inputs, `named` the paths of those that the command line
    /// names.
    pub(crate) fn new(
        action: &BuiltAction,
        inputs: &BTreeMap<String, Node>,
        named: &BTreeSet<String>,
        dep_file: String,
    ) -> Self {
        let mut files = Vec::new();
        let mut seen = Vec::new();
        for (path, node) in inputs {
            let content = content(node);
            if matches!(node, Node::File { .. }) && !named.contains(path) {
                seen.push(Seen::Name(path));
                files.push((path.clone(), content));
            } else {
                seen.push(Seen::Content(path, content));
            }
        }
        let command = Digest::of(&action.command_bytes).to_string();
        let toolchain = action.request().toolchain.map(|digest| digest.to_string());
        let bytes = minicbor::to_vec((VERSION, command, toolchain, seen));
        Self {
            digest: Digest::of(&bytes.expect("a vector accepts all bytes")),
            files,
            dep_file,
        }
    }

    /// Returns the digest that stands for the command and for the content of
    /// the files in `read`; `None` if one of them is no input any more.
    pub(crate) fn with(&self, read: &[String]) -> Option<Digest> {
        let find = |path: &String| {
            let at = self
                .files
                .binary_search_by(|(file, _)| file.cmp(path))
                .ok()?;
            Some(&self.files[at])
        };
        let read: Vec<&(String, String)> = read.iter().map(find).collect::<Option<_>>()?;
        let bytes = minicbor::to_vec((self.digest.to_string(), read));
        Some(Digest::of(&bytes.expect("a vector accepts all bytes")))
    }

    /// Returns the path of the compiler's list, in the sandbox.
    pub(crate) fn dep_file(&self) -> &str {
        &self.dep_file
    }

    /// Returns those of the files that the compiler's list names, sorted;
    /// `None` if the list cannot be read.
    pub(crate) fn listed(&self, dep_file: &[u8]) -> Option<Vec<String>> {
        let listed = parse(std::str::from_utf8(dep_file).ok()?)?;
        let files = self.files.iter().map(|(path, _)| path);
        Some(
            files
                .filter(|path| listed.contains(*path))
                .cloned()
                .collect(),
        )
    }
}

fn content(node: &Node) -> String {
    match node {
        Node::File { digest, executable } => format!("{digest} {executable}"),
        Node::Directory { digest } => format!("tree {digest}"),
        Node::Symlink { target } => format!("link {target}"),
        Node::EmptyDir => "folder".to_owned(),
    }
}

/// Reads a list of dependencies as compilers write them, which is a makefile:
/// `target: file file \` with `\` before a space or a `#`, and `$$` for `$`.
/// Returns the files, relative to the working folder; those elsewhere are left
/// out. `None` if the text is something else.
fn parse(text: &str) -> Option<BTreeSet<String>> {
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut files = BTreeSet::new();
    let mut rules = 0;
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let words = words(line);
        let target = words.iter().position(|word| word.ends_with(':'))?;
        rules += 1;
        files.extend(words[target + 1..].iter().filter_map(|word| relative(word)));
    }
    (rules > 0).then_some(files)
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(escaped @ (' ' | '#' | '\\'))) => {
                word.push(*escaped);
                characters.next();
            }
            ('$', Some('$')) => {
                word.push('$');
                characters.next();
            }
            (' ' | '\t', _) => words.push(std::mem::take(&mut word)),
            _ => word.push(character),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Returns the normal spelling of a path below the working folder.
fn relative(path: &str) -> Option<String> {
    let folder = format!("/{WORKING_DIRECTORY}/");
    let path = match path.strip_prefix('/') {
        Some(_) => path.strip_prefix(&folder)?,
        None => path,
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The record of what runs of one command read.
#[derive(Encode, Decode)]
struct Record {
    #[n(0)]
    version: u8,
    #[n(1)]
    reads: Vec<Vec<String>>,
}

/// Returns the sets of files in a record; none if it is damaged.
pub(crate) fn decode(bytes: &[u8]) -> Vec<Vec<String>> {
    read(bytes).map_or_else(Vec::new, |record| record.reads)
}

/// Returns whether these are the bytes of a record.
pub(crate) fn is_record(bytes: &[u8]) -> bool {
    read(bytes).is_some()
}

fn read(bytes: &[u8]) -> Option<Record> {
    let record = minicbor::decode::<Record>(bytes).ok();
    record.filter(|record| record.version == VERSION)
}

/// Returns a record of sets of files.
pub(crate) fn encode(reads: Vec<Vec<String>>) -> Vec<u8> {
    let record = Record {
        version: VERSION,
        reads,
    };
    minicbor::to_vec(&record).expect("a vector accepts all bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Vec<String>> {
        parse(text).map(|files| files.into_iter().collect())
    }

    #[test]
    fn lists_are_read_as_compilers_write_them() {
        let gcc = "out/p/x/a.c.o: p/a.c p/../q/b.h \\\n /usr/include/stdio.h \\\n ./c.h\n";
        assert_eq!(parsed(gcc).unwrap(), ["c.h", "p/a.c", "q/b.h"]);
        let odd = "x.o: with\\ space.h /build/p/d.h cost$$.h \\#.h\n\nwith\\ space.h:\n";
        assert_eq!(
            parsed(odd).unwrap(),
            ["#.h", "cost$.h", "p/d.h", "with space.h"]
        );
        let rustc = "out/lib.rlib: src/lib.rs src/a.rs\n\nsrc/lib.rs:\n\n# env-dep:CARGO\n";
        assert_eq!(parsed(rustc).unwrap(), ["src/a.rs", "src/lib.rs"]);
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in ["", "\n", "no rule here\n", "x.o: a.h\nand more\n"] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
        // A file outside cannot be an input.
        assert_eq!(parsed("x: ../../a /etc/passwd\n").unwrap(), [""; 0]);
    }

    #[test]
    fn records_survive_and_damage_is_nothing() {
        let reads = vec![vec!["a".to_owned()], vec![]];
        let bytes = encode(reads.clone());
        assert_eq!(decode(&bytes), reads);
        assert_eq!(decode(&bytes[..bytes.len() - 1]), Vec::<Vec<String>>::new());
    }
}
