//! Where the boxes of a diagram go: in layers, from left to right.
//!
//! A box stands to the right of everything that needs it. An arrow across
//! several layers has a point in each of them, so that it is led around the
//! boxes there. Within a layer, boxes and points are put in the order of the
//! middle of their neighbours, which is a usual way to have few crossings.
//! Everything takes a time that is nearly linear in boxes and points.

use super::Arrow;

/// How often the layers are put in order; more changes little.
const SWEEPS: usize = 6;
/// More points than this are not worth their room: arrows then go straight.
const POINTS: usize = 20_000;

/// A box, or a point on an arrow.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) layer: usize,
    /// From the top of the layer, in lines; points take a part of one.
    pub(super) line: f64,
}

#[derive(Debug)]
pub(super) struct Layout {
    /// Boxes first, then points.
    pub(super) places: Vec<Place>,
    /// For each arrow, the places that it goes through.
    pub(super) routes: Vec<Vec<usize>>,
    pub(super) layers: usize,
}

/// How much room a box takes, and a point.
const BOX: f64 = 1.0;
const POINT: f64 = 0.35;

pub(super) fn layout(boxes: usize, arrows: &[Arrow]) -> Layout {
    let mut layers = layers(boxes, arrows);
    let routes = routes(&mut layers, arrows);
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        columns.resize_with(columns.len().max(layer + 1), Vec::new);
        columns[*layer].push(place);
    }
    let lines = order(&mut columns, layers.len(), boxes, &routes);
    let places = layers.into_iter().zip(lines);
    Layout {
        layers: columns.len(),
        places: places.map(|(layer, line)| Place { layer, line }).collect(),
        routes,
    }
}

/// Returns the layer of each box: one more than the last of those that need it.
/// Arrows that close a circle do not count.
fn layers(boxes: usize, arrows: &[Arrow]) -> Vec<usize> {
    let mut below = vec![Vec::new(); boxes];
    for arrow in arrows {
        below[arrow.from].push(arrow.to);
    }
    let order = topological(&below);
    let mut ranks = vec![0; boxes];
    for (rank, node) in order.iter().enumerate() {
        ranks[*node] = rank;
    }
    let mut layers = vec![0; boxes];
    for from in order {
        for to in &below[from] {
            // What comes earlier in the order closes a circle.
            if ranks[*to] > ranks[from] {
                layers[*to] = layers[*to].max(layers[from] + 1);
            }
        }
    }
    layers
}

/// Returns the boxes, each before what it needs.
fn topological(below: &[Vec<usize>]) -> Vec<usize> {
    let mut done = Vec::with_capacity(below.len());
    let mut seen = vec![false; below.len()];
    for root in 0..below.len() {
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        let mut open = vec![(root, 0)];
        while let Some((node, next)) = open.last_mut() {
            match below[*node].get(*next) {
                Some(&to) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[to], true) {
                        open.push((to, 0));
                    }
                }
                None => {
                    done.push(*node);
                    open.pop();
                }
            }
        }
    }
    done.reverse();
    done
}

/// Returns the way of each arrow, and adds the layers of its points.
fn routes(layers: &mut Vec<usize>, arrows: &[Arrow]) -> Vec<Vec<usize>> {
    let boxes = layers.len();
    let route = |arrow: &Arrow| {
        let (from, to) = (layers[arrow.from], layers[arrow.to]);
        let mut route = vec![arrow.from];
        for layer in from + 1..to {
            if layers.len() - boxes < POINTS {
                route.push(layers.len());
                layers.push(layer);
            }
        }
        route.push(arrow.to);
        route
    };
    arrows.iter().map(route).collect()
}

/// Puts each column in order, and returns the line of each place.
fn order(
    columns: &mut [Vec<usize>],
    places: usize,
    boxes: usize,
    routes: &[Vec<usize>],
) -> Vec<f64> {
    let mut left = vec![Vec::new(); places];
    let mut right = vec![Vec::new(); places];
    for step in routes.iter().flat_map(|route| route.windows(2)) {
        left[step[1]].push(step[0]);
        right[step[0]].push(step[1]);
    }
    let mut lines = vec![0.0; places];
    columns
        .iter()
        .for_each(|column| settle(column, boxes, &mut lines));
    let count = columns.len();
    for sweep in 0..SWEEPS {
        let rightwards = sweep % 2 == 0;
        let neighbours = if rightwards { &left } else { &right };
        for step in 0..count {
            let index = if rightwards { step } else { count - 1 - step };
            let column = &mut columns[index];
            let middle = |place: usize| {
                let of = &neighbours[place];
                let sum: f64 = of.iter().map(|other| lines[*other]).sum();
                if of.is_empty() {
                    lines[place]
                } else {
                    sum / of.len() as f64
                }
            };
            let mut keyed: Vec<(f64, usize)> = column
                .iter()
                .map(|place| (middle(*place), *place))
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *column = keyed.into_iter().map(|(_, place)| place).collect();
            settle(column, boxes, &mut lines);
        }
    }
    lines
}

/// Gives the places of a column lines from the top, in their order, so that
/// the middle of the column is at zero.
fn settle(column: &[usize], boxes: usize, lines: &mut [f64]) {
    let height = |place: usize| if place < boxes { BOX } else { POINT };
    let total: f64 = column.iter().map(|place| height(*place)).sum();
    let mut line = -total / 2.0;
    for place in column {
        lines[*place] = line + height(*place) / 2.0;
        line += height(*place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(pairs: &[(usize, usize)]) -> Vec<Arrow> {
        let arrow = |(from, to): &(usize, usize)| Arrow {
            from: *from,
            to: *to,
            dashed: false,
        };
        pairs.iter().map(arrow).collect()
    }

    #[test]
    fn what_is_needed_stands_to_the_right() {
        let arrows = arrows(&[(0, 1), (1, 2), (0, 2), (3, 2)]);
        let layout = layout(4, &arrows);
        let layers: Vec<usize> = layout.places.iter().map(|place| place.layer).collect();
        assert_eq!(layers, [0, 1, 2, 0, 1, 1], "and two points");
        assert_eq!(layout.routes[2], [0, 4, 2]);
        assert_eq!(layout.layers, 3);
    }

    #[test]
    fn boxes_of_one_layer_do_not_overlap() {
        let mut pairs = Vec::new();
        for index in 0..300 {
            pairs.extend([(index / 3, index + 1), (index / 7, index + 1)]);
        }
        let layout = layout(301, &arrows(&pairs));
        for layer in 0..layout.layers {
            let boxes = layout.places[..301]
                .iter()
                .filter(|place| place.layer == layer);
            let mut lines: Vec<f64> = boxes.map(|place| place.line).collect();
            lines.sort_by(f64::total_cmp);
            for pair in lines.windows(2) {
                assert!(pair[1] - pair[0] > 0.999, "{pair:?}");
            }
        }
    }

    #[test]
    fn circles_and_long_chains_have_a_layout() {
        let layout = super::layout(3, &arrows(&[(0, 1), (1, 2), (2, 0)]));
        assert_eq!(layout.layers, 3);
        let chain: Vec<(usize, usize)> = (0..20_000).map(|at| (at, at + 1)).collect();
        assert_eq!(super::layout(20_001, &arrows(&chain)).layers, 20_001);
    }
}
