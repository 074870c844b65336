use std::fmt;

use proc_macro2::TokenStream;
use quote::ToTokens;

use super::{Inferred, Operation, Site};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::Custom;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) path: TokenStream,
}

pub(super) fn infer(spec: &Custom, site: &mut Site<'_>) -> Option<Inferred> {
    let path = path(&spec.path, site);
    let output = output(&spec.output, site);
    Some(Inferred {
        // An empty path stands in for a wrong one, so that checks go on.
        operation: Operation::Custom(Settings { path: path.unwrap_or_default() }),
        output: output?,
        cost: Cost { parameters: spec.parameters, multiply_adds: spec.multiply_adds },
    })
}

/// A path that means the same in the generated module as it does everywhere else.
fn path(text: &str, site: &mut Site<'_>) -> Option<TokenStream> {
    let place = site.setting("custom", "path");
    // Only names: generic arguments could nest without bound, and a type without them says the same.
    let plain = text.split("::").all(|part| part.chars().all(|c| c.is_alphanumeric() || c == '_'));
    let Some(path) = plain.then(|| syn::parse_str::<syn::Path>(text).ok()).flatten() else {
        site.errors
            .error(&place, format!("`{text}` is not the path of a type"))
            .help("write a path such as `crate::layers::Gate`; a type with arguments needs an alias");
        return None;
    };
    let rooted = path.leading_colon.is_some() || path.segments.first().is_some_and(|first| first.ident == "crate");
    if !rooted {
        site.errors
            .error(&place, format!("the path `{text}` does not begin at the root of a crate"))
            .help(format!("write `crate::…::{}`", text.rsplit("::").next().unwrap_or(text)));
        return None;
    }
    Some(path.into_token_stream())
}

fn output(dims: &[u64], site: &mut Site<'_>) -> Option<Shape> {
    let place = site.setting("custom", "output");
    let shape = match *dims {
        [size] => Shape::Vector { size },
        [length, features] => Shape::Sequence { length, features },
        [channels, height, width] => Shape::Image { channels, height, width },
        [frames, channels, height, width] => Shape::Video { frames, channels, height, width },
        _ => {
            site.errors.error(&place, format!("an output of {} dimensions is no shape", dims.len())).help(
                "write `[size]`, `[length, features]`, `[channels, height, width]`, or with the frames before them",
            );
            return None;
        }
    };
    let mut sound = true;
    for (index, size) in dims.iter().enumerate() {
        sound &= super::site::size(*size, "output", &place.entry(index), site.errors).is_some();
    }
    sound.then_some(shape)
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens print with spaces, which no one writes into a path.
        f.write_str(&self.path.to_string().replace(' ', ""))
    }
}
