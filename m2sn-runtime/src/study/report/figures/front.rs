//! Quality against time, all methods in one picture.

use std::collections::BTreeSet;
use std::ops::Range;

use plotters::prelude::*;

use super::super::super::{FIXED, Kind, Results};
use super::super::means::mean;
use super::super::methods::{Method, heading};
use super::Figure;
use super::canvas::{self, Area, Drawn, RULE, Side, WIDTH, digits, rule, ticks, words};
use super::marks::{colour, mark};
use crate::Result;
use crate::evaluation::plot::range;
use crate::evaluation::{Curve, Point};

const HEIGHT: i32 = 420;
/// Left, top, right and bottom of the plot.
const FRAME: (i32, i32, i32, i32) = (70, 14, 508, 366);
const ROW: i32 = 22;

/// The curve that is left out: it is flattered by luck, and would leave the others no room.
const ORACLE: &str = "oracle";

/// A method or a curve, by its number.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a str,
    kind: Kind,
    /// As measured.
    point: Option<(f64, f64)>,
    /// By the latency table.
    curve: Vec<(f64, f64)>,
}

/// `None` where there is no point.
///
/// # Errors
/// [`crate::Error::Invalid`] where it cannot be drawn.
pub(super) fn figure(results: &Results, methods: &[Method<'_>]) -> Result<Option<Figure>> {
    let entries = entries(results, methods);
    let Some((across, up)) = limits(&entries) else { return Ok(None) };
    let rows = entries.len().div_ceil(2) as i32 + kinds(&entries).len().div_ceil(2) as i32;
    let height = HEIGHT + rows * ROW + 18;
    let title = format!("{}: quality against time", results.model);
    let said = entries.iter().filter_map(|entry| {
        let (ratio, quality) = entry.point?;
        Some(format!("{} {quality:.4} at {ratio:.3}", entry.name))
    });
    let description = format!("Quality at the share of late fusion's time: {}.", said.collect::<Vec<_>>().join("; "));
    let svg =
        canvas::svg("front", height.unsigned_abs(), &title, &description, |area| draw(area, &entries, &across, &up))?;
    let caption = "Up is better, and left is faster. Marks: as measured, one sample at a time, at the balance that was chosen on \
                   validation samples, the mean over seeds. Lines: all balances on test samples, by the latency table, and small \
                   points all fixed routes; the mean over seeds, or the first seed where others have other points. What lies \
                   outside stands at the edge."
        .to_owned();
    Ok(Some(Figure { name: "front", title: "Quality against time".into(), caption, svg }))
}

fn entries<'a>(results: &'a Results, methods: &[Method<'a>]) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = methods
        .iter()
        .map(|method| Entry {
            name: method.name,
            kind: method.kind,
            point: method.ratio().zip(method.quality()),
            curve: curve(results, method.name),
        })
        .collect();
    for Curve { name, .. } in results.seeds.iter().flat_map(|seed| &seed.curves) {
        if name != ORACLE && !entries.iter().any(|entry| entry.name == name) {
            entries.push(Entry { name, kind: Kind::Static, point: None, curve: curve(results, name) });
        }
    }
    entries.retain(|entry| entry.point.is_some() || !entry.curve.is_empty());
    entries.sort_by_key(|entry| entry.kind);
    entries
}

/// The curve of a name: the means over seeds of points that belong together, or that of the first seed.
fn curve(results: &Results, name: &str) -> Vec<(f64, f64)> {
    let named = results.seeds.iter().filter_map(|seed| seed.curves.iter().find(|curve| curve.name == name));
    let curves: Vec<&Curve> = named.filter(|curve| !curve.points.is_empty()).collect();
    let Some(first) = curves.first() else { return Vec::new() };
    let names = |curve: &Curve| curve.points.iter().map(|point| point.by.clone()).collect::<BTreeSet<_>>();
    let count = first.points.len();
    let as_many = curves.iter().all(|curve| curve.points.len() == count);
    let alike = as_many && names(first).len() == count && curves.iter().all(|curve| names(curve) == names(first));
    // As many thresholds are the same quantiles, though their values differ; routes are not the same for being as many.
    let used = if alike || (as_many && name != FIXED) { &curves } else { &curves[..1] };
    let point = |(index, point): (usize, &Point)| {
        let same = |curve: &&Curve| match alike {
            true => curve.points.iter().find(|other| other.by == point.by).cloned(),
            false => curve.points.get(index).cloned(),
        };
        let points: Vec<Point> = used.iter().filter_map(same).collect();
        Some((mean(points.iter().map(|point| point.share))?, mean(points.iter().map(|point| point.quality))?))
    };
    let mut points: Vec<(f64, f64)> = first.points.iter().enumerate().filter_map(point).collect();
    points.sort_by(|left, right| left.0.total_cmp(&right.0));
    points
}

/// What is shown: all, but for methods far below the others or far slower than late fusion.
fn limits(entries: &[Entry<'_>]) -> Option<(Range<f64>, Range<f64>)> {
    let points: Vec<(f64, f64)> =
        entries.iter().flat_map(|entry| entry.point.iter().chain(&entry.curve)).copied().collect();
    let mut marked: Vec<f64> = entries.iter().filter_map(|entry| entry.point.map(|point| point.1)).collect();
    marked.sort_by(f64::total_cmp);
    let best = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let middle = marked.get(marked.len() / 2).copied().unwrap_or(f64::NEG_INFINITY);
    let lowest = best - 4.0 * (best - middle).max(0.01);
    let up = range(points.iter().map(|point| point.1.max(lowest)))?;
    let across = range(points.iter().map(|point| point.0.min(SLOWEST)))?;
    Some((across.start.max(0.0)..across.end, up))
}

/// Beyond so many times late fusion's time, how much slower a method is does not matter.
const SLOWEST: f64 = 1.6;

fn draw(area: &Area<'_>, entries: &[Entry<'_>], across: &Range<f64>, up: &Range<f64>) -> Drawn {
    let (left, top, right, bottom) = FRAME;
    let share = |value: f64, range: &Range<f64>| (value - range.start) / (range.end - range.start);
    let x = |value: f64| left + (share(value, across).clamp(0.0, 1.0) * f64::from(right - left)).round() as i32;
    let y = |value: f64| bottom - (share(value, up).clamp(0.0, 1.0) * f64::from(bottom - top)).round() as i32;
    axes(area, across, up, x, y)?;

    let mut taken: Vec<Label> = Vec::new();
    for entry in entries {
        let colour = colour(entry.kind);
        // Routes are no line along which one could choose, and test samples must not say which of them are worth taking.
        let line: &[(f64, f64)] = if entry.name == FIXED { &[] } else { &entry.curve };
        for piece in within(line, up.start, across.end) {
            let piece: Vec<(i32, i32)> = piece.iter().map(|(ratio, quality)| (x(*ratio), y(*quality))).collect();
            area.draw(&PathElement::new(piece, colour.mix(0.55).stroke_width(2)))?;
        }
        for (ratio, quality) in
            entry.curve.iter().filter(|(ratio, quality)| *quality >= up.start && *ratio <= across.end)
        {
            area.draw(&Circle::new((x(*ratio), y(*quality)), 2, colour.filled()))?;
        }
    }
    let marks: Vec<(usize, (i32, i32))> = entries
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| entry.point.map(|(ratio, quality)| (index, (x(ratio), y(quality)))))
        .collect();
    for (index, place) in &marks {
        mark(area, entries[*index].kind, *place)?;
        taken.push(Label { middle: *place, half: (6, 6) });
    }
    for (index, place) in &marks {
        if let Some((place, line)) = free(*place, index + 1, &taken, 8) {
            number(area, index + 1, place, line, &mut taken)?;
        }
    }
    // Curves are numbered at their ends, where there is room; those without a mark in any case.
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.curve.len() > 1 && entry.name != FIXED) {
        let seen = |(ratio, quality): &&(f64, f64)| *quality >= up.start && *ratio <= across.end;
        let Some((ratio, quality)) = entry.curve.iter().rev().find(seen) else { continue };
        let end = (x(*ratio), y(*quality));
        let marked = marks.iter().find(|(other, _)| *other == index).map(|(_, place)| *place);
        let near = marked.is_some_and(|place| (place.0 - end.0).abs() + (place.1 - end.1).abs() < 30);
        if near {
            continue;
        }
        if let Some((place, line)) = free(end, index + 1, &taken, if marked.is_some() { 1 } else { 8 }) {
            number(area, index + 1, place, line, &mut taken)?;
        }
    }
    legend(area, entries, up.start, across.end)
}

fn axes(
    area: &Area<'_>,
    across: &Range<f64>,
    up: &Range<f64>,
    x: impl Fn(f64) -> i32,
    y: impl Fn(f64) -> i32,
) -> Drawn {
    let (left, top, right, bottom) = FRAME;
    let marks = ticks(up, 8);
    for tick in &marks {
        rule(area, (left, y(*tick)), (right, y(*tick)), &RULE)?;
        words(area, &format!("{tick:.*}", digits(&marks)), (left - 8, y(*tick)), Side::Left, left)?;
    }
    let marks = ticks(across, 10);
    for tick in &marks {
        rule(area, (x(*tick), bottom), (x(*tick), bottom + 5), &BLACK)?;
        words(area, &format!("{tick:.*}", digits(&marks)), (x(*tick), bottom + 16), Side::Middle, 60)?;
    }
    if across.contains(&1.0) {
        rule(area, (x(1.0), top), (x(1.0), bottom), &RULE)?;
    }
    rule(area, (left, bottom), (right, bottom), &BLACK)?;
    let middle = (left + right) / 2;
    words(area, "time by that of late fusion", (middle, bottom + 38), Side::Middle, right - left)?;
    canvas::upward(area, "quality on test samples", (12, (top + bottom) / 2))
}

/// Something that no other label may cover.
#[derive(Debug, Clone, Copy)]
struct Label {
    middle: (i32, i32),
    half: (i32, i32),
}

impl Label {
    fn covers(&self, other: &Self) -> bool {
        (self.middle.0 - other.middle.0).abs() < self.half.0 + other.half.0
            && (self.middle.1 - other.middle.1).abs() < self.half.1 + other.half.1
    }
}

/// A line between two places.
type Line = ((i32, i32), (i32, i32));

/// The place for a number nearest to its point where nothing is yet, within so many rings around it, and a line between the
/// two where they are far apart.
fn free((x, y): (i32, i32), number: usize, taken: &[Label], rings: i32) -> Option<((i32, i32), Option<Line>)> {
    let (left, top, right, bottom) = FRAME;
    let half = half(number);
    let mut places = (0..rings).flat_map(|ring| {
        let away = f64::from(15 + 9 * ring);
        (0..16).map(move |turn| {
            // The first is up and to the right, where no curve of a good method runs.
            let angle = (f64::from(turn) * 22.5 + 45.0).to_radians();
            (x + (away * angle.cos()).round() as i32, y - (away * angle.sin()).round() as i32)
        })
    });
    let place = places.find(|place| {
        let label = Label { middle: *place, half };
        (left + half.0..right + 6).contains(&place.0)
            && (top..bottom - half.1).contains(&place.1)
            && !taken.iter().any(|other| other.covers(&label))
    })?;
    let away = f64::from(place.0 - x).hypot(f64::from(place.1 - y));
    let along = |share: f64| {
        let part = |from: i32, to: i32| from + (f64::from(to - from) * share).round() as i32;
        (part(x, place.0), part(y, place.1))
    };
    Some((place, (away > 20.0).then(|| (along(5.0 / away), along(1.0 - 9.0 / away)))))
}

/// Writes a number.
fn number(area: &Area<'_>, number: usize, place: (i32, i32), line: Option<Line>, taken: &mut Vec<Label>) -> Drawn {
    if let Some((from, to)) = line {
        rule(area, from, to, &BLACK.mix(0.5))?;
    }
    // What runs behind a number must not be read as part of it.
    let half = half(number);
    let corners = [(place.0 - half.0, place.1 - half.1), (place.0 + half.0, place.1 + half.1)];
    area.draw(&Rectangle::new(corners, WHITE.mix(0.75).filled()))?;
    words(area, &number.to_string(), place, Side::Middle, 40)?;
    taken.push(Label { middle: place, half });
    Ok(())
}

/// Half of the width and of the height of a number.
fn half(number: usize) -> (i32, i32) {
    (if number > 9 { 9 } else { 5 }, 8)
}

/// The kinds that there are, and what numbers stand for.
fn legend(area: &Area<'_>, entries: &[Entry<'_>], lowest: f64, slowest: f64) -> Drawn {
    let column = WIDTH as i32 / 2 - 8;
    let place = |index: usize, row: i32, rows: usize| {
        (16 + column * (index / rows.max(1)) as i32, row + ROW * (index % rows.max(1)) as i32)
    };
    let kinds = kinds(entries);
    let rows = kinds.len().div_ceil(2);
    for (index, kind) in kinds.iter().enumerate() {
        let (x, y) = place(index, HEIGHT + 8, rows);
        mark(area, *kind, (x, y))?;
        words(area, heading(*kind), (x + 14, y), Side::Right, column - 24)?;
    }
    let below = HEIGHT + 18 + ROW * rows as i32;
    rule(area, (8, below - 14 + 4), (WIDTH as i32 - 8, below - 14 + 4), &RULE)?;
    let rows = entries.len().div_ceil(2);
    for (index, entry) in entries.iter().enumerate() {
        let (x, y) = place(index, below + 8, rows);
        words(area, &(index + 1).to_string(), (x + 14, y), Side::Left, 40)?;
        match entry.point {
            Some(_) => mark(area, entry.kind, (x + 26, y))?,
            None => area.draw(&PathElement::new(vec![(x + 19, y), (x + 33, y)], colour(entry.kind).stroke_width(2)))?,
        }
        let mut name = entry.name.to_owned();
        if let Some((ratio, quality)) = entry.point.filter(|(ratio, quality)| *quality < lowest || *ratio > slowest) {
            name = format!("{} ({quality:.3} at {ratio:.2})", crate::svg::fitted(&name, 12));
        }
        words(area, &name, (x + 40, y), Side::Right, column - 46)?;
    }
    Ok(())
}

fn kinds(entries: &[Entry<'_>]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = entries.iter().map(|entry| entry.kind).collect();
    kinds.dedup();
    kinds
}

/// The pieces of a line that are above one height and left of one place.
fn within(line: &[(f64, f64)], low: f64, right: f64) -> Vec<Vec<(f64, f64)>> {
    let inside = |point: &(f64, f64)| point.1 >= low && point.0 <= right;
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut piece: Vec<(f64, f64)> = line.first().copied().filter(inside).into_iter().collect();
    for pair in line.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        match (inside(&from), inside(&to)) {
            (true, true) => piece.push(to),
            (true, false) => {
                piece.push(border(from, to, low, right));
                pieces.push(std::mem::take(&mut piece));
            }
            (false, true) => piece = vec![border(to, from, low, right), to],
            (false, false) => {}
        }
    }
    pieces.push(piece);
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// Where a line leaves, on its way from inside to outside.
fn border(inside: (f64, f64), outside: (f64, f64), low: f64, right: f64) -> (f64, f64) {
    let part =
        |from: f64, to: f64, end: f64| if to == from { 1.0 } else { ((end - from) / (to - from)).clamp(0.0, 1.0) };
    let down = if outside.1 < low { part(inside.1, outside.1, low) } else { 1.0 };
    let along = if outside.0 > right { part(inside.0, outside.0, right) } else { 1.0 };
    let share = down.min(along);
    (inside.0 + share * (outside.0 - inside.0), inside.1 + share * (outside.1 - inside.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_one_name_belong_together() {
        let points = |points: &[(f64, f64, &str)]| {
            let point =
                |(share, quality, by): &(f64, f64, &str)| Point { share: *share, quality: *quality, by: (*by).into() };
            points.iter().map(point).collect::<Vec<_>>()
        };
        let of = |name: &str, curves: [&[(f64, f64, &str)]; 2]| {
            let mut results = super::super::super::fixture::results();
            for (seed, curve) in results.seeds.iter_mut().zip(curves) {
                seed.curves = vec![Curve { name: name.into(), points: points(curve) }];
            }
            curve(&results, name)
        };
        let (first, other): (&[_], &[_]) =
            (&[(0.25, 0.5, "a"), (0.5, 0.75, "b")], &[(0.25, 0.25, "b"), (0.75, 1.0, "a")]);
        assert_eq!(of("rival", [first, other]), [(0.375, 0.5), (0.5, 0.75)]);
        // Thresholds belong together by their place, and routes do not.
        let third: &[_] = &[(0.75, 0.5, "c"), (1.0, 0.25, "d")];
        assert_eq!(of("rival", [first, third]), [(0.5, 0.5), (0.75, 0.5)]);
        assert_eq!(of(FIXED, [first, third]), [(0.25, 0.5), (0.5, 0.75)]);
        assert_eq!(of("rival", [first, &third[..1]]), [(0.25, 0.5), (0.5, 0.75)]);
    }

    #[test]
    fn lines_end_at_the_edge() {
        let line = [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0), (3.0, 1.0), (5.0, 1.0)];
        let pieces = within(&line, 0.5, 4.0);
        assert_eq!(pieces, [vec![(0.5, 0.5), (1.0, 1.0), (1.5, 0.5)], vec![(2.5, 0.5), (3.0, 1.0), (4.0, 1.0)]]);
        assert!(within(&[], 0.0, 1.0).is_empty() && within(&[(0.5, 0.5)], 0.0, 1.0).is_empty());
    }
}
