//! LibTorch, installed, bound to Rust and linked: what `tch` needs to run.
//!
//! `tch` alone leaves the installation to its users. Here the build script does it, so that a package which depends on
//! `m2sn` builds and runs with nothing set:
//!
//! 1. It takes the LibTorch that `LIBTORCH` names, or the PyTorch of the active Python where `LIBTORCH_USE_PYTORCH` is
//!    set. Otherwise it installs one with `pip`: into `.libtorch/` of a checkout of the repository, or else into the
//!    user's cache folder, so that all packages share it. `M2SN_TORCH=cuda` installs the CUDA half too.
//! 2. It compiles the C++ of `torch-sys`, whose own build script is switched off by the feature `doc-only`.
//! 3. It links both, through a folder inside cargo's target folder, which `cargo run` and `cargo test` pass to the
//!    program loader. A program that is to be started by hand needs the folder itself: `DEP_M2SN_LIBTORCH_LIB` tells it
//!    to the build script of the package, which passes it to the linker.
//!
//! In a workspace, cargo compiles each dependency once with the features that any member asks for. So a member that
//! uses `tch` without `m2sn` has to depend on this package as well, or else nothing links LibTorch to it.

/// The release of LibTorch that everything here is made for.
pub const VERSION: &str = "2.11.0";
