//! From an expression to targets.

use std::collections::VecDeque;

use super::{Expression, Operator};
use crate::target_graph::TargetGraph;

/// Indices of targets; sorted, but for a path.
type Found = Vec<usize>;

/// Recursion is as deep as the parentheses, which the parser limits.
pub(super) fn evaluate(expression: &Expression, graph: &TargetGraph) -> Found {
    let of = |expression: &Expression| evaluate(expression, graph);
    match expression {
        Expression::Labels(labels) => {
            let selected = labels.iter().flat_map(|label| graph.selected(label));
            sorted(selected.copied())
        }
        Expression::Deps { of: from, depth } => {
            sorted(reach(graph, &of(from), *depth, None, Direction::Down))
        }
        Expression::Rdeps {
            universe,
            of: from,
            depth,
        } => {
            let universe = reach(graph, &of(universe), None, None, Direction::Down);
            let universe = members(graph, universe);
            let from: Found = of(from)
                .into_iter()
                .filter(|node| universe[*node])
                .collect();
            sorted(reach(graph, &from, *depth, Some(&universe), Direction::Up))
        }
        Expression::SomePath(from, to) => path(graph, &of(from), &of(to)),
        Expression::AllPaths(from, to) => {
            let below = members(graph, reach(graph, &of(from), None, None, Direction::Down));
            let to: Found = of(to).into_iter().filter(|node| below[*node]).collect();
            sorted(reach(graph, &to, None, Some(&below), Direction::Up))
        }
        Expression::Kind(pattern, from) => {
            let matches = |node: &usize| is_match(pattern, &graph.nodes()[*node].kind);
            sorted(of(from).into_iter().filter(matches))
        }
        Expression::Filter(pattern, from) => {
            let matches = |node: &usize| is_match(pattern, &graph.nodes()[*node].label.to_string());
            sorted(of(from).into_iter().filter(matches))
        }
        Expression::Chain(first, rest) => chain(graph, first, rest),
    }
}

fn chain(graph: &TargetGraph, first: &Expression, rest: &[(Operator, Expression)]) -> Found {
    let mut set = members(graph, evaluate(first, graph));
    for (operator, term) in rest {
        let term = evaluate(term, graph);
        match operator {
            Operator::Union => term.into_iter().for_each(|node| set[node] = true),
            Operator::Except => term.into_iter().for_each(|node| set[node] = false),
            Operator::Intersect => {
                let term = members(graph, term);
                set.iter_mut().zip(term).for_each(|(a, b)| *a &= b);
            }
        }
    }
    (0..set.len()).filter(|node| set[*node]).collect()
}

fn sorted(nodes: impl IntoIterator<Item = usize>) -> Found {
    let mut nodes: Found = nodes.into_iter().collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn members(graph: &TargetGraph, nodes: Found) -> Vec<bool> {
    let mut set = vec![false; graph.nodes().len()];
    nodes.into_iter().for_each(|node| set[node] = true);
    set
}

#[derive(Clone, Copy)]
enum Direction {
    Down,
    Up,
}

fn neighbours(graph: &TargetGraph, node: usize, direction: Direction) -> Vec<usize> {
    match direction {
        Direction::Down => {
            let below = graph.nodes()[node].dependencies.iter();
            below.map(|(below, _)| *below).collect()
        }
        Direction::Up => graph.dependents(node).to_vec(),
    }
}

/// Returns what can be reached in at most `depth` steps, the start included,
/// nearest first. Only targets in `within` are entered.
fn reach(
    graph: &TargetGraph,
    from: &[usize],
    depth: Option<usize>,
    within: Option<&[bool]>,
    direction: Direction,
) -> Found {
    let mut seen = vec![false; graph.nodes().len()];
    let mut found = Vec::new();
    let mut wave = from.to_vec();
    let mut left = depth.unwrap_or(usize::MAX);
    loop {
        wave.retain(|node| !std::mem::replace(&mut seen[*node], true));
        found.extend(&wave);
        if wave.is_empty() || left == 0 {
            return found;
        }
        left -= 1;
        let next = wave
            .iter()
            .flat_map(|node| neighbours(graph, *node, direction));
        wave = next
            .filter(|node| within.is_none_or(|within| within[*node]))
            .collect();
    }
}

/// Returns a shortest path from one of `from` to one of `to`; nothing if there
/// is none.
fn path(graph: &TargetGraph, from: &[usize], to: &[usize]) -> Found {
    let goal = members(graph, to.to_vec());
    let mut reached_from: Vec<Option<usize>> = vec![None; graph.nodes().len()];
    let mut open: VecDeque<usize> = from.iter().copied().collect();
    open.iter()
        .for_each(|node| reached_from[*node] = Some(*node));
    while let Some(node) = open.pop_front() {
        if goal[node] {
            let mut path = vec![node];
            let mut last = node;
            while let Some(before) = reached_from[last].filter(|before| *before != last) {
                path.push(before);
                last = before;
            }
            path.reverse();
            return path;
        }
        for below in neighbours(graph, node, Direction::Down) {
            if reached_from[below].is_none() {
                reached_from[below] = Some(node);
                open.push_back(below);
            }
        }
    }
    Vec::new()
}

/// Returns whether `text` is what the pattern says; `*` is any text.
fn is_match(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        // The first place is the best: it leaves most for what follows.
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text) in [
            ("c_library", "c_library"),
            ("c_*", "c_library"),
            ("*", ""),
            ("*_library", "c_library"),
            ("a*b*c", "a-b-b-c"),
            ("**", "x"),
        ] {
            assert!(is_match(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("c", "cc"), ("", "c"), ("c_*", "rust_x"), ("ab*ba", "aba")] {
            assert!(!is_match(pattern, text), "{pattern} {text}");
        }
    }
}
