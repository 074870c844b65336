//! The whole way of a spec: from the arguments of a macro to the code of a model, or to what stands in for it.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, DeriveInput};

use crate::args::Args;
use crate::check::{Checked, check};
use crate::expand::{Context, Sketch, expand, stub};
use crate::lints::lints;
use crate::outline::Outline;
use crate::print::print;
use crate::report::{Diagnostic, Severity};
use crate::source::{Base, Source};

/// Writes the model on an item; where something is wrong, the faults and what stands in for the model.
pub fn generate(args: &Args, source: Result<Source, String>, item: TokenStream) -> TokenStream {
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
    let mut context = context(args, Some(&source), item);
    let sketch = |context: &Context| stub(&Sketch::read(&source.text), context);
    match check(&source.text, &source.path, Some(&strukt)) {
        _ if misplaced.is_some() => misplaced.into_iter().chain([sketch(&context)]).collect(),
        Ok(Checked { model, warnings }) => {
            let lints = if warnings.is_empty() { Vec::new() } else { lints(&mut context.item.attrs) };
            let warnings = warnings.iter().map(|fault| warning(&fault.rendered, &lints, span));
            warnings.chain([expand(&model, &context)]).collect()
        }
        Err(faults) => errors(&faults).map(|fault| error(fault, span)).chain([sketch(&context)]).collect(),
    }
}

/// The code that [`generate`] would write, as an expression that holds its text.
pub fn embed(args: &Args, source: Result<Source, String>) -> TokenStream {
    let text = source.map_err(|fault| vec![fault]).and_then(|source| match text(args, &source) {
        Ok(text) => Ok((text, source)),
        Err(faults) => Err(errors(&faults).map(str::to_owned).collect()),
    });
    match text {
        Ok((text, source)) => {
            let include = include(&source);
            // The inclusion makes cargo build anew when the spec changes.
            quote!({ const _: &str = #include; #text })
        }
        Err(faults) => {
            let errors = faults.iter().map(|fault: &String| error(fault, args.spec.span()));
            quote!({ #(#errors)* "" })
        }
    }
}

/// The source text of a model, on a struct that bears its name.
///
/// # Errors
/// Every fault of the spec, warnings included, in the order of the file.
pub fn text(args: &Args, source: &Source) -> Result<String, Vec<Diagnostic>> {
    let Checked { model, .. } = check(&source.text, &source.path, None)?;
    let name = proc_macro2::Ident::new(&model.name.text, Span::call_site());
    let item = syn::parse_quote!(pub struct #name;);
    Ok(print(expand(&model, &context(args, Some(source), item))))
}

/// What tools show of a network, and the warnings of its spec.
///
/// # Errors
/// Every fault of the spec, warnings included, in the order of the file.
pub fn outline(source: &Source) -> Result<(Outline, Vec<Diagnostic>), Vec<Diagnostic>> {
    let Checked { model, warnings } = check(&source.text, &source.path, None)?;
    Ok((Outline::of(&model), warnings))
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

/// The faults that stand in the way of the model.
fn errors(faults: &[Diagnostic]) -> impl Iterator<Item = &str> {
    faults.iter().filter(|fault| fault.severity == Severity::Error).map(|fault| fault.rendered.as_str())
}

fn error(text: &str, span: Span) -> TokenStream {
    quote_spanned!(span=> ::core::compile_error!(#text);)
}

/// The use of something deprecated is the one warning that a macro can give; the name says first what it is about.
fn warning(text: &str, lints: &[Attribute], span: Span) -> TokenStream {
    quote_spanned! {span=>
        #(#lints)*
        const _: () = {
            #[deprecated(note = #text)]
            const WARNING_ABOUT_THE_SPEC: () = ();
            WARNING_ABOUT_THE_SPEC
        };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use syn::parse_quote;

    use super::{Args, Base, Source, generate, text};
    use crate::print::print;

    #[test]
    fn source_of_every_spec() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::glob!("../../../specs", "**/*.yaml", |file| {
                let below = file.strip_prefix(root.join("specs").canonicalize().expect("a folder"));
                let path = format!("specs/{}", below.expect("a file below").display());
                let args = Args::of(&path);
                let source = Source::read(&path, &root, None).expect("the spec is there");
                insta::assert_snapshot!("source", text(&args, &source).unwrap_or_else(|faults| super::errors(&faults).collect()));
            });
        });
    }

    #[test]
    fn a_faulty_spec_still_tells_what_may_be_missing() {
        let text = "\
model: Faulty
task: { classification: { classes: 1 } }
modalities:
  image: { input: { image: { channels: 1, height: 8, width: 8 } }, missing: 2, encoder: [feature: flatten] }
  sound: { input: { vector: { size: 4 } }, missing: , encoder: [feature: { linear: { size: 4 } }] }
";
        let source = Source { path: "a.yaml".to_owned(), base: Base::Package, text: text.to_owned() };
        let code = print(generate(
            &Args::of("a.yaml"),
            Ok(source),
            parse_quote!(
                pub struct Faulty;
            ),
        ));
        for line in [
            "pub image: Option<Batch<Image<1, 8, 8>>>,",
            "pub sound: Batch<Vector<4>>,",
            "pub image: Option<ImageExit>,",
            "pub sound: SoundExit,",
        ] {
            assert!(code.contains(line), "{code}");
        }
    }
}
