//! The Python of the peers: a virtual environment of its own, with the releases of `requirements.txt`.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::say;

/// A Python that has all packages.
#[derive(Debug)]
pub(crate) struct Python {
    program: PathBuf,
}

const REQUIREMENTS: &str = include_str!("requirements.txt");

impl Python {
    /// The one in `home`, which is made where it is not there yet, or not of these requirements.
    pub(crate) fn ready(home: &Path) -> Result<Self, String> {
        let folder = home.join("venv");
        let program = folder.join("bin/python");
        // Written last, so that what was left half done is done anew.
        let stamp = folder.join("requirements.txt");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == REQUIREMENTS) {
            return Ok(Self { program });
        }
        say("installing PyTorch, ONNX Runtime and OpenVINO into the target folder: once, up to 5 GB");
        let log = home.join("install.log");
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        fs::create_dir_all(home).map_err(|error| format!("{}: {error}", home.display()))?;
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(&folder);
        let help = "Python 3.11 or newer with `venv` is needed (Debian, Ubuntu: `apt-get install python3-venv`)";
        complete(create, &log, help)?;
        let requirements = home.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS).map_err(|error| format!("{}: {error}", requirements.display()))?;
        let mut install = Command::new(&program);
        install.args(["-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--progress-bar=off"]);
        install.arg("--requirement").arg(&requirements);
        complete(install, &log, "check network and disk, or leave out what needs Python: `--runner tch`")?;
        fs::rename(&requirements, &stamp).map_err(|error| format!("{}: {error}", stamp.display()))?;
        Ok(Self { program })
    }

    /// Starts a script of this folder.
    pub(crate) fn script(&self, name: &str, home: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers")).join(name));
        // What is compiled is kept for the next session, and no bytecode in the tree.
        command.env("TORCHINDUCTOR_CACHE_DIR", home.join("inductor")).env("PYTHONDONTWRITEBYTECODE", "1");
        // Cargo lets programs find our LibTorch by this; PyTorch has to load its own.
        if let Some(folders) = env::var_os("LD_LIBRARY_PATH") {
            let others = env::split_paths(&folders).filter(|folder| !has_libtorch(folder));
            command.env("LD_LIBRARY_PATH", env::join_paths(others).unwrap_or_default());
        }
        command
    }
}

fn has_libtorch(folder: &Path) -> bool {
    folder.join("libtorch_cpu.so").exists()
}

/// Runs a command to its end; where that is no good one, says what it said and what may help.
fn complete(mut command: Command, log: &Path, help: &str) -> Result<(), String> {
    let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let again = file.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
    let name = command.get_program().display().to_string();
    let status = command.stdin(Stdio::null()).stdout(file).stderr(again).status();
    if status.as_ref().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let end = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let said = fs::read_to_string(log).unwrap_or_default();
    let words = said.lines().rfind(|line| line.starts_with("ERROR")).or(said.trim().lines().last());
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    Err(format!("{name}: {end}{words}\n{help}\nAll that it said is in {}", log.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_installs_nothing() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("venv")).unwrap();
        fs::write(home.path().join("venv/requirements.txt"), REQUIREMENTS).unwrap();
        let python = Python::ready(home.path()).unwrap();
        assert_eq!(python.program, home.path().join("venv/bin/python"));
    }

    #[test]
    fn a_failure_is_told_in_three_lines() {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo Collecting; echo 'ERROR: No matching distribution' >&2; echo; exit 1"]);
        let fault = complete(command, &home.path().join("log"), "check network").unwrap_err();
        let lines: Vec<_> = fault.lines().collect();
        assert_eq!(lines[..2], ["sh: exit status: 1: ERROR: No matching distribution", "check network"], "{fault}");
        let fault = complete(Command::new("no-such-program"), &home.path().join("log"), "install it").unwrap_err();
        assert!(fault.starts_with("no-such-program: "), "{fault}");
    }
}
