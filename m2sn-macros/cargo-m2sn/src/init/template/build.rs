//! Lets programs find LibTorch also where cargo does not start them.

fn main() {
    let libraries = std::env::var("DEP_M2SN_LIBTORCH_LIB").unwrap_or_default();
    for argument in ["-Xlinker", "-rpath", "-Xlinker", &libraries] {
        println!("cargo::rustc-link-arg={argument}");
    }
}
