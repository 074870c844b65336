//! How a training tells its user where it stands, and how it is stopped.

use std::cell::Cell;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::Epoch;
use crate::plan::Metric;

/// Bars are shown for what takes longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a line stands in for the bar where there is no terminal.
const PACE: Duration = Duration::from_secs(10);

/// Shows how far a training is, and hears of the end of every epoch.
///
/// ```
/// use std::ops::ControlFlow;
/// use m2sn_runtime::training::{Epoch, Progress};
///
/// // Stops a training when a phase's score falls under 0.1.
/// let progress = Progress::silent().observed(|epoch: &Epoch| {
///     if epoch.score < 0.1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// });
/// ```
pub struct Progress {
    bars: bool,
    /// When the last line was written. Phases share it, so that many short ones are no more silent than a long one.
    last_line: Rc<Cell<Instant>>,
    observer: Option<Box<dyn Observer>>,
}

/// Hears of the end of every epoch, after its checkpoint has been written.
pub trait Observer {
    /// Looks at the epoch; [`ControlFlow::Break`] stops the training with [`crate::Error::Stopped`].
    fn epoch(&mut self, epoch: &Epoch) -> ControlFlow<()>;
}

impl<F: FnMut(&Epoch) -> ControlFlow<()>> Observer for F {
    fn epoch(&mut self, epoch: &Epoch) -> ControlFlow<()> {
        self(epoch)
    }
}

impl Progress {
    /// A bar for each phase that takes more than two seconds, where standard error is a terminal.
    ///
    /// Where it is not, a line every ten seconds says what the bar would: in the log at level `info`, or on standard error
    /// where nobody logs that level.
    pub fn bars() -> Self {
        Self { bars: true, last_line: Rc::new(Cell::new(Instant::now())), observer: None }
    }

    /// Shows nothing; the log still has a line for every epoch.
    pub fn silent() -> Self {
        Self { bars: false, ..Self::bars() }
    }

    /// Tells `observer` of every epoch as well.
    pub fn observed(self, observer: impl Observer + 'static) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }

    pub(super) fn bar(&self, phase: &str, steps: usize) -> Bar {
        let shown = match self.bars {
            false => Shown::Nowhere,
            true if io::stderr().is_terminal() => Shown::Bar { hidden: true },
            true => Shown::Lines { last: Rc::clone(&self.last_line) },
        };
        Bar::new(phase, steps, shown)
    }

    pub(super) fn epoch(&mut self, epoch: &Epoch) -> ControlFlow<()> {
        self.observer.as_mut().map_or(ControlFlow::Continue(()), |observer| observer.epoch(epoch))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("bars", &self.bars).field("observed", &self.observer.is_some()).finish()
    }
}

/// The bar of one phase; it is cleared when it is dropped.
pub(super) struct Bar {
    bar: ProgressBar,
    start: Instant,
    shown: Shown,
}

/// Where a bar is shown.
#[derive(Debug)]
enum Shown {
    Nowhere,
    /// On the terminal, once it has lost its patience.
    Bar {
        hidden: bool,
    },
    /// In lines, the last one at this time.
    Lines {
        last: Rc<Cell<Instant>>,
    },
}

impl Bar {
    fn new(phase: &str, steps: usize, shown: Shown) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} steps, {eta} left  {msg}")
            .expect("the template is well formed")
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_prefix(phase.to_owned());
        Self { bar, start: Instant::now(), shown }
    }

    /// Moves on to `position` steps.
    pub(super) fn step(&mut self, position: usize) {
        if let Shown::Bar { hidden } = &mut self.shown
            && *hidden
            && self.start.elapsed() > PATIENCE
        {
            *hidden = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(position as u64);
        if let Some(line) = self.line(Instant::now()) {
            if tracing::enabled!(tracing::Level::INFO) {
                tracing::info!("{line}");
            } else {
                // Whoever has closed standard error does not want to know.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }

    pub(super) fn message(&self, epoch: &Epoch) {
        let metric = match epoch.select {
            Metric::Loss => String::new(),
            other => format!(" {}", other.name()),
        };
        self.bar.set_message(format!("loss {:.4}, validation{metric} {:.4}", epoch.loss, epoch.selected()));
    }

    /// The line that is due by now.
    fn line(&self, now: Instant) -> Option<String> {
        match &self.shown {
            Shown::Lines { last } if now.duration_since(last.get()) >= PACE => last.set(now),
            _ => return None,
        }
        let (phase, steps, message) = (self.bar.prefix(), self.bar.length().unwrap_or_default(), self.bar.message());
        let comma = if message.is_empty() { "" } else { ", " };
        Some(format!("{phase}: {} of {steps} steps{comma}{message}", self.bar.position()))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_in_for_the_bar_where_there_is_no_terminal() {
        let start = Instant::now();
        let mut bar = Bar::new("pretrain", 40, Shown::Lines { last: Rc::new(Cell::new(start)) });
        bar.bar.set_position(3);
        assert_eq!(bar.line(start + PACE / 2), None);
        assert_eq!(bar.line(start + PACE).unwrap(), "pretrain: 3 of 40 steps");
        assert_eq!(bar.line(start + PACE * 3 / 2), None);
        let epoch = Epoch {
            phase: "pretrain".into(),
            epoch: 1,
            epochs: 4,
            loss: 0.5,
            score: 0.25,
            select: Metric::Loss,
            best: true,
            metrics: Default::default(),
            rate: 0.1,
            seconds: 1.0,
        };
        bar.message(&Epoch { select: Metric::MacroF1, ..epoch.clone() });
        assert_eq!(bar.bar.message(), "loss 0.5000, validation macro_f1 0.7500");
        bar.message(&epoch);
        bar.step(12);
        assert_eq!(bar.line(start + PACE * 2).unwrap(), "pretrain: 12 of 40 steps, loss 0.5000, validation 0.2500");
        for shown in [Shown::Nowhere, Shown::Bar { hidden: true }] {
            assert_eq!(Bar::new("pretrain", 40, shown).line(start + PACE * 2), None);
        }
    }
}
