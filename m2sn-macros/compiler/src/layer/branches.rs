use std::fmt;

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Inferred, MAX_SIZE, Operation, Site, infer as infer_layer};
use crate::cost::Cost;
use crate::shape::Shape;
use crate::spec::Layer;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    branches: Vec<Vec<Step>>,
}

#[derive(Debug, Clone)]
struct Step {
    operation: Operation,
    input: Shape,
    output: Shape,
}

pub(super) fn infer(spec: &[Vec<Layer>], site: &mut Site<'_>) -> Option<Inferred> {
    let place = site.place.key("branches");
    if spec.is_empty() {
        site.errors
            .error(&place, "there is no branch")
            .help("write lists of layers, such as `[[{ mel: {} }, flatten]]`");
        return None;
    }
    let mut cost = Cost::default();
    let branches: Vec<Option<Vec<Step>>> =
        spec.iter().enumerate().map(|(index, layers)| branch(layers, &place.entry(index), &mut cost, site)).collect();
    let branches: Vec<Vec<Step>> = branches.into_iter().collect::<Option<_>>()?;
    let outputs = branches.iter().filter_map(|steps| steps.last()).map(|step| step.output);
    let mut joined: Option<Shape> = None;
    for (index, output) in outputs.enumerate() {
        joined = match (joined, output) {
            (None, Shape::Vector { .. } | Shape::Sequence { .. }) => Some(output),
            (Some(Shape::Vector { size }), Shape::Vector { size: more }) => {
                Some(Shape::Vector { size: size.saturating_add(more) })
            }
            (Some(Shape::Sequence { length, features }), Shape::Sequence { length: same, features: more })
                if length == same =>
            {
                Some(Shape::Sequence { length, features: features.saturating_add(more) })
            }
            (before, _) => {
                let message = match before {
                    None => format!("a branch ends in `{output}`"),
                    Some(before) => format!("a branch ends in `{output}`, those before it in `{before}`"),
                };
                site.errors
                    .error(&place.entry(index), message)
                    .help("let all end in vectors, or all in sequences of as many steps, which go side by side");
                return None;
            }
        };
    }
    let output = joined?;
    if output.dims().iter().any(|size| *size > MAX_SIZE) {
        site.errors
            .error(&place, format!("the branches side by side have more than {MAX_SIZE} features"))
            .help("end them in fewer features");
        return None;
    }
    Some(Inferred { operation: Operation::Branches(Settings { branches }), output, cost })
}

fn branch(layers: &[Layer], place: &crate::place::Place, cost: &mut Cost, site: &mut Site<'_>) -> Option<Vec<Step>> {
    if layers.is_empty() {
        site.errors.error(place, "a branch has no layer").help("add at least one, or leave the branch out");
        return None;
    }
    let mut input = site.input;
    let mut steps = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let place = place.entry(index);
        let mut site = Site { input, tokens: site.tokens, place, errors: &mut *site.errors };
        let inferred = infer_layer(layer, &mut site)?;
        *cost = *cost + inferred.cost;
        steps.push(Step { operation: inferred.operation, input, output: inferred.output });
        input = inferred.output;
    }
    Some(steps)
}

impl Settings {
    /// The expression that builds the layer, each branch and each of its layers under its number.
    pub(super) fn construct(&self, path: &TokenStream) -> TokenStream {
        let branches = self.branches.iter().enumerate().map(|(branch, steps)| {
            let branch = Literal::usize_unsuffixed(branch);
            let layers = steps.iter().enumerate().map(|(number, Step { operation, input, output })| {
                let place = Literal::usize_unsuffixed(number);
                let layer = operation.construct(quote!(#path / #branch / #place), *input, *output);
                let (ty, input, output) = (operation.ty(*input, *output), input.ty(), output.ty());
                match number {
                    0 => quote!(Sequential::<#input, #output>::new::<#ty>(#layer)),
                    _ => quote!(.then::<#output, #ty>(#layer)),
                }
            });
            quote!(.and(#(#layers)*))
        });
        quote!(Branches::new() #(#branches)*)
    }

    /// The layers of all branches.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Operation> {
        self.branches.iter().flatten().map(|step| &step.operation)
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (branch, steps) in self.branches.iter().enumerate() {
            for (number, Step { operation, output, .. }) in steps.iter().enumerate() {
                let before = match (branch, number) {
                    (0, 0) => "",
                    (_, 0) => " | ",
                    _ => ", ",
                };
                write!(f, "{before}{operation} -> {output}")?;
            }
        }
        Ok(())
    }
}
