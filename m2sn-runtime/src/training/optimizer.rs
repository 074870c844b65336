//! What moves the parameters: AdamW and SGD, with a state that can be saved.
//!
//! The optimizers that `tch` wraps keep their state to themselves, so an interrupted training could not go on exactly.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::plan;
use crate::{Error, Result};

/// The decay rates of AdamW's moments and the term that keeps its denominator from zero, as PyTorch sets them.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// An optimizer with its state.
#[derive(Debug)]
pub(super) struct Optimizer {
    rule: plan::Optimizer,
    steps: i32,
    slots: Vec<Slot>,
}

/// A parameter and the state that goes with it.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    /// Its learning rate, as a factor of that of the others.
    rate: f64,
    /// The moments of AdamW, or the momentum of SGD.
    state: Vec<(&'static str, Tensor)>,
}

impl Optimizer {
    /// `rate` says of each parameter how its learning rate compares with that of the rule.
    pub(super) fn new(rule: plan::Optimizer, parameters: &[(String, Tensor)], rate: impl Fn(&str) -> f64) -> Self {
        let names: &[&str] = match rule {
            plan::Optimizer::AdamW { .. } => &["mean", "square"],
            plan::Optimizer::Sgd { .. } => &["momentum"],
        };
        let slots = parameters
            .iter()
            .map(|(name, parameter)| Slot {
                name: name.clone(),
                parameter: parameter.shallow_clone(),
                rate: rate(name),
                state: names.iter().map(|name| (*name, parameter.detach().zeros_like())).collect(),
            })
            .collect();
        Self { rule, steps: 0, slots }
    }

    /// The learning rate at its peak.
    pub(super) fn rate(&self) -> f64 {
        match self.rule {
            plan::Optimizer::AdamW { lr, .. } | plan::Optimizer::Sgd { lr, .. } => lr,
        }
    }

    /// Moves every parameter once, at `factor` of the peak learning rate.
    ///
    /// `gradients` are in the order of the parameters; where one is undefined, its parameter stays as it is.
    pub(super) fn step(&mut self, gradients: &[Tensor], factor: f64) {
        self.steps += 1;
        let (rule, steps) = (self.rule, self.steps);
        tch::no_grad(|| {
            for (slot, gradient) in self.slots.iter_mut().zip(gradients).filter(|(_, gradient)| gradient.defined()) {
                let factor = factor * slot.rate;
                match rule {
                    plan::Optimizer::AdamW { lr, weight_decay } => {
                        slot.adam_w(gradient, steps, lr * factor, weight_decay);
                    }
                    plan::Optimizer::Sgd { lr, momentum, weight_decay } => {
                        slot.sgd(gradient, lr * factor, momentum, weight_decay);
                    }
                }
            }
        });
    }

    /// The number of steps taken.
    pub(super) fn steps(&self) -> i32 {
        self.steps
    }

    /// The state, each tensor named after its parameter.
    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let slot = |slot: &Slot| -> Vec<_> {
            slot.state.iter().map(|(name, tensor)| (format!("{}/{name}", slot.name), tensor.shallow_clone())).collect()
        };
        self.slots.iter().flat_map(slot).collect()
    }

    /// Takes back a state that [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first tensor that is missing or of another shape.
    pub(super) fn restore(&mut self, steps: i32, state: &BTreeMap<String, Tensor>) -> Result<()> {
        for slot in &mut self.slots {
            for (name, tensor) in &mut slot.state {
                let name = format!("{}/{name}", slot.name);
                match state.get(&name) {
                    Some(saved) if saved.size() == tensor.size() => tensor.f_copy_(saved)?,
                    _ => return Err(Error::invalid(format!("optimizer: `{name}` is missing or of another shape"))),
                }
            }
        }
        self.steps = steps;
        Ok(())
    }
}

impl Slot {
    /// Loshchilov and Hutter (2019), in as few kernels as `tch` offers.
    fn adam_w(&mut self, gradient: &Tensor, steps: i32, rate: f64, weight_decay: f64) {
        let [(_, mean), (_, square)] = self.state.as_mut_slice() else { unreachable!("AdamW keeps two moments") };
        let _ = mean.lerp_(gradient, 1.0 - BETAS[0]);
        let _ = square.lerp_(&gradient.square(), 1.0 - BETAS[1]);
        let step = rate / (1.0 - BETAS[0].powi(steps));
        let scale = (1.0 - BETAS[1].powi(steps)).sqrt();
        // The step's length and sign go into the denominator, because `addcdiv_` takes no factor here.
        let mut denominator = square.sqrt();
        let _ = denominator.g_mul_scalar_(-1.0 / (scale * step));
        let _ = denominator.g_add_scalar_(-EPSILON / step);
        if weight_decay != 0.0 {
            let _ = self.parameter.g_mul_scalar_(1.0 - rate * weight_decay);
        }
        let _ = self.parameter.addcdiv_(mean, &denominator);
    }

    fn sgd(&mut self, gradient: &Tensor, rate: f64, momentum: f64, weight_decay: f64) {
        let [(_, velocity)] = self.state.as_mut_slice() else { unreachable!("SGD keeps one momentum") };
        let _ = velocity.g_mul_scalar_(momentum).g_add_(gradient);
        if weight_decay != 0.0 {
            let _ = velocity.g_add_(&(&self.parameter * weight_decay));
        }
        let _ = self.parameter.g_sub_(&(&*velocity * rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::tensors::Tensors;

    const NAMES: [&str; 2] = ["weight", "bias"];

    fn fixture() -> BTreeMap<String, Tensor> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/optimizers.safetensors");
        Tensors::read(path.as_ref()).unwrap().tensors
    }

    fn begin(fixture: &BTreeMap<String, Tensor>) -> Vec<(String, Tensor)> {
        NAMES
            .iter()
            .map(|name| ((*name).to_owned(), fixture[&format!("start.{name}")].copy().set_requires_grad(true)))
            .collect()
    }

    fn step(optimizer: &mut Optimizer, fixture: &BTreeMap<String, Tensor>, step: usize) {
        let gradients = NAMES.map(|name| fixture[&format!("gradient.{step}.{name}")].shallow_clone());
        optimizer.step(&gradients, 1.0 / (step + 1) as f64);
    }

    fn assert_equals_pytorch(rule: plan::Optimizer, name: &str) {
        let fixture = fixture();
        let parameters = begin(&fixture);
        let mut optimizer = Optimizer::new(rule, &parameters, |_| 1.0);
        for index in 0..6 {
            step(&mut optimizer, &fixture, index);
            for (key, parameter) in &parameters {
                let expected = &fixture[&format!("{name}.{index}.{key}")];
                let error = (parameter - expected).abs().max().double_value(&[]);
                assert!(error < 1e-6, "{name}, step {index}, {key}: {error}");
            }
        }
    }

    #[test]
    fn adam_w_equals_pytorch() {
        assert_equals_pytorch(plan::Optimizer::AdamW { lr: 0.05, weight_decay: 0.1 }, "adamw");
    }

    #[test]
    fn sgd_equals_pytorch() {
        assert_equals_pytorch(plan::Optimizer::Sgd { lr: 0.05, momentum: 0.9, weight_decay: 0.1 }, "sgd");
        assert_equals_pytorch(plan::Optimizer::Sgd { lr: 0.05, momentum: 0.0, weight_decay: 0.0 }, "plain");
    }

    #[test]
    fn goes_on_from_a_saved_state() {
        for rule in [
            plan::Optimizer::AdamW { lr: 0.05, weight_decay: 0.1 },
            plan::Optimizer::Sgd { lr: 0.05, momentum: 0.9, weight_decay: 0.1 },
        ] {
            let fixture = fixture();
            let through = begin(&fixture);
            let mut optimizer = Optimizer::new(rule, &through, |_| 1.0);
            (0..3).for_each(|index| step(&mut optimizer, &fixture, index));
            let stopped: Vec<_> = through
                .iter()
                .map(|(name, value)| (name.clone(), value.detach().copy().set_requires_grad(true)))
                .collect();
            let state = optimizer.state().into_iter().map(|(name, value)| (name, value.copy())).collect();
            let steps = optimizer.steps();
            (3..6).for_each(|index| step(&mut optimizer, &fixture, index));

            let mut resumed = Optimizer::new(rule, &stopped, |_| 1.0);
            resumed.restore(steps, &state).unwrap();
            (3..6).for_each(|index| step(&mut resumed, &fixture, index));
            assert_eq!(through, stopped);
            let error = resumed.restore(steps, &BTreeMap::new()).unwrap_err().to_string();
            assert!(error.contains("`weight/"), "{error}");
        }
    }

    #[test]
    fn leaves_alone_what_has_no_gradient() {
        let fixture = fixture();
        let parameters = begin(&fixture);
        let mut optimizer =
            Optimizer::new(plan::Optimizer::AdamW { lr: 0.05, weight_decay: 0.1 }, &parameters, |_| 1.0);
        optimizer.step(&[Tensor::new(), fixture["gradient.0.bias"].shallow_clone()], 1.0);
        assert_eq!(parameters[0].1, fixture["start.weight"]);
        assert_ne!(parameters[1].1, fixture["start.bias"]);
    }
}
