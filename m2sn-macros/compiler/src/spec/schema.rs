//! The JSON Schema of the spec, by which editors complete and explain.

use std::path::Path;

use schemars::generate::SchemaSettings;

use super::Spec;

/// Compares `specs/m2sn.schema.json` with the types; `M2SN_BLESS=1` writes it anew.
#[test]
fn the_schema_is_current() {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Spec>();
    schema.insert("title".into(), "m2sn spec".into());
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs/m2sn.schema.json");
    if std::env::var_os("M2SN_BLESS").is_some() {
        std::fs::write(&file, &text).expect("the schema can be written");
    }
    let current = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(current == text, "specs/m2sn.schema.json is out of date: run this test with M2SN_BLESS=1");
}
