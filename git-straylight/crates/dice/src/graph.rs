//! The graph of results: what each was made from, and which may be stale.
//!
//! Invariants:
//! - A result is *clean* (right in the current revision) or *suspect*.
//! - Everything that was made from a suspect result is suspect itself. So a
//!   change marks upwards until it meets what is suspect already, and a clean
//!   result is answered without looking below it.
//! - `changed_at` is the revision in which the value last became different;
//!   `verified_at` the one in which it was last known to be right. A recorded
//!   dependency has changed under a result iff `changed_at` of the former is
//!   later than `verified_at` of the latter.
//! - A clean result may have no value yet: it is in the image that the graph
//!   goes on from, or is computed again when somebody looks at it. Whoever only
//!   wants to know whether it changed needs none.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::Data;
use crate::erased::{AnyKey, Interner, Node, Value};
use crate::persist::Codec;
use crate::restored::Restored;

/// Counts transactions.
pub(crate) type Revision = u64;

/// What a computation asked for, in the order in which it asked.
///
/// A group holds keys that were asked for at once. Whether a group is asked
/// for depends only on the values of groups before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dependencies {
    nodes: Vec<Node>,
    ends: Vec<u32>,
}

impl Dependencies {
    pub(crate) fn push_group(&mut self, group: impl IntoIterator<Item = Node>) {
        let before = self.nodes.len();
        self.nodes.extend(group);
        if self.nodes.len() > before {
            let end = u32::try_from(self.nodes.len()).expect("fewer than 2^32 dependencies");
            self.ends.push(end);
        }
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &[Node]> {
        (0..self.ends.len()).filter_map(|index| self.group(index))
    }

    pub(crate) fn group(&self, index: usize) -> Option<&[Node]> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |i| self.ends[i] as usize);
        Some(&self.nodes[start..end])
    }
}

/// A value, unless nobody has looked at it yet, and the revision in which it
/// last changed.
#[derive(Debug, Clone)]
pub(crate) struct Dated {
    pub(crate) value: Option<Value>,
    pub(crate) changed_at: Revision,
}

/// A result that was right in some revision.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    pub(crate) dated: Dated,
    pub(crate) verified_at: Revision,
    pub(crate) dependencies: Arc<Dependencies>,
    /// The key was declared out of date: its dependencies prove nothing.
    pub(crate) forced: bool,
    pub(crate) suspect: bool,
    /// The same result in the image.
    pub(crate) image: Option<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    remembered: Option<Remembered>,
    /// The nodes whose remembered dependencies contain this one.
    dependents: FxHashSet<Node>,
    /// Whether the image was asked for it.
    sought: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) keys: Interner,
    pub(crate) restored: Option<Restored>,
    slots: Vec<Slot>,
}

impl Graph {
    fn slot(&mut self, node: Node) -> &mut Slot {
        if self.slots.len() <= node.index() {
            self.slots.resize_with(self.keys.len(), Slot::default);
        }
        &mut self.slots[node.index()]
    }

    /// Returns the last result of `node`, clean or suspect.
    pub(crate) fn remembered(&self, node: Node) -> Option<&Remembered> {
        self.slots.get(node.index())?.remembered.as_ref()
    }

    /// Returns the value of `node` if it is right in the current revision.
    pub(crate) fn clean(&self, node: Node) -> Option<&Dated> {
        self.remembered(node)
            .filter(|remembered| !remembered.suspect)
            .map(|remembered| &remembered.dated)
    }

    /// Declares the suspect result of `node` right in `revision`.
    pub(crate) fn confirm(&mut self, node: Node, revision: Revision, data: &Data) -> Option<Dated> {
        let remembered = self.slot(node).remembered.as_mut()?;
        remembered.suspect = false;
        remembered.verified_at = revision;
        let (dated, image) = (remembered.dated.clone(), remembered.image);
        if let (Some(restored), Some(index)) = (&mut self.restored, image) {
            restored.confirm(index, data);
        }
        Some(dated)
    }

    /// Remembers a result that was made in `revision`.
    pub(crate) fn remember(
        &mut self,
        node: Node,
        dated: Dated,
        dependencies: Dependencies,
        revision: Revision,
    ) {
        self.put(
            node,
            Remembered {
                dated,
                verified_at: revision,
                dependencies: Arc::new(dependencies),
                forced: false,
                suspect: false,
                image: None,
            },
        );
    }

    fn put(&mut self, node: Node, remembered: Remembered) {
        let old = self.slot(node).remembered.take();
        let old = old.map(|old| old.dependencies).unwrap_or_default();
        if old != remembered.dependencies {
            for dependency in &old.nodes {
                self.slot(*dependency).dependents.remove(&node);
            }
            for dependency in &remembered.dependencies.nodes {
                self.slot(*dependency).dependents.insert(node);
            }
        }
        self.slot(node).remembered = Some(remembered);
    }

    /// Gives a clean result the value that nobody had looked at before.
    pub(crate) fn fill(&mut self, node: Node, value: Value) -> Option<Dated> {
        let remembered = self.slot(node).remembered.as_mut()?;
        remembered.dated.value.get_or_insert(value);
        Some(remembered.dated.clone())
    }

    /// Reads the value of a clean result that is in the image, if it needs
    /// nothing else.
    pub(crate) fn read(&mut self, node: Node) {
        if let Some((codec, stored)) = self.stored(node)
            && let Some(value) = codec.read(self.keys.key(node).as_any(), &stored)
        {
            self.fill(node, value);
        }
    }

    /// Returns the value in writing of a clean result that nobody has looked at.
    pub(crate) fn stored(&self, node: Node) -> Option<(Arc<dyn Codec>, Vec<u8>)> {
        let known = self.remembered(node)?;
        if known.dated.value.is_some() || known.suspect {
            return None;
        }
        self.restored.as_ref()?.stored(known.image?)
    }

    /// Looks for a result of `node` in the image, once.
    pub(crate) fn seek(&mut self, node: Node, data: &Data) {
        if self.restored.is_none() {
            return;
        }
        let slot = self.slot(node);
        if slot.remembered.is_some() || std::mem::replace(&mut slot.sought, true) {
            return;
        }
        let Self { keys, restored, .. } = self;
        let found = restored
            .as_mut()
            .and_then(|restored| restored.find(keys, node, data));
        if let Some(remembered) = found {
            self.put(node, remembered);
        }
    }

    /// Takes over everything that the image has, before something changes:
    /// then the graph itself knows who depends on what.
    pub(crate) fn absorb(&mut self, data: &Data) {
        let Some(restored) = self.restored.as_mut().filter(|all| !all.absorbed) else {
            return;
        };
        restored.absorbed = true;
        for index in 0..restored.len() {
            let Self { keys, restored, .. } = self;
            let Some(node) = restored.as_mut().and_then(|all| all.node(keys, index)) else {
                continue;
            };
            self.seek(node, data);
            let Self { keys, restored, .. } = self;
            let known = self.slots[node.index()].remembered.as_ref();
            let (Some(restored), Some(known)) = (restored, known) else {
                continue;
            };
            if known.image == Some(index)
                && let Some(dependencies) = restored.dependencies(keys, index)
            {
                let remembered = Remembered {
                    dependencies: Arc::new(dependencies),
                    ..known.clone()
                };
                self.put(node, remembered);
            }
        }
    }

    /// Returns every result, with its node.
    pub(crate) fn results(&self) -> impl Iterator<Item = (Node, &Remembered)> {
        self.keys
            .nodes()
            .filter_map(|node| Some((node, self.remembered(node)?)))
    }

    /// Returns whether `value` of `key` is as good as the old one. An old value
    /// that nobody has looked at is known by its fingerprint.
    pub(crate) fn is_unchanged(&self, key: &dyn AnyKey, old: &Remembered, value: &Value) -> bool {
        if let Some(old) = &old.dated.value {
            return key.unchanged(old, value);
        }
        let same = |restored: &Restored| {
            let codec = restored.codecs.of(key.as_any())?;
            Some(codec.fingerprint(value)? == restored.fingerprint(old.image?))
        };
        self.restored.as_ref().and_then(same).unwrap_or(false)
    }

    /// Declares `node` out of date, if it has a result.
    pub(crate) fn force(&mut self, node: Node) {
        if let Some(remembered) = &mut self.slot(node).remembered {
            remembered.forced = true;
            remembered.suspect = true;
            self.suspect_above(node);
        }
    }

    /// Marks everything that was made from `node`, directly or not.
    pub(crate) fn suspect_above(&mut self, node: Node) {
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            let dependents: Vec<Node> = self.slot(node).dependents.iter().copied().collect();
            for dependent in dependents {
                if let Some(remembered) = &mut self.slot(dependent).remembered
                    && !remembered.suspect
                {
                    remembered.suspect = true;
                    pending.push(dependent);
                }
            }
        }
    }
}
