//! The program as its users call it. `.ci/test-package` builds and runs the package that `init` makes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

/// Exit code, standard output and standard error of a call in a folder.
fn call(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-m2sn"));
    // As cargo calls it.
    command.arg("m2sn").args(arguments).current_dir(folder);
    command
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A spec with a shortcut that costs more than it saves.
const WARNED: &str = "\
model: Small
task: { classification: { classes: 2 } }
modalities:
  left:
    input: { vector: { size: 16 } }
    encoder:
      - first: { linear: { size: 16 } }
      - second: { linear: { size: 8 } }
    shortcuts: [first]
";

#[test]
fn check_tells_all_specs_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("warned.yaml"), WARNED).unwrap();
    fs::write(folder.path().join("faulty.yaml"), WARNED.replace("classes: 2", "classes: 1")).unwrap();
    let (code, out, err) = call(folder.path(), &["check", "warned.yaml", "faulty.yaml", "absent.yaml"]);
    assert_eq!((code, &*out), (Some(1), ""));
    assert_snapshot!(err);
    let (code, _, err) = call(folder.path(), &["check", "warned.yaml"]);
    assert_eq!(code, Some(0), "a warning is no error");
    assert!(err.ends_with("0 errors, 1 warning\n"), "{err}");
    assert_eq!(call(folder.path(), &["check"]).0, Some(2));
}

#[test]
fn check_speaks_to_editors() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("faulty.yaml"), WARNED.replace("classes: 2", "classes: 1")).unwrap();
    let (code, out, err) = call(folder.path(), &["check", "--json", "faulty.yaml", "absent.yaml"]);
    assert_eq!((code, &*err), (Some(1), ""));
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [fault, .., absent, count] = lines.as_slice() else { panic!("{out}") };
    assert_eq!(fault["severity"], "error");
    assert_eq!((fault["line"].as_u64(), fault["column"].as_u64()), (Some(2), Some(36)));
    assert_eq!(fault["message"], "`classes` is 1");
    assert_eq!(fault["help"], "a `classification` has at least 2");
    assert_eq!(absent["path"], "absent.yaml");
    assert_eq!((count["specs"].as_u64(), count["errors"].as_u64()), (Some(2), Some(2)));
}

#[test]
fn watch_checks_again_when_a_file_is_replaced() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("spec.yaml");
    fs::write(&spec, WARNED).unwrap();
    let mut watch =
        command(folder.path(), &["check", "--watch", "--json", "spec.yaml"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut counts = lines.by_ref().filter(|line| line.starts_with("{\"specs\""));
    assert_eq!(counts.next().unwrap(), r#"{"specs":1,"errors":0,"warnings":1}"#);
    // As editors save: beside, then in its place.
    let new = folder.path().join("spec.yaml~");
    fs::write(&new, WARNED.replace("classes: 2", "classes: 1").replace("    shortcuts: [first]\n", "")).unwrap();
    fs::rename(&new, &spec).unwrap();
    assert_eq!(counts.next().unwrap(), r#"{"specs":1,"errors":1,"warnings":0}"#);
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn shows_a_network() {
    let shown = |arguments: &[&str]| {
        let (code, out, err) = call(root(), arguments);
        assert_eq!((code, &*err), (Some(0), ""));
        out
    };
    const SPEC: &str = "specs/quickstart.yaml";
    assert_snapshot!("cost", shown(&["cost", SPEC]));
    assert_snapshot!("mermaid", shown(&["graph", SPEC]));
    assert_snapshot!("dot", shown(&["graph", SPEC, "--format", "dot"]));
    assert_snapshot!("svg", shown(&["graph", SPEC, "--format", "svg"]));
    let outline: serde_json::Value = serde_json::from_str(&shown(&["cost", SPEC, "--json"])).unwrap();
    assert_eq!(outline["modalities"][1]["exits"][0]["through"]["multiply_adds"], 13_440);
    let schema = fs::read_to_string(root().join("specs/m2sn.schema.json")).unwrap();
    assert!(shown(&["schema"]) == schema, "the schema beside the specs is another");
    // From elsewhere too, the source is that of the package.
    let here = shown(&["expand", SPEC]);
    assert!(here.contains("/// Generated from `specs/quickstart.yaml`."), "{here}");
    assert_eq!(call(&root().join("specs"), &["expand", "quickstart.yaml"]).1, here);
}

#[test]
fn a_navigator_that_does_not_run_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |navigator: &str, arguments: &[&str]| {
        fs::write(folder.path().join("small.yaml"), format!("{WARNED}navigator: {{ {navigator} }}\n")).unwrap();
        let (code, out, _) = call(folder.path(), &[&["cost", "small.yaml"], arguments].concat());
        assert_eq!(code, Some(0));
        out
    };
    assert!(shown("from: inputs", &[]).contains("\nnavigator "));
    for other in ["from: stem", "from: posterior", "policy: value", "policy: sequential"] {
        assert!(!shown(other, &[]).contains("navigator"), "{other}");
        let outline: serde_json::Value = serde_json::from_str(&shown(other, &["--json"])).unwrap();
        assert_eq!(outline.get("navigator"), Some(&serde_json::Value::Null));
    }
}

#[test]
fn a_faulty_spec_is_shown_its_faults_instead() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("faulty.yaml"), WARNED.replace("size: 8", "size: 0")).unwrap();
    for command in ["cost", "graph", "expand"] {
        let (code, out, err) = call(folder.path(), &[command, "faulty.yaml"]);
        assert_eq!((code, &*out), (Some(1), ""));
        assert!(err.starts_with("error: `size` is 0\n"), "{err}");
    }
}

#[test]
fn init_makes_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, planned) = call(folder.path(), &["init", "--dry-run", "sensors"]);
    assert_eq!(code, Some(0));
    assert!(planned.contains("would make a package in sensors\n"), "{planned}");
    assert!(!folder.path().join("sensors").exists());
    let (code, out, err) = call(folder.path(), &["init", "sensors"]);
    assert_eq!((code, &*out), (Some(0), ""), "{err}");
    assert!(err.ends_with("Train and predict:  cd sensors && cargo run\n"), "{err}");
    let package = folder.path().join("sensors");
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"sensors\"") && manifest.contains("m2sn = { path = \"../"), "{manifest}");
    assert!(fs::read_to_string(package.join("src/main.rs")).unwrap().contains("#[m2sn_model(\"specs/first.yaml\")]"));
    assert_eq!(fs::read_to_string(package.join(".gitignore")).unwrap(), "/target\n/runs\n");
    assert_eq!(call(&package, &["check", "specs/first.yaml"]).0, Some(0));

    // Once more, there is nothing to do.
    let before = tree(&package);
    let (code, _, err) = call(&package, &["init"]);
    assert_eq!(code, Some(0));
    assert!(err.lines().rev().skip(1).all(|line| line.starts_with("kept ")), "{err}");
    assert_eq!(tree(&package), before);
}

#[test]
fn init_adds_to_a_package_and_keeps_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let manifest = "[package]\nname = \"mine\"\nedition = \"2024\"   # as it is\n";
    fs::write(path.join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(path.join("src")).unwrap();
    fs::write(path.join("src/main.rs"), "fn main() {}\n").unwrap();
    fs::write(path.join("build.rs"), "fn main() {}\n").unwrap();
    let (code, _, err) = call(path, &["init", "--git", "https://example.org/m2sn"]);
    assert_eq!(code, Some(0), "{err}");
    assert_snapshot!(err, @r"
    added m2sn from https://example.org/m2sn to Cargo.toml
    written specs/first.yaml
    written specs/m2sn.schema.json
    written examples/first.rs
    kept build.rs: so that programs start by hand too, let it do what the README of m2sn shows
    Train and predict:  cargo run --example first
    ");
    assert_eq!(
        fs::read_to_string(path.join("Cargo.toml")).unwrap(),
        format!("{manifest}\n[dependencies]\nm2sn = {{ git = \"https://example.org/m2sn\" }}\n")
    );
    assert_eq!(fs::read_to_string(path.join("src/main.rs")).unwrap(), "fn main() {}\n");
}

#[test]
fn init_does_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = []\n").unwrap();
    // A file stands where the folder of the specs would be.
    fs::create_dir(path.join("member")).unwrap();
    fs::write(path.join("member/specs"), "").unwrap();
    let before = tree(path);
    for (arguments, fault) in [
        (&["init", "member"][..], "error: member/specs"),
        (&["init", "1st"], "error: invalid character `1`"),
        (&["init"], "error: Cargo.toml is a workspace without a package of its own"),
        (&["init", "new", "--path", "member"], "error: member is no checkout of m2sn"),
    ] {
        let (code, _, err) = call(path, arguments);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.starts_with(fault), "{err}");
        assert_eq!(tree(path), before, "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_fault_but_a_full_disk_is() {
    let mut schema = command(root(), &["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(schema.stdout.take());
    let output = schema.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
        let output = command(root(), &["schema"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.starts_with(b"error: standard output: "));
    }
}

/// All files below a folder with what they hold, sorted.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        files.extend(match path.is_dir() {
            true => tree(&path).into_iter().chain([(path.display().to_string(), Vec::new())]).collect(),
            false => vec![(path.display().to_string(), fs::read(&path).unwrap())],
        });
    }
    files.sort();
    files
}
