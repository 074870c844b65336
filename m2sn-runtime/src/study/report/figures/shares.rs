//! What the time of each method goes into: Figure 3.

use plotters::prelude::*;

use super::super::super::Parts;
use super::super::means::mean;
use super::super::methods::Method;
use super::Figure;
use super::canvas::{self, Area, Drawn, RULE, Side, WIDTH, digits, rule, ticks, words};
use crate::Result;
use crate::evaluation::plot::COLOURS;

const LEFT: i32 = 240;
const RIGHT: i32 = 470;
const TOP: i32 = 62;
const ROW: i32 = 24;
/// Between methods of different kinds.
const GAP: i32 = 10;

/// The parts with their colours, in the order of their bars.
const PARTS: [(&str, RGBColor); 5] = [
    ("encoders", COLOURS[1]),
    ("shortcuts", COLOURS[5]),
    ("decisions", COLOURS[2]),
    ("fusion", COLOURS[3]),
    ("routing", COLOURS[4]),
];

/// A method's parts, as shares of late fusion's time.
#[derive(Debug)]
struct Bar<'a> {
    name: &'a str,
    top: i32,
    parts: [f64; 5],
}

/// `None` where no method's parts are known.
///
/// # Errors
/// [`crate::Error::Invalid`] where it cannot be drawn.
pub(super) fn figure(methods: &[Method<'_>]) -> Result<Option<Figure>> {
    let mut bars: Vec<Bar<'_>> = Vec::new();
    let mut last = None;
    let mut top = TOP;
    for method in methods {
        let Some(parts) = parts(method) else { continue };
        if last.replace(method.kind).is_some_and(|kind| kind != method.kind) {
            top += GAP;
        }
        bars.push(Bar { name: method.name, top, parts });
        top += ROW;
    }
    if bars.is_empty() {
        return Ok(None);
    }
    let said = bars.iter().map(|bar| {
        let parts = PARTS.iter().zip(bar.parts).map(|((name, _), share)| format!("{name} {share:.3}"));
        format!("{}: {}", bar.name, parts.collect::<Vec<_>>().join(", "))
    });
    let description = format!("Shares of late fusion's time. {}.", said.collect::<Vec<_>>().join("; "));
    let title = "What the time goes into (Figure 3)";
    let svg = canvas::svg("shares", (top + 56).unsigned_abs(), title, &description, |area| draw(area, &bars, top))?;
    let caption =
        "The length of a bar is the time of one sample by that of late fusion, as measured; it is parted as its \
                   milliseconds are. Means over seeds."
            .to_owned();
    Ok(Some(Figure { name: "shares", title: title.into(), caption, svg }))
}

/// The measured ratio of a method, parted as its milliseconds are.
fn parts(method: &Method<'_>) -> Option<[f64; 5]> {
    let ratio = method.ratio().filter(|ratio| *ratio > 0.0)?;
    let of = |figure: fn(&Parts) -> f64| mean(method.rows.iter().map(|(_, row)| figure(&row.parts).max(0.0)));
    let parts = [
        of(|parts| parts.encoders)?,
        of(|parts| parts.shortcuts)?,
        of(|parts| parts.decisions)?,
        of(|parts| parts.fusion)?,
        of(|parts| parts.routing)?,
    ];
    let sum: f64 = parts.iter().sum();
    (sum > 0.0).then(|| parts.map(|part| part / sum * ratio))
}

fn draw(area: &Area<'_>, bars: &[Bar<'_>], below: i32) -> Drawn {
    let longest = bars.iter().map(|bar| bar.parts.iter().sum::<f64>()).fold(1.0, f64::max);
    let x = |share: f64| LEFT + (share / longest * f64::from(RIGHT - LEFT)).round() as i32;
    let mut along = 10;
    for (name, colour) in &PARTS {
        area.draw(&Rectangle::new([(along, 14), (along + 14, 28)], colour.filled()))?;
        words(area, name, (along + 20, 21), Side::Right, 100)?;
        along += 103;
    }
    let marks = ticks(&(0.0..longest), 6);
    for tick in &marks {
        rule(area, (x(*tick), TOP - 8), (x(*tick), below), &RULE)?;
        words(area, &format!("{tick:.*}", digits(&marks)), (x(*tick), below + 12), Side::Middle, 60)?;
    }
    words(area, "time by that of late fusion", ((LEFT + RIGHT) / 2, below + 36), Side::Middle, WIDTH as i32 / 2)?;
    for Bar { name, top, parts } in bars {
        let middle = top + ROW / 2;
        words(area, name, (LEFT - 10, middle), Side::Left, LEFT - 16)?;
        let mut begins = 0.0;
        for (share, (_, colour)) in parts.iter().zip(&PARTS) {
            let ends = begins + share;
            if x(ends) > x(begins) {
                area.draw(&Rectangle::new([(x(begins), top + 4), (x(ends), top + ROW - 4)], colour.filled()))?;
            }
            begins = ends;
        }
        // The line of late fusion runs through no number.
        let beside = if (x(begins)..x(begins) + 38).contains(&x(1.0)) { x(1.0) } else { x(begins) };
        words(area, &format!("{begins:.2}"), (beside + 6, middle), Side::Right, 60)?;
    }
    // Over the bars, so that who is slower than late fusion can be seen.
    rule(area, (x(1.0), TOP - 8), (x(1.0), below), &BLACK)
}
