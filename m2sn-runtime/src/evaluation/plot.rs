//! Line charts as SVG.

use plotters::prelude::*;

use crate::{Error, Result};

/// A chart of several series over the same axes.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) across: String,
    pub(super) up: String,
    pub(super) series: Vec<Series>,
}

/// A series of points, in the order of their abscissas.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) points: Vec<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Points alone.
    Point,
    /// Points joined by a line.
    Line,
    /// Points, each of which holds up to the next.
    Steps,
}

const SIZE: (u32, u32) = (760, 460);
/// Colours that those can tell apart who do not see all (Okabe and Ito, 2008).
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
];

/// Draws a chart.
///
/// # Errors
/// [`Error::Invalid`] where there is no point, or the drawing fails.
pub(super) fn draw(chart: &Chart) -> Result<String> {
    let points = || chart.series.iter().flat_map(|series| series.points.iter().copied());
    let (Some(across), Some(up)) = (range(points().map(|point| point.0)), range(points().map(|point| point.1))) else {
        return Err(Error::invalid(format!("chart `{}`: there are no points to draw", chart.title)));
    };
    let mut text = String::new();
    draw_in(&mut text, chart, across, up)
        .map_err(|error| Error::invalid(format!("chart `{}`: it cannot be drawn: {error}", chart.title)))?;
    Ok(text)
}

fn draw_in(
    text: &mut String,
    chart: &Chart,
    across: std::ops::Range<f64>,
    up: std::ops::Range<f64>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut drawing = ChartBuilder::on(&area)
        .caption(&chart.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(62)
        .build_cartesian_2d(across.clone(), up)?;
    drawing
        .configure_mesh()
        .x_desc(&chart.across)
        .y_desc(&chart.up)
        .light_line_style(WHITE)
        .label_style(("sans-serif", 13))
        .x_label_formatter(&|value| format!("{value:.2}"))
        .y_label_formatter(&|value| format!("{value:.3}"))
        .draw()?;
    for (series, colour) in chart.series.iter().zip(COLOURS.iter().cycle()) {
        let (colour, points) = (*colour, &series.points);
        let line = match series.mark {
            Mark::Point => Vec::new(),
            Mark::Line => points.clone(),
            Mark::Steps => steps(points, across.end),
        };
        drawing.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        let dots = points
            .iter()
            .map(|point| Circle::new(*point, if series.mark == Mark::Point { 5 } else { 2 }, colour.filled()));
        drawing
            .draw_series(dots)?
            .label(&series.name)
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
    }
    drawing
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(170, 170, 170))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Each point held up to the next one, and the last to the end.
fn steps(points: &[(f64, f64)], end: f64) -> Vec<(f64, f64)> {
    let ends = points.iter().skip(1).map(|point| point.0).chain([end]);
    points.iter().zip(ends).flat_map(|((x, y), next)| [(*x, *y), (next, *y)]).collect()
}

/// The range of values with some room around it; `None` where there are none, or one is not finite.
pub(crate) fn range(values: impl Iterator<Item = f64> + Clone) -> Option<std::ops::Range<f64>> {
    let low = values.clone().reduce(f64::min)?;
    let high = values.reduce(f64::max)?;
    let room = ((high - low) * 0.06).max(1e-3);
    (low.is_finite() && high.is_finite()).then_some(low - room..high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "a < b & c".into(),
            across: "time".into(),
            up: "quality".into(),
            series: vec![
                Series { name: "late fusion".into(), mark: Mark::Point, points: vec![(1.0, 0.97)] },
                Series { name: "fixed routes".into(), mark: Mark::Steps, points: points.clone() },
                Series { name: "sequential".into(), mark: Mark::Line, points },
            ],
        }
    }

    #[test]
    fn draws_what_it_is_given() {
        insta::assert_snapshot!(draw(&chart(vec![(0.3, 0.91), (0.5, 0.96)])).unwrap());
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        assert!(draw(&Chart { series: Vec::new(), ..chart(Vec::new()) }).is_err());
        assert!(draw(&chart(vec![(0.3, f64::NAN)])).is_err() || draw(&chart(vec![(0.3, f64::INFINITY)])).is_err());
        assert!(draw(&chart(vec![(0.3, f64::INFINITY)])).is_err());
    }

    #[test]
    fn steps_hold_up_to_the_next() {
        assert_eq!(steps(&[(0.1, 1.0), (0.3, 2.0)], 0.5), [(0.1, 1.0), (0.3, 1.0), (0.3, 2.0), (0.5, 2.0)]);
    }
}
