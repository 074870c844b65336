//! What an explanation holds.

use serde::Serialize;

use crate::routing::Prediction;

/// The journey of one sample, and what every other way would have said.
///
/// `Display` writes it as aligned text, serde as JSON, and [`Explanation::svg`] as a picture. Quality is the task's own: 1
/// for the right class and 0 for another, the F1 of the labels, or the negative mean absolute error; a policy expects it
/// as a mean over samples like this one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The model's name.
    pub model: String,
    /// Who decided: `paper`, `value`, `sequential` or `other`.
    pub policy: String,
    /// What the answer was allowed to cost, in words; `None` where the policy knows no budget.
    pub budget: Option<String>,
    /// The route that the sample took: where its journey ended.
    pub route: String,
    /// What the model says by that route.
    pub prediction: Prediction,
    /// The wall time from the inputs to the logits, of an ordinary run that nobody watched.
    pub milliseconds: f64,
    /// What the latency table says of the journey, decisions included, in milliseconds; `None` where the model does not know
    /// what its parts cost here.
    pub expected: Option<f64>,
    /// The journey: each state in which the policy was asked, and the one in which the sample left.
    pub steps: Vec<ExplainedStep>,
    /// What the exits of each modality say.
    pub modalities: Vec<ExplainedModality>,
    /// What every route would have said; empty where there are more than 64.
    pub routes: Vec<ExplainedRoute>,
    /// What does not pay by the latency table, as by [`crate::latency::unpaid`]; and where the sample was answered by
    /// another route when it was timed, which a budget of milliseconds can bring about.
    pub warnings: Vec<String>,
}

/// A state on a sample's journey.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedStep {
    /// The exit that each modality has come to, `left: second, right: -`; a dash where none of its blocks has run.
    pub state: String,
    /// The blocks that have run of each modality.
    pub blocks: Vec<usize>,
    /// The milliseconds from the start until the policy was asked here; where it was not asked, until the answer.
    pub milliseconds: f64,
    /// What the model would say here; `None` before every modality has come to an exit.
    pub prediction: Option<Prediction>,
    /// The quality of the answer here, as the policy expected it when it last looked; `None` where it had expected none.
    pub predicted: Option<f64>,
    /// The quality that the answer here really has; `None` where there is no target, or no answer.
    pub real: Option<f64>,
    /// What the policy would have gone for; `None` where it weighed nothing.
    pub goal: Option<ExplainedGoal>,
    /// What became of the sample.
    pub next: ExplainedMove,
}

/// The state that a policy preferred to all others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedGoal {
    /// The exit of each modality there.
    pub state: String,
    /// The quality that the policy expected of the answer there.
    pub predicted: Option<f64>,
    /// What it takes to go there and answer, by the latency table, in milliseconds.
    pub expected: f64,
    /// Whether another would have been preferred, had there been time.
    pub for_want_of_time: bool,
}

/// What became of a sample in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainedMove {
    /// It left.
    Stop,
    /// It left because there was no time to go on.
    Cut,
    /// The next block of this modality ran, and the policy was asked again.
    Run(String),
    /// All blocks up to this state were to run, and the policy was not asked again.
    Finish(String),
}

/// One encoder in the journey of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedModality {
    /// The name in the spec.
    pub name: String,
    /// The exits from the shallowest to `full`.
    pub exits: Vec<ExplainedExit>,
}

/// One exit in the journey of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedExit {
    /// The name.
    pub name: String,
    /// Whether the sample left here.
    pub taken: bool,
    /// The navigator's score, a logit; `None` where it was not asked.
    pub score: Option<f64>,
    /// The softmax of the scores.
    pub probability: Option<f64>,
    /// What the task head of the modality alone says of the exit's feature.
    pub prediction: Prediction,
    /// What the latency table says of the way to this exit, in milliseconds.
    pub expected: Option<f64>,
}

/// One route that the sample could have taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedRoute {
    /// The route.
    pub route: String,
    /// The blocks that run of each modality.
    pub blocks: Vec<usize>,
    /// What the model says by it.
    pub prediction: Prediction,
    /// The quality of that answer, as the policy expected it when it first looked; `None` where it expected none.
    pub predicted: Option<f64>,
    /// The quality that the answer really has; `None` where there is no target.
    pub real: Option<f64>,
    /// What the latency table says of it, with fusion and head and without decisions, in milliseconds.
    pub expected: Option<f64>,
}
