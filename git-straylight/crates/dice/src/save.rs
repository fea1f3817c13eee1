//! Writing the image of a graph.
//!
//! What the graph knows takes the place of what the image had that it goes on
//! from. Of the rest of that image, what nobody has wanted for some revisions is
//! left out. A result is written after everything that it depends on, and only
//! if all of that is.

use std::io::{self, Write};

use rustc_hash::FxHashMap;

use crate::erased::Node;
use crate::graph::Remembered;
use crate::image::{Entry, Writer};
use crate::persist::Codecs;
use crate::requests::State;

/// For how many revisions a result is kept that nobody wants.
const KEPT: u32 = 64;

/// Values of at most so many bytes are not worth a read of their own.
const SMALL: usize = 160;

/// A result, and where it is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    Graph(Node),
    Image(u32),
}

struct Saver<'a> {
    state: &'a State,
    codecs: &'a Codecs,
    revision: u32,
    /// The image's results of nodes, without those that the graph replaces.
    of: FxHashMap<Node, u32>,
    /// Where each result went; `None` if it is not written, or not yet.
    written: FxHashMap<Origin, Option<u32>>,
    writer: Writer,
}

pub(crate) fn save(
    state: &State,
    codecs: &Codecs,
    to: impl Write,
    context: &[u8; 32],
) -> io::Result<()> {
    let revision = u32::try_from(state.revision)
        .map_err(|_| io::Error::other("the graph is too old for an image"))?;
    let mut saver = Saver {
        state,
        codecs,
        revision,
        of: FxHashMap::default(),
        written: FxHashMap::default(),
        writer: Writer::default(),
    };
    let mut roots: Vec<Origin> = Vec::new();
    if let Some(restored) = &state.graph.restored {
        for index in 0..restored.len() {
            if let Some(node) = restored.known(index) {
                saver.of.insert(node, index);
            }
            roots.push(saver.canonical(Origin::Image(index)));
        }
    }
    let live = state.graph.results().map(|(node, _)| Origin::Graph(node));
    roots.extend(live.map(|origin| saver.canonical(origin)));
    for root in roots {
        saver.visit(root)?;
    }
    saver.writer.write(to, revision, context)
}

impl Saver<'_> {
    /// Returns the one origin of a result that both may have.
    fn canonical(&self, origin: Origin) -> Origin {
        let graph = &self.state.graph;
        let node = match origin {
            Origin::Graph(node) => Some(node),
            Origin::Image(index) => graph.restored.as_ref().and_then(|all| all.known(index)),
        };
        let Some(node) = node else { return origin };
        match graph.remembered(node) {
            Some(Remembered {
                image: Some(index), ..
            }) => Origin::Image(*index),
            Some(_) => Origin::Graph(node),
            None => self
                .of
                .get(&node)
                .map_or(origin, |index| Origin::Image(*index)),
        }
    }

    /// Returns what a result depends on, group by group.
    fn groups(&self, origin: Origin) -> Vec<Vec<Origin>> {
        let graph = &self.state.graph;
        let groups: Vec<Vec<Origin>> = match origin {
            Origin::Graph(node) => graph.remembered(node).map_or_else(Vec::new, |remembered| {
                let groups = remembered.dependencies.groups();
                groups
                    .map(|group| group.iter().map(|node| Origin::Graph(*node)).collect())
                    .collect()
            }),
            Origin::Image(index) => graph.restored.as_ref().map_or_else(Vec::new, |restored| {
                let groups = restored.image.groups(index).into_iter();
                groups
                    .map(|group| group.into_iter().map(Origin::Image).collect())
                    .collect()
            }),
        };
        let canonical = |group: Vec<Origin>| {
            let group = group.into_iter().map(|origin| self.canonical(origin));
            group.collect()
        };
        groups.into_iter().map(canonical).collect()
    }

    /// Writes a result after all that it depends on.
    fn visit(&mut self, root: Origin) -> io::Result<()> {
        let mut pending = vec![(root, false)];
        while let Some((origin, opened)) = pending.pop() {
            if !opened && self.written.contains_key(&origin) {
                continue;
            }
            let groups = self.groups(origin);
            if !opened {
                self.written.insert(origin, None);
                pending.push((origin, true));
                // What was asked for first is written first, and looked at first.
                let below = groups.into_iter().flatten().rev();
                pending.extend(below.map(|origin| (origin, false)));
                continue;
            }
            let place = |below: &Origin| self.written.get(below).copied().flatten();
            let groups: Option<Vec<Vec<u32>>> = groups
                .iter()
                .map(|group| group.iter().map(place).collect())
                .collect();
            let entry = groups.and_then(|groups| self.entry(origin, groups));
            let written = match entry {
                Some(entry) => {
                    let full = || io::Error::other("the graph is too large for an image");
                    Some(self.writer.push(entry).ok_or_else(full)?)
                }
                None => None,
            };
            self.written.insert(origin, written);
        }
        Ok(())
    }

    fn entry(&self, origin: Origin, groups: Vec<Vec<u32>>) -> Option<Entry> {
        match origin {
            Origin::Graph(node) => self.fresh(node, groups),
            Origin::Image(index) => self.kept(index, groups),
        }
    }

    /// A result of this process.
    fn fresh(&self, node: Node, groups: Vec<Vec<u32>>) -> Option<Entry> {
        let remembered = self.state.graph.remembered(node)?;
        if remembered.suspect || remembered.forced {
            return None;
        }
        let key = self.state.graph.keys.key(node).as_any();
        let codec = self.codecs.of(key)?;
        let value = remembered.dated.value.as_ref()?;
        let stored = codec.store(value);
        Some(Entry {
            tag: codec.tag(),
            key: codec.encode(key),
            groups,
            fingerprint: codec.fingerprint(value)?,
            inline: codec.is_leaf() || stored.as_ref().is_some_and(|value| value.len() <= SMALL),
            reminds: codec.reminds(value),
            value: stored,
            changed_at: u32::try_from(remembered.dated.changed_at).ok()?,
            verified_at: u32::try_from(remembered.verified_at).ok()?,
            used_at: self.revision,
        })
    }

    /// A result of the image. What was found green is not called verified: if
    /// something below it changed after the pass, the next process must see it.
    fn kept(&self, index: u32, groups: Vec<Vec<u32>>) -> Option<Entry> {
        let restored = self.state.graph.restored.as_ref()?;
        let record = restored.image.record(index);
        let used_at = if restored.is_used(index) {
            self.revision
        } else {
            record.used_at
        };
        if self.revision.saturating_sub(used_at) > KEPT {
            return None;
        }
        let known = restored.known(index);
        let known = known.and_then(|node| self.state.graph.remembered(node));
        let verified_at = match known {
            Some(known) if !known.suspect => u32::try_from(known.verified_at).ok()?,
            _ => record.verified_at,
        };
        let inline = restored.image.inline_value(index).is_some();
        Some(Entry {
            tag: record.tag,
            key: restored.image.key(index).to_vec(),
            groups,
            value: restored.image.value(index),
            inline,
            reminds: record.reminds(),
            fingerprint: record.fingerprint,
            changed_at: record.changed_at,
            verified_at,
            used_at,
        })
    }
}
