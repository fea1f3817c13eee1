//! The values of the variables in scope: an immutable stack with fast access.
//!
//! Each node also points further down, so that the value of any binder is
//! found in a number of steps logarithmic in the depth (a skew-binary skip
//! list); pushing is constant, and closures share what they capture.

use crate::memory::Weigh;
use crate::shared::Shared;
use crate::value::Lazy;

/// A stack of values, innermost first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env(Option<Shared<Node>>);

#[derive(Debug)]
struct Node {
    value: Lazy,
    depth: u32,
    parent: Env,
    jump: Env,
}

impl Weigh for Node {}

impl Env {
    pub(crate) fn depth(&self) -> u32 {
        self.0.as_ref().map_or(0, |node| node.depth)
    }

    fn jump(&self) -> &Self {
        self.0.as_ref().map_or(self, |node| &node.jump)
    }

    #[must_use]
    pub(crate) fn push(&self, value: Lazy) -> Self {
        let first = self.jump();
        let second = first.jump();
        let equal = self.depth() - first.depth() == first.depth() - second.depth();
        let jump = if equal { second.clone() } else { self.clone() };
        Self(Some(Shared::new(Node {
            value,
            depth: self.depth() + 1,
            parent: self.clone(),
            jump,
        })))
    }

    /// Returns the value `index` binders out.
    pub(crate) fn get(&self, index: u32) -> Option<&Lazy> {
        let target = self.depth().checked_sub(index)?;
        let mut node = self.0.as_ref()?;
        while node.depth > target {
            let next = match &node.jump.0 {
                Some(jump) if jump.depth >= target => jump,
                _ => node.parent.0.as_ref()?,
            };
            node = next;
        }
        Some(&node.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Natural;
    use crate::value::Val;

    #[test]
    fn every_depth_is_found() {
        let mut env = Env::default();
        for value in 0..1000 {
            env = env.push(Lazy::Now(Val::Natural(Natural::Small(value))));
        }
        for index in 0..1000 {
            let Some(Lazy::Now(Val::Natural(found))) = env.get(index) else {
                panic!("nothing at {index}");
            };
            assert_eq!(found.to_u64(), Some(999 - u64::from(index)));
        }
        assert!(env.get(1000).is_none());
    }
}
