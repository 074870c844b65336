//! On how many samples each part of a network has run, and how long that took.

use std::cell::RefCell;

use tch::{Device, Tensor};

use crate::batch::Feature;
use crate::latency::{Stopwatch, Table};
use crate::network::{Cost, Description};

/// Takes note while a network runs.
#[derive(Debug)]
pub(crate) struct Tally {
    ran: RefCell<Ran>,
    /// Where parts are timed, the device to wait for.
    timed: Option<Device>,
}

/// On how many samples each part has run, and the milliseconds of each kind of part where they were timed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ran {
    /// By modality and block.
    blocks: Vec<Vec<u64>>,
    /// By modality and exit; the last one's are none.
    shortcuts: Vec<Vec<u64>>,
    /// By modality: for an answer.
    task_heads: Vec<u64>,
    /// By modality: what its head says alone, for whoever looks.
    looks: Vec<u64>,
    fusions: u64,
    gates: u64,
    /// The multiply-adds of heads that are not the network's, and the samples that they answered.
    own: (u64, u64),
    /// By [`Share`].
    pub(crate) milliseconds: [f64; 4],
}

/// What time goes into, as in Figure 3 of the paper; what is left of an answer's time is that of whoever routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Encoders,
    Shortcuts,
    /// Fusion and head.
    Fusion,
    /// What is computed for a decision alone.
    Decisions,
}

impl Tally {
    /// Counts.
    pub(crate) fn counting(description: &Description) -> Self {
        Self { ran: Ran::nothing(description).into(), timed: None }
    }

    /// Counts, and times on a device.
    pub(crate) fn timing(description: &Description, device: Device) -> Self {
        Self { timed: Some(device), ..Self::counting(description) }
    }

    /// What has run so far.
    pub(crate) fn ran(&self) -> Ran {
        self.ran.borrow().clone()
    }

    pub(super) fn time<T>(&self, share: Share, run: impl FnOnce() -> T) -> T {
        let Some(device) = self.timed else { return run() };
        let mut watch = Stopwatch::start(device);
        let result = run();
        self.ran.borrow_mut().milliseconds[share as usize] += watch.lap();
        result
    }

    pub(super) fn block(&self, modality: usize, block: usize, input: &Feature) {
        self.ran.borrow_mut().blocks[modality][block] += samples(&input.tensor);
    }

    pub(super) fn leave(&self, modality: usize, exit: usize, output: &Feature) {
        self.ran.borrow_mut().shortcuts[modality][exit] += samples(&output.tensor);
    }

    pub(super) fn task_head(&self, modality: usize, feature: &Tensor) {
        self.ran.borrow_mut().task_heads[modality] += samples(feature);
    }

    pub(super) fn look(&self, modality: usize, feature: &Tensor) {
        self.ran.borrow_mut().looks[modality] += samples(feature);
    }

    pub(super) fn fuse(&self, features: &[Tensor]) {
        self.ran.borrow_mut().fusions += features.first().map_or(0, samples);
    }

    pub(super) fn gate(&self, inputs: &[Feature]) {
        self.ran.borrow_mut().gates += inputs.first().map_or(0, |input| samples(&input.tensor));
    }

    pub(super) fn own_head(&self, samples: u64, head: Cost) {
        let own = &mut self.ran.borrow_mut().own;
        *own = (own.0 + samples * head.multiply_adds, own.1 + samples);
    }
}

impl Ran {
    fn nothing(description: &Description) -> Self {
        let each = || description.modalities.iter().map(|modality| vec![0; modality.exits.len()]);
        let heads = || vec![0; description.modalities.len()];
        let (blocks, shortcuts) = (each().collect(), each().collect());
        Self { blocks, shortcuts, task_heads: heads(), looks: heads(), ..Self::default() }
    }

    /// The multiply-adds of all that has run. Gates are of the size of the navigator; decisions of learned policies, some
    /// thousand multiply-adds, and what samples are put together and parted with are not counted.
    pub(crate) fn multiply_adds(&self, description: &Description) -> u64 {
        let modalities = description.modalities.iter().enumerate().map(|(m, modality)| {
            let exits = modality.exits.iter().enumerate().map(|(e, exit)| {
                self.blocks[m][e] * exit.block.multiply_adds + self.shortcuts[m][e] * exit.shortcut.multiply_adds
            });
            exits.sum::<u64>() + (self.task_heads[m] + self.looks[m]) * modality.task_head.multiply_adds
        });
        modalities.sum::<u64>()
            + self.fusions * description.head.multiply_adds
            + self.gates * description.navigator.multiply_adds
            + self.own.0
    }

    /// The milliseconds of all that has run by a table, in which all heads are as fast as that of the fused features; looks
    /// left out, which it has as a whole.
    pub(crate) fn by_table(&self, table: &Table) -> f64 {
        let modalities = table.modalities.iter().enumerate().map(|(m, modality)| {
            let blocks = modality.blocks.iter().zip(&self.blocks[m]);
            let shortcuts = modality.shortcuts.iter().zip(&self.shortcuts[m]);
            blocks.chain(shortcuts).map(|(part, samples)| part.median * *samples as f64).sum::<f64>()
        });
        let heads = self.fusions + self.own.1 + self.task_heads.iter().sum::<u64>();
        modalities.sum::<f64>() + heads as f64 * table.head.median + self.gates as f64 * table.navigator.median
    }
}

fn samples(tensor: &Tensor) -> u64 {
    tensor.size().first().copied().unwrap_or(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::batch::Feature;
    use crate::network::{Input, Network};
    use crate::parts::Live;
    use crate::policy::{Fixed, State};
    use crate::rivals::{Altered, AsIs};
    use crate::routing;
    use crate::tiny::{Tiny, samples, table};

    #[test]
    fn what_a_route_runs_is_counted_by_hand() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let inputs: Vec<Feature> = samples(5, 1).unwrap().train.input().unwrap().features();
        let tally = Tally::timing(Tiny::description(), tch::Device::Cpu);
        let altered = Altered::new(Live(&network), &AsIs, &tally);
        let _no_grad = tch::no_grad_guard();
        routing::run(&altered, &inputs, &Fixed(State::of(&[2, 3])), None).unwrap();
        let ran = tally.ran();
        // Two blocks and a shortcut on the left, three blocks on the right, and the head: each of 5 samples.
        assert_eq!(ran.multiply_adds(Tiny::description()), 5 * (2 * 100 + 100 + 3 * 100 + 48));
        assert!((ran.by_table(&table()) - 5.0 * table().route(&[2, 3])).abs() < 1e-9);
        assert!(ran.milliseconds[Share::Encoders as usize] > 0.0 && ran.milliseconds[Share::Decisions as usize] == 0.0);
    }
}
