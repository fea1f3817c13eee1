//! Texts and lists that are cheap to concatenate.
//!
//! Both are trees whose leaves are arrays: joining two is constant, so that a
//! fold which builds a long text or list piece by piece is linear, on either
//! side. They are flattened when something looks inside.

use std::sync::Arc;

use crate::memory::Weigh;
use crate::shared::Shared;
use crate::value::{Lazy, Val};

/// Joining two leaves up to this length copies them.
const SMALL_TEXT: usize = 256;
const SMALL_LIST: usize = 16;

/// A text in which parts may be stuck on a variable.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// A part of a source.
    Literal(Arc<str>),
    /// A text that was made by the program.
    Made(Shared<String>),
    /// A value of type `Text` that is not a literal.
    Stuck(Shared<Val>),
    Join(Shared<TextJoin>),
}

#[derive(Debug)]
pub(crate) struct TextJoin {
    left: Text,
    right: Text,
    length: usize,
    stuck: usize,
}

impl Weigh for TextJoin {}
impl Weigh for ListJoin {}

impl Text {
    pub(crate) fn literal(text: Arc<str>) -> Self {
        Self::Literal(text)
    }

    pub(crate) fn made(text: String) -> Self {
        Self::Made(Shared::new(text))
    }

    /// Returns the text of a leaf; `None` if it is stuck, or not a leaf.
    fn leaf(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Made(text) => Some(text),
            Self::Stuck(_) | Self::Join(_) => None,
        }
    }

    /// Returns the number of bytes of the literal parts.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Literal(text) => text.len(),
            Self::Made(text) => text.len(),
            Self::Stuck(_) => 0,
            Self::Join(join) => join.length,
        }
    }

    /// Returns how many parts are not literal.
    fn stuck(&self) -> usize {
        match self {
            Self::Literal(_) | Self::Made(_) => 0,
            Self::Stuck(_) => 1,
            Self::Join(join) => join.stuck,
        }
    }

    pub(crate) fn is_literal(&self) -> bool {
        self.stuck() == 0
    }

    pub(crate) fn join(self, right: Self) -> Self {
        match (self.leaf(), right.leaf()) {
            (Some(""), _) => return right,
            (_, Some("")) => return self,
            (Some(a), Some(b)) if a.len() + b.len() <= SMALL_TEXT => {
                return Self::made([a, b].concat());
            }
            _ => {}
        }
        Self::Join(Shared::new(TextJoin {
            length: self.length().saturating_add(right.length()),
            stuck: self.stuck().saturating_add(right.stuck()),
            left: self,
            right,
        }))
    }

    /// Calls `visit` with each leaf, from left to right.
    fn leaves<'a>(&'a self, mut visit: impl FnMut(&'a Self)) {
        let mut rest = vec![self];
        while let Some(text) = rest.pop() {
            match text {
                Self::Join(join) => rest.extend([&join.right, &join.left]),
                leaf => visit(leaf),
            }
        }
    }

    /// Returns the whole text; `None` if a part is stuck.
    pub(crate) fn to_literal(&self) -> Option<Arc<str>> {
        match self {
            Self::Literal(text) => Some(Arc::clone(text)),
            Self::Made(text) => Some(text.as_str().into()),
            _ if !self.is_literal() => None,
            _ => {
                let mut whole = String::with_capacity(self.length());
                self.leaves(|leaf| {
                    whole.push_str(leaf.leaf().unwrap_or_default());
                });
                Some(whole.into())
            }
        }
    }

    /// Returns the text as the standard normalises it: the stuck parts, each
    /// with the text before it, and the text behind the last.
    pub(crate) fn chunks(&self) -> (Vec<(Arc<str>, &Val)>, Arc<str>) {
        let mut chunks = Vec::new();
        let mut current = String::new();
        self.leaves(|leaf| match leaf {
            Self::Stuck(value) => {
                chunks.push((std::mem::take(&mut current).into(), &**value));
            }
            text => current.push_str(text.leaf().unwrap_or_default()),
        });
        (chunks, current.into())
    }

    /// Returns the value of this text: a text that is nothing but one stuck
    /// part is that part.
    pub(crate) fn into_value(self) -> Val {
        if self.length() > 0 || self.stuck() != 1 {
            return Val::Text(self);
        }
        let mut part = None;
        self.leaves(|leaf| {
            if let Self::Stuck(value) = leaf {
                part = Some((**value).clone());
            }
        });
        part.unwrap_or(Val::Text(self))
    }
}

impl From<Val> for Text {
    fn from(value: Val) -> Self {
        match value {
            Val::Text(text) => text,
            stuck => Self::Stuck(Shared::new(stuck)),
        }
    }
}

/// A list that is not empty.
#[derive(Clone, Debug)]
pub(crate) enum List {
    /// What folds put before and behind lists.
    One(Shared<Lazy>),
    Items(Shared<Vec<Lazy>>),
    Join(Shared<ListJoin>),
}

#[derive(Debug)]
pub(crate) struct ListJoin {
    left: List,
    right: List,
    length: usize,
    /// The ends, so that looking at them needs no walk.
    first: Lazy,
    last: Lazy,
}

impl List {
    pub(crate) fn one(item: Lazy) -> Self {
        Self::One(Shared::new(item))
    }

    /// Returns the list of these items; `None` if there are none.
    pub(crate) fn new(items: Vec<Lazy>) -> Option<Self> {
        (!items.is_empty()).then(|| Self::Items(Shared::new(items)))
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(a), Self::One(b)) => a.same(b),
            (Self::Items(a), Self::Items(b)) => a.same(b),
            (Self::Join(a), Self::Join(b)) => a.same(b),
            _ => false,
        }
    }

    pub(crate) fn length(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Items(items) => items.len(),
            Self::Join(join) => join.length,
        }
    }

    /// Returns the items of a leaf; `None` if this is none.
    fn leaf(&self) -> Option<&[Lazy]> {
        match self {
            Self::One(item) => Some(std::slice::from_ref(item)),
            Self::Items(items) => Some(items),
            Self::Join(_) => None,
        }
    }

    pub(crate) fn first(&self) -> &Lazy {
        match self {
            Self::One(item) => item,
            Self::Items(items) => &items[0],
            Self::Join(join) => &join.first,
        }
    }

    pub(crate) fn last(&self) -> &Lazy {
        match self {
            Self::One(item) => item,
            Self::Items(items) => &items[items.len() - 1],
            Self::Join(join) => &join.last,
        }
    }

    pub(crate) fn join(self, right: Self) -> Self {
        if let (Some(a), Some(b)) = (self.leaf(), right.leaf())
            && a.len() + b.len() <= SMALL_LIST
        {
            return Self::Items(Shared::new([a, b].concat()));
        }
        Self::Join(Shared::new(ListJoin {
            length: self.length().saturating_add(right.length()),
            first: self.first().clone(),
            last: right.last().clone(),
            left: self,
            right,
        }))
    }

    /// Iterates over the items.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lazy> {
        let mut rest = vec![self];
        let leaves = std::iter::from_fn(move || {
            loop {
                match rest.pop()? {
                    Self::Join(join) => rest.extend([&join.right, &join.left]),
                    list => return list.leaf(),
                }
            }
        });
        leaves.flat_map(|items| items.iter())
    }

    /// Iterates over the items from the last to the first.
    pub(crate) fn iter_back(&self) -> impl Iterator<Item = &Lazy> {
        let mut rest = vec![self];
        let leaves = std::iter::from_fn(move || {
            loop {
                match rest.pop()? {
                    Self::Join(join) => rest.extend([&join.left, &join.right]),
                    list => return list.leaf(),
                }
            }
        });
        leaves.flat_map(|items| items.iter().rev())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Natural;

    fn item(number: u64) -> List {
        let items = vec![Lazy::Now(Val::Natural(Natural::Small(number)))];
        List::new(items).expect("one item")
    }

    fn numbers<'a>(items: impl Iterator<Item = &'a Lazy>) -> Vec<u64> {
        let number = |item: &Lazy| match item {
            Lazy::Now(Val::Natural(number)) => number.to_u64().expect("small"),
            _ => panic!("not a number"),
        };
        items.map(number).collect()
    }

    #[test]
    fn lists_keep_their_order() {
        let mut list = item(500);
        for step in 1..=500 {
            list = item(500 - step).join(list).join(item(500 + step));
        }
        assert_eq!(list.length(), 1001);
        let expected: Vec<_> = (0..=1000).collect();
        assert_eq!(numbers(list.iter()), expected);
        let backwards: Vec<_> = expected.into_iter().rev().collect();
        assert_eq!(numbers(list.iter_back()), backwards);
        assert_eq!(numbers([list.first(), list.last()].into_iter()), [0, 1000]);
    }

    #[test]
    fn texts_keep_their_parts() {
        let stuck = || Text::from(Val::Bound(0));
        let text = Text::literal("a".into())
            .join(stuck())
            .join(Text::literal("b".into()));
        let (chunks, last) = text.chunks();
        assert_eq!(chunks.len(), 1);
        assert_eq!((&*chunks[0].0, &*last), ("a", "b"));
        assert!(text.to_literal().is_none());
        assert!(matches!(stuck().into_value(), Val::Bound(0)));
        let empty = Text::literal("".into());
        assert!(matches!(empty.join(stuck()).into_value(), Val::Bound(0)));
    }
}
