//! A network that computes some things otherwise.

use std::fmt::Debug;

use tch::{Device, Tensor};

use super::Tally;
use super::tally::Share;
use crate::Result;
use crate::batch::Feature;
use crate::network::{Cost, Description};
use crate::parts::{Parts, tensors};
use crate::policy::{Grid, State};
use crate::scattered::Scattered;
use crate::task::Rule;

/// What is computed otherwise than by the network itself. By default nothing is.
pub(crate) trait Variant: Debug {
    /// Whether any modality can be passed by, also where the network needs it.
    fn passes_by(&self) -> bool {
        false
    }

    /// Whether it decides by inputs or inside of blocks, so that it cannot be tried on features of exits.
    fn needs_inputs(&self) -> bool {
        false
    }

    /// Runs one block of one encoder on samples that stand before it, by running that of the `network` on those of them
    /// for which it has to be.
    fn block(&self, network: &dyn Parts, modality: usize, block: usize, input: &Feature) -> Feature {
        network.block(modality, block, input)
    }

    /// What fusion takes in place of a modality that is passed by, `[batch, feature]`.
    fn stand_in(&self, network: &dyn Parts, modality: usize, samples: i64) -> Tensor {
        network.stand_in(modality, samples)
    }

    /// The answer to the samples at `rows`, which stand in their `states`, from one feature a modality, `[batch, outputs]`.
    fn answer(&self, network: &dyn Parts, _states: &[State], _rows: &[usize], features: &[Tensor]) -> Tensor {
        network.fuse(features)
    }

    /// What such an answer costs where a head of its own gives it.
    fn own_head(&self) -> Option<Cost> {
        None
    }

    /// What a policy that looks at [`Look::Scores`](crate::policy::Look::Scores) is shown of the raw inputs.
    fn gate(&self, network: &dyn Parts, inputs: &[Feature]) -> Vec<Tensor> {
        network.navigate(inputs)
    }
}

/// The network as it is.
#[derive(Debug)]
pub(crate) struct AsIs;

impl Variant for AsIs {}

/// A network under a variant, which notes what it runs and how long that takes.
#[derive(Debug)]
pub(crate) struct Altered<'a, P> {
    parts: Counted<'a, P>,
    variant: &'a dyn Variant,
}

impl<'a, P> Altered<'a, P> {
    pub(crate) fn new(parts: P, variant: &'a dyn Variant, tally: &'a Tally) -> Self {
        Self { parts: Counted { parts, tally }, variant }
    }
}

impl<P: Parts> Parts for Altered<'_, P> {
    fn description(&self) -> &'static Description {
        self.parts.description()
    }

    fn grid(&self) -> Grid {
        let grid = self.parts.grid();
        if self.variant.passes_by() { grid.passing_by() } else { grid }
    }

    fn rule(&self) -> Result<Rule> {
        self.parts.rule()
    }

    fn device(&self) -> Device {
        self.parts.device()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature) -> Feature {
        self.parts.tally.time(Share::Encoders, || self.variant.block(&self.parts, modality, block, input))
    }

    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor {
        self.parts.tally.time(Share::Shortcuts, || self.parts.leave(modality, exit, output))
    }

    fn stem(&self, modality: usize, output: &Feature) -> Tensor {
        self.parts.tally.time(Share::Decisions, || self.parts.stem(modality, output))
    }

    /// What a policy looks at, and never on the way to an answer.
    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        self.parts.tally.look(modality, feature);
        self.parts.tally.time(Share::Decisions, || self.parts.parts.task_head(modality, feature))
    }

    fn stand_in(&self, modality: usize, samples: i64) -> Tensor {
        self.variant.stand_in(&self.parts, modality, samples)
    }

    fn fuse(&self, features: &[Tensor]) -> Tensor {
        self.parts.fuse(features)
    }

    fn answer(&self, states: &[State], rows: &[usize], features: &[Scattered<'_>]) -> Tensor {
        if let Some(head) = self.variant.own_head() {
            self.parts.tally.own_head(rows.len() as u64, head);
        }
        self.parts.tally.time(Share::Fusion, || self.variant.answer(&self.parts, states, rows, &tensors(features)))
    }

    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor> {
        self.parts.tally.gate(inputs);
        self.parts.tally.time(Share::Decisions, || self.variant.gate(&self.parts, inputs))
    }
}

/// A network as its variant sees it: it is noted on how many samples each part runs.
#[derive(Debug)]
struct Counted<'a, P> {
    parts: P,
    tally: &'a Tally,
}

impl<P: Parts> Parts for Counted<'_, P> {
    fn description(&self) -> &'static Description {
        self.parts.description()
    }

    fn grid(&self) -> Grid {
        self.parts.grid()
    }

    fn rule(&self) -> Result<Rule> {
        self.parts.rule()
    }

    fn device(&self) -> Device {
        self.parts.device()
    }

    fn block(&self, modality: usize, block: usize, input: &Feature) -> Feature {
        self.tally.block(modality, block, input);
        self.parts.block(modality, block, input)
    }

    fn leave(&self, modality: usize, exit: usize, output: &Feature) -> Tensor {
        self.tally.leave(modality, exit, output);
        self.parts.leave(modality, exit, output)
    }

    fn stem(&self, modality: usize, output: &Feature) -> Tensor {
        self.parts.stem(modality, output)
    }

    fn task_head(&self, modality: usize, feature: &Tensor) -> Tensor {
        self.tally.task_head(modality, feature);
        self.parts.task_head(modality, feature)
    }

    fn stand_in(&self, modality: usize, samples: i64) -> Tensor {
        self.parts.stand_in(modality, samples)
    }

    fn fuse(&self, features: &[Tensor]) -> Tensor {
        self.tally.fuse(features);
        self.parts.fuse(features)
    }

    fn navigate(&self, inputs: &[Feature]) -> Vec<Tensor> {
        self.parts.navigate(inputs)
    }
}
