//! Boxes and arrows: a graph as Graphviz reads it, or drawn as SVG.

mod layout;
mod svg;

pub(crate) use svg::svg;

use std::fmt::Write as _;

use straylight_build::{ActionGraph, TargetGraph};

/// A graph to be shown. Arrows go from what needs to what is needed.
#[derive(Debug, Default)]
pub(crate) struct Diagram {
    pub(crate) boxes: Vec<Box>,
    pub(crate) arrows: Vec<Arrow>,
}

/// A node of a [`Diagram`].
#[derive(Debug, Clone)]
pub(crate) struct Box {
    pub(crate) title: String,
    /// Less important.
    pub(crate) detail: String,
}

/// An edge of a [`Diagram`], by the indices of its boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Only a tool is needed.
    pub(crate) dashed: bool,
}

impl Diagram {
    /// Returns some targets of a graph, and the edges between them.
    pub(crate) fn of_targets(graph: &TargetGraph, nodes: &[usize]) -> Self {
        let mut places = vec![None; graph.nodes().len()];
        for (place, node) in nodes.iter().enumerate() {
            places[*node] = Some(place);
        }
        let mut diagram = Self::default();
        for (from, node) in nodes.iter().enumerate() {
            let node = &graph.nodes()[*node];
            diagram.boxes.push(Box {
                title: node.label.to_string(),
                detail: node.kind.clone(),
            });
            for (to, dashed) in &node.dependencies {
                if let Some(to) = places[*to] {
                    let dashed = *dashed;
                    diagram.arrows.push(Arrow { from, to, dashed });
                }
            }
        }
        diagram
    }

    /// Returns all steps of a graph.
    pub(crate) fn of_actions(graph: &ActionGraph) -> Self {
        let mut diagram = Self::default();
        for (from, node) in graph.nodes.iter().enumerate() {
            diagram.boxes.push(Box {
                title: node.step.clone(),
                detail: format!("{} ({})", node.label, node.configuration),
            });
            diagram
                .arrows
                .extend(node.dependencies.iter().map(|to| Arrow {
                    from,
                    to: *to,
                    dashed: false,
                }));
        }
        diagram
    }
}

/// Returns the text of a diagram in the DOT language.
pub(crate) fn dot(diagram: &Diagram) -> String {
    let mut text = "digraph straylight {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for (index, node) in diagram.boxes.iter().enumerate() {
        let lines = [&node.title, &node.detail].map(|line| escaped(line));
        let _ = writeln!(text, "  n{index} [label=\"{}\"];", lines.join("\\n"));
    }
    for Arrow { from, to, dashed } in &diagram.arrows {
        let style = if *dashed { " [style=dashed]" } else { "" };
        let _ = writeln!(text, "  n{from} -> n{to}{style};");
    }
    text.push('}');
    text
}

/// Returns a text as it stands between quotes in DOT.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_do_not_leave_their_quotes() {
        let node = |title: &str| Box {
            title: title.to_owned(),
            detail: "kind".to_owned(),
        };
        let diagram = Diagram {
            boxes: vec![node("a\"]; x"), node("b\\")],
            arrows: vec![Arrow {
                from: 0,
                to: 1,
                dashed: true,
            }],
        };
        let text = dot(&diagram);
        assert!(text.contains(r#"n0 [label="a\"]; x\nkind"];"#), "{text}");
        assert!(text.contains(r#"n1 [label="b\\\nkind"];"#), "{text}");
        assert!(text.contains("n0 -> n1 [style=dashed];"), "{text}");
    }
}
