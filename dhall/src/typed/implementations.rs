//! The types of Rust's own types.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;

use crate::typed::{DhallType, Type};

macro_rules! plain {
    ($($made:ident: $($rust:ty),*;)*) => {
        $($(impl DhallType for $rust {
            fn dhall_type() -> Type {
                Type::$made()
            }
        })*)*
    };
}

plain! {
    bool: bool;
    natural: u8, u16, u32, u64, usize;
    integer: i8, i16, i32, i64, isize;
    double: f32, f64;
    text: String, PathBuf, Box<str>;
}

impl DhallType for () {
    fn dhall_type() -> Type {
        Type::record::<String>([])
    }
}

impl<T: DhallType> DhallType for Box<T> {
    fn dhall_type() -> Type {
        Type::of::<T>()
    }
}

impl<T: DhallType> DhallType for Option<T> {
    fn dhall_type() -> Type {
        Type::optional(Type::of::<T>())
    }
}

macro_rules! lists {
    ($($list:ident $(, $hasher:ident)?;)*) => {
        $(impl<T: DhallType $(, $hasher)?> DhallType for $list<T $(, $hasher)?> {
            fn dhall_type() -> Type {
                Type::list(Type::of::<T>())
            }
        })*
    };
}

lists! {
    Vec;
    VecDeque;
    BTreeSet;
    HashSet, S;
}

impl<K: DhallType, V: DhallType> DhallType for BTreeMap<K, V> {
    fn dhall_type() -> Type {
        Type::map(Type::of::<K>(), Type::of::<V>())
    }
}

impl<K: DhallType, V: DhallType, S> DhallType for HashMap<K, V, S> {
    fn dhall_type() -> Type {
        Type::map(Type::of::<K>(), Type::of::<V>())
    }
}
