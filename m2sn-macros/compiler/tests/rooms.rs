//! The rooms of the compiler use one another one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_room_uses_one_that_uses_it() {
    let mut uses = uses();
    assert!(uses["check"].contains("report") && uses.len() > 12, "{uses:?}");
    // Rooms that use none of those left are taken out, until none is left, or a circle.
    while !uses.is_empty() {
        let rooms: BTreeSet<_> = uses.keys().cloned().collect();
        uses.retain(|room, used| used.iter().any(|other| other != room && rooms.contains(other)));
        assert!(uses.len() < rooms.len(), "a circle: {uses:?}");
    }
}

/// What each room names outside its tests by paths that begin with `crate::`.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = BTreeMap::new();
    for file in files(&source) {
        let text = fs::read_to_string(&file).expect("a source file");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        // The tests inside a file are its end.
        let lines = lines.take_while(|line| !(line.starts_with("mod ") && line.ends_with(" {")));
        let paths = lines.flat_map(|line| line.split("crate::").skip(1));
        let used = paths.map(|path| path.chars().take_while(|c| c.is_alphanumeric()).collect());
        let room = file.strip_prefix(&source).expect("a file below").with_extension("");
        let room = room.iter().next().expect("a name").to_string_lossy().into_owned();
        uses.entry(room).or_insert_with(BTreeSet::new).extend(used);
    }
    uses
}

/// The files below a folder, but for those that are tests alone.
fn files(folder: &Path) -> Vec<PathBuf> {
    let parent = fs::read_to_string(folder.join("mod.rs")).unwrap_or_default();
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let tests = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        parent.contains(&format!("#[cfg(test)]\nmod {name};"))
    };
    entries
        .filter(|path| !tests(path))
        .flat_map(|path| match path.extension() {
            Some(extension) if extension == "rs" => vec![path],
            None if path.is_dir() => files(&path),
            _ => Vec::new(),
        })
        .collect()
}
