//! A picture of an explanation: boxes for states, arrows for the way of the sample.
//!
//! With two modalities the states are a grid, the exits of the first across and those of the second down. With another
//! number, or with too many routes to list, the states of the journey stand in rows, in their order.

use std::fmt::Write;

use super::{ExplainedMove, ExplainedRoute, ExplainedStep, Explanation};
use crate::svg::{escaped, fitted};

/// All in pixels.
const BOX: (usize, usize) = (250, 74);
const GAP: usize = 36;
const MARGIN: usize = 24;
/// The heading above the boxes.
const HEADING: usize = 56;
/// The letters that a line holds.
const LETTERS: usize = 38;
/// The boxes of a row where there is no grid.
const ACROSS: usize = 4;

const HEADING_STYLE: &str = r#"font-size="14" font-weight="bold""#;
const BOLD: &str = r#"font-size="13" font-weight="bold""#;
const SMALL: &str = r#"font-size="11""#;

/// How boxes look: those of other ways, of the journey, and of its end.
const UNVISITED: &str = r##"fill="white" stroke="#bbb""##;
const VISITED: &str = r##"fill="#e3edfb" stroke="#1f4e9c""##;
const LAST: &str = r##"fill="#fff4d6" stroke="#1f4e9c" stroke-width="3""##;

/// A column and a row.
type Place = (usize, usize);

impl Explanation {
    /// The journey as an SVG, on white: its steps are filled boxes joined by arrows, and the last one has a thick edge. Each
    /// box says what the network would answer there, how good that is, and when the sample was there.
    ///
    /// With two modalities, all routes are shown as a grid, and steps only where both have come to an exit.
    pub fn svg(&self) -> String {
        let grid = self.grid();
        let place = |(index, step): (usize, &ExplainedStep)| match grid {
            Some(_) => cell(&step.blocks),
            None => Some((index % ACROSS, index / ACROSS)),
        };
        let places: Vec<Option<Place>> = self.steps.iter().enumerate().map(place).collect();
        let (columns, rows) = grid.unwrap_or((self.steps.len().min(ACROSS), self.steps.len().div_ceil(ACROSS)));
        // Wide enough for the heading.
        let (width, height) = (x(columns.max(2)), y(rows));
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"black\">\n\
             <title>{}</title>\n\
             <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 Z\" fill=\"#1f4e9c\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            escaped(&self.model)
        );
        self.heading(&mut text, grid.is_some(), width);
        if grid.is_some() {
            self.unvisited(&mut text, &places);
        }
        for (place, step) in places.iter().zip(&self.steps) {
            if let Some(place) = place {
                visited(&mut text, *place, step);
            }
        }
        self.arrows(&mut text, &places, grid.is_some());
        text += "</svg>\n";
        text
    }

    /// How many columns and rows the states of two modalities take.
    fn grid(&self) -> Option<Place> {
        match &self.modalities[..] {
            [across, down] if !self.routes.is_empty() => Some((across.exits.len(), down.exits.len())),
            _ => None,
        }
    }

    fn heading(&self, text: &mut String, is_grid: bool, width: usize) {
        let says = format!("{} says {} in {:.3} ms", self.model, self.prediction, self.milliseconds);
        let mut who = format!("{} policy", self.policy);
        self.budget.iter().for_each(|budget| who += &format!(", {budget}"));
        if let (true, [across, down]) = (is_grid, &self.modalities[..]) {
            who += &format!("; across: {}, down: {}", across.name, down.name);
        }
        line(text, (MARGIN, MARGIN), HEADING_STYLE, &fitted(&says, width / 10));
        line(text, (MARGIN, MARGIN + 20), SMALL, &fitted(&who, width / 8));
    }

    /// The routes that the sample did not come by.
    fn unvisited(&self, text: &mut String, visited: &[Option<Place>]) {
        for ExplainedRoute { route, blocks, prediction, predicted, real, expected } in &self.routes {
            let Some(place) = cell(blocks).filter(|place| !visited.contains(&Some(*place))) else { continue };
            let cost = expected.map_or(String::new(), |expected| format!("{expected:.3} ms expected"));
            let lines = [route, &prediction.to_string(), &quality(*predicted, *real), cost.as_str()];
            boxed(text, place, UNVISITED, lines);
        }
    }

    /// The way of the sample. In a grid it begins above the first box.
    fn arrows(&self, text: &mut String, places: &[Option<Place>], is_grid: bool) {
        let mut way: Vec<Place> = places.iter().flatten().copied().collect();
        way.dedup();
        if let (true, Some((column, row))) = (is_grid, way.first().copied()) {
            let (left, top) = (x(0) - GAP / 2, y(0) - GAP / 2);
            let _ = writeln!(text, "<circle cx=\"{left}\" cy=\"{top}\" r=\"5\" fill=\"#1f4e9c\"/>");
            arrow(text, &format!("M{left} {top} V{} H{} V{}", y(row) - GAP / 2, x(column) + BOX.0 / 2, y(row)));
        }
        for pair in way.windows(2) {
            let [(column, row), (next_column, next_row)] = [pair[0], pair[1]];
            let (right, middle) = (x(column) + BOX.0, y(row) + BOX.1 / 2);
            let (next_middle, next_top) = (x(next_column) + BOX.0 / 2, y(next_row));
            let path = match (next_column.wrapping_sub(column), next_row.wrapping_sub(row)) {
                (1, 0) => format!("M{right} {middle} H{}", x(next_column)),
                (0, 1) => format!("M{next_middle} {} V{next_top}", y(row) + BOX.1),
                // Around the boxes that lie between.
                _ => {
                    let (beside, above) = (right + GAP / 2, next_top - GAP / 2);
                    format!("M{right} {middle} H{beside} V{above} H{next_middle} V{next_top}")
                }
            };
            arrow(text, &path);
        }
    }
}

/// A state that the sample stood in.
fn visited(text: &mut String, place: Place, step: &ExplainedStep) {
    let says = step.prediction.as_ref().map_or("-".into(), ToString::to_string);
    let what = match &step.next {
        // Where it goes is where the arrow ends.
        ExplainedMove::Finish(_) => "its way is decided".into(),
        next => next.to_string(),
    };
    let what = format!("{:.3} ms, {what}", step.milliseconds);
    let style = match step.next {
        ExplainedMove::Stop | ExplainedMove::Cut => LAST,
        _ => VISITED,
    };
    boxed(text, place, style, [&step.state, &says, &quality(step.predicted, step.real), &what]);
}

/// A box with four lines, the second of them bold; what is too long for it shows when it is pointed at.
fn boxed(text: &mut String, (column, row): Place, style: &str, lines: [&str; 4]) {
    let (left, top, (width, height)) = (x(column), y(row), BOX);
    let title = lines.iter().filter(|line| !line.is_empty()).copied().collect::<Vec<_>>().join("; ");
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"5\" {style}/>",
        escaped(&title)
    );
    for (index, words) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let place = (left + 10, top + 18 + 16 * index);
        line(text, place, if index == 1 { BOLD } else { SMALL }, &fitted(words, LETTERS));
    }
    *text += "</g>\n";
}

fn line(text: &mut String, (left, below): (usize, usize), style: &str, words: &str) {
    let _ = writeln!(text, "<text x=\"{left}\" y=\"{below}\" {style}>{}</text>", escaped(words));
}

fn arrow(text: &mut String, path: &str) {
    let _ = writeln!(
        text,
        "<path d=\"{path}\" fill=\"none\" stroke=\"#1f4e9c\" stroke-width=\"2\" marker-end=\"url(#arrow)\"/>"
    );
}

/// Where a state stands in the grid of two modalities; nowhere before both have come to an exit.
fn cell(blocks: &[usize]) -> Option<Place> {
    let [across, down] = blocks else { return None };
    Some((across.checked_sub(1)?, down.checked_sub(1)?))
}

/// The left of a column.
fn x(column: usize) -> usize {
    MARGIN + GAP / 2 + column * (BOX.0 + GAP)
}

/// The top of a row.
fn y(row: usize) -> usize {
    MARGIN + HEADING + row * (BOX.1 + GAP)
}

fn quality(predicted: Option<f64>, real: Option<f64>) -> String {
    let said = |what, value: Option<f64>| value.map(|value| format!("{what} {value:.3}"));
    [said("predicted", predicted), said("real", real)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
