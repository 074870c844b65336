//! How a training tells its user where it stands, and how it is stopped.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::Epoch;

/// Bars are shown for what takes longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

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
    pub fn bars() -> Self {
        Self { bars: true, observer: None }
    }

    /// Shows nothing; the log still has a line for every epoch.
    pub fn silent() -> Self {
        Self { bars: false, observer: None }
    }

    /// Tells `observer` of every epoch as well.
    pub fn observed(self, observer: impl Observer + 'static) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }

    pub(super) fn bar(&self, phase: &str, steps: usize) -> Bar {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} steps, {eta} left  {msg}")
            .expect("the template is well formed")
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_prefix(phase.to_owned());
        Bar { bar, start: Instant::now(), hidden: true, wanted: self.bars }
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
    hidden: bool,
    wanted: bool,
}

impl Bar {
    /// Moves on to `position` steps.
    pub(super) fn step(&mut self, position: usize) {
        if self.hidden && self.wanted && self.start.elapsed() > PATIENCE {
            self.hidden = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(position as u64);
    }

    pub(super) fn message(&self, epoch: &Epoch) {
        self.bar.set_message(format!("loss {:.4}, validation {:.4}", epoch.loss, epoch.score));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
