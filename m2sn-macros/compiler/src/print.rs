//! Tokens to source text, laid out as rustfmt would.

use proc_macro2::TokenStream;

/// Prints the items of a file.
pub(crate) fn print(tokens: TokenStream) -> String {
    match syn::parse2(tokens) {
        Ok(file) => space_out(&prettyplease::unparse(&file)),
        Err(error) => unreachable!("`expand` writes items of Rust: {error}"),
    }
}

/// Puts a blank line between two items, which prettyplease leaves out.
fn space_out(source: &str) -> String {
    let mut text = String::with_capacity(source.len() + source.len() / 32);
    let mut above = "";
    for line in source.lines() {
        if indentation(above) == indentation(line) && ends_item(above) && begins_item(line) && !joins(above, line) {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
        above = line;
    }
    text
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether an item may end here: blocks do, and of the statements those that begin as items do.
fn ends_item(line: &str) -> bool {
    let line = line.trim_start();
    line == "}" || line == "};" || line.ends_with(';') && begins_item(line)
}

fn begins_item(line: &str) -> bool {
    let line = line.trim_start();
    ["///", "#[", "pub ", "pub(", "use ", "impl ", "fn ", "type ", "mod ", "struct ", "static ", "const "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Whether a line belongs right below the one above: imports, of which the last line may be a brace, and types.
fn joins(above: &str, line: &str) -> bool {
    let (above, line) = (above.trim_start(), line.trim_start());
    line.starts_with("use ") || line.starts_with("type ") && above.starts_with("type ")
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::print;

    #[test]
    fn items_are_apart_and_imports_together() {
        let tokens = quote! {
            use a::b;
            use c::{d, e};
            /// Docs.
            pub struct A { /// One.
                one: u8, /// Two.
                two: u8 }
            impl A {
                fn one(&self) -> u8 { if self.one > 1 { return 1; } let x = match self.two { 0 => { 1 } _ => 2 }; x }
                fn two(&self) -> u8 { self.two }
            }
            mod m { struct B; struct C; }
        };
        let expected = "\
use a::b;
use c::{d, e};

/// Docs.
pub struct A {
    /// One.
    one: u8,
    /// Two.
    two: u8,
}

impl A {
    fn one(&self) -> u8 {
        if self.one > 1 {
            return 1;
        }
        let x = match self.two {
            0 => 1,
            _ => 2,
        };
        x
    }

    fn two(&self) -> u8 {
        self.two
    }
}

mod m {
    struct B;

    struct C;
}
";
        assert_eq!(print(tokens), expected);
    }
}
