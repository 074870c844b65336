//! The paper's navigator by λ: Figure 5.

use std::ops::Range;

use plotters::prelude::*;

use super::super::super::{LATE_FUSION, Lambda, Results};
use super::super::means::{self, mean};
use super::super::methods::Method;
use super::Figure;
use super::canvas::{self, Area, Drawn, RULE, Side, digits, rule, ticks, upward, words};
use crate::Result;
use crate::evaluation::plot::{COLOURS, range};

const HEIGHT: i32 = 500;
const LEFT: i32 = 74;
const RIGHT: i32 = 508;
/// The top and the bottom of both panels.
const PANELS: [(i32, i32); 2] = [(20, 210), (240, 430)];
/// What the paper finds useful.
const USEFUL: Range<f64> = 0.05..1.0;

/// A figure over λ.
#[derive(Debug)]
struct Panel {
    heading: &'static str,
    colour: RGBColor,
    /// The mean and the deviation of each λ.
    points: Vec<Option<(f64, f64)>>,
    /// That of late fusion.
    baseline: Option<f64>,
    range: Range<f64>,
}

/// `None` where the navigator was trained for one λ alone.
///
/// # Errors
/// [`crate::Error::Invalid`] where it cannot be drawn.
pub(super) fn figure(results: &Results, methods: &[Method<'_>]) -> Result<Option<Figure>> {
    let groups = means::by_lambda(results);
    let groups: Vec<_> = groups.into_iter().filter(|(ratio, _)| *ratio >= 0.0).collect();
    // The one by which all are divided, so its ratio to itself is one.
    let late_fusion = methods.iter().find(|method| method.name == LATE_FUSION).and_then(Method::quality);
    let panels = [
        panel("quality", COLOURS[1], &groups, |lambda| lambda.quality, late_fusion),
        panel("share of late fusion's time", COLOURS[2], &groups, |lambda| lambda.share, Some(1.0)),
    ];
    let [Some(quality), Some(share)] = panels else { return Ok(None) };
    if groups.len() < 2 {
        return Ok(None);
    }
    let ratios: Vec<f64> = groups.iter().map(|(ratio, _)| *ratio).collect();
    let said = ratios.iter().zip(&quality.points).zip(&share.points).filter_map(|((ratio, quality), share)| {
        Some(format!("{ratio}: quality {:.4} at {:.3} of the time", (*quality)?.0, (*share)?.0))
    });
    let description = format!("By the ratio of latency to task loss. {}.", said.collect::<Vec<_>>().join("; "));
    let title = "The paper's navigator by λ (Figure 5)";
    let svg = canvas::svg("lambdas", HEIGHT.unsigned_abs(), title, &description, |area| {
        draw(area, &ratios, &[quality, share])
    })?;
    let caption = "λ as the ratio of the latency's part of the loss to the task's. Shaded: the range from 0.05 to 1 that the paper \
                   recommends. Black: late fusion. Bars: the standard deviation over seeds. Times by the latency table.";
    Ok(Some(Figure { name: "lambdas", title: title.into(), caption: caption.into(), svg }))
}

fn panel(
    heading: &'static str,
    colour: RGBColor,
    groups: &[(f64, Vec<&Lambda>)],
    figure: impl Fn(&Lambda) -> f64,
    baseline: Option<f64>,
) -> Option<Panel> {
    let spread = |group: &[&Lambda]| {
        let values: Vec<f64> = group.iter().map(|lambda| figure(lambda)).collect();
        crate::evaluation::statistics::Spread::of(&values).map(|spread| (spread.mean, spread.deviation))
    };
    let points: Vec<Option<(f64, f64)>> = groups.iter().map(|(_, group)| spread(group)).collect();
    mean(points.iter().flatten().map(|point| point.0))?;
    let ends =
        points.iter().flatten().flat_map(|(mean, deviation)| [mean - deviation, mean + deviation]).chain(baseline);
    let range = range(ends.collect::<Vec<_>>().into_iter())?;
    Some(Panel { heading, colour, points, baseline, range })
}

fn draw(area: &Area<'_>, ratios: &[f64], panels: &[Panel; 2]) -> Drawn {
    let scale = Scale::new(ratios);
    let bounds = [scale.x(USEFUL.start), scale.x(USEFUL.end)];
    for ((top, bottom), Panel { heading, colour, points, baseline, range }) in PANELS.into_iter().zip(panels) {
        let y = |value: f64| {
            bottom - ((value - range.start) / (range.end - range.start) * f64::from(bottom - top)).round() as i32
        };
        if bounds[1] > bounds[0] {
            area.draw(&Rectangle::new([(bounds[0], top), (bounds[1], bottom)], COLOURS[5].mix(0.22).filled()))?;
        }
        let marks = ticks(range, 4);
        for tick in &marks {
            rule(area, (LEFT, y(*tick)), (RIGHT, y(*tick)), &RULE)?;
            words(area, &format!("{tick:.*}", digits(&marks)), (LEFT - 8, y(*tick)), Side::Left, LEFT)?;
        }
        rule(area, (LEFT, bottom), (RIGHT, bottom), &BLACK)?;
        upward(area, heading, (12, (top + bottom) / 2))?;
        if let Some(baseline) = baseline {
            area.draw(&PathElement::new(vec![(LEFT, y(*baseline)), (RIGHT, y(*baseline))], BLACK.stroke_width(2)))?;
        }
        let places = ratios.iter().zip(points).filter_map(|(ratio, point)| Some((scale.x(*ratio), (*point)?)));
        let line: Vec<(i32, i32)> = places.clone().map(|(x, (mean, _))| (x, y(mean))).collect();
        area.draw(&PathElement::new(line.clone(), colour.stroke_width(2)))?;
        for (x, (mean, deviation)) in places.filter(|(_, (_, deviation))| *deviation > 0.0) {
            area.draw(&PathElement::new(
                vec![(x, y(mean - deviation)), (x, y(mean + deviation))],
                colour.stroke_width(1),
            ))?;
        }
        for place in line {
            area.draw(&Circle::new(place, 4, colour.filled()))?;
        }
    }
    let bottom = PANELS[1].1;
    let mut free = LEFT - 60;
    for ratio in ratios {
        let (x, text) = (scale.x(*ratio), ratio.to_string());
        let half = 3 + text.chars().count() as i32 * 4;
        // A label that would run into the one before is left out.
        if x - half >= free {
            words(area, &text, (x, bottom + 16), Side::Middle, 80)?;
            rule(area, (x, bottom), (x, bottom + 5), &BLACK)?;
            free = x + half;
        }
    }
    words(
        area,
        "λ: latency's part of the loss to the task's",
        ((LEFT + RIGHT) / 2, bottom + 42),
        Side::Middle,
        RIGHT - LEFT,
    )
}

/// Ratios in even steps of their logarithm, with zero to the left of all.
#[derive(Debug)]
struct Scale {
    low: f64,
    high: f64,
    left: i32,
}

impl Scale {
    fn new(ratios: &[f64]) -> Self {
        let above = || ratios.iter().copied().filter(|ratio| *ratio > 0.0).map(f64::log10);
        let (low, high) = (above().fold(f64::INFINITY, f64::min), above().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = if high > low {
            (low, high)
        } else if low.is_finite() {
            (low - 0.5, low + 0.5)
        } else {
            (0.0, 1.0)
        };
        let left = if ratios.contains(&0.0) { LEFT + 76 } else { LEFT + 24 };
        Self { low, high, left }
    }

    fn x(&self, ratio: f64) -> i32 {
        if ratio <= 0.0 {
            return LEFT + 24;
        }
        let right = RIGHT - 24;
        let x =
            f64::from(self.left) + (ratio.log10() - self.low) / (self.high - self.low) * f64::from(right - self.left);
        x.clamp(f64::from(LEFT), f64::from(RIGHT)).round() as i32
    }
}
