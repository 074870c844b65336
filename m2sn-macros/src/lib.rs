//! The macros of m2sn: a page over its compiler.

use std::path::Path;

use m2sn_compiler::{Args, Source, embed, generate};
use proc_macro2::TokenStream;
use syn::LitStr;

/// Generates the model that a YAML spec describes.
///
/// ```ignore
/// use m2sn::prelude::*;
///
/// #[m2sn_model("specs/avdigits.yaml")]
/// pub struct AvDigits;
/// ```
///
/// The struct bears the name that the spec gives the model. It gets `new`, `train`, `predict`, `predict_by`, `save`,
/// `open` and `load`, and a module of its name in snake_case beside it: `av_digits::Input` with a typed field a modality,
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
    embed(&args, read(&args.spec)).into()
}

/// Reads the spec that a literal names.
fn read(spec: &LitStr) -> Result<Source, String> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let caller = spec.span().unwrap().local_file();
    Source::read(&spec.value(), Path::new(&package), caller.as_deref().and_then(Path::parent))
}
