//! The table itself: what each part costs, and what follows for exits and routes.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{CLOSE, Estimate, Fingerprint};
use crate::file;
use crate::network::Network;
use crate::{Error, Result};

/// The latencies of a model's parts on one device, in milliseconds.
///
/// Eq. (4) takes `Latency_{i,e}` from it: [`Table::exit`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The model and the device for which the figures hold.
    pub fingerprint: Fingerprint,
    /// The number of samples in a batch.
    pub batch: i64,
    /// The repetitions behind each figure.
    pub rounds: usize,
    /// The encoders, in the order of the spec.
    pub modalities: Vec<Modality>,
    /// Fusion and head.
    pub head: Estimate,
    /// The paper's navigator, where it reads the inputs.
    pub navigator: Estimate,
    /// A decision of the value policy, once the first blocks have run, and of the paper's navigator where it reads the stem;
    /// nothing where it cannot decide.
    pub value: Estimate,
    /// A decision of the sequential policy, once it has an answer to look at, and of the paper's navigator where it reads the
    /// posterior; nothing where it cannot decide.
    pub sequential: Estimate,
    /// Late fusion in one piece.
    #[serde(default)]
    pub whole: Estimate,
    /// The sum of its parts, round by round.
    #[serde(default)]
    pub sum: Estimate,
    /// The time on the wall by the time that the work took of the processor: how much other programs were in the way.
    #[serde(default)]
    pub busy: f64,
}

/// The latencies of one encoder and its shortcuts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Modality {
    /// The name in the spec.
    pub name: String,
    /// The names of the exits, the last one `full`.
    pub exits: Vec<String>,
    /// The blocks, each ending at an exit.
    pub blocks: Vec<Estimate>,
    /// The shortcuts: one fewer than blocks, because `full` has none.
    pub shortcuts: Vec<Estimate>,
}

impl Table {
    /// `Latency_{i,e}` of Eq. (4): the blocks of a modality up to an exit, and its shortcut.
    ///
    /// # Panics
    /// Where the table has no such modality or exit.
    pub fn exit(&self, modality: usize, exit: usize) -> f64 {
        let Modality { blocks, shortcuts, .. } = &self.modalities[modality];
        let blocks: f64 = blocks[..=exit].iter().map(|block| block.median).sum();
        blocks + shortcuts.get(exit).map_or(0.0, |shortcut| shortcut.median)
    }

    /// A route from inputs to logits, with fusion and head and without the navigator: so many blocks of each modality, and
    /// the shortcut after the last of them.
    ///
    /// # Panics
    /// Where the table has no such modality or block.
    pub fn route(&self, blocks: &[usize]) -> f64 {
        let exits = blocks.iter().enumerate().filter_map(|(modality, blocks)| Some((modality, blocks.checked_sub(1)?)));
        exits.map(|(modality, exit)| self.exit(modality, exit)).sum::<f64>() + self.head.median
    }

    /// The route of late fusion: every encoder to its end.
    pub fn late_fusion(&self) -> f64 {
        let blocks: Vec<usize> = self.modalities.iter().map(|modality| modality.blocks.len()).collect();
        self.route(&blocks)
    }

    /// Why the figures should not be trusted to the last percent, a sentence each; none where nothing is the matter.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let (whole, sum) = (self.whole, self.sum);
        if sum.spread() > CLOSE {
            doubts.push(format!(
                "it did not converge: after {} rounds late fusion is known to ±{:.0} % ({sum} ms); measure again on a \
                 machine with less to do",
                self.rounds,
                100.0 * sum.spread()
            ));
        }
        if self.error().abs() > 0.05 {
            doubts.push(format!(
                "late fusion takes {whole} ms in one piece, and the sum of its parts is {sum} ms: {:+.0} %",
                100.0 * self.error()
            ));
        }
        doubts
    }

    /// By how much the sum of its parts is off what late fusion takes in one piece, as a share of that.
    pub fn error(&self) -> f64 {
        if self.whole.median > 0.0 { self.sum.median / self.whole.median - 1.0 } else { 0.0 }
    }

    /// Writes the table as JSON, as a whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::file(path, error.to_string()))?;
        file::write(path, &text)
    }

    /// Reads a table that was measured for this network on this device.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it holds no table, figures that are no times,
    /// or the table of another model or device: the message says what differs and how to measure anew.
    pub fn load<N: Network>(path: impl AsRef<Path>, network: &N) -> Result<Self> {
        let path = path.as_ref();
        let table = Self::read(path)?;
        table
            .check_here(network)
            .map_err(|fault| Error::file(path, format!("{fault}\nhelp: measure anew, or delete the file")))?;
        Ok(table)
    }

    /// Reads a table of whatever network and device.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read, [`Error::File`] where it holds no table.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        let table: Self =
            serde_json::from_str(&text).map_err(|error| Error::file(path, format!("not a latency table: {error}")))?;
        table.check_figures().map_err(|fault| Error::file(path, format!("not a latency table: {fault}")))?;
        Ok(table)
    }

    /// Checks that the table was measured for this network on this device.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what differs.
    pub(crate) fn check_here<N: Network>(&self, network: &N) -> Result<()> {
        self.check_measured_by::<N>(&Fingerprint::of(network))
    }

    /// Checks that the table was measured where this is the fingerprint.
    ///
    /// # Errors
    /// As [`Table::check_here`].
    pub(crate) fn check_measured_by<N: Network>(&self, fingerprint: &Fingerprint) -> Result<()> {
        let differences = self.fingerprint.differences(fingerprint);
        if !differences.is_empty() {
            return Err(Error::invalid(format!(
                "this latency table was measured elsewhere; measure anew with `latency::measure`\n  {}",
                differences.join("\n  ")
            )));
        }
        self.check::<N>()
    }

    /// Checks that the table has a time for each block and shortcut of a network, on which [`Table::exit`] relies.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is expected and found.
    pub(crate) fn check<N: Network>(&self) -> Result<()> {
        let description = N::description();
        let expected = description.modalities.iter().map(|modality| {
            let exits: Vec<_> = modality.exits.iter().map(|exit| exit.name).collect();
            format!("{} ({})", modality.name, exits.join(", "))
        });
        let found = self.modalities.iter().map(|modality| format!("{} ({})", modality.name, modality.exits.join(", ")));
        let [expected, found] = [expected.collect::<Vec<_>>(), found.collect()].map(|names| names.join(", "));
        if expected != found {
            return Err(Error::invalid(format!(
                "latency table: expected the exits of `{}`, {expected}, found {found}; measure anew with \
                 `latency::measure`",
                description.name
            )));
        }
        self.check_figures().map_err(|fault| Error::invalid(format!("latency table: {fault}")))
    }

    /// Checks that the figures can be times, and that there is one for each block and shortcut.
    fn check_figures(&self) -> Result<(), String> {
        if self.batch < 1 {
            return Err(format!("a batch of {} samples; measure anew with `latency::measure`", self.batch));
        }
        let mut parts = vec![("fusion and head".to_owned(), self.head), ("navigator".to_owned(), self.navigator)];
        parts.extend([("value policy".to_owned(), self.value), ("sequential policy".to_owned(), self.sequential)]);
        for Modality { name, exits, blocks, shortcuts } in &self.modalities {
            if exits.is_empty() || blocks.len() != exits.len() || shortcuts.len() + 1 != exits.len() {
                return Err(format!(
                    "modality `{name}` has {} exits, {} blocks and {} shortcuts, expected a block for each exit and a \
                     shortcut for each but the last; measure anew with `latency::measure`",
                    exits.len(),
                    blocks.len(),
                    shortcuts.len()
                ));
            }
            let names = exits.iter().map(|exit| format!("{name}, block to {exit}"));
            parts.extend(names.zip(blocks.iter().copied()));
            let names = exits.iter().map(|exit| format!("{name}, shortcut from {exit}"));
            parts.extend(names.zip(shortcuts.iter().copied()));
        }
        let is_time = |value: f64| (0.0..LONGEST).contains(&value);
        for (part, Estimate { median, low, high, p99 }) in &parts {
            let ordered = low <= median && median <= high && median <= p99;
            if !ordered || ![*median, *low, *high, *p99].into_iter().all(is_time) {
                return Err(format!(
                    "{part}: {median:?} ms in [{low:?}, {high:?}], at most {p99:?}, is no time; measure anew with `latency::measure`"
                ));
            }
        }
        match self.modalities.iter().find(|modality| modality.blocks.iter().all(|block| block.median == 0.0)) {
            Some(modality) => Err(format!(
                "all blocks of modality `{}` take 0 ms; measure anew with `latency::measure`",
                modality.name
            )),
            None => Ok(()),
        }
    }
}

/// A part that takes a day, in milliseconds, was not measured.
const LONGEST: f64 = 86_400_000.0;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fingerprint { model, device, processor, threads, system, libtorch, .. } = &self.fingerprint;
        let device = if device == "cpu" { String::new() } else { format!("{device}, ") };
        writeln!(f, "Latency of `{model}` in milliseconds: batch {}, median of {} rounds", self.batch, self.rounds)?;
        writeln!(f, "and its 95 % interval; {device}{processor}, {threads} threads, {system}, LibTorch {libtorch}")?;
        let names = self.modalities.iter().flat_map(|m| m.exits.iter().map(|exit| m.name.len() + 2 + exit.len()));
        let width = names.max().unwrap_or(0).max("sequential policy".len());
        writeln!(f, "{:width$}  {:24}  {:24}  to here", "", "block", "shortcut")?;
        for (index, modality) in self.modalities.iter().enumerate() {
            for (exit, block) in modality.blocks.iter().enumerate() {
                let name = format!("{}, {}", modality.name, modality.exits.get(exit).map_or("?", String::as_str));
                let shortcut = modality.shortcuts.get(exit).map_or("-".into(), Estimate::to_string);
                writeln!(f, "{name:width$}  {block:24}  {shortcut:24}  {:.3}", self.exit(index, exit))?;
            }
        }
        writeln!(f, "{:width$}  {}", "fusion and head", self.head)?;
        let late_fusion = self.late_fusion();
        for (name, part, when) in [
            ("navigator", self.navigator, format!(" of late fusion ({late_fusion:.3})")),
            ("value policy", self.value, String::new()),
            ("sequential policy", self.sequential, ", after each look".into()),
        ] {
            let share = 100.0 * part.median / late_fusion;
            writeln!(f, "{name:width$}  {part:24}  {share:.1} %{when}")?;
        }
        if self.whole.median > 0.0 {
            let off = 100.0 * self.error();
            writeln!(
                f,
                "{:width$}  {:24}  in one piece; the sum of its parts is off by {off:+.1} %",
                "late fusion", self.whole
            )?;
        }
        self.doubts().iter().try_for_each(|doubt| writeln!(f, "{doubt}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, tiny::Tiny};

    fn table() -> Table {
        let estimate = |median: f64| Estimate { median, low: median * 0.9, high: median * 1.2, p99: median * 2.0 };
        let modality = |name: &str, blocks: [f64; 3]| Modality {
            name: name.into(),
            exits: ["first", "second", "full"].map(String::from).into(),
            blocks: blocks.map(estimate).into(),
            shortcuts: [0.25, 0.125].map(estimate).into(),
        };
        Table {
            fingerprint: Fingerprint::of(&Tiny::new(Device::Cpu).unwrap()),
            batch: 1,
            rounds: 100,
            modalities: vec![modality("left", [1.0, 2.0, 4.0]), modality("right", [8.0, 16.0, 32.0])],
            head: estimate(0.5),
            navigator: estimate(0.7),
            value: estimate(0.05),
            sequential: estimate(0.025),
            whole: estimate(61.0),
            sum: estimate(63.5),
            busy: 1.0,
        }
    }

    #[test]
    fn exits_and_routes_add_up() {
        let table = table();
        assert_eq!(table.exit(0, 0), 1.25);
        assert_eq!(table.exit(0, 2), 7.0);
        assert_eq!(table.route(&[2, 1]), 3.125 + 8.25 + 0.5);
        assert_eq!(table.late_fusion(), 7.0 + 56.0 + 0.5);
    }

    #[test]
    fn prints_readably() {
        let mut table = table();
        table.fingerprint = Fingerprint {
            model: "Tiny".into(),
            device: "cpu".into(),
            processor: "Some processor".into(),
            threads: 2,
            system: "linux x86_64".into(),
            libtorch: "2.11.0".into(),
            ..Default::default()
        };
        insta::assert_snapshot!(table);
    }

    #[test]
    fn doubts_are_said() {
        assert_eq!(Table::default().doubts(), Vec::<String>::new());
        let of = |median: f64, off: f64| Estimate { median, low: median - off, high: median + off, p99: 2.0 * median };
        let with = |whole, sum| Table { rounds: 40, whole, sum, ..table() }.doubts();
        assert_eq!(with(of(2.0, 0.5), of(2.0, 0.02)), Vec::<String>::new());
        insta::assert_snapshot!(with(of(2.0, 0.1), of(2.5, 0.1)).join("\n"));
    }

    #[test]
    fn comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/latency.json");
        let network = Tiny::new(Device::Cpu).unwrap();
        table().save(&path).unwrap();
        assert_eq!(Table::load(&path, &network).unwrap(), table());
        let names: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["latency.json"]);
    }

    #[test]
    fn is_refused_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latency.json");
        let network = Tiny::new(Device::Cpu).unwrap();
        let mut other = table();
        other.fingerprint.processor = "Another processor".into();
        other.save(&path).unwrap();
        let message = Table::load(&path, &network).unwrap_err().to_string();
        assert!(message.contains("processor: Another processor there, "), "{message}");
        assert!(message.contains("measure anew with `latency::measure`"), "{message}");

        let mut swapped = table();
        swapped.modalities.reverse();
        swapped.save(&path).unwrap();
        let message = Table::load(&path, &network).unwrap_err().to_string();
        assert!(
            message.contains(
                "left (first, second, full), right (first, second, full), found right (first, second, full), left"
            ),
            "{message}"
        );

        fs::write(&path, "{}").unwrap();
        let message = Table::load(&path, &network).unwrap_err().to_string();
        assert!(message.contains("not a latency table: missing field `fingerprint`"), "{message}");
    }

    #[test]
    fn figures_that_are_no_times_are_refused() {
        let spoilt = |spoil: &dyn Fn(&mut Table)| {
            let mut table = table();
            spoil(&mut table);
            table.check::<Tiny>().unwrap_err().to_string()
        };
        let of = |median: f64| Estimate { median, low: median, high: median, p99: median };
        insta::assert_snapshot!(
            [
                spoilt(&|table| table.modalities[0].blocks[1] = of(-5.0)),
                spoilt(&|table| table.modalities[1].shortcuts[0] = of(1e308)),
                spoilt(&|table| table.head = of(f64::NAN)),
                spoilt(&|table| table.navigator = Estimate { median: 3.0, low: 4.0, high: 5.0, p99: 6.0 }),
                spoilt(&|table| table.modalities[1].blocks.fill(of(0.0))),
                spoilt(&|table| table.batch = -3),
                spoilt(&|table| table.modalities[1].exits.clear()),
                spoilt(&|table| table.modalities[1].shortcuts.truncate(1)),
            ]
            .join("\n")
        );
    }
}
