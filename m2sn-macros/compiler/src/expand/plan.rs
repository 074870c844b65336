//! The training section, as the runtime's `Plan`.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Context, list};
use crate::model::{Model, Names, Torchvision, Weights};
use crate::spec::{
    Anneal, Augment, ClassWeights, Latency, Loss, Method, Metric, Optimizer, Policy, Reads, Schedule, Stage,
};

pub(super) fn expand(model: &Model, _: &Context) -> TokenStream {
    let training = &model.training;
    let seed = Literal::u64_unsuffixed(training.seed);
    let loss = training.loss.as_ref().map(loss);
    let stage = |stage: &Stage| self::stage(stage, stage.select.unwrap_or(training.select));
    let (pretrain, fusion) = (stage(&training.pretrain), stage(&training.fusion));
    let shortcuts = stage(&training.shortcuts.stage);
    // By a loss of its own, which weighs time.
    let navigator = self::stage(&training.navigator, Metric::Loss);
    let method = match training.shortcuts.method {
        Method::Integral => quote!(Integral),
        Method::Peripheral => quote!(Peripheral),
        Method::Joint => quote!(Joint),
    };
    let latency = match model.navigator.latency {
        Latency::Ratio(ratio) => {
            let ratio = Literal::f64_unsuffixed(ratio);
            quote!(Ratio(#ratio))
        }
        Latency::Weight(weight) => {
            let weight = Literal::f64_unsuffixed(weight);
            quote!(Weight(#weight))
        }
    };
    let temperature = &model.navigator.temperature;
    let (from, to) = (Literal::f64_unsuffixed(temperature.from), Literal::f64_unsuffixed(temperature.to));
    let anneal = match temperature.anneal {
        Anneal::Exponential => quote!(Exponential),
        Anneal::Linear => quote!(Linear),
    };
    let soften = model.navigator.soften;
    let price = Literal::f64_unsuffixed(model.navigator.price);
    let policy = match model.navigator.policy {
        Policy::Paper => quote!(Paper),
        Policy::Confidence => quote!(Confidence),
        Policy::Value => quote!(Value),
        Policy::Sequential => quote!(Sequential),
    };
    let augment = augment(&training.augment.0);
    let reads = match model.navigator.from {
        Reads::Inputs => quote!(Inputs),
        Reads::Stem => quote!(Stem),
        Reads::Posterior => quote!(Posterior),
    };
    let weights =
        model.modalities.iter().filter_map(|modality| Some((&modality.name.text, modality.weights.as_ref()?)));
    let weights: Vec<_> = weights.map(|(modality, weights)| self::weights(modality, weights)).collect();
    let weights = list(weights.into_iter());
    quote! {
        pub(super) fn plan() -> plan::Plan {
            plan::Plan {
                seed: #seed,
                loss: plan::Loss::#loss,
                weights: #weights,
                pretrain: #pretrain,
                shortcuts: plan::Shortcuts { method: plan::Method::#method, stage: #shortcuts },
                fusion: #fusion,
                navigator: plan::Navigator {
                    policy: plan::Policy::#policy,
                    price: #price,
                    stage: #navigator,
                    from: plan::Reads::#reads,
                    latency: plan::Latency::#latency,
                    temperature: plan::Temperature { from: #from, to: #to, anneal: plan::Anneal::#anneal },
                    soften: #soften,
                },
                augment: #augment,
            }
        }
    }
}

fn weights(modality: &str, weights: &Weights) -> TokenStream {
    let Weights { file, names, ignore, fresh, freeze, learning_rate } = weights;
    let texts = |texts: &[String]| list(texts.iter().map(|text| quote!(#text.into())));
    let names = match names {
        Names::Torchvision { kind, network } => {
            let kind = match kind {
                Torchvision::Resnet => quote!(Resnet),
                Torchvision::R3d => quote!(R3d),
                Torchvision::R2plus1d => quote!(R2plus1d),
            };
            quote!(plan::Names::Torchvision { kind: plan::Torchvision::#kind, network: #network.into() })
        }
        Names::Huggingface { network, layers } => {
            let layers = Literal::u64_unsuffixed(*layers);
            quote!(plan::Names::Huggingface { network: #network.into(), layers: #layers })
        }
        Names::Glove { layer, vocabulary } => {
            quote!(plan::Names::Glove { layer: #layer.into(), vocabulary: #vocabulary.into() })
        }
        Names::Map(map) => {
            let map = list(map.iter().map(|(theirs, ours)| quote!((#theirs.into(), #ours.into()))));
            quote!(plan::Names::Map(#map))
        }
    };
    let (ignore, fresh, freeze) = (texts(ignore), texts(fresh), texts(freeze));
    let learning_rate = Literal::f64_unsuffixed(*learning_rate);
    quote! {
        plan::Weights {
            modality: #modality.into(),
            file: #file.into(),
            names: #names,
            ignore: #ignore,
            fresh: #fresh,
            freeze: #freeze,
            learning_rate: #learning_rate,
        }
    }
}

fn augment(modalities: &[(String, Augment)]) -> TokenStream {
    if modalities.is_empty() {
        return quote!(Default::default());
    }
    let each = modalities.iter().map(|(name, Augment { flip, crop, spec_augment })| {
        let flip = flip.is_some();
        let crop = match crop.as_ref().map(|crop| Literal::u64_unsuffixed(crop.padding)) {
            None => quote!(None),
            Some(padding) => quote!(Some(#padding)),
        };
        let spec_augment = match spec_augment {
            None => quote!(None),
            Some(masks) => {
                let [time, frequency, masks] = [masks.time, masks.frequency, masks.masks].map(Literal::u64_unsuffixed);
                quote!(Some(plan::SpecAugment { time: #time, frequency: #frequency, masks: #masks }))
            }
        };
        quote!((#name.to_owned(), plan::Augment { flip: #flip, crop: #crop, spec_augment: #spec_augment }))
    });
    quote!([#(#each),*].into())
}

fn stage(stage: &Stage, select: Metric) -> TokenStream {
    let (epochs, batch) = (Literal::u64_unsuffixed(stage.epochs), Literal::u64_unsuffixed(stage.batch));
    let (optimizer, schedule) = (optimizer(stage.optimizer), schedule(stage.schedule));
    let select = metric(select);
    let patience = match stage.patience.map(Literal::u64_unsuffixed) {
        None => quote!(None),
        Some(epochs) => quote!(Some(#epochs)),
    };
    quote! {
        plan::Stage {
            epochs: #epochs,
            batch: #batch,
            optimizer: plan::Optimizer::#optimizer,
            schedule: plan::Schedule::#schedule,
            patience: #patience,
            select: plan::Metric::#select,
        }
    }
}

fn loss(loss: &Loss) -> TokenStream {
    match loss {
        Loss::CrossEntropy { label_smoothing, weights } => {
            let (label_smoothing, weights) =
                (Literal::f64_unsuffixed(*label_smoothing), class_weights(weights.as_ref()));
            quote!(CrossEntropy { label_smoothing: #label_smoothing, weights: #weights })
        }
        Loss::BinaryCrossEntropy { positive_weights } => {
            let positive_weights = class_weights(positive_weights.as_ref());
            quote!(BinaryCrossEntropy { positive_weights: #positive_weights })
        }
        Loss::Mae => quote!(Mae),
        Loss::Mse => quote!(Mse),
        Loss::Huber { delta } => {
            let delta = Literal::f64_unsuffixed(*delta);
            quote!(Huber { delta: #delta })
        }
    }
}

fn class_weights(weights: Option<&ClassWeights>) -> TokenStream {
    match weights {
        None => quote!(plan::ClassWeights::Equal),
        Some(ClassWeights::Balanced) => quote!(plan::ClassWeights::Balanced),
        Some(ClassWeights::Listed(weights)) => {
            let weights = weights.iter().map(|weight| Literal::f64_unsuffixed(*weight));
            quote!(plan::ClassWeights::Listed(vec![#(#weights),*]))
        }
    }
}

fn metric(metric: Metric) -> TokenStream {
    match metric {
        Metric::Loss => quote!(Loss),
        Metric::Accuracy => quote!(Accuracy),
        Metric::MicroF1 => quote!(MicroF1),
        Metric::MacroF1 => quote!(MacroF1),
        Metric::WeightedF1 => quote!(WeightedF1),
        Metric::SubsetAccuracy => quote!(SubsetAccuracy),
        Metric::Mae => quote!(Mae),
        Metric::Correlation => quote!(Correlation),
        Metric::BinaryAccuracy => quote!(BinaryAccuracy),
    }
}

fn optimizer(optimizer: Optimizer) -> TokenStream {
    match optimizer {
        Optimizer::AdamW { lr, weight_decay } => {
            let (lr, weight_decay) = (Literal::f64_unsuffixed(lr), Literal::f64_unsuffixed(weight_decay));
            quote!(AdamW { lr: #lr, weight_decay: #weight_decay })
        }
        Optimizer::Sgd { lr, momentum, weight_decay } => {
            let (lr, momentum) = (Literal::f64_unsuffixed(lr), Literal::f64_unsuffixed(momentum));
            let weight_decay = Literal::f64_unsuffixed(weight_decay);
            quote!(Sgd { lr: #lr, momentum: #momentum, weight_decay: #weight_decay })
        }
    }
}

fn schedule(schedule: Schedule) -> TokenStream {
    match schedule {
        Schedule::Constant => quote!(Constant),
        Schedule::Cosine { warmup } => {
            let warmup = Literal::f64_unsuffixed(warmup);
            quote!(Cosine { warmup: #warmup })
        }
        Schedule::Step { epochs, gamma } => {
            let (epochs, gamma) = (Literal::u64_unsuffixed(epochs), Literal::f64_unsuffixed(gamma));
            quote!(Step { epochs: #epochs, gamma: #gamma })
        }
    }
}
