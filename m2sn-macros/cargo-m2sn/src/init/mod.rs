//! Sets up a package: what is there is kept and named, and where a step fails, everything is as it was.

mod manifest;
mod undo;

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::arguments::Init;
use crate::{Fault, Outcome, say};
use manifest::{Manifest, Origin};
use undo::Undo;

/// What is done to a package, in order.
#[derive(Debug)]
enum Step {
    /// `cargo init`.
    Package,
    /// The dependency on m2sn.
    Depend,
    /// A file that is not there yet.
    Write { path: &'static str, text: &'static str },
    /// What is there already, and why it will do or what to do about it.
    Keep { path: &'static str, why: &'static str },
}

pub(crate) fn run(arguments: &Init) -> Outcome {
    let Init { folder, name, path, git, dry_run } = arguments;
    let origin = match git {
        Some(url) => Origin::Git(url.clone()),
        None => Origin::checkout(path.as_deref())?,
    };
    let steps = steps(folder)?;
    if name.is_some() && !steps.iter().any(|step| matches!(step, Step::Package)) {
        let manifest = folder.join("Cargo.toml");
        return Err(Fault::Message(format!("{} names its package already: leave --name out", manifest.display())));
    }
    if !dry_run {
        let undo = Undo::before(folder, &steps)?;
        steps.iter().try_for_each(|step| step.take(folder, name.as_deref(), &origin))?;
        undo.keep();
    }
    for step in &steps {
        say(&step.told(folder, &origin, *dry_run));
    }
    if !dry_run {
        say(&format!("Train and predict:  {}", command(folder, &steps)));
    }
    Ok(true)
}

/// What a folder lacks.
fn steps(folder: &Path) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::new();
    let manifest = folder.join("Cargo.toml");
    let manifest = if manifest.exists() { Some(Manifest::read(&manifest)?) } else { None };
    match &manifest {
        None => steps.extend([Step::Package, Step::Depend]),
        Some(manifest) if manifest.has_m2sn() => {
            steps.push(Step::Keep { path: "Cargo.toml", why: "it depends on m2sn already" });
        }
        Some(_) => steps.push(Step::Depend),
    }
    let write = |path, text: &'static str, why| match std::fs::read(folder.join(path)) {
        Ok(there) if there == text.as_bytes() => Step::Keep { path, why: "it is as it would be written" },
        Err(error) if error.kind() != ErrorKind::PermissionDenied => Step::Write { path, text },
        _ => Step::Keep { path, why },
    };
    let [spec, program] = [include_str!("template/first.yaml"), include_str!("template/first.rs")];
    steps.push(write("specs/first.yaml", spec, "the program takes it as it is"));
    let schema = "`cargo m2sn schema` prints that of this version";
    steps.push(write("specs/m2sn.schema.json", m2sn_compiler::SCHEMA, schema));
    // A package that does something else already goes on doing it.
    let step = write("src/main.rs", program, "");
    let is_first = matches!(&step, Step::Keep { why, .. } if !why.is_empty());
    let has_other = ["src/main.rs", "src/lib.rs", "src/bin"].iter().any(|path| folder.join(path).exists());
    steps.push(if is_first || !has_other { step } else { write("examples/first.rs", program, "it is yours") });
    let advice = "so that programs start by hand too, let it do what the README of m2sn shows";
    steps.push(match manifest.is_some_and(|manifest| manifest.names_build_script()) {
        true => Step::Keep { path: "build", why: advice },
        false => write("build.rs", include_str!("template/build.rs"), advice),
    });
    Ok(steps)
}

/// What trains and predicts now.
fn command(folder: &Path, steps: &[Step]) -> String {
    let enter = if folder == Path::new(".") { String::new() } else { format!("cd {} && ", folder.display()) };
    let example = steps
        .iter()
        .any(|step| matches!(step, Step::Write { path, .. } | Step::Keep { path, .. } if *path == "examples/first.rs"));
    format!("{enter}cargo run{}", if example { " --example first" } else { "" })
}

impl Step {
    fn take(&self, folder: &Path, name: Option<&str>, origin: &Origin) -> Result<(), Fault> {
        match self {
            Self::Package => cargo_init(folder, name),
            Self::Depend => {
                let path = folder.join("Cargo.toml");
                let mut manifest = Manifest::read(&path)?;
                manifest.depend(origin, folder);
                write(&path, &manifest.to_string())
            }
            Self::Write { path, text } => write(&folder.join(path), text),
            Self::Keep { .. } => Ok(()),
        }
    }

    /// The step as its user is told of it.
    fn told(&self, folder: &Path, origin: &Origin, dry_run: bool) -> String {
        let would = if dry_run { "would " } else { "" };
        let done = |word: &'static str, plain: &'static str| if dry_run { plain } else { word };
        match self {
            Self::Package => format!("{would}{} a package in {}", done("made", "make"), folder.display()),
            Self::Depend => format!("{would}{} m2sn from {origin} to Cargo.toml", done("added", "add")),
            Self::Write { path, .. } => format!("{would}{} {path}", done("written", "write")),
            Self::Keep { path, why } => format!("{would}{} {path}: {why}", done("kept", "keep")),
        }
    }
}

/// Makes a package as cargo makes it: with its rules for names, workspaces and version control.
fn cargo_init(folder: &Path, name: Option<&str>) -> Result<(), Fault> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(["init", "--quiet"]).args(name.map(|name| format!("--name={name}"))).arg("--").arg(folder);
    let ignore = folder.join(".gitignore");
    let ignores = ignore.exists();
    let output = command.output().map_err(|error| Fault::Message(format!("cannot run cargo: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(Fault::Message(text.trim().trim_start_matches("error: ").to_owned()));
    }
    match std::fs::read_to_string(&ignore) {
        // The program leaves its network there.
        Ok(text) if !ignores => write(&ignore, &format!("{text}/runs\n")),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    let fault = |error| Fault::Message(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    std::fs::write(path, text).map_err(fault)
}
