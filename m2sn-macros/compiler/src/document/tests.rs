use super::node::{Scalar, Value};
use super::{Document, Node};
use crate::lines::Position;
use crate::place::Place;
use crate::report::Errors;

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
    let Position { line, column } = document.lines().position(document.offset(&place));
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

/// The faults of a text as its user reads them.
fn faults(text: &str) -> String {
    let (document, faults) = Document::read(text);
    let mut errors = Errors::default();
    for fault in faults {
        errors.push(fault);
    }
    let reports = errors.take(document.lines(), "a.yaml", |place| document.offset(place));
    reports.into_iter().map(|diagnostic| diagnostic.rendered).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn nesting_is_bounded() {
    for (text, place) in [
        (format!("a: {}1{}", "[".repeat(5000), "]".repeat(5000)), "a.yaml:1:68"),
        (format!("a: {}", "{b: ".repeat(5000)), "a.yaml:1:256"),
        (format!("a: {}", "- ".repeat(5000)).replace("a: ", "a:\n  "), "a.yaml:2:129"),
    ] {
        let faults = faults(&text);
        assert!(faults.starts_with("more than 64 values inside each other\n"), "{faults}");
        assert!(faults.contains(place) && faults.contains("= help: "), "{faults}");
    }
    assert_eq!(faults(&format!("a: {}1{}", "[".repeat(62), "]".repeat(62))), "");
}

#[test]
fn aliases_of_aliases_are_refused_where_they_go_too_far() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a0: &a0 { x: 1 }\n".to_owned();
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb += &format!("a{level}: &a{level} [{below}]\n");
        merges += &format!("a{level}: &a{level} {{ <<: [{below}], y{level}: 1 }}\n");
        chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    insta::assert_snapshot!(faults(&bomb), @r"
    with what this alias repeats, the spec has more than 100000 values
     --> a.yaml:5:45
      |
    5 | a4: &a4 [*a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, *a3, ]
      |                                             ^^^
      = help: aliases of aliases multiply: write out what is needed
    ");
    assert!(faults(&merges).starts_with("with what this alias repeats, "), "{}", faults(&merges));
    insta::assert_snapshot!(faults(&chain), @r"
    more than 64 values inside each other
      --> a.yaml:64:12
       |
    64 | a63: &a63 [*a62]
       |            ^^^^
       = help: no setting stands as deep as this
    ");
    insta::assert_snapshot!(faults("a: &a [1, *a]\n"), @r"
    an alias in what its own anchor holds
     --> a.yaml:1:11
      |
    1 | a: &a [1, *a]
      |           ^^
      = help: write out what it stands for
    ");
}

#[test]
fn a_text_repeated_by_aliases_counts_by_its_length() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(1000));
    assert!(faults(&text).starts_with("with what this alias repeats, "), "{}", faults(&text));
}

#[test]
fn a_byte_order_mark_at_the_start_is_no_character() {
    let (document, faults) = Document::read("\u{feff}model: Tiny\nküche: 1\n");
    assert_eq!(faults, []);
    let place = Place::default();
    let position = |place: Place| document.lines().position(document.offset(&place));
    assert_eq!(position(place.key("model")), Position { line: 1, column: 8 });
    assert_eq!(position(place.key("küche")), Position { line: 2, column: 8 });
    assert!(self::faults("a: 1\n\u{feff}b: 2\n").contains("--> a.yaml:2:1\n"));
}

#[test]
fn characters_that_yaml_forbids_are_where_they_stand() {
    for (text, place) in [
        ("a: 1\nb: x\0y\n", "2:5"),
        ("a: 1\nb: 'x\0y'\n", "2:6"),
        ("a: 1\n# x\0y\n", "2:4"),
        ("a: 1\nb: \u{1}\n", "2:4"),
        ("a: 1\nb\u{1b}: 1\n", "2:2"),
        ("a: |\n  x\u{7f}y\n", "2:4"),
        ("a: \"ü\u{fffe}\"\n", "1:6"),
    ] {
        let faults = faults(text);
        assert!(faults.starts_with("the character U+00") || faults.starts_with("the character U+FF"), "{faults}");
        assert!(faults.contains(&format!("--> a.yaml:{place}\n")), "{text:?} {faults}");
        assert!(faults.contains("= help: remove it, or write it as an escape between double quotes"), "{faults}");
    }
}

#[test]
fn common_slips_are_shown_with_what_to_do() {
    for (text, place, message, help) in [
        ("a: [1, 2\nb: 3\n", "2:2", "illegal placement of ':' indicator", "a bracket before it is still open"),
        (
            "- a: { b: { c: 1 }\n- d: 2\n",
            "2:1",
            "\"-\" is only valid inside a block",
            "a bracket before it is still open",
        ),
        ("a: { b: 1\n", "1:4", "unclosed bracket '{'", "close it"),
        ("a: [1, 2}\n", "1:4", "mismatched bracket '[' closed by '}'", "close each bracket by its own kind"),
        ("a: {b: 1}}\n", "1:10", "misplaced bracket", "none that is not open"),
        ("a: b: c\n", "1:5", "mapping values are not allowed in this context", "goes between quotes"),
        ("a: 'x\nb: 1\n", "1:4", "unclosed quote", "close it"),
        ("a: \"\\q\"\n", "1:4", "found unknown escape character", "between single quotes"),
        ("a: @x\n", "1:4", "a text that begins with @", "put the text between quotes"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "did not find expected key", "in the same column"),
        ("- a\nb: 1\n", "2:1", "did not find expected '-' indicator", "in the same column"),
        ("a: - 1\n", "1:4", "block sequence entries are not allowed in this context", "in a line of its own"),
        ("a: [\n\t1]\n", "2:1", "a tab in the indentation", "with spaces, not with tabs"),
        ("a: \u{feff}b\n", "1:4", "a byte order mark amid the text", "at the start of the file alone"),
    ] {
        let faults = faults(text);
        assert!(faults.starts_with(&format!("{message}\n --> a.yaml:{place}\n")), "{faults}");
        assert!(faults.split("= help: ").nth(1).is_some_and(|shown| shown.contains(help)), "{faults}");
    }
}

#[test]
fn lines_are_those_of_the_renderer() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("a: 1{end}b: [{end}  2{end}]{end}c: *d{end}");
        assert!(faults(&text).contains("--> a.yaml:5:4\n  |\n5 | c: *d\n  |    ^^"), "{}", faults(&text));
    }
    for other in ["\u{85}", "\u{2028}", "\u{2029}"] {
        let text = format!("a: x{other}y\nb: *c\n");
        assert!(faults(&text).contains("--> a.yaml:2:4\n  |\n2 | b: *c"), "{}", faults(&text));
    }
}

#[test]
fn tags_are_refused_where_they_stand() {
    insta::assert_snapshot!(faults("task: { !classification { classes: 4 } }\nsize: !!int 3\nname: !!str 3\nb: !<x> 1\n"), @r"
    `!classification` is a YAML tag, and a spec has none
     --> a.yaml:1:9
      |
    1 | task: { !classification { classes: 4 } }
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^
      = help: leave it out; a choice is a key, such as `{ classification: … }`

    `!<x>` is a YAML tag, and a spec has none
     --> a.yaml:4:4
      |
    4 | b: !<x> 1
      |    ^^^^^^
      = help: leave it out; a choice is a key, such as `{ x: … }`
    ");
    let (document, _) = Document::read("name: !!str 3\nother: ! 3\nsize: !!int 3\n");
    let text = |key| document.root().get(key).and_then(Node::as_text);
    assert_eq!((text("name"), text("other"), text("size")), (Some("3"), Some("3"), None));
}

#[test]
fn unknown_anchors_are_all_told_with_what_may_be_meant() {
    insta::assert_snapshot!(faults("encoder: &encoder []\na: *encodr\nb: *c\n"), @r"
    unknown anchor `encodr`
     --> a.yaml:2:4
      |
    2 | a: *encodr
      |    ^^^^^^^
      = help: did you mean `encoder`?

    unknown anchor `c`
     --> a.yaml:3:4
      |
    3 | b: *c
      |    ^^
      = help: anchors above this line: `encoder`
    ");
}

#[test]
fn keys_are_names_and_stand_once() {
    insta::assert_snapshot!(faults("[1, 2]: a\na: 1\n? { b: 1 }\n: 2\na: 2\n<<: { c: 1 }\n<<: { d: 1 }\n"), @r"
    a key that is no name
     --> a.yaml:1:1
      |
    1 | [1, 2]: a
      | ^
      = help: write a name as the key

    a key that is no name
     --> a.yaml:3:3
      |
    3 | ? { b: 1 }
      |   ^
      = help: write a name as the key

    the key `a` stands here for the second time
     --> a.yaml:5:1
      |
    5 | a: 2
      | ^
      = help: keep one of the two

    the key `<<` stands here for the second time
     --> a.yaml:7:1
      |
    7 | <<: { d: 1 }
      | ^^
      = help: merge several by `<<: [*a, *b]`
    ");
}

/// What stands before a fault is still there: stubs are made of it.
#[test]
fn a_faulty_text_is_read_as_far_as_it_goes() {
    let text = "modalities:\n  a:\n    input: { vector: { size: 4 } }\n  b:\n    input: { vector: { size: ]\n  c: 1\n";
    let (document, faults) = Document::read(text);
    assert_eq!(faults.len(), 1);
    let modalities: Vec<_> = document.root().get("modalities").into_iter().flat_map(Node::entries).collect();
    assert_eq!(modalities.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "b"]);
    let size = modalities[0].1.get("input").and_then(|input| input.get("vector")?.get("size")?.as_count());
    assert_eq!(size, Some(4));
}

/// Wherever both read a text, they read the same.
#[test]
fn scalars_are_those_of_serde_yaml() {
    for text in [
        "3",
        "+3",
        "-3",
        "-0",
        "0x1F",
        "-0x1F",
        "0o17",
        "0b11",
        "017",
        "1_000",
        ".5",
        "5.",
        "1e3",
        "6.4e1",
        "64.0",
        "-.inf",
        ".inf",
        "+.inf",
        ".nan",
        "-.nan",
        "nan",
        "inf",
        "~",
        "null",
        "NULL",
        "nULL",
        "true",
        "True",
        "tRue",
        "yes",
        "no",
        "off",
        "-",
        "+",
        ".",
        "..",
        "1e",
        "0x",
        "--",
        "1.0.0",
        "12:30:00",
        "2001-12-14",
        "1e400",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "340282366920938463463374607431768211456",
        "0.1",
        "00",
        "0",
        "1 2",
    ] {
        let expected = match serde_yaml::from_str(text) {
            Ok(serde_yaml::Value::Null) => Scalar::Null,
            Ok(serde_yaml::Value::Bool(value)) => Scalar::Bool(value),
            Ok(serde_yaml::Value::Number(number)) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => Scalar::Unsigned(value),
                (_, Some(value)) => Scalar::Signed(value),
                _ => Scalar::Float(number.as_f64().expect("a number")),
            },
            Ok(_) => Scalar::Text,
            // Whole numbers beyond 64 bits are no `Value`, but numbers to who asks for one.
            Err(_) => Scalar::Float(serde_yaml::from_str(text).expect("a number")),
        };
        assert_eq!(format!("{:?}", Scalar::plain(text)), format!("{expected:?}"), "{text}");
    }
}

impl From<&Node> for serde_yaml::Value {
    fn from(node: &Node) -> Self {
        match &node.value {
            Value::Scalar(Scalar::Null, _) => Self::Null,
            Value::Scalar(Scalar::Bool(value), _) => (*value).into(),
            Value::Scalar(Scalar::Unsigned(value), _) => (*value).into(),
            Value::Scalar(Scalar::Signed(value), _) => (*value).into(),
            Value::Scalar(Scalar::Float(value), _) => (*value).into(),
            Value::Scalar(Scalar::Text, text) => (&**text).into(),
            Value::Sequence(items) => items.iter().map(Self::from).collect(),
            Value::Mapping(entries) => {
                Self::Mapping(entries.iter().map(|entry| ((&*entry.key).into(), Self::from(&entry.value))).collect())
            }
        }
    }
}
