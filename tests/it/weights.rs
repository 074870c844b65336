//! Parameters that torchvision has trained, into a generated model and out of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use m2sn::network::Network;
use m2sn::plan::{Plan, Stage};
use m2sn::prelude::*;
use m2sn::tch::{Kind, Tensor};
use m2sn::weights;

use crate::networks::random_of;

#[m2sn_model("specs/pretrained.yaml")]
pub(super) struct Pretrained;

#[m2sn_model("./resnet50.yaml")]
pub(super) struct Resnet50;

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

/// Statistics of batch normalisation included, to the last bit.
#[test]
fn frozen_stages_stay_as_they_are() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut plan = plan_in::<Pretrained>(folder.path());
    let short = |stage: &mut Stage| (stage.epochs, stage.batch) = (1, 4);
    [&mut plan.pretrain, &mut plan.shortcuts.stage, &mut plan.fusion, &mut plan.navigator.stage]
        .into_iter()
        .for_each(short);
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
    certificate::<Pretrained>("18", "resnet")?;
    certificate::<Resnet50>("50", "net")
}

fn certificate<N: Network>(depth: &str, name: &str) -> m2sn::Result<()> {
    let Some(python) = std::env::var_os("M2SN_PYTHON") else {
        eprintln!("skipped ResNet-{depth}: M2SN_PYTHON names no Python with torchvision");
        return Ok(());
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let run = |arguments: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/resnet.py");
        let status = Command::new(&python).arg(script).args(arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "{arguments:?}");
    };
    run(&["make", depth, name, &path]);
    let plan = plan_in::<N>(folder.path());
    let mut network = N::new(Device::Cpu)?;
    weights::load(&mut network, &plan.weights)?;
    let certificate = weights::certify(&network, "image", folder.path().join("reference.safetensors"))?;
    println!("ResNet-{depth}\n{certificate}");
    assert_eq!(certificate.layers.len(), 7);
    assert!(certificate.difference() < 1e-4, "{certificate}");

    weights::save(&network, &plan.weights[0], folder.path().join("written.safetensors"))?;
    run(&["check", depth, &path]);
    Ok(())
}
