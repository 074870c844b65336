//! Several candidates, one data set, one report.

use std::collections::BTreeMap;

use tch::Tensor;

use super::report::{Comparison, Report, Row, Shares, Verdict};
use super::statistics::mean_interval;
use super::timing::{self, Timings};
use super::{Candidate, Exits, Scores, Way, scores};
use crate::data::Dataset;
use crate::latency::Fingerprint;
use crate::network::{Network, Route};
use crate::routing;
use crate::{Error, Result};

/// Scores and times candidates on the same samples, and says how they compare.
///
/// Scores are those of the whole data set; milliseconds are measured on some of its samples, see [`timing::measure`].
/// The first candidate of [`Way::LateFusion`] is what the others' times are divided by.
/// Each network runs over the data set once, however many candidates use it.
///
/// ```no_run
/// # use m2sn_runtime::{Result, data::Dataset, evaluation::{Candidate, Way, study, Exits}, network::Network};
/// # use m2sn_runtime::latency::{self, Table};
/// # fn example<N: Network>(model: &N, valid: &Dataset<N::Input>, test: &Dataset<N::Input>, table: &Table) -> Result<()> {
/// let mut candidates = Candidate::alone(model);
/// candidates.push(Candidate::new("late fusion", model, Way::LateFusion));
/// if let Some(route) = Exits::of(model, valid)?.rival(table)? {
///     candidates.push(Candidate::new("best fixed shortcut", model, Way::Fixed(route)));
/// }
/// candidates.push(Candidate::new("M²SN", model, Way::Navigator));
/// let mut report = study(&candidates, test, &Default::default())?;
/// report.warnings = latency::unpaid::<N>(table)?;
/// println!("{report}");
/// report.save("runs/first")
/// # }
/// ```
///
/// # Errors
/// [`Error::Invalid`] where no candidate is late fusion or two have the same name; else as [`timing::measure`].
pub fn study<N: Network>(
    candidates: &[Candidate<'_, N>],
    data: &Dataset<N::Input>,
    settings: &timing::Settings,
) -> Result<Report> {
    let Some(baseline) = candidates.iter().position(|candidate| candidate.way == Way::LateFusion) else {
        return Err(Error::invalid("study: no candidate is late fusion, by which times are divided; add one"));
    };
    for (index, candidate) in candidates.iter().enumerate() {
        if candidates[..index].iter().any(|other| other.name == candidate.name) {
            return Err(Error::invalid(format!("study: two candidates are named `{}`", candidate.name)));
        }
    }
    candidates.iter().try_for_each(Candidate::check)?;
    let device = candidates[baseline].network.variables().device();
    let local = match device {
        tch::Device::Cuda(index) => data.to_device(crate::Device::Cuda(index))?,
        _ => data.to_device(crate::Device::Cpu)?,
    };
    let outcomes = outcomes(candidates, &local)?;
    let timings = timing::measure(candidates, &local, settings)?;

    let rows = candidates.iter().zip(&outcomes).enumerate().map(|(index, (candidate, outcome))| {
        Ok(Row {
            name: candidate.name.clone(),
            way: candidate.describe(),
            adaptive: candidate.way.is_adaptive(),
            scores: outcome.scores,
            milliseconds: timings.mean(index).ok_or_else(no_time)?,
            ratio: timings.ratio(index, baseline).ok_or_else(no_time)?,
            exits: exit_shares(candidate, &outcome.routes),
            routes: route_shares(&outcome.routes),
        })
    });
    Ok(Report {
        fingerprint: Fingerprint::of(candidates[baseline].network),
        samples: data.len() as usize,
        timed_samples: timings.samples(),
        repetitions: settings.repetitions,
        rows: rows.collect::<Result<_>>()?,
        comparisons: comparisons(candidates, &outcomes, &timings)?,
        warnings: Vec::new(),
    })
}

/// What a candidate makes of the data set.
#[derive(Debug)]
struct Outcome<R> {
    scores: Scores,
    /// One a sample, as by [`scores::errors`].
    errors: Vec<f64>,
    /// One a sample; none where one modality is used alone.
    routes: Vec<R>,
}

fn outcomes<N: Network>(candidates: &[Candidate<'_, N>], data: &Dataset<N::Input>) -> Result<Vec<Outcome<N::Route>>> {
    let mut outcomes: Vec<Option<Outcome<N::Route>>> = candidates.iter().map(|_| None).collect();
    for first in 0..candidates.len() {
        if outcomes[first].is_some() {
            continue;
        }
        // One network at a time, so that the features of one alone are in memory.
        let network = candidates[first].network;
        let exits = Exits::of(network, data)?;
        for (candidate, outcome) in candidates.iter().zip(&mut outcomes) {
            if std::ptr::eq(candidate.network, network) {
                *outcome = Some(of_way(candidate.way, &exits)?);
            }
        }
    }
    Ok(outcomes.into_iter().flatten().collect())
}

fn of_way<N: Network>(way: Way<N::Route>, exits: &Exits<'_, N>) -> Result<Outcome<N::Route>> {
    let everywhere = |route: N::Route| vec![route; exits.len()];
    let (logits, routes): (Tensor, Vec<N::Route>) = match way {
        Way::Alone { modality } => {
            let full = N::description().modalities[modality].exits.len() - 1;
            (exits.alone(modality, full)?, Vec::new())
        }
        Way::LateFusion => (exits.by(routing::full::<N>()), everywhere(routing::full::<N>())),
        Way::Fixed(route) => (exits.by(route), everywhere(route)),
        Way::Navigator => (exits.along(exits.routes())?, exits.routes().to_vec()),
        Way::Within(policy, budget) => {
            let routes = exits.within(policy, budget)?.routes;
            (exits.along(&routes)?, routes)
        }
    };
    Ok(Outcome {
        scores: exits.score(&logits)?,
        errors: scores::errors(&exits.rule()?, &logits, exits.target())?,
        routes,
    })
}

fn exit_shares<N: Network>(candidate: &Candidate<'_, N>, routes: &[N::Route]) -> Vec<Shares> {
    let rows: Vec<Vec<usize>> = routes.iter().map(Route::blocks).collect();
    let share = |modality: usize, blocks: usize| match candidate.way {
        Way::Alone { .. } => f64::from(blocks == N::description().modalities[modality].exits.len()),
        _ => rows.iter().filter(|row| row[modality] == blocks).count() as f64 / rows.len() as f64,
    };
    let uses = |modality: usize| !matches!(candidate.way, Way::Alone { modality: used } if used != modality);
    let modalities = N::description().modalities.iter().enumerate().filter(|(index, _)| uses(*index));
    modalities
        .map(|(index, modality)| {
            let none = modality.missing.map(|_| ("none".into(), share(index, 0)));
            let exits = modality.exits.iter().zip(1..).map(|(exit, blocks)| (exit.name.into(), share(index, blocks)));
            Shares { modality: modality.name.into(), exits: none.into_iter().chain(exits).collect() }
        })
        .collect()
}

fn route_shares<R: Route>(routes: &[R]) -> Vec<(String, f64)> {
    let mut counts: BTreeMap<R, usize> = BTreeMap::new();
    for route in routes {
        *counts.entry(*route).or_default() += 1;
    }
    let mut counts: Vec<(R, usize)> = counts.into_iter().collect();
    // The sort is stable, so routes of equal share stay in their own order.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(route, count)| (route.to_string(), count as f64 / routes.len() as f64)).collect()
}

fn comparisons<N: Network>(
    candidates: &[Candidate<'_, N>],
    outcomes: &[Outcome<N::Route>],
    timings: &Timings,
) -> Result<Vec<Comparison>> {
    let ways = || candidates.iter().enumerate();
    let mut comparisons = Vec::new();
    for (adaptive, navigator) in ways().filter(|(_, candidate)| candidate.way.is_adaptive()) {
        for (index, fixed) in ways().filter(|(_, candidate)| matches!(candidate.way, Way::Fixed(_))) {
            let pairs = outcomes[index].errors.iter().zip(&outcomes[adaptive].errors);
            let differences: Vec<f64> = pairs.map(|(fixed, navigator)| fixed - navigator).collect();
            let error = mean_interval(&differences).ok_or_else(|| {
                Error::invalid(format!(
                    "study: the errors of `{}` and `{}` are too large to add up",
                    fixed.name, navigator.name
                ))
            })?;
            let ratio = timings.ratio(index, adaptive).ok_or_else(no_time)?;
            comparisons.push(Comparison {
                navigator: navigator.name.clone(),
                fixed: fixed.name.clone(),
                error,
                ratio,
                verdict: Verdict::of(error, ratio),
            });
        }
    }
    Ok(comparisons)
}

/// For a clock too coarse to divide by what it shows.
fn no_time() -> Error {
    Error::invalid("study: an answer took no time by the clock of this machine, and times cannot be compared")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::tiny::{Tiny, TinyRoute, samples};

    const QUICK: timing::Settings = timing::Settings { samples: 5, repetitions: 2, warm_up: 1 };

    #[test]
    fn a_study_of_every_way() {
        let (network, other) = (Tiny::new(Device::Cpu).unwrap(), Tiny::new(Device::Cpu).unwrap());
        let data = samples(50, 1).unwrap().train;
        let mut candidates = Candidate::alone(&network);
        candidates.push(Candidate::new("late fusion", &network, Way::LateFusion));
        candidates.push(Candidate::new("fixed", &network, Way::Fixed(TinyRoute::at([0, 1]))));
        candidates.push(Candidate::new("other", &other, Way::Navigator));
        candidates.push(Candidate::new("navigator", &network, Way::Navigator));
        let report = study(&candidates, &data, &QUICK).unwrap();

        assert_eq!(
            report.rows.iter().map(|row| &row.name[..]).collect::<Vec<_>>(),
            ["left", "right", "late fusion", "fixed", "other", "navigator"]
        );
        assert_eq!((report.samples, report.timed_samples, report.repetitions), (50, 5, 2));
        let late_fusion = &report.rows[2];
        assert_eq!(late_fusion.ratio.value, 1.0);
        assert_eq!(late_fusion.routes, [("left: full, right: full".to_owned(), 1.0)]);
        assert_eq!(report.rows[1].exits.len(), 1);
        assert_eq!(report.rows[3].way, "left: first, right: second");

        for (row, network) in [(4, &other), (5, &network)] {
            let row = &report.rows[row];
            let answer = routing::predict(network, &data.input().unwrap()).unwrap();
            let expected = Scores::of(Tiny::description().task, &answer.logits, data.target()).unwrap();
            assert_eq!(row.scores, expected);
            let total: f64 = row.routes.iter().map(|(_, share)| share).sum();
            assert!((total - 1.0).abs() < 1e-9);
            let left = answer.routes.iter().filter(|route| route.exits()[0] == 1).count() as f64 / 50.0;
            assert_eq!(row.exits[0].exits[1], ("second".to_owned(), left));
        }
        let pairs: Vec<_> = report.comparisons.iter().map(|c| (&c.navigator[..], &c.fixed[..])).collect();
        assert_eq!(pairs, [("other", "fixed"), ("navigator", "fixed")]);
        let accuracy = |row: usize| report.rows[row].scores.quality();
        assert!((report.comparisons[1].error.value - (accuracy(5) - accuracy(3))).abs() < 1e-9);
    }

    #[test]
    fn unusable_candidates_are_refused() {
        let network = Tiny::new(Device::Cpu).unwrap();
        let data = samples(5, 1).unwrap().train;
        let message = |candidates: &[Candidate<'_, Tiny>]| study(candidates, &data, &QUICK).unwrap_err().to_string();
        let late_fusion = || Candidate::new("a", &network, Way::LateFusion);
        assert_eq!(
            message(&[Candidate::new("a", &network, Way::Navigator)]),
            "study: no candidate is late fusion, by which times are divided; add one"
        );
        assert_eq!(
            message(&[late_fusion(), Candidate::new("a", &network, Way::Navigator)]),
            "study: two candidates are named `a`"
        );
        assert_eq!(
            message(&[late_fusion(), Candidate::new("b", &network, Way::Alone { modality: 2 })]),
            "candidate `b`: there is no modality 2, `Tiny` has 2"
        );
    }
}
