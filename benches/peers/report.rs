//! What was measured, as Markdown and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::networks::{Machine, Subject};
use crate::runner::Runner;
use crate::statistics::{MedianInterval, Quartiles, mean, median};

/// A session.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) m2sn: &'static str,
    /// The packages that the peers run on.
    pub(crate) requirements: Vec<&'static str>,
    pub(crate) machine: Machine,
    pub(crate) tables: Vec<Table>,
}

impl Report {
    /// One with no tables yet.
    pub(crate) fn of(machine: Machine) -> Self {
        let requirements = include_str!("requirements.txt").lines().filter(|line| !line.starts_with('#')).collect();
        Self { m2sn: env!("CARGO_PKG_VERSION"), requirements, machine, tables: Vec::new() }
    }
}

/// All runners on the same work.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) network: Subject,
    pub(crate) batch: u16,
    pub(crate) threads: u16,
    pub(crate) rows: Vec<Row>,
    /// Why a runner has no row.
    pub(crate) faults: Vec<String>,
}

/// One runner. Times are milliseconds of a call.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    runner: Runner,
    wall: Quartiles,
    /// The time to that of the reference in the same round.
    ratio: MedianInterval,
    /// The time of all processors together: where it is less than that of a single thread, others had the machine.
    cpu: f64,
    /// As `ratio`, by `cpu`.
    cpu_ratio: MedianInterval,
    /// How far its logits are from what they should be, by the largest; `None` where nobody was there to say it.
    difference: Option<f64>,
    /// The calls of a turn.
    repetitions: u32,
    rounds: Vec<Turn>,
}

/// What one turn of a runner says of a call.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Turn {
    wall: f64,
    cpu: f64,
}

impl Turn {
    /// Where calls are alike, by their median; `None` where there was none.
    pub(crate) fn of(runner: Runner, wall: &[f64], cpu: f64) -> Option<Self> {
        let wall = if runner.varies() { mean(wall) } else { median(wall) };
        wall.map(|wall| Self { wall, cpu })
    }
}

impl Row {
    /// The row of a runner, whose turns are those of the reference in the same rounds; `None` where there was none.
    pub(crate) fn of(
        runner: Runner,
        turns: Vec<Turn>,
        reference: &[Turn],
        difference: Option<f64>,
        repetitions: u32,
    ) -> Option<Self> {
        let times = |time: fn(&Turn) -> f64| turns.iter().map(time).collect::<Vec<_>>();
        let ratios = |time: fn(&Turn) -> f64| {
            MedianInterval::of(
                &turns.iter().zip(reference).map(|(own, other)| time(own) / time(other)).collect::<Vec<_>>(),
            )
        };
        Some(Self {
            runner,
            wall: Quartiles::of(&times(|turn| turn.wall))?,
            ratio: ratios(|turn| turn.wall)?,
            cpu: median(&times(|turn| turn.cpu))?,
            cpu_ratio: ratios(|turn| turn.cpu)?,
            difference,
            repetitions,
            rounds: turns,
        })
    }
}

impl Table {
    /// What all its runners do.
    pub(crate) fn title(&self) -> String {
        let Self { network, batch, threads, .. } = self;
        format!("{}, batch {batch}, {threads} thread{}", network.name(), if *threads == 1 { "" } else { "s" })
    }

    /// How much of the time the machine gave to others, at most; what several threads do at once does not tell.
    fn lost(&self) -> Option<f64> {
        let lost = self.rows.iter().map(|row| 1.0 - row.cpu / row.wall.median);
        lost.filter(|_| self.threads == 1).reduce(f64::max)
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title())?;
        let confidence = if self.rows.iter().all(|row| row.ratio.is_sure) { "95 %" } else { "range" };
        writeln!(
            f,
            "| runner | ms | quartiles | to `tch` | {confidence} | CPU ms | CPU to `tch` | logits differ by |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for Row { runner, wall, ratio, cpu, cpu_ratio, difference, .. } in &self.rows {
            let difference = difference.map_or("–".into(), |difference| format!("{difference:.0e}"));
            // Threads that wait for each other take of the processor what they wait.
            let cpu_ratio = if self.threads == 1 { format!("{:.2}", cpu_ratio.median) } else { "–".into() };
            writeln!(
                f,
                "| {} | {} | {}–{} | {:.2} | {:.2}–{:.2} | {} | {cpu_ratio} | {difference} |",
                runner.name(),
                Digits(wall.median),
                Digits(wall.low),
                Digits(wall.high),
                ratio.median,
                ratio.low,
                ratio.high,
                Digits(*cpu),
            )?;
        }
        if let Some(lost) = self.lost().filter(|lost| *lost > 0.1) {
            let percent = lost * 100.0;
            writeln!(
                f,
                "\nThe machine was busy: a runner waited {percent:.0} % of its time. Go by CPU, or measure again."
            )?;
        }
        for fault in &self.faults {
            writeln!(f, "\n{fault}")?;
        }
        Ok(())
    }
}

/// Milliseconds with three digits that count.
struct Digits(f64);

impl Display for Digits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let places = match self.0 {
            ..9.995 => 2,
            ..99.95 => 1,
            _ => 0,
        };
        // Below a millisecond, times have a place more.
        write!(f, "{:.1$}", self.0, if self.0 < 0.9995 { 3 } else { places })
    }
}

/// The largest difference between logits, by the largest of the reference; infinite where they cannot be compared.
pub(crate) fn difference(logits: &[f64], reference: &[f64]) -> f64 {
    let largest = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, f64::max);
    let apart = largest(&mut logits.iter().zip(reference).map(|(own, other)| own - other));
    let scale = largest(&mut reference.iter().copied());
    let comparable = logits.len() == reference.len() && scale > 0.0;
    if comparable && logits.iter().all(|logit| logit.is_finite()) { apart / scale } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(walls: &[f64]) -> Vec<Turn> {
        walls.iter().map(|wall| Turn { wall: *wall, cpu: *wall }).collect()
    }

    #[test]
    fn a_table_is_markdown() {
        let reference = turns(&[1.0, 2.0, 4.0]);
        let row = |runner, walls, difference| Row::of(runner, turns(walls), &reference, difference, 10).unwrap();
        let mut table = Table {
            network: Subject::AvMnist,
            batch: 8,
            threads: 1,
            rows: vec![
                row(Runner::Tch, &[1.0, 2.0, 4.0], Some(0.0)),
                row(Runner::TchRouted, &[0.25, 0.5, 2.0], None),
                row(Runner::Pytorch, &[123.0, 246.0, 369.0], Some(3.2e-7)),
            ],
            faults: vec!["openvino: no memory".into()],
        };
        let expected = "\
### av_mnist, batch 8, 1 thread

| runner | ms | quartiles | to `tch` | range | CPU ms | CPU to `tch` | logits differ by |
|---|--:|--:|--:|--:|--:|--:|--:|
| tch | 2.00 | 1.50–3.00 | 1.00 | 1.00–1.00 | 2.00 | 1.00 | 0e0 |
| tch-routed | 0.500 | 0.375–1.25 | 0.25 | 0.25–0.50 | 0.500 | 0.25 | – |
| pytorch | 246 | 184–308 | 123.00 | 92.25–123.00 | 246 | 123.00 | 3e-7 |

openvino: no memory
";
        assert_eq!(table.to_string(), expected);

        table.rows[1].cpu = 0.4;
        assert!(table.to_string().contains("a runner waited 20 % of its time"), "{table}");
        table.threads = 2;
        assert!(table.to_string().starts_with("### av_mnist, batch 8, 2 threads\n"), "{table}");
        assert!(table.to_string().contains("| 0.25–0.50 | 0.400 | – |"), "{table}");
        assert!(!table.to_string().contains("waited"), "{table}");
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // A machine that gets ten times slower changes no ratio.
        let reference = turns(&[1.0, 10.0, 1.0, 10.0, 1.0, 10.0]);
        let row = Row::of(Runner::Openvino, turns(&[0.5, 5.0, 0.5, 5.0, 0.5, 5.0]), &reference, None, 1).unwrap();
        assert_eq!(row.ratio, MedianInterval { median: 0.5, low: 0.5, high: 0.5, is_sure: true });
        assert!(Row::of(Runner::Openvino, Vec::new(), &reference, None, 1).is_none());
    }

    #[test]
    fn turns_of_unlike_calls_go_by_their_mean() {
        let wall = |runner| Turn::of(runner, &[1.0, 1.0, 4.0], 1.0).unwrap().wall;
        assert_eq!((wall(Runner::Tch), wall(Runner::TchRouted)), (1.0, 2.0));
        assert!(Turn::of(Runner::Tch, &[], 1.0).is_none());
    }

    #[test]
    fn differences_are_relative_and_never_overlooked() {
        assert_eq!(difference(&[1.0, -4.5], &[1.0, -4.0]), 0.125);
        assert_eq!(difference(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(difference(&[f64::NAN, 1.0], &[1.0, 1.0]), f64::INFINITY);
        assert_eq!(difference(&[0.0], &[0.0]), f64::INFINITY, "logits that say nothing");
    }

    #[test]
    fn milliseconds_have_three_digits() {
        let shown = |value| Digits(value).to_string();
        assert_eq!([0.1234, 0.9999, 1.0, 9.99, 10.04].map(shown), ["0.123", "1.00", "1.00", "9.99", "10.0"]);
        assert_eq!([99.94, 99.96, 1234.5].map(shown), ["99.9", "100", "1234"]);
    }
}
