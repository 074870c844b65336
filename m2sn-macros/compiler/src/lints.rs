//! The lint attributes of the annotated struct, as the constants of its warnings bear them too.

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token, parse_quote};

type Metas = Punctuated<Meta, Token![,]>;

/// Takes from `attrs` what decides how a warning about the spec is met: levels of lints are copied, and what the user
/// expects is moved, since the warning will not be on the struct.
pub(crate) fn lints(attrs: &mut Vec<Attribute>) -> Vec<Attribute> {
    let mut taken = Vec::new();
    attrs.retain_mut(|attr| {
        let Split { stays, goes } = split(&attr.meta);
        taken.extend(goes.map(|meta| parse_quote!(#[#meta])));
        let keep = stays.is_some();
        attr.meta = stays.unwrap_or_else(|| attr.meta.clone());
        keep
    });
    taken
}

/// What of an attribute stays on the struct, and what goes to its warnings.
struct Split {
    stays: Option<Meta>,
    goes: Option<Meta>,
}

fn split(meta: &Meta) -> Split {
    let is = |name| meta.path().is_ident(name);
    if ["allow", "warn", "deny", "forbid"].into_iter().any(is) {
        return Split { stays: Some(meta.clone()), goes: Some(meta.clone()) };
    }
    // What cannot be parsed is rustc's to report.
    let inner = meta.require_list().ok().and_then(|list| list.parse_args_with(Metas::parse_terminated).ok());
    match inner {
        Some(inner) if is("expect") => {
            let (reason, lints): (Vec<_>, Vec<_>) = inner.into_iter().partition(|meta| meta.path().is_ident("reason"));
            let (goes, stays): (Vec<_>, Vec<_>) =
                lints.into_iter().partition(|lint| lint.path().is_ident("deprecated"));
            let expect = |lints: Vec<Meta>| -> Option<Meta> {
                let all = lints.iter().chain(&reason);
                (!lints.is_empty()).then(|| parse_quote!(expect(#(#all),*)))
            };
            Split { stays: expect(stays), goes: expect(goes) }
        }
        Some(inner) if is("cfg_attr") => {
            let mut inner = inner.into_iter();
            let condition = inner.next();
            let parts: Vec<_> = inner.map(|meta| split(&meta)).collect();
            let cfg_attr = |metas: Vec<&Meta>| -> Option<Meta> {
                (!metas.is_empty()).then(|| parse_quote!(cfg_attr(#condition, #(#metas),*)))
            };
            Split {
                stays: cfg_attr(parts.iter().filter_map(|part| part.stays.as_ref()).collect()),
                goes: cfg_attr(parts.iter().filter_map(|part| part.goes.as_ref()).collect()),
            }
        }
        _ => Split { stays: Some(meta.clone()), goes: None },
    }
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};
    use syn::{DeriveInput, parse_quote};

    use super::lints;

    #[test]
    fn levels_are_copied_and_expectations_moved() {
        let mut item: DeriveInput = parse_quote! {
            /// Docs.
            #[allow(deprecated, dead_code)]
            #[derive(Clone)]
            #[expect(deprecated, missing_docs, reason = "small")]
            #[expect(deprecated)]
            #[cfg_attr(test, derive(Debug), warn(unused), expect(deprecated))]
            #[cfg_attr(doc, derive(Debug))]
            struct Small;
        };
        let taken = lints(&mut item.attrs);
        let taken_expected = quote! {
            #[allow(deprecated, dead_code)]
            #[expect(deprecated, reason = "small")]
            #[expect(deprecated)]
            #[cfg_attr(test, warn(unused), expect(deprecated))]
        };
        assert_eq!(quote!(#(#taken)*).to_string(), taken_expected.to_string());
        let left_expected = quote! {
            /// Docs.
            #[allow(deprecated, dead_code)]
            #[derive(Clone)]
            #[expect(missing_docs, reason = "small")]
            #[cfg_attr(test, derive(Debug), warn(unused))]
            #[cfg_attr(doc, derive(Debug))]
            struct Small;
        };
        assert_eq!(item.into_token_stream().to_string(), left_expected.to_string());
    }
}
