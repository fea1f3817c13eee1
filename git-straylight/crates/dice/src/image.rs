//! The file that a graph of results is kept in between processes.
//!
//! ```text
//! magic                    32 bytes, names this version of the format
//! context                  32 bytes, of the embedding program
//! revision, node count, dependency count, inline length: 4 × u32
//! checksum                 u32, CRC-32 of all that follows up to the values
//! nodes                    one record of 64 bytes each
//! index                    per node: u32 hash of its key, u32 node; sorted
//! dependencies             u32 each; the top bit ends a group
//! inline                   keys, and values that are small or looked at in every run
//! values                   the other values, each with a CRC-32 of its own
//! ```
//!
//! Numbers are little-endian. A node comes after everything that it depends
//! on. The values are read one by one, when somebody asks; the rest is read at
//! once. A file that is not exactly this is no image: the engine starts afresh.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::FileExt as _;

use crate::persist::Fingerprint;

const MAGIC: &[u8; 32] = b"straylight graph, version 1\n\0\0\0\0";
const HEADER: usize = 32 + 32 + 4 * 4 + 4;
const RECORD: usize = 64;
const LAST_OF_GROUP: u32 = 1 << 31;

/// The node has a value.
const HAS_VALUE: u16 = 1;
/// Its value is inline.
const INLINE: u16 = 2;
/// There is something to tell about its value in every run.
const REMINDS: u16 = 4;

/// What an image says of one result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(crate) tag: u16,
    flags: u16,
    key: (u32, u32),
    dependencies: (u32, u32),
    value: (u64, u32, u32),
    pub(crate) fingerprint: Fingerprint,
    pub(crate) changed_at: u32,
    pub(crate) verified_at: u32,
    /// The last revision in which anybody wanted it.
    pub(crate) used_at: u32,
}

impl Record {
    pub(crate) fn has_value(&self) -> bool {
        self.flags & HAS_VALUE != 0
    }

    pub(crate) fn reminds(&self) -> bool {
        self.flags & REMINDS != 0
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.tag.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        for number in [
            self.key.0,
            self.key.1,
            self.dependencies.0,
            self.dependencies.1,
        ] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.value.0.to_le_bytes());
        out.extend(self.value.1.to_le_bytes());
        out.extend(self.value.2.to_le_bytes());
        out.extend(self.fingerprint);
        for number in [self.changed_at, self.verified_at, self.used_at] {
            out.extend(number.to_le_bytes());
        }
    }

    fn read(bytes: &[u8; RECORD]) -> Self {
        let mut at = 0;
        let mut take = |length: usize| {
            at += length;
            &bytes[at - length..at]
        };
        let half = |bytes: &[u8]| u16::from_le_bytes(bytes.try_into().expect("two bytes"));
        let (tag, flags) = (half(take(2)), half(take(2)));
        let mut number = || word(take(4));
        let key = (number(), number());
        let dependencies = (number(), number());
        let (low, high) = (number(), number());
        let value = (u64::from(low) | u64::from(high) << 32, number(), number());
        let fingerprint = take(16).try_into().expect("sixteen bytes");
        let mut number = || word(take(4));
        Self {
            tag,
            flags,
            key,
            dependencies,
            value,
            fingerprint,
            changed_at: number(),
            verified_at: number(),
            used_at: number(),
        }
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

/// Returns what the index sorts a key by.
fn key_hash(tag: u16, key: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&tag.to_le_bytes());
    hasher.update(key);
    hasher.finalize()
}

/// An image that was opened: everything but the values is in memory.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    bytes: Vec<u8>,
    pub(crate) revision: u32,
    count: usize,
    index: usize,
    dependencies: usize,
    inline: usize,
    /// Where the values begin, and how long they are.
    values: (u64, u64),
}

impl Image {
    /// Opens the image in `file`; `None` if it is none of this context, or none
    /// at all if every context will do.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn open(mut file: File, context: Option<&[u8; 32]>) -> io::Result<Option<Self>> {
        let length = file.metadata()?.len();
        let mut header = [0; HEADER];
        if length < HEADER as u64 {
            return Ok(None);
        }
        file.read_exact(&mut header)?;
        let is_other = |context: &[u8; 32]| header[32..64] != context[..];
        if header[..32] != MAGIC[..] || context.is_some_and(is_other) {
            return Ok(None);
        }
        let number = |index: usize| word(&header[64 + 4 * index..68 + 4 * index]);
        let (revision, count, dependencies, inline) = (number(0), number(1), number(2), number(3));
        let checksum = number(4);
        let body = u64::from(count) * (RECORD as u64 + 8) + u64::from(dependencies) * 4;
        let body = body + u64::from(inline);
        let Some(values) = length.checked_sub(HEADER as u64 + body) else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let wanted = usize::try_from(body).unwrap_or(usize::MAX);
        if bytes.try_reserve_exact(wanted).is_err() {
            return Ok(None);
        }
        (&mut file).take(body).read_to_end(&mut bytes)?;
        if bytes.len() != wanted || crc32fast::hash(&bytes) != checksum {
            return Ok(None);
        }
        let count = count as usize;
        let image = Self {
            file,
            bytes,
            revision,
            count,
            index: count * RECORD,
            dependencies: count * (RECORD + 8),
            inline: count * (RECORD + 8) + dependencies as usize * 4,
            values: (HEADER as u64 + body, values),
        };
        Ok(image.is_sound().then_some(image))
    }

    /// Returns whether every reference stays inside, so that readers need not
    /// look: a node comes after its dependencies.
    fn is_sound(&self) -> bool {
        let inline = (self.bytes.len() - self.inline) as u64;
        let dependencies = (self.inline - self.dependencies) as u64 / 4;
        let within =
            |(start, length): (u32, u32), limit: u64| u64::from(start) + u64::from(length) <= limit;
        (0..self.count).all(|node| {
            let record = self.record(node as u32);
            let (start, length, _) = record.value;
            let values = if record.flags & INLINE != 0 {
                inline
            } else {
                self.values.1
            };
            within(record.key, inline)
                && within(record.dependencies, dependencies)
                && start
                    .checked_add(u64::from(length))
                    .is_some_and(|end| end <= values)
                && record.changed_at <= record.verified_at
                && record.verified_at <= self.revision
                && self
                    .dependencies(node as u32)
                    .all(|below| (below as usize) < node)
                && (self.entry(node).1 as usize) < self.count
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn record(&self, node: u32) -> Record {
        let at = node as usize * RECORD;
        let bytes = self.bytes[at..at + RECORD].try_into().expect("one record");
        Record::read(bytes)
    }

    fn entry(&self, place: usize) -> (u32, u32) {
        let at = self.index + place * 8;
        (
            word(&self.bytes[at..at + 4]),
            word(&self.bytes[at + 4..at + 8]),
        )
    }

    fn marked_dependencies(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let (start, length) = self.record(node).dependencies;
        let start = self.dependencies + start as usize * 4;
        self.bytes[start..start + length as usize * 4]
            .chunks_exact(4)
            .map(word)
    }

    /// Returns what a node depends on, in the order in which it was asked for.
    pub(crate) fn dependencies(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        self.marked_dependencies(node)
            .map(|node| node & !LAST_OF_GROUP)
    }

    /// Returns the same, group by group.
    pub(crate) fn groups(&self, node: u32) -> Vec<Vec<u32>> {
        let mut groups = Vec::new();
        let mut group = Vec::new();
        for marked in self.marked_dependencies(node) {
            group.push(marked & !LAST_OF_GROUP);
            if marked & LAST_OF_GROUP != 0 {
                groups.push(std::mem::take(&mut group));
            }
        }
        groups
    }

    pub(crate) fn key(&self, node: u32) -> &[u8] {
        let (start, length) = self.record(node).key;
        let start = self.inline + start as usize;
        &self.bytes[start..start + length as usize]
    }

    /// Returns the node with this key.
    pub(crate) fn find(&self, tag: u16, key: &[u8]) -> Option<u32> {
        let hash = key_hash(tag, key);
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.entry(middle).0 < hash {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..self.count)
            .map(|place| self.entry(place))
            .take_while(|entry| entry.0 == hash)
            .map(|entry| entry.1)
            .find(|&node| self.record(node).tag == tag && self.key(node) == key)
    }

    /// Returns the value of a node, as it was stored; `None` if there is none,
    /// or it is damaged.
    pub(crate) fn value(&self, node: u32) -> Option<Vec<u8>> {
        let record = self.record(node);
        let (start, length, checksum) = record.value;
        if !record.has_value() {
            return None;
        }
        if let Some(inline) = self.inline_value(node) {
            return Some(inline.to_vec());
        }
        let mut bytes = vec![0; length as usize];
        let read = self.file.read_exact_at(&mut bytes, self.values.0 + start);
        (read.is_ok() && crc32fast::hash(&bytes) == checksum).then_some(bytes)
    }

    /// Returns the value of a node if it is among what is in memory.
    pub(crate) fn inline_value(&self, node: u32) -> Option<&[u8]> {
        let record = self.record(node);
        let (start, length, _) = record.value;
        (record.flags & (INLINE | HAS_VALUE) == INLINE | HAS_VALUE).then(|| {
            let start = self.inline + usize::try_from(start).expect("checked when it was opened");
            &self.bytes[start..start + length as usize]
        })
    }
}

/// One result to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    pub(crate) key: Vec<u8>,
    pub(crate) groups: Vec<Vec<u32>>,
    pub(crate) value: Option<Vec<u8>>,
    /// Whether every run reads the value with all the rest.
    pub(crate) inline: bool,
    pub(crate) reminds: bool,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) changed_at: u32,
    pub(crate) verified_at: u32,
    pub(crate) used_at: u32,
}

/// Collects results, and writes them as an image.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    records: Vec<Record>,
    index: Vec<(u32, u32)>,
    dependencies: Vec<u8>,
    inline: Vec<u8>,
    values: Vec<u8>,
}

impl Writer {
    /// Adds a result, after everything that it depends on; returns its node.
    /// `None` if the image is full.
    pub(crate) fn push(&mut self, entry: Entry) -> Option<u32> {
        let node = u32::try_from(self.records.len()).ok()?;
        let place = |bytes: &Vec<u8>| u32::try_from(bytes.len()).ok();
        let key = (place(&self.inline)?, u32::try_from(entry.key.len()).ok()?);
        self.inline.extend(&entry.key);
        let start = place(&self.dependencies)? / 4;
        for group in &entry.groups {
            for (at, below) in group.iter().enumerate() {
                let last = if at + 1 == group.len() {
                    LAST_OF_GROUP
                } else {
                    0
                };
                self.dependencies.extend((below | last).to_le_bytes());
            }
        }
        let dependencies = (start, place(&self.dependencies)? / 4 - start);
        let mut flags = if entry.reminds { REMINDS } else { 0 };
        let mut value = (0, 0, 0);
        if let Some(bytes) = &entry.value {
            flags |= HAS_VALUE;
            let kept = if entry.inline {
                flags |= INLINE;
                place(&self.inline)?;
                &mut self.inline
            } else {
                &mut self.values
            };
            let length = u32::try_from(bytes.len()).ok()?;
            value = (kept.len() as u64, length, crc32fast::hash(bytes));
            kept.extend(bytes);
        }
        self.index.push((key_hash(entry.tag, &entry.key), node));
        self.records.push(Record {
            tag: entry.tag,
            flags,
            key,
            dependencies,
            value,
            fingerprint: entry.fingerprint,
            changed_at: entry.changed_at,
            verified_at: entry.verified_at,
            used_at: entry.used_at,
        });
        Some(node)
    }

    /// Writes the image of a graph that is at `revision`.
    pub(crate) fn write(
        mut self,
        mut to: impl Write,
        revision: u32,
        context: &[u8; 32],
    ) -> io::Result<()> {
        self.index.sort_unstable();
        let mut body = Vec::with_capacity(
            self.records.len() * (RECORD + 8) + self.dependencies.len() + self.inline.len(),
        );
        self.records
            .iter()
            .for_each(|record| record.write(&mut body));
        for (hash, node) in &self.index {
            body.extend(hash.to_le_bytes());
            body.extend(node.to_le_bytes());
        }
        body.extend(&self.dependencies);
        body.extend(&self.inline);
        let full = |_| io::Error::other("the graph is too large for an image");
        let number = |length: usize| u32::try_from(length).map_err(full);
        to.write_all(MAGIC)?;
        to.write_all(context)?;
        to.write_all(&revision.to_le_bytes())?;
        to.write_all(&number(self.records.len())?.to_le_bytes())?;
        to.write_all(&number(self.dependencies.len() / 4)?.to_le_bytes())?;
        to.write_all(&number(self.inline.len())?.to_le_bytes())?;
        to.write_all(&crc32fast::hash(&body).to_le_bytes())?;
        to.write_all(&body)?;
        to.write_all(&self.values)?;
        // A buffer that fails when it is dropped fails unheard.
        to.flush()
    }
}
