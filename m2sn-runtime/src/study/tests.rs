//! Studies as a whole, on the smallest network.

use super::*;
use crate::plan::Stage;
use crate::tiny::{Tiny, TinyInput, samples};

/// Few epochs, because this is about what follows from them.
fn plan() -> Plan {
    let mut plan = Tiny::plan();
    let Plan { pretrain, shortcuts, fusion, navigator, .. } = &mut plan;
    for stage in [pretrain, &mut shortcuts.stage, fusion, &mut navigator.stage] {
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
    for name in ["left alone", LATE_FUSION, AGAIN, FIXED, "M²SN", "M²SN, integral", "M²SN, peripheral", "value", "sequential"] {
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
    let mut run = |study: Study| {
        let stop = |_| Err(Error::invalid("stop here"));
        study.run::<Tiny>(stop, &mut Progress::silent(), |_| ()).unwrap_err().to_string()
    };
    assert_eq!(run(study(path)), "stop here");
    let message = run(study(path).within(0.1).plan(Tiny::plan()));
    assert!(message.contains("the folder holds another study: the plan, the settings differ"), "{message}");
    assert_eq!(run(study(path).seeds([5])), "stop here", "seeds may be added");
    assert_eq!(run(study(path).seeds([])), "study: there is no seed; name one at least");
}
