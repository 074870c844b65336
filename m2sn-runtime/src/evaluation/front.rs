//! Quality against time: what fixed routes, policies and an oracle come to on the same samples.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::exits::by_cost;
use super::plot::{self, Chart, Mark, Series};
use super::{Exits, table};
use crate::network::{Network, Route};
use crate::plan::Policy;
use crate::policy::{Budget, Paper};
use crate::{Result, file, routing};

/// Quality against time on test samples, for everything that can be done with one trained network.
///
/// Times are those of the latency table, with every look and decision included, as shares of late fusion's; qualities
/// are [`super::Scores::quality`]. What is chosen, such as the fixed routes worth taking, is chosen on validation samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Front {
    /// The model's name.
    pub model: String,
    /// What the samples are, in the user's words.
    pub data: String,
    /// The number of test samples.
    pub samples: usize,
    /// The milliseconds of late fusion by the table.
    pub late_fusion: f64,
    /// What each way of using the network comes to.
    pub curves: Vec<Curve>,
    /// What each is worth at one price.
    pub worth: Vec<Worth>,
}

/// A way of using a network, at one or more balances of quality and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The name: `late fusion`, `fixed routes`, `oracle`, or that of a policy as the spec has it.
    pub name: String,
    /// The balances, the fastest first.
    pub points: Vec<Point>,
}

/// One balance of quality and time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The share of late fusion's time.
    pub share: f64,
    /// The quality of the answers.
    pub quality: f64,
    /// The route, or the price.
    pub by: String,
}

/// What a way of using a network is worth at a price: its mean quality less the price of its share of late fusion's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// The name of the way.
    pub name: String,
    /// The share of late fusion's time.
    pub share: f64,
    /// The quality of the answers.
    pub quality: f64,
    /// What the oracle is worth more: it knows which answers are right, and takes for each sample what is worth most.
    pub regret: f64,
    /// The share of the gap between late fusion and the oracle that is closed.
    pub closed: f64,
}

impl Front {
    /// Tries everything: late fusion, the fixed routes that are worth taking, the paper's navigator, which is left out where
    /// it is known not to have been trained, and the learned policies of the network that have been, at every balance; worth
    /// is that at `price`.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where it is not known what the network's parts cost on this machine, or where there are
    /// too many routes to try.
    pub fn of<N: Network>(data: &str, valid: &Exits<'_, N>, test: &Exits<'_, N>, price: f64) -> Result<Self> {
        let policies = test.network().policies();
        let costs = policies.costs()?;
        let table = costs.table();
        let late_fusion = table.late_fusion();
        let full = routing::full::<N>();
        let quality = |exits: &Exits<'_, N>, route| exits.score(&exits.by(route)).map(|scores| scores.quality());
        let learned = |policy: Policy, price: f64| {
            let budget = [Budget::Price(price)];
            routing::within(policies.standing(policy)?.as_ref(), costs, &budget, |policy| {
                test.point_by(policy, costs, format!("price {price:.4}"))
            })
        };
        let whole = Point { share: 1.0, quality: quality(test, full)?, by: full.to_string() };

        let mut fixed = Vec::new();
        for route in by_cost::<N>(table)? {
            let share = table.route(&route.blocks()) / late_fusion;
            let point = Point { share, quality: quality(test, route)?, by: route.to_string() };
            fixed.push((point, quality(valid, route)?));
        }
        let mut curves = vec![
            Curve { name: "late fusion".into(), points: vec![whole.clone()] },
            Curve { name: "fixed routes".into(), points: worth_taking(&fixed) },
        ];
        let is_trained = policies.check_trained(Policy::Paper, N::plan().navigator.from).is_ok();
        let paper = is_trained.then(|| test.point_by(&Paper::of(test.network())?, costs, "as trained".into()));
        let paper = paper.transpose()?;
        curves
            .extend(paper.iter().map(|paper| Curve { name: Policy::Paper.name().into(), points: vec![paper.clone()] }));
        let mut at_price = Vec::new();
        for policy in Policy::LEARNED {
            let mut points = Vec::new();
            for balance in policies.balances(policy)? {
                points.push(learned(policy, balance.price)?);
            }
            if !points.is_empty() {
                at_price.push((policy.name(), learned(policy, price)?));
                points.sort_by(|left, right| left.share.total_cmp(&right.share));
                curves.push(Curve { name: policy.name().into(), points });
            }
        }
        let points =
            test.oracle_front(costs)?.into_iter().map(|point| Point { by: "knows the answers".into(), ..point });
        curves.push(Curve { name: "oracle".into(), points: points.collect() });

        let best = fixed.iter().max_by(|(left, on_valid), (right, other)| {
            (on_valid - price * left.share).total_cmp(&(other - price * right.share))
        });
        let mut ways = vec![("late fusion", whole)];
        ways.extend(best.map(|(point, _)| ("best fixed route", point.clone())));
        ways.extend(paper.map(|paper| (Policy::Paper.name(), paper)));
        ways.extend(at_price);
        let oracle = test.oracle_at(costs, price)?;
        Ok(Self {
            model: N::description().name.into(),
            data: data.into(),
            samples: test.len(),
            late_fusion,
            worth: worth(&ways, &oracle, price),
            curves,
        })
    }

    /// Adds points to a curve, such as those of the paper's navigator for other λ; makes the curve where there is none.
    pub fn add(&mut self, name: &str, points: Vec<Point>) {
        let place = self.curves.iter().position(|curve| curve.name == name).unwrap_or_else(|| {
            self.curves.push(Curve { name: name.into(), points: Vec::new() });
            self.curves.len() - 1
        });
        let curve = &mut self.curves[place].points;
        curve.extend(points);
        curve.sort_by(|left, right| left.share.total_cmp(&right.share));
    }

    /// The picture: quality over the share of late fusion's time.
    ///
    /// The oracle is left out: it is flattered by luck, and would leave the others no room.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        let series = self.curves.iter().filter(|curve| curve.name != "oracle").map(|curve| Series {
            name: curve.name.clone(),
            mark: match &curve.name[..] {
                "late fusion" | "paper" => Mark::Point,
                "fixed routes" => Mark::Steps,
                _ => Mark::Line,
            },
            points: curve.points.iter().map(|point| (point.share, point.quality)).collect(),
        });
        plot::draw(&Chart {
            title: format!("{}: {}", self.model, self.data),
            across: "share of late fusion's time, every look and decision included".into(),
            up: "quality on test samples".into(),
            series: series.collect(),
        })
    }

    /// Writes `front.json`, `front.md` and `front.svg` into a folder, each as a whole or not at all.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a file cannot be written; as [`Front::svg`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        super::report::save(folder, "front", self)?;
        file::write(&folder.join("front.svg"), &self.svg()?)
    }
}

/// Of points in the order of their cost those that are better on validation samples than all before.
fn worth_taking(routes: &[(Point, f64)]) -> Vec<Point> {
    let mut best = f64::NEG_INFINITY;
    let better = routes.iter().filter(|(_, quality)| {
        let better = *quality > best;
        best = best.max(*quality);
        better
    });
    better.map(|(point, _)| point.clone()).collect()
}

fn worth(ways: &[(&str, Point)], oracle: &Point, price: f64) -> Vec<Worth> {
    let value = |point: &Point| point.quality - price * point.share;
    let late_fusion = ways.first().map_or(0.0, |(_, point)| value(point));
    let gap = value(oracle) - late_fusion;
    let mut worth: Vec<Worth> = ways
        .iter()
        .map(|(name, point)| Worth {
            name: (*name).into(),
            share: point.share,
            quality: point.quality,
            regret: value(oracle) - value(point),
            closed: if gap > 0.0 { (value(point) - late_fusion) / gap } else { 0.0 },
        })
        .collect();
    let Point { share, quality, .. } = *oracle;
    worth.push(Worth { name: "oracle".into(), share, quality, regret: 0.0, closed: 1.0 });
    worth
}

impl fmt::Display for Front {
    /// Writes Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "quality", "share of time", "regret", "gap closed, %"].map(str::to_owned);
        let rows = self.worth.iter().map(|worth| {
            let figures = [format!("{:.4}", worth.quality), format!("{:.3}", worth.share)];
            let figures =
                figures.into_iter().chain([format!("{:.4}", worth.regret), format!("{:.0}", 100.0 * worth.closed)]);
            std::iter::once(worth.name.clone()).chain(figures).collect()
        });
        writeln!(f, "{}", table::markdown(&head, &rows.collect::<Vec<_>>()))?;
        writeln!(
            f,
            "`{}`, {}: {} test samples. Shares of late fusion's {:.3} ms by the latency table, looks included. Regret is what \
             the oracle, which knows the answers, is worth more at the same price of time.",
            self.model, self.data, self.samples, self.late_fusion
        )
    }
}
