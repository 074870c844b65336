//! The paper's navigator: one decision for the whole way of a sample (Section III-C, Eq. (3)).
//!
//! As the paper has it, it reads the raw inputs through embedding layers of its own, before any encoder runs. It can read
//! instead what the first blocks leave, which run on nearly every way: their outputs, pooled, which costs next to nothing; or
//! what the network would answer there, which says more about which samples need depth than anything that is as cheap to
//! make of the inputs.

use tch::Tensor;
use tch::nn::Path;

use super::perceptron::{self, Perceptron};
use super::{Look, Move, Policy, Seen, State, known};
use crate::network::{Description, Network};
use crate::plan::{self, Reads};
use crate::{Error, Result, navigator};

/// Each modality leaves at the exit of the navigator's highest score.
#[derive(Debug, Clone)]
pub struct Paper(Sight);

/// How the scores come about.
#[derive(Debug, Clone)]
enum Sight {
    /// By the navigator's own layers, see [`Look::Scores`].
    Inputs,
    /// From what is seen by this look in the first state in which every modality of the sample has been seen.
    First { look: Look, description: &'static Description, scores: perceptron::Frozen },
}

impl Paper {
    /// The navigator of a network, which reads what the spec says.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it reads the stem or the posterior and has not been trained to, or the network has too many
    /// routes for that.
    pub fn of<N: Network>(network: &N) -> Result<Self> {
        let reads = N::plan().navigator.from;
        network.policies().check_trained(plan::Policy::Paper, reads)?;
        Self::reading(network, reads)
    }

    /// As [`Paper::of`], also where it has not been trained; it decides at random then.
    pub(crate) fn reading<N: Network>(network: &N, reads: Reads) -> Result<Self> {
        let Some(reader) = network.policies().reader(reads)? else { return Ok(Self(Sight::Inputs)) };
        let look = if reads == Reads::Stem { Look::Stems } else { Look::Posterior };
        Ok(Self(Sight::First { look, description: N::description(), scores: reader.perceptron.frozen()? }))
    }
}

impl Policy for Paper {
    fn look(&self, state: &State) -> Look {
        match &self.0 {
            Sight::Inputs => Look::Scores,
            Sight::First { look, .. } if state.unseen().is_none() => *look,
            Sight::First { .. } => Look::Nothing,
        }
    }

    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
        let finish = |blocks: Vec<usize>| Move::Finish(State::of(&blocks));
        match &self.0 {
            Sight::Inputs => {
                let exits = navigator::decide(&seen.scores)?;
                let of = |row: usize| finish(exits.iter().map(|exits| exits[row] + 1).collect());
                Ok((0..seen.rows.len()).map(of).collect())
            }
            Sight::First { description, scores, .. } => {
                if let Some(modality) = state.unseen() {
                    return Ok(vec![Move::Run(modality); seen.rows.len()]);
                }
                let of = |scores: Vec<f32>| {
                    let mut rest = &scores[..];
                    let blocks = exits(description).map(|exits| {
                        let (own, others) = rest.split_at(exits);
                        rest = others;
                        navigator::highest(own) + 1
                    });
                    finish(blocks.collect())
                };
                Ok(rows(description, scores, state, seen)?.into_iter().map(of).collect())
            }
        }
    }

    fn scores(&self, state: &State, seen: &Seen) -> Result<Vec<Tensor>> {
        match &self.0 {
            Sight::First { description, scores, .. } if state.unseen().is_none() => {
                let rows = rows(description, scores, state, seen)?;
                let all = Tensor::from_slice(&rows.concat()).view([rows.len() as i64, -1]);
                Ok(navigator::split(&all, &exits(description).map(|exits| exits as i64).collect::<Vec<_>>()))
            }
            _ => Ok(seen.scores.iter().map(Tensor::shallow_clone).collect()),
        }
    }
}

/// The scores of the exits of all modalities side by side, a row for each sample that has been seen.
fn rows(description: &Description, scores: &perceptron::Frozen, state: &State, seen: &Seen) -> Result<Vec<Vec<f32>>> {
    let known = match &seen.posterior {
        Some(posterior) => known::posterior_rows(description, state, &posterior.logits, &posterior.alone)?,
        None if seen.stems.is_empty() => return Err(Error::invalid("navigator: nothing was seen of the samples")),
        None => known::stems_rows(&seen.stems)?,
    };
    scores.scores_each(&known, "navigator", "scores")
}

/// The number of exits of each modality.
fn exits(description: &Description) -> impl Iterator<Item = usize> + '_ {
    description.modalities.iter().map(|modality| modality.exits.len())
}

/// What the navigator has learned where it reads what the first blocks leave.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) perceptron: Perceptron,
    description: &'static Description,
    /// A one where it has learned something.
    trained: Tensor,
}

impl Reader {
    /// With freshly drawn parameters, for so many values that are known of a sample.
    pub(crate) fn new(path: &Path<'_>, description: &'static Description, known: i64) -> Self {
        let scores = exits(description).sum::<usize>() as i64;
        Self {
            perceptron: Perceptron::new(path, known, scores),
            description,
            trained: path.zeros_no_train("trained", &[1]),
        }
    }

    /// Scores the exits of each modality by what is known of samples, `[batch, known]` → `[batch, exits]` a modality.
    pub(crate) fn scores(&self, known: &Tensor) -> Vec<Tensor> {
        let exits: Vec<i64> = exits(self.description).map(|exits| exits as i64).collect();
        navigator::split(&self.perceptron.scores(known), &exits)
    }

    /// Whether it has been trained.
    pub(crate) fn is_trained(&self) -> bool {
        self.trained.double_value(&[0]) > 0.0
    }

    /// Notes that it has been trained.
    pub(crate) fn set_trained(&self) {
        let _ = tch::no_grad(|| self.trained.shallow_clone().fill_(1.0));
    }
}

#[cfg(test)]
mod tests;
