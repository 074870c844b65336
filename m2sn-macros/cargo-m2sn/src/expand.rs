use std::io::Write;
use std::path::{Path, PathBuf};

use m2sn_compiler::{Args, Source, text};

use crate::spec::tell;
use crate::{Fault, Outcome};

/// Prints the source of a model, as the macro would write it in the package that the spec lies in.
pub(crate) fn run(spec: &str, output: &mut dyn Write) -> Outcome {
    let source = source(spec)?;
    match text(&Args::of(&source.path), &source) {
        Ok(text) => Ok(output.write_all(text.as_bytes()).map(|()| true)?),
        Err(faults) => {
            tell(&faults);
            Ok(false)
        }
    }
}

/// The spec, by its path from the package's folder.
fn source(spec: &str) -> Result<Source, Fault> {
    let Some((package, path)) = in_package(spec) else { return Source::open(spec).map_err(Fault::Message) };
    Source::read(&path, &package, None).map_err(Fault::Message)
}

/// The nearest folder above a spec that holds a `Cargo.toml`, and the path from there.
fn in_package(spec: &str) -> Option<(PathBuf, String)> {
    let file = Path::new(spec).canonicalize().ok()?;
    let package = file.ancestors().skip(1).find(|folder| folder.join("Cargo.toml").is_file())?;
    let path = file.strip_prefix(package).ok()?.to_str()?.replace(std::path::MAIN_SEPARATOR, "/");
    Some((package.to_owned(), path))
}
