//! Lets programs, tests and examples of this package be started by hand, and tells dependents where LibTorch lies.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(folder) = std::env::var("DEP_M2SN_LIBTORCH_LIB") {
        println!("cargo::metadata=libtorch_lib={folder}");
        // A linker argument never reaches dependents, hence one such script in every package with programs of its own.
        // `-Xlinker`, and not `-Wl`, which would part the path at its commas.
        for argument in ["-Xlinker", "-rpath", "-Xlinker", &folder] {
            println!("cargo::rustc-link-arg={argument}");
        }
    }
}
