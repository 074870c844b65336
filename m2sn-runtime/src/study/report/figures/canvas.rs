//! What all figures are drawn on: one width, one size of letters, a title and a description for those who do not see them.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::svg::{escaped, fitted, printable};
use crate::{Error, Result};

/// What figures are drawn on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What drawing comes to.
pub(super) type Drawn<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// All in pixels.
/// Narrow, so that letters can be read on a phone.
pub(super) const WIDTH: u32 = 520;
/// The height of a line of text, from which plotters takes the size of letters.
pub(super) const LINE: i32 = 18;
/// The mean width of a letter.
pub(super) const LETTER: f64 = 7.0;

/// The lines of axes, and what stands behind the data.
pub(super) const RULE: RGBAColor = RGBAColor(0, 0, 0, 0.18);

/// Draws a figure.
///
/// # Errors
/// [`Error::Invalid`] where drawing fails.
pub(super) fn svg(
    name: &str,
    height: u32,
    title: &str,
    description: &str,
    draw: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String> {
    let mut text = String::new();
    let attempt = || -> Drawn {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
        Ok(())
    };
    attempt().map_err(|error| Error::invalid(format!("figure `{name}`: it cannot be drawn: {error}")))?;
    Ok(described(&text, name, title, description))
}

/// An SVG with a title and a description.
pub(super) fn described(svg: &str, name: &str, title: &str, description: &str) -> String {
    let svg =
        svg.replacen("<svg ", &format!("<svg role=\"img\" aria-labelledby=\"{name}-title {name}-description\" "), 1);
    let words = format!(
        "<title id=\"{name}-title\">{}</title>\n<desc id=\"{name}-description\">{}</desc>",
        escaped(title),
        escaped(description)
    );
    let (head, body) = svg.split_once(">\n").unwrap_or((&svg, ""));
    format!("{head}>\n{words}\n{body}\n")
}

/// Where words stand against their place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Left,
    Middle,
    Right,
}

/// Words beside a place, at its height; cut to so many pixels.
pub(super) fn words(area: &Area<'_>, text: &str, place: (i32, i32), side: Side, room: i32) -> Drawn {
    let across = match side {
        Side::Left => HPos::Right,
        Side::Middle => HPos::Center,
        Side::Right => HPos::Left,
    };
    let style = ("sans-serif", LINE).into_font().color(&BLACK).pos(Pos::new(across, VPos::Center));
    let letters = (f64::from(room.max(0)) / LETTER) as usize;
    area.draw(&Text::new(fitted(&printable(text), letters), place, style))?;
    Ok(())
}

/// Words that are read upward, in the middle of a place.
pub(super) fn upward(area: &Area<'_>, text: &str, place: (i32, i32)) -> Drawn {
    let font = ("sans-serif", LINE).into_font().transform(FontTransform::Rotate270);
    area.draw(&Text::new(printable(text), place, font.color(&BLACK).pos(Pos::new(HPos::Center, VPos::Center))))?;
    Ok(())
}

/// A line between two places.
pub(super) fn rule(area: &Area<'_>, from: (i32, i32), to: (i32, i32), colour: &impl Color) -> Drawn {
    area.draw(&PathElement::new(vec![from, to], colour.stroke_width(1)))?;
    Ok(())
}

/// So many round numbers as fit well into a range, its ends included where they are round.
pub(super) fn ticks(range: &std::ops::Range<f64>, most: usize) -> Vec<f64> {
    let width = range.end - range.start;
    if !(width.is_finite() && width > 0.0) {
        return Vec::new();
    }
    let rough = width / most.max(1) as f64;
    let magnitude = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude).into_iter().find(|step| *step >= rough * 0.999);
    let Some(step) = step.filter(|step| *step > 0.0) else { return Vec::new() };
    let first = (range.start / step - 1e-9).ceil() as i64;
    let last = (range.end / step + 1e-9).floor() as i64;
    (first..=last).map(|tick| tick as f64 * step).collect()
}

/// The digits that tell ticks apart.
pub(super) fn digits(ticks: &[f64]) -> usize {
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    if step.is_finite() && step > 0.0 { (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.len() == expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(left, right)| (left - right).abs() < 1e-12), "{found:?}");
        };
        near(ticks(&(0.0..1.0), 5), &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        near(ticks(&(0.913..0.978), 5), &[0.92, 0.94, 0.96]);
        near(ticks(&(1.0..1.0), 5), &[]);
        near(ticks(&(f64::NAN..1.0), 5), &[]);
        assert_eq!([digits(&[0.92, 0.94]), digits(&[0.0, 50.0]), digits(&[1.0]), digits(&[0.0, 0.005])], [2, 0, 2, 3]);
    }
}
