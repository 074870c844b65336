//! The most memory that this process has held since a point in time, where the system tells.

use std::fs;

/// Forgets what was held before.
///
/// Linux alone can; elsewhere nothing happens, and nothing will be known.
pub(super) fn reset() {
    // By its manual, 5 resets the peak of the resident set.
    _ = fs::write("/proc/self/clear_refs", "5");
}

/// The peak since then, in MiB.
pub(super) fn peak() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_grows_with_what_is_held() {
        reset();
        let before = peak().unwrap();
        let held = vec![1u8; 64 << 20];
        assert!(held.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>() > 0);
        let grown = peak().unwrap() - before;
        assert!(grown > 32.0, "{grown} MiB");
    }
}
