//! One training in all its stages, and the comparison with what it competes with.

use std::path::Path;

use m2sn::evaluation::{Candidate, Exits, Report, Way, study};
use m2sn::latency::{self, Table};
use m2sn::network::{Input as _, Network};
use m2sn::prelude::*;
use m2sn::training::{Latency, Plan};
use m2sn::{Result, checkpoint};

use crate::arguments::Arguments;
use crate::digits::{Digits, Splits as DigitSplits};
use crate::{AvDigits, av_digits};

/// Trains with this seed, measures on the test samples, and writes everything to `folder`.
pub(crate) fn run(
    arguments: &Arguments,
    seed: u64,
    digits: DigitSplits,
    device: Device,
    folder: &Path,
) -> Result<Report> {
    let plan = plan(arguments, seed);
    let test = dataset(&digits.test)?.to_device(device)?;
    let splits = Splits { train: dataset(&digits.train)?, valid: dataset(&digits.valid)? };
    let mut progress = Progress::bars();

    let mut model = AvDigits::seeded(device, seed)?;
    let table = latency(&model, &test, folder)?;
    let trainer = Trainer::new(plan.clone()).folder(folder).latency(table.clone());
    trainer.pretrain(&mut model, &splits, &mut progress)?;
    let pretrained = twin(&model, device, folder, "late-fusion")?;
    trainer.shortcuts(&mut model, &splits, &mut progress)?;
    trainer.fusion(&mut model, &splits, &mut progress)?;

    let mut without_latency = twin(&model, device, folder, "without-navigator")?;
    let mut heedless = plan;
    heedless.navigator.latency = Latency::Weight(0.0);
    Trainer::new(heedless).folder(folder.join("without-latency")).latency(table.clone()).navigator(
        &mut without_latency,
        &splits,
        &mut progress,
    )?;
    trainer.navigator(&mut model, &splits, &mut progress)?;

    // The best fixed shortcut may cost as much as the navigator spends, and is chosen where the navigator's epochs are.
    let exits = Exits::of(&model, &splits.valid.to_device(device)?)?;
    let shortcut = exits.best_fixed(&table, exits.expected_milliseconds(&table)?)?;

    let mut candidates = Candidate::alone(&pretrained);
    candidates.push(Candidate::new("late fusion", &pretrained, Way::LateFusion));
    candidates.push(Candidate::new("full route after all stages", &model, Way::Fixed(full())));
    candidates.push(Candidate::new("best fixed shortcut", &model, Way::Fixed(shortcut)));
    candidates.push(Candidate::new("M²SN without latency", &without_latency, Way::Navigator));
    candidates.push(Candidate::new("M²SN", &model, Way::Navigator));
    let report = study(&candidates, &test, &Default::default())?;
    report.save(folder)?;
    Ok(report)
}

/// The plan of the spec, with the seed of the command line.
fn plan(arguments: &Arguments, seed: u64) -> Plan {
    let mut plan = Plan { seed, ..AvDigits::plan() };
    if arguments.quick {
        plan.pretrain.epochs = 2;
        plan.shortcuts.stage.epochs = 1;
        plan.fusion.epochs = 2;
        plan.navigator.stage.epochs = 2;
    }
    plan
}

fn dataset(digits: &Digits) -> Result<Dataset<av_digits::Input>> {
    let input = av_digits::Input {
        image: Batch::new(digits.images.shallow_clone())?,
        audio: Batch::new(digits.sounds.shallow_clone())?,
    };
    Dataset::new(input, digits.labels.shallow_clone(), AvDigits::description().task)
}

/// The latency table of this device; an interrupted run goes on with the one that it began with.
fn latency(model: &AvDigits, test: &Dataset<av_digits::Input>, folder: &Path) -> Result<Table> {
    let path = folder.join("latency.json");
    if path.exists() {
        return Table::load(path, model);
    }
    let table = latency::measure(model, &test.input().features(), &latency::Settings::default())?;
    table.save(path)?;
    Ok(table)
}

/// The same model once more, by way of a checkpoint.
fn twin(model: &AvDigits, device: Device, folder: &Path, name: &str) -> Result<AvDigits> {
    let path = folder.join(name);
    checkpoint::save(model, &path)?;
    let mut twin = AvDigits::new(device)?;
    twin.load(&path)?;
    Ok(twin)
}

fn full() -> av_digits::Route {
    av_digits::Route { image: av_digits::ImageExit::Full, audio: av_digits::AudioExit::Full }
}
