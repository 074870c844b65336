//! What a model has learned to decide by, and the milliseconds of the machine that it is on.

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::cost::MOST_STATES;
use super::paper::Reader;
use super::standing;
use super::{Balance, Confidence, Costs, Front, Grid, Sequential, Standing, Value, known};
use crate::latency::Table;
use crate::network::{Description, Network};
use crate::plan::{self, Reads};
use crate::task::{Rule, Task};
use crate::{Error, Result};

/// The learned policies of a model, what the paper's navigator has learned where it reads the stem or the posterior, and the
/// costs by which learned policies decide here.
///
/// Their parameters are among the model's variables, `policies.…`. The last stage of a training teaches the one that its
/// plan names. Beside them stands what decides labels: `thresholds`, which is none of the policies' and of all of them.
#[derive(Debug)]
pub struct Policies {
    description: &'static Description,
    /// None where there are too many routes to weigh against each other.
    learned: Option<Learned>,
    costs: Option<Costs>,
    /// What the logit of each label has to exceed, `[labels]`; none where the task has no labels.
    thresholds: Option<Tensor>,
}

/// The variable of the thresholds: checkpoints of before there were any do without it.
pub(crate) const THRESHOLDS: &str = "thresholds";

/// What the policies of a model have learned.
#[derive(Debug)]
struct Learned {
    confidence: Confidence,
    value: Value,
    sequential: Sequential,
    posterior: Reader,
    stem: Reader,
}

impl Policies {
    /// Policies for a network of this description, with freshly drawn parameters under `root`.
    pub fn new(root: &Path<'_>, description: &'static Description) -> Self {
        let states = Grid::of(description.modalities).len();
        let learned = (states <= MOST_STATES).then(|| {
            let path = root / "policies";
            let paper = &path / "paper";
            // Each draws its parameters after those of the ones before it: what comes last changes no other's.
            Learned {
                confidence: Confidence::new(&(&path / "confidence"), description),
                value: Value::new(&(&path / "value"), description, states as i64),
                sequential: Sequential::new(&(&path / "sequential"), description, states as i64),
                posterior: Reader::new(&(&paper / "posterior"), description, known::posterior_width(description)),
                stem: Reader::new(&(&paper / "stem"), description, known::stems_width(description)),
            }
        });
        let thresholds = match description.task {
            Task::Multilabel { labels } => Some(root.zeros_no_train(THRESHOLDS, &[labels])),
            Task::Classification { .. } | Task::Regression { .. } => None,
        };
        Self { description, learned, costs: None, thresholds }
    }

    /// The rule by which the model's logits decide.
    ///
    /// # Errors
    /// [`Error::Torch`] where the thresholds cannot be read.
    pub fn rule(&self) -> Result<Rule> {
        Rule::of_model(self.description, self.thresholds.as_ref())
    }

    /// Makes these the thresholds of the labels.
    ///
    /// # Errors
    /// [`Error::Torch`] where there is not one for each label.
    pub(crate) fn set_thresholds(&self, thresholds: &[f32]) -> Result<()> {
        let Some(variable) = &self.thresholds else { return Ok(()) };
        let thresholds = Tensor::from_slice(thresholds).to_kind(Kind::Float);
        tch::no_grad(|| variable.shallow_clone().f_copy_(&thresholds))?;
        Ok(())
    }

    /// The policy that leaves where an answer is sure enough.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub fn confidence(&self) -> Result<&Confidence> {
        self.learned().map(|learned| &learned.confidence)
    }

    /// The policy that decides once.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the network has too many routes for a learned policy.
    pub fn value(&self) -> Result<&Value> {
        self.learned().map(|learned| &learned.value)
    }

    /// The policy that decides after every block.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub fn sequential(&self) -> Result<&Sequential> {
        self.learned().map(|learned| &learned.sequential)
    }

    /// What the paper's navigator has learned where it reads this; none where that is the inputs, for which the network has
    /// layers.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub(crate) fn reader(&self, reads: Reads) -> Result<Option<&Reader>> {
        match reads {
            Reads::Inputs => Ok(None),
            Reads::Stem => self.learned().map(|learned| Some(&learned.stem)),
            Reads::Posterior => self.learned().map(|learned| Some(&learned.posterior)),
        }
    }

    fn learned(&self) -> Result<&Learned> {
        self.learned.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "`{}` has more than {MOST_STATES} routes, too many for a learned policy to weigh; take fewer shortcuts",
                self.description.name
            ))
        })
    }

    /// What ways cost on this machine.
    ///
    /// # Errors
    /// [`Error::Invalid`] where that is not known.
    pub fn costs(&self) -> Result<&Costs> {
        self.costs.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "`{}` does not know what its parts cost on this machine, and a learned policy weighs quality against \
                 milliseconds; measure them by `routing::measure`",
                self.description.name
            ))
        })
    }

    /// Has the policies decide by a table of their network; without a learned policy nobody asks for it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the table is of another network.
    pub(crate) fn decide_by<N: Network>(&mut self, table: &Table) -> Result<()> {
        if self.learned.is_some() {
            self.set_costs(Costs::new::<N>(table.clone())?);
        }
        Ok(())
    }

    /// Makes these the costs by which the policies decide.
    pub fn set_costs(&mut self, costs: Costs) {
        self.costs = Some(costs);
    }

    /// What the balances of a policy came to on validation samples, at the end of its training; empty before, and for
    /// the paper's, which has one balance.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub fn balances(&self, policy: plan::Policy) -> Result<Vec<Balance>> {
        self.front(policy)?.map_or_else(|| Ok(Vec::new()), Front::balances)
    }

    /// Where the balances of a policy are; none of the paper's.
    fn front(&self, policy: plan::Policy) -> Result<Option<&Front>> {
        Ok(match policy {
            plan::Policy::Paper => None,
            plan::Policy::Confidence => Some(&self.confidence()?.front),
            plan::Policy::Value => Some(&self.value()?.front),
            plan::Policy::Sequential => Some(&self.sequential()?.front),
        })
    }

    /// Checks that a policy has been trained: one that has not would decide at random. Of the paper's that is known only
    /// where it `reads` no inputs.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it has not; as [`Policies::value`].
    pub(crate) fn check_trained(&self, policy: plan::Policy, reads: Reads) -> Result<()> {
        let (is_trained, plan) = match self.front(policy)? {
            Some(front) => (front.is_set(), "with this policy in its plan".to_owned()),
            None => match self.reader(reads)? {
                Some(reader) => (reader.is_trained(), format!("with it in its plan, and `from: {}`", reads.name())),
                None => return Ok(()),
            },
        };
        if !is_trained {
            return Err(Error::invalid(format!(
                "`{}`: the {} policy has not been trained; run the navigator's stage {plan}",
                self.description.name,
                policy.name()
            )));
        }
        Ok(())
    }

    /// A learned policy as it stands; none where the paper's is asked for, which weighs nothing.
    ///
    /// # Errors
    /// As [`Policies::value`]; [`Error::Torch`] where parameters cannot be read.
    pub fn standing(&self, policy: plan::Policy) -> Result<Option<Standing>> {
        let learned = match policy {
            plan::Policy::Paper => return Ok(None),
            plan::Policy::Confidence => standing::Learned::Confidence(self.confidence()?.frozen()?),
            plan::Policy::Value => standing::Learned::Value(self.value()?.quality.frozen()?),
            plan::Policy::Sequential => standing::Learned::Sequential(self.sequential()?.quality.frozen()?),
        };
        Ok(Some(Standing::new(self.description, learned, self.balances(policy)?)))
    }

    /// In what quality is counted: 1 for accuracies and F1, the mean absolute error that was learned from for real values.
    ///
    /// # Errors
    /// As [`Policies::value`].
    pub(crate) fn unit(&self, policy: plan::Policy) -> Result<f64> {
        Ok(match policy {
            plan::Policy::Confidence => self.confidence()?.unit(),
            plan::Policy::Value => self.value()?.quality.unit(),
            _ => self.sequential()?.quality.unit(),
        })
    }
}
