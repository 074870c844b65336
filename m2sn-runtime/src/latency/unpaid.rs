//! What a table says against shortcuts and navigator.

use super::Table;
use crate::Result;
use crate::network::Network;
use crate::plan::Reads;

/// What does not pay on the device of a table, a sentence each: exits that take no less time than a deeper exit of
/// their modality, and a navigator that takes no less than any route saves.
///
/// The compiler warns of shortcuts by their multiply-adds, where milliseconds can tell another story: small layers cost
/// their calls more than their arithmetic.
///
/// # Errors
/// [`crate::Error::Invalid`] where the table is of another network.
pub fn unpaid<N: Network>(table: &Table) -> Result<Vec<String>> {
    table.check::<N>()?;
    let mut warnings = Vec::new();
    for (m, modality) in N::description().modalities.iter().enumerate() {
        let full = modality.exits.len() - 1;
        for (exit, shortcut) in table.modalities[m].shortcuts.iter().enumerate() {
            let cost = table.exit(m, exit);
            let Some(deeper) = (exit + 1..=full).rev().find(|deeper| cost >= table.exit(m, *deeper)) else { continue };
            let before = cost - shortcut.median;
            warnings.push(format!(
                "{}: leaving at {} takes {cost:.3} ms, no less than going on to {}, {:.3} ms; the shortcut takes \
                 {:.3} ms, what it skips {:.3} ms",
                modality.name,
                modality.exits[exit].name,
                modality.exits[deeper].name,
                table.exit(m, deeper),
                shortcut.median,
                table.exit(m, deeper) - before,
            ));
        }
    }
    let late_fusion = table.late_fusion();
    let most = late_fusion - cheapest(table);
    let navigator = match N::plan().navigator.from {
        Reads::Inputs => table.navigator,
        Reads::Stem => table.value,
        Reads::Posterior => table.sequential,
    };
    if navigator.median >= most {
        warnings.push(format!(
            "the navigator takes {:.3} ms, and no route saves more than {most:.3} ms of the {late_fusion:.3} ms of late \
             fusion: nothing that it decides pays for it",
            navigator.median
        ));
    }
    Ok(warnings)
}

/// The milliseconds of the cheapest route, with fusion and head and without the navigator.
pub(crate) fn cheapest(table: &Table) -> f64 {
    let least = |modality: usize| {
        let exits = (0..table.modalities[modality].blocks.len()).map(|exit| table.exit(modality, exit));
        exits.fold(f64::INFINITY, f64::min)
    };
    (0..table.modalities.len()).map(least).sum::<f64>() + table.head.median
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::{Estimate, Modality};
    use crate::tiny::Tiny;

    fn table(shortcuts: [[f64; 2]; 2], navigator: f64) -> Table {
        let estimate = |median: f64| Estimate { median, low: median, high: median, p99: median };
        let names = ["left", "right"].into_iter().zip(shortcuts);
        let modalities = names.map(|(name, shortcuts)| Modality {
            name: name.into(),
            exits: ["first", "second", "full"].map(String::from).into(),
            blocks: [0.010, 0.002, 0.008].map(estimate).into(),
            shortcuts: shortcuts.map(estimate).into(),
        });
        Table {
            batch: 1,
            rounds: 1,
            modalities: modalities.collect(),
            head: estimate(0.005),
            navigator: estimate(navigator),
            ..Default::default()
        }
    }

    #[test]
    fn what_pays_is_not_mentioned() {
        assert!(unpaid::<Tiny>(&table([[0.001, 0.001], [0.001, 0.001]], 0.001)).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_pay_is_named_with_its_figures() {
        // Left: the second shortcut costs more than the block that it skips. Right: the first exit costs less than the
        // end, 0.019 of 0.020, and more than the second, 0.013.
        let table = table([[0.001, 0.013], [0.009, 0.001]], 0.020);
        insta::assert_snapshot!(unpaid::<Tiny>(&table).unwrap().join("\n"));
    }

    #[test]
    fn a_table_of_another_network_is_refused() {
        assert!(unpaid::<Tiny>(&Table::default()).is_err());
    }
}
