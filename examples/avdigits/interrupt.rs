//! Ctrl-C and the signal of a system that shuts down: the run can go on, and its user should know how.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::program::say;

/// Says how to go on once the program is told to end, and lets it end at once.
///
/// Nothing has to be brought to its end first: the files of a run folder appear whole or not at all, and a run that
/// goes on comes to the result of one that was never interrupted.
///
/// # Errors
/// Where the system does not let signals be listened to.
pub(crate) fn explain(folder: &Path) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let text = text(folder);
    thread::spawn(move || {
        for signal in &mut signals {
            // The cursor stands behind a bar, or behind the `^C` of the terminal.
            let line_break = if io::stderr().is_terminal() { "\n" } else { "" };
            say(&format!("{line_break}{text}"));
            // Ends the process as the signal does by itself, so that the shell sees 130 or 143 and its loops end too.
            _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

fn text(folder: &Path) -> String {
    format!("interrupted: the same command with `--run {}` goes on after the last finished epoch", quoted(folder))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@%".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        assert!(text(Path::new("runs/avdigits-mix-noisy")).contains(" `--run runs/avdigits-mix-noisy` "));
        assert_eq!(quoted(Path::new("my runs/it's")), r"'my runs/it'\''s'");
    }
}
