//! The encoders: their layers in blocks, their shortcuts, and their heads.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{
    Context, batch, below, binding, construct, dims, docs, erased, feature, forward, have_variables, optional,
};
use crate::layer::{Alignment, Shortcut};
use crate::model::{Exit, Modality, Model, Name};
use crate::shape::Shape;

pub(super) fn expand(model: &Model, context: &Context) -> TokenStream {
    let names: Vec<_> = model.modalities.iter().map(|modality| context.snake(&modality.name)).collect();
    let types: Vec<_> = model.modalities.iter().map(|modality| context.pascal(&modality.name, "Encoder")).collect();
    let title = |modality: &Modality, text: &str| docs::lines(&format!("{text} `{}`.", modality.name.text));
    let encoders = model.modalities.iter().map(|modality| title(modality, "The encoder of"));
    let features = model.modalities.iter().map(|modality| {
        let name = context.snake(&modality.name);
        let ty = optional(batch(feature(modality)), modality.may_be_missing());
        let none = if modality.may_be_missing() { "; `None` where it takes no part" } else { "" };
        let line = docs::lines(&format!("Of `{}`, `{}`{none}.", modality.name.text, dims(feature(modality))));
        quote!(#line pub #name: #ty,)
    });
    let run = model.modalities.iter().map(|modality| {
        let name = context.snake(&modality.name);
        if !modality.may_be_missing() {
            return quote!(self.#name.feature(&input.#name, route.#name, train));
        }
        let batch = binding(&modality.name, context);
        quote! {
            network::feature_of(
                input.#name.as_ref(),
                route.#name,
                |#batch, exit| self.#name.feature(#batch, exit, train),
            )
        }
    });
    let way = docs::lines(if model.may_lack() {
        "Runs each encoder that has an input and an exit in `route` up to that exit, and the exit's shortcut."
    } else {
        "Runs each encoder up to its exit of `route`, and the exit's shortcut."
    });
    let chains = chains(model, context);
    let each = model.modalities.iter().map(|modality| encoder(modality, context));
    quote! {
        /// The encoders.
        #[derive(Debug)]
        pub struct Encoders {
            #(#encoders pub #names: #types,)*
        }

        /// The deepest feature of each modality, whichever exit it comes by.
        #[derive(Debug, Clone)]
        pub struct Features {
            #(#features)*
        }

        impl Encoders {
            pub(super) fn new(root: &Path<'_>) -> Self {
                Self { #(#names: #types::new(root)),* }
            }

            #way
            pub fn features(&self, input: &Input, route: Route, train: bool) -> Features {
                Features { #(#names: #run),* }
            }

            #chains
        }

        #(#each)*
    }
}

/// The layers of blocks, shortcuts and heads by their number, as the runtime's `Network` has them.
fn chains(model: &Model, context: &Context) -> TokenStream {
    let mut arms = Vec::new();
    for (m, modality) in model.modalities.iter().enumerate() {
        let (m, name) = (Literal::usize_unsuffixed(m), context.snake(&modality.name));
        for (e, exit) in modality.exits.iter().enumerate() {
            let e = Literal::usize_unsuffixed(e);
            let layers = erased(
                modality.layers.get(exit.layers.clone()).unwrap_or_default(),
                &quote!(self.#name.blocks),
                context,
            );
            arms.push(quote!(Chain::Block { modality: #m, block: #e } => #layers,));
        }
        for (e, exit) in modality.exits.iter().enumerate().filter(|(_, exit)| exit.shortcut.is_some()) {
            let (e, field) = (Literal::usize_unsuffixed(e), context.snake(&exit.name));
            arms.push(
                quote!(Chain::Shortcut { modality: #m, exit: #e } => Vec::from([nn::erase(&self.#name.shortcuts.#field)]),),
            );
        }
        arms.push(quote!(Chain::TaskHead { modality: #m } => Vec::from([nn::erase(&self.#name.task_head)]),));
    }
    quote! {
        pub(super) fn layers(&self, chain: Chain) -> Vec<Box<dyn AnyLayer + '_>> {
            match chain {
                #(#arms)*
                _ => network::no_such_chain(chain),
            }
        }
    }
}

fn encoder(modality: &Modality, context: &Context) -> TokenStream {
    let encoder = context.pascal(&modality.name, "Encoder");
    let blocks = context.pascal(&modality.name, "Blocks");
    let shortcuts = context.pascal(&modality.name, "Shortcuts");
    let title = docs::lines(&format!("The encoder of `{}`. {}", modality.name.text, context.line(&modality.name)));
    let head = modality.task_head.ty();
    let new = new(modality, context);
    let way = way(modality, context);
    let block_items = block_items(modality, context);
    let shortcut_items = shortcut_items(modality, context);
    let shortcut_field = shortcut_items.is_some().then(|| {
        quote! {
            /// From each exit to the deepest feature.
            pub shortcuts: #shortcuts,
        }
    });
    quote! {
        #title
        #[derive(Debug)]
        pub struct #encoder {
            /// The layers, in blocks that end at the exits.
            pub blocks: #blocks,
            #shortcut_field
            /// Predicts the task from this modality alone.
            pub task_head: #head,
        }

        impl #encoder {
            #new
            #way
        }

        #block_items
        #shortcut_items
    }
}

/// The constructor: every layer with its variables' path.
fn new(modality: &Modality, context: &Context) -> TokenStream {
    let name = &modality.name.text;
    let blocks = context.pascal(&modality.name, "Blocks");
    let layers = construct(&modality.layers, context);
    let path = have_variables(&modality.layers).then(|| quote!(let path = root / "encoders" / #name;));
    let ty = context.pascal(&modality.name, "Shortcuts");
    let fields: Vec<_> = shortcuts(modality)
        .map(|(exit, shortcut)| {
            let (field, path) = (context.snake(&exit.name), below(&quote!(&path), &exit.name));
            let alignment = alignment(&shortcut.alignment);
            quote!(#field: Shortcut::new(#path, #alignment))
        })
        .collect();
    let (shortcuts, field) = if fields.is_empty() {
        (None, None)
    } else {
        let shortcuts = quote! {
            let path = root / "shortcuts" / #name;
            let shortcuts = #ty { #(#fields),* };
        };
        (Some(shortcuts), Some(quote!(shortcuts,)))
    };
    let head = modality.task_head.construct(quote!(root / "task_heads" / #name));
    quote! {
        fn new(root: &Path<'_>) -> Self {
            #path
            let blocks = #blocks { #layers };
            #shortcuts
            let task_head = #head;
            Self { blocks, #field task_head }
        }
    }
}

/// The way to the deepest feature by one exit, in which rustc checks blocks and shortcuts against one another.
fn way(modality: &Modality, context: &Context) -> TokenStream {
    let exits = context.pascal(&modality.name, "Exit");
    let (input, output) = (batch(modality.input), batch(feature(modality)));
    let title = docs::lines(&format!(
        "The deepest feature by way of `exit`: its blocks, then its shortcut (Eq. (2)), `{}` → `{}`.",
        dims(modality.input),
        dims(feature(modality)),
    ));
    let mut value = quote!(input);
    let steps: Vec<_> = shortcuts(modality)
        .map(|(exit, _)| {
            let (method, variant) = (context.snake(&exit.name), context.pascal(&exit.name, ""));
            let binding = binding(&exit.name, context);
            let input = std::mem::replace(&mut value, quote!(&#binding));
            quote! {
                let #binding = self.blocks.#method(#input, train);
                if exit == #exits::#variant {
                    return self.shortcuts.#method.forward(&#binding, train);
                }
            }
        })
        .collect();
    let exit = context.ident(if steps.is_empty() { "_exit" } else { "exit" });
    let full = modality.exits.last().map(|exit| context.snake(&exit.name));
    quote! {
        #title
        pub fn feature(&self, input: &#input, #exit: #exits, train: bool) -> #output {
            #(#steps)*
            self.blocks.#full(#value, train)
        }
    }
}

/// The layers of the encoder, and a method a block.
fn block_items(modality: &Modality, context: &Context) -> TokenStream {
    let blocks = context.pascal(&modality.name, "Blocks");
    let title = docs::lines(&format!("The layers of `{}`, in blocks that end at the exits.", modality.name.text));
    let fields = modality.layers.iter().map(|layer| {
        let (name, ty) = (context.snake(&layer.name), layer.ty());
        quote!(#name: #ty,)
    });
    let mut shape = modality.input;
    let methods: Vec<_> = modality
        .exits
        .iter()
        .map(|exit| {
            let input = std::mem::replace(&mut shape, exit.shape);
            block(exit, input, modality, context)
        })
        .collect();
    quote! {
        #title
        #[derive(Debug)]
        pub struct #blocks {
            #(#fields)*
        }

        impl #blocks {
            #(#methods)*
        }
    }
}

fn block(exit: &Exit, input: Shape, modality: &Modality, context: &Context) -> TokenStream {
    let layers = modality.layers.get(exit.layers.clone()).unwrap_or_default();
    let names: Vec<_> = layers.iter().map(|layer| format!("`{}`", layer.name.text)).collect();
    let line = layers.first().map_or_else(String::new, |layer| context.line(&layer.name));
    let title = docs::lines(&format!("{}: `{}` → `{}`. {line}", names.join(", "), dims(input), dims(exit.shape)));
    let (name, input, output) = (context.snake(&exit.name), batch(input), batch(exit.shape));
    let body = forward(layers, context);
    quote! {
        #title
        pub fn #name(&self, input: &#input, train: bool) -> #output {
            #body
        }
    }
}

/// The shortcuts; `None` where the encoder has none.
fn shortcut_items(modality: &Modality, context: &Context) -> Option<TokenStream> {
    let ty = context.pascal(&modality.name, "Shortcuts");
    let title = docs::lines(&format!(
        "The shortcuts of `{}`, each from an exit to the deepest feature (Section III-B).",
        modality.name.text
    ));
    let fields: Vec<_> = shortcuts(modality)
        .map(|(exit, shortcut)| {
            let Name { text, .. } = &exit.name;
            let (name, output) = (context.snake(&exit.name), Shape::Vector { size: shortcut.feature });
            let line = docs::lines(&format!("From `{text}`: `{}` → `{}`.", dims(shortcut.input), dims(output)));
            let (input, output) = (shortcut.input.ty(), output.ty());
            quote!(#line pub #name: Shortcut<#input, #output>,)
        })
        .collect();
    (!fields.is_empty()).then(|| {
        quote! {
            #title
            #[derive(Debug)]
            pub struct #ty {
                #(#fields)*
            }
        }
    })
}

fn shortcuts(modality: &Modality) -> impl Iterator<Item = (&Exit, &Shortcut)> {
    modality.exits.iter().filter_map(|exit| exit.shortcut.as_ref().map(|shortcut| (exit, shortcut)))
}

fn alignment(alignment: &Alignment) -> TokenStream {
    let list = |values: &[u64]| {
        let values = values.iter().map(|value| Literal::u64_unsuffixed(*value));
        quote!([#(#values),*])
    };
    match alignment {
        Alignment::Image { grid, widths } => {
            let (grid, widths) = (list(grid), list(widths));
            quote!(Alignment::Image { grid: #grid, widths: #widths })
        }
        Alignment::Video { grid, widths } => {
            let (grid, widths) = (list(grid), list(widths));
            quote!(Alignment::Video { grid: #grid, widths: #widths })
        }
        Alignment::Sequence { widths } => {
            let widths = list(widths);
            quote!(Alignment::Sequence { widths: #widths })
        }
        Alignment::Vector { widths } => {
            let widths = list(widths);
            quote!(Alignment::Vector { widths: #widths })
        }
        Alignment::None => quote!(Alignment::None),
    }
}
