//! Users pin the code of their models like this.

use m2sn::m2sn_source;

#[test]
fn source_of_a_model_is_a_string() {
    insta::assert_snapshot!(m2sn_source!("specs/quickstart.yaml"));
}

#[test]
fn paths_may_be_relative_to_the_calling_file() {
    let (from_file, from_package) = (m2sn_source!("../../specs/gated.yaml"), m2sn_source!("specs/gated.yaml"));
    let paths = [("../../specs/gated.yaml", ""), ("specs/gated.yaml", "")];
    let without_paths = |source: &str| paths.iter().fold(source.to_owned(), |text, (from, to)| text.replace(from, to));
    assert_ne!(from_file, from_package, "they include the spec by different paths");
    assert_eq!(
        without_paths(from_file).lines().filter(|line| !line.contains("include_str!")).collect::<Vec<_>>(),
        without_paths(from_package).lines().filter(|line| !line.contains("include_str!")).collect::<Vec<_>>(),
    );
}

#[test]
fn source_holds_no_path_of_this_machine() {
    for source in [m2sn_source!("specs/avdigits.yaml"), m2sn_source!("../../specs/sentiment.yaml")] {
        assert!(!source.contains(env!("CARGO_MANIFEST_DIR")));
    }
}
