//! Model to tokens, one file a part of the generated code.
//!
//! Expansion cannot fail: whatever could be wrong, `check` has refused. What is written here is what a careful engineer
//! would write by hand over the runtime, and rustc checks its wiring once more: shapes are types.

mod description;
mod docs;
mod encoder;
mod head;
mod imports;
mod input;
mod navigator;
mod network;
mod plan;
mod route;
mod strukt;
mod stub;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use crate::layer::Operation;
use crate::model::{Layer, Modality, Model, Name};
use crate::shape::Shape;

pub(crate) use stub::{Sketch, stub};

/// What the expansion needs beside the model.
pub(crate) struct Context {
    /// The annotated struct, or the one that `m2sn_source!` makes up.
    pub(crate) item: syn::DeriveInput,
    /// The facade package, `::m2sn` if the user did not say otherwise.
    pub(crate) krate: syn::Path,
    /// The spec file, as the user wrote its path.
    pub(crate) spec_path: String,
    /// The `include_str!` of the spec, which makes cargo build anew when the file changes.
    pub(crate) include: TokenStream,
    /// Where the names of the spec come from: the literal that names the file, so that editors jump there.
    pub(crate) span: Span,
}

impl Context {
    fn ident(&self, name: &str) -> Ident {
        Ident::new(name, self.span)
    }

    /// The field, function or module of a name.
    fn snake(&self, name: &Name) -> Ident {
        self.ident(&name.snake)
    }

    /// The type or variant of a name, with what it is of.
    fn pascal(&self, name: &Name, suffix: &str) -> Ident {
        format_ident!("{}{suffix}", name.pascal, span = self.span)
    }

    /// Where the spec says it, for documentation.
    fn line(&self, name: &Name) -> String {
        format!("From `{}:{}`.", self.spec_path, name.line)
    }

    /// The module of everything that belongs to the model.
    fn module(&self, model: &Model) -> Ident {
        self.ident(&model.name.snake)
    }
}

/// What inputs and routes show of a modality; a faulty spec may still tell it.
#[derive(Debug)]
struct Face {
    name: Name,
    input: Shape,
    /// From the shallowest to `full`.
    exits: Vec<Name>,
    may_be_missing: bool,
}

impl Face {
    fn of(modality: &Modality) -> Self {
        Self {
            name: modality.name.clone(),
            input: modality.input,
            exits: modality.exits.iter().map(|exit| exit.name.clone()).collect(),
            may_be_missing: modality.may_be_missing(),
        }
    }
}

/// Writes the model: the struct with its methods, its place in the runtime, and the module of its parts.
pub(crate) fn expand(model: &Model, context: &Context) -> TokenStream {
    let strukt = strukt::expand(model, context);
    let network = network::expand(model, context);
    let faces: Vec<_> = model.modalities.iter().map(Face::of).collect();
    let route = route::expand(&faces, context);
    let parts = [
        input::expand(&faces, context),
        encoder::expand(model, context),
        head::expand(model, context),
        navigator::expand(model, context),
        description::expand(model, context),
        plan::expand(model, context),
    ];
    let imports = imports::expand(&parts, context);
    let visibility = &context.item.vis;
    let module = context.module(model);
    let docs = docs::lines(&format!("What belongs to [`{0}`](super::{0}).", model.name.text));
    quote! {
        #strukt
        #network
        #docs
        #visibility mod #module {
            #imports
            #route
            #(#parts)*
        }
    }
}

/// The statements that send `input` through layers which are fields of `self`, one binding a layer.
fn forward(layers: &[Layer], context: &Context) -> TokenStream {
    let Some((last, layers)) = layers.split_last() else {
        return quote!(input.clone());
    };
    let mut value = quote!(input);
    let bindings: Vec<_> = layers
        .iter()
        .map(|layer| {
            let (field, binding) = (context.snake(&layer.name), binding(&layer.name, context));
            let shape =
                matches!(layer.operation, Operation::Custom(_)).then(|| batch(layer.output)).map(|ty| quote!(: #ty));
            let input = std::mem::replace(&mut value, quote!(&#binding));
            quote!(let #binding #shape = self.#field.forward(#input, train);)
        })
        .collect();
    let field = context.snake(&last.name);
    quote! {
        #(#bindings)*
        self.#field.forward(#value, train)
    }
}

/// Layers that are fields of `of`, without the shapes in their types.
fn erased(layers: &[Layer], of: &TokenStream, context: &Context) -> TokenStream {
    let layers = layers.iter().map(|layer| {
        let field = context.snake(&layer.name);
        // A layer of the user's own may be one between other shapes as well.
        let shapes = layer.is_custom().then(|| (layer.input.ty(), layer.output.ty()));
        let shapes = shapes.map(|(input, output)| quote!(::<#input, #output>));
        quote!(nn::erase #shapes(&#of.#field))
    });
    list(layers)
}

/// A `Vec` of these values.
fn list(values: impl ExactSizeIterator<Item = TokenStream>) -> TokenStream {
    if values.len() == 0 { quote!(Vec::new()) } else { quote!(Vec::from([#(#values),*])) }
}

/// The local variable of a layer, an exit or a modality; what generated code itself calls by the same name keeps it.
///
/// No other name beside `train` is `train_`: both are `Train` in PascalCase, and `check` refuses that.
fn binding(name: &Name, context: &Context) -> Ident {
    match name.snake.as_str() {
        taken @ ("train" | "exit" | "root" | "features" | "samples" | "f") => context.ident(&format!("{taken}_")),
        free => context.ident(free),
    }
}

/// Fields `name: layer`, each with its variables under `path` and its own name.
fn construct(layers: &[Layer], context: &Context) -> TokenStream {
    let fields = layers.iter().map(|layer| {
        let field = context.snake(&layer.name);
        let layer = layer.construct(below(&quote!(&path), &layer.name));
        quote!(#field: #layer)
    });
    quote!(#(#fields),*)
}

/// The path of a name below another. No part of a path holds a dot.
fn below(path: &TokenStream, name: &Name) -> TokenStream {
    let parts = name.text.split('.');
    quote!(#path #(/ #parts)*)
}

/// Whether any of the layers is built with the place of its variables.
fn have_variables(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| has_variables(&layer.operation))
}

fn has_variables(operation: &Operation) -> bool {
    match operation {
        Operation::Frames(settings) => has_variables(settings.layer()),
        Operation::Branches(settings) => settings.layers().any(has_variables),
        Operation::MaxPool(_)
        | Operation::AveragePool(_)
        | Operation::GlobalAveragePool
        | Operation::FirstStep
        | Operation::LastStep
        | Operation::Flatten
        | Operation::Delta(_)
        | Operation::ToImage
        | Operation::Dropout(_) => false,
        Operation::Conv(_)
        | Operation::Residual(_)
        | Operation::Normalize(_)
        | Operation::Conv3d(_)
        | Operation::Residual3d(_)
        // These have none, but are where the variables of others are.
        | Operation::Mel(_)
        | Operation::Mfcc(_)
        | Operation::SpectralCentroid(_)
        | Operation::AttentionPool
        | Operation::Linear(_)
        | Operation::Mlp(_)
        | Operation::Embedding(_)
        | Operation::Transformer(_)
        | Operation::Conv1d(_)
        | Operation::Maxout(_)
        | Operation::Recurrent(_)
        | Operation::BatchNorm(_)
        | Operation::Custom(_) => true,
    }
}

/// A tuple, for the functions that put any number of batches side by side.
fn tuple(values: &[TokenStream]) -> TokenStream {
    match values {
        [value] => quote!((#value,)),
        values => quote!((#(#values),*)),
    }
}

/// The type `Batch<S>` of a shape.
fn batch(shape: Shape) -> TokenStream {
    let shape = shape.ty();
    quote!(Batch<#shape>)
}

/// What may be missing is an `Option`.
fn optional(ty: TokenStream, may_be_missing: bool) -> TokenStream {
    if may_be_missing { quote!(Option<#ty>) } else { ty }
}

/// A batch of this shape as documentation writes it, such as `[batch, 1, 28, 28]`.
fn dims(shape: Shape) -> String {
    let dims: String = shape.dims().iter().map(|dim| format!(", {dim}")).collect();
    format!("[batch{dims}]")
}

/// The deepest feature of a modality.
fn feature(modality: &Modality) -> Shape {
    Shape::Vector { size: modality.feature }
}
