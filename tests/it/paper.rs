//! The networks of the paper, made small: each trains in every stage, and its parts fit. `specs/paper/` has them as they are;
//! what these cost, the compiler's tests compare with PyTorch, and [`full_size`] trains them where it is asked to.

use std::fs;
use std::path::Path;

use m2sn::network::Network;
use m2sn::prelude::*;

use crate::multibench::trains;
use crate::networks::fits;

#[m2sn_model("tests/it/paper/kinetics_l.yaml")]
struct KineticsL;

#[m2sn_model("tests/it/paper/kinetics_s.yaml")]
struct KineticsS;

#[m2sn_model("tests/it/paper/mmimdb.yaml")]
struct MmImdb;

#[m2sn_model("tests/it/paper/mosei.yaml")]
struct Mosei;

#[m2sn_model("tests/it/paper/mosi.yaml")]
struct Mosi;

#[m2sn_model("tests/it/paper/mustard.yaml")]
struct Mustard;

#[test]
fn kinetics_l() -> m2sn::Result<()> {
    holds::<KineticsL>()
}

#[test]
fn kinetics_s() -> m2sn::Result<()> {
    holds::<KineticsS>()
}

#[test]
fn mmimdb() -> m2sn::Result<()> {
    holds::<MmImdb>()
}

#[test]
fn mosei() -> m2sn::Result<()> {
    holds::<Mosei>()
}

#[test]
fn mosi() -> m2sn::Result<()> {
    holds::<Mosi>()
}

#[test]
fn mustard() -> m2sn::Result<()> {
    holds::<Mustard>()
}

fn holds<N: Network>() -> m2sn::Result<()> {
    fits::<N>()?;
    trains(N::seeded(Device::Cpu, 3)?)
}

/// The specs of the tests differ from those of the paper in these sizes alone. `M2SN_BLESS=1` writes them anew.
#[test]
fn small_specs_are_those_of_the_paper() {
    let video =
        [("frames: 8", "frames: 2"), ("height: 112, width: 112", "height: 32, width: 32"), ("kernel: 8", "kernel: 4")];
    let sound =
        [("samples: 220500", "samples: 6144"), ("samples: 160000", "samples: 12288"), ("depth: 50", "depth: 18")];
    let words = [
        ("length: 50", "length: 5"),
        ("vocabulary: 4000", "vocabulary: 40"),
        ("vocabulary: 24000", "vocabulary: 40"),
        ("size: 300", "size: 24"),
        ("feed_forward: 1200", "feed_forward: 48"),
        // There is no such file beside the test.
        (
            "    weights: { file: weights/glove.txt, names: { glove: { vocabulary: weights/vocabulary.txt } }, freeze: [words] }\n",
            "",
        ),
    ];
    let bert = [
        ("length: 64", "length: 6"),
        ("length: 128", "length: 6"),
        ("vocabulary: 30522", "vocabulary: 40"),
        ("{ bert: { pool: first } }", "{ bert: { hidden: 24, feed_forward: 48, pool: first } }"),
        ("hidden: 312", "hidden: 24"),
    ];
    let image = [
        ("height: 224, width: 224", "height: 32, width: 32"),
        ("depth: 152", "depth: 18"),
        ("height: 256, width: 160", "height: 64, width: 40"),
    ];
    let sizes = [&video[..], &sound, &words, &bert, &image].concat();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut unused: Vec<_> = sizes.iter().map(|(size, _)| *size).collect();
    for entry in fs::read_dir(root.join("specs/paper")).expect("a folder") {
        let path = entry.expect("a file").path();
        let full = fs::read_to_string(&path).expect("a spec");
        unused.retain(|size| !full.contains(size));
        // What the comments say is of the full network.
        let told = full.lines().filter(|line| !line.trim_start().starts_with('#')).map(|line| format!("{line}\n"));
        let small = sizes.iter().fold(told.collect(), |spec: String, (size, small)| spec.replace(size, small));
        let name = path.file_name().expect("a name").to_string_lossy();
        let beside = root.join("tests/it/paper").join(&*name);
        if std::env::var_os("M2SN_BLESS").is_some() {
            fs::write(&beside, &small).expect("written");
        }
        assert_eq!(
            fs::read_to_string(&beside).expect("a spec beside the test"),
            small,
            "{name}: M2SN_BLESS=1 writes it"
        );
    }
    assert_eq!(unused, [""; 0], "no spec has these sizes any more");
}

/// The networks as they are, a step of every stage each. Minutes and gigabytes: `cargo test --test it -- --ignored full_size`
/// runs them.
mod full_size {
    use m2sn::prelude::*;

    use crate::multibench::trains;

    #[m2sn_model("specs/paper/kinetics_l.yaml")]
    struct KineticsL;

    #[m2sn_model("specs/paper/kinetics_s.yaml")]
    struct KineticsS;

    #[m2sn_model("specs/paper/mmimdb.yaml")]
    struct MmImdb;

    #[m2sn_model("specs/paper/mosei.yaml")]
    struct Mosei;

    #[m2sn_model("specs/paper/mosi.yaml")]
    struct Mosi;

    #[m2sn_model("specs/paper/mustard.yaml")]
    struct Mustard;

    #[test]
    #[ignore = "takes minutes"]
    fn kinetics_l() -> m2sn::Result<()> {
        trains(KineticsL::seeded(Device::Cpu, 3)?)
    }

    #[test]
    #[ignore = "takes minutes"]
    fn kinetics_s() -> m2sn::Result<()> {
        trains(KineticsS::seeded(Device::Cpu, 3)?)
    }

    #[test]
    #[ignore = "takes minutes"]
    fn mmimdb() -> m2sn::Result<()> {
        trains(MmImdb::seeded(Device::Cpu, 3)?)
    }

    #[test]
    #[ignore = "takes minutes"]
    fn mosei() -> m2sn::Result<()> {
        trains(Mosei::seeded(Device::Cpu, 3)?)
    }

    #[test]
    #[ignore = "takes minutes"]
    fn mosi() -> m2sn::Result<()> {
        trains(Mosi::seeded(Device::Cpu, 3)?)
    }

    #[test]
    #[ignore = "takes minutes"]
    fn mustard() -> m2sn::Result<()> {
        trains(Mustard::seeded(Device::Cpu, 3)?)
    }
}
