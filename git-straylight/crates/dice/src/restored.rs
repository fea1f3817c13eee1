//! An image as a graph goes on from it.
//!
//! Nothing is taken over in advance. When a key is asked for that the graph
//! does not know, one pass goes over what is below it in the image: leaves look
//! at the world, and a result is green if everything that it depends on is
//! green and has not changed since. A green result enters the graph alone, and
//! clean; what is below it stays in the image. A red one enters as suspect, with
//! its dependencies, and is treated like every suspect result.

use rustc_hash::FxHashMap;
use std::sync::Arc;

use crate::Data;
use crate::erased::{Interner, Node};
use crate::graph::{Dated, Dependencies, Remembered};
use crate::image::Image;
use crate::persist::{Codec, Codecs, Fingerprint};

/// What a pass has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Color {
    Unknown,
    /// In the pass that goes on.
    Open,
    Green,
    /// Something below it has changed, or may have.
    Red,
    /// It is a leaf, and the world is not as it was.
    Changed,
}

#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) image: Arc<Image>,
    pub(crate) codecs: Codecs,
    /// Whether the graph has taken over everything.
    pub(crate) absorbed: bool,
    colors: Vec<Color>,
    nodes: FxHashMap<u32, Node>,
    indices: FxHashMap<Node, u32>,
    /// How many results of each tag were found to be right.
    confirmed: FxHashMap<u16, u64>,
}

impl Restored {
    pub(crate) fn new(image: Image, codecs: Codecs) -> Self {
        Self {
            colors: vec![Color::Unknown; image.len()],
            image: Arc::new(image),
            codecs,
            absorbed: false,
            nodes: FxHashMap::default(),
            indices: FxHashMap::default(),
            confirmed: FxHashMap::default(),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.colors.len() as u32
    }

    /// Returns whether anybody wanted the result in this process.
    pub(crate) fn is_used(&self, index: u32) -> bool {
        self.colors[index as usize] != Color::Unknown
    }

    /// Returns the graph's node of a result, if it has one.
    pub(crate) fn known(&self, index: u32) -> Option<Node> {
        self.nodes.get(&index).copied()
    }

    /// Returns the image's result of a node, if it has one.
    pub(crate) fn index(&mut self, keys: &Interner, node: Node) -> Option<u32> {
        if let Some(index) = self.indices.get(&node) {
            return Some(*index);
        }
        let key = keys.key(node).as_any();
        let codec = self.codecs.of(key)?;
        let index = self.image.find(codec.tag(), &codec.encode(key))?;
        self.pair(index, node);
        Some(index)
    }

    fn pair(&mut self, index: u32, node: Node) {
        self.nodes.insert(index, node);
        self.indices.insert(node, index);
    }

    /// Returns the graph's node of a result; `None` if its key is not readable.
    pub(crate) fn node(&mut self, keys: &mut Interner, index: u32) -> Option<Node> {
        if let Some(node) = self.nodes.get(&index) {
            return Some(*node);
        }
        let codec = self.codecs.tagged(self.image.record(index).tag)?;
        let node = codec.intern(self.image.key(index), keys)?;
        self.pair(index, node);
        Some(node)
    }

    /// Returns what a result depends on, as the graph's nodes.
    pub(crate) fn dependencies(&mut self, keys: &mut Interner, index: u32) -> Option<Dependencies> {
        let mut dependencies = Dependencies::default();
        for group in self.image.groups(index) {
            let nodes: Option<Vec<Node>> = group
                .into_iter()
                .map(|below| self.node(keys, below))
                .collect();
            dependencies.push_group(nodes?);
        }
        Some(dependencies)
    }

    /// Returns the result of `node` as the graph remembers it.
    pub(crate) fn find(
        &mut self,
        keys: &mut Interner,
        node: Node,
        data: &Data,
    ) -> Option<Remembered> {
        let index = self.index(keys, node)?;
        let color = self.color(index, data);
        let record = self.image.record(index);
        let dependencies = match color {
            Color::Red => self.dependencies(keys, index)?,
            _ => Dependencies::default(),
        };
        Some(Remembered {
            dated: Dated {
                value: None,
                changed_at: u64::from(record.changed_at),
            },
            verified_at: u64::from(record.verified_at),
            dependencies: Arc::new(dependencies),
            forced: color == Color::Changed,
            suspect: color != Color::Green,
            image: Some(index),
        })
    }

    fn color(&mut self, index: u32, data: &Data) -> Color {
        let mut open = Vec::new();
        let mut pending = vec![index];
        while let Some(next) = pending.pop() {
            let color = &mut self.colors[next as usize];
            if *color == Color::Unknown {
                *color = Color::Open;
                open.push(next);
                pending.extend(self.image.dependencies(next));
            }
        }
        // What a result depends on comes before it.
        open.sort_unstable();
        for next in open {
            let color = self.judge(next, data);
            self.colors[next as usize] = color;
            if color == Color::Green {
                self.confirm(next, data);
            }
        }
        self.colors[index as usize]
    }

    /// Colors a result whose dependencies have their colors.
    fn judge(&self, index: u32, data: &Data) -> Color {
        let record = self.image.record(index);
        let Some(codec) = self.codecs.tagged(record.tag) else {
            return Color::Changed;
        };
        let unchanged = |below: u32| {
            self.colors[below as usize] == Color::Green
                && self.image.record(below).changed_at <= record.verified_at
        };
        if !self.image.dependencies(index).all(unchanged) {
            return Color::Red;
        }
        let key = self.image.key(index);
        if codec.is_leaf() {
            let stored = self.image.inline_value(index);
            if !stored.is_some_and(|stored| codec.is_current(key, stored, data)) {
                return Color::Changed;
            }
        }
        Color::Green
    }

    /// Returns how many results with this tag were found to be right.
    pub(crate) fn confirmed(&self, tag: u16) -> u64 {
        self.confirmed.get(&tag).copied().unwrap_or(0)
    }

    /// Notes that a result is used again, and tells what there is to tell of it.
    pub(crate) fn confirm(&mut self, index: u32, data: &Data) {
        let record = self.image.record(index);
        *self.confirmed.entry(record.tag).or_default() += 1;
        if record.reminds()
            && let Some((codec, stored)) = self.stored(index)
        {
            codec.remind(self.image.key(index), &stored, data);
        }
    }

    /// Returns the codec of a result's key, and its value in writing.
    pub(crate) fn stored(&self, index: u32) -> Option<(Arc<dyn Codec>, Vec<u8>)> {
        let codec = self.codecs.tagged(self.image.record(index).tag)?;
        Some((Arc::clone(codec), self.image.value(index)?))
    }

    /// Returns the fingerprint of a result's value.
    pub(crate) fn fingerprint(&self, index: u32) -> Fingerprint {
        self.image.record(index).fingerprint
    }
}
