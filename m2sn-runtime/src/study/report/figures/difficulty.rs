//! Quality and time on samples by how hard they are: Figure 4.

use std::ops::Range;

use super::super::super::Results;
use super::super::means::{self, Means};
use super::Figure;
use super::canvas::{self, Area, Drawn, LETTER, RULE, Side, WIDTH, digits, rule, ticks, words};
use super::marks::shape;
use crate::Result;
use crate::evaluation::plot::{COLOURS, range};
use crate::svg::fitted;

/// The left and the right of both panels.
const PANELS: [(i32, i32); 2] = [(244, 366), (386, 508)];
const TOP: i32 = 70;
const ROW: i32 = 24;

/// `None` where there is nothing by difficulty.
///
/// # Errors
/// [`crate::Error::Invalid`] where it cannot be drawn.
pub(super) fn figure(results: &Results) -> Result<Option<Figure>> {
    let means = means::by_difficulty(results);
    let figures = |which: fn(&(f64, f64)) -> f64| {
        means.rows.iter().flat_map(|(_, cells)| cells.iter().flatten().map(which)).collect::<Vec<f64>>()
    };
    let ranges = [range(figures(|cell| cell.0).into_iter()), range(figures(|cell| cell.1).into_iter())];
    let [Some(quality), Some(share)] = ranges else { return Ok(None) };
    let said = means.rows.iter().map(|(name, cells)| {
        let cells = means.columns.iter().zip(cells).filter_map(|((column, _), cell)| {
            let (quality, share) = (*cell)?;
            Some(format!("{column} {quality:.4} at {share:.3}"))
        });
        format!("{name}: {}", cells.collect::<Vec<_>>().join(", "))
    });
    let description = format!("Quality at the share of late fusion's time. {}.", said.collect::<Vec<_>>().join("; "));
    let title = "Samples by difficulty (Figure 4)";
    let below = TOP + ROW * means.rows.len() as i32;
    let svg = canvas::svg("difficulty", (below + 54).unsigned_abs(), title, &description, |area| {
        draw(area, &means, &[quality, share.start.max(0.0)..share.end], below)
    })?;
    let caption = format!(
        "{} The same samples for all methods. Times by the latency table. Means over seeds.",
        means::difficulty_in_words(results)
    );
    Ok(Some(Figure { name: "difficulty", title: title.into(), caption, svg }))
}

fn draw(area: &Area<'_>, means: &Means<'_>, ranges: &[Range<f64>; 2], below: i32) -> Drawn {
    let colour = |column: usize| COLOURS[[3, 5, 2, 1, 4, 0][column % 6]];
    let mut along = 14;
    for (column, (name, samples)) in means.columns.iter().enumerate() {
        let label = fitted(&format!("{name}, {samples:.0} samples"), 24);
        shape(area, column + 2, (along, 18), colour(column))?;
        words(area, &label, (along + 12, 18), Side::Right, WIDTH as i32)?;
        along += 38 + (LETTER * label.chars().count() as f64) as i32;
    }
    let headings = ["quality", "share of the time"];
    for (((left, right), range), heading) in PANELS.iter().zip(ranges).zip(headings) {
        let x = |value: f64| place(value, range, *left, *right);
        words(area, heading, ((left + right) / 2, TOP - 24), Side::Middle, right - left + 50)?;
        let marks = ticks(range, 3);
        for tick in &marks {
            rule(area, (x(*tick), TOP - 10), (x(*tick), below), &RULE)?;
            words(area, &format!("{tick:.*}", digits(&marks)), (x(*tick), below + 14), Side::Middle, 60)?;
        }
    }
    for (row, (name, cells)) in means.rows.iter().enumerate() {
        let y = TOP + ROW * row as i32 + ROW / 2;
        words(area, name, (PANELS[0].0 - 12, y), Side::Left, PANELS[0].0 - 14)?;
        for ((left, right), _) in PANELS.iter().zip(ranges) {
            rule(area, (*left, y), (*right, y), &RULE)?;
        }
        // The hardest lie on top: it is they that are looked for.
        for (column, (quality, share)) in cells.iter().enumerate().filter_map(|(column, cell)| Some((column, (*cell)?)))
        {
            for (((left, right), range), value) in PANELS.iter().zip(ranges).zip([quality, share]) {
                shape(area, column + 2, (place(value, range, *left, *right), y), colour(column))?;
            }
        }
    }
    rule(area, (8, below), (WIDTH as i32 - 8, below), &RULE)
}

fn place(value: f64, range: &Range<f64>, left: i32, right: i32) -> i32 {
    left + ((value - range.start) / (range.end - range.start) * f64::from(right - left)).round() as i32
}
