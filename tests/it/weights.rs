//! Parameters that torchvision has trained, into a generated model and out of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use m2sn::network::Network;
use m2sn::plan::{Plan, Stage, Weights};
use m2sn::prelude::*;
use m2sn::tch::{Kind, Tensor};
use m2sn::weights;

use crate::networks::random_of;

#[m2sn_model("specs/pretrained.yaml")]
pub(super) struct Pretrained;

#[m2sn_model("./resnet50.yaml")]
pub(super) struct Resnet50;

#[m2sn_model("./clips.yaml")]
pub(super) struct Clips;

type Values = BTreeMap<String, Tensor>;

fn values(network: &impl Network) -> Values {
    network.variables().variables().into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

/// The plan of the spec, with its file in a folder.
fn plan_in<N: Network>(folder: &Path) -> Plan {
    let mut plan = N::plan();
    plan.weights[0].file = folder.join("weights.safetensors");
    plan
}

#[test]
fn the_plan_says_what_the_spec_does() {
    let plan = Pretrained::plan();
    insta::assert_debug_snapshot!(plan.weights);
    assert_eq!(plan.weights.len(), 1, "the place begins with drawn parameters");
}

#[test]
fn an_encoder_goes_out_and_in_by_the_names_of_torchvision() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan_in::<Pretrained>(folder.path());
    let (from, mut to) = (Pretrained::seeded(Device::Cpu, 1)?, Pretrained::seeded(Device::Cpu, 2)?);
    weights::save(&from, &plan.weights[0], &plan.weights[0].file)?;
    let mut names: Vec<_> =
        Tensor::read_safetensors(&plan.weights[0].file)?.into_iter().map(|(name, _)| name).collect();
    names.sort();
    // 20 convolutions, each with four tensors of its normalisation.
    assert_eq!(names.len(), 20 * 5);
    assert_eq!(names[..2], ["bn1.bias", "bn1.running_mean"]);
    assert!(names.contains(&"layer3.0.downsample.1.running_var".to_owned()), "{names:?}");

    let before = values(&to);
    weights::load(&mut to, &plan.weights)?;
    let (after, expected) = (values(&to), values(&from));
    for (name, value) in &after {
        let expected = if name.starts_with("encoders.image.") { &expected } else { &before };
        assert_eq!(*value, expected[name], "{name}");
    }
    Ok(())
}

/// The state dicts of torchvision's networks, by the names and the shapes that `tests/fixtures/resnet.py` has noted.
#[test]
fn networks_of_clips_take_what_torchvision_names() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    let known: BTreeMap<String, BTreeMap<String, Vec<i64>>> =
        serde_json::from_str(include_str!("../fixtures/resnet.json")).expect("shapes by network and name");
    let (from, mut to) = (Clips::seeded(Device::Cpu, 1)?, Clips::seeded(Device::Cpu, 2)?);
    let plan = Clips::plan();
    for (kind, weights) in ["resnet18", "r3d_18", "r2plus1d_18"].iter().zip(&plan.weights) {
        let weights = Weights { file: path.clone(), ..weights.clone() };
        weights::save(&from, &weights, &path)?;
        let mut file: Values = Tensor::read_safetensors(&path)?.into_iter().collect();
        for (name, shape) in &known[*kind] {
            // What our file does not hold of theirs.
            if name.starts_with("fc.") || name.ends_with(".num_batches_tracked") {
                file.insert(name.clone(), Tensor::zeros(&shape[..], (Kind::Float, m2sn::tch::Device::Cpu)));
            }
        }
        let shapes: BTreeMap<_, _> = file.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        assert_eq!(shapes, known[*kind], "{kind}");
        Tensor::write_safetensors(&file.into_iter().collect::<Vec<_>>(), &path)?;
        weights::load(&mut to, &[weights])?;
    }
    let (found, expected) = (values(&to), values(&from));
    for (name, value) in expected.iter().filter(|(name, _)| name.starts_with("encoders.")) {
        assert_eq!(found[name], *value, "{name}");
    }

    // The file of an R(2+1)D is none of an R3D.
    let error = weights::load(&mut to, &[Weights { file: path, ..plan.weights[1].clone() }]).map(drop);
    let message = error.expect_err("another network").to_string();
    for difference in [
        "another shape: `stem.0.weight` is [45, 3, 1, 7, 7] in the file, [64, 3, 3, 7, 7] here",
        "only in the file: `stem.3.weight` [64, 45, 3, 1, 1]",
        "not in the file: `net.layer1.0.conv1.0.weight` [64, 64, 3, 3, 3], `layer1.0.conv1.0.weight` there",
        "only in the file: `layer4.1.conv2.0.3.weight` [512, 1152, 3, 1, 1]",
    ] {
        assert!(message.contains(difference), "{message}");
    }
    Ok(())
}

/// Statistics of batch normalisation included, to the last bit.
#[test]
fn frozen_stages_stay_as_they_are() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut plan = plan_in::<Pretrained>(folder.path());
    let short = |stage: &mut Stage| (stage.epochs, stage.batch) = (1, 4);
    plan.stages_mut().into_iter().for_each(short);
    let loaded = Pretrained::seeded(Device::Cpu, 1)?;
    weights::save(&loaded, &plan.weights[0], &plan.weights[0].file)?;
    let expected = values(&loaded);

    let mut model = Pretrained::seeded(Device::Cpu, 2)?;
    let classes = Tensor::randint(10, [12], (Kind::Int64, m2sn::tch::Device::Cpu));
    let all = Dataset::new(random_of::<Pretrained>(12)?, classes, Pretrained::description().task)?;
    let data = Splits { train: all.narrow(0, 8)?, valid: all.narrow(8, 4)? };
    Trainer::new(plan).train(&mut model, &data, &mut Progress::silent())?;
    for (name, value) in values(&model).into_iter().filter(|(name, _)| name.starts_with("encoders.image.")) {
        let frozen =
            ["stem", "layer1"].iter().any(|stage| name.starts_with(&format!("encoders.image.resnet.{stage}.")));
        assert_eq!(value == expected[&name], frozen, "{name}");
    }
    Ok(())
}

/// What generated networks compute with torchvision's parameters, beside what torchvision computes.
///
/// `M2SN_PYTHON` names a Python with torch, torchvision and safetensors; `--nocapture` shows the certificates.
#[test]
fn certificates_of_resnets() -> m2sn::Result<()> {
    certificate::<Pretrained>(0, "resnet18", "resnet")?;
    certificate::<Resnet50>(0, "resnet50", "net")?;
    certificate::<Clips>(0, "frames/resnet18", "each.resnet")?;
    certificate::<Clips>(1, "r3d_18", "net")?;
    certificate::<Clips>(2, "r2plus1d_18", "net")
}

fn certificate<N: Network>(modality: usize, kind: &str, name: &str) -> m2sn::Result<()> {
    let Some(python) = std::env::var_os("M2SN_PYTHON") else {
        eprintln!("skipped {kind}: M2SN_PYTHON names no Python with torchvision");
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let run = |arguments: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/resnet.py");
        let status = Command::new(&python).arg(script).args(arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "{arguments:?}");
    };
    run(&["make", kind, name, &path]);
    let weights = Weights { file: folder.path().join("weights.safetensors"), ..N::plan().weights.remove(modality) };
    let mut network = N::new(Device::Cpu)?;
    weights::load(&mut network, std::slice::from_ref(&weights))?;
    let certificate = weights::certify(&network, &weights.modality, folder.path().join("reference.safetensors"))?;
    println!("{kind}\n{certificate}");
    assert_eq!(certificate.layers.len(), if kind == "r3d_18" { 6 } else { 7 });
    assert!(certificate.difference() < 1e-4, "{certificate}");

    weights::save(&network, &weights, folder.path().join("written.safetensors"))?;
    run(&["check", kind, &path]);
    Ok(())
}
