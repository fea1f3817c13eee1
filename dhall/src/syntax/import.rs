//! Imports, as they are written.

use crate::scope::Name;
use crate::syntax::Expr;

/// An import as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) target: Target,
    pub(crate) mode: Mode,
    pub(crate) hash: Option<[u8; 32]>,
}

/// Where an import points.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Missing,
    Env(Name),
    Local(Prefix, Vec<Name>),
    Remote(Box<Remote>),
}

/// A URL.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) https: bool,
    pub(crate) authority: Name,
    pub(crate) path: Vec<Name>,
    pub(crate) query: Option<Name>,
    pub(crate) headers: Option<Expr>,
}

/// What a local path is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    Absolute,
    Here,
    Parent,
    Home,
}

/// As what the bytes of an import are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    Code,
    Text,
    Location,
    Bytes,
}
