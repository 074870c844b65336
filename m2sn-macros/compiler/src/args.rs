//! The arguments of the macros: the spec file, and where m2sn is found.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Path, Result, Token, parse_quote};

/// `"specs/x.yaml"`, or `"specs/x.yaml", crate = ::renamed`.
#[derive(Clone)]
pub struct Args {
    /// The spec file, as the user wrote its path.
    pub spec: LitStr,
    /// The facade package as generated code names it.
    pub krate: Path,
}

impl Args {
    /// A spec alone.
    pub fn of(path: &str) -> Self {
        Self { spec: LitStr::new(path, Span::call_site()), krate: parse_quote!(::m2sn) }
    }
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const USAGE: &str = "expected the path of a spec, as in `\"specs/network.yaml\"`";
        if input.is_empty() {
            return Err(syn::Error::new(Span::call_site(), USAGE));
        }
        let spec: LitStr = input.parse().map_err(|error| syn::Error::new(error.span(), USAGE))?;
        let mut krate = parse_quote!(::m2sn);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        if !input.is_empty() {
            input.parse::<Token![crate]>().map_err(|error| {
                syn::Error::new(error.span(), "expected `crate = path`, the only argument beside the spec")
            })?;
            input.parse::<Token![=]>()?;
            krate = input.call(Path::parse_mod_style)?;
            input.parse::<Option<Token![,]>>()?;
        }
        if !input.is_empty() {
            return Err(input.error("expected no more arguments"));
        }
        Ok(Self { spec, krate })
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::parse_str;

    use super::Args;

    fn parse(text: &str) -> Result<(String, String), String> {
        let args: Args = parse_str(text).map_err(|error| error.to_string())?;
        Ok((args.spec.value(), args.krate.to_token_stream().to_string().replace(' ', "")))
    }

    #[test]
    fn spec_alone_or_with_crate() {
        assert_eq!(parse(r#""a.yaml""#), Ok(("a.yaml".into(), "::m2sn".into())));
        assert_eq!(parse(r#""a.yaml","#), Ok(("a.yaml".into(), "::m2sn".into())));
        assert_eq!(parse(r#""a.yaml", crate = ::nets::m2sn"#), Ok(("a.yaml".into(), "::nets::m2sn".into())));
    }

    #[test]
    fn anything_else_is_refused() {
        let usage = "expected the path of a spec, as in `\"specs/network.yaml\"`";
        assert_eq!(parse(""), Err(usage.into()));
        assert_eq!(parse("spec"), Err(usage.into()));
        assert_eq!(
            parse(r#""a.yaml", krate = x"#),
            Err("expected `crate = path`, the only argument beside the spec".into())
        );
        assert_eq!(parse(r#""a.yaml", crate = x, y"#), Err("expected no more arguments".into()));
    }
}
