//! Named transitive sets: in which order a walk over dependencies visits them.
//!
//! The graph of targets is a directed acyclic graph that shares nodes; a walk
//! visits each node once, so it is linear in the graph.

use std::collections::HashSet;
use std::sync::Arc;

use crate::target::{Order, Reach};

/// Something with dependencies. Nodes are compared by address.
pub(crate) trait Node {
    /// Returns the direct dependencies, in the order in which they are written.
    fn dependencies(&self) -> &[Arc<Self>];
}

/// Returns the nodes that a reader with these `roots` as its dependencies sees.
pub(crate) fn walk<N: Node>(roots: &[Arc<N>], reach: Reach, order: Order) -> Vec<Arc<N>> {
    let mut seen = HashSet::new();
    if reach == Reach::Direct {
        let mut nodes = roots.to_vec();
        nodes.retain(|node| seen.insert(Arc::as_ptr(node)));
        return nodes;
    }
    match order {
        Order::Preorder => preorder(roots, &mut seen),
        Order::Postorder => postorder(roots.iter(), &mut seen, false),
        Order::Topological => {
            // The reverse of a postorder puts dependents first; walking the
            // dependencies backwards keeps those of one target as written.
            let mut nodes = postorder(roots.iter().rev(), &mut seen, true);
            nodes.reverse();
            nodes
        }
    }
}

fn preorder<N: Node>(roots: &[Arc<N>], seen: &mut HashSet<*const N>) -> Vec<Arc<N>> {
    let mut nodes = Vec::new();
    let mut stack: Vec<&Arc<N>> = roots.iter().rev().collect();
    while let Some(node) = stack.pop() {
        if seen.insert(Arc::as_ptr(node)) {
            nodes.push(Arc::clone(node));
            stack.extend(node.dependencies().iter().rev());
        }
    }
    nodes
}

fn postorder<'a, N: Node + 'a>(
    roots: impl DoubleEndedIterator<Item = &'a Arc<N>>,
    seen: &mut HashSet<*const N>,
    backwards: bool,
) -> Vec<Arc<N>> {
    let mut nodes = Vec::new();
    // A node is on the stack twice: first to open it, then to emit it.
    let mut stack: Vec<(&Arc<N>, bool)> = roots.rev().map(|node| (node, false)).collect();
    while let Some((node, opened)) = stack.pop() {
        if opened {
            nodes.push(Arc::clone(node));
        } else if seen.insert(Arc::as_ptr(node)) {
            stack.push((node, true));
            let dependencies = node.dependencies().iter().map(|node| (node, false));
            if backwards {
                stack.extend(dependencies);
            } else {
                stack.extend(dependencies.rev());
            }
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug)]
    struct Named(usize, Vec<Arc<Named>>);

    impl Node for Named {
        fn dependencies(&self) -> &[Arc<Self>] {
            &self.1
        }
    }

    /// Node `i` depends on the listed nodes, all smaller than `i`.
    fn graph(edges: &[&[usize]]) -> Vec<Arc<Named>> {
        let mut nodes: Vec<Arc<Named>> = Vec::new();
        for (name, to) in edges.iter().enumerate() {
            let dependencies = to.iter().map(|&i| Arc::clone(&nodes[i])).collect();
            nodes.push(Arc::new(Named(name, dependencies)));
        }
        nodes
    }

    fn names(nodes: &[Arc<Named>]) -> Vec<usize> {
        nodes.iter().map(|node| node.0).collect()
    }

    #[test]
    fn walks_a_diamond_in_each_order() {
        // 3 -> 1, 2; 1 -> 0; 2 -> 0
        let nodes = graph(&[&[], &[0], &[0], &[1, 2]]);
        let roots = &nodes[3..];
        let all = |order| names(&walk(roots, Reach::Transitive, order));
        assert_eq!(all(Order::Preorder), [3, 1, 0, 2]);
        assert_eq!(all(Order::Postorder), [0, 1, 2, 3]);
        assert_eq!(all(Order::Topological), [3, 1, 2, 0]);
        assert_eq!(names(&walk(roots, Reach::Direct, Order::Preorder)), [3]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn orders_hold_on_any_graph(seeds in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..24)) {
            let edges: Vec<Vec<usize>> = seeds
                .iter()
                .enumerate()
                .map(|(i, to)| if i == 0 { vec![] } else { to.iter().map(|x| x.index(i)).collect() })
                .collect();
            let edges: Vec<&[usize]> = edges.iter().map(Vec::as_slice).collect();
            let nodes = graph(&edges);
            let roots = &nodes[nodes.len() - 1..];
            let topological = walk(roots, Reach::Transitive, Order::Topological);
            let postorder = walk(roots, Reach::Transitive, Order::Postorder);
            let preorder = walk(roots, Reach::Transitive, Order::Preorder);
            let place = |list: &[Arc<Named>], node: &Arc<Named>| list.iter().position(|n| Arc::ptr_eq(n, node)).unwrap();
            for node in &topological {
                for dependency in &node.1 {
                    prop_assert!(place(&topological, node) < place(&topological, dependency));
                    prop_assert!(place(&postorder, node) > place(&postorder, dependency));
                }
            }
            let mut sorted = [names(&topological), names(&postorder), names(&preorder)];
            sorted.iter_mut().for_each(|list| list.sort_unstable());
            prop_assert_eq!(&sorted[0], &sorted[1]);
            prop_assert_eq!(&sorted[0], &sorted[2]);
            prop_assert!(sorted[0].windows(2).all(|pair| pair[0] < pair[1]), "no node twice");
        }
    }
}
