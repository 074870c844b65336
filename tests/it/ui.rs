//! What the compiler tells users: each program of `tests/ui/` is checked, and its messages are a snapshot beside it.
//!
//! The programs are the binaries of one package with the feature `doc-only`, which needs no LibTorch: cargo keeps what
//! it built of the dependencies in the target folder, and checks all programs at once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use serde::Deserialize;

#[test]
fn messages() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = root.join("tests/ui");
    let messages = check(root, &cases)?;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&cases);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (case, messages) in &messages {
            insta::assert_snapshot!(case.as_str(), messages);
        }
    });
    Ok(())
}

/// Checks every program of `cases`, and returns what the compiler said of each.
fn check(root: &Path, cases: &Path) -> io::Result<BTreeMap<String, String>> {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    fs::create_dir_all(&package)?;
    let mut messages = BTreeMap::new();
    let mut manifest = format!(
        "[package]\nname = \"ui\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nm2sn = {{ path = {root:?}, features = [\"doc-only\"] }}\n"
    );
    for entry in fs::read_dir(cases)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {path:?}\n").map_err(io::Error::other)?;
            messages.insert(name, String::new());
        }
    }
    fs::write(package.join("Cargo.toml"), manifest)?;
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock"))?;
    // `--keep-going`, since one faulty program must not keep the others from being checked.
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--keep-going", "--message-format=json", "--target-dir"])
        .arg(package.join("target"))
        .current_dir(&package)
        .output()?;
    let mut finished = false;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match serde_json::from_str(line)? {
            Event::CompilerMessage { target, message } => {
                if let Some(messages) = messages.get_mut(&target.name) {
                    messages.push_str(&message.print(cases));
                }
            }
            Event::BuildFinished => finished = true,
            Event::Other => {}
        }
    }
    assert!(finished, "{}", String::from_utf8_lossy(&output.stderr));
    Ok(messages)
}

/// A line of cargo's output.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Event {
    CompilerMessage {
        target: Target,
        message: Message,
    },
    BuildFinished,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// What the compiler says, and where.
#[derive(Deserialize)]
struct Message {
    level: String,
    message: String,
    spans: Vec<Span>,
    children: Vec<Message>,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: usize,
    column_start: usize,
    label: Option<String>,
}

impl Message {
    /// The message with its places in the program; places elsewhere change too often to pin.
    fn print(&self, cases: &Path) -> String {
        if self.level == "failure-note" || self.message.starts_with("aborting due to") {
            return String::new();
        }
        let message = self.message.replace(&*cases.to_string_lossy(), "[cases]");
        let mut text = format!("{}: {message}\n", self.level);
        for span in &self.spans {
            if let Ok(file) = Path::new(&span.file_name).strip_prefix(cases) {
                let label = span.label.as_ref().map(|label| format!(": {label}")).unwrap_or_default();
                text += &format!("  --> {}:{}:{}{label}\n", file.display(), span.line_start, span.column_start);
            }
        }
        for child in &self.children {
            text += &child.print(cases).lines().map(|line| format!("  {line}\n")).collect::<String>();
        }
        text
    }
}
