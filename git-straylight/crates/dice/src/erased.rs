//! Keys and values without their types, and the numbering of keys.

use std::any::{Any, TypeId};
use std::fmt::Debug;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustc_hash::FxHashMap;

use crate::{Context, Key};

/// The value of a key. Its type is the key's `Value`.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

/// The number of a key in one engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node(u32);

impl Node {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A key whose type is not known.
pub(crate) trait AnyKey: Debug + Send + Sync {
    fn as_any(&self) -> &(dyn Any + Send + Sync);
    fn name(&self) -> String;
    fn compute<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Value>;
    fn unchanged(&self, old: &Value, new: &Value) -> bool;
}

impl<K: Key> AnyKey for K {
    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn name(&self) -> String {
        self.to_string()
    }

    fn compute<'a>(&'a self, ctx: &'a Context) -> BoxFuture<'a, Value> {
        async move { Arc::new(Key::compute(self, ctx).await) as Value }.boxed()
    }

    fn unchanged(&self, old: &Value, new: &Value) -> bool {
        K::unchanged(typed::<K>(old), typed::<K>(new))
    }
}

/// Returns a value of the key type `K` with its type.
pub(crate) fn typed<K: Key>(value: &Value) -> &K::Value {
    value
        .downcast_ref()
        .expect("the value of a node has its key's value type")
}

/// Gives each key a number; equal keys of one type have the same.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    /// For each key type `K`, a `FxHashMap<Arc<K>, Node>`.
    numbers: FxHashMap<TypeId, Box<dyn Any + Send>>,
    keys: Vec<Arc<dyn AnyKey>>,
}

impl Interner {
    /// Returns the number of `key`, if it has one.
    pub(crate) fn find<K: Key>(&self, key: &K) -> Option<Node> {
        self.numbers
            .get(&TypeId::of::<K>())?
            .downcast_ref::<FxHashMap<Arc<K>, Node>>()?
            .get(key)
            .copied()
    }

    /// Returns the number of `key`; a new key gets the next number.
    pub(crate) fn intern<K: Key>(&mut self, key: &K) -> Node {
        let numbers = self
            .numbers
            .entry(TypeId::of::<K>())
            .or_insert_with(|| Box::new(FxHashMap::<Arc<K>, Node>::default()))
            .downcast_mut::<FxHashMap<Arc<K>, Node>>()
            .expect("the map of a type is made with that type");
        if let Some(node) = numbers.get(key) {
            return *node;
        }
        let node = Node(u32::try_from(self.keys.len()).expect("fewer than 2^32 keys"));
        let key = Arc::new(key.clone());
        numbers.insert(Arc::clone(&key), node);
        self.keys.push(key);
        node
    }

    /// Returns the key with this number.
    pub(crate) fn key(&self, node: Node) -> &Arc<dyn AnyKey> {
        &self.keys[node.index()]
    }

    /// Returns the number of every key.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        (0..self.keys.len()).map(|index| Node(index as u32))
    }

    /// Returns how many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}
