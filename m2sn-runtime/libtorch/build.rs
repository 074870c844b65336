//! Finds or installs LibTorch, compiles its bindings, and tells cargo how to link them.

use std::env::{self, consts};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The release that the bindings are made for.
const VERSION: &str = "2.11.0";
/// The package whose C++ is the bindings.
const BINDINGS: &str = "torch-sys-0.24.0";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    if cfg!(feature = "doc-only") {
        return ExitCode::SUCCESS;
    }
    match set_up() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn set_up() -> Result<(), String> {
    let torch = LibTorch::find()?;
    compile(&torch)?;
    link(&torch)
}

/// A LibTorch that is there.
struct LibTorch {
    /// The folder that has `include` and `lib` in it.
    folder: PathBuf,
}

impl LibTorch {
    /// The one that the user has chosen, or the one that is installed for them.
    fn find() -> Result<Self, String> {
        let (folder, chosen) = match (variable("LIBTORCH"), variable("LIBTORCH_USE_PYTORCH")) {
            (Some(folder), _) => (PathBuf::from(folder), "LIBTORCH names"),
            (None, Some(_)) => (pytorch()?, "the active Python has"),
            (None, None) => (installed()?, "m2sn has installed"),
        };
        let torch = Self { folder };
        let library = torch.library();
        // Where the file goes or changes, this script runs anew and installs or links again.
        println!("cargo::rerun-if-changed={}", library.display());
        if !library.exists() || !torch.folder.join("include").exists() {
            return Err(format!(
                "{chosen} `{}` as LibTorch, but there is no `{}` or no `include`: \
                 name the folder of a LibTorch {VERSION} that holds `lib` and `include`, or unset the variable",
                torch.folder.display(),
                library.display()
            ));
        }
        let version = fs::read_to_string(torch.folder.join("build-version")).unwrap_or_else(|_| VERSION.into());
        // A release may end in its variant, as in `2.11.0+cpu`.
        let release = version.trim().split('+').next().unwrap_or_default();
        if release != VERSION && variable("LIBTORCH_BYPASS_VERSION_CHECK").is_none() {
            return Err(format!("{chosen} LibTorch {release}, but m2sn needs {VERSION}: install that release"));
        }
        Ok(torch)
    }

    fn libraries(&self) -> PathBuf {
        self.folder.join("lib")
    }

    fn library(&self) -> PathBuf {
        self.libraries().join(format!("{}torch_cpu{}", consts::DLL_PREFIX, consts::DLL_SUFFIX))
    }

    fn includes(&self) -> [PathBuf; 2] {
        ["include", "include/torch/csrc/api/include"].map(|folder| self.folder.join(folder))
    }
}

/// The folder of the PyTorch that the active Python imports.
fn pytorch() -> Result<PathBuf, String> {
    const ASK: &str = "import os, torch; print(torch.__version__); print(os.path.dirname(torch.__file__))";
    let python = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let answer = Command::new(python).args(["-c", ASK]).output().map_err(|error| format!("{python}: {error}"))?;
    let text = String::from_utf8_lossy(&answer.stdout);
    match text.lines().collect::<Vec<_>>()[..] {
        [version, folder] if version.split('+').next() == Some(VERSION) => Ok(folder.into()),
        [version, _] => Err(format!("LIBTORCH_USE_PYTORCH: {python} has PyTorch {version}, but m2sn needs {VERSION}")),
        _ => Err(format!(
            "LIBTORCH_USE_PYTORCH: {python} cannot import PyTorch: {}",
            String::from_utf8_lossy(&answer.stderr).lines().last().unwrap_or_default()
        )),
    }
}

/// The folder of the LibTorch that this package installs, where it is not there yet.
fn installed() -> Result<PathBuf, String> {
    println!("cargo::rerun-if-changed=install");
    let half = variable("M2SN_TORCH");
    let home = home()?;
    // Through the shell, since a package from a registry has lost the permission to be executed.
    let mut install = Command::new("sh");
    install.arg(package().join("install")).arg(&home);
    if let Some(half) = half {
        install.env("M2SN_TORCH", half);
    }
    let output = install.output().map_err(|error| format!("cannot run `sh` to install LibTorch: {error}"))?;
    match output.status.success() {
        true => Ok(home.join("torch")),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Where LibTorch is installed: in a checkout of the repository at its top, else in the user's cache folder.
fn home() -> Result<PathBuf, String> {
    let package = package();
    let top = package.join("../..");
    // Cargo marks the checkouts that are its own; they are no place for anything else.
    if top.join("m2sn-macros").exists() && !top.join(".cargo-ok").exists() {
        let top = package.ancestors().nth(2).unwrap_or(&package);
        return Ok(top.join(".libtorch"));
    }
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let folder = if consts::OS == "macos" { "Library/Caches" } else { ".cache" };
        Some(PathBuf::from(variable("HOME")?).join(folder))
    });
    match cache {
        Some(cache) => Ok(cache.join("m2sn").join(format!("libtorch-{VERSION}"))),
        None => Err("there is no home folder to install LibTorch into: set HOME, XDG_CACHE_HOME or LIBTORCH".into()),
    }
}

/// Compiles the C++ side of `tch`, and has cargo link all of it: the crates that call it come later in the order of
/// linking than this one.
fn compile(torch: &LibTorch) -> Result<(), String> {
    let sources = bindings()?.join("libtch");
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .pic(true)
        .warnings(false)
        .includes(torch.includes())
        .flag("-std=c++17")
        .flag(format!("-D_GLIBCXX_USE_CXX11_ABI={}", variable("LIBTORCH_CXX11_ABI").as_deref().unwrap_or("1")))
        .flag("-DGLOG_USE_GLOG_EXPORT")
        .files(["torch_api.cpp", "torch_api_generated.cpp"].map(|file| sources.join(file)))
        .link_lib_modifier("+whole-archive")
        // A bundled archive is handed to the linker by a path, which it would part at its commas.
        .link_lib_modifier("-bundle");
    build.try_compile("tch").map_err(|error| {
        format!(
            "the bindings of LibTorch do not compile: {error}\n\
             a C++ compiler is needed: g++ (Debian, Ubuntu: `apt-get install g++`; Fedora: `dnf install gcc-c++`; \
             macOS: `xcode-select --install`)"
        )
    })
}

/// The package `torch-sys` as cargo has unpacked it: beside this one, or in a registry's folder.
fn bindings() -> Result<PathBuf, String> {
    if let Some(folder) = variable("M2SN_TORCH_SYS") {
        return Ok(folder.into());
    }
    let package = package();
    let beside = package.parent().unwrap_or(&package);
    let cargo = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let registries = cargo.and_then(|cargo| fs::read_dir(cargo.join("registry/src")).ok());
    let unpacked = registries.into_iter().flatten().flatten().map(|registry| registry.path().join(BINDINGS));
    [beside.join(BINDINGS), beside.join("torch-sys")]
        .into_iter()
        .chain(unpacked)
        .find(|folder| folder.join("libtch/torch_api.cpp").exists())
        .ok_or_else(|| {
            format!(
                "cannot find the sources of {BINDINGS}: let M2SN_TORCH_SYS name the folder, as for vendored sources"
            )
        })
}

/// Links LibTorch itself.
fn link(torch: &LibTorch) -> Result<(), String> {
    let libraries = torch.libraries();
    println!("cargo::rustc-link-search=native={}", reachable(&libraries).display());
    for library in ["torch_cpu", "c10"] {
        println!("cargo::rustc-link-lib={library}");
    }
    if consts::OS == "linux" {
        println!("cargo::rustc-link-lib=gomp");
    }
    println!("cargo::metadata=lib={}", libraries.display());
    println!("cargo::metadata=include={}", torch.folder.join("include").display());
    Ok(())
}

/// The same libraries by a way that leads through the target folder: cargo tells the loader of the programs that it
/// starts of the folders in there alone.
#[cfg(unix)]
fn reachable(libraries: &Path) -> PathBuf {
    let link = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("libtorch");
    let _ = fs::remove_file(&link);
    match std::os::unix::fs::symlink(libraries, &link) {
        Ok(()) => link,
        // A file system without links: programs then need the folder in their own search path.
        Err(_) => libraries.to_owned(),
    }
}

#[cfg(not(unix))]
fn reachable(libraries: &Path) -> PathBuf {
    libraries.to_owned()
}

/// The folder of this package.
fn package() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default())
}

/// A variable of the environment, for which this script runs anew where it changes.
fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok().filter(|value| !value.is_empty())
}
