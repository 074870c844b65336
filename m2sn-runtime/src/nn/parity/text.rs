//! BERT's parts against Hugging Face's `transformers`, by `tests/fixtures/text.py`.

use super::*;
use crate::nn::program::Value;

type Words = Tokens<6>;
type Steps = Sequence<6, 8>;

const EMBEDDING: embedding::Settings = embedding::Settings {
    vocabulary: 7,
    padding: Some(0),
    positions: Positions::Learned(9),
    types: 2,
    norm: Some(1e-12),
    dropout: 0.0,
};

const LAYERS: transformer::Settings = transformer::Settings {
    layers: 2,
    heads: 2,
    feed_forward: 12,
    dropout: 0.0,
    activation_dropout: 0.0,
    order: Order::PostNorm,
    epsilon: 1e-12,
    activation: Activation::Gelu,
};

#[test]
fn bert_embeddings() {
    matches_in("text", "bert_embeddings", |path| Unmasked(Embedding::<Words, Steps>::new(path, EMBEDDING)));
}

#[test]
fn bert_layers() {
    for case in ["bert_layers", "bert_layers_padded"] {
        matches_in("text", case, |path| Transformer::<Steps, Steps>::new(path, LAYERS));
    }
}

#[test]
fn bert() {
    matches_in("text", "bert", Bert::new);
}

#[test]
fn bert_pooled() {
    for case in ["bert_pooled", "bert_pooled_padded"] {
        matches_in("text", case, |path| Pooled {
            bert: Bert::new(path.clone()),
            first: FirstStep::new(),
            pooler: Linear::new(path / "pooler", Some(Activation::Tanh)),
        });
    }
}

/// `BertModel` without its pooler.
#[derive(Debug)]
struct Bert {
    embeddings: Embedding<Words, Steps>,
    encoder: Transformer<Steps, Steps>,
}

impl Bert {
    fn new(path: Path<'_>) -> Self {
        Self {
            embeddings: Embedding::new(&path / "embeddings", EMBEDDING),
            encoder: Transformer::new(&path / "encoder", LAYERS),
        }
    }
}

impl Layer<Words, Steps> for Bert {
    fn forward(&self, input: &Batch<Words>, train: bool) -> Batch<Steps> {
        self.encoder.forward(&self.embeddings.forward(input, train), train)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let rows = self.embeddings.lower(program, input);
        self.encoder.lower(program, rows)
    }
}

/// `BertModel` with its pooler.
#[derive(Debug)]
struct Pooled {
    bert: Bert,
    first: FirstStep<Steps, Vector<8>>,
    pooler: Linear<Vector<8>, Vector<8>>,
}

impl Layer<Words, Vector<8>> for Pooled {
    fn forward(&self, input: &Batch<Words>, train: bool) -> Batch<Vector<8>> {
        self.pooler.forward(&self.first.forward(&self.bert.forward(input, train), train), train)
    }

    fn lower(&self, program: &mut Program, input: Value) -> Value {
        let rows = self.bert.lower(program, input);
        let first = self.first.lower(program, rows);
        self.pooler.lower(program, first)
    }
}
