//! What kinds of methods look like: a colour and a shape each, so that nobody needs to tell colours apart.

use plotters::prelude::*;

use super::super::super::Kind;
use super::canvas::{Area, Drawn};
use crate::evaluation::plot::COLOURS;

/// The colour of a kind.
pub(super) fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Alone => COLOURS[4],
        Kind::Static => COLOURS[0],
        Kind::Paper => COLOURS[2],
        Kind::Learned => COLOURS[1],
        Kind::Rival => COLOURS[3],
    }
}

/// The shape of a kind, around a place.
pub(super) fn mark(area: &Area<'_>, kind: Kind, place: (i32, i32)) -> Drawn {
    shape(area, kind as usize, place, colour(kind))
}

/// One of five shapes: a triangle, a square, a diamond, a circle, a triangle that stands on its head.
pub(super) fn shape(area: &Area<'_>, number: usize, (x, y): (i32, i32), colour: RGBColor) -> Drawn {
    let points: &[(i32, i32)] = match number {
        0 => &[(0, -6), (6, 5), (-6, 5)],
        1 => &[(-5, -5), (5, -5), (5, 5), (-5, 5)],
        2 => &[(0, -7), (7, 0), (0, 7), (-7, 0)],
        3 => {
            area.draw(&Circle::new((x, y), 5, colour.filled()))?;
            return Ok(());
        }
        _ => &[(0, 6), (6, -5), (-6, -5)],
    };
    let points: Vec<(i32, i32)> = points.iter().map(|(right, down)| (x + right, y + down)).collect();
    area.draw(&Polygon::new(points, colour.filled()))?;
    Ok(())
}
