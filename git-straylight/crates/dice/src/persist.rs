//! Keys whose results outlive the process, and how they are written.

use std::any::{Any, TypeId};
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustc_hash::FxHashMap;

use crate::erased::{Interner, Node, Value, typed};
use crate::image::Image;
use crate::{Context, Data, Key};

/// What stands for a value: equal fingerprints mean that nothing that depends
/// on the value has to be computed again.
pub type Fingerprint = [u8; 16];

/// A key whose results are kept in an image, and used by the next process.
///
/// A result is used again if everything that it depends on is unchanged. That
/// begins with the [leaves](Self::LEAF), which look at the world themselves.
pub trait Persistent: Key {
    /// The type's number in images, unlike that of every other type. A type
    /// whose encoding changes takes a new one.
    const TAG: u16;

    /// Whether computing a value reads something that is not a key. Then
    /// [`Self::is_current`] decides in the next process.
    const LEAF: bool = false;

    /// Writes the key; equal keys are equal bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads a key that [`Self::encode`] wrote; `None` for anything else.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// Returns the fingerprint of a value; `None` if the result must not
    /// outlive the process, as that of a failure.
    fn fingerprint(value: &Self::Value) -> Option<Fingerprint>;

    /// Returns the value in writing; `None` if it cannot be written. It is
    /// then computed again when somebody looks at it, and a leaf is out of
    /// date.
    fn store(_value: &Self::Value) -> Option<Vec<u8>> {
        None
    }

    /// Reads a value that [`Self::store`] wrote and that needs nothing else.
    /// Called while the graph is locked: must not use the engine.
    fn read(&self, _stored: &[u8]) -> Option<Self::Value> {
        None
    }

    /// Reads a value that [`Self::store`] wrote and that [`Self::read`] does
    /// not; may ask for what the key depends on. `None` if it cannot be read: it
    /// is then computed.
    fn restore(
        &self,
        _stored: &[u8],
        _ctx: &Context,
    ) -> impl Future<Output = Option<Self::Value>> + Send {
        std::future::ready(None)
    }

    /// Returns whether the world is still as it was when the value of a leaf
    /// was stored. Called while the graph is locked: must not use the engine.
    fn is_current(&self, _stored: &[u8], _data: &Data) -> bool {
        true
    }

    /// Returns whether there is something to tell in every run that uses the
    /// value, computed or not.
    fn reminds(_value: &Self::Value) -> bool {
        false
    }

    /// Tells it. Called while the graph is locked: must not use the engine.
    fn remind(&self, _stored: &[u8], _data: &Data) {}
}

/// Returns the results of one type that an image holds, of whatever context it
/// is and whether or not they are up to date, with their values in writing. A
/// file that is no image holds none.
///
/// # Errors
/// When the file cannot be read.
pub fn stored<K: Persistent>(image: File) -> io::Result<Vec<(K, Vec<u8>)>> {
    let Some(image) = Image::open(image, None)? else {
        return Ok(Vec::new());
    };
    let nodes = 0..u32::try_from(image.len()).unwrap_or(u32::MAX);
    let of_type = nodes.filter(|node| image.record(*node).tag == K::TAG);
    let read = |node| Some((K::decode(image.key(node))?, image.value(node)?));
    Ok(of_type.filter_map(read).collect())
}

/// The types of keys that an image may hold.
#[derive(Default, Clone)]
pub struct Codecs {
    by_type: FxHashMap<TypeId, Arc<dyn Codec>>,
    by_tag: FxHashMap<u16, Arc<dyn Codec>>,
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_tag.keys()).finish()
    }
}

impl Codecs {
    /// Returns codecs of no types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the type `K`.
    ///
    /// # Panics
    /// When another type has its tag.
    #[must_use]
    pub fn with<K: Persistent>(mut self) -> Self {
        let codec: Arc<dyn Codec> = Arc::new(CodecOf::<K>(std::marker::PhantomData));
        let other = self.by_tag.insert(K::TAG, Arc::clone(&codec));
        assert!(other.is_none(), "two types of keys have the tag {}", K::TAG);
        self.by_type.insert(TypeId::of::<K>(), codec);
        self
    }

    pub(crate) fn of(&self, key: &dyn Any) -> Option<&Arc<dyn Codec>> {
        self.by_type.get(&key.type_id())
    }

    pub(crate) fn tagged(&self, tag: u16) -> Option<&Arc<dyn Codec>> {
        self.by_tag.get(&tag)
    }
}

/// The functions of [`Persistent`] for keys and values without their types.
/// Keys and values are those of the codec's own type.
pub(crate) trait Codec: Send + Sync {
    fn tag(&self) -> u16;
    fn is_leaf(&self) -> bool;
    fn encode(&self, key: &dyn Any) -> Vec<u8>;
    fn intern(&self, bytes: &[u8], keys: &mut Interner) -> Option<Node>;
    fn fingerprint(&self, value: &Value) -> Option<Fingerprint>;
    fn store(&self, value: &Value) -> Option<Vec<u8>>;
    fn read(&self, key: &dyn Any, stored: &[u8]) -> Option<Value>;
    fn restore<'a>(
        &self,
        key: &'a (dyn Any + Send + Sync),
        stored: &'a [u8],
        ctx: &'a Context,
    ) -> BoxFuture<'a, Option<Value>>;
    fn is_current(&self, key: &[u8], stored: &[u8], data: &Data) -> bool;
    fn reminds(&self, value: &Value) -> bool;
    fn remind(&self, key: &[u8], stored: &[u8], data: &Data);
}

struct CodecOf<K>(std::marker::PhantomData<fn() -> K>);

fn own<K: Key>(key: &dyn Any) -> &K {
    key.downcast_ref()
        .expect("a codec is asked for keys of its type")
}

impl<K: Persistent> Codec for CodecOf<K> {
    fn tag(&self) -> u16 {
        K::TAG
    }

    fn is_leaf(&self) -> bool {
        K::LEAF
    }

    fn encode(&self, key: &dyn Any) -> Vec<u8> {
        let mut bytes = Vec::new();
        own::<K>(key).encode(&mut bytes);
        bytes
    }

    fn intern(&self, bytes: &[u8], keys: &mut Interner) -> Option<Node> {
        K::decode(bytes).map(|key| keys.intern(&key))
    }

    fn fingerprint(&self, value: &Value) -> Option<Fingerprint> {
        K::fingerprint(typed::<K>(value))
    }

    fn store(&self, value: &Value) -> Option<Vec<u8>> {
        K::store(typed::<K>(value))
    }

    fn read(&self, key: &dyn Any, stored: &[u8]) -> Option<Value> {
        let value = own::<K>(key).read(stored)?;
        Some(Arc::new(value) as Value)
    }

    fn restore<'a>(
        &self,
        key: &'a (dyn Any + Send + Sync),
        stored: &'a [u8],
        ctx: &'a Context,
    ) -> BoxFuture<'a, Option<Value>> {
        let key = own::<K>(key);
        async move {
            let value = key.restore(stored, ctx).await?;
            Some(Arc::new(value) as Value)
        }
        .boxed()
    }

    fn is_current(&self, key: &[u8], stored: &[u8], data: &Data) -> bool {
        K::decode(key).is_some_and(|key| key.is_current(stored, data))
    }

    fn reminds(&self, value: &Value) -> bool {
        K::reminds(typed::<K>(value))
    }

    fn remind(&self, key: &[u8], stored: &[u8], data: &Data) {
        if let Some(key) = K::decode(key) {
            key.remind(stored, data);
        }
    }
}
