//! What all seeds say of each method.

use super::super::{Kind, Latency, Results, Row};
use crate::evaluation::statistics::Spread;

/// A method, with its rows of all seeds that have it.
#[derive(Debug)]
pub(super) struct Method<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    /// By seed.
    pub(super) rows: Vec<(u64, &'a Row)>,
}

/// The methods by what they are, and within that as the seeds have them.
pub(super) fn methods(results: &Results) -> Vec<Method<'_>> {
    let mut methods: Vec<Method<'_>> = Vec::new();
    for (seed, row) in results.seeds.iter().flat_map(|seed| seed.rows.iter().map(move |row| (seed.seed, row))) {
        match methods.iter_mut().find(|method| method.name == row.name) {
            Some(method) => method.rows.push((seed, row)),
            None => methods.push(Method { name: &row.name, kind: row.kind, rows: vec![(seed, row)] }),
        }
    }
    methods.sort_by_key(|method| method.kind);
    methods
}

impl<'a> Method<'a> {
    /// The spread of a figure over seeds; `None` where one lacks it, or it is not finite.
    pub(super) fn spread(&self, figure: impl Fn(&Row) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.rows.iter().map(|(_, row)| figure(row)).collect::<Option<Vec<_>>>()?)
    }

    /// The mean quality.
    pub(super) fn quality(&self) -> Option<f64> {
        self.spread(|row| Some(row.scores.quality())).map(|quality| quality.mean)
    }

    /// The mean time of one sample by that of late fusion.
    pub(super) fn ratio(&self) -> Option<f64> {
        self.spread(|row| Some(single(row)?.ratio.value)).map(|ratio| ratio.mean)
    }

    /// The balance that was chosen; where seeds differ, those of the first.
    pub(super) fn by(&self) -> String {
        let mut by: Vec<&str> = Vec::new();
        for (_, row) in &self.rows {
            if !row.by.is_empty() && !by.contains(&&row.by[..]) {
                by.push(&row.by);
            }
        }
        match &by[..] {
            [] => String::new(),
            [same] => (*same).to_owned(),
            [first, rest @ ..] => format!("{first}; {} more by seed", rest.len()),
        }
    }

    /// The shares of the routes that samples take, the mean over seeds, the most frequent first: of the seeds whose
    /// modalities are those of the first, whose names come along.
    pub(super) fn routes(&self) -> (Vec<&'a str>, Vec<(&'a [String], f64)>) {
        let modalities = |row: &'a Row| row.exits.iter().map(|shares| &shares.modality[..]).collect::<Vec<_>>();
        let first = self.rows.first().map_or(Vec::new(), |(_, row)| modalities(row));
        let alike: Vec<&'a Row> = self
            .rows
            .iter()
            .map(|(_, row)| *row)
            .filter(|row| modalities(row) == first && !row.routes.is_empty())
            .collect();
        let mut routes: Vec<(&'a [String], f64)> = Vec::new();
        for (exits, share) in alike.iter().flat_map(|row| &row.routes) {
            let share = share / alike.len() as f64;
            match routes.iter_mut().find(|(other, _)| *other == &exits[..]) {
                Some((_, sum)) => *sum += share,
                None if exits.len() == first.len() => routes.push((exits, share)),
                None => {}
            }
        }
        routes.retain(|(_, share)| *share > 0.0);
        routes.sort_by(|left, right| right.1.total_cmp(&left.1));
        (first, routes)
    }
}

/// The times of one sample at a time.
pub(super) fn single(row: &Row) -> Option<&Latency> {
    row.latencies.iter().find(|latency| latency.batch == 1)
}

/// What a kind of methods is called over its rows.
pub(super) fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Alone => "One modality alone",
        Kind::Static => "Late fusion and fixed routes",
        Kind::Paper => "M²SN and its ablations",
        Kind::Learned => "Learned policies",
        Kind::Rival => "Rivals",
    }
}
