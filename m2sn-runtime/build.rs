//! Keeps LibTorch as this workspace wants it, and lets the package's programs and tests find it without any
//! environment set.

use std::env::{self, consts};
use std::process::{Command, exit};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=M2SN_TORCH");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    // Absent where nothing is linked, as for documentation, and on Windows.
    let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo::rerun-if-changed={folder}/{}torch_cpu{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
    set_up();
    // A linker argument never reaches dependents, hence one such script in every package with programs or tests.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
}

/// Installs LibTorch where it has gone, or where `M2SN_TORCH` now asks for CUDA: `torch-sys`, whose compilation
/// installs it in the first place, notices neither.
fn set_up() {
    // Set by the workspace's `.cargo/config.toml`; users of the published package bring their own LibTorch.
    let Ok(script) = env::var("M2SN_LIBTORCH_SETUP") else { return };
    let message = match Command::new(&script).arg("--setup").output() {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("{script}: {error}"),
    };
    println!("cargo::error={}", message.lines().last().unwrap_or("the set-up of LibTorch failed"));
    exit(1);
}
