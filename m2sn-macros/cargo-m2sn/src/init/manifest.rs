//! A `Cargo.toml`, read and added to without a change of anything else in it.

use std::fmt;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, InlineTable, Item, Table, value};

use crate::Fault;

/// Where a package has m2sn from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A checkout, by its absolute path.
    Path(PathBuf),
    Git(String),
}

/// A manifest of a package.
#[derive(Debug)]
pub(super) struct Manifest(DocumentMut);

impl Origin {
    /// A checkout; without a path the one that this tool was built from.
    pub(super) fn checkout(path: Option<&Path>) -> Result<Self, Fault> {
        let built_from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let folder = path.unwrap_or(built_from);
        let found = folder.canonicalize().ok().filter(|folder| {
            Manifest::read(&folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.package() == Some("m2sn"))
        });
        found.map(Self::Path).ok_or_else(|| {
            let which = if path.is_some() { "" } else { ", from which this tool was built," };
            Fault::Message(format!(
                "{}{which} is no checkout of m2sn\n = help: say where one is by `--path FOLDER`, or `--git URL`",
                folder.display()
            ))
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(folder) => write!(f, "{}", folder.display()),
            Self::Git(url) => f.write_str(url),
        }
    }
}

impl Manifest {
    pub(super) fn read(path: &Path) -> Result<Self, Fault> {
        let fault = |error: &dyn fmt::Display| Fault::Message(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
        let manifest = Self(text.parse().map_err(|error| fault(&error))?);
        if manifest.package().is_none() {
            let path = path.strip_prefix(".").unwrap_or(path);
            let member = path.with_file_name("sensors");
            return Err(Fault::Message(format!(
                "{} is a workspace without a package of its own\n = help: make a member of it, as by `cargo m2sn init {}`",
                path.display(),
                member.display()
            )));
        }
        Ok(manifest)
    }

    /// Whether the package depends on m2sn.
    pub(super) fn has_m2sn(&self) -> bool {
        self.0.get("dependencies").is_some_and(|dependencies| dependencies.get("m2sn").is_some())
    }

    /// Whether the manifest names a build script, or forbids one.
    pub(super) fn names_build_script(&self) -> bool {
        self.0.get("package").is_some_and(|package| package.get("build").is_some())
    }

    /// Adds the dependency; a path is written as seen from the package's folder.
    pub(super) fn depend(&mut self, origin: &Origin, folder: &Path) {
        let mut m2sn = InlineTable::new();
        match origin {
            Origin::Path(checkout) => {
                let from_here = folder.canonicalize().ok().and_then(|here| pathdiff::diff_paths(checkout, here));
                let path = from_here.as_deref().unwrap_or(checkout).display().to_string();
                m2sn.insert("path", path.replace(std::path::MAIN_SEPARATOR, "/").into());
            }
            Origin::Git(url) => {
                m2sn.insert("git", url.as_str().into());
            }
        }
        let dependencies = self.0.entry("dependencies").or_insert_with(|| Item::Table(Table::new()));
        dependencies["m2sn"] = value(m2sn);
    }

    fn package(&self) -> Option<&str> {
        self.0.get("package")?.get("name")?.as_str()
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_added_and_nothing_else_changes() {
        let text =
            "# mine\n[package]\nname = \"a\"   # a name\n\n[dependencies]\nserde = \"1\"\n\n[features]\nx = []\n";
        let mut manifest = Manifest(text.parse().unwrap());
        assert!(!manifest.has_m2sn() && !manifest.names_build_script());
        manifest.depend(&Origin::Git("https://example.org/m2sn".into()), Path::new("."));
        assert!(manifest.has_m2sn());
        let added = "serde = \"1\"\nm2sn = { git = \"https://example.org/m2sn\" }\n";
        assert_eq!(manifest.to_string(), text.replace("serde = \"1\"\n", added));
    }
}
