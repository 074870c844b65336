//! The most memory that this process has taken since a point in time, where the system tells.

use std::fs;

/// A point in time, and the MiB that were held then; Linux alone tells.
#[derive(Debug)]
pub(super) struct Since(Option<f64>);

impl Since {
    /// Begins now: what is free goes back to the system, so that what comes is not hidden in it, and the peak is forgotten.
    pub(super) fn now() -> Self {
        system::give_back();
        // By its manual, 5 resets the peak of the resident set.
        let forgotten = fs::write("/proc/self/clear_refs", "5").is_ok();
        Self(forgotten.then(|| status("VmRSS:")).flatten())
    }

    /// The most MiB that have been held since then beyond what was held then.
    pub(super) fn most(&self) -> Option<f64> {
        Some((status("VmHWM:")? - self.0?).max(0.0))
    }
}

/// A figure of this process, in MiB.
fn status(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod system {
    /// Has glibc give free memory back.
    #[expect(unsafe_code, reason = "glibc has no other door for it")]
    pub(super) fn give_back() {
        // SAFETY: works under the allocator's own lock on what nobody holds.
        unsafe { libc::malloc_trim(0) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod system {
    pub(super) fn give_back() {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_before_does_not_count() {
        // Other tests run beside this one, so a bound is all that can be told.
        let before = vec![1u8; 256 << 20];
        let since = Since::now();
        let held = vec![1u8; 64 << 20];
        assert!([&before, &held].iter().all(|held| held.iter().step_by(4096).all(|byte| *byte == 1)));
        let most = since.most().unwrap();
        assert!(most > 32.0, "{most} MiB");
    }
}
