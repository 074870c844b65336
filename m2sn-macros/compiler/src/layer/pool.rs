use std::fmt;

use proc_macro2::TokenStream;
use quote::quote;

use super::window::Window;
use super::{Inferred, MAX_SIZE, Operation, Site, product};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::Pool;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    window: Window<2>,
}

pub(super) fn infer(spec: &Pool, operation: fn(Settings) -> Operation, site: &mut Site<'_>) -> Option<Inferred> {
    let settings = |window| operation(Settings { window });
    let Pool { kernel, stride, padding } = spec;
    let nothing = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0] };
    let kind = match settings(nothing) {
        Operation::MaxPool(_) => "max_pool",
        _ => "average_pool",
    };
    let check = |site: &mut Site<'_>| Window::check(kind, [kernel.0, stride.0, padding.0], site);
    let (window, output) = match site.input {
        Shape::Image { channels, height, width } => {
            let window = check(site)?.holds_more_than_padding("pooling", kind, site)?;
            let [height, width] = window.slide([height, width], kind, site)?;
            (window, Shape::Image { channels, height, width })
        }
        Shape::Sequence { length, features } => {
            let window = check(site)?.over_steps(kind, site)?.holds_more_than_padding("pooling", kind, site)?;
            let [length, _] = window.slide([length, 1], kind, site)?;
            (window, Shape::Sequence { length, features })
        }
        _ => return site.misplaced(kind, "an image or a sequence"),
    };
    Some(Inferred { operation: settings(window), output, cost: Cost::default() })
}

pub(super) fn infer_global(site: &mut Site<'_>) -> Option<Inferred> {
    let size = match site.input {
        Shape::Image { channels, .. } => channels,
        Shape::Video { channels, .. } => channels,
        Shape::Sequence { features, .. } => features,
        _ => return site.misplaced("global_average_pool", "an image, a video or a sequence"),
    };
    let output = Shape::Vector { size };
    Some(Inferred { operation: Operation::GlobalAveragePool, output, cost: Cost::default() })
}

pub(super) fn infer_step(step: Operation, site: &mut Site<'_>) -> Option<Inferred> {
    let [_, size] = site.sequence(&step.to_string())?;
    Some(Inferred { operation: step, output: Shape::Vector { size }, cost: Cost::default() })
}

pub(super) fn infer_flatten(site: &mut Site<'_>) -> Option<Inferred> {
    if !matches!(site.input, Shape::Image { .. } | Shape::Sequence { .. }) {
        return site.misplaced("flatten", "an image or a sequence");
    }
    let size = product(&site.input.dims());
    if size > MAX_SIZE {
        let message = format!("the `{}` that comes in has more than {MAX_SIZE} features to flatten", site.input);
        site.errors.error(&site.place, message).help("put a pooling before it");
        return None;
    }
    Some(Inferred { operation: Operation::Flatten, output: Shape::Vector { size }, cost: Cost::default() })
}

impl Settings {
    pub(super) fn tokens(&self) -> TokenStream {
        let window = self.window.tokens();
        quote!(pool::Settings { #window })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.window.fmt(f)
    }
}
