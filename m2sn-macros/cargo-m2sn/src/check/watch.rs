//! Waits until files change.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{RecursiveMode, Watcher, recommended_watcher};

use crate::{Fault, Outcome};

/// How long a change may take: editors write a file in several steps.
const SETTLES: Duration = Duration::from_millis(50);

/// Calls once, and again whenever what one of the files holds is another; ends where the call fails.
pub(super) fn each_change(paths: &[String], mut call: impl FnMut() -> Outcome) -> Outcome {
    let fault = |error: notify::Error| Fault::Message(format!("cannot watch the specs: {error}"));
    let (sender, events) = channel();
    let mut watcher = recommended_watcher(sender).map_err(fault)?;
    // The folders, because an editor that replaces a file would leave a watched one behind.
    for folder in folders(paths) {
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(fault)?;
    }
    let mut seen = contents(paths);
    call()?;
    while settled(&events) {
        let now = contents(paths);
        if now != seen {
            seen = now;
            call()?;
        }
    }
    Err(Fault::Message("the specs cannot be watched any longer".to_owned()))
}

fn folders(paths: &[String]) -> BTreeSet<&Path> {
    let here = |folder: &Path| folder.as_os_str().is_empty();
    let folders = paths.iter().map(|path| Path::new(path).parent().filter(|folder| !here(folder)));
    folders.map(|folder| folder.unwrap_or(Path::new("."))).collect()
}

/// What the files hold; `None` for one that cannot be read.
fn contents(paths: &[String]) -> Vec<Option<Vec<u8>>> {
    paths.iter().map(|path| std::fs::read(path).ok()).collect()
}

/// Waits for an event and those that follow on its heels; `false` where none can come any more.
fn settled<T>(events: &Receiver<T>) -> bool {
    let any = events.recv().is_ok();
    while events.recv_timeout(SETTLES).is_ok() {}
    any
}
