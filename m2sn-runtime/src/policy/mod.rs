//! What decides: a policy says, for samples that stand in the same state, whether to stop or which block to run next.
//!
//! A policy sees of samples what it has asked to see ([`Look`], [`Seen`]) and answers with one [`Move`] a sample; the
//! executor of [`crate::routing`] does the rest. Whoever decides everything at once, as the paper's navigator does,
//! answers with [`Move::Finish`] and is not asked again.
//!
//! How good an answer would be is learned, and what it costs is measured: a policy that weighs the two is given them as
//! two things, so that the same one decides by the milliseconds of whatever machine it is on.
//!
//! | policy | asked | decides by |
//! |---|---|---|
//! | [`Fixed`] | once, before anything has run | nothing |
//! | [`Given`] | once, before anything has run | a route for each sample |
//! | [`Paper`] | once, before anything has run, or after the first block of every modality | the scores of the navigator (Section III-C), from the inputs, from these blocks or from the answer so far |
//! | [`Confidence`] | after every block, in an order that is the same for all | whether the answer so far is sure enough |
//! | [`Value`] | once, after the first block of every modality | the quality of every route, predicted from these blocks |
//! | [`Sequential`] | after every block | the quality of every state ahead, predicted from the answer so far |

mod budget;
mod confidence;
mod cost;
mod fixed;
mod front;
mod known;
mod learned;
mod line;
mod paper;
mod perceptron;
mod quality;
mod sequential;
mod standing;
mod state;
mod sure;
mod terms;
mod value;

use std::fmt::{self, Debug};

use tch::Tensor;

use crate::Result;

pub use budget::{Allowance, Budget, Budgets};
pub use confidence::Confidence;
pub use cost::{Costs, Price};
pub use fixed::{Fixed, Given};
pub use front::Balance;
pub use learned::Policies;
pub use paper::Paper;
pub use sequential::Sequential;
pub use standing::Standing;
pub use state::{Presence, State};
pub use terms::Terms;
pub use value::Value;

pub(crate) use confidence::{Exiting, Frozen as Confident};
pub(crate) use cost::MOST_STATES;
pub(crate) use front::{Front, loss_bound};
pub(crate) use known::posterior;
pub(crate) use learned::THRESHOLDS;
pub(crate) use line::{Kept, Line};
pub(crate) use paper::Reader;
pub(crate) use quality::{Quality, achieved};
pub(crate) use state::Grid;
pub(crate) use sure::{Sure, below, quantiles};

use sequential::Sequencing;
use value::Valuing;

/// Decides where samples go.
///
/// ```
/// use m2sn_runtime::policy::{Look, Move, Policy, Seen, State};
/// use m2sn_runtime::{Result, tch::Kind};
///
/// /// Goes on, block by block of one modality after the other, until the most probable class is sure enough.
/// #[derive(Debug)]
/// struct Confident {
///     threshold: f64,
///     full: State,
/// }
///
/// impl Policy for Confident {
///     fn look(&self, state: &State) -> Look {
///         if state.can_leave() { Look::Posterior } else { Look::Nothing }
///     }
///
///     fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>> {
///         let behind = |modality: &usize| state.blocks()[*modality] < self.full.blocks()[*modality];
///         let least = (0..state.blocks().len()).filter(behind).min_by_key(|modality| state.blocks()[*modality]);
///         let on = least.map_or(Move::Stop, Move::Run);
///         let Some(posterior) = &seen.posterior else { return Ok(vec![on; seen.rows.len()]) };
///         let surest = Vec::<f64>::try_from(posterior.logits.softmax(-1, Kind::Float).amax(-1, false))?;
///         let of = |sure: f64| if sure >= self.threshold { Move::Stop } else { on.clone() };
///         Ok(surest.into_iter().map(of).collect())
///     }
/// }
/// ```
pub trait Policy: Debug {
    /// What the policy wants to see of samples in this state before it is asked.
    fn look(&self, state: &State) -> Look;

    /// One move for each sample of `seen`, all of which stand in `state`.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where what is seen decides nothing, such as scores that are not finite.
    fn next(&self, state: &State, seen: &Seen) -> Result<Vec<Move>>;

    /// What the policy weighs for each sample of `seen` in `state`, as [`crate::routing::explain`] shows it; `None` where
    /// it decides by nothing of the kind, as is the default.
    ///
    /// # Errors
    /// As [`Policy::next`].
    fn weigh(&self, _state: &State, seen: &Seen) -> Result<Vec<Option<Weighing>>> {
        Ok(vec![None; seen.rows.len()])
    }

    /// The scores of each modality's exits by which the policy decides, `[batch, exits]` a modality, as
    /// [`crate::routing::explain`] shows them; none where it decides by nothing of the kind. By default those of
    /// [`Look::Scores`].
    ///
    /// # Errors
    /// As [`Policy::next`].
    fn scores(&self, _state: &State, seen: &Seen) -> Result<Vec<Tensor>> {
        Ok(seen.scores.iter().map(Tensor::shallow_clone).collect())
    }
}

/// What a policy weighs for one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighing {
    /// The quality that is expected of the answer by every route, in the order of [`crate::routing::all`].
    pub qualities: Vec<f64>,
    /// The state to go for, which may be the one where the sample stands.
    pub goal: State,
    /// What it takes to go there and to answer.
    pub price: Price,
    /// Whether another state would be the goal, had there been time.
    pub for_want_of_time: bool,
}

/// What a policy wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing but the state.
    Nothing,
    /// The scores of the paper's navigator, made from the raw inputs: before anything has run.
    Scores,
    /// Pooled outputs of the first block of every modality that the samples have: after these have run, and before any
    /// other.
    Stems,
    /// What the network would answer here, its logits alone. Who stops is not charged for them again.
    Logits,
    /// What the network would answer here, and what each modality says alone: shortcuts, fusion and heads. Who stops is not
    /// charged for the answer again.
    Posterior,
}

impl Look {
    /// Whether it takes an answer where the samples stand.
    pub(crate) fn is_answer(self) -> bool {
        matches!(self, Self::Logits | Self::Posterior)
    }
}

/// What has been seen of samples, one row each.
#[derive(Debug, Default)]
pub struct Seen {
    /// The places of the samples in the batch that the executor was given.
    pub rows: Vec<usize>,
    /// The milliseconds since the call began, where there is one sample and a clock; nothing in a trial on cached features.
    pub elapsed: Option<f64>,
    /// By [`Look::Scores`]: `[batch, exits]` of logits a modality; else empty.
    pub scores: Vec<Tensor>,
    /// By [`Look::Stems`]: mean and maximum of each channel of the first block's output, `[batch, 2 · channels]` a
    /// modality; a vector as it is; else empty. Of a modality that may be missing a last column says whether it is there.
    pub stems: Vec<Tensor>,
    /// By [`Look::Logits`] and [`Look::Posterior`].
    pub posterior: Option<Posterior>,
}

/// What the network would answer in a state.
#[derive(Debug)]
pub struct Posterior {
    /// The deepest feature of each modality by its exit here, `[batch, feature]`; its stand-in where it takes no part.
    pub features: Vec<Tensor>,
    /// The logits, `[batch, outputs]`.
    pub logits: Tensor,
    /// What the head of each modality says of its feature alone, `[batch, outputs]`; zeros where it takes no part. Empty by
    /// [`Look::Logits`].
    pub alone: Vec<Tensor>,
}

/// What becomes of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It leaves here, where it can: see [`State::can_leave`].
    Stop,
    /// It leaves here because there is no time for what would be better; the answer says so.
    Cut,
    /// The next block of this modality runs on it, and the policy is asked again.
    Run(usize),
    /// All blocks up to this state run on it, of modalities that it has, and it leaves there; the policy is not asked again.
    Finish(State),
}

/// Says it as it is written: `Run(1)`, `Finish(2, 4)`.
impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("Stop"),
            Self::Cut => f.write_str("Cut"),
            Self::Run(modality) => write!(f, "Run({modality})"),
            Self::Finish(state) => write!(f, "Finish({state})"),
        }
    }
}

#[cfg(test)]
mod tests;
