//! Where samples stand when a policy is asked about them, and what it sees of them there.

use tch::{Device, Kind, Tensor};

use super::cache::Features;
use super::context::{Context, choose};
use crate::network::Network;
use crate::policy::{Grid, posterior};

/// The samples by which what is known is standardised.
pub(super) const STANDARD: i64 = 2048;

/// Where samples stand, and what they lack.
#[derive(Debug)]
pub(super) struct Stands {
    /// By modality, how many blocks beyond the fewest have run, `[samples]` of `i64`.
    places: Vec<Tensor>,
    /// By modality, which samples do without it, `[samples]` of `bool`; `None` where none has to.
    pub(super) missing: Vec<Option<Tensor>>,
}

impl Stands {
    /// The first block of every modality has run that a sample has.
    pub(super) fn first(grid: &Grid, samples: i64, missing: Vec<Option<Tensor>>) -> Self {
        let first = |modality| Tensor::full([samples], 1 - grid.least(modality) as i64, (Kind::Int64, Device::Cpu));
        let places = (0..missing.len()).map(first).collect();
        Self { places, missing }.settled(grid)
    }

    /// Any state but the last, drawn evenly.
    pub(super) fn anywhere(grid: &Grid, samples: i64, missing: Vec<Option<Tensor>>) -> Self {
        let states = Tensor::randint((grid.len() as i64 - 1).max(1), [samples], (Kind::Int64, Device::Cpu));
        Self { places: places_of(grid, &states), missing }.settled(grid)
    }

    /// Nothing of a missing modality has run; where that leaves nothing at all, the first block of the others has.
    fn settled(self, grid: &Grid) -> Self {
        if self.missing.iter().all(Option::is_none) {
            return self;
        }
        let without = |(places, missing): (&Tensor, &Option<Tensor>)| match missing {
            Some(missing) => places.masked_fill(missing, 0),
            None => places.shallow_clone(),
        };
        let mut places: Vec<Tensor> = self.places.iter().zip(&self.missing).map(without).collect();
        if grid.skipped() > 0 {
            let nothing = Tensor::stack(&places, 0).eq(0).all_dim(0, false);
            for (places, missing) in places.iter_mut().zip(&self.missing) {
                let begun = match missing {
                    Some(missing) => nothing.logical_and(&missing.logical_not()),
                    None => nothing.shallow_clone(),
                };
                *places = places.masked_fill(&begun, 1);
            }
        }
        Self { places, ..self }
    }

    /// The numbers of the states.
    fn numbers(&self, grid: &Grid) -> Tensor {
        let numbers = self.places.iter().zip(grid.places()).fold(None, |numbers: Option<Tensor>, (places, count)| {
            Some(numbers.map_or_else(|| places.shallow_clone(), |numbers| numbers * count as i64 + places))
        });
        numbers.unwrap_or_default() - grid.skipped() as i64
    }

    /// The states that are still ahead of each sample, or where it is: `[samples, states]` of zeros and ones.
    pub(super) fn ahead(&self, grid: &Grid, reach: &Tensor) -> Tensor {
        let mut ahead = reach.index_select(0, &self.numbers(grid).to_device(reach.device()));
        for (modality, missing) in self.missing.iter().enumerate() {
            let Some(missing) = missing else { continue };
            let takes_part: Vec<bool> =
                (0..grid.len()).map(|number| grid.state(number).blocks()[modality] > 0).collect();
            let closed = missing.unsqueeze(1).logical_and(&Tensor::from_slice(&takes_part).unsqueeze(0));
            ahead = ahead.masked_fill(&closed.to_device(reach.device()), 0.0);
        }
        ahead
    }

    /// What is known by the first blocks of the samples at `rows`, `[samples, known]`: the `stems` of
    /// [`Context::route_features_and_stems`] side by side, zeros where a sample does without the modality.
    pub(super) fn stems(&self, stems: &[Features<'_>], rows: &Tensor) -> Tensor {
        let of = |(stems, missing): (&Features<'_>, &Option<Tensor>)| {
            let stems = stems.rows(rows).tensor;
            match missing {
                Some(missing) => stems.masked_fill(&missing.to_device(stems.device()).unsqueeze(1), 0.0),
                None => stems,
            }
        };
        Tensor::cat(&stems.iter().zip(&self.missing).map(of).collect::<Vec<_>>(), 1)
    }

    /// What is known by the answers to the samples at `rows` where they stand, `[samples, known]`: see [`posterior`].
    ///
    /// Features are those of [`Context::route_features`]; what the network answers in a state is divided by that of its
    /// `temperatures`, `[states]`.
    pub(super) fn posterior<N: Network>(
        &self,
        context: &Context<'_, N>,
        features: &[Features<'_>],
        rows: &Tensor,
        temperatures: &Tensor,
    ) -> Tensor {
        let (network, description, device) = (context.network, N::description(), context.device);
        let grid = context.grid();
        let places: Vec<Tensor> = self.places.iter().map(|places| places.to_device(device)).collect();
        let features: Vec<Tensor> =
            features.iter().zip(&places).map(|(all, places)| choose(&all.rows(rows).tensor, places)).collect();
        let exits = description.modalities.iter().enumerate().zip(&self.places).map(|((m, modality), places)| {
            let count = modality.exits.len() as i64;
            let passed_by = 1 - grid.least(m) as i64;
            places.one_hot(count + passed_by).narrow(1, passed_by, count)
        });
        let exits: Vec<Tensor> = exits.collect();
        tch::no_grad(|| {
            let alone = features.iter().zip(&places).enumerate().map(|(m, (feature, places))| {
                let alone = network.task_head(m, feature);
                if grid.least(m) == 0 { alone.masked_fill(&places.eq(0).unsqueeze(1), 0.0) } else { alone }
            });
            let alone: Vec<Tensor> = alone.collect();
            let exits = Tensor::cat(&exits, 1).to_kind(Kind::Float).to_device(device);
            let temperatures = temperatures.index_select(0, &self.numbers(&grid).to_device(device)).unsqueeze(1);
            posterior(description, &(network.fuse(&features, false) / temperatures), &alone, &exits)
        })
    }
}

/// How far each modality is beyond its fewest blocks in the states of these numbers, `[samples]` a modality.
fn places_of(grid: &Grid, states: &Tensor) -> Vec<Tensor> {
    let mut rest = states + grid.skipped() as i64;
    let counts: Vec<usize> = grid.places().collect();
    let mut places: Vec<Tensor> = counts
        .iter()
        .rev()
        .map(|count| {
            let place = rest.remainder(*count as i64);
            rest = rest.divide_scalar_mode(*count as i64, "floor");
            place
        })
        .collect();
    places.reverse();
    places
}
