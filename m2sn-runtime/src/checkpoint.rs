//! Checkpoints: a model's variables as safetensors, and a manifest that says whose they are.
//!
//! The file `model.safetensors` is a checkpoint by itself, because it carries the manifest in its metadata:
//! it is replaced in one step, so that a folder never holds half a checkpoint.
//! The file `manifest.json` beside it is a copy for people and other programs. It goes before the weights are replaced
//! and comes back after, so that a program which is killed between the two leaves none rather than that of other weights.
//!
//! Where it is known what the model's parts cost, the file `latency.json` says so.
//!
//! What else a program needs to ask the model, such as a vocabulary, is attached: bytes by name, in the same file as the
//! weights, so that neither comes without the other.
//!
//! What is read is believed, or refused: the weights and what is attached have the SHA-256 that the manifest names, and
//! weights are finite. They go from the mapped file into the model's variables, a variable at a time, so that no second
//! copy of them is held.
//! A checkpoint of a later release than this one is refused. One of an earlier release, or of a spec that differs in
//! its training alone, is read with a warning: the layers decide whether it fits. One of before labels had thresholds is
//! read as it was meant, with one half for each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::Tensor;
use tch::nn::VarStore;

use crate::file;
use crate::latency::Table;
use crate::network::{Description, Network};
use crate::policy::THRESHOLDS;
use crate::{Device, Error, Result, nn};

pub(crate) mod mapped;
pub(crate) mod tensors;

use mapped::{Mapped, Place};
use tensors::{Tensors, digest};

/// The file of the weights.
pub(crate) const MODEL: &str = "model.safetensors";
/// What the tensors are called that hold what is attached.
const ATTACHED: &str = "attachments/";
const MANIFEST: &str = "manifest.json";
/// The file of what the parts of the model cost on the machine that wrote it.
const LATENCY: &str = "latency.json";
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
    /// The SHA-256 of the variables, with their names and shapes.
    pub weights_sha256: String,
    /// What the classes, labels or targets are called, in the order of their numbers; empty where they have no names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// The SHA-256 of what is attached, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attachments: BTreeMap<String, String>,
    /// The training stage after which it was written, where it was one.
    pub stage: Option<String>,
    /// The SHA-256 of the variables that this stage began with.
    pub made_from: Option<String>,
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
/// [`Error::Io`] where the folder cannot be written; [`Error::Invalid`] where it has no name, or with the first variable
/// that holds values that are not finite: no checkpoint that could not be read is written.
pub fn save<N: Network>(network: &N, folder: impl AsRef<Path>) -> Result<()> {
    save_with(network, folder, &Attachments::new())
}

/// What goes with a model, by name: bytes, such as those of a vocabulary's file.
pub type Attachments = BTreeMap<String, Vec<u8>>;

/// As [`save`], with what a program needs besides the model to ask it.
///
/// ```no_run
/// # use m2sn_runtime::{Result, checkpoint::{self, Attachments}, network::Network};
/// # fn example(model: &impl Network) -> Result<()> {
/// let vocabulary = std::fs::read("vocab.txt").unwrap_or_default();
/// checkpoint::save_with(model, "runs/first", &Attachments::from([("vocab.txt".into(), vocabulary)]))?;
/// // In the program that only predicts:
/// let vocabulary: Vec<u8> = checkpoint::attachment("runs/first", "vocab.txt")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`save`]; [`Error::Invalid`] where a name is empty or no plain text.
pub fn save_with<N: Network>(network: &N, folder: impl AsRef<Path>, attachments: &Attachments) -> Result<()> {
    let folder = folder.as_ref();
    let latency = folder.join(LATENCY);
    write(network, folder, None, BTreeMap::new(), attachments)?;
    match network.policies().costs() {
        Ok(costs) => costs.table().save(latency),
        // An earlier checkpoint's would be taken for this one's.
        Err(_) => file::remove(&latency),
    }
}

/// A training stage that has ended.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) stage: String,
    /// The SHA-256 of the variables that it began with.
    pub(crate) made_from: String,
}

/// As [`save`], with the stage that ended here and what was measured in it; returns the SHA-256 of the variables.
pub(crate) fn save_stage<N: Network>(
    network: &N,
    folder: &Path,
    origin: Option<Origin>,
    metrics: BTreeMap<String, f64>,
) -> Result<String> {
    write(network, folder, origin, metrics, &Attachments::new())
}

fn write<N: Network>(
    network: &N,
    folder: &Path,
    origin: Option<Origin>,
    metrics: BTreeMap<String, f64>,
    attachments: &Attachments,
) -> Result<String> {
    if let Some(name) = attachments.keys().find(|name| name.is_empty() || name.chars().any(char::is_control)) {
        return Err(Error::invalid(format!("attachment {name:?}: expected a name of plain text, such as `vocab.txt`")));
    }
    if folder.as_os_str().is_empty() {
        return Err(Error::invalid("the folder of the checkpoint has no name; write `.` to mean the working folder"));
    }
    let description = N::description();
    let tensors: BTreeMap<_, _> = network.variables().variables().into_iter().collect();
    if let Some(name) = not_finite(&tensors)? {
        return Err(Error::invalid(format!(
            "variable `{name}` of `{}` holds values that are not finite, so nothing is saved to `{}`; a training that \
             diverged is the likely cause: lower its learning rate",
            description.name,
            folder.display()
        )));
    }
    let (stage, made_from) = origin.map(|origin| (origin.stage, origin.made_from)).unzip();
    let manifest = Manifest {
        model: description.name.into(),
        spec_sha256: sha256(description.resolved_spec),
        architecture: description.architecture.iter().map(|line| (*line).to_owned()).collect(),
        variables: tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect(),
        weights_sha256: digest(&tensors)?,
        outputs: description.outputs.iter().map(|name| (*name).to_owned()).collect(),
        attachments: attachments.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect(),
        stage,
        made_from,
        metrics,
        versions: Versions::current(),
    };
    let text = manifest.text();
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    file::remove(&folder.join(MANIFEST))?;
    let attached = attachments.iter().map(|(name, bytes)| (format!("{ATTACHED}{name}"), Tensor::from_slice(bytes)));
    let tensors = tensors.into_iter().chain(attached).collect();
    Tensors { tensors, metadata: [("manifest".into(), text.clone())].into() }.write(&folder.join(MODEL))?;
    file::write(&folder.join(MANIFEST), &text)?;
    Ok(manifest.weights_sha256)
}

/// The SHA-256 of a network's variables, as its checkpoint would name it.
pub(crate) fn weights_sha256(network: &impl Network) -> Result<String> {
    digest(&network.variables().variables().into_iter().collect::<BTreeMap<_, _>>())
}

/// Builds a network with the variables that [`save`] has written to a folder: [`Network::new`] and [`load`] in one, and
/// faster, since no parameter is drawn that would be written over.
///
/// # Errors
/// As [`Network::new`] and [`load`].
pub fn open<N: Network>(folder: impl AsRef<Path>, device: Device) -> Result<N> {
    let mut network = nn::undrawn(|| N::new(device))?;
    load(&mut network, folder)?;
    Ok(network)
}

/// Reads the variables of `network` from a folder that [`save`] has written.
///
/// What the model's parts cost is read as well, where it was measured on this machine; else the learned policies have to
/// be told by [`crate::routing::measure`], and nothing else.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`] where there is no checkpoint, where it is damaged or of a later release, or, with
/// the differences, where it is one of another spec. In any case `network` stays as it is, but where another program writes
/// over the file in its place just while it is read: that is refused once it is seen. [`save`] gives the name to a new
/// file, so that whoever reads the old one has it whole; who copies checkpoints should do the same (`mv`, `rsync`), since a
/// file that gets shorter while it is read ends the process on most systems.
pub fn load<N: Network>(network: &mut N, folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    restore(network, folder)?;
    let latency = folder.join(LATENCY);
    if latency.exists() {
        match Table::load(&latency, network) {
            Ok(table) => network.policies_mut().decide_by::<N>(&table)?,
            Err(elsewhere) => {
                tracing::info!("the policies of this model do not know what its parts cost here: {elsewhere}")
            }
        }
    }
    Ok(())
}

/// As [`load`]: variables can be written through a shared reference, as `tch` sees it.
pub(crate) fn restore<N: Network>(network: &N, folder: &Path) -> Result<()> {
    let path = folder.join(MODEL);
    let file = file_of(folder)?;
    let manifest = parse(&path, &file)?;
    let places = variables(&file);
    let differences = differences(&manifest, &places, N::description(), network.variables());
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
    check_weights(&path, &manifest, &file, &places)?;
    check_attached(&path, &manifest, &file)?;
    check_copy(folder, &manifest)?;
    if manifest.spec_sha256 != sha256(N::description().resolved_spec) {
        tracing::warn!("{}: made by a spec of the same layers with other settings", path.display());
    }
    let mut variables = network.variables().variables();
    for (name, place) in &places {
        if let Some(variable) = variables.get(*name) {
            file.values(place)?.copy_to(variable)?;
        }
    }
    file.check_unchanged()?;
    if !places.contains_key(THRESHOLDS)
        && let Some(mut thresholds) = variables.remove(THRESHOLDS)
    {
        let _ = tch::no_grad(|| thresholds.f_zero_())?;
    }
    Ok(())
}

/// What is attached by this name to the checkpoint in `folder`; the weights are not read.
///
/// # Errors
/// [`Error::Io`] where there is no checkpoint, [`Error::File`] where it is damaged, or where nothing of this name is attached
/// to it, with what is.
pub fn attachment(folder: impl AsRef<Path>, name: &str) -> Result<Vec<u8>> {
    let path = folder.as_ref().join(MODEL);
    let file = file_of(folder.as_ref())?;
    let manifest = parse(&path, &file)?;
    check_attached(&path, &manifest, &file)?;
    let Some((_, place)) = attached(&file).find(|(attached, _)| *attached == name) else {
        let names: Vec<_> = manifest.attachments.keys().map(|name| format!("`{name}`")).collect();
        let there = if names.is_empty() { "nothing is".to_owned() } else { format!("{} are", names.join(", ")) };
        let help = "write it there by `checkpoint::save_with`";
        let message = format!("no `{name}` is attached to this checkpoint, but {there}\nhelp: {help}");
        return Err(Error::file(path, message));
    };
    let bytes = file.values(place)?.to_vec();
    file.check_unchanged()?;
    Ok(bytes)
}

/// What the checkpoint in `folder` says of itself; the weights are not read.
///
/// # Errors
/// [`Error::Io`] where there is none, [`Error::File`] where it is damaged.
pub fn manifest(folder: impl AsRef<Path>) -> Result<Manifest> {
    let folder = folder.as_ref();
    let manifest = parse(&folder.join(MODEL), &file_of(folder)?)?;
    check_copy(folder, &manifest)?;
    Ok(manifest)
}

/// Writes the copy of the manifest that a program which was killed did not come to write.
pub(crate) fn complete(folder: &Path) -> Result<()> {
    let copy = folder.join(MANIFEST);
    match copy.exists() {
        true => Ok(()),
        false => file::write(&copy, &manifest(folder)?.text()),
    }
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
    hexadecimal(&Sha256::digest(text))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Manifest {
    fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and finite numbers are always JSON") + "\n"
    }
}

/// Opens the checkpoint of a folder; where there is none, says where one might be meant.
fn file_of(folder: &Path) -> Result<Mapped> {
    let path = folder.join(MODEL);
    if path.exists() {
        return Mapped::open(&path);
    }
    let folders = std::fs::read_dir(folder).map_err(Error::io(folder))?.flatten();
    let mut near: Vec<_> = folders.map(|entry| entry.path()).filter(|entry| entry.join(MODEL).exists()).collect();
    near.sort();
    match near.as_slice() {
        // The system's own words.
        [] => Mapped::open(&path),
        near => {
            let near: Vec<_> = near.iter().map(|folder| format!("`{}`", folder.display())).collect();
            Err(Error::file(folder, format!("there is no checkpoint in this folder, but in {}", near.join(", "))))
        }
    }
}

fn parse(path: &Path, file: &Mapped) -> Result<Manifest> {
    let Some(text) = file.metadata.get("manifest") else {
        return Err(Error::file(path, "a safetensors file, but no checkpoint of this library: it has no manifest"));
    };
    let manifest: Manifest = serde_json::from_str(text)
        .map_err(|error| Error::file(path, format!("its manifest cannot be read: {error}")))?;
    let (there, here) = (&manifest.versions.m2sn, Versions::current().m2sn);
    match release(there) {
        None => Err(Error::file(path, format!("its manifest names `{there}` as the release of m2sn that wrote it"))),
        Some(there) if Some(there) > release(&here) => {
            let message = format!("written by m2sn {}, but this is {here}: update m2sn", manifest.versions.m2sn);
            Err(Error::file(path, message))
        }
        Some(there) => {
            if Some(there) < release(&here) {
                tracing::warn!("{}: written by m2sn {}, this is {here}", path.display(), manifest.versions.m2sn);
            }
            Ok(manifest)
        }
    }
}

/// The numbers of a release, such as `0.1.0`; what follows a dash is of no account.
fn release(version: &str) -> Option<[u64; 3]> {
    let numbers = version.split('-').next()?.split('.').map(|number| number.parse().ok());
    numbers.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// The tensors of a checkpoint that are variables, by name.
fn variables(file: &Mapped) -> BTreeMap<&str, &Place> {
    let places = file.places.iter().filter(|(name, _)| !name.starts_with(ATTACHED));
    places.map(|(name, place)| (name.as_str(), place)).collect()
}

/// The tensors of a checkpoint that hold what is attached, by the names that it is attached by.
fn attached(file: &Mapped) -> impl Iterator<Item = (&str, &Place)> {
    file.places.iter().filter_map(|(name, place)| Some((name.strip_prefix(ATTACHED)?, place)))
}

/// Checks that the weights are those which were written.
fn check_weights(path: &Path, manifest: &Manifest, file: &Mapped, variables: &BTreeMap<&str, &Place>) -> Result<()> {
    let damaged = |what: String| {
        Err(Error::file(path, format!("{what}: the file is damaged; fetch it anew, or train the model anew")))
    };
    let shapes = variables.iter().map(|(name, place)| (*name, &place.shape));
    if !shapes.eq(manifest.variables.iter().map(|(name, shape)| (name.as_str(), shape))) {
        return damaged("its manifest lists other variables than it holds".into());
    }
    let mut digest = tensors::Digest::default();
    for (name, place) in variables {
        let values = file.values(place)?;
        if !values.are_finite()? {
            return damaged(format!("variable `{name}` holds values that are not finite"));
        }
        digest.add(name, place.kind, &place.shape, &values);
    }
    if digest.finish() != manifest.weights_sha256 {
        return damaged("its weights are not those that were written".into());
    }
    Ok(())
}

/// Checks that what is attached is what was written.
fn check_attached(path: &Path, manifest: &Manifest, file: &Mapped) -> Result<()> {
    let found: Result<BTreeMap<_, _>> =
        attached(file).map(|(name, place)| Ok((name.to_owned(), sha256(&*file.values(place)?)))).collect();
    if found? == manifest.attachments {
        return Ok(());
    }
    let message =
        "what is attached is not what was written: the file is damaged; fetch it anew, or save the model anew";
    Err(Error::file(path, message))
}

/// The first variable that holds values that are not finite.
fn not_finite(tensors: &BTreeMap<String, tch::Tensor>) -> Result<Option<&String>> {
    for (name, tensor) in tensors.iter().filter(|(_, tensor)| tensor.is_floating_point()) {
        if !bool::try_from(tensor.isfinite().all())? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Checks that the copy of the manifest, where there is one, says the same.
fn check_copy(folder: &Path, manifest: &Manifest) -> Result<()> {
    let path = folder.join(MANIFEST);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(path)(error)),
    };
    match serde_json::from_str::<Manifest>(&text) {
        Ok(copy) if copy == *manifest => Ok(()),
        _ => {
            Err(Error::file(path, format!("differs from the manifest inside {MODEL}, which counts: remove this copy")))
        }
    }
}

/// What keeps the file from fitting the model, a line each: layers that differ, then variables.
fn differences(
    manifest: &Manifest,
    places: &BTreeMap<&str, &Place>,
    description: &Description,
    variables: &VarStore,
) -> Vec<String> {
    let mut found = Vec::new();
    if manifest.model != description.name {
        found.push(format!("model: `{}` in the file, `{}` here", manifest.model, description.name));
    }
    let names = description.outputs;
    // One without names may have been written before there were any, or be read by a spec that leaves them out.
    if !manifest.outputs.is_empty() && !names.is_empty() && manifest.outputs != names {
        let differs = |(there, here): &(&String, &&str)| there.as_str() != **here;
        let place = manifest.outputs.iter().zip(names).position(|pair| differs(&pair)).unwrap_or(0);
        let there = manifest.outputs.get(place).map_or("nothing", String::as_str);
        found.push(format!("output {place}: `{there}` in the file, `{}` here", names.get(place).unwrap_or(&"nothing")));
    }
    let here = |line: &&String| !description.architecture.contains(&line.as_str());
    let there = |line: &&&str| !manifest.architecture.iter().any(|other| other == **line);
    found.extend(manifest.architecture.iter().filter(here).map(|line| format!("layer only in the file: {line}")));
    found.extend(description.architecture.iter().filter(there).map(|line| format!("layer only here:        {line}")));
    let variables: BTreeMap<_, _> = variables.variables().into_iter().collect();
    for (name, variable) in &variables {
        match places.get(name.as_str()) {
            None if name == THRESHOLDS => {}
            None => found.push(format!("variable `{name}`: missing in the file")),
            Some(place) if place.shape != variable.size() || place.kind != variable.kind() => {
                found.push(format!(
                    "variable `{name}`: {:?} of {:?} in the file, {:?} of {:?} here",
                    place.shape,
                    place.kind,
                    variable.size(),
                    variable.kind()
                ));
            }
            Some(_) => {}
        }
    }
    let unexpected = places.keys().filter(|name| !variables.contains_key(**name));
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
    fn what_is_attached_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        let vocabulary: Vec<u8> = (0..=255).collect();
        let attachments = [("vocab.txt".to_owned(), vocabulary.clone()), ("nothing".to_owned(), Vec::new())];
        save_with(&network, folder.path(), &attachments.into()).unwrap();
        assert_eq!(attachment(folder.path(), "vocab.txt").unwrap(), vocabulary);
        assert!(attachment(folder.path(), "nothing").unwrap().is_empty());
        load(&mut network, folder.path()).unwrap();
        let plain = tempfile::tempdir().unwrap();
        save(&network, plain.path()).unwrap();
        let sha256 = |folder: &Path| manifest(folder).unwrap().weights_sha256;
        assert_eq!(sha256(folder.path()), sha256(plain.path()), "weights are the same with attachments or without");

        let message = attachment(folder.path(), "merges.txt").unwrap_err().to_string();
        assert!(
            message.contains("no `merges.txt` is attached to this checkpoint, but `nothing`, `vocab.txt` are"),
            "{message}"
        );
        let message = attachment(plain.path(), "vocab.txt").unwrap_err().to_string();
        assert!(message.contains("no `vocab.txt` is attached to this checkpoint, but nothing is"), "{message}");
        let message = save_with(&network, plain.path(), &[(String::new(), Vec::new())].into()).unwrap_err().to_string();
        assert!(message.starts_with("attachment \"\": expected a name"), "{message}");

        let path = folder.path().join(MODEL);
        let mut bytes = std::fs::read(&path).unwrap();
        let place = bytes.windows(4).position(|window| window == [100, 101, 102, 103]).unwrap();
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let messages = [attachment(folder.path(), "vocab.txt").map(drop), load(&mut network, folder.path())];
        for message in messages.map(|found| found.unwrap_err().to_string()) {
            assert!(message.contains("what is attached is not what was written"), "{message}");
        }
    }

    #[test]
    fn outputs_of_other_names_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let network = Tiny::new(Device::Cpu).unwrap();
        save(&network, folder.path()).unwrap();
        let file = Mapped::open(&folder.path().join(MODEL)).unwrap();
        let mut manifest = parse(&folder.path().join(MODEL), &file).unwrap();
        let description = Description { outputs: &["joy", "anger", "calm"], ..*Tiny::description() };
        let differences = |manifest: &Manifest, places: &BTreeMap<&str, &Place>| {
            super::differences(manifest, places, &description, network.variables())
        };
        assert_eq!(differences(&manifest, &variables(&file)), [""; 0]);
        manifest.outputs = ["joy", "calm", "anger"].map(String::from).into();
        assert_eq!(differences(&manifest, &variables(&file)), ["output 1: `calm` in the file, `anger` here"]);
        assert!(differences(&manifest, &BTreeMap::new()).len() > 1);
    }

    #[test]
    fn labels_of_before_there_were_thresholds_are_decided_at_one_half() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = crate::tiny::Labelling::new(Device::Cpu).unwrap();
        save(&network, folder.path()).unwrap();
        let path = folder.path().join(MODEL);
        let mut file = Tensors::read(&path).unwrap();
        assert!(file.tensors.remove("thresholds").is_some());
        let mut manifest: Manifest = serde_json::from_str(&file.metadata["manifest"]).unwrap();
        manifest.variables.remove("thresholds");
        manifest.weights_sha256 = digest(&file.tensors).unwrap();
        file.metadata.insert("manifest".into(), manifest.text());
        file.write(&path).unwrap();
        file::remove(&folder.path().join(MANIFEST)).unwrap();
        network.policies().set_thresholds(&[0.5, -0.5, 1.0]).unwrap();
        load(&mut network, folder.path()).unwrap();
        assert_eq!(network.policies().rule().unwrap().thresholds(), Some(vec![0.5; 3]));
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
    fn damaged_weights_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        save(&network, folder.path()).unwrap();
        let path = folder.path().join(MODEL);
        let whole = std::fs::read(&path).unwrap();
        let before = values(&network);
        let mut refusal = |spoil: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = whole.clone();
            spoil(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            let error = load(&mut network, folder.path()).unwrap_err().to_string();
            assert_eq!(values(&network), before);
            error.replace(&folder.path().display().to_string(), "folder")
        };
        let edit = |from: &'static str, to: &'static str| {
            assert_eq!(from.len(), to.len());
            move |bytes: &mut Vec<u8>| {
                let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect(from);
                bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
        };
        let last = whole.len() - 3;
        insta::assert_snapshot!(
            [
                refusal(&|bytes| bytes[last] ^= 1),
                refusal(&|bytes| bytes[last - 1..].copy_from_slice(&f32::NAN.to_le_bytes())),
                refusal(&|bytes| bytes.push(0)),
                refusal(&edit(r#"\"head.bias\": ["#, r#"\"head.bies\": ["#)),
                refusal(&edit(r#"\"m2sn\": \"0.1.0\""#, r#"\"m2sn\": \"9.1.0\""#)),
                refusal(&edit(r#"\"m2sn\": \"0.1.0\""#, r#"\"m2sn\": \"0.1,0\""#)),
            ]
            .join("\n")
        );
        std::fs::write(&path, &whole).unwrap();
        load(&mut network, folder.path()).unwrap();
    }

    #[test]
    fn the_copy_of_the_manifest_says_the_same_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        save(&network, folder.path()).unwrap();
        let copy = folder.path().join(MANIFEST);
        let text = std::fs::read_to_string(&copy).unwrap();
        // Written otherwise, it says the same.
        std::fs::write(&copy, text.replace('\n', "\r\n")).unwrap();
        load(&mut network, folder.path()).unwrap();
        std::fs::write(&copy, "{").unwrap();
        let error = load(&mut network, folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("differs from the manifest inside model.safetensors, which counts: remove this copy"));
        std::fs::remove_file(&copy).unwrap();
        load(&mut network, folder.path()).unwrap();
        complete(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), text);
    }

    #[test]
    fn a_stop_at_any_moment_leaves_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = [(); 2].map(|()| Tiny::new(Device::Cpu).unwrap());
        save(&old, folder.path()).unwrap();
        // A folder where a file should go stops the program there, once before the weights and once after them.
        for (obstacle, left) in [("model.safetensors.partial", &old), ("manifest.json.partial", &new)] {
            let obstacle = folder.path().join(obstacle);
            std::fs::create_dir(&obstacle).unwrap();
            save(&new, folder.path()).unwrap_err();
            let mut found = Tiny::new(Device::Cpu).unwrap();
            load(&mut found, folder.path()).unwrap();
            assert_eq!(values(&found), values(left), "{obstacle:?}");
            std::fs::remove_dir(&obstacle).unwrap();
        }
        save(&new, folder.path()).unwrap();
        assert!(folder.path().join(MANIFEST).exists());
    }

    #[test]
    fn weights_that_are_not_finite_are_not_saved() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        save(&network, folder.path()).unwrap();
        let before = values(&network);
        let _ = tch::no_grad(|| network.variables().variables()["head.bias"].get(1).fill_(f64::INFINITY));
        let error = save(&network, folder.path()).unwrap_err().to_string();
        assert!(error.starts_with("variable `head.bias` of `Tiny` holds values that are not finite"), "{error}");
        load(&mut network, folder.path()).unwrap();
        assert_eq!(values(&network), before);
    }

    #[test]
    fn folders_without_a_checkpoint_lead_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut network = Tiny::new(Device::Cpu).unwrap();
        save(&network, folder.path().join("fusion")).unwrap();
        let error = load(&mut network, folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("there is no checkpoint in this folder, but in `") && error.ends_with("/fusion`"),
            "{error}"
        );
        let error = save(&network, "").unwrap_err().to_string();
        assert_eq!(error, "the folder of the checkpoint has no name; write `.` to mean the working folder");
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
