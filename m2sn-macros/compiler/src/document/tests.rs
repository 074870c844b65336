use super::Document;
use crate::report::{At, Place, Position};

const TEXT: &str = "\
base: &base
  kernel: 3
  deep: { list: [1, [2, 30]] }
net:
  <<: *base
  'name' : \"two words\"
  block:
    - first: 1
      second: grün # comment
  again: *base
";

fn position(place: Place) -> (usize, usize) {
    let (document, faults) = Document::read(TEXT);
    assert_eq!(faults, []);
    let Position { line, column } = document.position(&At::Place(place));
    (line, column)
}

#[test]
fn keys_and_values_are_found() {
    let net = Place::default().key("net");
    assert_eq!(position(net.key("name")), (6, 12));
    assert_eq!(position(net.key("name").on_key()), (6, 3));
    assert_eq!(position(net.key("block").entry(0).key("second")), (9, 15));
    assert_eq!(position(net.key("block").entry(0).key("second").on_key()), (9, 7));
    assert_eq!(position(net.key("block")), (7, 3), "a sequence at its key");
    assert_eq!(position(Place::default().key("base").key("deep").key("list").entry(1).entry(1)), (3, 25));
}

#[test]
fn what_is_merged_or_an_alias_is_found_at_its_anchor() {
    let net = Place::default().key("net");
    assert_eq!(position(net.key("kernel")), (2, 11));
    assert_eq!(position(net.key("deep").key("list").entry(0)), (3, 18));
    assert_eq!(position(net.key("again").key("kernel")), (2, 11));
    assert_eq!(position(net.key("again").key("kernel").on_key()), (2, 3));
}

#[test]
fn what_is_missing_is_found_where_it_would_stand() {
    let net = Place::default().key("net");
    assert_eq!(position(net.key("missing")), (4, 1));
    assert_eq!(position(net.key("missing").on_key()), (4, 1));
    assert_eq!(position(net.key("name").key("missing")), (6, 12));
    assert_eq!(position(Place::default()), (1, 1));
}

#[test]
fn nesting_and_aliases_are_bounded() {
    let deep = format!("a: {}1{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(Document::read(&deep).1.len(), 1);
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{below}, {below}, {below}]\n");
    }
    assert_eq!(Document::read(&bomb).1.len(), 1);
}
