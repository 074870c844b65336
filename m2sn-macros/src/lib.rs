//! The compiler of m2sn: from a YAML spec to a checked model to Rust source.
//!
//! The way of a spec is read, parse, check, infer, expand, print; each is a module or a function below.
//! This package never links LibTorch; what it writes names the facade package `m2sn` alone.

mod args;
mod source;

mod document;
mod spec;

mod check;
mod layer;
mod model;
mod report;

mod expand;
mod print;

use std::path::Path;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, LitStr};

use crate::args::Args;
use crate::check::{Checked, check};
use crate::expand::{Context, Sketch, expand, stub};
use crate::print::print;
use crate::source::{Base, Source};

/// Generates the model that a YAML spec describes.
///
/// ```ignore
/// use m2sn::prelude::*;
///
/// #[m2sn_model("specs/avdigits.yaml")]
/// pub struct AvDigits;
/// ```
///
/// The struct bears the name that the spec gives the model. It gets `new`, `train`, `predict`, `predict_by`, `save` and
/// `load`, and a module of its name in snake_case beside it: `av_digits::Input` with a typed field a modality,
/// `av_digits::Route` with an exit a modality, and the typed parts of the network.
/// Its documentation shows the spec, the network and what each exit costs.
///
/// The path is relative to the package's folder; one that begins with `./` or `../` is relative to the file.
/// A change of the spec builds the crate anew.
///
/// `crate = path`, as the second argument, says where `m2sn` is found under another name.
/// The path has to begin with `::` or `crate`.
#[proc_macro_attribute]
pub fn m2sn_model(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let item = TokenStream::from(item);
    let args: Args = match syn::parse(args) {
        Ok(args) => args,
        Err(error) => return [error.into_compile_error(), item].into_iter().collect::<TokenStream>().into(),
    };
    generate(&args, read(&args.spec), item).into()
}

/// The code that [`macro@m2sn_model`] generates, as text.
///
/// ```ignore
/// insta::assert_snapshot!(m2sn_source!("specs/avdigits.yaml"));
/// ```
#[proc_macro]
pub fn m2sn_source(args: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let args: Args = match syn::parse(args) {
        Ok(args) => args,
        Err(error) => return error.into_compile_error().into(),
    };
    let text = read(&args.spec).map_err(|fault| vec![fault]).and_then(|source| Ok((text(&args, &source)?, source)));
    match text {
        Ok((text, source)) => {
            let include = include(&source);
            // The inclusion makes cargo build anew when the spec changes.
            quote!({ const _: &str = #include; #text }).into()
        }
        Err(faults) => {
            let errors = faults.iter().map(|fault| error(fault, args.spec.span()));
            quote!({ #(#errors)* "" }).into()
        }
    }
}

/// Reads the spec that a literal names.
fn read(spec: &LitStr) -> Result<Source, String> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let caller = spec.span().unwrap().local_file();
    Source::read(&spec.value(), Path::new(&package), caller.as_deref().and_then(Path::parent))
}

/// Writes the model on an item; where something is wrong, the faults and what stands in for the model.
fn generate(args: &Args, source: Result<Source, String>, item: TokenStream) -> TokenStream {
    const USAGE: &str = "`m2sn_model` goes on a struct without fields, such as `pub struct AvDigits;`";
    let span = args.spec.span();
    let item: DeriveInput = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(_) => return [error(USAGE, Span::call_site()), item].into_iter().collect(),
    };
    let strukt = item.ident.to_string();
    let misplaced = (!is_unit(&item)).then(|| error(USAGE, item.ident.span()));
    let source = match source {
        Ok(source) => source,
        Err(fault) => {
            let stub = stub(&Sketch::default(), &context(args, None, item));
            return [misplaced.unwrap_or_else(|| error(&fault, span)), stub].into_iter().collect();
        }
    };
    let context = context(args, Some(&source), item);
    let sketch = || stub(&Sketch::read(&source.text), &context);
    match check(&source.text, &source.path, Some(&strukt)) {
        _ if misplaced.is_some() => misplaced.into_iter().chain([sketch()]).collect(),
        Ok(Checked { model, warnings }) => {
            let warnings = warnings.iter().map(|text| warning(text, span));
            warnings.chain([expand(&model, &context)]).collect()
        }
        Err(faults) => faults.iter().map(|fault| error(fault, span)).chain([sketch()]).collect(),
    }
}

/// The source text of a model, on a struct that bears its name.
fn text(args: &Args, source: &Source) -> Result<String, Vec<String>> {
    let Checked { model, .. } = check(&source.text, &source.path, None)?;
    let name = proc_macro2::Ident::new(&model.name.text, Span::call_site());
    let item = syn::parse_quote!(pub struct #name;);
    Ok(print(expand(&model, &context(args, Some(source), item))))
}

fn context(args: &Args, source: Option<&Source>, item: DeriveInput) -> Context {
    Context {
        item,
        krate: args.krate.clone(),
        spec_path: args.spec.value(),
        include: source.map(include).unwrap_or_default(),
        // The literal's place, for editors; generated code all the same, for lints.
        span: Span::call_site().located_at(args.spec.span()),
    }
}

/// The text of the spec as the compiler sees it, by a path that is the same on every machine.
fn include(source: &Source) -> TokenStream {
    match source.base {
        Base::Package => {
            let path = format!("/{}", source.path);
            quote!(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), #path)))
        }
        Base::Caller => {
            let path = &source.path;
            quote!(include_str!(#path))
        }
    }
}

fn is_unit(item: &DeriveInput) -> bool {
    let unit = matches!(&item.data, syn::Data::Struct(data) if matches!(data.fields, syn::Fields::Unit));
    unit && item.generics.params.is_empty()
}

fn error(text: &str, span: Span) -> TokenStream {
    quote_spanned!(span=> ::core::compile_error!(#text);)
}

/// The use of something deprecated is the one warning that a macro can give.
fn warning(text: &str, span: Span) -> TokenStream {
    quote_spanned! {span=>
        const _: () = {
            #[deprecated(note = #text)]
            const SPEC: () = ();
            SPEC
        };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use syn::parse_quote;

    use super::{Args, Source, text};

    #[test]
    fn source_of_every_spec() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::glob!("../../specs", "*.yaml", |file| {
                let path = format!("specs/{}", file.file_name().unwrap_or_default().display());
                let args = Args { spec: parse_quote!(#path), krate: parse_quote!(::m2sn) };
                let source = Source::read(&path, &root, None).expect("the spec is there");
                insta::assert_snapshot!("source", text(&args, &source).unwrap_or_else(|faults| faults.join("\n")));
            });
        });
    }
}
