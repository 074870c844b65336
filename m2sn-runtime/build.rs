//! Compiles the C++ that reaches what `tch` does not expose of LibTorch.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const SHIM: &str = "src/dispatcher/shim.cpp";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SHIM}");
    if cfg!(feature = "doc-only") {
        return ExitCode::SUCCESS;
    }
    match includes().and_then(|includes| compile(&includes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The folder of LibTorch's headers, as `m2sn-libtorch` has found it.
fn includes() -> Result<PathBuf, String> {
    env::var_os("DEP_M2SN_LIBTORCH_INCLUDE")
        .map(PathBuf::from)
        .ok_or_else(|| "`m2sn-libtorch` has not said where the headers of LibTorch are".into())
}

/// With the flags of the bindings, since both hand each other LibTorch's objects.
fn compile(includes: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let abi = env::var("LIBTORCH_CXX11_ABI").ok().filter(|value| !value.is_empty());
    cc::Build::new()
        .cpp(true)
        .pic(true)
        .warnings(false)
        .include(includes)
        .flag("-std=c++17")
        .flag(format!("-D_GLIBCXX_USE_CXX11_ABI={}", abi.as_deref().unwrap_or("1")))
        .file(SHIM)
        .try_compile("m2sn_dispatcher")
        .map_err(|error| format!("{SHIM} does not compile against LibTorch in `{}`: {error}", includes.display()))
}
