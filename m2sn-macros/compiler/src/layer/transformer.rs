use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::conv::divisor_help;
use super::{Inferred, Operation, Site, activation, float, integer, product};
use crate::cost::Cost;
use crate::spec::{EPSILON, Order, Transformer};

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    layers: u64,
    heads: u64,
    feed_forward: u64,
    dropout: f64,
    activation_dropout: f64,
    order: Order,
    epsilon: f64,
    activation: &'static str,
}

pub(super) fn infer(spec: &Transformer, site: &mut Site<'_>) -> Option<Inferred> {
    let Transformer { layers, heads, feed_forward, dropout, activation_dropout, norm, epsilon, activation } = spec;
    let layers = site.count("transformer", "layers", *layers);
    let heads = site.count("transformer", "heads", *heads);
    let feed_forward = site.count("transformer", "feed_forward", *feed_forward);
    let dropout = site.probability("transformer", "dropout", *dropout);
    let activation_dropout =
        activation_dropout.map(|share| site.probability("transformer", "activation_dropout", share));
    let epsilon = site.epsilon("transformer", *epsilon);
    let activation = site.activation("transformer", *activation);
    let [length, features] = site.sequence("transformer")?;
    if !features.is_multiple_of(heads) {
        let place = site.setting("transformer", "heads");
        site.errors
            .error(&place, format!("{heads} heads do not divide the {features} features of the sequence"))
            .help(divisor_help(features, heads));
    }

    let norm_parameters = 2 * features;
    // Queries, keys, values and the output of attention are four linear maps; the feed-forward part has two.
    let weights = product(&[4, features, features]).saturating_add(product(&[2, features, feed_forward]));
    let biases = 5 * features + feed_forward;
    let layer = Cost {
        parameters: weights.saturating_add(biases + 2 * norm_parameters),
        // Each step is compared with each, and each comparison weighs one vector of values.
        multiply_adds: product(&[length, weights]).saturating_add(product(&[2, length, length, features])),
    };
    let last = match norm {
        Order::Pre => Cost { parameters: norm_parameters, multiply_adds: 0 },
        Order::Post => Cost::default(),
    };
    Some(Inferred {
        operation: Operation::Transformer(Settings {
            layers,
            heads,
            feed_forward,
            dropout,
            activation_dropout: activation_dropout.unwrap_or(dropout),
            order: *norm,
            epsilon,
            activation,
        }),
        output: site.input,
        cost: layer.times(layers) + last,
    })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let (layers, heads, feed_forward) = (integer(self.layers), integer(self.heads), integer(self.feed_forward));
        let order = match self.order {
            Order::Pre => quote!(Order::PreNorm),
            Order::Post => quote!(Order::PostNorm),
        };
        let (dropout, activation_dropout) = (float(self.dropout), float(self.activation_dropout));
        let (epsilon, activation) = (float(self.epsilon), activation(self.activation));
        quote!(transformer::Settings {
            layers: #layers,
            heads: #heads,
            feed_forward: #feed_forward,
            dropout: #dropout,
            activation_dropout: #activation_dropout,
            order: #order,
            epsilon: #epsilon,
            activation: #activation
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layers, heads, feed_forward, order, epsilon, activation, .. } = self;
        let order = match order {
            Order::Pre => "pre-norm",
            Order::Post => "post-norm",
        };
        write!(f, "layers {layers} heads {heads} feed_forward {feed_forward} {order} {}", activation.to_lowercase())?;
        if *epsilon != EPSILON {
            write!(f, " epsilon {epsilon:e}")?;
        }
        Ok(())
    }
}
