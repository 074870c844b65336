//! How hard samples are: the sets of Figure 4.

use crate::Result;
use crate::evaluation::Exits;
use crate::network::Network;

/// Samples of like difficulty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) rows: Vec<i64>,
}

/// The paper does not say what makes a sample hard. Here it is what the uni-modal networks make of it: easy where each of
/// them is right, hard where none is, medium else. For labels and values, where right is a matter of degree, the third of
/// the samples to which their answers are worth the most is easy, and the third to which they are worth the least hard.
///
/// # Errors
/// As [`Exits::alone`].
pub(super) fn groups<N: Network>(exits: &Exits<'_, N>) -> Result<Vec<Group>> {
    let modalities = N::description().modalities;
    let mut worth = vec![0.0; exits.len()];
    for (index, modality) in modalities.iter().enumerate() {
        let logits = exits.alone(index, modality.exits.len() - 1)?;
        for (sum, achieved) in worth.iter_mut().zip(exits.achieved(&logits, exits.target())?) {
            *sum += achieved / modalities.len() as f64;
        }
    }
    Ok(match exits.rule()?.task() {
        crate::task::Task::Classification { .. } => by_level(&worth, 0.0, 1.0),
        _ => {
            let mut sorted = worth.clone();
            sorted.sort_by(f64::total_cmp);
            let at = |share: usize| sorted[share * (sorted.len() - 1) / 3];
            by_level(&worth, at(1), at(2))
        }
    })
}

/// Hard up to `low`, easy from `high` on; groups without samples are left out.
fn by_level(worth: &[f64], low: f64, high: f64) -> Vec<Group> {
    let close = 1e-9;
    let rows = |is_meant: &dyn Fn(f64) -> bool| {
        (0..).zip(worth).filter(|(_, worth)| is_meant(**worth)).map(|(row, _)| row).collect::<Vec<i64>>()
    };
    let hard = |worth: f64| worth <= low + close;
    let easy = |worth: f64| worth >= high - close && !hard(worth);
    let groups = [
        Group { name: "easy", rows: rows(&easy) },
        Group { name: "medium", rows: rows(&|worth| !easy(worth) && !hard(worth)) },
        Group { name: "hard", rows: rows(&hard) },
    ];
    groups.into_iter().filter(|group| !group.rows.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_by_hand() {
        let of = |worth: &[f64], low, high| {
            by_level(worth, low, high).into_iter().map(|group| (group.name, group.rows)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[1.0, 0.5, 0.0, 1.0], 0.0, 1.0), [("easy", vec![0, 3]), ("medium", vec![1]), ("hard", vec![2])]);
        assert_eq!(of(&[0.0, 0.0], 0.0, 1.0), [("hard", vec![0, 1])]);
        assert_eq!(of(&[-3.0, -1.0, -2.0], -3.0, -1.0), [("easy", vec![1]), ("medium", vec![2]), ("hard", vec![0])]);
    }
}
