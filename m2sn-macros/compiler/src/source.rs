//! The spec file: where its path leads, and its text.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::lines::Lines;
use crate::report::{At, Diagnostic, Fault, nearest};

/// The largest spec, in bytes: far more than a network needs, and read in a moment.
const MAX_BYTES: u64 = 1_000_000;

/// A spec file that has been read.
#[derive(Debug)]
pub struct Source {
    /// The path as the user wrote it.
    pub path: String,
    pub(crate) base: Base,
    /// What the file holds.
    pub text: String,
}

/// What a path is relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// The package's folder, where its `Cargo.toml` lies.
    Package,
    /// The folder of the file that calls the macro, for paths that begin with `./` or `../`.
    Caller,
}

impl Source {
    /// Reads a spec by a path as the shell has it: absolute, or relative to the working folder.
    ///
    /// # Errors
    /// A message for the user where the file cannot be read.
    pub fn open(path: &str) -> Result<Self, String> {
        Self::load(path, Base::Package, Path::new(path))
    }

    /// Reads a spec. `package` is the package's folder; `caller` that of the calling file, where it is known.
    ///
    /// # Errors
    /// A message for the user where the path is absolute, or the file cannot be read, is larger than a megabyte, or is
    /// not text in UTF-8.
    pub fn read(path: &str, package: &Path, caller: Option<&Path>) -> Result<Self, String> {
        let (base, file) = resolve(path, package, caller)?;
        Self::load(path, base, &file)
    }

    fn load(path: &str, base: Base, file: &Path) -> Result<Self, String> {
        let mut bytes = Vec::new();
        // What has no end, such as a device, is not read to it.
        File::open(file)
            .and_then(|open| open.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| unreadable(path, file, &error))?;
        let text = decode(path, bytes)?;
        Ok(Self { path: path.to_owned(), base, text })
    }
}

/// The text of a file.
fn decode(path: &str, bytes: Vec<u8>) -> Result<String, String> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!(
            "the spec `{path}` is larger than {MAX_BYTES} bytes\n = help: what several modalities share can be written \
             once, by anchors"
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let mut fault = Fault::new(At::Offset(at), format!("the byte 0x{:02X}, which is no UTF-8", bytes[at]));
        fault.help(match bytes {
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] => "the file is UTF-16: save it as UTF-8",
            _ => "save the file as UTF-8",
        });
        // Up to the byte at fault, the text is as it was.
        let text = String::from_utf8_lossy(bytes);
        Diagnostic::new(&fault, path, &Lines::new(&text), at).rendered
    })
}

/// The file that a path means.
fn resolve(path: &str, package: &Path, caller: Option<&Path>) -> Result<(Base, PathBuf), String> {
    if path.is_empty() {
        return Err("the path of the spec is empty\n = help: write a path such as `specs/network.yaml`".to_owned());
    }
    if Path::new(path).is_absolute() || path.starts_with('/') {
        return Err(format!(
            "the path `{path}` is absolute, which would work on this machine only\n = help: write it relative to the \
             folder of `Cargo.toml`, or begin it with `./` to mean the folder of this file"
        ));
    }
    if !path.starts_with("./") && !path.starts_with("../") {
        return Ok((Base::Package, package.join(path)));
    }
    match caller {
        Some(folder) => Ok((Base::Caller, folder.join(path))),
        None => Err(format!(
            "the path `{path}` is relative to this file, whose place is not known here\n = help: write it relative to \
             the folder of `Cargo.toml`"
        )),
    }
}

/// Says what was tried, and what lies near.
fn unreadable(path: &str, file: &Path, error: &std::io::Error) -> String {
    if error.kind() != std::io::ErrorKind::NotFound {
        return format!("cannot read the spec `{path}`: {error}\n = help: tried `{}`", file.display());
    }
    let mut message = format!("there is no spec `{path}`\n = help: tried `{}`", file.display());
    let Some((folder, specs)) = file.ancestors().skip(1).find_map(|folder| Some((folder, specs_in(folder)?))) else {
        return message;
    };
    let wanted = file.file_name().unwrap_or_default().to_string_lossy();
    let near = nearest(&wanted, specs.iter().map(String::as_str));
    message += &match (near, specs.as_slice()) {
        (Some(near), _) => format!("\n = help: did you mean `{near}` in `{}`?", folder.display()),
        (None, []) => format!("\n = help: there is no .yaml file in `{}`", folder.display()),
        (None, specs) => {
            let names: Vec<_> = specs.iter().take(5).map(|name| format!("`{name}`")).collect();
            let more = if specs.len() > 5 { ", …" } else { "" };
            format!("\n = help: in `{}` are {}{more}", folder.display(), names.join(", "))
        }
    };
    message
}

/// The .yaml files of a folder, sorted; `None` where there is no such folder.
fn specs_in(folder: &Path) -> Option<Vec<String>> {
    let mut specs: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    specs.sort();
    Some(specs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("faulty")
    }

    fn refused(path: &str, caller: Option<&Path>) -> String {
        Source::read(path, &package(), caller).unwrap_err().replace(&package().display().to_string(), "…")
    }

    #[test]
    fn relative_to_the_package_or_to_the_caller() {
        let source = Source::read("head.yaml", &package(), None).expect("a spec");
        assert_eq!((source.base, &*source.path), (Base::Package, "head.yaml"));
        assert!(source.text.starts_with("model: Faulty"));
        let source = Source::read("./head.yaml", Path::new("nowhere"), Some(&package())).expect("a spec");
        assert_eq!(source.base, Base::Caller);
        let source = Source::read("../faulty/head.yaml", Path::new("nowhere"), Some(&package())).expect("a spec");
        assert_eq!(source.base, Base::Caller);
    }

    #[test]
    fn refusals_say_what_to_do() {
        assert!(refused("/specs/a.yaml", None).contains("is absolute, which would work on this machine only"));
        assert!(refused("./a.yaml", None).contains("whose place is not known here"));
        assert!(refused("", None).contains("is empty"));
        assert_eq!(
            refused("haed.yaml", None),
            "there is no spec `haed.yaml`\n = help: tried `…/haed.yaml`\n = help: did you mean `head.yaml` in `…`?"
        );
        let far = refused("networks/my_network.yaml", None);
        assert!(far.contains("\n = help: in `…` are `activation_missing.yaml`, `attention_heads.yaml`"), "{far}");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_where_they_stand() {
        insta::assert_snapshot!(decode("a.yaml", b"model: Tiny\r\n# gr\xc3\xbcn, gr\xfcn\n".to_vec()).unwrap_err(), @r"
        the byte 0xFC, which is no UTF-8
         --> a.yaml:2:11
          |
        2 | # grün, gr�n
          |           ^^
          = help: save the file as UTF-8
        ");
        let utf16 = decode("a.yaml", b"\xff\xfem\0o\0".to_vec()).unwrap_err();
        assert!(utf16.contains("--> a.yaml:1:1\n") && utf16.contains("UTF-16: save it as UTF-8"), "{utf16}");
    }

    #[test]
    fn a_file_is_no_larger_than_a_spec_can_be() {
        let large = |bytes| decode("a.yaml", vec![b'#'; bytes]);
        assert!(large(1_000_000).is_ok());
        let refusal = large(1_000_001).unwrap_err();
        assert!(refusal.starts_with("the spec `a.yaml` is larger than 1000000 bytes\n = help: "), "{refusal}");
        #[cfg(unix)]
        assert!(refused("../dev/zero", Some(Path::new("/"))).contains("is larger than"));
    }
}
