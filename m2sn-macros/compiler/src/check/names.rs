use std::collections::HashMap;

use super::Context;
use crate::model::Name;
use crate::place::Place;
use crate::report::Errors;
use crate::spec::Spec;

/// Names that a layer cannot have, and why.
const LAYER_TAKEN: &[(&str, &str)] =
    &[("full", "it is the exit at the end of the encoder"), ("new", "it is what constructors are called in Rust")];

/// Names that a model cannot have, and why.
const MODEL_TAKEN: &[(&str, &str)] = &[
    ("AsRef", "it would hide the trait `AsRef`"),
    ("Vec", "it would hide the type `Vec`"),
    ("Alloc", "its module would hide the crate `alloc`"),
    ("Core", "its module would hide the crate `core`"),
    ("Std", "its module would hide the crate `std`"),
    ("M2sn", "its module would hide the crate `m2sn`"),
];

/// The model's name: that of the annotated struct, in PascalCase.
pub(super) fn model(spec: &Spec, strukt: Option<&str>, context: &Context<'_>, errors: &mut Errors) -> Option<Name> {
    let place = Place::default().key("model");
    if let Some(strukt) = strukt.filter(|strukt| *strukt != spec.model) {
        errors
            .error(&place, format!("the spec is of `{}`, but the struct is `{strukt}`", spec.model))
            .help(format!("write `model: {strukt}`, or call the struct `{}`", spec.model));
        return None;
    }
    let name = name(&spec.model, "model", &place, context, errors)?;
    if name.pascal != spec.model {
        errors
            .error(&place, format!("`{}` is not in PascalCase, as a struct is", spec.model))
            .help(format!("write `{}`", name.pascal));
        return None;
    }
    free(&spec.model, MODEL_TAKEN, "model", &place, errors)?;
    Some(name)
}

/// Checks the names of all modalities, each alone and one against the other.
pub(super) fn modalities(spec: &Spec, place: &Place, errors: &mut Errors) {
    let names = spec.modalities.0.iter().map(|(name, _)| (name.as_str(), place.key(name).on_key()));
    distinct(names, "modality", errors);
}

/// Checks that a layer's name is not one of the generated code's own.
pub(super) fn layer(name: &str, place: &Place, errors: &mut Errors) -> Option<()> {
    free(&Name::new(name, 0).snake, LAYER_TAKEN, "layer", place, errors)
}

/// Checks what classes, labels or targets are called: any text of one line, each another.
pub(super) fn outputs(names: &[String], setting: &str, place: &Place, errors: &mut Errors) {
    let mut taken = HashMap::new();
    for (entry, name) in names.iter().enumerate() {
        let place = place.entry(entry);
        if name.trim().is_empty() || name.trim() != name || name.chars().any(char::is_control) {
            errors
                .error(&place, format!("{name:?} cannot be a name among the `{setting}`"))
                .help("write a text without line breaks, and without spaces around it");
        } else if name.len() > MAX_LENGTH {
            errors
                .error(&place, format!("a name among the `{setting}` is {} letters long", name.len()))
                .help(format!("write at most {MAX_LENGTH}"));
        } else if let Some(first) = taken.insert(name, entry) {
            errors
                .error(&place, format!("`{name}` is already the name of number {first} of the `{setting}`"))
                .help("give each another name");
        }
    }
}

/// Makes the identifiers of a name.
pub(super) fn name(text: &str, what: &str, place: &Place, context: &Context<'_>, errors: &mut Errors) -> Option<Name> {
    let name = Name::new(text, context.line(place));
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain || !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        errors
            .error(place, format!("`{text}` cannot be the name of a {what}"))
            .help("write a name of ASCII letters, digits and `_` that begins with a letter");
        return None;
    }
    if !name.is_identifier() {
        errors
            .error(place, format!("`{text}` cannot be the name of a {what}: it is a keyword of Rust"))
            .help(format!("write another name, such as `{}_{what}`", name.snake));
        return None;
    }
    if text.len() > MAX_LENGTH {
        errors
            .error(place, format!("the name of the {what} is {} letters long", text.len()))
            .help(format!("write at most {MAX_LENGTH}"));
        return None;
    }
    Some(name)
}

/// The longest name: folders and variables bear it.
const MAX_LENGTH: usize = 64;

/// Checks that no two names are the same in Rust, and whether they are not.
pub(super) fn distinct<'a>(names: impl Iterator<Item = (&'a str, Place)>, what: &str, errors: &mut Errors) -> bool {
    let mut distinct = true;
    // The text that first became each identifier: one in snake_case may be the same where that in PascalCase is not.
    let (mut snakes, mut pascals) = (HashMap::new(), HashMap::new());
    for (text, place) in names {
        let Name { snake, pascal, .. } = Name::new(text, 0);
        let (first, same) = match (pascals.get(&pascal), snakes.get(&snake)) {
            (Some(first), _) => (*first, pascal),
            (None, Some(first)) => (*first, snake),
            (None, None) => {
                snakes.insert(snake, text);
                pascals.insert(pascal, text);
                continue;
            }
        };
        distinct = false;
        if first == text {
            errors.error(&place, format!("a second {what} named `{text}`")).help("give it another name");
        } else {
            errors
                .error(&place, format!("the {what} `{text}` and the {what} `{first}` are both `{same}` in Rust"))
                .help("give one of them another name");
        }
    }
    distinct
}

fn free(name: &str, taken: &[(&str, &str)], what: &str, place: &Place, errors: &mut Errors) -> Option<()> {
    let Some((_, why)) = taken.iter().find(|(taken, _)| *taken == name) else { return Some(()) };
    errors
        .error(place, format!("`{name}` cannot be the name of a {what}: {why}"))
        .help(format!("write another name, such as `{}`", other(name, what)));
    None
}

fn other(name: &str, what: &str) -> String {
    if what == "model" { format!("My{name}") } else { format!("{name}_{what}") }
}
