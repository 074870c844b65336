//! Progress of a measurement.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar that shows itself on a terminal once the work has taken a second, and goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Bar {
    what: &'static str,
    steps: u64,
    done: u64,
    start: Instant,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// A bar of so many steps at most.
    pub(crate) fn new(what: &'static str, steps: usize) -> Self {
        Self { what, steps: steps as u64, done: 0, start: Instant::now(), bar: None }
    }

    /// Counts a step.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        if self.start.elapsed() > Duration::from_secs(1) {
            let bar = self.bar.get_or_insert_with(|| {
                // The template is a constant, and the plain bar would do as well.
                let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::new(self.steps).with_style(style).with_message(self.what)
            });
            bar.set_position(self.done);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
