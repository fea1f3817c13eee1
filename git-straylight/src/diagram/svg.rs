//! A diagram as a picture that any browser shows.

use std::fmt::Write as _;

use super::layout::{Layout, Place, layout};
use super::{Box, Diagram};

/// A line of boxes, in pixels.
const LINE: f64 = 52.0;
const BOX_HEIGHT: f64 = 38.0;
/// Room for arrows between two layers.
const GAP: f64 = 72.0;
const MARGIN: f64 = 16.0;
/// Of a character, in a font of 12 pixels with equal widths.
const CHARACTER: f64 = 7.3;
/// Longer texts are cut, and shown whole when pointed at.
const LONGEST: usize = 48;

const STYLE: &str = "rect{fill:#f6f8fa;stroke:#57606a}path{fill:none;stroke:#8c959f}\
                     text{font:12px monospace;fill:#1f2328}.d{fill:#656d76;font-size:10px}\
                     .t{stroke-dasharray:4 3}#a path{fill:#8c959f;stroke:none}";

/// Where columns and lines are, in pixels.
struct Canvas {
    /// The left edge and the width of each layer.
    columns: Vec<(f64, f64)>,
    width: f64,
    height: f64,
    top: f64,
}

/// Returns the text of a picture: what needs is left, what is needed right.
pub(crate) fn svg(diagram: &Diagram) -> String {
    let layout = layout(diagram.boxes.len(), &diagram.arrows);
    let canvas = Canvas::new(&layout, &diagram.boxes);
    let (width, height) = (canvas.width, canvas.height);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>{STYLE}</style>\n\
         <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" style=\"fill:#fff;stroke:none\"/>\n"
    );
    for (arrow, route) in diagram.arrows.iter().zip(&layout.routes) {
        let class = if arrow.dashed { " class=\"t\"" } else { "" };
        let way = canvas.way(&layout, diagram.boxes.len(), route);
        let _ = writeln!(text, "<path{class} marker-end=\"url(#a)\" d=\"{way}\"/>");
    }
    for (node, place) in diagram.boxes.iter().zip(&layout.places) {
        canvas.draw(&mut text, node, place);
    }
    text.push_str("</svg>");
    text
}

impl Canvas {
    fn new(layout: &Layout, boxes: &[Box]) -> Self {
        let mut widths = vec![0.0_f64; layout.layers];
        for (node, place) in boxes.iter().zip(&layout.places) {
            widths[place.layer] = widths[place.layer].max(box_width(node));
        }
        let mut columns = Vec::new();
        let mut left = MARGIN;
        for width in widths {
            columns.push((left, width));
            left += width + GAP;
        }
        let lines = layout.places.iter().map(|place| place.line);
        let (first, last) = lines.fold((0.0_f64, 0.0_f64), |(first, last), line| {
            (first.min(line), last.max(line))
        });
        Self {
            columns,
            width: (left - GAP).max(0.0) + MARGIN,
            height: (last - first) * LINE + BOX_HEIGHT + 2.0 * MARGIN,
            top: MARGIN + BOX_HEIGHT / 2.0 - first * LINE,
        }
    }

    fn middle(&self, place: &Place) -> f64 {
        self.top + place.line * LINE
    }

    /// Returns the curve of an arrow. Every layer is crossed on a level line.
    fn way(&self, layout: &Layout, boxes: usize, route: &[usize]) -> String {
        let mut way = String::new();
        let mut at = None;
        for index in route {
            let place = &layout.places[*index];
            let (left, width) = self.columns[place.layer];
            let y = self.middle(place);
            if let Some((x, before)) = at {
                let bend = if left > x { (left - x) / 2.0 } else { GAP };
                let (out, into) = (x + bend, left - bend);
                let _ = write!(
                    way,
                    "C{out:.0} {before:.0} {into:.0} {y:.0} {left:.0} {y:.0}"
                );
            } else {
                let _ = write!(way, "M{:.0} {y:.0}", left + width);
            }
            if *index >= boxes {
                let _ = write!(way, "H{:.0}", left + width);
            }
            at = Some((left + width, y));
        }
        way
    }

    fn draw(&self, text: &mut String, node: &Box, place: &Place) {
        let (x, width) = self.columns[place.layer];
        let middle = self.middle(place);
        let title = escaped(&node.title);
        let _ = writeln!(
            text,
            "<g><title>{title} {}</title><rect x=\"{x:.0}\" y=\"{:.0}\" width=\"{width:.0}\" \
             height=\"{BOX_HEIGHT:.0}\" rx=\"4\"/><text x=\"{:.0}\" y=\"{:.0}\">{}</text>\
             <text class=\"d\" x=\"{:.0}\" y=\"{:.0}\">{}</text></g>",
            escaped(&node.detail),
            middle - BOX_HEIGHT / 2.0,
            x + 8.0,
            middle - 3.0,
            escaped(&cut(&node.title)),
            x + 8.0,
            middle + 12.0,
            escaped(&cut(&node.detail)),
        );
    }
}

fn box_width(node: &Box) -> f64 {
    let characters = |text: &str| text.chars().count().min(LONGEST) as f64;
    let longest = characters(&node.title).max(characters(&node.detail));
    longest * CHARACTER + 16.0
}

/// Returns a text without its middle, if it is too long.
fn cut(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return text.to_owned();
    }
    let half = LONGEST / 2;
    let start: String = text.chars().take(half - 1).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start}…{end}")
}

/// Returns a text as XML writes it. What XML has no way to write is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagram::Arrow;

    #[test]
    fn draws_each_box_and_arrow_and_escapes_what_they_say() {
        let node = |title: &str| Box {
            title: title.to_owned(),
            detail: "<&>".to_owned(),
        };
        let arrow = |from, to, dashed| Arrow { from, to, dashed };
        let diagram = Diagram {
            boxes: vec![node("//a:\"x\""), node(&"y".repeat(100)), node("z\u{1}")],
            arrows: vec![arrow(0, 1, false), arrow(1, 2, true), arrow(0, 2, false)],
        };
        let text = svg(&diagram);
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>"));
        assert_eq!(text.matches("marker-end").count(), 3, "{text}");
        assert_eq!(text.matches("<g>").count(), 3);
        assert_eq!(text.matches("class=\"t\"").count(), 1);
        assert!(text.contains("//a:&quot;x&quot;") && text.contains("&lt;&amp;&gt;"));
        assert!(!text.contains('\u{1}') && text.contains('…'));
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn an_empty_diagram_is_a_picture() {
        assert!(svg(&Diagram::default()).ends_with("</svg>"));
    }
}
