//! An explanation in aligned columns.

use std::fmt;

use super::{ExplainedGoal, ExplainedMove, Explanation};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, prediction, route, milliseconds, .. } = self;
        writeln!(f, "`{model}` says {prediction} by {route}, in {milliseconds:.3} ms")?;
        write!(f, "{} policy", self.policy)?;
        self.budget.iter().try_for_each(|budget| write!(f, ", {budget}"))?;
        self.expected.iter().try_for_each(|expected| write!(f, "; {expected:.3} ms expected"))?;
        writeln!(f)?;

        let mut steps =
            Columns::new(["state", ">at ms", "says", ">predicted", ">real", "goal", ">there", ">in ms", ""]);
        for step in &self.steps {
            let goal = step.goal.as_ref();
            steps.row([
                step.state.clone(),
                format!("{:.3}", step.milliseconds),
                step.prediction.as_ref().map_or(nothing(), ToString::to_string),
                number(step.predicted),
                number(step.real),
                goal.map_or(nothing(), ToString::to_string),
                number(goal.and_then(|goal| goal.predicted)),
                number(goal.map(|goal| goal.expected)),
                step.next.to_string(),
            ]);
        }
        write!(f, "\n{steps}")?;

        let mut exits = Columns::new(["exit", ">probability", ">expected ms", "alone", ""]);
        for modality in &self.modalities {
            for exit in &modality.exits {
                exits.row([
                    format!("{}, {}", modality.name, exit.name),
                    exit.probability.map_or(nothing(), |probability| format!("{:.1} %", 100.0 * probability)),
                    number(exit.expected),
                    exit.prediction.to_string(),
                    taken(exit.taken),
                ]);
            }
        }
        write!(f, "\n{exits}")?;

        if !self.routes.is_empty() {
            let mut routes = Columns::new(["route", ">expected ms", "together", ">predicted", ">real", ""]);
            for route in &self.routes {
                routes.row([
                    route.route.clone(),
                    number(route.expected),
                    route.prediction.to_string(),
                    number(route.predicted),
                    number(route.real),
                    taken(route.route == self.route),
                ]);
            }
            write!(f, "\n{routes}")?;
        }
        if !self.warnings.is_empty() {
            writeln!(f, "\nWarnings, times by the latency table:")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "* {warning}"))
    }
}

/// Names the state, and whether it is second choice.
impl fmt::Display for ExplainedGoal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = if self.for_want_of_time { ", for want of time" } else { "" };
        f.pad(&format!("{}{reason}", self.state))
    }
}

/// Says it in words: `goes on in left`.
impl fmt::Display for ExplainedMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Stop => "leaves".into(),
            Self::Cut => "leaves for want of time".into(),
            Self::Run(modality) => format!("goes on in {modality}"),
            Self::Finish(state) => format!("goes to {state}"),
        })
    }
}

/// Stands where there is nothing to say.
fn nothing() -> String {
    "-".into()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(nothing, |value| format!("{value:.3}"))
}

fn taken(taken: bool) -> String {
    if taken { "<- taken".into() } else { String::new() }
}

/// Rows under a heading. A column that has nothing to say in any row is left out.
#[derive(Debug)]
struct Columns<const N: usize> {
    /// Those that begin with `>` stand to the right.
    heading: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Columns<N> {
    fn new(heading: [&'static str; N]) -> Self {
        Self { heading, rows: Vec::new() }
    }

    fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

impl<const N: usize> fmt::Display for Columns<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = self.heading.map(|name| name.trim_start_matches('>').to_owned());
        let all = || std::iter::once(&heading).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let shown: Vec<(usize, usize)> = (0..N)
            .filter(|column| self.rows.iter().any(|row| row[*column] != "-"))
            .map(|column| (column, width(column)))
            .collect();
        for row in all() {
            let cell = |(column, width): &(usize, usize)| match self.heading[*column].starts_with('>') {
                true => format!("{:>width$}", row[*column]),
                false => format!("{:width$}", row[*column]),
            };
            writeln!(f, "{}", shown.iter().map(cell).collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}
