//! Lets programs, tests and examples of this package find LibTorch without any environment set.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A linker argument never reaches dependents, hence one such script in every package with programs or tests.
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
