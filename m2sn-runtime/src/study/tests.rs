//! Studies as a whole, on the smallest network.

use std::path::Path;

use super::contender::{Contender, Trial, Trials};
use super::field::{Field, Measured, Tried};
use super::networks::School;
use super::ways::{self, Learned};
use super::*;
use crate::batch::Feature;
use crate::checkpoint;
use crate::evaluation::Point;
use crate::parts::{Live, Parts};
use crate::plan::{Anneal, Latency, Method, Navigator, Optimizer, Policy, Reads, Stage, Temperature};
use crate::policy::{Fixed, State};
use crate::rivals::{AsIs, Setting, Tally, Variant};
use crate::tiny::{Tiny, TinyInput, samples, sequential, table};
use tch::Tensor;

/// Few epochs, because this is about what follows from them.
fn plan() -> Plan {
    let mut plan = Tiny::plan();
    for stage in plan.stages_mut() {
        *stage = Stage { epochs: 2, ..stage.clone() };
    }
    plan
}

fn data(seed: u64) -> Result<Samples<TinyInput>> {
    let Splits { train, valid } = samples(160, 120)?;
    let test = valid.narrow(60, 60)?;
    let _ = seed;
    Ok(Samples { splits: Splits { train, valid: valid.narrow(0, 60)? }, test })
}

fn study(folder: &Path) -> Study {
    Study::new("tiny samples", folder).plan(plan()).batches([1, 16]).ratios([0.1, 1.0]).timed(8).seeds([0, 1])
}

#[test]
fn a_study_has_a_row_for_every_method_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let mut said = Vec::new();
    let results = study.run::<Tiny>(data, &mut Progress::silent(), |line| said.push(line.to_owned())).unwrap();
    assert!(said.contains(&"seed 1".to_owned()));
    let names: Vec<&str> = results.seeds[0].rows.iter().map(|row| &row.name[..]).collect();
    for name in [
        "left alone",
        LATE_FUSION,
        AGAIN,
        FIXED,
        "M²SN",
        "M²SN, integral",
        "M²SN, peripheral",
        "M²SN, reading stems",
        "M²SN, reading exits",
        "value",
        "sequential",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for row in results.seeds.iter().flat_map(|seed| &seed.rows) {
        assert_eq!(row.latencies.iter().map(|latency| latency.batch).collect::<Vec<_>>(), [1, 16]);
        assert!(row.work > 0.0 && row.latencies.iter().all(|latency| latency.milliseconds.value > 0.0), "{}", row.name);
        let total: f64 = row.routes.iter().map(|(_, share)| share).sum();
        assert!((total - 1.0).abs() < 1e-9, "{}", row.name);
    }
    let late_fusion = results.seeds[0].rows.iter().find(|row| row.name == LATE_FUSION).unwrap();
    assert_eq!(late_fusion.multiply_adds, 6.0 * 100.0 + 48.0);
    let alone = results.seeds[0].rows.iter().find(|row| row.name == "left alone").unwrap();
    assert_eq!(alone.multiply_adds, 3.0 * 100.0 + 24.0);
    let again = results.comparisons.iter().find(|pair| pair.name == AGAIN).unwrap();
    assert_eq!((again.points.low, again.points.high), (0.0, 0.0));
    let groups: usize = results.seeds[0].difficulties.iter().map(|group| group.samples).sum();
    assert_eq!(groups, 60);
    assert_eq!(results.seeds[0].lambdas.len(), 2);
    // Every block of the encoders and more; shortcuts alone: four of weights 12 x 8 + 8, 10 x 8 + 8 and 9 x 8 + 8, 10 x 8 + 8.
    let training = &results.seeds[0].training;
    let peripheral = training.iter().find(|training| training.method == "peripheral").unwrap();
    assert_eq!(peripheral.parameters, (12 * 8 + 8) + 2 * (10 * 8 + 8) + (9 * 8 + 8));

    let again = study.run::<Tiny>(|_| panic!("all seeds are done"), &mut Progress::silent(), |_| ()).unwrap();
    assert_eq!(again.seeds, results.seeds);
}

#[test]
fn a_folder_holds_one_study() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let run = |study: Study| {
        let stop = |_| Err(Error::invalid("stop here"));
        study.run::<Tiny>(stop, &mut Progress::silent(), |_| ()).unwrap_err().to_string()
    };
    assert_eq!(run(study(path)), "stop here");
    let message = run(study(path).within(0.1).plan(Tiny::plan()));
    assert!(message.contains("the folder holds another study: the plan, the settings differ"), "{message}");
    assert_eq!(run(study(path).seeds([5])), "stop here", "seeds may be added");
    assert_eq!(run(study(path).seeds([])), "study: there is no seed; name one at least");
}

/// Computes all of the network in every block and passes the samples by as if it had not.
#[derive(Debug)]
struct Masking<'a>(&'a Tiny);

impl Variant for Masking<'_> {
    fn block(&self, network: &dyn Parts, modality: usize, block: usize, input: &Feature) -> Feature {
        let inputs: Vec<Feature> = samples(input.len(), 1).unwrap().train.input().unwrap().features();
        (0..3).for_each(|_| _ = Live(self.0).late_fusion(&inputs));
        network.block(modality, block, input)
    }
}

#[test]
fn who_masks_in_place_of_leaving_out_is_caught() {
    let network = Tiny::new(Device::Cpu).unwrap();
    let Samples { splits, test } = data(0).unwrap();
    let costs = Costs::new::<Tiny>(table()).unwrap();
    let tried = Tried::of(&network, &splits, &test).unwrap();
    let first =
        |variant: Box<dyn Variant>| Setting { by: String::new(), variant, policy: Box::new(Fixed(State::of(&[1, 1]))) };
    let mut field =
        Field { splits: &splits, test: &test, costs: &costs, least: 0.0, groups: Vec::new(), members: Vec::new() };
    let network = &network;
    let settings: Vec<(&str, Setting<'_>)> = vec![
        (LATE_FUSION, ways::late_fusion::<Tiny>()),
        ("honest", first(Box::new(AsIs))),
        ("masking", Setting { variant: Box::new(Masking(network)), ..first(Box::new(AsIs)) }),
    ];
    for (name, setting) in settings {
        field.enter(Contender::new(name, Kind::Rival, network, vec![setting]), &tried).unwrap();
    }
    let settings = Settings { batches: vec![1], ..Study::new("", "").settings };
    let oracle = Point { share: 0.5, quality: 1.0, by: String::new() };
    let Measured { rows, .. } = field.time(&settings, 20, (&oracle, 0.1)).unwrap();
    let failures = |name: &str| {
        let row = rows.iter().find(|row| row.name == name).unwrap();
        // By its counts, both leave out four blocks of six.
        assert!(name == LATE_FUSION || row.multiply_adds == 4.0 * 100.0 + 48.0, "{}", row.multiply_adds);
        let found = honesty::idle_savings(&[std::slice::from_ref(row)]);
        found.into_iter().filter(|(weight, _)| *weight == Weight::Failure).count()
    };
    assert_eq!([failures(LATE_FUSION), failures("honest"), failures("masking")], [0, 0, 1]);
    let found = honesty::idle_savings(&[&rows, &rows]);
    assert!(found[0].1.contains("no time is saved: `masking` in batches of 1."), "{found:?}");
}

#[test]
fn what_is_tried_on_features_is_what_the_network_answers() {
    let (network, splits) = sequential().unwrap();
    let costs = Costs::new::<Tiny>(table()).unwrap();
    let trials = Trials::of(&network, &splits.valid).unwrap();
    let learned = Learned::of(&network, Policy::Sequential, &costs).unwrap();
    let settings: Vec<Setting<'_>> =
        [ways::late_fusion::<Tiny>(), ways::alone::<Tiny>(1), ways::paper(&network, Reads::Inputs).unwrap()]
            .into_iter()
            .chain(ways::routes::<Tiny>(&costs))
            .chain(learned.settings(&costs))
            .collect();
    assert!(settings.len() > 10);
    let inputs = splits.valid.input().unwrap().features();
    for setting in settings {
        let by = setting.by.clone();
        let tried = trials.run(&setting, &costs, None).unwrap();
        let tally = Tally::counting(Tiny::description());
        let contender = Contender::new("", Kind::Static, &network, vec![setting]);
        let answered = contender.answer(&inputs, &tally).unwrap();
        assert_eq!(tried.states, answered.states, "{by}");
        let difference = (&tried.logits - &answered.logits).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{by}: {difference}");
        assert_eq!(
            tried.ran.multiply_adds(Tiny::description()),
            tally.ran().multiply_adds(Tiny::description()),
            "{by}"
        );
        let some = trials.run(contender.setting(), &costs, Some(&[3, 1])).unwrap();
        assert_eq!(some.states, [&tried.states[3], &tried.states[1]].map(State::clone), "{by}");
    }
}

/// Decisions that are hard from the first step on have next to no gradient, so a navigator that prefers one way stays there.
#[test]
fn a_navigator_that_collapses_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Tiny::plan();
    let cold = Temperature { from: 0.1, to: 0.1, anneal: Anneal::Exponential };
    let optimizer = Optimizer::Sgd { lr: 1.0, momentum: 0.9, weight_decay: 0.0 };
    let stage = |stage: &Stage| Stage { epochs: 10, ..stage.clone() };
    let navigator = Stage { optimizer, ..stage(&plan.navigator.stage) };
    let plan = Plan {
        pretrain: stage(&plan.pretrain),
        fusion: stage(&plan.fusion),
        navigator: Navigator { temperature: cold, stage: navigator, ..plan.navigator.clone() },
        ..plan
    };
    let splits = samples(600, 200).unwrap();
    let fingerprint = Fingerprint::of(&Tiny::new(Device::Cpu).unwrap());
    let costs = Costs::new::<Tiny>(Table { fingerprint, ..table() }).unwrap();
    let (device, folder) = (Device::Cpu, folder.path());
    let school = School::<Tiny> { plan: &plan, splits: &splits, costs: &costs, device, folder };
    let progress = &mut Progress::silent();
    school.pretrained(progress).unwrap();
    let network = school.shortcuts(Method::Joint, progress).unwrap().network;
    let bias = Tensor::from_slice(&[8f32, 0.0, 0.0, 8.0, 0.0, 0.0]);
    tch::no_grad(|| network.variables().variables()["navigator.bias"].shallow_clone().copy_(&bias));
    checkpoint::save(&network, folder.join("joint/fused")).unwrap();

    let navigated = school.navigated(Method::Joint, Latency::Ratio(0.1), progress).unwrap();
    assert_eq!(
        navigated.repair.unwrap(),
        "at λ ratio 0.1 it sent all validation samples one way, and began anew with a temperature of 5.0 in place of 0.1, \
         which repaired it"
    );
    let Trial { states, .. } = Trials::of(&navigated.network, &splits.valid)
        .and_then(|trials| trials.run(&ways::paper(&navigated.network, Reads::Inputs)?, &costs, None))
        .unwrap();
    assert!(states.iter().any(|state| *state != states[0]));
}
