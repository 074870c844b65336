use std::path::PathBuf;

use tch::Kind;

use super::*;
use crate::Device;
use crate::plan::Torchvision;
use crate::tiny::Tiny;

type Values = BTreeMap<String, Tensor>;

fn network() -> Tiny {
    Tiny::new(Device::Cpu).unwrap()
}

fn values(network: &Tiny) -> Values {
    network.variables().variables().into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

fn weights(file: PathBuf, map: &[(&str, &str)]) -> Weights {
    Weights {
        modality: "left".into(),
        file,
        names: Names::Map(map.iter().map(|(theirs, ours)| ((*theirs).into(), (*ours).into())).collect()),
        ignore: Vec::new(),
        fresh: Vec::new(),
        freeze: Vec::new(),
        learning_rate: 1.0,
    }
}

/// A file as another program would write it for the left encoder, with some changes.
fn write(path: &Path, change: impl FnOnce(&mut Values)) {
    let tensor = |size: &[i64]| Tensor::randn(size, (Kind::Float, tch::Device::Cpu));
    let tensors = [
        ("net.a.weight", tensor(&[12, 6])),
        ("net.a.bias", tensor(&[12]).to_kind(Kind::Half)),
        ("net.b.weight", tensor(&[10, 12])),
        ("net.b.bias", tensor(&[10])),
        ("net.b.num_batches_tracked", Tensor::from(7i64)),
        ("net.c.weight", tensor(&[8, 10])),
        ("net.c.bias", tensor(&[8]).to_kind(Kind::Double)),
        ("fc.weight", tensor(&[1000, 8])),
        ("fc.bias", tensor(&[1000])),
    ];
    let mut tensors: Values = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    change(&mut tensors);
    Tensors { tensors, metadata: BTreeMap::new() }.write(path).unwrap();
}

const MAP: [(&str, &str); 3] = [("net.a", "layer0"), ("net.b", "layer1"), ("net.c", "layer2")];

#[test]
fn an_encoder_takes_what_a_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    write(&path, |_| {});
    let file = Tensors::read(&path).unwrap().tensors;
    let mut network = network();
    let before = values(&network);
    load(&mut network, &[Weights { ignore: vec!["fc".into()], ..weights(path, &MAP) }]).unwrap();
    let after = values(&network);
    for (name, value) in &after {
        let theirs = name.strip_prefix("encoders.left.layer").map(|rest| {
            let (layer, name) = rest.split_once('.').unwrap();
            format!("net.{}.{name}", ["a", "b", "c"][layer.parse::<usize>().unwrap()])
        });
        let expected = theirs.map_or_else(|| before[name].shallow_clone(), |theirs| file[&theirs].to_kind(Kind::Float));
        assert_eq!(*value, expected, "{name}");
    }
}

/// Everything that does not fit is told at once, and nothing is taken.
#[test]
fn every_mismatch_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    write(&path, |file| {
        file.remove("net.b.bias");
        file.insert("net.a.weight".into(), Tensor::zeros([6, 12], (Kind::Float, tch::Device::Cpu)));
        file.insert("net.a.bias".into(), Tensor::zeros([12], (Kind::Int64, tch::Device::Cpu)));
        file.insert("net.b.weight".into(), Tensor::full([10, 12], f64::NAN, (Kind::Float, tch::Device::Cpu)));
        file.insert("net.c.other".into(), Tensor::zeros([3], (Kind::Float, tch::Device::Cpu)));
    });
    let mut network = network();
    let before = values(&network);
    let error = load(&mut network, &[weights(path.clone(), &MAP)]).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&path.display().to_string(), "a.safetensors"));
    assert_eq!(values(&network), before);

    // What has no name there, and two for one.
    write(&path, |_| {});
    let map = [("net.a", "layer0"), ("net.b", "layer1"), ("net.c", "layer1"), ("fc", "layer7")];
    let error = load(&mut network, &[weights(path.clone(), &map)]).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&path.display().to_string(), "a.safetensors"));
    assert_eq!(values(&network), before);
}

#[test]
fn a_part_may_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    write(&path, |file| file.retain(|name, _| name.starts_with("net.")));
    let mut network = network();
    let before = values(&network);
    // Of what is fresh the file may hold something or not.
    let map = [("net", ""), ("net.a", "layer0"), ("net.b", "layer1"), ("net.c", "layer2")];
    let part = Weights { fresh: vec!["layer1".into(), "layer2.bias".into()], ..weights(path.clone(), &map) };
    load(&mut network, std::slice::from_ref(&part)).unwrap();
    let after = values(&network);
    let taken: Vec<_> = after.keys().filter(|name| after[*name] != before[*name]).collect();
    assert_eq!(
        taken,
        ["layer0.bias", "layer0.weight", "layer2.weight"].map(|name| format!("encoders.left.{name}")).each_ref()
    );
    // The beginning of a name is whole parts of it.
    let error = load(&mut network, &[Weights { ignore: vec!["ne".into()], fresh: Vec::new(), ..part }]).map(drop);
    assert_eq!(error.map_err(|error| error.to_string()), Ok(()));
    write(&path, |_| {});
    let error = load(&mut network, &[Weights { ignore: vec!["f".into()], ..weights(path, &MAP) }]).unwrap_err();
    assert!(error.to_string().contains("only in the file: `fc.bias` [1000]"), "{error}");
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let (left, mut other) = (network(), network());
    let of = weights(path.clone(), &MAP);
    save(&left, &of, &path).unwrap();
    let names: Vec<_> = Tensors::read(&path).unwrap().tensors.into_keys().collect();
    assert_eq!(names[..2], ["net.a.bias", "net.a.weight"]);
    load(&mut other, std::slice::from_ref(&of)).unwrap();
    let of_left =
        |values: Values| values.into_iter().filter(|(name, _)| name.starts_with("encoders.left.")).collect::<Values>();
    assert_eq!(of_left(values(&other)), of_left(values(&left)));

    let part = Weights { names: Names::Map(vec![("a".into(), "layer0".into())]), fresh: vec!["layer1".into()], ..of };
    let error = save(&left, &part, &path).unwrap_err().to_string();
    assert!(error.contains("no name for `layer2.bias`, `layer2.weight`"), "{error}");
}

#[test]
fn the_names_of_torchvision() {
    for (kind, stem) in [
        (
            Torchvision::Resnet,
            [("conv1.weight", "body.net.stem.weight"), ("bn1.running_var", "body.net.stem.norm.running_var")],
        ),
        (Torchvision::R3d, [("stem.0.weight", "body.net.stem.weight"), ("stem.1.bias", "body.net.stem.norm.bias")]),
        (
            Torchvision::R2plus1d,
            [
                ("stem.1.running_mean", "body.net.stem_space.norm.running_mean"),
                ("stem.3.weight", "body.net.stem_time.weight"),
            ],
        ),
    ] {
        let names = renaming_of(&Names::Torchvision { kind, network: "body.net".into() });
        let stage = ("layer4.1.downsample.0.weight", "body.net.layer4.1.downsample.0.weight");
        for (theirs, ours) in stem.into_iter().chain([stage]) {
            assert_eq!(names.ours(theirs).as_deref(), Some(ours));
            assert_eq!(names.theirs(ours).as_deref(), Some(theirs));
        }
        assert_eq!((names.ours("fc.weight"), names.theirs("body.feature.weight")), (None, None));
    }
}

#[test]
fn the_names_of_huggingface() {
    let names = renaming_of(&Names::Huggingface { network: "bert".into(), layers: 2 });
    for (theirs, ours) in [
        ("embeddings.word_embeddings.weight", "bert.embeddings.weight"),
        ("embeddings.LayerNorm.bias", "bert.embeddings.norm.bias"),
        ("encoder.layer.1.attention.self.in_proj_bias", "bert.layer2.layers.0.self_attn.in_proj_bias"),
        ("encoder.layer.0.output.LayerNorm.weight", "bert.layer1.layers.0.norm2.weight"),
        ("pooler.dense.weight", "bert.pooler.weight"),
    ] {
        for model in ["", "bert."] {
            assert_eq!(names.ours(&format!("{model}{theirs}")).as_deref(), Some(ours));
        }
        assert_eq!(names.theirs(ours).as_deref(), Some(theirs));
    }
    assert_eq!(
        (names.ours("encoder.layer.2.output.dense.bias"), names.ours("cls.seq_relationship.bias")),
        (None, None)
    );
}

#[test]
fn queries_keys_and_values_are_one_parameter() {
    let attention = "bert.encoder.layer.0.attention.self";
    let tensors = || -> Values {
        let part = |part: &str, value: f64, size: &[i64]| {
            (format!("{attention}.{part}"), Tensor::full(size, value, (Kind::Float, tch::Device::Cpu)))
        };
        [
            part("query.weight", 1.0, &[2, 2]),
            part("key.weight", 2.0, &[2, 2]),
            part("value.weight", 3.0, &[2, 2]),
            part("query.bias", 1.0, &[2]),
            part("value.bias", 3.0, &[2]),
            ("bert.embeddings.position_ids".into(), Tensor::from_slice(&[0i64, 1])),
            ("embeddings.LayerNorm.gamma".into(), Tensor::from_slice(&[1f32, 2.0])),
        ]
        .into()
    };
    let joined = huggingface::joined(tensors()).unwrap();
    let weight = Tensor::from_slice(&[1f32, 1., 1., 1., 2., 2., 2., 2., 3., 3., 3., 3.]).view([6, 2]);
    assert_eq!(joined[&format!("{attention}.in_proj_weight")], weight);
    // Without keys there is nothing to join.
    let names: Vec<_> = joined.keys().map(|name| name.rsplit("self.").next().unwrap()).collect();
    assert_eq!(names, ["in_proj_weight", "query.bias", "value.bias", "embeddings.LayerNorm.weight"]);
    let parted = huggingface::parted(joined).unwrap();
    for name in ["query.weight", "key.weight", "value.weight", "query.bias"] {
        let name = format!("{attention}.{name}");
        assert_eq!(parted[&name], tensors()[&name], "{name}");
    }
}

#[test]
fn a_certificate_shows_the_largest_difference_of_each_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reference.safetensors");
    let network = network();
    let input = Tensor::randn([4, 6], (Kind::Float, tch::Device::Cpu));
    let first = tch::no_grad(|| network.block(0, 0, &input.shallow_clone().into(), false).tensor);
    let second = tch::no_grad(|| network.block(0, 1, &first.shallow_clone().into(), false).tensor);
    let write = |tensors: &[(&str, &Tensor)]| {
        let tensors = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone())).collect();
        Tensors { tensors, metadata: BTreeMap::new() }.write(&path).unwrap();
    };
    write(&[("input", &input), ("output.layer0", &first), ("output.layer1", &(&second + 0.25))]);
    let certificate = certify(&network, "left", &path).unwrap();
    assert_eq!(certificate.layers[0].difference, 0.0);
    assert!((certificate.difference() - 0.25).abs() < 1e-6, "{certificate}");
    let lines: Vec<_> =
        certificate.to_string().lines().map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["left", "layer0", "layer1"]);

    write(&[("input", &input), ("output.layer0", &(&first * f64::NAN)), ("output.layer1", &second)]);
    assert!(certify(&network, "left", &path).unwrap().difference().is_nan());
    for (tensors, fault) in [
        (vec![("output.layer0", &first)], "holds no `input` of shape [batch, 6]"),
        (vec![("input", &first)], "holds no `input` of shape [batch, 6]"),
        (vec![("input", &input)], "holds no `output.<layer>`"),
        (vec![("input", &input), ("output.layer9", &first)], "holds `output.layer9`"),
        (vec![("input", &input), ("output.layer0", &second)], "`output.layer0` is [4, 10], expected [4, 12]"),
    ] {
        write(&tensors);
        let error = certify(&network, "left", &path).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
    assert!(certify(&network, "middle", &path).unwrap_err().to_string().contains("no modality `middle`"));
}
