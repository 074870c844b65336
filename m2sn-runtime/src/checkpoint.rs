//! Checkpoints: a model's variables as safetensors, and a manifest that says whose they are.
//!
//! The file `model.safetensors` is a checkpoint by itself, because it carries the manifest in its metadata:
//! it is replaced in one step, so that a folder never holds half a checkpoint.
//! The file `manifest.json` beside it is for people and other programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::nn::VarStore;

use crate::file;
use crate::network::{Description, Network};
use crate::{Error, Result};

pub(crate) mod tensors;

use tensors::Tensors;

const MODEL: &str = "model.safetensors";
const MANIFEST: &str = "manifest.json";
/// The differences that a refusal names before it only counts them.
const NAMED: usize = 12;

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The model's name.
    pub model: String,
    /// The SHA-256 of the resolved spec, in hexadecimal digits.
    pub spec_sha256: String,
    /// The layers with their shapes, one a line.
    pub architecture: Vec<String>,
    /// The shape of every variable.
    pub variables: BTreeMap<String, Vec<i64>>,
    /// The training stage after which it was written, where it was one.
    pub stage: Option<String>,
    /// What was measured on the validation samples at the end of that stage.
    pub metrics: BTreeMap<String, f64>,
    /// The software that wrote it.
    pub versions: Versions,
}

/// The software that a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The version of this package.
    pub m2sn: String,
    /// The release of LibTorch that it is made for.
    pub libtorch: String,
}

impl Versions {
    /// Those of this program.
    pub fn current() -> Self {
        Self { m2sn: env!("CARGO_PKG_VERSION").into(), libtorch: m2sn_libtorch::VERSION.into() }
    }
}

/// Writes the variables of `network` to `folder`, which is made where it does not exist.
///
/// A checkpoint that is there already is replaced in one step; other files stay.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be written.
pub fn save<N: Network>(network: &N, folder: impl AsRef<Path>) -> Result<()> {
    save_stage(network, folder.as_ref(), None, BTreeMap::new())
}

/// As [`save`], with the stage that ended here and what was measured in it.
pub(crate) fn save_stage<N: Network>(
    network: &N,
    folder: &Path,
    stage: Option<String>,
    metrics: BTreeMap<String, f64>,
) -> Result<()> {
    let description = N::description();
    let tensors: BTreeMap<_, _> = network.variables().variables().into_iter().collect();
    let manifest = Manifest {
        model: description.name.into(),
        spec_sha256: sha256(description.resolved_spec),
        architecture: description.architecture.iter().map(|line| (*line).to_owned()).collect(),
        variables: tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect(),
        stage,
        metrics,
        versions: Versions::current(),
    };
    let text = serde_json::to_string_pretty(&manifest).expect("strings and numbers are always JSON") + "\n";
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    Tensors { tensors, metadata: [("manifest".into(), text.clone())].into() }.write(&folder.join(MODEL))?;
    file::write(&folder.join(MANIFEST), &text)
}

/// Reads the variables of `network` from a folder that [`save`] has written.
///
/// # Errors
/// [`Error::Io`] where there is no checkpoint; [`Error::File`] where it is damaged, or, with the differences,
/// where it is one of another spec. In either case `network` stays as it is.
pub fn load<N: Network>(network: &mut N, folder: impl AsRef<Path>) -> Result<()> {
    restore(network, folder.as_ref())
}

/// As [`load`]: variables can be written through a shared reference, as `tch` sees it.
pub(crate) fn restore<N: Network>(network: &N, folder: &Path) -> Result<()> {
    let path = folder.join(MODEL);
    let file = Tensors::read(&path)?;
    let manifest = parse(&path, &file)?;
    let differences = differences(&manifest, &file, N::description(), network.variables());
    if !differences.is_empty() {
        let mut message = format!("a checkpoint of another spec than `{}`", N::description().spec_path);
        for difference in differences.iter().take(NAMED) {
            let _ = write!(message, "\n  {difference}");
        }
        if differences.len() > NAMED {
            let _ = write!(message, "\n  and {} more differences", differences.len() - NAMED);
        }
        message += "\nhelp: load it into a model of its own spec, or train this one anew";
        return Err(Error::file(path, message));
    }
    assign(network.variables(), &file.tensors)
}

/// What the checkpoint in `folder` says of itself.
///
/// # Errors
/// [`Error::Io`] where there is none, [`Error::File`] where it is damaged.
pub fn manifest(folder: impl AsRef<Path>) -> Result<Manifest> {
    let path = folder.as_ref().join(MODEL);
    parse(&path, &Tensors::read(&path)?)
}

/// Copies each tensor into the variable of its name.
///
/// # Errors
/// [`Error::Invalid`] names the first tensor that has no variable of its shape.
pub(crate) fn assign(variables: &VarStore, tensors: &BTreeMap<String, tch::Tensor>) -> Result<()> {
    let mut variables = variables.variables();
    tch::no_grad(|| {
        tensors.iter().try_for_each(|(name, tensor)| match variables.get_mut(name) {
            Some(variable) if variable.size() == tensor.size() => Ok(variable.f_copy_(tensor)?),
            _ => Err(Error::invalid(format!("the model has no variable `{name}` of shape {:?}", tensor.size()))),
        })
    })
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(crate) fn sha256(text: impl AsRef<[u8]>) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(path: &Path, file: &Tensors) -> Result<Manifest> {
    let Some(text) = file.metadata.get("manifest") else {
        return Err(Error::file(path, "a safetensors file, but no checkpoint of this library: it has no manifest"));
    };
    serde_json::from_str(text).map_err(|error| Error::file(path, format!("its manifest cannot be read: {error}")))
}

/// What keeps the file from fitting the model, a line each: layers that differ, then variables.
fn differences(manifest: &Manifest, file: &Tensors, description: &Description, variables: &VarStore) -> Vec<String> {
    let mut found = Vec::new();
    if manifest.model != description.name {
        found.push(format!("model: `{}` in the file, `{}` here", manifest.model, description.name));
    }
    let here = |line: &&String| !description.architecture.contains(&line.as_str());
    let there = |line: &&&str| !manifest.architecture.iter().any(|other| other == **line);
    found.extend(manifest.architecture.iter().filter(here).map(|line| format!("layer only in the file: {line}")));
    found.extend(description.architecture.iter().filter(there).map(|line| format!("layer only here:        {line}")));
    let variables: BTreeMap<_, _> = variables.variables().into_iter().collect();
    for (name, variable) in &variables {
        match file.tensors.get(name) {
            None => found.push(format!("variable `{name}`: missing in the file")),
            Some(tensor) if tensor.size() != variable.size() || tensor.kind() != variable.kind() => {
                found.push(format!(
                    "variable `{name}`: {:?} of {:?} in the file, {:?} of {:?} here",
                    tensor.size(),
                    tensor.kind(),
                    variable.size(),
                    variable.kind()
                ));
            }
            Some(_) => {}
        }
    }
    let unexpected = file.tensors.keys().filter(|name| !variables.contains_key(*name));
    found.extend(unexpected.map(|name| format!("variable `{name}`: only in the file")));
    found
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;
    use crate::Device;
    use crate::tiny::Tiny;

    fn values(network: &Tiny) -> BTreeMap<String, Tensor> {
        network.variables().variables().into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
    }

    #[test]
    fn loads_what_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let saved = Tiny::new(Device::Cpu).unwrap();
        let mut loaded = Tiny::new(Device::Cpu).unwrap();
        assert_ne!(values(&saved), values(&loaded));
        save(&loaded, folder.path()).unwrap();
        save(&saved, folder.path()).unwrap();
        load(&mut loaded, folder.path()).unwrap();
        assert_eq!(values(&saved), values(&loaded));
        let text = std::fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest(folder.path()).unwrap());
    }

    #[test]
    fn refuses_another_spec_and_leaves_the_model_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        save(&network, folder.path()).unwrap();
        let path = folder.path().join(MODEL);
        let mut file = Tensors::read(&path).unwrap();
        let text = file.metadata["manifest"].replace("left: Vector<6>", "left: Vector<7>");
        file.metadata.insert("manifest".into(), text);
        file.tensors.insert("encoders.left.layer0.weight".into(), Tensor::zeros([12, 7], tch::kind::FLOAT_CPU));
        file.tensors.insert("encoders.left.layer3.bias".into(), Tensor::zeros([7], tch::kind::FLOAT_CPU));
        file.tensors.remove("navigator.bias");
        file.write(&path).unwrap();
        let before = values(&network);
        let error = load(&mut network, folder.path()).unwrap_err().to_string();
        assert_eq!(before, values(&network));
        insta::assert_snapshot!(error.replace(&folder.path().display().to_string(), "folder"));
    }

    #[test]
    fn names_only_so_many_differences() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        save(&network, folder.path()).unwrap();
        let path = folder.path().join(MODEL);
        let mut file = Tensors::read(&path).unwrap();
        file.tensors.clear();
        file.write(&path).unwrap();
        let error = load(&mut network, folder.path()).unwrap_err().to_string();
        insta::assert_snapshot!(error.replace(&folder.path().display().to_string(), "folder"));
    }

    #[test]
    fn a_foreign_or_missing_file_is_a_readable_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        let missing = load(&mut network, folder.path()).unwrap_err().to_string();
        let path = folder.path().join(MODEL);
        Tensors::default().write(&path).unwrap();
        let foreign = load(&mut network, folder.path()).unwrap_err().to_string();
        std::fs::write(&path, "no checkpoint").unwrap();
        let damaged = load(&mut network, folder.path()).unwrap_err().to_string();
        let texts = [missing, foreign, damaged].join("\n");
        insta::assert_snapshot!(texts.replace(&folder.path().display().to_string(), "folder"));
    }
}
