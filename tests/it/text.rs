//! Language encoders that others have trained: BERTs of `transformers`, and word vectors.

use std::collections::BTreeMap;

use m2sn::data::text::Vocabulary;
use m2sn::network::Network;
use m2sn::plan::{Names, Stage};
use m2sn::prelude::*;
use m2sn::tch::{Kind, Tensor};
use m2sn::weights;

#[m2sn_model("./bert.yaml")]
pub(crate) struct SmallBert;

#[m2sn_model("./glove.yaml")]
pub(crate) struct Glove;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

fn tensors(path: &std::path::Path) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(path).expect("a safetensors file").into_iter().collect()
}

/// Embeddings, layers and pooler of a padded batch, by the parameters as `transformers` has saved them.
#[test]
fn the_certificate_of_a_bert() -> m2sn::Result<()> {
    let mut plan = SmallBert::plan().weights;
    plan[0].file = format!("{FIXTURES}/bert.safetensors").into();
    let mut model = SmallBert::new(Device::Cpu)?;
    weights::load(&mut model, &plan)?;
    let certificate = weights::certify(&model, "text", format!("{FIXTURES}/bert_reference.safetensors"))?;
    println!("{certificate}");
    let layers: Vec<_> = certificate.layers.iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(layers, ["bert.embeddings", "bert.layer1", "bert.layer2", "bert.first", "bert.pooler"]);
    assert!(certificate.difference() < 1e-5, "{certificate}");
    Ok(())
}

/// What is written has the names and values that `BertModel` loads: those it came with.
#[test]
fn a_bert_goes_out_as_it_came_in() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut plan = SmallBert::plan().weights;
    plan[0].file = format!("{FIXTURES}/bert.safetensors").into();
    let mut model = SmallBert::new(Device::Cpu)?;
    weights::load(&mut model, &plan)?;
    let path = folder.path().join("written.safetensors");
    weights::save(&model, &plan[0], &path)?;
    let there: BTreeMap<_, _> = tensors(&plan[0].file)
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("bert.")?.to_owned(), tensor)))
        .collect();
    assert_eq!(there.len(), 5 + 2 * 16 + 2);
    assert_eq!(tensors(&path), there);

    plan[0].ignore.clear();
    let message = weights::load(&mut model, &plan).unwrap_err().to_string();
    assert!(message.contains("only in the file: `classifier.weight` [2, 8]"), "{message}");
    Ok(())
}

#[test]
fn word_vectors_are_the_table_and_stay_it() -> m2sn::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let vocabulary = Vocabulary::of(["good good bad bad film not"], 1);
    let path = folder.path().join("vocabulary.txt");
    vocabulary.save(&path)?;
    let mut plan = Glove::plan();
    plan.weights[0].file = folder.path().join("glove.txt");
    let Names::Glove { layer, vocabulary: of } = &mut plan.weights[0].names else { panic!("{:?}", plan.weights) };
    assert_eq!(layer, "words");
    *of = path;
    std::fs::write(&plan.weights[0].file, "good 1 0 2\nthe 9 9 9\nbad -1 0 4\n").expect("a file");
    let short = |stage: &mut Stage| (stage.epochs, stage.batch) = (1, 4);
    plan.stages_mut().into_iter().for_each(short);

    let texts = ["good film", "not bad", "bad film", "not good", "good", "bad", "film", "a film"];
    let input = glove::Input { text: vocabulary.encode(texts)? };
    let target = Tensor::from_slice(&[1i64, 1, 0, 0, 1, 0, 0, 1]);
    let all = Dataset::new(input, target, Glove::description().task)?;
    let data = Splits { train: all.narrow(0, 4)?, valid: all.narrow(4, 4)? };
    let mut model = Glove::seeded(Device::Cpu, 0)?;
    let drawn = model.variables().variables()["encoders.text.words.weight"].detach().copy();
    Trainer::new(plan).train(&mut model, &data, &mut Progress::silent())?;

    // The words found have the mean 0, 0, 3 and the deviation 1, 0, 1.
    let (mean, deviation) = (Tensor::from_slice(&[0f32, 0.0, 3.0]), Tensor::from_slice(&[1f32, 0.0, 1.0]));
    let expected = &drawn * deviation + mean;
    for (word, vector) in [("<pad>", [0f32, 0.0, 0.0]), ("bad", [-1.0, 0.0, 4.0]), ("good", [1.0, 0.0, 2.0])] {
        let row = vocabulary.words().iter().position(|other| other == word).expect("the word");
        expected.get(row as i64).copy_(&Tensor::from_slice(&vector));
    }
    let table = model.variables().variables()["encoders.text.words.weight"].detach();
    assert!(table.allclose(&expected, 1e-6, 1e-6, false), "{table} and {expected}");
    assert_eq!(table.kind(), Kind::Float);
    Ok(())
}
