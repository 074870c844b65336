use crate::layer::{divisor_help, epsilon, probability, size};
use crate::place::Place;
use crate::report::Errors;
use crate::spec::{Activation, Bert, BertPool, Embedding, Layer, Linear, Order, Positions, Transformer};

/// The most layers beside those of the encoder: the embeddings, the first step and the pooler.
pub(super) const BESIDE: u64 = 3;

/// The layers with their names, in the order of Hugging Face's `BertModel`.
pub(super) fn layers(spec: &Bert, place: &Place, errors: &mut Errors) -> Option<Vec<(String, Layer)>> {
    check(spec, &place.key("bert"), errors)?;
    let Bert { layers, hidden, heads, feed_forward, positions, types, dropout, epsilon, pool } = *spec;
    let embeddings = Layer::Embedding(Embedding {
        size: hidden,
        positions: Positions::Learned,
        places: Some(positions),
        types,
        norm: true,
        epsilon: Some(epsilon),
        dropout,
    });
    let layer = Layer::Transformer(Transformer {
        layers: 1,
        heads,
        feed_forward,
        dropout,
        activation_dropout: Some(0.0),
        norm: Order::Post,
        epsilon,
        activation: Activation::Gelu,
    });
    let mut parts = vec![("embeddings".to_owned(), embeddings)];
    parts.extend((1..=layers).map(|number| (format!("layer{number}"), layer.clone())));
    let pool = match pool {
        BertPool::None => vec![],
        BertPool::Mean => vec![("feature", Layer::GlobalAveragePool)],
        BertPool::First => vec![("feature", Layer::FirstStep)],
        BertPool::Pooler => {
            let dense = Linear { size: hidden, activation: Activation::Tanh };
            vec![("first", Layer::FirstStep), ("pooler", Layer::Linear(dense))]
        }
    };
    parts.extend(pool.into_iter().map(|(name, layer)| (name.to_owned(), layer)));
    Some(parts)
}

/// Says once, at the settings as they are written, what the rules of the parts would say of every layer.
fn check(spec: &Bert, place: &Place, errors: &mut Errors) -> Option<()> {
    let Bert { layers, hidden, heads, feed_forward, positions, types, dropout, .. } = *spec;
    let mut sound = true;
    for (setting, value) in [
        ("layers", layers),
        ("hidden", hidden),
        ("heads", heads),
        ("feed_forward", feed_forward),
        ("positions", positions),
        // Without types there is no table of them.
        ("types", types.max(1)),
    ] {
        sound &= size(value, setting, &place.key(setting), errors).is_some();
    }
    if sound && !hidden.is_multiple_of(heads) {
        errors
            .error(&place.key("heads"), format!("{heads} heads do not divide the {hidden} features of a token"))
            .help(divisor_help(hidden, heads));
        sound = false;
    }
    sound &= probability(dropout, &place.key("dropout"), errors) == dropout;
    sound &= epsilon(spec.epsilon, &place.key("epsilon"), errors) == spec.epsilon;
    sound.then_some(())
}
