//! Drawn digits: strokes that a hand might make, bent, smeared and crossed out as far as the difficulty says.

use super::random::Random;

/// The width and height of an image in pixels.
pub(crate) const SIDE: usize = 28;

/// Draws one digit into `pixels`, `SIDE` rows of `SIDE`, each 0 (paper) to 1 (ink).
///
/// `difficulty` goes from 0, a clean digit in a steady hand, to 1, which people often misread.
pub(crate) fn draw(digit: usize, difficulty: f32, random: &mut Random, pixels: &mut [f32]) {
    let styles = STYLES[digit];
    let strokes = styles[random.below(styles.len())];
    let hand = Hand::new(difficulty, random);

    pixels.fill(0.0);
    for stroke in strokes {
        let line: Vec<_> = stroke.line().into_iter().map(|point| hand.place(point)).collect();
        ink(&line, hand.thickness, 1.0, pixels);
    }
    for _ in 0..(difficulty * random.uniform(0.0, 8.0)).round() as usize {
        let line: Vec<_> = scribble(random).line().into_iter().map(|point| hand.place(point)).collect();
        ink(&line, hand.thickness * random.uniform(0.5, 1.0), random.uniform(0.6, 1.0), pixels);
    }
    blur(pixels, difficulty * random.uniform(0.0, 1.8));

    let contrast = 1.0 - difficulty * random.uniform(0.0, 0.8);
    let grain = 0.02 + difficulty * random.uniform(0.0, 0.55);
    for pixel in pixels {
        *pixel = (*pixel * contrast + grain * random.normal()).clamp(0.0, 1.0);
    }
}

/// A point in a square of side 1; `y` points down.
type Point = [f32; 2];

/// A line through some points.
#[derive(Debug, Clone)]
enum Stroke<P> {
    /// With corners.
    Straight(P),
    /// Smooth (a Catmull-Rom spline).
    Curved(P),
}

use Stroke::{Curved, Straight};

impl<P: AsRef<[Point]>> Stroke<P> {
    /// The stroke as a chain of short straight pieces, which can be bent point by point.
    fn line(&self) -> Vec<Point> {
        const PIECES: usize = 6;
        let points = match self {
            Straight(points) | Curved(points) => points.as_ref(),
        };
        let point = |index: isize| points[index.clamp(0, points.len() as isize - 1) as usize];
        let mut line = vec![points[0]];
        for from in 0..points.len() as isize - 1 {
            let [before, start, end, after] = [point(from - 1), point(from), point(from + 1), point(from + 2)];
            for piece in 1..=PIECES {
                let t = piece as f32 / PIECES as f32;
                line.push(match self {
                    Straight(_) => [0, 1].map(|axis| start[axis] + t * (end[axis] - start[axis])),
                    Curved(_) => [0, 1].map(|axis| catmull_rom(before[axis], start[axis], end[axis], after[axis], t)),
                });
            }
        }
        line
    }
}

fn catmull_rom(before: f32, start: f32, end: f32, after: f32, t: f32) -> f32 {
    let linear = end - before;
    let square = 2.0 * before - 5.0 * start + 4.0 * end - after;
    let cube = 3.0 * (start - end) + after - before;
    start + 0.5 * t * (linear + t * (square + t * cube))
}

/// How one hand writes: it turns, slants, stretches and shakes all strokes alike.
#[derive(Debug)]
struct Hand {
    matrix: [[f32; 2]; 2],
    shift: Point,
    /// Three slow waves that bend the paper; each has a direction, a phase and an amplitude along both axes.
    waves: [(Point, f32, Point); 3],
    /// In pixels.
    thickness: f32,
}

impl Hand {
    fn new(difficulty: f32, random: &mut Random) -> Self {
        let mut spread = |easy: f32, hard: f32| {
            let reach = easy + difficulty * (hard - easy);
            random.uniform(-reach, reach)
        };
        let (angle, slant) = (spread(0.10, 0.50), spread(0.15, 0.45));
        let (wide, high) = (0.80 * (1.0 + spread(0.12, 0.30)), 0.88 * (1.0 + spread(0.08, 0.25)));
        let shift = [spread(0.04, 0.12), spread(0.04, 0.12)];
        let (sin, cos) = angle.sin_cos();
        let matrix = [[cos * wide, (slant * cos - sin) * high], [sin * wide, (slant * sin + cos) * high]];
        let bend = 0.006 + 0.034 * difficulty;
        let waves = [1.0, 1.6, 2.4].map(|frequency: f32| {
            let (sin, cos) = random.uniform(0.0, std::f32::consts::TAU).sin_cos();
            let direction = [frequency * cos, frequency * sin].map(|value| value * std::f32::consts::TAU);
            let phase = random.uniform(0.0, std::f32::consts::TAU);
            (direction, phase, [bend * random.normal(), bend * random.normal()].map(|value| value / frequency))
        });
        Self { matrix, shift, waves, thickness: random.uniform(1.6, 3.4) }
    }

    /// Where on the paper, in pixels, the hand puts a point of the skeleton.
    fn place(&self, point: Point) -> Point {
        let mut bent = point;
        for (direction, phase, amplitude) in &self.waves {
            let wave = (direction[0] * point[0] + direction[1] * point[1] + phase).sin();
            bent = [bent[0] + wave * amplitude[0], bent[1] + wave * amplitude[1]];
        }
        let [x, y] = bent.map(|value| value - 0.5);
        [0, 1].map(|axis| {
            (self.matrix[axis][0] * x + self.matrix[axis][1] * y + 0.5 + self.shift[axis]) * SIDE as f32 - 0.5
        })
    }
}

/// A short stroke that belongs to no digit.
fn scribble(random: &mut Random) -> Stroke<[Point; 3]> {
    let start = [random.uniform(0.05, 0.95), random.uniform(0.05, 0.95)];
    let mut step = |from: Point| from.map(|value| value + random.uniform(-0.28, 0.28));
    let middle = step(start);
    Curved([start, middle, step(middle)])
}

/// Inks the pixels near a line, with soft edges; overlapping strokes do not get darker.
fn ink(line: &[Point], thickness: f32, darkness: f32, pixels: &mut [f32]) {
    let reach = thickness / 2.0 + 0.5;
    for (&[ax, ay], &[bx, by]) in line.iter().zip(&line[1..]) {
        let (dx, dy) = (bx - ax, by - ay);
        let length = (dx * dx + dy * dy).max(1e-9);
        for row in rows(ay.min(by) - reach, ay.max(by) + reach) {
            for column in rows(ax.min(bx) - reach, ax.max(bx) + reach) {
                let (px, py) = (column as f32 - ax, row as f32 - ay);
                let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let distance = ((px - along * dx).powi(2) + (py - along * dy).powi(2)).sqrt();
                let pixel = &mut pixels[row * SIDE + column];
                *pixel = pixel.max(darkness * (reach - distance).clamp(0.0, 1.0));
            }
        }
    }
}

/// The rows, or columns, of the image between two coordinates.
fn rows(from: f32, to: f32) -> std::ops::Range<usize> {
    // Casts from `f32` saturate, so lines that leave the paper are cut at its edge.
    from.ceil() as usize..((to.floor() + 1.0) as usize).min(SIDE)
}

/// Gaussian blur of the given deviation in pixels, first along rows, then along columns.
fn blur(pixels: &mut [f32], deviation: f32) {
    if deviation < 0.25 {
        return;
    }
    const REACH: isize = 4;
    let weights: Vec<f32> = (-REACH..=REACH).map(|at| (-0.5 * (at as f32 / deviation).powi(2)).exp()).collect();
    let total: f32 = weights.iter().sum();
    for (step, line) in [(1, SIDE), (SIDE, 1)] {
        let sharp = pixels.to_vec();
        for (index, pixel) in pixels.iter_mut().enumerate() {
            let (place, start) = (index / step % SIDE, index / line % SIDE * line);
            let near = weights.iter().zip(place as isize - REACH..);
            let inside = near.filter(|(_, at)| (0..SIDE as isize).contains(at));
            *pixel = inside.map(|(weight, at)| weight * sharp[start + at as usize * step]).sum::<f32>() / total;
        }
    }
}

type Style = &'static [Stroke<&'static [Point]>];

/// The ways to write each digit.
#[rustfmt::skip]
const STYLES: [&[Style]; 10] = [
    &[
        &[Curved(&[[0.50, 0.12], [0.32, 0.26], [0.26, 0.50], [0.32, 0.74], [0.50, 0.88], [0.68, 0.74], [0.74, 0.50], [0.68, 0.26], [0.50, 0.12]])],
        &[Curved(&[[0.56, 0.14], [0.38, 0.22], [0.30, 0.54], [0.38, 0.82], [0.54, 0.86], [0.66, 0.66], [0.68, 0.36], [0.58, 0.14], [0.44, 0.18]])],
        &[Curved(&[[0.50, 0.12], [0.32, 0.26], [0.26, 0.50], [0.32, 0.74], [0.50, 0.88], [0.68, 0.74], [0.74, 0.50], [0.68, 0.26], [0.50, 0.12]]),
          Straight(&[[0.62, 0.32], [0.38, 0.68]])],
    ],
    &[
        &[Straight(&[[0.50, 0.12], [0.50, 0.88]])],
        &[Straight(&[[0.36, 0.28], [0.53, 0.12], [0.53, 0.88]])],
        &[Straight(&[[0.38, 0.26], [0.52, 0.12], [0.52, 0.88]]), Straight(&[[0.34, 0.88], [0.70, 0.88]])],
    ],
    &[
        &[Curved(&[[0.30, 0.32], [0.36, 0.17], [0.52, 0.12], [0.68, 0.22], [0.66, 0.40], [0.50, 0.62], [0.28, 0.86]]),
          Straight(&[[0.28, 0.86], [0.74, 0.86]])],
        &[Curved(&[[0.30, 0.24], [0.50, 0.12], [0.68, 0.26], [0.58, 0.52], [0.34, 0.82], [0.30, 0.72], [0.46, 0.76], [0.60, 0.88], [0.74, 0.80]])],
        &[Straight(&[[0.28, 0.14], [0.70, 0.14], [0.70, 0.46], [0.30, 0.52], [0.30, 0.86], [0.74, 0.86]])],
    ],
    &[
        &[Curved(&[[0.30, 0.20], [0.50, 0.12], [0.68, 0.24], [0.62, 0.42], [0.46, 0.48]]),
          Curved(&[[0.46, 0.48], [0.66, 0.54], [0.72, 0.70], [0.54, 0.88], [0.28, 0.80]])],
        &[Straight(&[[0.30, 0.14], [0.70, 0.14], [0.48, 0.42]]),
          Curved(&[[0.48, 0.42], [0.68, 0.50], [0.72, 0.70], [0.54, 0.88], [0.28, 0.80]])],
    ],
    &[
        &[Straight(&[[0.58, 0.12], [0.26, 0.62], [0.76, 0.62]]), Straight(&[[0.60, 0.40], [0.60, 0.88]])],
        &[Straight(&[[0.32, 0.14], [0.30, 0.52], [0.72, 0.52]]), Straight(&[[0.68, 0.14], [0.66, 0.88]])],
        &[Curved(&[[0.34, 0.14], [0.30, 0.40], [0.40, 0.54], [0.68, 0.50]]), Straight(&[[0.70, 0.14], [0.66, 0.88]])],
    ],
    &[
        &[Straight(&[[0.70, 0.14], [0.36, 0.14], [0.33, 0.46]]),
          Curved(&[[0.33, 0.46], [0.52, 0.40], [0.70, 0.54], [0.68, 0.76], [0.50, 0.88], [0.28, 0.80]])],
        &[Curved(&[[0.70, 0.14], [0.42, 0.16], [0.34, 0.40], [0.56, 0.46], [0.70, 0.64], [0.56, 0.86], [0.30, 0.84]])],
    ],
    &[
        &[Curved(&[[0.64, 0.14], [0.42, 0.30], [0.30, 0.56], [0.34, 0.80], [0.52, 0.88], [0.70, 0.76], [0.66, 0.56], [0.48, 0.50], [0.32, 0.64]])],
        &[Straight(&[[0.58, 0.12], [0.38, 0.46]]),
          Curved(&[[0.38, 0.46], [0.30, 0.70], [0.44, 0.88], [0.64, 0.84], [0.70, 0.66], [0.54, 0.54], [0.34, 0.64]])],
    ],
    &[
        &[Straight(&[[0.26, 0.14], [0.74, 0.14], [0.44, 0.88]])],
        &[Straight(&[[0.26, 0.14], [0.74, 0.14], [0.44, 0.88]]), Straight(&[[0.38, 0.50], [0.70, 0.50]])],
        &[Straight(&[[0.28, 0.26], [0.28, 0.14], [0.72, 0.14]]), Curved(&[[0.72, 0.14], [0.56, 0.48], [0.50, 0.88]])],
    ],
    &[
        &[Curved(&[[0.50, 0.48], [0.34, 0.36], [0.36, 0.18], [0.50, 0.12], [0.64, 0.18], [0.66, 0.36], [0.50, 0.48],
                   [0.32, 0.62], [0.30, 0.78], [0.50, 0.88], [0.70, 0.78], [0.68, 0.62], [0.50, 0.48]])],
        &[Curved(&[[0.66, 0.20], [0.48, 0.12], [0.34, 0.26], [0.50, 0.46], [0.68, 0.66], [0.54, 0.88], [0.34, 0.76], [0.46, 0.52], [0.66, 0.20]])],
    ],
    &[
        &[Curved(&[[0.68, 0.34], [0.60, 0.16], [0.42, 0.14], [0.30, 0.30], [0.40, 0.48], [0.58, 0.46], [0.68, 0.32]]),
          Straight(&[[0.69, 0.24], [0.66, 0.60], [0.60, 0.88]])],
        &[Curved(&[[0.68, 0.30], [0.56, 0.13], [0.38, 0.18], [0.32, 0.36], [0.46, 0.50], [0.62, 0.42], [0.69, 0.26], [0.70, 0.60], [0.58, 0.84], [0.36, 0.84]])],
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_a_clean_one_where_it_belongs() {
        // Only ink in the middle columns, and at every height in between.
        let mut pixels = [0.0; SIDE * SIDE];
        let line = Straight([[0.5, 0.2], [0.5, 0.8]]).line();
        ink(&line.iter().map(|point| point.map(|value| value * 28.0 - 0.5)).collect::<Vec<_>>(), 2.0, 1.0, &mut pixels);
        for (index, pixel) in pixels.iter().enumerate() {
            let (row, column) = (index / SIDE, index % SIDE);
            match (row, column) {
                (6..=21, 13..=14) => assert_eq!(*pixel, 1.0, "{row} {column}"),
                (_, 0..=12 | 15..) | (0..=3 | 24.., _) => assert!(*pixel < 0.01, "{row} {column}: {pixel}"),
                _ => (),
            }
        }
    }

    #[test]
    fn curves_go_through_their_points() {
        let points = [[0.1, 0.9], [0.4, 0.2], [0.8, 0.5]];
        let line = Curved(points).line();
        for point in points {
            assert!(line.iter().any(|at| (at[0] - point[0]).hypot(at[1] - point[1]) < 1e-6), "{point:?}");
        }
    }

    #[test]
    fn blur_keeps_ink_inside_the_paper() {
        let mut pixels = [0.0; SIDE * SIDE];
        pixels[14 * SIDE + 14] = 1.0;
        blur(&mut pixels, 1.0);
        assert!((pixels.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!((pixels[14 * SIDE + 14] - 0.159_2).abs() < 1e-3, "the peak of a normal density in two dimensions");
        assert_eq!(pixels[13 * SIDE + 14], pixels[14 * SIDE + 15]);
    }
}
